//! What is kept beside the machines to check them: plain sums and lists that share no code with the core.
//!
//! Times are those of the node's own clock, signed: what a node remembers over a reboot was before its
//! clock began.

use super::guard::PEERS;
use super::policy::{LEASE, OPEN};
use resil_core::Instant;

/// A time on a node's clock as a signed number.
pub(super) fn signed(now: Instant) -> i64 {
    now.as_nanos() as i64
}

/// What a bucket owes: every token the time that it takes to come back, less the time that has passed
/// forward.
#[derive(Clone, Debug, Default)]
pub(super) struct Level {
    pub(super) owed: u64,
    last: i64,
}

impl Level {
    /// Somebody asks.
    pub(super) fn pass(&mut self, now: Instant) {
        let now = signed(now);
        self.owed = self.owed.saturating_sub((now - self.last).max(0) as u64);
        self.last = now;
    }

    /// He was given a token that takes `refill` to come back.
    pub(super) fn spend(&mut self, refill: u64) {
        self.owed += refill;
    }

    /// The clock shows another time, and nothing else has happened.
    pub(super) fn shift(&mut self, by: i64) {
        self.last += by;
    }
}

/// What is known of a breaker from what it said.
#[derive(Clone, Debug, Default)]
pub(super) struct BreakerWatch {
    /// It has opened and nobody was let through since: the earliest time that the clock has shown.
    pub(super) shut_since: Option<i64>,
    /// It has opened and not closed.
    is_probed: bool,
    /// When the lease of the probe that is out ends.
    pub(super) probe_until: Option<i64>,
    /// When that probe was let through.
    probe_at: Instant,
}

impl BreakerWatch {
    /// Somebody asks.
    pub(super) fn pass(&mut self, now: Instant) {
        let now = signed(now);
        let lease = LEASE.as_nanos() as i64;
        self.shut_since = self.shut_since.map(|since| since.min(now));
        self.probe_until = self.probe_until.map(|until| until.min(now + lease));
    }

    pub(super) fn opened(&mut self, now: Instant) {
        self.shut(signed(now));
    }

    /// It was half-open: a probe has failed, or its lease has ended, and then it is as if it had opened
    /// at that time.
    pub(super) fn opened_again(&mut self, now: Instant) {
        let now = signed(now);
        let since = self.probe_until.filter(|until| *until <= now).unwrap_or(now);
        self.shut(since);
    }

    fn shut(&mut self, since: i64) {
        *self = Self { shut_since: Some(since), is_probed: true, ..Self::default() };
    }

    /// Its open time is over.
    pub(super) fn half_opened(&mut self) {
        self.shut_since = None;
        self.probe_until = None;
    }

    pub(super) fn closed(&mut self) {
        *self = Self::default();
    }

    /// A call was let through.
    pub(super) fn admitted(&mut self, now: Instant) {
        if self.is_probed {
            self.probe_until = Some(signed(now) + LEASE.as_nanos() as i64);
            self.probe_at = now;
        }
    }

    /// A probe is told back: if it is the one that is out, there is none.
    pub(super) fn probed(&mut self, issued_at: Instant) {
        if self.probe_at == issued_at {
            self.probe_until = None;
        }
    }

    /// The first instant at which a breaker that has opened may let anybody through.
    pub(super) fn shut_until(&self) -> Option<i64> {
        Some(self.shut_since? + OPEN.as_nanos() as i64 / 2)
    }

    pub(super) fn shift(&mut self, by: i64) {
        self.shut_since = self.shut_since.map(|since| since + by);
        self.probe_until = None;
    }
}

/// The last times of something.
#[derive(Clone, Debug)]
pub(super) struct Log<const N: usize> {
    times: [i64; N],
    next: usize,
}

impl<const N: usize> Default for Log<N> {
    fn default() -> Self {
        Self { times: [i64::MIN; N], next: 0 }
    }
}

impl<const N: usize> Log<N> {
    fn add(&mut self, at: i64) {
        self.times[self.next] = at;
        self.next = (self.next + 1) % N;
    }

