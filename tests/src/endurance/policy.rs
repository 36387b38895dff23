//! How nodes protect themselves and each other: with resil, or with nothing but retries.

use core::time::Duration;
use resil_core::backoff::{Curve, Jitter};
use resil_core::bulkhead::BulkheadConfig;
use resil_core::call::{CallPolicy, PeerPolicy};
use resil_core::circuit_breaker::CircuitBreakerConfig;
use resil_core::circuit_breaker::ejection::EjectionConfig;
use resil_core::health::HeartbeatConfig;
use resil_core::hedge::HedgePolicy;
use resil_core::rate_limit::{Limit as _, RateLimitConfig, TokenBucket};
use resil_core::retry::RetryPolicy;
use resil_core::retry::budget::RatioBudget;
use resil_core::{Ratio, valid};

/// The policies of every node.
#[derive(Debug)]
pub struct Policies {
    /// Whether they are to bring the world back.
    pub(super) recovers: bool,
    /// Retry, breaker and limit of the calls to a peer.
    pub(super) peer: PeerPolicy,
    pub(super) budget: RatioBudget,
    pub(super) hedge: HedgePolicy,
    /// Attempts that a node has out.
    pub(super) calls: BulkheadConfig,
    pub(super) ejection: EjectionConfig,
    /// Requests that a node has taken in.
    pub(super) work: BulkheadConfig,
    /// What a node takes from a neighbour, and from somebody unknown.
    pub(super) member: TokenBucket,
    pub(super) stranger: TokenBucket,
    pub(super) heartbeat: HeartbeatConfig,
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// How long one attempt may take.
pub(super) const ATTEMPT: Duration = ms(400);
/// How long a whole call may take.
pub(super) const DEADLINE: Duration = ms(3_000);
/// The open time of a breaker before jitter, which takes half of it at most.
pub(super) const OPEN: Duration = ms(1_000);
/// How long a probe may be out.
pub(super) const LEASE: Duration = ms(1_000);
/// Requests that a node takes in at most, whatever its policy says: its memory.
pub(super) const ROOM: usize = 64;

/// One request in so many milliseconds, and so many at once.
const fn every(millis: u64, burst: u32) -> TokenBucket {
    let rate = RateLimitConfig::builder().max_requests(1_000).time_window(ms(1_000 * millis));
    match rate.burst_size(burst).build() {
        Ok(config) => TokenBucket::new(config),
        Err(_) => panic!("a rate and a burst"),
    }
}

/// Everything that resil has for a node.
pub static GUARDED: Policies = Policies {
    recovers: true,
    peer: PeerPolicy::new(
        valid!(
            CallPolicy::new(valid!(
                RetryPolicy::builder()
                    .max_attempts(3)
                    .initial_delay(ms(100))
                    .max_delay(ms(1_000))
                    .deadline(DEADLINE)
                    .max_refusal_waits(2)
                    .build()
            ))
            .with_attempt_timeout(ATTEMPT)
        ),
        valid!(
            CircuitBreakerConfig::builder()
                .failure_threshold(3)
                .timeout(OPEN)
                .multiplier(Ratio::TWO)
                .max_timeout(ms(6_000))
                .jitter(Jitter::Equal)
                .lease(LEASE)
                .build()
        ),
        every(1_500, 2),
    ),
    budget: valid!(
        RatioBudget::builder().ratio(Ratio::percent(20)).minimum(2).window(ms(10_000)).build()
    ),
    hedge: valid!(HedgePolicy::builder().min_delay(ms(20)).fallback_delay(ms(200)).build()),
    calls: valid!(BulkheadConfig::builder().max_concurrent(6).build()),
    ejection: valid!(EjectionConfig::builder().window(ms(10_000)).build()),
    work: valid!(BulkheadConfig::builder().max_concurrent(16).build()),
    member: every(1_200, 3),
    stranger: every(1_000, 3),
    heartbeat: valid!(
        HeartbeatConfig::builder()
            .interval(ms(4_000))
            .acceptable_pause(ms(8_000))
            .min_std_deviation(ms(1_000))
            .max_silence(ms(20_000))
            .build()
    ),
};

/// Four attempts, a tenth of a second apart.
pub(super) const STUBBORN: CallPolicy = valid!(
    CallPolicy::new(valid!(
        RetryPolicy::builder()
            .max_attempts(4)
            .initial_delay(ms(100))
            .curve(Curve::Fixed)
            .jitter(Jitter::None)
            .max_retry_after(Duration::ZERO)
            .deadline(DEADLINE)
            .build()
    ))
    .with_attempt_timeout(ATTEMPT)
);

/// What is written when nobody has thought about it: four attempts, a tenth of a second apart, and
/// limits so wide that they decide nothing.
pub static UNGUARDED: Policies = Policies {
    recovers: false,
    peer: PeerPolicy::new(
        STUBBORN,
        valid!(CircuitBreakerConfig::builder().failure_threshold(u16::MAX).build()),
        every(1, 10_000),
    ),
    budget: valid!(RatioBudget::builder().minimum(65_535).build()),
    hedge: valid!(HedgePolicy::builder().fixed_delay(ms(1_000_000)).build()),
    calls: valid!(BulkheadConfig::builder().max_concurrent(u16::MAX).build()),
    ejection: GUARDED.ejection,
    work: valid!(BulkheadConfig::builder().max_concurrent(u16::MAX).build()),
    member: every(1, 10_000),
    stranger: every(1, 10_000),
    heartbeat: GUARDED.heartbeat,
};

impl Policies {
    /// How long after the last fault a breaker may take to close, of a peer that is asked once in
    /// `pause` at least.
    ///
    /// It takes longest where the clocks of both sides were set back, and where nobody has asked since:
    /// only who is asked sees what time it is. The first request finds a probe out, whose lease begins
    /// again, and then an open time as long as there is. The probe after it finds the own limit short of
    /// tokens, by a refill and a token as the law of the bucket has it; the next one the peer's account,
    /// in the same way. That is a refusal, so the breaker opens once more. Each time somebody has to ask.
    pub(super) fn closes_within(&self, pause: Duration) -> Duration {
        let breaker = self.peer.breaker();
        let late = |limit: &TokenBucket| {
            let (token, burst) = refill(limit.config());
            Duration::from_nanos(token * (burst + 1))
        };
        let open = breaker.max_timeout() + pause;
        let seen = pause + breaker.lease();
        seen + open + late(self.peer.limit()) + pause + late(&self.member) + open
    }
}

/// The nanoseconds in which a bucket regains a token, and how many it holds.
pub(super) fn refill(config: &RateLimitConfig) -> (u64, u64) {
    let nanos = config.time_window().as_nanos() as u64;
    (nanos / u64::from(config.max_requests()), config.burst_size().into())
}
