//! Every async function is dropped at every point at which it can be: after no poll, one, two, until it
//! is done. What is left behind is what the laws say, and nothing else.

mod paused_time;

use core::cell::{Cell, RefCell};
use core::future::Future;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use paused_time::{at_zero, drop_after, ms};
use resil_std::clock::Sleep;
use resil_std::core::backoff::Jitter;
use resil_std::core::call::{CallPolicy, HedgedPolicy, PeerPolicy};
use resil_std::core::circuit_breaker::{CircuitBreakerConfig, State};
use resil_std::core::deadline::Deadline;
use resil_std::core::health::HealthStatus;
use resil_std::core::hedge::HedgePolicy;
use resil_std::core::outcome::FailureClass;
use resil_std::core::rate_limit::{Limit, RateLimitConfig, TokenBucket};
use resil_std::core::retry::RetryPolicy;
use resil_std::core::retry::budget::TokenBudget;
use resil_std::core::{Clock, Ratio, valid};
use resil_std::health::HealthChecker;
use resil_std::{CircuitBreaker, Peer, SystemClock, retry_with_policy, timeout, timeout_at};
use std::sync::Arc;
use tokio::time::advance;

fn no_entropy() -> u32 {
    panic!("no jitter, so nothing to draw")
}

/// Between two polls. No time of the stories below is a multiple of it, and none is shorter.
const STEP: Duration = Duration::from_millis(30);

