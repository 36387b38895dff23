//! Health over HTTP: what Kubernetes, load balancers and people ask, as routes of axum.
//!
//! | path | asks | body |
//! |---|---|---|
//! | `/livez` | would a restart help: [`Probe::Liveness`] | text |
//! | `/readyz` | may work be sent here: [`Probe::Readiness`] | text |
//! | `/startupz` | has it come up: [`Probe::Startup`] | text |
//! | `/health` | how is it: [`Probe::Overall`] | JSON, every check in it |
//!
//! The answer is 200 where that is healthy or degraded and 503 where it is unhealthy, and says
//! `Cache-Control: no-store`. `HEAD` gets the same without the body, other methods a 405.
//!
//! The text is `ok` or `degraded`, and with `?verbose`, as always where the answer is 503, a line for
//! each check that counts, in the form that Kubernetes itself has. The JSON is
//! `application/health+json` as in `draft-inadarei-api-health-check-06`.
//!
//! # Laws
//!
//! Those of [`HealthChecker::probe`]: however many ask, a check runs at most once in its time to live,
//! and only for probes that it counts for; one that hangs is reported as such and holds up those who
//! ask for its [patience](super::Check::patience) at most, once.
//!
//! # When not to use it
//!
//! On a port that the world can reach: messages of checks say what is wrong inside. Serve it on a port
//! of its own, or behind who may ask.
//!
//! ```
//! use axum::body::Body;
//! use axum::http::{Request, StatusCode};
//! use resil_std::core::health::{Groups, HealthCheckResult};
//! use resil_std::health::{Check, HealthChecker, http};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let checker = HealthChecker::new();
//! let peers = Check::new("peers", async || HealthCheckResult::unhealthy("0 of 5 connected"));
//! checker.register(peers.groups(Groups::READINESS))?;
//!
//! let app: axum::Router = http::router(&checker); // and `axum::serve(listener, app)`
//! let ready = app.clone().oneshot(Request::get("/readyz").body(Body::empty())?).await?;
//! assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
//! let body = axum::body::to_bytes(ready.into_body(), 1024).await?;
//! assert_eq!(body, "[-]peers failed: 0 of 5 connected\nreadyz check failed\n");
//!
//! let alive = app.oneshot(Request::get("/livez").body(Body::empty())?).await?;
//! assert_eq!(alive.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! ```

mod json;
#[cfg(test)]
mod tests;
mod text;

use axum::Router;
use axum::extract::RawQuery;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use resil_core::health::{HealthStatus, Probe};

use super::HealthChecker;

/// The routes, to be served as they are or merged into a router of yours.
///
/// An answer takes one pass over the checks, and one that lists them an allocation for each.
pub fn router<S, const N: usize>(checker: &HealthChecker<N>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/livez", probe(checker, "livez", Probe::Liveness))
        .route("/readyz", probe(checker, "readyz", Probe::Readiness))
        .route("/startupz", probe(checker, "startupz", Probe::Startup))
        .route("/health", health(checker))
}

/// One of the probes that answer in text.
fn probe<S, const N: usize>(
    checker: &HealthChecker<N>,
    name: &'static str,
    probe: Probe,
) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let checker = checker.clone();
    get(async move |RawQuery(query): RawQuery| {
        checker.refresh(probe).await;
        let status = checker.status(probe);
        if status == HealthStatus::Unhealthy || is_verbose(query.as_deref()) {
            let report = checker.report_for(probe);
            return answer(report.status, text::CONTENT_TYPE, text::verbose(name, &report));
        }
        answer(status, text::CONTENT_TYPE, text::brief(status))
    })
}

fn health<S, const N: usize>(checker: &HealthChecker<N>) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let checker = checker.clone();
    get(async move || {
        let report = checker.probe(Probe::Overall).await;
        match serde_json::to_vec(&json::Health::new(&report)) {
            Ok(body) => answer(report.status, json::CONTENT_TYPE, body),
            Err(error) => {
                (StatusCode::INTERNAL_SERVER_ERROR, NO_STORE, error.to_string()).into_response()
            }
        }
    })
}

/// Whether the query has the key `verbose`, with any value or none.
fn is_verbose(query: Option<&str>) -> bool {
    let key =
        |pair: &str| pair.split_once('=').map_or(pair == "verbose", |(key, _)| key == "verbose");
    query.is_some_and(|query| query.split('&').any(key))
}

/// What is true now is not true later.
const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

fn answer(status: HealthStatus, content_type: &str, body: impl IntoResponse) -> Response {
    let code = match status {
        HealthStatus::Healthy | HealthStatus::Degraded => StatusCode::OK,
        HealthStatus::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
    };
    let content =
        [(header::CONTENT_TYPE, content_type), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (code, NO_STORE, content, body).into_response()
}
