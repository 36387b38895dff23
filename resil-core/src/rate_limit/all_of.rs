//! Several limits that agree, or nothing is taken.

use super::{Limit, RateLimitConfig};
use crate::outcome::{Rejected, RetryAt};
use crate::time::{Instant, earliest};

/// Two limits on the same requests, as one limit: both admit, or neither is touched. More than two
/// are pairs of pairs.
///
/// For a peer that may send so many requests *and* so many bytes: costs are bytes, and
/// [`per_request`](Limit::per_request) makes each count as one for the other part.
///
/// # Which way to ask several limits
///
/// - One owner of all the states: `AllOf`, whose state is both states (in a per-peer table, say).
/// - States that live apart, as a peer's and the node's own: [`acquire_both`], or
///   [`acquire_three`]. The same laws.
/// - Among breakers and bulkheads: a tuple of [gates](crate::call::Gate), which asks one after the
///   other and gives back what was taken when a later one refuses. For machines that lend there is no
///   other way; for limits it costs more and, in a window, the refused request has been counted for
///   a moment. What is admitted is the same.
///
/// # Laws
///
/// - A refusal takes nothing from any part (parts re-anchor as they do alone).
/// - It is that of the part that opens later, the first one on a tie: its code, and the instant at
///   which all of them pass and not 1 ns before. (What has opened stays open until something is
///   taken, so the later of two exact instants is exact.)
/// - The law of each part.
///
/// ```
/// use core::time::Duration;
/// use resil_core::rate_limit::{AllOf, Limit, Limiter, PerRequest, RateLimitConfig, TokenBucket};
/// use resil_core::{Instant, RetryAt, valid};
///
/// const REQUESTS: RateLimitConfig = RateLimitConfig::DEFAULT; // 10 at once, one per 600 ms
/// const BYTES: RateLimitConfig = valid!(
///     RateLimitConfig::builder()
///         .max_requests(1_000)
///         .time_window(Duration::from_secs(1))
///         .burst_size(4_096)
///         .build()
/// );
/// const BOTH: AllOf<PerRequest<TokenBucket>, TokenBucket> =
///     AllOf::new(PerRequest::new(TokenBucket::new(REQUESTS)), TokenBucket::new(BYTES));
///
/// let mut peer = Limiter::new(BOTH);
/// let now = Instant::EPOCH;
/// peer.try_acquire(4_000, now)?;
/// let refused = peer.try_acquire(1_096, now).unwrap_err(); // a thousand bytes short
/// assert_eq!(refused.retry(), RetryAt::At(Instant::from_nanos(1_000_000_000)));
/// assert_eq!(peer.available(now), 96); // and nine requests, of which none was taken
/// # Ok::<(), resil_core::Rejected>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AllOf<A, B> {
    first: A,
    second: B,
}

impl<A, B> AllOf<A, B> {
    /// Both of them.
    #[must_use]
    pub const fn new(first: A, second: B) -> Self {
        Self { first, second }
    }

    /// The first.
    #[must_use]
    pub const fn first(&self) -> &A {
        &self.first
    }

    /// The second.
    #[must_use]
    pub const fn second(&self) -> &B {
        &self.second
    }
}

/// A limit, the state it decides about, and what it is asked for.
type Ask<'a, L> = (&'a L, &'a mut <L as Limit>::State, u32);

/// What three limits took.
type Three<A, B, C> = (<A as Limit>::Charge, <B as Limit>::Charge, <C as Limit>::Charge);