fn sleep(millis: u64) -> impl Future<Output = ()> {
    let until = SystemClock.now().saturating_add(Duration::from_millis(millis));
    async move { SystemClock.sleep_until(until).await }
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
async fn at_every_point<S, T>(
    fresh: impl AsyncFn() -> S,
    story: impl AsyncFn(&S) -> T,
    check: impl Fn(&S, Option<T>),
) -> usize {
    for polls in 0..1_000 {
        at_zero();
        let subject = fresh().await;
        let done = drop_after(polls, story(&subject), STEP).await;
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
    peer: Peer<Policy>,
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
    Node { peer: Peer::new("peer", policy), seen: Seen::default() }
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
                let failure = resil_std::core::outcome::Classification::outcome(failure);
                breaker.record(&mut state, permit, failure, no_entropy, now);
                failures -= 1;
            }
        });
        failures
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_anywhere_keeps_what_was_done_and_gives_back_the_rest() {
    let polls = at_every_point(
        async || node(),
        Node::call,
        |node, done| {
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
        },
    )
    .await;
    // 250 ms, a wait of 1 s, 500 ms until the hedge, its 400 ms.
    assert!(polls > 2_150 / 30, "{polls}");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_anywhere_leaves_its_slot_to_the_next() {
    let half_open = async || {
        let node = node();
        let refuse = async || Err::<(), _>(FailureClass::Fatal);
        for _ in 0..3 {
            assert!(node.peer.call(refuse).await.is_err());
        }
        advance(Duration::from_secs(20)).await;
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
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_a_token_and_is_dropped_anywhere_has_taken_none() {
    let waiting = async || {
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
        let peer = Peer::new("peer", policy);
        peer.call(async || Ok::<_, ()>(())).await.unwrap();
        peer
    };
    let polls = at_every_point(
        waiting,
        async |peer| peer.call(async || Ok::<_, ()>(SystemClock.now())).await.unwrap(),
        |peer, done| {
            // A second after the first took the only one there is another, for whoever comes first.
            let second = ms(1_000);
            peer.handle().apply(|policy, state, now| {
                let expected = u32::from(second.is_reached(now) && done.is_none());
                assert_eq!(policy.limit().available(&state.limit, now), expected);
            });
        },
    )
    .await;
    assert!(polls > 1_000 / 30, "{polls}");
}

const RETRY: RetryPolicy = valid!(RetryPolicy::builder().jitter(Jitter::None).build());

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_dropped_anywhere_starts_nothing_more() {
    let retry = async |seen: &Seen| {
        let operation = || {
            let last = seen.begun.get() == 2;
            seen.operation(100, if last { Ok(3) } else { Err(FailureClass::Transient) })
        };
        retry_with_policy(operation, &RETRY, "story").await
    };
    let polls = at_every_point(
        async || Seen::default(),
        retry,
        |seen, done| {
            let Seen { begun, failed, succeeded, running } = seen;
            assert_eq!(running.get(), 0, "an operation runs on");
            assert!(begun.get() <= failed.get() + succeeded.get() + 1, "one at a time");
            assert_eq!(done.is_some(), succeeded.get() == 1);
            if let Some(result) = done {
                assert_eq!(result, Ok(3));
            }
        },
    )
    .await;
    assert!(polls > 3_300 / 30, "{polls}");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_that_is_dropped_anywhere_drops_what_it_bounds() {
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
            let deadline = Deadline::at(ms(0).saturating_add(bound));
            timeout_at(deadline, seen.operation(300, Ok(1))).await.is_ok()
        };
        let result = RefCell::new(None);
        let noting = |seen: &Seen, done: Option<bool>| {
            *result.borrow_mut() = done;
            check(seen, done);
        };
        assert!(at_every_point(async || Seen::default(), after, noting).await > 200 / 30);
        assert_eq!(result.take(), Some(in_time));
        assert!(at_every_point(async || Seen::default(), at, noting).await > 200 / 30);
        assert_eq!(result.take(), Some(in_time));
    }
}

const BREAKER: CircuitBreakerConfig = valid!(
    CircuitBreakerConfig::builder().failure_threshold(1).timeout(Duration::from_secs(1)).build()
);

#[tokio::test(start_paused = true)]
async fn a_call_through_a_breaker_that_is_dropped_anywhere_frees_its_probe_slot() {
    let half_open = async || {
        let breaker = CircuitBreaker::new("peer", BREAKER);
        breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        advance(Duration::from_secs(1)).await;
        (breaker, Seen::default())
    };
    for (result, ends) in [(Ok(1), State::Closed), (Err(FailureClass::Transient), State::Open)] {
        let call = async |(breaker, seen): &(CircuitBreaker, Seen)| {
            breaker.call(async || seen.operation(300, result).await).await.is_ok()
        };
        at_every_point(half_open, call, |(breaker, seen), done| {
            assert_eq!(seen.running.get(), 0, "an operation runs on");
            assert_eq!(breaker.state(), if done.is_some() { ends } else { State::HalfOpen });
            assert_eq!(breaker.try_acquire().is_ok(), ends != State::Open || done.is_none());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_sleep_that_is_dropped_anywhere_is_over() {
    let polls = at_every_point(
        async || (),
        async |()| {
            SystemClock.sleep_until(ms(1_000)).await;
            SystemClock.now()
        },
        |(), woken| assert_eq!(woken.is_some(), woken.is_some_and(|at| ms(1_000).is_reached(at))),
    )
    .await;
    assert_eq!(polls, 1_000_usize.div_ceil(30) + 1);
}

/// How often a check was begun, and how often it ended.
#[derive(Default)]
struct Runs {
    begun: AtomicU32,
    ended: AtomicU32,
}

#[tokio::test(start_paused = true)]
async fn a_question_after_health_that_is_dropped_anywhere_leaves_its_run_to_the_next() {
    let registered = async || {
        let (checker, runs) = (HealthChecker::new(), Arc::new(Runs::default()));
        let seen = Arc::clone(&runs);
        let check = move || {
            let seen = Arc::clone(&seen);
            async move {
                seen.begun.fetch_add(1, Ordering::Relaxed);
                sleep(300).await;
                seen.ended.fetch_add(1, Ordering::Relaxed);
            }
        };
        checker.register_check("peers", check).unwrap();
        (checker, runs)
    };
    let mut joined = 0;
    for polls in 0..1_000 {
        let (checker, runs) = registered().await;
        let done = drop_after(polls, checker.get_overall_health(), STEP).await;
        let (begun, ended) = (&runs.begun, &runs.ended);
        let going = begun.load(Ordering::Relaxed) - ended.load(Ordering::Relaxed);
        joined += going;
        let next = ended.load(Ordering::Relaxed) + 1;
        assert_eq!(checker.get_overall_health().await.status, HealthStatus::Healthy);
        assert_eq!(
            begun.load(Ordering::Relaxed),
            next,
            "after {polls} polls one goes on or begins"
        );
        assert_eq!(ended.load(Ordering::Relaxed), next);
        if done.is_some() {
            assert!(joined > 5, "nobody went away while it ran");
            return;
        }
    }
    panic!("not done after a thousand polls");
}
