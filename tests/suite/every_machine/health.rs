//! Health: checks, what steadies them, heartbeats, and the gate before the watchdog.

use super::every_law;
use resil_tests::laws::health::{HEARTBEAT, ONE_CHECK, OfHysteresis, OfWatchdog, THREE_CHECKS};

every_law! {
    one_check: ONE_CHECK;
    three_checks: THREE_CHECKS;
    hysteresis: OfHysteresis;
    heartbeat: HEARTBEAT;
    watchdog: OfWatchdog;
}
