//! Deadlines over hops.

use core::time::Duration;
use proptest::prelude::*;
use resil_core::Instant;
use resil_core::deadline::{CallContext, Deadline, WireContext};

/// What the time that remains is counted in.
const TICK: u64 = 1 << 20;

/// A node on the way: what its clock shows when the message comes, how long it works before it asks the
/// next one, how much time it grants, which attempt it is at, and whether that is a hedge.
type Hop = (u64, u64, u64, u32, bool);

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
        let mut context = CallContext::new(Deadline::after(Instant::EPOCH, Duration::from_nanos(timeout)));
        let mut now = Instant::EPOCH; // of the node that holds the context
        let mut elapsed = 0_u64; // since the call began, by nobody's clock
        let mut latest = timeout; // the deadline, counted from there; u64::MAX: none
        let (mut retries, mut hedged) = (0_u64, false);
        for (clock, work, granted, attempt, hedge) in hops {
            let bytes = context.child(attempt, hedge).wire(now).encode();
            now = Instant::from_nanos(clock);
            let longest = Duration::from_nanos(granted);
            context = WireContext::decode(&bytes).unwrap().received(longest, now);

            let bound = latest.min(elapsed.saturating_add(granted));
            match context.deadline().remaining(now) {
                None => prop_assert_eq!((latest, granted), (u64::MAX, u64::MAX)),
                Some(left) => {
                    let deadline = elapsed + u64::try_from(left.as_nanos()).unwrap();
                    prop_assert!(deadline <= bound.max(elapsed), "later: {} > {}", deadline, bound);
                    if bound < u64::MAX {
                        prop_assert!(deadline.saturating_add(TICK) > bound, "{} << {}", deadline, bound);
                    }
                    latest = deadline;
                }
            }
            retries += u64::from(attempt.saturating_sub(1));
            hedged |= hedge;
            prop_assert_eq!(u64::from(context.attempt()), (1 + retries).min(255));
            prop_assert_eq!((context.is_retry(), context.is_hedge()), (retries > 0, hedged));
            now = now.saturating_add(Duration::from_nanos(work));
            elapsed += work;
        }
    }

    /// Bytes have one meaning and meanings one form.
    #[test]
    fn any_bytes_are_a_context_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..9)) {
        if let Ok(context) = WireContext::decode(&bytes) {
            prop_assert_eq!(context.encode().to_vec(), bytes);
            let now = Instant::MAX;
            let _ = context.received(Duration::MAX, now).wire(now);
        }
    }

    /// An attempt's deadline is no later than the call's, nor than its own timeout.
    #[test]
    fn an_attempt_ends_with_the_earlier_of_two(
        deadline in prop_oneof![0..2_000_u64, Just(u64::MAX)],
        timeout in 0..2_000_u64,
        now in 0..2_000_u64,
    ) {
        let (call, now) = (Deadline::at(Instant::from_nanos(deadline)), Instant::from_nanos(now));
        let timeout = Duration::from_nanos(timeout);
        let attempt = call.attempt(timeout, now);
        prop_assert_eq!(attempt, call.min(Deadline::after(now, timeout)));
        prop_assert_eq!(attempt.remaining(now), Some(call.clamp(timeout, now)));
        prop_assert!(attempt.instant() <= call.instant().or(Some(Instant::MAX)));
        if let Some(due) = attempt.next_deadline(now) {
            prop_assert!(due > now && attempt.is_past(due));
        } else {
            prop_assert!(attempt.is_past(now));
        }
    }
}

#[test]
fn a_number_of_layers_that_retry_is_seen_by_the_last() {
    let first = CallContext::default();
    let second = first.child(2, false);
    let third = second.child(3, false).wire(Instant::EPOCH).received(Duration::MAX, Instant::EPOCH);
    assert_eq!((second.attempt(), third.attempt()), (2, 4));
}