/// Admits a request that two limits have to admit, each with its own state and cost: both, or
/// neither. For a peer's limit and the node's own, whose state cannot lie in any peer's.
///
/// # Errors
///
/// The refusal of the one that opens later, the first on a tie; nothing was taken from either.
///
/// ```
/// use resil_core::rate_limit::{Limit, RateLimitConfig, TokenBucket, acquire_both};
/// use resil_core::{Instant, valid};
///
/// const PEER: TokenBucket = TokenBucket::new(RateLimitConfig::DEFAULT);
/// const NODE: TokenBucket =
///     TokenBucket::new(valid!(RateLimitConfig::builder().burst_size(2).build()));
/// let (mut peers, mut node) = ([TokenBucket::FRESH; 3], TokenBucket::FRESH);
/// let passed = peers.iter_mut().filter_map(|peer| {
///     acquire_both((&PEER, peer, 1), (&NODE, &mut node, 1), Instant::EPOCH).ok()
/// });
/// assert_eq!(passed.count(), 2);
/// assert_eq!(PEER.available(&peers[2], Instant::EPOCH), 10, "the node refused, the peer paid nothing");
/// ```
pub fn acquire_both<A: Limit, B: Limit>(
    a: Ask<'_, A>,
    b: Ask<'_, B>,
    now: Instant,
) -> Result<(A::Charge, B::Charge), Rejected> {
    let ((a, a_state, a_cost), (b, b_state, b_cost)) = (a, b);
    let first = a.peek(a_state, a_cost, now).err();
    if let Some(rejected) = later(first, b.peek(b_state, b_cost, now).err()) {
        a.reanchor(a_state, now);
        b.reanchor(b_state, now);
        return Err(rejected);
    }
    let taken = a.try_acquire(a_state, a_cost, now)?;
    match b.try_acquire(b_state, b_cost, now) {
        Ok(also) => Ok((taken, also)),
        // Not of a limit that keeps to what it has just said.
        Err(rejected) => {
            a.refund(a_state, taken, now);
            Err(rejected)
        }
    }
}

/// [`acquire_both`] for three limits.
///
/// # Errors
///
/// The refusal of the one that opens last, the first on a tie; nothing was taken from any.
pub fn acquire_three<A: Limit, B: Limit, C: Limit>(
    a: Ask<'_, A>,
    b: Ask<'_, B>,
    c: Ask<'_, C>,
    now: Instant,
) -> Result<Three<A, B, C>, Rejected> {
    let ((a, a_state, a_cost), (c, c_state, c_cost)) = (a, c);
    let (b, b_state, b_cost) = b;
    let refused = later(a.peek(a_state, a_cost, now).err(), b.peek(b_state, b_cost, now).err());
    if let Some(rejected) = later(refused, c.peek(c_state, c_cost, now).err()) {
        a.reanchor(a_state, now);
        b.reanchor(b_state, now);
        c.reanchor(c_state, now);
        return Err(rejected);
    }
    let taken = a.try_acquire(a_state, a_cost, now)?;
    match acquire_both((b, b_state, b_cost), (c, c_state, c_cost), now) {
        Ok((also, too)) => Ok((taken, also, too)),
        Err(rejected) => {
            a.refund(a_state, taken, now);
            Err(rejected)
        }
    }
}

/// The refusal that lasts longer, the first on a tie. What is not known may be for ever.
fn later(first: Option<Rejected>, second: Option<Rejected>) -> Option<Rejected> {
    let (Some(one), Some(other)) = (first, second) else { return first.or(second) };
    let is_later = match (one.retry(), other.retry()) {
        (RetryAt::At(one), RetryAt::At(other)) => other > one,
        (RetryAt::At(_), _) | (RetryAt::Unknown, RetryAt::Never) => true,
        _ => false,
    };
    Some(if is_later { other } else { one })
}

impl<A: Limit, B: Limit> Limit for AllOf<A, B> {
    type State = (A::State, B::State);
    type Charge = (A::Charge, B::Charge);

    const FRESH: Self::State = (A::FRESH, B::FRESH);

    /// The configuration of the first.
    fn config(&self) -> &RateLimitConfig {
        self.first.config()
    }

    fn capacity(&self) -> u32 {
        self.first.capacity().min(self.second.capacity())
    }

    #[inline]
    fn try_acquire(
        &self,
        state: &mut Self::State,
        cost: u32,
        now: Instant,
    ) -> Result<Self::Charge, Rejected> {
        let (first, second) = state;
        acquire_both((&self.first, first, cost), (&self.second, second, cost), now)
    }

