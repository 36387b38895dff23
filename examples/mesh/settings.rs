//! Every number of the experiment that only nodes on Linux and the supervisor need; the others, and
//! resil's policies, are in [`mesh_protocol::settings`]. All of these hold in both runs.

use crate::wire::Noise;
use core::time::Duration;

pub(crate) use mesh_protocol::settings::*;

// ---- the world: the same in both runs ----

/// How long one run takes unless asked otherwise.
pub(crate) const RUN_SECONDS: u64 = 16;

/// How long a slow node works at one request.
pub(crate) const SLOW_SERVICE_TIME: Duration = Duration::from_millis(300);

/// Requests a second that the flooding node sends to each of its targets, whatever they answer.
pub(crate) const FLOOD_RATE: u32 = 400;

/// The same where the target is firmware: five times what its limit lets in, and as much as its wire
/// carries when the emulator has to share its processor.
pub(crate) const FIRMWARE_FLOOD_RATE: u32 = 250;

/// How many of its neighbours a flooding node floods: half of them, but no fewer than two.
pub(crate) fn flood_targets(neighbours: usize) -> usize {
    (neighbours / 2).max(2)
}

/// A node hangs up on one in so many requests, as networks do.
pub(crate) const HANG_UP_ONE_IN: u32 = 150;

/// The wires of firmware nodes all the time: of a thousand frames, 5 do not arrive, 5 are damaged and 20
/// are late.
pub(crate) const LINE_NOISE: Noise =
    Noise { lost: 5_000, corrupted: 5_000, delayed: 20_000, longest: Duration::from_millis(20) };

/// Requests that wait in a node; beyond them it reads no more from its connections.
pub(crate) const QUEUE: usize = 4096;

/// How often a node reports to the supervisor, and how often it asks its health checks.
pub(crate) const REPORT_EVERY: Duration = Duration::from_millis(100);
pub(crate) const HEALTH_EVERY: Duration = Duration::from_millis(100);

/// How long a node waits at the end for its requests to end, and how often it looks.
pub(crate) const SETTLE_WITHIN: Duration = Duration::from_secs(5);
pub(crate) const SETTLE_CHECK: Duration = Duration::from_millis(20);

// ---- the supervisor ----

/// How long nodes get to start, and to stop.
pub(crate) const START_WITHIN: Duration = Duration::from_secs(20);
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(10);

/// How long a process gets to end one of its own before it is killed.
pub(crate) const CLEAN_UP_WITHIN: Duration = Duration::from_secs(2);

/// How often progress is shown.
pub(crate) const SHOW_EVERY: Duration = Duration::from_secs(1);

/// The pause between the two runs.
pub(crate) const BETWEEN_RUNS: Duration = Duration::from_millis(300);

// ---- what the checks ask ----

/// How many requests may go unserved in trouble, in percent of those that do with resil off.
pub(crate) const UNSERVED_PERCENT: u64 = 75;
