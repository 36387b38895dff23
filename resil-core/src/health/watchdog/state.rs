//! Who has checked in, who has not, and what a restart is told of it.

use super::config::WatchdogConfig;
use crate::entropy::Entropy;
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;
use core::time::Duration;

/// When each channel is due, and what has happened: 8 bytes a channel and 40.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WatchdogState<const N: usize> {
    due: [Instant; N],
    /// When the resets before this start are forgotten.
    healthy_at: Instant,
    starved: Option<Starved>,
    suspended: u32,
    last_cause: Option<u8>,
    resets: u8,
}

const _: () = assert!(size_of::<WatchdogState<4>>() <= 4 * 8 + 40);

/// A channel that has not checked in in time. The hardware watchdog is not to be fed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[error("channel {channel} of the watchdog has not checked in in time")]
pub struct Starved {
    channel: u8,
    since: Instant,
}

impl Starved {
    /// The channel that was due first of those that were late.
    #[must_use]
    pub const fn channel(&self) -> u8 {
        self.channel
    }

    /// When it was due.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.since
    }
}

/// Why a check-in did not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ChannelError {
    /// It, or another one before, came too late.
    #[error(transparent)]
    Starved(#[from] Starved),
    /// There is no channel of this number. Nothing has changed.
    #[error("the watchdog has no channel of this number")]
    Unknown,
}

/// Why the node has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Boot {
    /// The hardware watchdog has reset it: read it from the reset register.
    Watchdog,
    /// Anything else: power, a button, an update. What was counted before is kept, neither more nor
    /// less.
    Other,
}

/// What a life leaves to the next one: 3 bytes, and 6 as a [snapshot](crate::snapshot).
///
/// Keep it where a reset does not reach: in RTC memory, or in RAM that the startup code leaves alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BootRecord {
    cause: Option<u8>,
    resets: u8,
}

impl BootRecord {
    /// Nothing is known of a life before.
    pub const NONE: Self = Self { cause: None, resets: 0 };

    /// The channel that had starved.
    #[must_use]
    pub const fn cause(&self) -> Option<u8> {
        self.cause
    }

    /// Resets by the watchdog in a row, before the life that left this.
    #[must_use]
    pub const fn resets(&self) -> u8 {
        self.resets
    }
}

impl<const N: usize> WatchdogConfig<N> {
    /// Starts: every channel is due one period from now.
    #[must_use]
    pub fn start(&self, record: BootRecord, boot: Boot, now: Instant) -> WatchdogState<N> {
        let one_more = u8::from(boot == Boot::Watchdog);
        WatchdogState {
            due: self.periods.map(|period| now.plus_nanos(period)),
            healthy_at: now.plus_nanos(self.healthy_after),
            starved: None,
            suspended: 0,
            last_cause: record.cause,
            resets: record.resets.saturating_add(one_more),
        }
    }

    /// A task is alive: its channel is due one period from now. One that is suspended stays so.
    ///
    /// # Errors
    ///
    /// [`ChannelError::Starved`] when it comes too late, or another one already has; it stays so.
    pub fn check_in(
        &self,
        state: &mut WatchdogState<N>,
        channel: u8,
        now: Instant,
    ) -> Result<(), ChannelError> {
        let period = *self.periods.get(usize::from(channel)).ok_or(ChannelError::Unknown)?;
        self.may_feed(state, now)?;
        if let Some(due) = state.due.get_mut(usize::from(channel)) {
            *due = now.plus_nanos(period);
        }
        Ok(())
    }

    /// The task sleeps on purpose: its channel is not waited for until it [resumes](Self::resume).
    ///
    /// # Errors
    ///
    /// As [`check_in`](Self::check_in): who is late already can not sleep it off.
    pub fn suspend(
        &self,
        state: &mut WatchdogState<N>,
        channel: u8,
        now: Instant,
    ) -> Result<(), ChannelError> {
        self.check_in(state, channel, now)?;
        state.suspended |= bit(channel);
        Ok(())
    }

    /// The task goes on: its channel is due one period from now.
    ///
    /// # Errors
    ///
    /// As [`check_in`](Self::check_in), but that a channel which slept is not late.
    pub fn resume(
        &self,
        state: &mut WatchdogState<N>,
        channel: u8,
        now: Instant,
    ) -> Result<(), ChannelError> {
        self.check_in(state, channel, now)?;
        state.suspended &= !bit(channel);
        Ok(())
    }

    /// Whether the hardware watchdog may be fed: every channel that is not suspended has checked in
    /// in time, ever since the start.
    ///
    /// # Errors
    ///
    /// [`Starved`] names the channel that was late first. It stays so until the node restarts, or
    /// [`reset`](Self::reset): save the [record](Self::boot_record) now.
    pub fn may_feed(&self, state: &mut WatchdogState<N>, now: Instant) -> Result<(), Starved> {
        let seen = self.peek(state, now);
        if let Err(starved) = seen {
            state.starved = Some(starved);
            return seen;
        }
        for (due, &period) in state.due.iter_mut().zip(&self.periods) {
            *due = (*due).min(now.plus_nanos(period));
        }
        state.healthy_at = state.healthy_at.min(now.plus_nanos(self.healthy_after));
        Ok(())
    }

