//! What outlives a reboot: the same laws for every machine, and what a network gains by them.

mod damaged;
mod restored;

use core::fmt::Debug;
use core::time::Duration;
use resil_core::adaptive::{Aimd, ConcurrencyLimit, Gradient};
use resil_core::backoff::{Backoff, Delays, Jitter};
use resil_core::call::{Extra, PeerPolicy};
use resil_core::circuit_breaker::ejection::EjectionConfig;
use resil_core::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerState, State};
use resil_core::health::{
    HealthStatus, HeartbeatConfig, Hysteresis, HysteresisState, WatchdogConfig,
};
use resil_core::hedge::HedgePolicy;
use resil_core::outcome::{Classification, FailureClass, RetryHint};
use resil_core::rate_limit::{
    BucketState, Limit, RateLimit, RateLimitConfig, StrictBucket, TokenBucket, WarmUp,
};
use resil_core::retry::budget::{BudgetPolicy, RatioBudget, TokenBudget};
use resil_core::retry::{Next, Retry, RetryPolicy, Suspended, Wait};
use resil_core::snapshot::{Persist, SnapshotError};
use resil_core::throttle::AdaptiveThrottle;
use resil_core::{ErrorCode, Instant, Outcome, Rejected, RetryAt, valid};
use resil_tests::laws::kept::crc_16_ibm_3740;
use std::collections::BTreeMap;

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400 * SECOND;
const LOST: Classification = Classification::Failure(FailureClass::Transient, RetryHint::None);

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * SECOND)
}

fn saved<P: Persist>(policy: &P, state: &P::State, now: Instant) -> Vec<u8> {
    let mut bytes = vec![0xA5; P::LEN + 3];
    assert_eq!(policy.save(state, now, &mut bytes), Ok(P::LEN));
    assert_eq!(bytes[P::LEN..], [0xA5; 3], "not a byte more");
    bytes.truncate(P::LEN);
    bytes
}

/// The laws of every machine that outlives a reboot. `states` are at `now`; `answers` is what it says a
/// time after.
fn assert_persists<P: Persist, A: PartialEq + Debug>(
    policy: &P,
    states: &[P::State],
    now: Instant,
    answers: impl Fn(&P::State, Instant, Duration) -> A,
) where
    P::State: Debug,
{
    assert_persists_until(u64::MAX - DAY, policy, states, now, answers);
}

/// The same for a machine that knows no time beyond `last`, as documented.
fn assert_persists_until<P: Persist, A: PartialEq + Debug>(
    last: u64,
    policy: &P,
    states: &[P::State],
    now: Instant,
    answers: impl Fn(&P::State, Instant, Duration) -> A,
) where
    P::State: Debug,
{
    assert!(!states.is_empty());
    for state in states {
        let bytes = saved(policy, state, now);
        // Restored at once, after a reboot, two days in, and at the end of time but for a day.
        let clocks = [now, Instant::EPOCH, Instant::from_nanos(2 * DAY)];
        for restart in clocks.into_iter().chain([Instant::from_nanos(last)]) {
            let restored = policy.restore(&bytes, restart).unwrap();
            for later in [0, 1, SECOND - 1, SECOND, 60 * SECOND, 3_600 * SECOND] {
                let later = Duration::from_nanos(later);
                assert_eq!(
                    answers(&restored, restart, later),
                    answers(state, now, later),
                    "{state:?} at {now:?}, restored at {restart:?}: {later:?} later"
                );
            }
        }
        assert_refuses(policy, &bytes, now);
        for short in 0..P::LEN {
            let result = policy.save(state, now, &mut vec![0; short]);
            assert_eq!(result, Err(SnapshotError::Length));
        }
    }
}

/// Flipped, cut, lengthened, of another kind, of another version.
fn assert_refuses<P: Persist>(policy: &P, bytes: &[u8], now: Instant)
where
    P::State: Debug,
{
    let error = |bytes: &[u8]| policy.restore(bytes, now).unwrap_err();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(error(&flipped), SnapshotError::Damaged, "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert_eq!(error(&bytes[..length]), SnapshotError::Length);
    }
    assert_eq!(error(&[bytes, &[0]].concat()), SnapshotError::Length);
    for other in (0..=u8::MAX).filter(|&kind| kind != P::KIND) {
        assert_eq!(error(&resealed(bytes, |body| body[0] = other)), SnapshotError::Kind);
    }
    for other in (0..=u8::MAX).filter(|&version| version != P::VERSION) {
        assert_eq!(error(&resealed(bytes, |body| body[1] = other)), SnapshotError::Version);
    }
}

