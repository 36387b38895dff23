//! The composed call under embassy's mock time.

mod mock_time;

use core::cell::{Cell, RefCell};
use core::future::{Future, pending};
use core::panic::AssertUnwindSafe;
use core::pin::pin;
use core::time::Duration;
use embassy_sync::blocking_mutex::raw::{CriticalSectionRawMutex, NoopRawMutex};
use mock_time::{advance, at_zero, poll_once, run};
use resil_embassy::clock::sleep_until;
use resil_embassy::core::backoff::Jitter;
use resil_embassy::core::call::{CallPolicy, HedgedPolicy, PeerPolicy, Request};
use resil_embassy::core::circuit_breaker::{CircuitBreakerConfig, State};
use resil_embassy::core::deadline::Deadline;
use resil_embassy::core::error::ResilienceError;
use resil_embassy::core::hedge::HedgePolicy;
use resil_embassy::core::outcome::{Classification, Classify, FailureClass, RetryHint};
use resil_embassy::core::rate_limit::{Limit, RateLimitConfig, TokenBucket};
use resil_embassy::core::retry::RetryPolicy;
use resil_embassy::core::retry::budget::TokenBudget;
use resil_embassy::core::{Clock, ErrorCode, Instant, Ratio};
use resil_embassy::{EmbassyClock, Peer, Peers};
use std::panic::catch_unwind;

const STEP: Duration = Duration::from_millis(1);

/// How the errors of these tests are meant.
#[derive(Clone, Copy)]
struct ByText;

impl Classify<&'static str> for ByText {
    fn classify(&self, error: &&'static str) -> Classification {
        let after = RetryHint::After(Duration::from_secs(3));
        match *error {
            "refused" => FailureClass::Fatal.into(),
            "busy" => Classification::Failure(FailureClass::Throttled, after),
            "not found" => Classification::Ignored,
            _ => FailureClass::Transient.into(),
        }
    }
}

type Policy = PeerPolicy<TokenBucket, ByText>;

fn policy(threshold: u16, burst: u32, waits: u32) -> Policy {
    let retry = RetryPolicy::builder()
        .jitter(Jitter::None)
        .deadline(Duration::from_secs(30))
        .max_refusal_waits(waits);
    let call = CallPolicy::new(retry.build().unwrap().classify(ByText));
    let breaker = CircuitBreakerConfig::builder()
        .failure_threshold(threshold)
        .timeout(Duration::from_secs(10));
    let limit = RateLimitConfig::builder().max_requests(60).burst_size(burst);
    PeerPolicy::new(
        call.with_attempt_timeout(Duration::from_secs(2)).unwrap(),
        breaker.build().unwrap(),
        TokenBucket::new(limit.build().unwrap()),
    )
}

type Plain = Peer<CriticalSectionRawMutex, Policy>;

fn no_entropy() -> u32 {
    panic!("no jitter, so nothing to draw")
}

/// Three attempts, 1 s and 2 s apart, of 2 s at most; three tokens, one more a second.
fn plain() -> Plain {
    Plain::new("peer", policy(10, 3, 2), no_entropy)
}

fn state(peer: &Plain) -> State {
    peer.handle().apply(|policy, state, now| policy.breaker().state(&state.breaker, now))
}

fn tokens(peer: &Plain) -> u32 {
    peer.handle().apply(|policy, state, now| policy.limit().available(&state.limit, now))
}

fn ms(millis: u64) -> Instant {
    Instant::from_duration(Duration::from_millis(millis))
}

fn now_millis() -> u64 {
    EmbassyClock.now().as_nanos() / 1_000_000
}

/// Notes when it is dropped.
struct Noted<'a>(&'a RefCell<Vec<u64>>);

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().push(now_millis());
    }
}

#[test]
fn a_call_that_succeeds_takes_a_token_and_nothing_else() {
    let _turn = at_zero();
    let peer = plain();
    assert_eq!(run(peer.call(async || Ok::<_, &str>(7)), STEP), Ok(7));
    assert_eq!((now_millis(), state(&peer), tokens(&peer)), (0, State::Closed, 2));
    assert_eq!(peer.name(), "peer");
}

#[test]
fn attempts_start_when_the_policy_says() {
    let _turn = at_zero();
    let (peer, starts) = (plain(), RefCell::new(Vec::new()));
    let fails = async || {
        starts.borrow_mut().push(now_millis());
        Err::<(), _>("no answer")
    };
    let error = run(peer.call(fails), STEP).unwrap_err();
    assert_eq!(*starts.borrow(), [0, 1_000, 3_000]);
    assert_eq!(error.code(), ErrorCode::RetryExhausted);
    assert_eq!(error.operation_error(), Some(&"no answer"));
}

