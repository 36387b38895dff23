//! How many at once: bulkhead, adaptive limits, throttle.

use super::every_law;
use resil_tests::laws::load::{AIMD, GRADIENT, OfBulkhead, OfThrottle};

every_law! {
    permits: OfBulkhead;
    aimd: AIMD;
    gradient: GRADIENT;
    adaptive_throttle: OfThrottle;
}
