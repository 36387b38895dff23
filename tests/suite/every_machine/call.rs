//! The composed call: a breaker, a limit and a bulkhead, a budget and hedging, and calls that share
//! them.

use super::{Move, Turn, outcome};
use core::time::Duration;
use proptest::prelude::*;
use resil_core::adaptive::{Aimd, ConcurrencyLimiter};
use resil_core::bulkhead::{Bulkhead, BulkheadConfig};
use resil_core::call::{Budget, Call, CallPolicy, Gate, Layers, Request, Step, Ticket};
use resil_core::circuit_breaker::CircuitBreakerConfig;
use resil_core::circuit_breaker::{CircuitBreaker, State};
use resil_core::hedge::{Hedge, HedgePolicy};
use resil_core::outcome::{Classification, RetryHint};
use resil_core::rate_limit::{Limiter, RateLimitConfig, TokenBucket};
use resil_core::retry::RetryPolicy;
use resil_core::retry::budget::{RatioBudget, RetryBudget};
use resil_core::{Instant, Outcome, valid};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

const RETRY: RetryPolicy = valid!(
    RetryPolicy::builder()
        .max_attempts(4)
        .initial_delay(MILLI.saturating_mul(50))
        .max_delay(SECOND)
        .deadline(Duration::from_secs(5))
        .max_refusal_waits(2)
        .build()
);
const POLICY: CallPolicy = valid!(CallPolicy::new(RETRY).with_attempt_timeout(SECOND));
const BREAKER: CircuitBreakerConfig =
    valid!(CircuitBreakerConfig::builder().failure_threshold(3).timeout(SECOND).build());
const LIMIT: TokenBucket = TokenBucket::new(valid!(
    RateLimitConfig::builder().max_requests(20).time_window(SECOND).burst_size(6).build()
));
const PERMITS: BulkheadConfig = valid!(BulkheadConfig::builder().max_concurrent(3).build());
const HEDGE: HedgePolicy =
    valid!(HedgePolicy::builder().fallback_delay(MILLI.saturating_mul(200)).build());

/// Everything that calls to one peer share.
struct Shared {
    breaker: CircuitBreaker,
    limit: Limiter<TokenBucket>,
    load: ConcurrencyLimiter<Aimd>,
    permits: Bulkhead,
    budget: RetryBudget<RatioBudget>,
    hedge: Hedge,
}

type Attempt<'a> = (
    (&'a mut CircuitBreaker, &'a mut Limiter<TokenBucket>),
    (&'a mut ConcurrencyLimiter<Aimd>, &'a mut Bulkhead),
);
type Machines<'a> = Layers<Attempt<'a>, &'a mut RetryBudget<RatioBudget>, &'a mut Hedge>;
type OneCall =
    Call<<Attempt<'static> as Gate>::Permit, <RetryBudget<RatioBudget> as Budget>::Charge>;

impl Shared {
    fn new() -> Self {
        Self {
            breaker: CircuitBreaker::new(BREAKER),
            limit: Limiter::new(LIMIT),
            load: ConcurrencyLimiter::new(Aimd::DEFAULT),
            permits: Bulkhead::new(PERMITS),
            budget: RetryBudget::new(RatioBudget::DEFAULT),
            hedge: Hedge::new(HEDGE),
        }
    }

    fn gates(&mut self) -> Machines<'_> {
        let first = (&mut self.breaker, &mut self.limit);
        Layers::new((first, (&mut self.load, &mut self.permits)))
            .with_budget(&mut self.budget)
            .with_hedge(&mut self.hedge)
    }
}

/// Three calls under way.
struct Run {
    shared: Shared,
    calls: Vec<(OneCall, Vec<Ticket>)>,
    now: Instant,
}

impl Run {
    fn start() -> Self {
        let now = Instant::from_nanos(1 << 42);
        let call = || (Call::start(&POLICY, Request::ONE, now), Vec::new());
        Self { shared: Shared::new(), calls: (0..3).map(|_| call()).collect(), now }
    }

    fn move_clock(&mut self, clock: Move) {
        let part = |parts: u64, odd: u64| 50 * MILLI * parts as u32 + Duration::from_nanos(odd);
        self.now = match clock {
            Move::Forward(parts, odd) => self.now.saturating_add(part(parts, odd)),
            Move::Back(parts, odd) => self.now.saturating_sub(part(parts, odd)),
            Move::Jump => self.now.saturating_add(Duration::from_nanos(super::YEARS_500)),
            Move::Epoch => Instant::EPOCH,
            Move::End(before) => Instant::MAX.saturating_sub(Duration::from_nanos(before)),
        };
    }

    fn poll(&mut self, which: usize) -> Option<Option<Instant>> {
        let (call, tickets) = &mut self.calls[which];
        match call.poll(&POLICY, &mut self.shared.gates(), || 1 << 31, self.now) {
            Step::Attempt(ticket) => {
                tickets.push(ticket);
                None
            }
            Step::Wait { until, .. } => Some(until),
            Step::Done(_) => None,
        }
    }

