//! Tests that need two modules, an oracle or random operation sequences; one file per subject.
//!
//! A test that guards against a known pitfall says so in its name (`…_pitfall_8`).

mod circuit_breaker;
mod conformance;
mod errors;
mod health;
mod rate_limit_laws;