/// The snapshot with a changed body and the checksum that belongs to it.
fn resealed(bytes: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut body = bytes[..bytes.len() - 2].to_vec();
    change(&mut body);
    let sum = crc_16_ibm_3740(&body);
    body.extend(sum.to_le_bytes());
    body
}

// --- the machines: one test each ------------------------------------------------------------------

const BREAKER: CircuitBreakerConfig = CircuitBreakerConfig::DEFAULT;

/// A breaker after `failures` failures at `now`.
fn breaker(failures: u32, now: Instant) -> CircuitBreakerState {
    let mut state = CircuitBreakerState::new();
    for _ in 0..failures {
        let permit = BREAKER.try_acquire(&mut state, 0, now).unwrap();
        BREAKER.record(&mut state, permit, Outcome::Failure(FailureClass::Transient), 0, now);
    }
    state
}

#[test]
fn a_breaker() {
    let now = at(1_000);
    let mut forced = CircuitBreakerState::new();
    BREAKER.force_open(&mut forced, now);
    let mut disabled = CircuitBreakerState::new();
    BREAKER.disable(&mut disabled, now);
    let states = [breaker(0, now), breaker(3, now), breaker(5, now), forced, disabled];
    assert_persists(&BREAKER, &states, now, |state, from, later| {
        let now = from.saturating_add(later);
        let until = BREAKER.next_deadline(state, now).map(|until| until.saturating_since(now));
        (BREAKER.state(state, now), BREAKER.failures(state), until)
    });
}

#[test]
fn a_breaker_that_a_lost_probe_has_opened_again_is_open_after_a_reboot() {
    let mut state = breaker(5, at(0));
    let lost = BREAKER.try_acquire(&mut state, 0, at(60)).unwrap();
    assert!(lost.is_probe());
    // Its lease ends at 120 s and opens the breaker until 180 s, and nobody asks meanwhile.
    for (now, open) in [(119, false), (120, true), (179, true), (180, false), (1_000, false)] {
        let restored = BREAKER.restore(&saved(&BREAKER, &state, at(now)), at(7)).unwrap();
        assert_eq!(BREAKER.state(&restored, at(7)), BREAKER.state(&state, at(now)), "{now}");
        assert_eq!(BREAKER.state(&restored, at(7)) == State::Open, open, "{now}");
        let left =
            BREAKER.next_deadline(&restored, at(7)).map(|at| at.saturating_since(self::at(7)));
        assert_eq!(left, open.then_some(Duration::from_secs(180 - now.min(180))));
    }
}

const JOIN: RetryPolicy = valid!(
    RetryPolicy::builder()
        .max_attempts(1_000)
        .max_delay(Duration::from_secs(600))
        .max_retry_after(Duration::from_secs(900))
        .build()
);
const BOUNDED: RetryPolicy = valid!(
    RetryPolicy::builder()
        .max_attempts(9)
        .jitter(Jitter::Decorrelated)
        .deadline(Duration::from_secs(3_000))
        .max_refusal_waits(2)
        .build()
);

/// A call after `failures` at `now`, half-way between the two ends of its jitter.
fn suspended(policy: &RetryPolicy, failures: u32, now: Instant) -> Suspended {
    let mut retry = Retry::start(policy, now);
    let mut wait = None;
    for _ in 0..failures {
        wait = Some(waits(retry.record(policy, LOST, 1 << 31, now)));
    }
    Suspended { retry, wait }
}

#[track_caller]
fn waits<S: Debug>(next: Next<S>) -> Wait {
    match next {
        Next::Wait(wait) => wait,
        Next::Stop(stop) => panic!("stopped: {stop:?}"),
    }
}

/// What is left of the wait, then what the next failure says, and what is left of the deadline.
fn goes_on(
    policy: &RetryPolicy,
    state: &Suspended,
    from: Instant,
    later: Duration,
) -> (Option<Duration>, String, Option<Duration>) {
    let now = from.saturating_add(later);
    let next = match state.retry.clone().record(policy, LOST, 7, now) {
        Next::Wait(wait) => format!("attempt {} in {:?}", wait.attempt(), wait.delay()),
        Next::Stop(stop) => format!("{stop:?}"),
    };
    let deadline = state.retry.deadline().map(|deadline| deadline.saturating_since(now));
    (state.wait.map(|wait| wait.remaining(now)), next, deadline)
}

