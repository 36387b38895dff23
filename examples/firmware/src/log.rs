//! Core's events on defmt: the same numbers as everywhere, as loud as core has them.

use resil_core::event::{Event, Severity};

/// Logs an event.
pub fn event(event: &Event) {
    let (number, kind, source) = (event.kind().number(), event.kind(), event.source());
    let (a, b) = (event.a(), event.b());
    match event.severity() {
        Severity::Debug => {
            defmt::debug!("{=u16} {} of {=u16}: {=u32} {=u32}", number, kind, source, a, b)
        }
        Severity::Info => {
            defmt::info!("{=u16} {} of {=u16}: {=u32} {=u32}", number, kind, source, a, b)
        }
        Severity::Warn => {
            defmt::warn!("{=u16} {} of {=u16}: {=u32} {=u32}", number, kind, source, a, b)
        }
        Severity::Error => {
            defmt::error!("{=u16} {} of {=u16}: {=u32} {=u32}", number, kind, source, a, b)
        }
    }
}