#[test]
fn a_hint_of_the_peer_raises_the_wait() {
    let _turn = at_zero();
    let (peer, starts) = (plain(), RefCell::new(Vec::new()));
    let busy = async || {
        starts.borrow_mut().push(now_millis());
        if starts.borrow().len() == 1 { Err("busy") } else { Ok(()) }
    };
    assert_eq!(run(peer.call(busy), STEP), Ok(()));
    assert_eq!(*starts.borrow(), [0, 3_000]);
}

#[test]
fn what_is_fatal_or_no_failure_comes_back_at_once_as_it_was() {
    let _turn = at_zero();
    for text in ["refused", "not found"] {
        let error = run(plain().call(async || Err::<(), _>(text)), STEP).unwrap_err();
        assert_eq!(error.code(), ErrorCode::OperationFailed);
        assert_eq!((error.into_operation_error(), now_millis()), (Some(text), 0));
    }
}

#[test]
fn an_attempt_is_dropped_when_its_deadline_comes() {
    let _turn = at_zero();
    let (peer, drops) = (plain(), RefCell::new(Vec::new()));
    let hangs = async || {
        let _noted = Noted(&drops);
        pending::<Result<(), &str>>().await
    };
    let error = run(peer.call(hangs), STEP).unwrap_err();
    // 2 s each, with waits of 1 s and 2 s between them.
    assert_eq!(*drops.borrow(), [2_000, 5_000, 9_000]);
    assert_eq!(error.code(), ErrorCode::RetryExhausted);
    assert_eq!(error.operation_error(), None);
    assert!(error.to_string().contains("3"), "{error}");
}

#[test]
fn the_error_before_a_timeout_is_not_the_last_one() {
    let _turn = at_zero();
    let (peer, calls) = (plain(), Cell::new(0));
    let operation = async || {
        calls.set(calls.get() + 1);
        if calls.get() < 3 { Err::<(), _>("no answer") } else { pending().await }
    };
    let error = run(peer.call(operation), STEP).unwrap_err();
    assert_eq!((error.code(), error.operation_error()), (ErrorCode::RetryExhausted, None));
}

#[test]
fn an_answer_that_is_there_at_the_deadline_counts() {
    let _turn = at_zero();
    let in_time = async || {
        sleep_until(ms(2_000)).await;
        Ok::<_, &str>(now_millis())
    };
    assert_eq!(run(plain().call(in_time), STEP), Ok(2_000));
}

#[test]
fn failures_open_the_breaker_and_it_refuses_without_touching_the_operation() {
    let _turn = at_zero();
    let (peer, calls) = (Plain::new("peer", policy(2, 3, 2), no_entropy), Cell::new(0));
    let fails = async || {
        calls.set(calls.get() + 1);
        Err::<(), _>("no answer")
    };
    let code = |result: Result<(), ResilienceError<_>>| result.unwrap_err().code();
    assert_eq!(code(run(peer.call(fails), STEP)), ErrorCode::CircuitBreakerOpen);
    assert_eq!((calls.get(), now_millis(), state(&peer)), (2, 3_000, State::Open));
    assert_eq!(code(run(peer.call(fails), STEP)), ErrorCode::CircuitBreakerOpen);
    assert_eq!((calls.get(), now_millis()), (2, 3_000), "no wait for a breaker");

    advance(Duration::from_secs(8));
    assert_eq!(state(&peer), State::HalfOpen);
    assert_eq!(run(peer.call(async || Ok::<_, &str>(())), STEP), Ok(()));
    assert_eq!(state(&peer), State::Closed);
}

#[test]
fn a_limit_that_refuses_is_waited_for_where_the_policy_says_so() {
    let _turn = at_zero();

    let peer = Plain::new("peer", policy(10, 1, 1), no_entropy);
    let when = async || Ok::<_, &str>(now_millis());
    assert_eq!(run(peer.call(when), STEP), Ok(0));
    assert_eq!(run(peer.call(when), STEP), Ok(1_000), "the instant of the next token");

    let peer = Plain::new("peer", policy(10, 1, 0), no_entropy);
    assert_eq!(run(peer.call(when), STEP), Ok(1_000));
    let refused = run(peer.call(when), STEP).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::RateLimitExceeded);
    assert_eq!(
        (refused.retry_after(EmbassyClock.now()), now_millis()),
        (Some(Duration::from_secs(1)), 1_000)
    );
}

