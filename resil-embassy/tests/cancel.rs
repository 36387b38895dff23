//! Every async function is dropped at every point at which it can be: after no poll, one, two, until it
//! is done. What is left behind is what the laws say, and nothing else.

mod mock_time;

use core::cell::{Cell, RefCell};
use core::future::Future;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use mock_time::{advance, at_zero, drop_after, run};
use resil_embassy::clock::sleep_until;
use resil_embassy::core::backoff::Jitter;
use resil_embassy::core::call::{CallPolicy, HedgedPolicy, PeerPolicy};
use resil_embassy::core::circuit_breaker::{CircuitBreakerConfig, State};
use resil_embassy::core::deadline::Deadline;
use resil_embassy::core::hedge::HedgePolicy;
use resil_embassy::core::outcome::{EveryError, FailureClass};
use resil_embassy::core::rate_limit::{Limit, RateLimitConfig, TokenBucket};
use resil_embassy::core::retry::RetryPolicy;
use resil_embassy::core::retry::budget::TokenBudget;
use resil_embassy::core::{Clock, Instant, Ratio, valid};
use resil_embassy::{CircuitBreaker, EmbassyClock, Peer, retry_with_policy, timeout, timeout_at};
use std::panic::catch_unwind;

/// Between two polls. No time of the stories below is a multiple of it, and none is shorter.
const STEP: Duration = Duration::from_millis(30);

fn no_entropy() -> u32 {
    panic!("no jitter, so nothing to draw")
}

fn sleep(millis: u64) -> impl Future<Output = ()> {
    sleep_until(EmbassyClock.now().saturating_add(Duration::from_millis(millis)))
}

/// How the operations of a story went: begun, ended with an error, ended with a value, and running.
#[derive(Default)]
struct Seen {
    begun: Cell<u32>,
    failed: Cell<u32>,
    succeeded: Cell<u32>,
    running: Cell<u32>,
}

/// An operation that is under way.
struct Running<'a>(&'a Cell<u32>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Seen {
    /// Takes its time, then succeeds or fails.
    async fn operation(
        &self,
        millis: u64,
        result: Result<u32, FailureClass>,
    ) -> Result<u32, FailureClass> {
        self.begun.set(self.begun.get() + 1);
        self.running.set(self.running.get() + 1);
        let _running = Running(&self.running);
        sleep(millis).await;
        let counter = if result.is_ok() { &self.succeeded } else { &self.failed };
        counter.set(counter.get() + 1);
        result
    }
}

/// Drops what `story` makes after every number of polls, and has `check` look at what is left: with
/// whether it was done. Returns how many polls it takes to be done.
fn at_every_point<S, T>(
    fresh: impl Fn() -> S,
    story: impl AsyncFn(&S) -> T,
    check: impl Fn(&S, Option<T>),
) -> usize {
    for polls in 0..1_000 {
        let _turn = at_zero();
        let subject = fresh();
        let done = drop_after(polls, story(&subject), STEP);
        let is_done = done.is_some();
        check(&subject, done);
        if is_done {
            return polls;
        }
    }
    panic!("not done after a thousand polls")
}

type Policy = HedgedPolicy<TokenBudget, TokenBucket, fn(&FailureClass) -> FailureClass>;

struct Node {
    peer: Peer<NoopRawMutex, Policy>,
    seen: Seen,
}

const BURST: u32 = 10;
const BUDGET: u32 = 8;

/// Three attempts and a hedge after 500 ms. A token lasts an hour, so that none comes back meanwhile, and
/// every extra attempt costs one of the budget, of which a success earns back a thousandth.
fn node() -> Node {
    let retry = RetryPolicy::builder().jitter(Jitter::None).max_attempts(4).build().unwrap();
    let retry = retry.classify((|class| *class) as fn(&FailureClass) -> FailureClass);
    let call = CallPolicy::new(retry).with_attempt_timeout(Duration::from_millis(1_700)).unwrap();
    let breaker =
        CircuitBreakerConfig::builder().failure_threshold(3).timeout(Duration::from_secs(20));
    let limit = RateLimitConfig::builder()
        .max_requests(1)
        .time_window(Duration::from_secs(3_600))
        .burst_size(BURST);
    let budget = TokenBudget::builder()
        .capacity(BUDGET)
        .retry_cost(1)
        .throttle_cost(1)
        .hedge_cost(1)
        .success_reward(Ratio::new(1, 1_000));
    let hedge = HedgePolicy::builder().fixed_delay(Duration::from_millis(500)).max_hedges(1);
    let limit = TokenBucket::new(limit.build().unwrap());
    let policy = HedgedPolicy::new(
        PeerPolicy::new(call, breaker.build().unwrap(), limit),
        budget.build().unwrap(),
        hedge.build().unwrap(),
    );
    Node { peer: Peer::new("peer", policy, no_entropy), seen: Seen::default() }
}

