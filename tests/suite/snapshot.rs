//! What outlives a reboot: the same laws for every machine, and what a network gains by them.

mod damaged;
mod invalid;
mod kinds;
mod machines;
mod reboot;
mod restored;

use core::fmt::Debug;
use core::time::Duration;
use resil_core::backoff::Jitter;
use resil_core::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerState};
use resil_core::outcome::{Classification, FailureClass, RetryHint};
use resil_core::retry::{Next, Retry, RetryPolicy, Suspended, Wait};
use resil_core::snapshot::{Persist, SnapshotError};
use resil_core::{Instant, Outcome, valid};
use resil_tests::laws::kept::crc_16_ibm_3740;

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
