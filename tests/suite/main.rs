//! Tests that need two modules, an oracle or random operation sequences; one file per subject.
//!
//! A test that guards against a known pitfall says so in its name (`…_pitfall_8`); `PITFALLS.md` lists
//! them.

mod adaptive;
mod backoff;
mod breaker_windows;
mod budget;
mod bulkhead;
mod call;
mod chaos;
mod circuit_breaker;
mod conformance;
mod contract;
mod deadline;
mod ejection;
mod endurance;
mod errors;
mod event;
mod every_machine;
mod health;
mod health_groups;
mod heartbeat;
mod hedge;
mod limits;
mod per_peer;
mod pitfalls;
mod rate_limit;
mod rate_limit_laws;
mod retry;
mod retry_laws;
mod security;
mod seed_snippets;
mod simulation;
mod sizes;
mod snapshot;
mod std_circuit_breaker;
mod std_health;
mod std_peer_table;
mod std_rate_limit;
mod std_retry;
mod std_tracing;
mod throttle;
mod ticks;
mod watchdog;
mod worlds;

/// So many random cases as `usual`; in a campaign `RESIL_CASES` times as many.
fn cases(usual: u32) -> proptest::prelude::ProptestConfig {
    let times = match std::env::var("RESIL_CASES") {
        Ok(times) => times.parse().expect("RESIL_CASES is a number"),
        Err(_) => 1,
    };
    proptest::prelude::ProptestConfig::with_cases(usual.saturating_mul(times))
}
