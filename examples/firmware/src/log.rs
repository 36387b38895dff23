//! Core's events on defmt: the same numbers as everywhere, as loud as core has them.

use resil_core::event::{Event, Severity};

/// The same for each of defmt's levels, which are macros.
macro_rules! log {
    ($level:ident, $event:expr) => {{
        let (number, kind) = ($event.kind().number(), $event.kind());
        let (source, a, b) = ($event.source(), $event.a(), $event.b());
        defmt::$level!("{=u16} {} of {=u16}: {=u32} {=u32}", number, kind, source, a, b);
    }};
}

/// Logs an event.
pub fn event(event: &Event) {
    match event.severity() {
        Severity::Debug => log!(debug, event),
        Severity::Info => log!(info, event),
        Severity::Warn => log!(warn, event),
        Severity::Error => log!(error, event),
    }
}