    #[inline]
    fn peek(&self, state: &Self::State, cost: u32, now: Instant) -> Result<(), Rejected> {
        let first = self.first.peek(&state.0, cost, now).err();
        later(first, self.second.peek(&state.1, cost, now).err()).map_or(Ok(()), Err)
    }

    fn refund(&self, state: &mut Self::State, charge: Self::Charge, now: Instant) {
        self.first.refund(&mut state.0, charge.0, now);
        self.second.refund(&mut state.1, charge.1, now);
    }

    fn available(&self, state: &Self::State, now: Instant) -> u32 {
        self.first.available(&state.0, now).min(self.second.available(&state.1, now))
    }

    fn is_fresh(&self, state: &Self::State, now: Instant) -> bool {
        self.first.is_fresh(&state.0, now) && self.second.is_fresh(&state.1, now)
    }

    /// The next instant at which an answer of either changes; that of both may not.
    fn next_deadline(&self, state: &Self::State, now: Instant) -> Option<Instant> {
        let first = self.first.next_deadline(&state.0, now);
        earliest(first, self.second.next_deadline(&state.1, now))
    }

    fn reanchor(&self, state: &mut Self::State, now: Instant) {
        self.first.reanchor(&mut state.0, now);
        self.second.reanchor(&mut state.1, now);
    }

