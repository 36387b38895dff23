/// The firmware of a retry budget: it takes for an extra attempt, and settles.
#[macro_export]
macro_rules! budget {
    ($budget:ty = $policy:expr) => {
        use core::hint::black_box;
        use resil_core::call::Extra;
        use resil_core::outcome::FailureClass;
        use resil_core::retry::budget::BudgetPolicy;
        use resil_core::{Instant, Outcome, Rejected};

        type Charge = <$budget as BudgetPolicy>::Charge;

        static POLICY: $budget = $policy;
        static STATE: $crate::Owned<<$budget as BudgetPolicy>::State> =
            $crate::Owned::new(<$budget as BudgetPolicy>::FRESH);

        #[inline(never)]
        fn begin(now: Instant) {
            STATE.with(|state| black_box(&POLICY).begin(state, now));
        }

        #[inline(never)]
        fn withdraw(now: Instant) -> Result<Charge, Rejected> {
            let extra = black_box(Extra::Retry(FailureClass::Transient));
            STATE.with(|state| black_box(&POLICY).try_withdraw(state, extra, now))
        }

        #[inline(never)]
        fn settle(charge: Option<Charge>, now: Instant) {
            let outcome = black_box(Outcome::Success);
            STATE.with(|state| black_box(&POLICY).settle(state, charge, outcome, now));
        }

        $crate::firmware!(
            || {
                begin($crate::any_now());
                let charge = withdraw($crate::any_now()).ok();
                settle(charge, $crate::any_now());
            },
            |bench| {
                let now = $crate::at(1_000);
                bench.case("begin", || begin(now));
                let charge = bench.case("withdraw, allowed", || withdraw(now)).unwrap();
                bench.case("settle", || settle(Some(charge), now));
                while withdraw(now).is_ok() {}
                assert!(bench.case("withdraw, refused", || withdraw(now)).is_err());
            }
        );
    };
}
