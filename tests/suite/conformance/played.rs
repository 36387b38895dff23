//! Which script was played on which engine: noted where it is, for whoever says what has been proved.

use super::beside::EveryClock;
use super::driven;
use core::cell::RefCell;
use resil_tests::vectors::direct::subject;
use std::collections::BTreeSet;

/// What a script was decided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Through {
    /// The adapter's own machine.
    ItsAdapter,
    /// Core's machine, beside the adapter's clock.
    ItsClock,
}

/// A script that was decided as expected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Played {
    pub(crate) file: String,
    pub(crate) script: String,
    /// The name of what played it.
    pub(crate) on: &'static str,
    pub(crate) through: Through,
}

thread_local! {
    static PLAYED: RefCell<BTreeSet<Played>> = const { RefCell::new(BTreeSet::new()) };
}

/// These scripts of a file were played.
pub(super) fn note(file: &str, on: &'static str, scripts: &[&str], through: Through) {
    PLAYED.with_borrow_mut(|played| {
        played.extend(scripts.iter().map(|script| {
            let (file, script) = (file.to_owned(), (*script).to_owned());
            Played { file, script, on, through }
        }));
    });
}

/// Plays every file on every clock and through every adapter, and says what could be played where.
pub(crate) fn everything(files: &[String]) -> BTreeSet<Played> {
    for through_its_adapter in [
        super::circuit_breaker,
        super::token_bucket,
        super::token_bucket_ns,
        super::rate_limit,
        super::retry,
        super::health,
        super::bulkhead,
        super::watchdog,
        driven::call_through_the_driver_of_embassy,
        driven::call_through_the_driver_of_std,
    ] {
        through_its_adapter();
    }
    for file in files {
        let _only_through_its_adapter = subject(file, EveryClock(file)).is_none();
    }
    PLAYED.take()
}
