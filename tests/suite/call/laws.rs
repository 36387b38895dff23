//! A call that is polled whenever it asks to be ends, within a stated number of waits.

use core::time::Duration;
use proptest::prelude::*;
use resil_core::call::{Call, CallPolicy, Layers, Request, Step};
use resil_core::outcome::{FailureClass, Rejected, RetryAt};
use resil_core::retry::RetryPolicy;
use resil_core::{ErrorCode, Instant};
use resil_tests::spies::{After, Log, Purse, Spy};

proptest! {
    #[test]
    fn every_call_ends_pitfall_97(
        (max_attempts, refusal_waits, hedge_after) in
            (1..6_u32, 0..4_u32, proptest::option::of(0..3_000_u64)),
        answers in proptest::collection::vec((any::<bool>(), any::<bool>(), 0..4_u8), 64),
        entropy in any::<u32>(),
    ) {
        let retry = RetryPolicy::builder()
            .max_attempts(max_attempts)
            .max_refusal_waits(refusal_waits)
            .deadline(Duration::from_secs(3_600))
            .build()
            .unwrap();
        let policy = CallPolicy::new(retry).with_attempt_timeout(Duration::from_secs(2)).unwrap();
        let log = Log::default();
        let (mut gate, mut purse) = (Spy::new("gate", &log), Purse::of(0));
        let mut hedge = After::new(hedge_after.map(Duration::from_millis), true);
        let mut now = Instant::EPOCH;
        let mut call = Call::start(&policy, Request::ONE, now);
        let (mut waits, mut attempts) = (0, 0);
        for (refuses, pays, ending) in answers {
            let busy = Rejected::new(ErrorCode::BulkheadFull, RetryAt::Unknown);
            gate.refuses = refuses.then_some(busy);
            purse.left = u32::from(pays);
            let mut gates =
                Layers::new(&mut gate).with_budget(&mut purse).with_hedge(&mut hedge);
            match call.poll(&policy, &mut gates, || entropy, now) {
                Step::Done(_) => break,
                Step::Wait { until, .. } => {
                    now = until.expect("every attempt has a deadline").max(now);
                    waits += 1;
                }
                Step::Attempt(ticket) => {
                    attempts += 1;
                    // Some fail at once, and some never answer.
                    if ending == 0 {
                        let failure = Err(FailureClass::Transient.into());
                        call.finish(&policy, ticket, failure, &mut gates, || entropy, now);
                    }
                }
            }
        }
        prop_assert!(call.is_over());
        prop_assert!(attempts <= max_attempts && call.attempts() == attempts);
        prop_assert!(waits <= 3 * max_attempts + refusal_waits, "{waits} waits");
        prop_assert_eq!((gate.out.len(), purse.out), (0, 0));
    }

    /// Nobody who sleeps until the instant he is told spins: there, something else is answered.
    #[test]
    fn at_the_end_of_a_wait_there_is_something_else_to_do(
        (max_attempts, refusal_waits, deadline) in
            (1..6_u32, 0..6_u32, proptest::option::of(1..60_000_000_u64)),
        (initial, attempt_timeout, hedge_after) in (
            1..5_000_000_u64,
            proptest::option::of(1..9_000_000_u64),
            proptest::option::of(0..3_000_000_u64),
        ),
        (early, start) in (any::<bool>(), prop_oneof![Just(0), any::<u64>()]),
        turns in proptest::collection::vec((0..5_u8, any::<bool>(), 0..6_u8), 64),
        entropy in prop_oneof![Just(0), Just(u32::MAX), any::<u32>()],
    ) {
        let nanos = Duration::from_nanos;
        let mut retry = RetryPolicy::builder().max_attempts(max_attempts).initial_delay(nanos(initial));
        if let Some(deadline) = deadline {
            retry = retry.deadline(nanos(deadline)).max_refusal_waits(refusal_waits);
        }
        let mut policy = CallPolicy::new(retry.build().unwrap());
        if let Some(timeout) = attempt_timeout {
            policy = policy.with_attempt_timeout(nanos(timeout)).unwrap();
        }
        let log = Log::default();
        let (mut gate, mut purse) = (Spy::new("gate", &log), Purse::of(0));
        let mut hedge = After::new(hedge_after.map(nanos), early);
        // Far from the end of time, at which nothing is later any more.
        let mut now = Instant::from_nanos(start / 2);
        let mut call = Call::start(&policy, Request::ONE, now);
        let (mut tickets, mut waited) = (Vec::new(), None);
        for (refuses, pays, ending) in turns {
            // Our own refusals name a later instant, this one, one that is past, or none.
            let until = |retry| Some(Rejected::new(ErrorCode::RateLimitExceeded, retry));
            gate.refuses = match refuses {
                0 => until(RetryAt::At(now.saturating_add(nanos(1_000)))),
                1 => until(RetryAt::At(now)),
                2 => until(RetryAt::Unknown),
                _ => None,
            };
            purse.left = u32::from(pays);
            let mut gates = Layers::new(&mut gate).with_budget(&mut purse).with_hedge(&mut hedge);
            let step = call.poll(&policy, &mut gates, || entropy, now);
            if let Some(before) = waited.take() {
                prop_assert_ne!(&step, &before, "at {:?}", now);
            }
            match step {
                Step::Done(_) => break,
                Step::Attempt(ticket) => tickets.push(ticket),
                Step::Wait { until: Some(until), .. } => {
                    prop_assert!(until >= now);
                    now = until;
                    waited = Some(step);
                }
                Step::Wait { until: None, in_flight } => {
                    prop_assert!(in_flight > 0, "time alone changes nothing, but an end does");
                }
            }
            if ending < 2 || waited.is_none() && ending < 4 {
                let Some(ticket) = tickets.pop() else { continue };
                let failure = Err(FailureClass::Transient.into());
                call.finish(&policy, ticket, failure, &mut gates, || entropy, now);
                waited = None;
            }
        }
    }
}
