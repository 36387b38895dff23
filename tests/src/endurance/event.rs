//! What happens next, and where.

use super::frame::Answer;
use core::cmp::Reverse;
use resil_core::Instant;
use resil_core::deadline::WIRE_CONTEXT;
use std::collections::BinaryHeap;

/// An attempt of a call, as messages name it. A call that is over leaves its place to another one, of
/// another turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Attempt {
    pub(super) place: u32,
    pub(super) turn: u32,
    pub(super) number: u32,
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A fault begins.
    Begin { fault: u32 },
    /// A fault is over.
    End { fault: u32 },
    /// A node has a request to make.
    Request { node: u32, life: u32 },
    /// A call wants to be polled.
    Poll { node: u32, place: u32, turn: u32 },
    /// A request reaches a node.
    Arrive { to: u32, from: u32, attempt: Attempt, context: [u8; WIRE_CONTEXT] },
    /// A node is through with a request.
    Served { node: u32, life: u32, work: u32, from: u32, attempt: Attempt },
    /// An answer reaches a node.
    Answer { to: u32, from: u32, attempt: Attempt, answer: Answer },
    /// Somebody invents an id.
    Flood { fault: u32, number: u32 },
    /// A second is over.
    Second,
}

impl Event {
    /// The node that it happens at, for which it waits while that stands still.
    pub(super) const fn node(&self) -> Option<usize> {
        match *self {
            Self::Request { node, .. } | Self::Poll { node, .. } | Self::Served { node, .. } => {
                Some(node as usize)
            }
            Self::Arrive { to, .. } | Self::Answer { to, .. } => Some(to as usize),
            Self::Begin { .. } | Self::End { .. } | Self::Flood { .. } | Self::Second => None,
        }
    }

    /// A word that tells it from others.
    pub(super) fn word(&self) -> u64 {
        match *self {
            Self::Begin { fault } => u64::from(fault) << 4,
            Self::End { fault } => u64::from(fault) << 4 | 1,
            Self::Request { node, .. } => u64::from(node) << 4 | 2,
            Self::Poll { node, place, .. } => u64::from(node) << 32 | u64::from(place) << 4 | 3,
            Self::Arrive { to, from, attempt, .. } => {
                u64::from(to) << 40 | u64::from(from) << 8 | u64::from(attempt.number) << 4 | 4
            }
            Self::Served { node, work, .. } => u64::from(node) << 32 | u64::from(work) << 4 | 5,
            Self::Answer { to, from, answer, .. } => {
                u64::from(to) << 40 | u64::from(from) << 16 | u64::from(answer[0]) << 4 | 6
            }
            Self::Flood { number, .. } => u64::from(number) << 4 | 7,
            Self::Second => 8,
        }
    }
}

/// What is to happen, the earliest first. Of two at one instant the order is that of their contents, so
/// it is the same in every run.
#[derive(Debug, Default)]
pub(super) struct Agenda(BinaryHeap<Reverse<(Instant, Event)>>);

impl Agenda {
    pub(super) fn add(&mut self, at: Instant, event: Event) {
        self.0.push(Reverse((at, event)));
    }

    pub(super) fn next(&mut self) -> Option<(Instant, Event)> {
        self.0.pop().map(|Reverse(next)| next)
    }
}
