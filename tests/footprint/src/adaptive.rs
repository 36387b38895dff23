/// The firmware of an adaptive limit: it asks, and tells how a call has ended.
#[macro_export]
macro_rules! adaptive {
    ($limit:ty = $policy:expr) => {
        use core::hint::black_box;
        use resil_core::adaptive::{ConcurrencyLimit, Permit, Recorded};
        use resil_core::outcome::FailureClass;
        use resil_core::{Instant, Outcome, Rejected};

        type State = <$limit as ConcurrencyLimit>::State;

        static POLICY: $limit = $policy;
        static STATE: $crate::Owned<Option<State>> = $crate::Owned::new(None);

        fn with<R>(change: impl FnOnce(&$limit, &mut State) -> R) -> R {
            let policy = black_box(&POLICY);
            STATE.with(|state| change(policy, state.get_or_insert_with(|| policy.start())))
        }

        #[inline(never)]
        fn check(now: Instant) -> Result<Permit, Rejected> {
            with(|policy, state| policy.try_acquire(state, black_box(7_u32), now))
        }

        #[inline(never)]
        fn record(permit: Permit, outcome: Outcome, now: Instant) -> Recorded {
            let entropy = black_box(7_u32);
            with(|policy, state| policy.record(state, permit, outcome, entropy, now))
        }

        $crate::firmware!(
            || if let Ok(permit) = check($crate::any_now()) {
                black_box(record(permit, black_box(Outcome::Success), $crate::any_now()));
            },
            |bench| {
                let now = $crate::at(1_000);
                record(check(now).unwrap(), Outcome::Success, now);
                let permit = bench.case("check, allowed", || check(now)).unwrap();
                let success = black_box(Outcome::Success);
                let later = $crate::at(1_010);
                bench.case("record, success", || record(permit, success, later));
                let overload = black_box(Outcome::Failure(FailureClass::Timeout));
                let permit = check(now).unwrap();
                bench.case("record, overload", || record(permit, overload, later));
                while check(now).is_ok() {}
                assert!(bench.case("check, refused", || check(now)).is_err());
            }
        );
    };
}
