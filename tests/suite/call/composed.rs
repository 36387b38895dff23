//! Calls with the real machines, against their oracles composed by hand: a breaker, a bucket, a budget
//! and hedging that several calls to one peer share, while the clock does what it likes.

use core::time::Duration;
use num_bigint::BigInt;
use proptest::prelude::*;
use resil_core::backoff::Jitter;
use resil_core::call::{Bound, Call, CallPolicy, PeerPolicy, PeerState, Request, Step};
use resil_core::circuit_breaker::{self, CircuitBreakerConfig, State};
use resil_core::hedge::{HedgePolicy, HedgeState};
use resil_core::outcome::{Classification, FailureClass, RetryHint};
use resil_core::rate_limit::{BucketCharge, Limit, RateLimitConfig, TokenBucket};
use resil_core::retry::RetryPolicy;
use resil_core::retry::budget::{BudgetPolicy, TokenBudget, TokenBudgetState, TokenCharge};
use resil_core::{Instant, Ratio};
use resil_tests::oracle::breaker::{self, Answer, Mode};
use resil_tests::oracle::budget::{self, Extra};
use resil_tests::oracle::call::{self as oracle, Others, Outcome};
use resil_tests::oracle::retry::{self, Failure, Refusal};
use resil_tests::oracle::{Ratio as Exact, exact};

/// Calls at a time.
const CALLS: usize = 3;
/// A token of the bucket takes so long: a power of two, so that its units are nanoseconds.
const TOKEN: i128 = 16;
const BURST: u32 = 4;
const FULL: i128 = TOKEN * BURST as i128;
const MILLI_REWARD: u16 = 500;

/// The settings of one run; times in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Settings {
    max_attempts: u32,
    deadline: Option<u64>,
    refusal_waits: u32,
    attempt_timeout: Option<u64>,
    hedge_after: u64,
    threshold: u16,
    open_time: u64,
    abandoned_after: Option<u64>,
    budget: u32,
}

fn settings() -> impl Strategy<Value = Settings> {
    let option = |up_to| proptest::option::of(1..up_to);
    (
        (1..5_u32, option(300_u64), 0..3_u32, option(60_u64), 0..40_u64),
        (1..4_u16, 1..100_u64, option(30_u64), 3..9_u32),
    )
        .prop_map(|(call, others)| {
            let (max_attempts, deadline, refusal_waits, attempt_timeout, hedge_after) = call;
            let (threshold, open_time, abandoned_after, budget) = others;
            let refusal_waits = if deadline.is_some() { refusal_waits } else { 0 };
            Settings {
                max_attempts,
                deadline,
                refusal_waits,
                attempt_timeout,
                hedge_after,
                threshold,
                open_time,
                abandoned_after,
                budget,
            }
        })
}

impl Settings {
    fn peer(&self) -> PeerPolicy {
        let nanos = Duration::from_nanos;
        let mut retry = RetryPolicy::builder()
            .max_attempts(self.max_attempts)
            .initial_delay(nanos(10))
            .max_delay(nanos(100))
            .max_refusal_waits(self.refusal_waits)
            .jitter(Jitter::None);
        if let Some(deadline) = self.deadline {
            retry = retry.deadline(nanos(deadline));
        }
        let mut call = CallPolicy::new(retry.build().unwrap());
        if let Some(timeout) = self.attempt_timeout {
            call = call.with_attempt_timeout(nanos(timeout)).unwrap();
        }
        let breaker = CircuitBreakerConfig::builder()
            .failure_threshold(self.threshold)
            .timeout(nanos(self.open_time))
            .lease(nanos(2 * self.open_time))
            .abandon_counts_after(self.abandoned_after.map(nanos));
        let quota = RateLimitConfig::builder()
            .max_requests(1)
            .time_window(nanos(TOKEN as u64))
            .burst_size(BURST);
        let limit = TokenBucket::new(quota.build().unwrap());
        PeerPolicy::new(call, breaker.build().unwrap(), limit)
    }

