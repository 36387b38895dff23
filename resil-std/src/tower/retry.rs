//! Try again, paid from a budget.

use resil_core::Instant;
use resil_core::call::{Bound, CallPolicy, Inherit, Layers, Pipeline};
use resil_core::outcome::EveryError;
use resil_core::retry::budget::{BudgetPolicy, TokenBudget};

use super::peer::{PeerLayer, PeerService};
use crate::Peer;
use crate::clock::SystemClock;

/// Tries again, with waits that grow, as long as a budget pays for it: one for all clones of the service.
///
/// It is a [`PeerLayer`] without gates, with the same rules for `poll_ready`, requests and errors, and logs
/// as one: under `resil::call`, by the name that it is given. For a budget that several stacks share, make a
/// [`Peer`] of [`Retries`] and give a clone of it to [`PeerLayer::new`] in each.
///
/// ```
/// use core::time::Duration;
/// use resil_std::core::ErrorCode;
/// use resil_std::core::call::CallPolicy;
/// use resil_std::core::retry::RetryPolicy;
/// use resil_std::core::retry::budget::TokenBudget;
/// use resil_std::core::valid;
/// use resil_std::tower::{OperationLayer, RetryLayer, TimeoutLayer};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// const RETRY: RetryPolicy = valid!(RetryPolicy::builder().max_attempts(4).build());
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(RetryLayer::with_budget("store", CallPolicy::new(RETRY), TokenBudget::DEFAULT))
///     .layer(TimeoutLayer::new(Duration::from_secs(2))) // of each attempt
///     .layer(OperationLayer)
///     .service(service_fn(async |_: ()| Err::<(), _>("connection reset")));
///
/// let error = service.oneshot(()).await.unwrap_err();
/// assert_eq!(error.code(), ErrorCode::RetryExhausted);
/// assert_eq!(error.operation_error(), Some(&"connection reset"));
/// # }
/// ```
pub type RetryLayer<B = TokenBudget, C = EveryError, T = SystemClock> = PeerLayer<Retries<B, C>, T>;

/// A service behind a [`RetryLayer`].
pub type Retry<S, B = TokenBudget, C = EveryError, T = SystemClock> =
    PeerService<S, Retries<B, C>, T>;

impl<B: BudgetPolicy, C> PeerLayer<Retries<B, C>> {
    /// Calls go on as `call` says, while `budget` pays. `name` stands for it in the log.
    #[must_use]
    pub fn with_budget(name: impl Into<Box<str>>, call: CallPolicy<C>, budget: B) -> Self {
        Self::new(Peer::new(name, Retries::new(call, budget)))
    }
}

/// The policy of a [`RetryLayer`]: how calls go on, and what pays for extra attempts.
#[derive(Clone, Debug)]
pub struct Retries<B = TokenBudget, C = EveryError> {
    call: CallPolicy<C>,
    budget: B,
}

impl<B, C> Retries<B, C> {
    /// Calls go on as `call` says, while `budget` pays.
    #[must_use]
    pub const fn new(call: CallPolicy<C>, budget: B) -> Self {
        Self { call, budget }
    }

    /// What pays for extra attempts.
    #[must_use]
    pub const fn budget(&self) -> &B {
        &self.budget
    }
}

impl<B: BudgetPolicy, C> Pipeline for Retries<B, C> {
    type State = B::State;
    type Permit = ();
    type Charge = B::Charge;
    type Classifier = C;
    type Gates<'a>
        = Layers<(), Bound<'a, B, B::State>>
    where
        Self: 'a;

    const FRESH: B::State = B::FRESH;

    fn call(&self) -> &CallPolicy<C> {
        &self.call
    }

    fn gates<'a>(&'a self, state: &'a mut B::State) -> Self::Gates<'a> {
        Layers::new(()).with_budget(Bound::new(&self.budget, state))
    }
}

impl<B: BudgetPolicy, C> Inherit for Retries<B, C> {
    fn inherit(&self, old: &Self, state: &B::State, now: Instant) -> B::State {
        self.budget.inherit(&old.budget, state, now)
    }
}