impl Node {
    /// The first attempt fails, the second one hangs, and the third, beside it, succeeds: a retry wait, a
    /// wait for a hedge, two attempts at a time.
    async fn call(&self) -> u32 {
        let call = self.peer.handle().call_each(|ticket, _| {
            let number = ticket.number();
            self.seen.operation(
                [250, 60_000, 400][number as usize - 1],
                match number {
                    1 => Err(FailureClass::Throttled),
                    _ => Ok(number),
                },
            )
        });
        call.await.unwrap()
    }

    fn tokens(&self) -> u32 {
        self.peer
            .handle()
            .apply(|policy, state, now| policy.peer().limit().available(&state.peer.limit, now))
    }

    fn budget(&self) -> u32 {
        self.peer.handle().apply(|policy, state, _| policy.budget().millitokens(&state.budget))
    }

    fn breaker(&self) -> State {
        self.peer
            .handle()
            .apply(|policy, state, now| policy.peer().breaker().state(&state.peer.breaker, now))
    }

    /// How many failures in a row the breaker has counted: as many as it takes less to open it.
    fn failures_in_a_row(&self) -> u32 {
        let mut failures = 3;
        self.peer.handle().apply(|policy, state, now| {
            let (breaker, mut state) = (policy.peer().breaker(), state.peer.breaker.clone());
            while breaker.state(&state, now) == State::Closed {
                let permit = breaker.try_acquire(&mut state, no_entropy, now).unwrap();
                let failure = FailureClass::Transient.into();
                let failure = resil_embassy::core::outcome::Classification::outcome(failure);
                breaker.record(&mut state, permit, failure, no_entropy, now);
                failures -= 1;
            }
        });
        failures
    }
}

#[test]
fn a_call_that_is_dropped_anywhere_keeps_what_was_done_and_gives_back_the_rest() {
    let polls = at_every_point(node, Node::call, |node, done| {
        let Seen { begun, failed, succeeded, running } = &node.seen;
        assert_eq!(running.get(), 0, "an operation runs on");
        // A token for each attempt that was made, and for no other.
        assert_eq!(node.tokens(), BURST - begun.get());
        // The first is free; the others are paid for when they are made. What was decided and not
        // made is paid back.
        let extra = begun.get().saturating_sub(1);
        assert_eq!(node.budget(), 1_000 * (BUDGET - extra) + succeeded.get());
        // What ended counts, what was dropped does not.
        assert_eq!(node.breaker(), State::Closed);
        let in_a_row = if succeeded.get() > 0 { 0 } else { failed.get() };
        assert_eq!(node.failures_in_a_row(), in_a_row);
        assert_eq!(done.is_some(), succeeded.get() == 1);
        if let Some(number) = done {
            assert_eq!((number, begun.get()), (3, 3), "the hedge had the answer");
        }
    });
    // 250 ms, a wait of 1 s, 500 ms until the hedge, its 400 ms.
    assert!(polls > 2_150 / 30, "{polls}");
}

#[test]
fn a_probe_that_is_dropped_anywhere_leaves_its_slot_to_the_next() {
    let half_open = || {
        let node = node();
        let refuse = async || Err::<(), _>(FailureClass::Fatal);
        for _ in 0..3 {
            assert!(run(node.peer.call(refuse), STEP).is_err());
        }
        advance(Duration::from_secs(20));
        node
    };
    let probe = async |node: &Node| {
        let probe = async || node.seen.operation(250, Ok(7)).await;
        node.peer.call(probe).await.unwrap()
    };
    at_every_point(half_open, probe, |node, done| {
        let state = if done.is_some() { State::Closed } else { State::HalfOpen };
        assert_eq!(node.breaker(), state);
        let free = node
            .peer
            .handle()
            .apply(|policy, state, now| policy.peer().breaker().peek(&state.peer.breaker, now));
        assert_eq!(free, Ok(()), "the one probe slot");
    });
}

#[test]
fn a_call_that_waits_for_a_token_and_is_dropped_anywhere_has_taken_none() {
    let waiting = || {
        let retry = RetryPolicy::builder()
            .jitter(Jitter::None)
            .deadline(Duration::from_secs(9))
            .max_refusal_waits(1);
        let limit = RateLimitConfig::builder().max_requests(60).burst_size(1);
        let policy = PeerPolicy::new(
            CallPolicy::new(retry.build().unwrap()),
            CircuitBreakerConfig::DEFAULT,
            TokenBucket::new(limit.build().unwrap()),
        );
        let peer = Peer::<NoopRawMutex, _>::new("peer", policy, no_entropy);
        run(peer.call(async || Ok::<_, ()>(())), STEP).unwrap();
        peer
    };
    let polls = at_every_point(
        waiting,
        async |peer| peer.call(async || Ok::<_, ()>(EmbassyClock.now())).await.unwrap(),
        |peer, done| {
            // A second after the first took the only one there is another, for whoever comes first.
            let second = Instant::from_duration(Duration::from_secs(1));
            peer.handle().apply(|policy, state, now| {
                let expected = u32::from(second.is_reached(now) && done.is_none());
                assert_eq!(policy.limit().available(&state.limit, now), expected);
            });
        },
    );
    assert!(polls > 1_000 / 30, "{polls}");
}