    fn call(&self) -> oracle::Policy {
        oracle::Policy {
            retry: retry::Policy {
                max_attempts: self.max_attempts,
                initial: 10,
                max: 100,
                deadline: self.deadline.map(i128::from),
                max_retry_after: 100,
                max_refusal_waits: self.refusal_waits,
            },
            attempt_timeout: self.attempt_timeout.map(i128::from),
            hedge_after: Some(self.hedge_after.into()),
            hedges_early: true,
        }
    }

    fn shared(&self) -> Shared {
        let breaker = breaker::Policy {
            failure_threshold: self.threshold,
            success_threshold: 1,
            probes: 1,
            timeout: self.open_time,
            multiplier: (1, 1),
            max_timeout: self.open_time,
            jitter: false,
            lease: 2 * self.open_time,
            abandon_counts_after: self.abandoned_after,
        };
        let budget = budget::Tokens {
            capacity: exact(self.budget.into()),
            floor: exact(0),
            retry_cost: exact(2),
            throttle_cost: exact(2),
            hedge_cost: exact(1),
            failure_cost: exact(0),
            success_reward: Exact::new(BigInt::from(MILLI_REWARD), BigInt::from(1_000)),
        };
        Shared {
            breaker: breaker::Breaker::new(breaker),
            full_at: 0,
            budget: budget::TokenBudget::new(budget),
            lent: Vec::new(),
        }
    }

    fn budget(&self) -> TokenBudget {
        TokenBudget::builder()
            .capacity(self.budget)
            .retry_cost(2)
            .throttle_cost(2)
            .hedge_cost(1)
            .success_reward(Ratio::new(MILLI_REWARD, 1_000))
            .build()
            .unwrap()
    }
}

/// What the calls share, as the oracles see it.
struct Shared {
    breaker: breaker::Breaker,
    /// When the bucket is full.
    full_at: i128,
    budget: budget::TokenBudget,
    /// Which permit of the breaker which attempt of which call holds.
    lent: Vec<((usize, u32), u64)>,
}

impl Shared {
    /// A token of the bucket, or when there is one.
    fn token(&mut self, now: i128) -> Result<(), i128> {
        let opens = |full_at| full_at + TOKEN - FULL;
        if opens(self.full_at) <= now {
            self.full_at = self.full_at.max(now) + TOKEN;
            return Ok(());
        }
        // The clock has stepped back by more than can be waited for.
        if self.full_at - now > 2 * FULL {
            self.full_at = now + FULL;
        }
        Err(opens(self.full_at))
    }
}

/// The shared ones, asked by one of the calls.
struct Asked<'a> {
    by: usize,
    shared: &'a mut Shared,
}

