//! A machine beside a clock, and what it has lent under the names of the script.

use crate::vectors::ORIGIN;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use resil_core::ManualClock;

pub(super) struct Lending<M, T> {
    pub(super) clock: ManualClock,
    pub(super) machine: M,
    held: BTreeMap<String, T>,
}

impl<M, T> Lending<M, T> {
    pub(super) fn new(machine: M) -> Self {
        Self { clock: ManualClock::new(ORIGIN), machine, held: BTreeMap::new() }
    }

    pub(super) fn keep(&mut self, name: &str, lent: T) {
        assert!(self.held.insert(name.to_owned(), lent).is_none(), "{name} is taken");
    }

    pub(super) fn take(&mut self, name: &str) -> Option<T> {
        self.held.remove(name)
    }

    pub(super) fn look(&self, name: &str) -> Option<&T> {
        self.held.get(name)
    }
}
