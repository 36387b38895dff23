/// The firmware of a circuit breaker: it asks, and tells how a call has ended.
#[macro_export]
macro_rules! breaker {
    ($window:ty = $policy:expr) => {
        use core::hint::black_box;
        use core::time::Duration;
        use resil_core::circuit_breaker::{
            CircuitBreakerConfig, CircuitBreakerState, Permit, Recorded, State, Window,
        };
        use resil_core::outcome::FailureClass;
        use resil_core::{Instant, Outcome, Ratio, Rejected, valid};

        static POLICY: CircuitBreakerConfig<$window> = $policy;
        static STATE: $crate::Owned<CircuitBreakerState<<$window as Window>::Stats>> =
            $crate::Owned::new(CircuitBreakerState::new());

        #[inline(never)]
        fn check(now: Instant) -> Result<Permit, Rejected> {
            STATE.with(|state| black_box(&POLICY).try_acquire(state, black_box(7_u32), now))
        }

        #[inline(never)]
        fn record(permit: Permit, outcome: Outcome, now: Instant) -> Recorded {
            let entropy = black_box(7_u32);
            STATE.with(|state| black_box(&POLICY).record(state, permit, outcome, entropy, now))
        }

        $crate::firmware!(
            || if let Ok(permit) = check($crate::any_now()) {
                black_box(record(permit, black_box(Outcome::Success), $crate::any_now()));
            },
            |bench| {
                let failure = black_box(Outcome::Failure(FailureClass::Timeout));
                let success = black_box(Outcome::Success);
                let state = |now| STATE.with(|state| POLICY.state(state, now));
                let now = $crate::at(1_000);
                let permit = bench.case("check, closed", || check(now)).unwrap();
                bench.case("record, success", || record(permit, success, now));
                let permit = check(now).unwrap();
                bench.case("record, failure", || record(permit, failure, now));
                let opening = loop {
                    let before = STATE.with(|state| state.clone());
                    record(check(now).unwrap(), failure, now);
                    if state(now) == State::Open {
                        break before;
                    }
                };
                STATE.with(|state| *state = opening);
                let permit = check(now).unwrap();
                bench.case("record, opens", || record(permit, failure, now));
                assert_eq!(state(now), State::Open);
                assert!(bench.case("check, open", || check(now)).is_err());
                let now = $crate::at(3_600_000);
                let probe = bench.case("check, first probe", || check(now)).unwrap();
                assert_eq!(state(now), State::HalfOpen);
                bench.case("record, of a probe", || record(probe, success, now));
            }
        );
    };
}