impl Others for Asked<'_> {
    fn ask(&mut self, number: u32, now: i128) -> Option<Refusal> {
        let at = u64::try_from(now).unwrap();
        let Answer::Admitted(permit) = self.shared.breaker.ask(at) else {
            return Some(Refusal::Final);
        };
        match self.shared.token(now) {
            Ok(()) => {
                self.shared.lent.push(((self.by, number), permit));
                None
            }
            Err(until) => {
                self.shared.breaker.tell(permit, breaker::Outcome::Ignored, at);
                Some(Refusal::Until(until))
            }
        }
    }

    fn pay(&mut self, extra: Extra) -> bool {
        self.shared.budget.withdraw(extra)
    }

    fn refund(&mut self, extra: Extra) {
        self.shared.budget.refund(extra);
    }

    fn told(&mut self, number: u32, extra: Option<Extra>, outcome: Outcome, now: i128) {
        let place = self.shared.lent.iter().position(|(who, _)| *who == (self.by, number));
        let (_, permit) = self.shared.lent.remove(place.expect("each attempt ends once"));
        let told = match outcome {
            Outcome::Success => breaker::Outcome::Success,
            Outcome::Failure | Outcome::Fatal => breaker::Outcome::Failure,
            Outcome::Ignored => breaker::Outcome::Ignored,
            Outcome::Abandoned => breaker::Outcome::Abandoned,
        };
        self.shared.breaker.tell(permit, told, u64::try_from(now).unwrap());
        match outcome {
            Outcome::Success => self.shared.budget.success(extra),
            Outcome::Failure => self.shared.budget.failure(),
            Outcome::Fatal | Outcome::Ignored | Outcome::Abandoned => {}
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Poll,
    /// One of the tickets, and how its attempt ended.
    Finish(usize, Option<Failure>),
    Abandon,
}

/// Which call, what happens to it, and by how much the clock moves before; `None`: to the instant that
/// it waits for.
type Turn = (usize, Event, Option<i64>);

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let failure = prop_oneof![
        6 => Just(Failure::Retryable),
        2 => (1..60_i128).prop_map(Failure::After),
        1 => Just(Failure::Fatal),
        1 => Just(Failure::Ignored),
        1 => Just(Failure::Never),
    ];
    let ending = prop_oneof![3 => failure.prop_map(Some), 1 => Just(None)];
    let event = prop_oneof![
        12 => Just(Event::Poll),
        8 => (0..4_usize, ending).prop_map(|(which, ending)| Event::Finish(which, ending)),
        1 => Just(Event::Abandon),
    ];
    let century = 100 * 31_557_600 * 1_000_000_000_i64 / 2;
    let moves = prop_oneof![
        4 => Just(None),
        8 => (0..30_i64).prop_map(Some),
        1 => (-500..0_i64).prop_map(Some),
        1 => (0..1_000_i64).prop_map(Some),
        1 => prop_oneof![19 => Just(0), 1 => Just(century), 1 => Just(-century)].prop_map(Some),
    ];
    proptest::collection::vec((0..CALLS, event, moves), 1..100)
}

fn classification(failure: Failure) -> Classification {
    let transient = |hint| Classification::Failure(FailureClass::Transient, hint);
    match failure {
        Failure::Fatal => FailureClass::Fatal.into(),
        Failure::Ignored => Classification::Ignored,
        Failure::Retryable => transient(RetryHint::None),
        Failure::After(nanos) => {
            transient(RetryHint::After(Duration::from_nanos(u64::try_from(nanos).unwrap())))
        }
        Failure::Never => transient(RetryHint::Never),
    }
}

type RealCall = Call<(circuit_breaker::Permit, BucketCharge), TokenCharge>;

/// The real ones that the calls share.
struct Real {
    peer: PeerPolicy,
    state: PeerState,
    budget: TokenBudget,
    tokens: TokenBudgetState,
    hedge: HedgePolicy,
    latencies: HedgeState,
}

/// The gates of a step.
macro_rules! gates {
    ($real:ident) => {
        &mut $real
            .peer
            .gates(&mut $real.state)
            .with_budget(Bound::new(&$real.budget, &mut $real.tokens))
            .with_hedge(Bound::new(&$real.hedge, &mut $real.latencies))
    };
}

/// A call, its model, its tickets, and what it waits for.
struct Pair {
    call: RealCall,
    model: oracle::Call,
    tickets: Vec<resil_core::call::Ticket>,
    until: Option<i128>,
}

fn instant(nanos: i128) -> Instant {
    Instant::from_nanos(nanos.try_into().unwrap())
}

fn start(real: &Real, settings: &Settings, now: i128) -> Pair {
    Pair {
        call: Call::start(real.peer.call(), Request::ONE, instant(now)),
        model: oracle::Call::start(settings.call(), now),
        tickets: Vec::new(),
        until: None,
    }
}

fn no_entropy() -> u32 {
    panic!("drew entropy")
}

