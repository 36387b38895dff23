//! The last N events, and how many were lost.

use super::Event;

/// The last `N` events, for whoever comes by to read them.
///
/// A ring: what is not read in time is overwritten, oldest first, and counted. [`pop`](Self::pop) reads
/// for the one reader that the log knows; further readers keep a [`Cursor`] each.
///
/// Law, for the log's own reader and for every cursor: what it read, what it lost and what is waiting for
/// it add up to what was pushed.
///
/// ```
/// use resil_core::Instant;
/// use resil_core::event::{Event, EventKind, EventLog};
///
/// let mut log = EventLog::<2>::new();
/// for attempt in 1..=3 {
///     log.push(Event::new(EventKind::AttemptStarted, 0, attempt, 0, Instant::EPOCH));
/// }
/// assert_eq!(log.lost(), 1, "the first");
/// assert_eq!(log.pop().map(|event| event.a()), Some(2));
/// assert_eq!(log.pop().map(|event| event.a()), Some(3));
/// assert_eq!(log.pop(), None);
/// ```
///
/// 24 `N` + 24 bytes. Pushing and reading are a copy each.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EventLog<const N: usize> {
    ring: [Event; N],
    /// The sequence number of the next event, from 0, and over again after 2^32.
    next: u32,
    /// Where in the ring the next event goes.
    head: u16,
    /// How many events are in the ring.
    held: u16,
    /// How many of them [`pop`](Self::pop) has not read.
    unread: u16,
    lost: u32,
}

const _: () = assert!(size_of::<EventLog<16>>() <= 24 * 16 + 24);

impl<const N: usize> EventLog<N> {
    /// An empty log. `N` is 1 to 32,768, or it does not compile.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N >= 1 && N <= 32_768, "a log holds 1 to 32,768 events") };
        Self { ring: [Event::NOTHING; N], next: 0, head: 0, held: 0, unread: 0, lost: 0 }
    }

    /// Adds an event, in place of the oldest where the ring is full.
    #[inline]
    pub fn push(&mut self, event: Event) {
        if let Some(place) = self.ring.get_mut(usize::from(self.head)) {
            *place = event;
        }
        self.head = if self.head >= Self::LAST { 0 } else { self.head.wrapping_add(1) };
        self.next = self.next.wrapping_add(1);
        if self.held < Self::ROOM {
            self.held = self.held.wrapping_add(1);
        }
        if self.unread < Self::ROOM {
            self.unread = self.unread.wrapping_add(1);
        } else {
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// Takes the oldest event that was not read.
    #[inline]
    pub fn pop(&mut self) -> Option<Event> {
        let event = self.back(self.unread)?;
        self.unread = self.unread.wrapping_sub(1);
        Some(event)
    }

    /// [`pop`](Self::pop) until there is none; what is left in the iterator stays.
    pub fn drain(&mut self) -> impl Iterator<Item = Event> {
        core::iter::from_fn(|| self.pop())
    }

    /// How many events were overwritten before [`pop`](Self::pop) read them; stays at 2^32 - 1.
    #[must_use]
    #[inline]
    pub const fn lost(&self) -> u32 {
        self.lost
    }

    /// How many events [`pop`](Self::pop) has still to give.
    #[must_use]
    #[inline]
    pub const fn unread(&self) -> u16 {
        self.unread
    }

    /// Every event in the ring, read or not, the oldest first. Changes nothing.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Event> {
        (1..=self.held).rev().filter_map(|back| self.back(back))
    }

    /// How many events are in the ring, read or not.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> u16 {
        self.held
    }

    /// Whether nothing was ever pushed.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// A reader that begins with the oldest event in the ring.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        Cursor { next: self.next.wrapping_sub(self.held as u32), lost: 0 }
    }

    /// A reader that begins with the event that comes next.
    #[must_use]
    pub const fn cursor_at_end(&self) -> Cursor {
        Cursor { next: self.next, lost: 0 }
    }

    /// The next event for `cursor`; what it missed is added to its [`lost`](Cursor::lost).
    ///
    /// A cursor that is left for 2^32 events or more misses whole rounds of them unnoticed.
    #[inline]
    pub fn read(&self, cursor: &mut Cursor) -> Option<Event> {
        let behind = self.next.wrapping_sub(cursor.next);
        let held = u32::from(self.held);
        let back = if behind > held {
            let missed = behind.wrapping_sub(held);
            cursor.lost = cursor.lost.saturating_add(missed);
            cursor.next = cursor.next.wrapping_add(missed);
            self.held
        } else {
            behind as u16 // at most `held`
        };
        let event = self.back(back)?;
        cursor.next = cursor.next.wrapping_add(1);
        Some(event)
    }

    /// How many events wait for `cursor`, those that it missed left out.
    #[must_use]
    #[inline]
    pub fn waiting(&self, cursor: &Cursor) -> u32 {
        self.next.wrapping_sub(cursor.next).min(u32::from(self.held))
    }

    /// `N`, which `new` has checked.
    const ROOM: u16 = N as u16;
    const LAST: u16 = Self::ROOM.wrapping_sub(1);

    /// The event that was pushed `back` events ago; 1 is the last one.
    #[inline]
    fn back(&self, back: u16) -> Option<Event> {
        if back == 0 || back > self.held {
            return None;
        }
        let place = match self.head.checked_sub(back) {
            Some(place) => place,
            None => self.head.wrapping_add(Self::ROOM.wrapping_sub(back)),
        };
        self.ring.get(usize::from(place)).copied()
    }
}

