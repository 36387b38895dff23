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
mod cases;
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
mod pages;
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

use cases::cases;
