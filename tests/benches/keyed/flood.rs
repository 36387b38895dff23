//! Five million ids that nobody has seen before.

use std::time::Instant;

pub(crate) fn run() {
    let _ = Instant::now();
}