    fn inherit(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State {
        let first = self.first.inherit(&old.first, &state.0, now);
        (first, self.second.inherit(&old.second, &state.1, now))
    }

    fn rescale(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State {
        let first = self.first.rescale(&old.first, &state.0, now);
        (first, self.second.rescale(&old.second, &state.1, now))
    }
}

#[cfg(test)]
mod tests {
    use super::super::TokenBucket;
    use super::super::tests::BUCKET;
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn two_limits_together_are_as_full_as_the_emptier_and_fresh_when_both_are() {
        let seconds = |s: u64| Instant::from_nanos(s * 1_000_000_000);
        let slow = RateLimitConfig::builder().max_requests(1).burst_size(2);
        let slow = slow.time_window(core::time::Duration::from_secs(10)).build().unwrap();
        let (fast, slow) = (BUCKET, TokenBucket::new(slow)); // 10 a second, and 1 in 10 s
        let (both, now) = (AllOf::new(fast.clone(), slow.clone()), seconds(100));
        assert_eq!(both.capacity(), 2);
        assert_eq!(AllOf::new(slow.clone(), fast.clone()).capacity(), 2);

        let mut state = AllOf::<TokenBucket, TokenBucket>::FRESH;
        let charge = both.try_acquire(&mut state, 2, now).unwrap();
        assert_eq!(both.next_deadline(&state, now), fast.next_deadline(&state.0, now));
        let times = [now, seconds(101), seconds(120)];
        assert_eq!(times.map(|now| both.is_fresh(&state, now)), [false, false, true]);
        assert_eq!(both.next_deadline(&state, seconds(101)), Some(seconds(110)));

        let mut anchored = state.clone();
        both.reanchor(&mut anchored, seconds(5));
        fast.reanchor(&mut state.0, seconds(5));
        assert_ne!(anchored.1, state.1);
        slow.reanchor(&mut state.1, seconds(5));
        assert_eq!(anchored, state);

        let mut state = AllOf::<TokenBucket, TokenBucket>::FRESH;
        let again = both.try_acquire(&mut state, 2, now).unwrap();
        assert_eq!(again, charge);
        both.refund(&mut state, again, now);
        assert_eq!((fast.available(&state.0, now), slow.available(&state.1, now)), (3, 2));
    }

    #[test]
    fn the_later_refusal_is_told() {
        use ErrorCode::{RateLimitCostExceedsBurst, RateLimitExceeded, RateLimitQuotaExhausted};
        let at = |nanos| RetryAt::At(Instant::from_nanos(nanos));
        let soon = Rejected::new(RateLimitExceeded, at(5));
        let tie = Rejected::new(RateLimitQuotaExhausted, at(5));
        let late = Rejected::new(RateLimitQuotaExhausted, at(6));
        let unknown = Rejected::new(RateLimitExceeded, RetryAt::Unknown);
        let never = Rejected::new(RateLimitCostExceedsBurst, RetryAt::Never);
        let order = [soon, late, unknown, never];
        for (index, one) in order.into_iter().enumerate() {
            assert_eq!(later(Some(one), None), Some(one));
            assert_eq!(later(None, Some(one)), Some(one));
            for other in order.into_iter().skip(index) {
                assert_eq!(later(Some(one), Some(other)), Some(other));
                assert_eq!(later(Some(other), Some(one)), Some(other));
            }
        }
        assert_eq!(later(Some(soon), Some(tie)), Some(soon));
        assert_eq!(later(Some(tie), Some(soon)), Some(tie));
        assert_eq!(later(None, None), None);
    }

    #[test]
    fn three_admit_or_none_is_touched() {
        let limit = TokenBucket::new(RateLimitConfig::DEFAULT);
        let now = Instant::from_nanos(9);
        for refusing in 0..3 {
            let mut states = [TokenBucket::FRESH, TokenBucket::FRESH, TokenBucket::FRESH];
            let spent = limit.try_acquire(&mut states[refusing], 8, now).unwrap();
            let before = states.clone();
            let [a, b, c] = &mut states;
            let ask = acquire_three((&limit, a, 3), (&limit, b, 3), (&limit, c, 3), now);
            assert_eq!(ask.unwrap_err(), limit.peek(&before[refusing], 3, now).unwrap_err());
            assert_eq!(states, before);
            limit.refund(&mut states[refusing], spent, now);
            let [a, b, c] = &mut states;
            acquire_three((&limit, a, 3), (&limit, b, 3), (&limit, c, 3), now).unwrap();
            assert_eq!(states.map(|state| limit.available(&state, now)), [7; 3]);
        }
    }

    fn bucket(burst: u32, token: u64) -> TokenBucket {
        let config = RateLimitConfig::builder().max_requests(1).burst_size(burst);
        let config = config.time_window(core::time::Duration::from_nanos(token));
        TokenBucket::new(config.build().unwrap())
    }

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn a_pair_remembers_for_as_long_as_one_of_its_parts_does() {
        let (quick, slow) = (bucket(7, 10), bucket(4, 1_000));
        for (first, second) in [(&quick, &slow), (&slow, &quick)] {
            let pair = AllOf::new(first, second);
            assert_eq!(pair.capacity(), 4);
            let mut state = AllOf::<&TokenBucket, &TokenBucket>::FRESH;
            assert!(
                pair.is_fresh(&state, at(100)) && pair.next_deadline(&state, at(100)).is_none()
            );
            let charge = pair.try_acquire(&mut state, 1, at(100)).unwrap();
            for (now, is_fresh, next) in [
                (100, false, Some(110)),
                (109, false, Some(110)),
                (110, false, Some(1_100)),
                (1_100, true, None),
            ] {
                assert_eq!(pair.is_fresh(&state, at(now)), is_fresh, "{now}");
                assert_eq!(pair.next_deadline(&state, at(now)), next.map(at), "{now}");
            }
            pair.refund(&mut state, charge, at(100));
            assert!(pair.is_fresh(&state, at(100)), "both have it back");
        }
    }

    #[test]
    fn a_clock_that_stepped_back_is_settled_in_both_parts() {
        let pair = AllOf::new(bucket(4, 10), bucket(4, 1_000));
        let mut state = AllOf::<TokenBucket, TokenBucket>::FRESH;
        pair.try_acquire(&mut state, 4, at(1_000_000)).unwrap();
        let mut alone = state.clone();
        pair.reanchor(&mut state, at(0));
        pair.first().reanchor(&mut alone.0, at(0));
        pair.second().reanchor(&mut alone.1, at(0));
        assert_eq!(state, alone);
        assert_eq!(pair.available(&state, at(4_000)), 4, "no later than after a whole refill");
    }
}
