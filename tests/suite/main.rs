//! Tests that need two modules, an oracle or random operation sequences; one file per subject.
//!
//! A test that guards against a known pitfall says so in its name (`…_pitfall_8`).

mod backoff;
mod circuit_breaker;
mod errors;
mod health;
mod rate_limit_laws;
mod retry;
mod retry_laws;