#[test]
fn a_request_that_is_worth_more_takes_more() {
    let _turn = at_zero();
    let peer = plain();
    let dear = peer.handle().request(Request { cost: 3, ..Request::ONE });
    assert_eq!(run(dear.call(async || Ok::<_, &str>(())), STEP), Ok(()));
    assert_eq!(tokens(&peer), 0);
}

#[test]
fn the_deadline_of_the_caller_ends_what_the_policy_would_go_on_with() {
    let _turn = at_zero();
    let (peer, drops) = (plain(), RefCell::new(Vec::new()));
    let hangs = async || {
        let _noted = Noted(&drops);
        pending::<Result<(), &str>>().await
    };
    let hurried = |millis| peer.handle().deadline(Deadline::at(ms(millis)));
    let error = run(hurried(1_500).call(hangs), STEP).unwrap_err();
    assert_eq!((error.code(), now_millis()), (ErrorCode::DeadlineExceeded, 1_500));
    assert_eq!(*drops.borrow(), [1_500]);

    let error = run(hurried(1_500).call(hangs), STEP).unwrap_err();
    assert_eq!(error.code(), ErrorCode::DeadlineExceeded);
    assert_eq!(drops.borrow().len(), 1, "none starts when it is past");

    let fails = async || Err::<(), _>("no answer");
    let error = run(hurried(2_000).call(fails), STEP).unwrap_err();
    assert_eq!((error.code(), now_millis()), (ErrorCode::RetryFailed, 1_500), "no wait beyond it");
}

#[test]
fn an_operation_may_know_which_attempt_it_is() {
    let _turn = at_zero();
    let peer = plain();
    let call = peer.handle().call_each(|ticket, call| {
        let seen = (ticket.number(), ticket.deadline(), call.permit(ticket).is_some());
        async move { if seen.0 == 2 { Ok(seen) } else { Err("no answer") } }
    });
    assert_eq!(run(call, STEP), Ok((2, Some(ms(3_000)), true)));
}

#[test]
fn operations_and_calls_may_use_the_peer_they_are_called_through() {
    let _turn = at_zero();
    let peer = plain();
    let nested = async || {
        // With the mutex held, the peer would look new in here.
        assert_eq!(tokens(&peer), 2);
        run(peer.call(async || Ok::<_, &str>(tokens(&peer))), STEP).map_err(|_| "nested")
    };
    assert_eq!(run(peer.call(nested), STEP), Ok(1));
}

#[test]
fn peers_under_one_policy_know_nothing_of_each_other() {
    let _turn = at_zero();
    let peers = Peers::<CriticalSectionRawMutex, 3, _>::new("mesh", policy(1, 3, 0), no_entropy);
    let peer = |index| peers.get(index).unwrap();
    let refused = run(peer(1).call(async || Err::<(), _>("refused")), STEP).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::OperationFailed);
    let states = [0, 1, 2].map(|index| {
        peer(index).apply(|policy, state, now| policy.breaker().state(&state.breaker, now))
    });
    assert_eq!(states, [State::Closed, State::Open, State::Closed]);
    assert!(peers.get(3).is_none());
}

type Hedged = Peer<NoopRawMutex, HedgedPolicy<TokenBudget, TokenBucket, ByText>>;

/// The same with a hedge after 500 ms, and 5 extra attempts.
fn hedged() -> Hedged {
    let budget = TokenBudget::builder().capacity(5).retry_cost(1).throttle_cost(1).hedge_cost(1);
    let budget = budget.success_reward(Ratio::new(1, 1_000));
    let hedge = HedgePolicy::builder().fixed_delay(Duration::from_millis(500));
    let policy =
        HedgedPolicy::new(policy(10, 10, 0), budget.build().unwrap(), hedge.build().unwrap());
    Peer::new("peer", policy, no_entropy)
}

/// What is left of the budget, in thousandths.
fn budget(peer: &Hedged) -> u32 {
    peer.handle().apply(|policy, state, _| policy.budget().millitokens(&state.budget))
}

/// Calls a peer whose first attempt takes so long and whose hedge so long: the answer, when it came,
/// and when attempts were dropped.
fn race(peer: &Hedged, first: u64, hedge: u64) -> (&'static str, u64, Vec<u64>) {
    let drops = RefCell::new(Vec::new());
    let (handle, drops_of) = (peer.handle(), &drops);
    let call = handle.call_each(|ticket, _| {
        let is_hedge = ticket.is_hedge();
        let takes = Duration::from_millis(if is_hedge { hedge } else { first });
        async move {
            let _noted = Noted(drops_of);
            sleep_until(EmbassyClock.now().saturating_add(takes)).await;
            Ok::<_, &str>(if is_hedge { "hedge" } else { "first" })
        }
    });
    let answer = run(call, STEP).unwrap();
    (answer, now_millis(), drops.into_inner())
}

