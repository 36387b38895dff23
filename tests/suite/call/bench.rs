//! A call with a gate, a purse and a hedge that do as they are told.

use core::time::Duration;
use resil_core::Instant;
use resil_core::backoff::Jitter;
use resil_core::call::{Call, CallPolicy, Finished, Layers, Request, Step, Ticket, Verdict};
use resil_core::outcome::{Classification, FailureClass, RetryHint};
use resil_core::retry::{RetryPolicy, RetryPolicyBuilder};
use resil_tests::spies::{After, Log, Purse, Spy};

pub(super) fn s(seconds: u64) -> Instant {
    Instant::from_duration(Duration::from_secs(seconds))
}

pub(super) fn ms(millis: u64) -> Instant {
    Instant::from_duration(Duration::from_millis(millis))
}

pub(super) const TRANSIENT: Classification =
    Classification::Failure(FailureClass::Transient, RetryHint::None);

/// Three attempts, 1 s and 2 s apart.
pub(super) fn retry() -> RetryPolicyBuilder {
    RetryPolicy::builder().jitter(Jitter::None)
}

/// A call with a gate, a purse and a hedge that do as they are told.
pub(super) struct Bench {
    pub(super) policy: CallPolicy,
    pub(super) call: Call<u32, resil_tests::spies::Coin>,
    pub(super) gate: Spy,
    pub(super) purse: Purse,
    pub(super) hedge: After,
    pub(super) log: Log,
}

impl Bench {
    pub(super) fn new(policy: CallPolicy) -> Self {
        let log = Log::default();
        Self {
            policy,
            call: Call::start(&policy, Request::ONE, s(0)),
            gate: Spy::new("gate", &log),
            purse: Purse::of(10),
            hedge: After::new(None, false),
            log,
        }
    }

    pub(super) fn of(retry: RetryPolicyBuilder) -> Self {
        Self::new(CallPolicy::new(retry.build().unwrap()))
    }

    pub(super) fn hedging(mut self, delay: Duration, early: bool) -> Self {
        self.hedge = After::new(Some(delay), early);
        self
    }

    pub(super) fn poll(&mut self, now: Instant) -> Step {
        let mut gates =
            Layers::new(&mut self.gate).with_budget(&mut self.purse).with_hedge(&mut self.hedge);
        self.call.poll(&self.policy, &mut gates, || panic!("drew entropy"), now)
    }

    pub(super) fn attempt(&mut self, now: Instant) -> Ticket {
        match self.poll(now) {
            Step::Attempt(ticket) => ticket,
            step => panic!("{step:?} at {now:?}"),
        }
    }

    pub(super) fn verdict(&mut self, now: Instant) -> Verdict {
        match self.poll(now) {
            Step::Done(verdict) => verdict,
            step => panic!("{step:?} at {now:?}"),
        }
    }

    pub(super) fn finish(
        &mut self,
        ticket: Ticket,
        result: Result<(), Classification>,
        now: Instant,
    ) -> Finished {
        let mut gates =
            Layers::new(&mut self.gate).with_budget(&mut self.purse).with_hedge(&mut self.hedge);
        self.call.finish(&self.policy, ticket, result, &mut gates, || panic!("drew entropy"), now)
    }

    pub(super) fn abandon(&mut self, now: Instant) {
        let mut gates =
            Layers::new(&mut self.gate).with_budget(&mut self.purse).with_hedge(&mut self.hedge);
        self.call.abandon(&self.policy, &mut gates, || panic!("drew entropy"), now);
    }

    pub(super) fn nothing_is_out(&self) {
        assert_eq!((self.gate.out.len(), self.purse.out), (0, 0));
    }
}

pub(super) fn wait(until: Instant, in_flight: u8) -> Step {
    Step::Wait { until: Some(until), in_flight }
}