    fn finish(&mut self, which: usize, choice: u64) {
        let (call, tickets) = &mut self.calls[which];
        if tickets.is_empty() {
            return;
        }
        let ticket = tickets.swap_remove(choice as usize % tickets.len());
        let result = match outcome(choice >> 8) {
            Outcome::Success => Ok(()),
            Outcome::Failure(class) => Err(Classification::Failure(class, RetryHint::None)),
            _ => Err(Classification::Ignored),
        };
        call.finish(&POLICY, ticket, result, &mut self.shared.gates(), || 7, self.now);
    }

    fn abandon(&mut self, which: usize) {
        let (call, _) = &mut self.calls[which];
        call.abandon(&POLICY, &mut self.shared.gates(), || 7, self.now);
    }

    fn renew(&mut self, which: usize) {
        self.abandon(which);
        self.calls[which] = (Call::start(&POLICY, Request::ONE, self.now), Vec::new());
    }

    fn take(&mut self, turn: Turn) -> Result<(), TestCaseError> {
        self.move_clock(turn.clock);
        let which = (turn.choice >> 40) as usize % self.calls.len();
        match turn.operation % 8 {
            0..4 => self.assert_waits(which)?,
            4..6 => self.finish(which, turn.choice),
            6 => self.abandon(which),
            _ => self.renew(which),
        }
        Ok(())
    }

    /// What it waits for is ahead, and waited for once: at that instant it goes on, or it waits for a
    /// later one.
    fn assert_waits(&mut self, which: usize) -> Result<(), TestCaseError> {
        let mut last = self.now;
        for _ in 0..64 {
            let Some(Some(until)) = self.poll(which) else { return Ok(()) };
            prop_assert!(until > last, "waits at {last:?} until {until:?}");
            if self.now != last || until == Instant::MAX {
                return Ok(());
            }
            // It goes on where it was, so that others come between.
            if which != 0 {
                return Ok(());
            }
            (self.now, last) = (until, until);
        }
        prop_assert!(false, "64 waits in a row, and nothing has happened");
        Ok(())
    }

    fn is_anything_out(&self) -> bool {
        self.shared.load.in_flight() > 0 || self.shared.permits.held() > 0
    }
}

/// Drives one call to its end; every attempt succeeds at once.
fn ends(run: &mut Run, within: Duration) -> Result<(), TestCaseError> {
    let start = run.now;
    for _ in 0..64 {
        match run.poll(0) {
            Some(Some(until)) => run.now = until,
            Some(None) => {
                prop_assert!(false, "waits for an end of what nobody makes");
            }
            None if run.calls[0].0.is_over() => {
                let took = run.now.saturating_since(start);
                prop_assert!(
                    took <= within,
                    "{took:?} {:?} {:?}",
                    run.calls[0].0,
                    run.shared.limit
                );
                return Ok(());
            }
            None => run.finish(0, 0),
        }
    }
    prop_assert!(false, "never ends");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..crate::cases(300)
    })]

    #[test]
    fn a_call_waits_for_what_is_ahead_and_never_twice(turns in super::turns(super::wild())) {
        let mut run = Run::start();
        for turn in turns {
            run.take(turn)?;
        }
    }

    #[test]
    fn calls_that_are_over_hold_nothing_and_the_next_one_ends(
        turns in super::turns(super::wrong()),
    ) {
        let mut run = Run::start();
        for turn in turns {
            run.take(turn)?;
        }
        (0..3).for_each(|which| run.abandon(which));
        prop_assert!(!run.is_anything_out());
        prop_assert_eq!(run.shared.breaker.probes_in_flight(run.now), 0);

        // A call ends within its deadline, and after an open time and a refill one passes.
        run.renew(0);
        ends(&mut run, Duration::from_secs(5))?;
        // A step back stays with those who are asked: the breaker may have kept it from the limit.
        run.shared.breaker.poll(7_u32, run.now);
        let _ = run.shared.limit.try_acquire(6, run.now);
        run.now = run.now.saturating_add(2 * SECOND);
        run.renew(0);
        ends(&mut run, Duration::ZERO)?;
        prop_assert_eq!(run.calls[0].0.attempts(), 1);
        prop_assert_eq!(run.shared.breaker.state(run.now), State::Closed);
    }

    #[test]
    fn no_jump_grants_more_than_the_gates_do(turns in super::turns(super::wild())) {
        let mut run = Run::start();
        for turn in turns {
            run.take(turn)?;
        }
        for clock in [Move::Jump, Move::End(0), Move::Epoch] {
            run.move_clock(clock);
            (0..3).for_each(|which| run.abandon(which));
            let mut extra = Vec::new();
            for _ in 0..4 {
                let mut call: OneCall = Call::start(&POLICY, Request::ONE, run.now);
                let step = call.poll(&POLICY, &mut run.shared.gates(), || 7, run.now);
                extra.push((call, step));
            }
            let granted = extra.iter().filter(|(_, step)| matches!(step, Step::Attempt(_))).count();
            prop_assert!(granted <= 3, "{granted} at {:?}", run.now);
            for (mut call, _) in extra {
                call.abandon(&POLICY, &mut run.shared.gates(), || 7, run.now);
            }
            prop_assert!(!run.is_anything_out());
        }
    }
}