    /// [`may_feed`](Self::may_feed) for the one who feeds: when to come back where it is allowed. That
    /// is [`feed_every`](Self::feed_every) from now, or as soon as a channel is due, so that one that
    /// starves is known at once.
    ///
    /// # Errors
    ///
    /// As [`may_feed`](Self::may_feed).
    pub fn feed(&self, state: &mut WatchdogState<N>, now: Instant) -> Result<Instant, Starved> {
        self.may_feed(state, now)?;
        let next = now.plus_nanos(self.feed_every);
        Ok(self.next_deadline(state, now).map_or(next, |due| due.min(next)))
    }

    /// What [`may_feed`](Self::may_feed) would answer; remembers nothing.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn peek(&self, state: &WatchdogState<N>, now: Instant) -> Result<(), Starved> {
        if let Some(starved) = state.starved {
            return Err(starved);
        }
        let late = state.active().filter(|(_, due)| due.is_reached(now));
        match late.min_by_key(|&(_, due)| due) {
            Some((channel, since)) => Err(Starved { channel, since }),
            None => Ok(()),
        }
    }

    /// When feeding is next forbidden if nobody checks in; `None` if it is already, or if every
    /// channel is suspended.
    #[must_use]
    pub fn next_deadline(&self, state: &WatchdogState<N>, now: Instant) -> Option<Instant> {
        self.peek(state, now).ok()?;
        let horizon = |channel: u8| self.periods.get(usize::from(channel)).copied();
        let due = state.active().map(|(channel, due)| match horizon(channel) {
            Some(period) => due.min(now.plus_nanos(period)),
            None => due,
        });
        due.min()
    }

    /// Begins anew without a restart: nobody is late, every channel is due one period from now, and
    /// those that were suspended still are. It hides a hang; for who has mended the cause.
    pub fn reset(&self, state: &mut WatchdogState<N>, now: Instant) {
        state.starved = None;
        state.due = self.periods.map(|period| now.plus_nanos(period));
        state.healthy_at = now.plus_nanos(self.healthy_after);
    }

    /// Resets by the hardware watchdog in a row, this start included; 0 once the node has been
    /// running well for long enough. It stops at 255.
    #[must_use]
    pub fn resets(&self, state: &WatchdogState<N>, now: Instant) -> u8 {
        let well_until = self.peek(state, now).err().map_or(now, |starved| starved.since);
        if state.healthy_at.is_reached(well_until) { 0 } else { state.resets }
    }

    /// For how long to hold back before going to the network again, so that a node which resets into
    /// an outage, and all others that do, do not storm it. Zero without a reset.
    #[must_use]
    pub fn splay(&self, state: &WatchdogState<N>, entropy: impl Entropy, now: Instant) -> Duration {
        match self.resets(state, now).checked_sub(1) {
            Some(attempt) => self.splay.jittered(attempt.into(), None, entropy),
            None => Duration::ZERO,
        }
    }

    /// What the next life is to know. Save it when [`may_feed`](Self::may_feed) refuses, and at the
    /// start: a node that hangs as a whole leaves no cause, but it leaves the count. Save it once more
    /// when the node has been running for [`healthy_after`](Self::healthy_after), or a later hang of
    /// the whole node is counted on top of resets that were to be forgotten.
    #[must_use]
    pub fn boot_record(&self, state: &WatchdogState<N>, now: Instant) -> BootRecord {
        let cause = self.peek(state, now).err().map(|starved| starved.channel);
        BootRecord { cause, resets: self.resets(state, now) }
    }
}

impl<const N: usize> WatchdogState<N> {
    /// The channel that had starved in the life before this one.
    #[must_use]
    pub const fn last_cause(&self) -> Option<u8> {
        self.last_cause
    }

    /// The channels that are waited for, and when they are due.
    fn active(&self) -> impl Iterator<Item = (u8, Instant)> {
        let all = (0_u8..).zip(self.due);
        all.filter(|&(channel, _)| self.suspended & bit(channel) == 0)
    }
}

/// The bit of a channel; none of a number that no channel has.
fn bit(channel: u8) -> u32 {
    1_u32.checked_shl(channel.into()).unwrap_or(0)
}

/// 6 bytes.
impl<const N: usize> Persist for WatchdogConfig<N> {
    type State = BootRecord;

    const KIND: u8 = kind::WATCHDOG;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = 2;

    fn write(&self, record: &BootRecord, _: Instant, to: &mut Writer<'_>) {
        to.u8(record.cause.unwrap_or(u8::MAX));
        to.u8(record.resets);
    }

    fn read(&self, from: &mut Reader<'_>, _: Instant) -> Result<BootRecord, SnapshotError> {
        let cause = match from.u8()? {
            u8::MAX => None,
            channel if usize::from(channel) < N => Some(channel),
            _ => return Err(SnapshotError::Invalid),
        };
        Ok(BootRecord { cause, resets: from.u8()? })
    }
}