impl<const N: usize> Default for EventLog<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Where a reader of an [`EventLog`] is, and how many events it missed.
///
/// Not `Copy`: a copy would read everything twice. Of one log; another log's numbers mean nothing to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Cursor {
    next: u32,
    lost: u32,
}

impl Cursor {
    /// How many events were overwritten before this reader came to them, as of its last read; stays at
    /// 2^32 - 1.
    #[must_use]
    #[inline]
    pub const fn lost(&self) -> u32 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::super::EventKind;
    use super::*;
    use crate::time::Instant;

    fn numbered(a: u32) -> Event {
        Event::new(EventKind::CallStarted, 0, a, 0, Instant::EPOCH)
    }

    #[test]
    fn sequence_numbers_begin_again_and_nobody_notices() {
        let mut log = EventLog::<3>::new();
        log.next = u32::MAX - 1;
        let mut cursor = log.cursor();
        for a in 0..5 {
            log.push(numbered(a));
        }
        assert_eq!((log.next, log.len()), (3, 3));
        assert_eq!(log.read(&mut cursor).map(|event| event.a()), Some(2));
        assert_eq!((cursor.lost(), log.waiting(&cursor)), (2, 2));
        assert!(log.iter().map(|event| event.a()).eq(2..5));
        assert!(log.iter().rev().map(|event| event.a()).eq([4, 3, 2]));
    }

    #[test]
    fn counters_of_losses_stay_at_their_end() {
        let mut log = EventLog::<1>::new();
        assert_eq!(log.len(), 0);
        log.lost = u32::MAX;
        log.push(numbered(0));
        log.push(numbered(1));
        assert_eq!(log.lost(), u32::MAX);
        let mut cursor = Cursor { next: log.next.wrapping_sub(9), lost: u32::MAX - 1 };
        assert_eq!(log.read(&mut cursor).map(|event| event.a()), Some(1));
        assert_eq!(cursor.lost(), u32::MAX);
    }

    #[test]
    fn the_largest_log_wraps_as_well() {
        let mut log = std::boxed::Box::new(EventLog::<32_768>::new());
        for a in 0..40_000 {
            log.push(numbered(a));
        }
        assert_eq!(log.lost(), 40_000 - 32_768);
        assert!(log.drain().map(|event| event.a()).eq(40_000 - 32_768..40_000));
    }
}
