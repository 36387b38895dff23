/// The firmware of a rate limit: it takes, and gives back.
#[macro_export]
macro_rules! limit {
    ($limit:ty = $policy:expr) => {
        use core::hint::black_box;
        use resil_core::rate_limit::{Limit, RateLimitConfig};
        use resil_core::{Instant, Rejected, valid};

        const RATE: RateLimitConfig = RateLimitConfig::DEFAULT;
        static POLICY: $limit = $policy;
        static STATE: $crate::Owned<<$limit as Limit>::State> =
            $crate::Owned::new(<$limit as Limit>::FRESH);

        #[inline(never)]
        fn check(now: Instant) -> Result<<$limit as Limit>::Charge, Rejected> {
            STATE.with(|state| black_box(&POLICY).try_acquire(state, black_box(1), now))
        }

        #[inline(never)]
        fn refund(charge: <$limit as Limit>::Charge, now: Instant) {
            STATE.with(|state| black_box(&POLICY).refund(state, charge, now));
        }

        $crate::firmware!(
            || if let Ok(charge) = check($crate::any_now()) {
                refund(charge, $crate::any_now());
            },
            |bench| {
                let now = $crate::at(60_000);
                bench.case("check, first", || check(now)).unwrap();
                let now = $crate::at(60_001);
                let charge = bench.case("check, allowed", || check(now)).unwrap();
                bench.case("refund", || refund(charge, now));
                while check(now).is_ok() {}
                assert!(bench.case("check, refused", || check(now)).is_err());
                let now = $crate::at(200_000);
                bench.case("check, after a pause", || check(now)).unwrap();
            }
        );
    };
}
