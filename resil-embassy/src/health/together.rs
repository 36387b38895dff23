//! Checks that are run at the same time.

use core::future::Future;

use embassy_futures::join::{join, join_array, join3, join4, join5};
use embassy_sync::blocking_mutex::raw::RawMutex;

use super::{RegisteredCheck, Run};

/// Checks to run together: one, an array of one kind, or a tuple of up to five of any kind. Tuples
/// nest where there are more.
///
/// ```
/// # use core::time::Duration;
/// # use embassy_sync::blocking_mutex::raw::NoopRawMutex;
/// # use resil_embassy::HealthChecker;
/// # use resil_embassy::core::health::{CheckConfig, HealthStatus};
/// # const HERE: CheckConfig =
/// #     resil_embassy::core::valid!(CheckConfig::builder(Duration::from_secs(30)).build());
/// # let health = HealthChecker::<NoopRawMutex>::new();
/// # let mut a = health.register_bool("a", HERE, || true)?;
/// # let mut b = health.register_bool("b", HERE, || true)?;
/// # let mut c = health.register_bool("c", HERE, || true)?;
/// # embassy_futures::block_on(async {
/// let all = (&mut a, (&mut b, &mut c));
/// assert_eq!(health.get_overall_health(all).await, HealthStatus::Healthy);
/// # });
/// # Ok::<(), resil_embassy::core::health::RegisterError>(())
/// ```
pub trait Checks {
    /// Runs them all until each has found something or taken too long.
    fn run(self) -> impl Future<Output = ()>;
}

impl<M: RawMutex, F: Run, const N: usize> Checks for &mut RegisteredCheck<'_, M, F, N> {
    async fn run(self) {
        // One that has been taken out meanwhile has nobody to tell.
        let _ = RegisteredCheck::run(self).await;
    }
}

impl<C: Checks, const K: usize> Checks for [C; K] {
    async fn run(self) {
        join_array(self.map(Checks::run)).await;
    }
}

/// Runs a tuple with the function that joins as many futures.
macro_rules! tuple {
    ($join:ident: $($check:ident),+) => {
        impl<$($check: Checks),+> Checks for ($($check,)+) {
            async fn run(self) {
                #[expect(non_snake_case, reason = "a variable of each type, by its name")]
                let ($($check,)+) = self;
                $join($($check.run()),+).await;
            }
        }
    };
}

tuple!(join: A, B);
tuple!(join3: A, B, C);
tuple!(join4: A, B, C, D);
tuple!(join5: A, B, C, D, E);
