//! Health over gRPC: what Kubernetes, load balancers and clients ask, as the service `grpc.health.v1` of
//! tonic.
//!
//! | service | asks |
//! |---|---|
//! | none, `readiness`, or one of yours | may work be sent here: [`Probe::Readiness`] |
//! | `liveness` | would a restart help: [`Probe::Liveness`] |
//! | `startup` | has it come up: [`Probe::Startup`] |
//!
//! Healthy and degraded are `SERVING`, and unhealthy is `NOT_SERVING`. For a service that is not in the list
//! `Check` is a `NOT_FOUND`, and `Watch` says `SERVICE_UNKNOWN` and no more. `Watch` says at once how it is,
//! and then whenever that changes.
//!
//! # Laws
//!
//! Those of [`HealthChecker::probe`], whoever asks and by which protocol, and of [`HealthChecker::changed`]:
//! each check runs once in its time to live while somebody watches, and nothing wakes for nothing. A `Watch`
//! ends when the client goes away, so a server that is to end should not wait for it without bound.
//!
//! # When not to use it
//!
//! For what is wrong: the protocol has one word for that. The message of each check is in `/health` (feature
//! `axum`) and in [`HealthChecker::report`].
//!
//! ```
//! use resil_std::core::health::Groups;
//! use resil_std::health::{Check, HealthChecker, grpc};
//! use tonic_health::pb::HealthCheckRequest;
//! use tonic_health::pb::health_check_response::ServingStatus;
//! use tonic_health::pb::health_client::HealthClient;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let checker = HealthChecker::new();
//! checker.register(Check::new("peers", async || false).groups(Groups::READINESS))?;
//!
//! let health = grpc::server(&checker, &["mesh.Node"]); // and `Server::builder().add_service(health)`
//! let mut client = HealthClient::new(health);
//! let ask = |service: &str| HealthCheckRequest { service: service.to_owned() };
//! let node = client.check(ask("mesh.Node")).await?.into_inner();
//! assert_eq!(node.status(), ServingStatus::NotServing);
//! let alive = client.check(ask("liveness")).await?.into_inner();
//! assert_eq!(alive.status(), ServingStatus::Serving);
//! # Ok(())
//! # }
//! ```

#[cfg(test)]
mod tests;

use core::fmt;
use core::future::{Future, pending};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use resil_core::health::{HealthStatus, Probe};
use tonic::codegen::tokio_stream::Stream;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::HealthChecker;

pub use tonic_health::pb::health_server::HealthServer;

/// The service, for a tonic server. `services` are the names of yours, such as `NodeServer`'s `NAME`, by
/// which clients may ask.
///
/// An answer takes one pass over the checks and tonic's allocations.
#[must_use]
pub fn server<const N: usize>(
    checker: &HealthChecker<N>,
    services: &[&str],
) -> HealthServer<HealthService<N>> {
    let services = services.iter().map(|&name| name.into()).collect();
    HealthServer::new(HealthService { checker: checker.clone(), services })
}

/// What answers, behind a [`HealthServer`].
#[derive(Debug)]
pub struct HealthService<const N: usize> {
    checker: HealthChecker<N>,
    services: Box<[Box<str>]>,
}

impl<const N: usize> HealthService<N> {
    /// What a service of this name stands for.
    fn probe(&self, service: &str) -> Option<Probe> {
        match service {
            "" | "readiness" => Some(Probe::Readiness),
            "liveness" => Some(Probe::Liveness),
            "startup" => Some(Probe::Startup),
            _ => self.services.iter().any(|name| **name == *service).then_some(Probe::Readiness),
        }
    }
}

#[tonic::async_trait]
impl<const N: usize> Health for HealthService<N> {
    type WatchStream = Watch<N>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let Some(probe) = self.probe(&request.get_ref().service) else {
            return Err(Status::not_found("there is no service of this name"));
        };
        self.checker.refresh(probe).await;
        Ok(Response::new(answer(serving(self.checker.status(probe)))))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Watch<N>>, Status> {
        let probe = self.probe(&request.get_ref().service);
        Ok(Response::new(Watch::new(self.checker.clone(), probe, None)))
    }
}

/// The answers to a `Watch`; it never ends by itself.
pub struct Watch<const N: usize> {
    checker: HealthChecker<N>,
    probe: Option<Probe>,
    next: Pin<Box<dyn Future<Output = ServingStatus> + Send>>,
}

impl<const N: usize> Watch<N> {
    fn new(checker: HealthChecker<N>, probe: Option<Probe>, said: Option<ServingStatus>) -> Self {
        let next = Box::pin(change(checker.clone(), probe, said));
        Self { checker, probe, next }
    }
}

impl<const N: usize> Stream for Watch<N> {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let serving = ready!(this.next.as_mut().poll(context));
        *this = Self::new(this.checker.clone(), this.probe, Some(serving));
        Poll::Ready(Some(Ok(answer(serving))))
    }
}

/// How it is for who asks, as soon as that is something else than was `said`.
async fn change<const N: usize>(
    checker: HealthChecker<N>,
    probe: Option<Probe>,
    said: Option<ServingStatus>,
) -> ServingStatus {
    let Some(probe) = probe else {
        return if said.is_none() { ServingStatus::ServiceUnknown } else { pending().await };
    };
    let mut known = None;
    loop {
        let status = checker.changed(probe, known).await;
        if said != Some(serving(status)) {
            return serving(status);
        }
        known = Some(status); // degraded instead of healthy is the same to a client
    }
}

impl<const N: usize> fmt::Debug for Watch<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

fn serving(status: HealthStatus) -> ServingStatus {
    match status {
        HealthStatus::Healthy | HealthStatus::Degraded => ServingStatus::Serving,
        HealthStatus::Unhealthy => ServingStatus::NotServing,
    }
}

fn answer(serving: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: serving.into() }
}
