//! How often a law is tried.

use proptest::prelude::ProptestConfig;

/// So many random cases as `usual`; in a campaign `RESIL_CASES` times as many.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    let times = match std::env::var("RESIL_CASES") {
        Ok(times) => times.parse().expect("RESIL_CASES is a number"),
        Err(_) => 1,
    };
    ProptestConfig::with_cases(usual.saturating_mul(times))
}
