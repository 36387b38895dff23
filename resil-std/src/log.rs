//! The log: core's events, by number, message and severity, as events of `tracing`.
//!
//! A machine says which event it was and never how loud: the level is the kind's severity.

use tracing::level_filters::LevelFilter;

/// Whether anybody listens at all. Where nobody does, this is all that the log costs.
#[inline]
pub(crate) fn is_on() -> bool {
    LevelFilter::current() != LevelFilter::OFF
}

/// Logs an [`EventKind`](resil_core::event::EventKind), with fields as `tracing` writes them.
macro_rules! event {
    ($target:expr, $kind:expr, $($fields:tt)+) => {{
        use resil_core::event::Severity;
        let kind: resil_core::event::EventKind = $kind;
        let event = kind.number();
        match kind.severity() {
            Severity::Debug => {
                tracing::debug!(target: $target, event, $($fields)+, "{}", kind.message());
            }
            Severity::Info => {
                tracing::info!(target: $target, event, $($fields)+, "{}", kind.message());
            }
            Severity::Warn => {
                tracing::warn!(target: $target, event, $($fields)+, "{}", kind.message());
            }
            Severity::Error => {
                tracing::error!(target: $target, event, $($fields)+, "{}", kind.message());
            }
        }
    }};
}

pub(crate) use event;
