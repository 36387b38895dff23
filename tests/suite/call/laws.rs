//! A call that is polled whenever it asks to be ends, within a stated number of waits.

use super::spies::{After, Log, Purse, Spy};
use core::time::Duration;
use proptest::prelude::*;
use resil_core::call::{Call, CallPolicy, Layers, Request, Step};
use resil_core::outcome::{FailureClass, Rejected, RetryAt};
use resil_core::retry::RetryPolicy;
use resil_core::{ErrorCode, Instant};

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
}
