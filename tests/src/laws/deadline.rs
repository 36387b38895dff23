//! Deadlines over hops.

use core::time::Duration;
use resil_core::Instant;
use resil_core::deadline::{CallContext, Deadline, WireContext};

/// What the time that remains is counted in.
pub const TICK: u64 = 1 << 20;

/// A node on the way: what its clock shows when the message comes, how long it works before it asks the
/// next one, how much time it grants, which attempt it is at, and whether that is a hedge.
pub type Hop = (u64, u64, u64, u32, bool);

/// By the first node's clock, with messages that take no time.
///
/// # Panics
///
/// Where it does not hold.
pub fn a_deadline_never_moves_later_and_a_hop_costs_at_most_a_tick(timeout: u64, hops: &[Hop]) {
    let mut context =
        CallContext::new(Deadline::after(Instant::EPOCH, Duration::from_nanos(timeout)));
    let mut now = Instant::EPOCH; // of the node that holds the context
    let mut elapsed = 0_u64; // since the call began, by nobody's clock
    let mut latest = timeout; // the deadline, counted from there; u64::MAX: none
    let (mut retries, mut hedged) = (0_u64, false);
    for (clock, work, granted, attempt, hedge) in hops.iter().copied() {
        let bytes = context.child(attempt, hedge).wire(now).encode();
        now = Instant::from_nanos(clock);
        let longest = Duration::from_nanos(granted);
        context = WireContext::decode(&bytes).unwrap().received(longest, now);

        let bound = latest.min(elapsed.saturating_add(granted));
        match context.deadline().remaining(now) {
            None => assert_eq!((latest, granted), (u64::MAX, u64::MAX)),
            Some(left) => {
                let deadline = elapsed + u64::try_from(left.as_nanos()).unwrap();
                assert!(deadline <= bound.max(elapsed), "later: {} > {}", deadline, bound);
                if bound < u64::MAX {
                    assert!(deadline.saturating_add(TICK) > bound, "{} << {}", deadline, bound);
                }
                latest = deadline;
            }
        }
        retries += u64::from(attempt.saturating_sub(1));
        hedged |= hedge;
        assert_eq!(u64::from(context.attempt()), (1 + retries).min(255));
        assert_eq!((context.is_retry(), context.is_hedge()), (retries > 0, hedged));
        now = now.saturating_add(Duration::from_nanos(work));
        elapsed += work;
    }
}

/// Bytes have one meaning and meanings one form.
///
/// # Panics
///
/// Where it does not hold.
pub fn any_bytes_are_a_context_or_an_error(bytes: &[u8]) {
    if let Ok(context) = WireContext::decode(bytes) {
        assert_eq!(context.encode().to_vec(), bytes);
        let now = Instant::MAX;
        let _ = context.received(Duration::MAX, now).wire(now);
    }
}

/// An attempt's deadline is no later than the call's, nor than its own timeout.
///
/// # Panics
///
/// Where it does not hold.
pub fn an_attempt_ends_with_the_earlier_of_two(deadline: u64, timeout: u64, now: u64) {
    let (call, now) = (Deadline::at(Instant::from_nanos(deadline)), Instant::from_nanos(now));
    let timeout = Duration::from_nanos(timeout);
    let attempt = call.attempt(timeout, now);
    assert_eq!(attempt, call.min(Deadline::after(now, timeout)));
    assert_eq!(attempt.remaining(now), Some(call.clamp(timeout, now)));
    assert!(attempt.instant() <= call.instant().or(Some(Instant::MAX)));
    if let Some(due) = attempt.next_deadline(now) {
        assert!(due > now && attempt.is_past(due));
    } else {
        assert!(attempt.is_past(now));
    }
}