#[test]
fn a_hedge_that_is_faster_has_the_answer_and_the_first_attempt_is_dropped() {
    let _turn = at_zero();
    let peer = hedged();
    assert_eq!(race(&peer, 1_900, 200), ("hedge", 700, vec![700, 700]));
    assert_eq!(budget(&peer), 4_001, "it was paid for, and a success earns a thousandth");
}

#[test]
fn a_hedge_that_is_slower_is_dropped() {
    let _turn = at_zero();
    let peer = hedged();
    assert_eq!(race(&peer, 800, 1_000), ("first", 800, vec![800, 800]));
}

#[test]
fn an_answer_before_its_time_needs_no_hedge() {
    let _turn = at_zero();
    let peer = hedged();
    assert_eq!(race(&peer, 400, 0), ("first", 400, vec![400]));
    assert_eq!(budget(&peer), 5_000);
}

#[test]
fn of_two_attempts_that_hang_both_are_dropped_in_time() {
    let _turn = at_zero();
    let (peer, drops) = (hedged(), RefCell::new(Vec::new()));
    let hangs = async || {
        let _noted = Noted(&drops);
        pending::<Result<(), &str>>().await
    };
    let error = run(peer.call(hangs), STEP).unwrap_err();
    // The hedge began half a second after the first; the one retry that is left waits 2 s.
    assert_eq!(*drops.borrow(), [2_000, 2_500, 6_500]);
    assert_eq!(error.code(), ErrorCode::RetryExhausted);
}

#[test]
fn a_panic_in_an_operation_gives_the_probe_slot_and_the_price_back() {
    let _turn = at_zero();
    let peer = hedged();
    let breaker = |peer: &Hedged| {
        peer.handle().apply(|policy, state, now| {
            let breaker = policy.peer().breaker();
            (
                breaker.state(&state.peer.breaker, now),
                breaker.peek(&state.peer.breaker, now).is_ok(),
            )
        })
    };
    for _ in 0..10 {
        run(peer.call(async || Err::<(), _>("refused")), STEP).unwrap_err();
    }
    advance(Duration::from_secs(10));
    let panics = async || {
        sleep_until(EmbassyClock.now().saturating_add(STEP)).await;
        if breaker(&peer) == (State::HalfOpen, false) {
            panic!("a fault in the program, in the one probe there may be");
        }
        Ok::<_, &str>(())
    };
    {
        let mut call = pin!(peer.call(panics));
        assert!(poll_once(call.as_mut()).is_pending());
        advance(STEP);
        assert!(catch_unwind(AssertUnwindSafe(|| poll_once(call.as_mut()))).is_err());
    }
    assert_eq!(breaker(&peer), (State::HalfOpen, true));

    // The same while a retry is out that was paid for.
    let calls = Cell::new(0);
    let panics_later = async || {
        calls.set(calls.get() + 1);
        if calls.get() == 1 { Err::<(), _>("busy") } else { panic!("a fault in the program") }
    };
    let peer = hedged();
    let call = run_to_panic(peer.call(panics_later));
    assert!(call, "the second attempt");
    assert_eq!(budget(&peer), 4_000, "the attempt was made");
    assert_eq!(race(&peer, 10, 0).0, "first", "and the peer can be called as before");
}

/// Runs `future` until it panics or is done; whether it panicked.
fn run_to_panic<F: Future>(future: F) -> bool {
    let mut future = pin!(future);
    for _ in 0..10_000 {
        match catch_unwind(AssertUnwindSafe(|| poll_once(future.as_mut()))) {
            Err(_) => return true,
            Ok(poll) if poll.is_ready() => return false,
            Ok(_) => advance(STEP),
        }
    }
    false
}

#[test]
fn the_future_of_a_call_holds_two_operations_and_at_most_800_bytes_more() {
    let peer = plain();
    let operation = async || {
        let frame = [1_u8; 256];
        pending::<()>().await;
        if frame[0] == 0 { Err("empty") } else { Ok(()) }
    };
    let (call, one) = (size_of_val(&peer.call(operation)), size_of_val(&operation()));
    assert!(one > 256 && call >= 2 * one, "{call} for operations of {one}");
    assert!(call <= 2 * one + 800, "{call} for operations of {one}");
}
