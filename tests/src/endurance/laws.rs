//! What has to hold, whatever goes wrong. Each law is a function that is asked whenever it could break.

use super::policy::{DEADLINE, Policies, refill};
use super::watch::{BreakerWatch, Level, Spending, signed};
use core::fmt::Debug;
use core::time::Duration;
use resil_core::Instant;
use resil_core::circuit_breaker::State;
use resil_core::rate_limit::RateLimitConfig;
use resil_core::snapshot::SnapshotError;

/// A law that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The name of the law.
    pub law: &'static str,
    /// What was seen.
    pub seen: String,
}

/// Whether a law holds.
pub(super) type Law = Result<(), Breach>;

fn law(name: &'static str, holds: bool, seen: impl FnOnce() -> String) -> Law {
    if holds { Ok(()) } else { Err(Breach { law: name, seen: seen() }) }
}

/// A bucket can be early by 1 ns, and by one more for each time that the clock was set.
const GRACE: u64 = 100;

/// Within any time of its own clock a bucket admits its burst and what comes back in that time.
pub(super) fn limit_is_kept(level: &Level, config: &RateLimitConfig) -> Law {
    let (nanos, burst) = refill(config);
    let most = nanos * burst;
    law("limit_is_kept", level.owed <= most + GRACE, || {
        format!("{} ns are owed of {most}", level.owed)
    })
}

/// A breaker that has opened lets nobody through before its open time is over.
pub(super) fn open_breaker_admits_nobody(breaker: &BreakerWatch, now: Instant) -> Law {
    let holds = breaker.shut_since.is_none();
    law("open_breaker_admits_nobody", holds, || format!("{breaker:?} at {now:?}"))
}

/// A breaker stays open for half its open time at least: the other half is jitter.
pub(super) fn open_breaker_stays_open(breaker: &BreakerWatch, now: Instant) -> Law {
    let holds = breaker.shut_until().is_none_or(|until| until <= signed(now));
    law("open_breaker_stays_open", holds, || format!("{breaker:?} at {now:?}"))
}

/// While a probe is out and its lease lasts, there is no other one.
pub(super) fn one_probe_at_a_time(breaker: &BreakerWatch, now: Instant) -> Law {
    let holds = breaker.probe_until.is_none_or(|until| until <= signed(now));
    law("one_probe_at_a_time", holds, || format!("{breaker:?} at {now:?}"))
}

/// What a bulkhead holds is out: no permit is lost and none is given back twice.
pub(super) fn held_is_outstanding(held: u16, outstanding: u16) -> Law {
    law("held_is_outstanding", held == outstanding, || format!("{held} held, {outstanding} out"))
}

/// A call makes no more attempts than its policy says.
pub(super) fn attempts_within_policy(attempts: u32, policies: &Policies) -> Law {
    let most = policies.peer.call().retry().max_attempts();
    law("attempts_within_policy", attempts <= most, || format!("{attempts} of {most}"))
}

/// A call has at most two attempts out.
pub(super) fn two_attempts_at_a_time(outstanding: u16) -> Law {
    law("two_attempts_at_a_time", outstanding <= 2, || format!("{outstanding} are out"))
}

/// The extra attempts of a window are paid for by its calls.
pub(super) fn extras_within_budget(spending: &Spending, policies: &Policies, now: Instant) -> Law {
    let window = policies.budget.window().as_nanos() as i64;
    let (calls, extras) = spending.recent(window, now);
    let ratio = policies.budget.ratio();
    let paid = calls * usize::from(ratio.numerator()) / usize::from(ratio.denominator());
    let most = paid + policies.budget.minimum() as usize;
    law("extras_within_budget", extras <= most, || format!("{extras} for {calls} calls"))
}

/// The table of peers does not grow.
pub(super) fn table_is_bounded(peers: usize, slots: usize) -> Law {
    law("table_is_bounded", peers <= slots, || format!("{peers} in {slots} slots"))
}

/// A node keeps peers to call: those that are ejected are at most the share of the rule.
pub(super) fn enough_peers_stay(ejected: u32, peers: u32, policies: &Policies) -> Law {
    let most = policies.ejection.limit(peers);
    law("enough_peers_stay", ejected <= most, || format!("{ejected} of {peers} are ejected"))
}

/// A snapshot answers as the machine did: it forgives nothing and adds nothing.
pub(super) fn snapshot_is_faithful(
    saved: &impl Debug,
    before: Remembered,
    after: Remembered,
) -> Law {
    law("snapshot_is_faithful", before == after, || {
        format!("{saved:?}: {before:?}, then {after:?}")
    })
}

/// A snapshot that is not damaged is restored, all of it.
pub(super) fn snapshot_is_whole(restored: Result<bool, SnapshotError>) -> Law {
    law("snapshot_is_whole", restored == Ok(true), || format!("{restored:?}"))
}

/// A snapshot that is damaged is refused.
pub(super) fn damage_is_found(is_refused: bool, damaged: &impl Debug) -> Law {
    law("damage_is_found", is_refused, || format!("{damaged:?}"))
}

/// What a machine of a peer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) breaker: State,
    pub(super) tokens: u32,
}

/// How a call has lived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    /// In true time.
    pub(super) lasted: Duration,
    /// How long its node has stood still meanwhile.
    pub(super) stood_still: Duration,
    /// How often its node's clock was set back meanwhile.
    pub(super) steps_back: u32,
}

/// A call ends with its deadline: by the slowest clock, once more for each time that the clock was set
/// back, not counting the time in which its node stood still.
pub(super) fn call_ends_in_time(life: Life) -> Law {
    let slowest = DEADLINE * 10 / 9;
    let bound = slowest * (1 + life.steps_back) + life.stood_still + Duration::from_millis(1);
    law("call_ends_in_time", life.lasted <= bound, || format!("{life:?}, bound {bound:?}"))
}

/// A call that is over has nothing out.
pub(super) fn nothing_is_out(own: u16) -> Law {
    law("nothing_is_out", own == 0, || format!("{own} attempts are out"))
}

/// Every request ends once.
pub(super) fn every_request_ends_once(requests: u64, ends: u64, under_way: u64) -> Law {
    law("every_request_ends_once", requests == ends + under_way, || {
        format!("{requests} requests, {ends} ends, {under_way} under way")
    })
}

/// When all is over nothing is under way.
pub(super) fn nothing_is_left_over(under_way: u64) -> Law {
    law("nothing_is_left_over", under_way == 0, || format!("{under_way} calls are under way"))
}

/// After the last fault all breakers close: within what the policies add up to.
pub(super) fn breakers_have_closed(open: usize) -> Law {
    law("breakers_have_closed", open == 0, || format!("{open} are not closed"))
}

/// After the last fault every peer is taken back.
pub(super) fn nobody_is_ejected(ejected: u32) -> Law {
    law("nobody_is_ejected", ejected == 0, || format!("{ejected} are ejected"))
}

/// After the last fault everyone is alive to his neighbours.
pub(super) fn everyone_is_alive(others: usize) -> Law {
    law("everyone_is_alive", others == 0, || format!("{others} are not"))
}

/// Of the requests of a second that is long enough after the last fault, 95 % succeed.
pub(super) fn goodput_is_back(second: usize, ok: u32, requests: u32) -> Law {
    law("goodput_is_back", is_good(ok, requests), || {
        format!("{ok} of {requests} succeeded in second {second}")
    })
}

/// Whether 95 % succeed.
pub(super) const fn is_good(ok: u32, requests: u32) -> bool {
    ok as u64 * 100 >= requests as u64 * 95
}
