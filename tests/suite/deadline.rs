//! Deadlines over hops.

use core::time::Duration;
use proptest::prelude::*;
use resil_core::Instant;
use resil_core::deadline::CallContext;
use resil_tests::laws::deadline::{self as laws, Hop, TICK};

fn hops() -> impl Strategy<Value = Vec<Hop>> {
    let clocks = prop_oneof![Just(0), 0..u64::MAX / 2];
    let grants = prop_oneof![0..20 * TICK, Just(u64::MAX)];
    let attempts = prop_oneof![3 => 0..4_u32, 1 => Just(u32::MAX)];
    prop::collection::vec((clocks, 0..3 * TICK, grants, attempts, any::<bool>()), 1..12)
}

proptest! {
    /// By the first node's clock, with messages that take no time.
    #[test]
    fn a_deadline_never_moves_later_and_a_hop_costs_at_most_a_tick(
        timeout in prop_oneof![9 => 0..40 * TICK, 1 => Just(u64::MAX)],
        hops in hops(),
    ) {
        laws::a_deadline_never_moves_later_and_a_hop_costs_at_most_a_tick(timeout, &hops);
    }

    /// Bytes have one meaning and meanings one form.
    #[test]
    fn any_bytes_are_a_context_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..9)) {
        laws::any_bytes_are_a_context_or_an_error(&bytes);
    }

    /// An attempt's deadline is no later than the call's, nor than its own timeout.
    #[test]
    fn an_attempt_ends_with_the_earlier_of_two(
        deadline in prop_oneof![0..2_000_u64, Just(u64::MAX)],
        timeout in 0..2_000_u64,
        now in 0..2_000_u64,
    ) {
        laws::an_attempt_ends_with_the_earlier_of_two(deadline, timeout, now);
    }
}

#[test]
fn a_number_of_layers_that_retry_is_seen_by_the_last() {
    let first = CallContext::default();
    let second = first.child(2, false);
    let third = second.child(3, false).wire(Instant::EPOCH).received(Duration::MAX, Instant::EPOCH);
    assert_eq!((second.attempt(), third.attempt()), (2, 4));
}
