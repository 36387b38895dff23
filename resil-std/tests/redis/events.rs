//! What is logged: the fields are part of the contract.

use core::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use resil_std::core::circuit_breaker::CircuitBreakerConfig;
use resil_std::redis::SharedLimiter;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::server::Server;
use crate::{PATIENCE, per_second};

/// Keeps the events of the shared quota and of its breaker, one line each.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "retry_after" | "error" => write!(self.0, " {}", field.name()).unwrap(),
            "message" => write!(self.0, " {value:?}").unwrap(),
            name => write!(self.0, " {name}={value:?}").unwrap(),
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        ["resil::redis", "resil::circuit_breaker"].contains(&metadata.target())
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(format!("{} {}", event.metadata().level(), event.metadata().target()));
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_refusal_a_fallback_and_the_breaker_are_logged_under_cores_numbers() {
    let mut server = Server::start();
    let one_strike = CircuitBreakerConfig::builder().failure_threshold(1).build().unwrap();
    let node: SharedLimiter<&str> = SharedLimiter::builder(server.client(), per_second(1, 2), 1)
        .timeout(PATIENCE)
        .breaker(one_strike)
        .build()
        .unwrap();
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    node.check(&"peer-7", 2).await.unwrap();
    node.check(&"peer-7", 2).await.unwrap_err();
    server.kill();
    node.check(&"peer-7", 1).await.unwrap();
    node.check(&"peer-7", 1).await.unwrap();
    assert_eq!(
        *log.0.lock().unwrap(),
        [
            "DEBUG resil::redis refused event=201 id=\"peer-7\" tokens=2 \
             code=\"RATE_LIMIT_EXCEEDED\" retry_after",
            "WARN resil::circuit_breaker transition event=303 breaker=\"redis\" \
             from=\"CLOSED\" to=\"OPEN\"",
            "DEBUG resil::redis fell back event=906 id=\"peer-7\" tokens=1 \
             code=\"OPERATION_FAILED\" error",
            "DEBUG resil::circuit_breaker refused event=301 breaker=\"redis\" \
             code=\"CIRCUIT_BREAKER_OPEN\"",
            "DEBUG resil::redis fell back event=906 id=\"peer-7\" tokens=1 \
             code=\"CIRCUIT_BREAKER_OPEN\"",
        ]
    );
}
