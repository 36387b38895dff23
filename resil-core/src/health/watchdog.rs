//! Feed the hardware watchdog only while every task is alive, and remember which one was not.
//!
//! A watchdog that is fed by a timer guards nothing: the timer goes on while a task hangs. Here each
//! task has a channel with a period of its own, as in Zephyr's `task_wdt`, and the one place that
//! feeds the hardware asks first.
//!
//! # When not to use it
//!
//! - For what is outside of the node: a peer that is gone is no reason to restart.
//! - For checks that have results: a registry with a [`LivenessGate`](super::LivenessGate) is that.
//! - Without a hardware watchdog: if everything hangs, nobody asks.
//!
//! # Laws
//!
//! - Feeding is allowed exactly while every channel that is not suspended has checked in within its
//!   period, ever since the start. A check-in that comes late says so and heals nothing.
//! - The cause is the channel that was due first of those that were late.
//! - [`next_deadline`](WatchdogConfig::next_deadline) is the instant at which feeding is forbidden if
//!   nobody checks in.
//! - A clock that steps back delays no channel by more than one period, counted from the next call.
//!   One that jumps forward over a period starves it: a task that sleeps suspends its channel first.
//!
//! # Defaults
//!
//! There are none for the periods. The hardware is fed once a second. Resets in a row are answered as
//! Kubernetes answers containers that keep crashing: 10 s, doubled up to 5 minutes, forgotten after 10
//! minutes.
//!
//! # A timeline
//!
//! ```
//! use core::time::Duration;
//! use resil_core::health::{Boot, BootRecord, Watchdog, WatchdogConfig};
//! use resil_core::snapshot::Persist;
//! use resil_core::{Instant, valid};
//!
//! const RADIO: u8 = 0;
//! const CONTROL: u8 = 1;
//! const TASKS: WatchdogConfig<2> = valid!(
//!     WatchdogConfig::builder([Duration::from_secs(5), Duration::from_secs(1)]).build()
//! );
//! let at = |millis| Instant::from_duration(Duration::from_millis(millis));
//! let mut kept_in_rtc_memory = [0; WatchdogConfig::<2>::LEN];
//!
//! // 0 s: power on. Nothing was kept.
//! let record = TASKS.restore(&kept_in_rtc_memory, at(0)).unwrap_or(BootRecord::NONE);
//! let mut tasks = Watchdog::start(TASKS, record, Boot::Other, at(0));
//! assert_eq!(tasks.next_deadline(at(0)), Some(at(1_000)), "when control is due");
//!
//! // 0.9 s: control checks in, so the hardware may be fed.
//! tasks.check_in(CONTROL, at(900))?;
//! assert_eq!(tasks.feed(at(1_000)), Ok(at(1_900)), "control is due before the next second is over");
//!
//! // Then control hangs for 2 s. When it comes back it is too late, and it stays so.
//! assert!(tasks.check_in(CONTROL, at(2_900)).is_err());
//! let starved = tasks.may_feed(at(3_000)).unwrap_err();
//! assert_eq!((starved.channel(), starved.since()), (CONTROL, at(1_900)));
//! TASKS.save(&tasks.boot_record(at(3_000)), at(3_000), &mut kept_in_rtc_memory)?;
//!
//! // The hardware resets the node. It knows why, and holds back before it goes to the network.
//! let record = TASKS.restore(&kept_in_rtc_memory, at(0))?;
//! let tasks = Watchdog::start(TASKS, record, Boot::Watchdog, at(0));
//! assert_eq!((tasks.last_cause(), tasks.resets(at(0))), (Some(CONTROL), 1));
//! assert!(tasks.splay(1 << 31, at(0)) >= Duration::from_secs(5), "half of 10 s, by this draw");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Cost
//!
//! 8 bytes a channel and 40. A call passes over the channels twice at most.

mod config;
mod machine;
mod state;

#[cfg(test)]
mod tests;

pub use config::{WatchdogConfig, WatchdogConfigBuilder};
pub use machine::Watchdog;
pub use state::{Boot, BootRecord, ChannelError, Starved, WatchdogState};