const RETRY: RetryPolicy = valid!(RetryPolicy::builder().jitter(Jitter::None).build());

#[test]
fn a_retry_that_is_dropped_anywhere_starts_nothing_more() {
    let retry = async |seen: &Seen| {
        let operation = || {
            let last = seen.begun.get() == 2;
            seen.operation(100, if last { Ok(3) } else { Err(FailureClass::Transient) })
        };
        retry_with_policy(operation, &RETRY, "story", no_entropy).await
    };
    let polls = at_every_point(Seen::default, retry, |seen, done| {
        let Seen { begun, failed, succeeded, running } = seen;
        assert_eq!(running.get(), 0, "an operation runs on");
        assert!(begun.get() <= failed.get() + succeeded.get() + 1, "one at a time");
        assert_eq!(done.is_some(), succeeded.get() == 1);
        let before = begun.get();
        advance(Duration::from_secs(60));
        assert_eq!(begun.get(), before);
        if let Some(result) = done {
            assert_eq!(result, Ok(3));
        }
    });
    assert!(polls > 3_300 / 30, "{polls}");
}

#[test]
fn a_timeout_that_is_dropped_anywhere_drops_what_it_bounds() {
    let check = |seen: &Seen, done: Option<bool>| {
        assert_eq!(seen.running.get(), 0, "an operation runs on");
        if let Some(in_time) = done {
            assert_eq!(in_time, seen.succeeded.get() == 1);
        }
    };
    for (bound, in_time) in [(200, false), (400, true)] {
        let bound = Duration::from_millis(bound);
        let after = async |seen: &Seen| timeout(bound, seen.operation(300, Ok(1))).await.is_ok();
        let at = async |seen: &Seen| {
            let deadline = Deadline::at(Instant::from_duration(bound));
            timeout_at(deadline, seen.operation(300, Ok(1))).await.is_ok()
        };
        let result = RefCell::new(None);
        let noting = |seen: &Seen, done: Option<bool>| {
            *result.borrow_mut() = done;
            check(seen, done);
        };
        assert!(at_every_point(Seen::default, after, noting) > 200 / 30);
        assert_eq!(result.take(), Some(in_time));
        assert!(at_every_point(Seen::default, at, noting) > 200 / 30);
        assert_eq!(result.take(), Some(in_time));
    }
}

const BREAKER: CircuitBreakerConfig = valid!(
    CircuitBreakerConfig::builder().failure_threshold(1).timeout(Duration::from_secs(1)).build()
);

#[test]
fn a_call_through_a_breaker_that_is_dropped_anywhere_frees_its_probe_slot() {
    type Breaker = CircuitBreaker<NoopRawMutex, EveryError, CircuitBreakerConfig>;
    let half_open = || {
        let breaker = Breaker::new("peer", BREAKER, no_entropy);
        breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        advance(Duration::from_secs(1));
        (breaker, Seen::default())
    };
    for (result, ends) in [(Ok(1), State::Closed), (Err(FailureClass::Transient), State::Open)] {
        let call = async |(breaker, seen): &(Breaker, Seen)| {
            breaker.call(async || seen.operation(300, result).await).await.is_ok()
        };
        at_every_point(half_open, call, |(breaker, seen), done| {
            assert_eq!(seen.running.get(), 0, "an operation runs on");
            assert_eq!(breaker.state(), if done.is_some() { ends } else { State::HalfOpen });
            assert_eq!(breaker.try_acquire().is_ok(), ends != State::Open || done.is_none());
        });
    }
}

#[test]
fn a_panic_in_an_operation_frees_the_probe_slot_of_a_breaker() {
    let _turn = at_zero();
    let breaker = CircuitBreaker::<NoopRawMutex, _, _>::new("peer", BREAKER, no_entropy);
    breaker.try_acquire().unwrap().failure(FailureClass::Transient);
    advance(Duration::from_secs(1));
    let panics = async || -> Result<(), ()> { panic!("a fault in the program") };
    let call = || run(breaker.call(panics), STEP);
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    assert_eq!(breaker.state(), State::HalfOpen);
    assert!(breaker.try_acquire().is_ok());
}

#[test]
fn a_sleep_that_is_dropped_anywhere_is_over() {
    let deadline = Instant::from_duration(Duration::from_secs(1));
    let polls = at_every_point(
        || (),
        async |()| {
            sleep_until(deadline).await;
            EmbassyClock.now()
        },
        |(), woken| assert_eq!(woken.is_some(), woken.is_some_and(|at| deadline.is_reached(at))),
    );
    assert_eq!(polls, 1_000_usize.div_ceil(30) + 1);
}