fn poll(pair: &mut Pair, real: &mut Real, now: i128) -> oracle::Step {
    let step = pair.call.poll(real.peer.call(), gates!(real), no_entropy, instant(now));
    pair.until = None;
    match step {
        Step::Attempt(ticket) => {
            let number = ticket.number();
            pair.tickets.push(ticket);
            oracle::Step::Attempt(number)
        }
        Step::Wait { until, in_flight } => {
            pair.until = until.map(|at| at.as_nanos().into());
            oracle::Step::Wait(pair.until, in_flight.into())
        }
        Step::Done(verdict) => oracle::Step::Done(resil_tests::laws::call_model::end(verdict)),
    }
}

/// What can be seen of the shared machines is the same.
fn compare(real: &Real, shared: &Shared, now: i128) {
    let at = instant(now);
    let model = shared.breaker.at(at.as_nanos());
    let state = match model.mode() {
        Mode::Closed { .. } => State::Closed,
        Mode::Open { .. } => State::Open,
        Mode::HalfOpen { .. } => State::HalfOpen,
        Mode::ForcedOpen | Mode::Disabled => unreachable!("nobody forces it"),
    };
    assert_eq!(real.peer.breaker().state(&real.state.breaker, at), state);
    let missing = if shared.full_at - now > 2 * FULL { FULL } else { shared.full_at - now };
    let left = (FULL - missing.max(0)).max(0) / TOKEN;
    assert_eq!(i128::from(real.peer.limit().available(&real.state.limit, at)), left);
    let tokens = &shared.budget.tokens * exact(1_000).to_integer();
    assert_eq!(exact(real.budget.millitokens(&real.tokens).into()), tokens);
}

proptest! {
    #![proptest_config(crate::cases(2_000))]

    #[test]
    fn real_machines_decide_in_a_call_as_their_oracles_do(
        settings in settings(),
        turns in turns(),
    ) {
        let fixed = HedgePolicy::builder().fixed_delay(Duration::from_nanos(settings.hedge_after));
        let mut shared = settings.shared();
        let real = &mut Real {
            peer: settings.peer(),
            state: PeerState::FRESH,
            budget: settings.budget(),
            tokens: TokenBudget::FRESH,
            hedge: fixed.build().unwrap(),
            latencies: HedgeState::FRESH,
        };
        let mut now = 1_000;
        let mut calls: Vec<_> = (0..CALLS).map(|_| start(real, &settings, now)).collect();
        for (by, event, moves) in turns {
            let pair = &mut calls[by];
            now = match moves {
                None => pair.until.unwrap_or(now),
                Some(moves) => (now + i128::from(moves)).clamp(0, 1 << 62),
            };
            let mut asked = Asked { by, shared: &mut shared };
            match event {
                Event::Poll => {
                    let step = poll(pair, real, now);
                    prop_assert_eq!(step, pair.model.poll(&mut asked, now));
                }
                Event::Finish(which, failure) if which < pair.tickets.len() => {
                    let ticket = pair.tickets.remove(which);
                    let number = ticket.number();
                    let result = failure.map_or(Ok(()), |failure| Err(classification(failure)));
                    let (policy, at) = (*real.peer.call(), instant(now));
                    let finished =
                        pair.call.finish(&policy, ticket, result, gates!(real), no_entropy, at);
                    let counted = pair.model.finish(number, failure, &mut asked, now);
                    prop_assert_eq!(finished == resil_core::call::Finished::Counted, counted);
                }
                Event::Finish(..) => continue,
                Event::Abandon => {
                    let policy = *real.peer.call();
                    pair.call.abandon(&policy, gates!(real), no_entropy, instant(now));
                    pair.model.abandon(&mut asked, now);
                }
            }
            prop_assert_eq!(pair.call.is_over(), pair.model.is_over());
            compare(real, &shared, now);
            let pair = &mut calls[by];
            if pair.model.is_over() {
                let held = shared.lent.iter().filter(|((call, _), _)| *call == by).count();
                prop_assert_eq!(held, 0, "every permit is told back");
                *pair = start(real, &settings, now);
            }
        }
    }
}