#[test]
fn a_reconnect_loop() {
    let now = at(5);
    let states = [0, 1, 4, 40, 999].map(|failures| suspended(&JOIN, failures, now));
    assert_persists(&JOIN, &states, now, |state, from, later| goes_on(&JOIN, state, from, later));
}

#[test]
fn a_call_with_a_deadline_and_refusals() {
    let now = at(5);
    let mut refused = suspended(&BOUNDED, 1, now);
    let soon = Rejected::new(ErrorCode::RateLimitExceeded, RetryAt::At(at(2_000)));
    refused.wait = Some(waits(refused.retry.refused(&BOUNDED, soon, 0, now)));
    let mut over = suspended(&BOUNDED, 8, now);
    over.wait = None;
    assert!(matches!(over.retry.record(&BOUNDED, LOST, 0, now), Next::Stop(_)));
    let states = [suspended(&BOUNDED, 0, now), suspended(&BOUNDED, 4, now), refused, over];
    assert_persists(&BOUNDED, &states, now, |state, from, later| {
        goes_on(&BOUNDED, state, from, later)
    });
}

#[test]
fn a_series_of_delays() {
    let states = [0, 3, 100].map(|taken| {
        let mut delays = Backoff::DEFAULT.delays();
        delays.by_ref().take(taken).for_each(drop);
        delays
    });
    assert_persists(&Backoff::DEFAULT, &states, at(9), |state: &Delays, _, _| {
        state.clone().take(9).collect::<Vec<_>>()
    });
}

/// Saved under one policy and restored under another of its kind, at any time: it is refused, or it
/// is a state like any other. Nothing panics.
fn assert_total<P: Persist>(
    policy: &P,
    others: &[P],
    state: &P::State,
    look: impl Fn(&P, &P::State, Instant),
) {
    let now = at(1_000);
    let bytes = saved(policy, state, now);
    for other in others {
        for restart in [Instant::EPOCH, now, Instant::MAX] {
            if let Ok(restored) = other.restore(&bytes, restart) {
                let mut again = vec![0; P::LEN];
                for then in [Instant::EPOCH, restart, Instant::MAX] {
                    look(other, &restored, then);
                    assert_eq!(other.save(&restored, then, &mut again), Ok(P::LEN));
                }
            }
        }
    }
}

fn quota(max: u32, seconds: u64, burst: u32) -> RateLimitConfig {
    let window = Duration::from_secs(seconds);
    let builder = RateLimitConfig::builder().max_requests(max).time_window(window);
    builder.burst_size(burst).build().unwrap()
}

/// A limit after it has admitted `cost` at 1,000 s.
fn spent<L: Limit>(limit: &L, cost: u32) -> L::State {
    let mut state = L::FRESH;
    limit.try_acquire(&mut state, cost, at(1_000)).unwrap();
    state
}

fn a_limit<L>(limits: &[L])
where
    L: Limit + Persist<State = <L as Limit>::State>,
    <L as Limit>::State: Debug,
{
    let (limit, now) = (&limits[0], at(1_000));
    for state in [L::FRESH, spent(limit, 3), spent(limit, 5)] {
        assert_refuses(limit, &saved(limit, &state, now), now);
        assert_total(limit, limits, &state, |limit, state, now| {
            let _ = (limit.available(state, now), limit.next_deadline(state, now));
            let _ = limit.peek(state, 1, now);
        });
    }
}

#[test]
fn every_limit() {
    let quotas = [quota(10, 1, 5), quota(6, 1, 5), quota(1_000_000, 1, 900_000), quota(2, 9, 1)];
    a_limit(&quotas.map(TokenBucket::new));
    a_limit(&quotas.map(|quota| StrictBucket::new(quota).unwrap()));
    a_limit(&quotas.map(RateLimit::new));
    // With a burst of at least the cold factor.
    let warming = |quota| WarmUp::new(quota, Duration::from_secs(9)).unwrap();
    a_limit(&[quotas[0], quotas[1], quotas[2]].map(warming));
}