    /// Takes back one that was added at `at`.
    fn remove(&mut self, at: i64) {
        if let Some(time) = self.times.iter_mut().find(|time| **time == at) {
            *time = i64::MIN;
        }
    }

    /// How many there were after `since`.
    fn count(&self, since: i64) -> usize {
        self.times.iter().filter(|time| **time > since).count()
    }

    fn shift(&mut self, by: i64) {
        for time in self.times.iter_mut().filter(|time| **time != i64::MIN) {
            *time += by;
        }
    }
}

/// Calls and extra attempts of a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Spending {
    calls: Log<64>,
    extras: Log<64>,
    /// Calls count from here on at the earliest.
    late: i64,
    last: i64,
}

impl Spending {
    pub(super) fn call(&mut self, window: i64, now: Instant) {
        self.pass(window, now);
        self.calls.add(signed(now).max(self.late));
    }

    pub(super) fn extra(&mut self, window: i64, now: Instant) {
        self.pass(window, now);
        self.extras.add(signed(now));
    }

    /// An extra attempt was not made after all.
    pub(super) fn refund(&mut self, at: i64, window: i64, now: Instant) {
        self.pass(window, now);
        self.extras.remove(at);
    }

    /// Calls of the last window, and extra attempts of its latter nine tenths.
    pub(super) fn recent(&self, window: i64, now: Instant) -> (usize, usize) {
        let since = |length| signed(now).saturating_sub(length);
        (self.calls.count(since(window)), self.extras.count(since(window / 10 * 9)))
    }

    /// The machine looks at the clock. Where that was set back, it may keep what it has counted for half
    /// a window longer: it was earned late, and nothing was spent.
    pub(super) fn pass(&mut self, window: i64, now: Instant) {
        let now = signed(now);
        if now < self.last {
            let recent = self.last.max(self.late).saturating_sub(window);
            self.late = now + window / 2;
            for time in self.calls.times.iter_mut().filter(|time| **time > recent) {
                *time = self.late;
            }
            self.extras = Log::default();
        }
        self.last = now;
    }

    /// A clock that begins again may keep what was counted for a tenth of a window longer.
    fn shift(&mut self, by: i64, window: i64) {
        self.calls.shift(by + window / 10);
        self.extras.shift(by);
        self.late += by + window / 10;
        self.last += by;
    }
}

/// What is known of a peer.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerWatch {
    pub(super) breaker: BreakerWatch,
    pub(super) level: Level,
}

/// Strangers who come again and again, to each node that is flooded.
pub(super) const SPENT: usize = 2;

/// All that is known of a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    pub(super) peers: [PeerWatch; PEERS],
    pub(super) spending: Spending,
    /// What its neighbours owe it by their own accounts.
    pub(super) members: [Level; PEERS],
    /// The same of strangers who come again and again.
    pub(super) spent: [Level; SPENT],
    /// What everyone owes it who has no account, by class.
    pub(super) shared: [Level; 2],
    /// What all strangers together owe it.
    pub(super) strangers: Level,
}

impl Accounts {
    /// The clock shows another time, and nothing else has happened: a reboot.
    pub(super) fn shift(&mut self, by: i64, window: i64) {
        for peer in &mut self.peers {
            peer.breaker.shift(by);
            peer.level.shift(by);
        }
        self.spending.shift(by, window);
        self.askers().for_each(|level| level.shift(by));
    }

    /// Every machine looks at the clock: it is saved.
    pub(super) fn pass_all(&mut self, window: i64, now: Instant) {
        for peer in &mut self.peers {
            peer.breaker.pass(now);
            peer.level.pass(now);
        }
        self.spending.pass(window, now);
        self.pass(now);
    }

    /// Somebody asks the node. Others than he are looked at by the table, too.
    pub(super) fn pass(&mut self, now: Instant) {
        self.askers().for_each(|level| level.pass(now));
    }

    fn askers(&mut self) -> impl Iterator<Item = &mut Level> {
        let known = self.members.iter_mut().chain(&mut self.spent);
        known.chain(&mut self.shared).chain([&mut self.strangers])
    }
}