#[test]
fn a_bucket_and_a_budget_answer_alike() {
    let (now, bucket) = (at(1_000), TokenBucket::new(quota(10, 1, 5)));
    let states = [BucketState::FRESH, spent(&bucket, 2), spent(&bucket, 5)];
    // "Beyond 2^63 ns it reads empty."
    assert_persists_until((1 << 63) - DAY, &bucket, &states, now, |state, from, later| {
        bucket.available(state, from.saturating_add(later))
    });
    let budget = TokenBudget::AWS;
    let mut poor = TokenBudget::FRESH;
    let extra = Extra::Retry(FailureClass::Transient);
    budget.try_withdraw(&mut poor, extra, now).unwrap();
    assert_persists(&budget, &[TokenBudget::FRESH, poor], now, |state, _, _| {
        budget.millitokens(state)
    });
    let mut falling = HysteresisState::new();
    Hysteresis::KUBERNETES.record(&mut falling, HealthStatus::Healthy);
    Hysteresis::KUBERNETES.record(&mut falling, HealthStatus::Unhealthy);
    let states = [HysteresisState::new(), falling];
    assert_persists(&Hysteresis::KUBERNETES, &states, now, |state, _, _| {
        let mut next = state.clone();
        Hysteresis::KUBERNETES.record(&mut next, HealthStatus::Unhealthy)
    });
    let aimd = [Aimd::DEFAULT.start()];
    assert_persists(&Aimd::DEFAULT, &aimd, now, |state, _, _| Aimd::DEFAULT.limit(state, now));
}

// --- what cannot be -------------------------------------------------------------------------------

#[test]
fn a_call_that_the_policy_could_not_have_come_to_is_invalid() {
    let now = at(5);
    let bytes = saved(&BOUNDED, &suspended(&BOUNDED, 4, now), now);
    let with = |place: usize, field: &[u8]| {
        let bytes = resealed(&bytes, |body| {
            body[2 + place..][..field.len()].copy_from_slice(field);
        });
        BOUNDED.restore(&bytes, now).map(drop)
    };
    let invalid = Err(SnapshotError::Invalid);
    assert_eq!(with(0, &9_u32.to_le_bytes()), invalid, "no attempt is left to wait for");
    assert_eq!(with(0, &0_u32.to_le_bytes()), invalid, "nothing has failed, yet it waits");
    assert_eq!(with(4, &3_u32.to_le_bytes()), invalid, "more refusals than are waited for");
    assert_eq!(with(8, &(60 * SECOND + 1).to_le_bytes()), invalid, "a delay above the longest");
    assert_eq!(with(16, &(3_000 * SECOND + 1).to_le_bytes()), invalid, "beyond the deadline");
    assert_eq!(with(24, &[2]), invalid, "neither waiting nor not");
    assert_eq!(with(24, &[0]), invalid, "a delay without a wait");
    assert_eq!(with(33, &0_u64.to_le_bytes()), invalid, "more left than there was");
    assert_eq!(with(33, &(60 * SECOND + 1).to_le_bytes()), invalid, "a wait above the longest");
    assert_eq!(with(0, &8_u32.to_le_bytes()), Ok(()));
    // The other policy has no deadline, and this one has.
    assert_eq!(JOIN.restore(&bytes, now).map(drop), invalid);
    let endless = saved(&JOIN, &suspended(&JOIN, 4, now), now);
    assert_eq!(BOUNDED.restore(&endless, now).map(drop), invalid);
}

#[test]
fn a_clock_that_stepped_back_before_the_save_makes_nothing_longer() {
    let call = suspended(&BOUNDED, 4, at(10_000));
    let delay = call.wait.unwrap().delay();
    let restored = BOUNDED.restore(&saved(&BOUNDED, &call, at(1)), Instant::EPOCH).unwrap();
    assert_eq!(restored.wait.unwrap().remaining(Instant::EPOCH), delay);
    assert_eq!(restored.retry.deadline(), Some(at(3_000)));
}

// --- the numbers ----------------------------------------------------------------------------------

/// Of all machines, whoever wrote them: they are read from the table itself.
#[test]
fn no_two_machines_share_a_number() {
    let table = include_str!("../../resil-core/src/snapshot.rs");
    let mut machines = BTreeMap::new();
    for line in table.lines().filter_map(|line| line.trim().strip_prefix("pub const ")) {
        let Some((name, number)) = line.split_once(": u8 = ") else { continue };
        let number: u8 = number.trim_end_matches(';').parse().unwrap();
        let before = machines.insert(number, name);
        assert_eq!(before, None, "{name} and {before:?} both have the number {number}");
    }
    assert!(machines.len() >= 16, "{machines:?}");
    let of = |number: u8| machines[&number];
    assert_eq!(of(<CircuitBreakerConfig>::KIND), "CIRCUIT_BREAKER");
    assert_eq!(of(<RetryPolicy as Persist>::KIND), "RETRY");
    assert_eq!(of(Backoff::KIND), "BACKOFF");
    let used = [
        <CircuitBreakerConfig>::KIND,
        <RetryPolicy as Persist>::KIND,
        Backoff::KIND,
        TokenBucket::KIND,
        StrictBucket::KIND,
        <RateLimit as Persist>::KIND,
        WarmUp::KIND,
        TokenBudget::KIND,
        RatioBudget::KIND,
        Aimd::KIND,
        Gradient::KIND,
        AdaptiveThrottle::KIND,
        HedgePolicy::KIND,
        HeartbeatConfig::KIND,
        WatchdogConfig::<2>::KIND,
        Hysteresis::KIND,
        <EjectionConfig>::KIND,
        <PeerPolicy as Persist>::KIND,
    ];
    let used: BTreeMap<_, _> = used.into_iter().map(|kind| (kind, of(kind))).collect();
    assert_eq!(used, machines, "each number is one machine's, and each machine has its own");
}

#[test]
fn a_machines_bytes_are_refused_by_every_other() {
    let now = at(1);
    let bytes = saved(&Backoff::DEFAULT, &Backoff::DEFAULT.delays(), now);
    assert_eq!(BREAKER.restore(&bytes, now).unwrap_err(), SnapshotError::Length);
    let long = saved(&JOIN, &suspended(&JOIN, 1, now), now);
    assert_eq!(BREAKER.restore(&long, now).unwrap_err(), SnapshotError::Length);
    // Of the same length, it is the kind that tells them apart.
    let as_backoff = resealed(&bytes, |body| body[0] = <CircuitBreakerConfig>::KIND);
    let error = Backoff::DEFAULT.restore(&as_backoff, now).unwrap_err();
    assert_eq!(error, SnapshotError::Kind);
}

// --- a node that reboots into an outage -----------------------------------------------------------

/// A node in an outage: it asks its breaker each second, and its reconnect loop when that has waited.
struct Node {
    breaker: CircuitBreakerState,
    join: Suspended,
    calls: u32,
}

impl Node {
    fn new(now: Instant) -> Self {
        let join = Suspended { retry: Retry::start(&JOIN, now), wait: None };
        Self { breaker: CircuitBreakerState::new(), join, calls: 0 }
    }

    /// One second of it; everything fails.
    fn live(&mut self, now: Instant) {
        if let Ok(permit) = BREAKER.try_acquire(&mut self.breaker, 0, now) {
            self.calls += 1;
            let failure = Outcome::Failure(FailureClass::Transient);
            BREAKER.record(&mut self.breaker, permit, failure, 0, now);
        }
        if self.join.wait.is_none_or(|wait| wait.until().is_reached(now)) {
            self.calls += 1;
            self.join.wait = match self.join.retry.record(&JOIN, LOST, 1 << 31, now) {
                Next::Wait(wait) => Some(wait),
                Next::Stop(_) => None,
            };
        }
    }

    /// Down, and up again with a clock that begins anew.
    fn reboot(&self, now: Instant) -> Self {
        let breaker = saved(&BREAKER, &self.breaker, now);
        let join = saved(&JOIN, &self.join, now);
        Self {
            breaker: BREAKER.restore(&breaker, Instant::EPOCH).unwrap(),
            join: JOIN.restore(&join, Instant::EPOCH).unwrap(),
            calls: 0,
        }
    }
}

#[test]
fn a_node_that_reboots_into_an_outage_does_not_stampede() {
    let mut steady = Node::new(Instant::EPOCH);
    (0..300).for_each(|second| steady.live(at(second)));
    assert_eq!(BREAKER.state(&steady.breaker, at(300)), State::Open);

    let mut rebooted = steady.reboot(at(300));
    steady.calls = 0;
    let mut forgetful = Node::new(Instant::EPOCH);
    for second in 0..600 {
        steady.live(at(300 + second));
        rebooted.live(at(second));
        forgetful.live(at(second));
        assert_eq!(rebooted.calls, steady.calls, "{second} s after the reboot");
    }
    assert!(forgetful.calls > rebooted.calls + 8, "{} and {}", forgetful.calls, rebooted.calls);
}

#[test]
fn a_boot_loop_does_not_hammer() {
    // Every 20 s it browns out. What is off does not count down.
    let mut node = Node::new(Instant::EPOCH);
    let mut calls = 0;
    for _ in 0..30 {
        (0..20).for_each(|second| node.live(at(second)));
        calls += node.calls;
        node = node.reboot(at(20));
    }
    let mut forgetful = 0;
    for _ in 0..30 {
        let mut node = Node::new(Instant::EPOCH);
        (0..20).for_each(|second| node.live(at(second)));
        forgetful += node.calls;
    }
    assert!(calls * 10 < forgetful, "{calls} calls, {forgetful} without memory");
}
