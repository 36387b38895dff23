//! Whether it went as it should, by a node's own notes.

use core::time::Duration;
use heapless::Deque;
use mesh_protocol::control::Note;
use mesh_protocol::record::{Admitted, BreakerState, Counts, End, Ended};
use mesh_protocol::settings::LIMIT;
use resil_core::Instant;
use resil_core::health::HealthStatus;

use super::{Alone, FLOOD, Role, SILENCE};

/// Room for the admissions of a second: more than are allowed, so that too many are seen.
const ADMITTED: usize = 128;

/// The parts of the schedule, and when each ends, in sixtieths of its time.
const PARTS: [(&str, u32); 6] = [
    ("at first", FLOOD.start),
    ("one floods", FLOOD.end),
    ("in between", SILENCE.start),
    ("one is silent", SILENCE.end),
    ("it is back", 50),
    ("at the end", 60),
];
const AT_FIRST: usize = 0;
const IN_THE_FLOOD: usize = 1;
const AT_THE_END: usize = 5;

/// What came of a flood.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Requests of it that were sent.
    pub sent: u32,
    /// Refused by an error that says when to come back.
    pub refused: u32,
    /// Refused without that.
    pub unclear: u32,
}

/// What became of the requests of one part.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    ok: u32,
    refused: u32,
    failed: u32,
}

/// What a node has noted so far, as far as it is judged.
#[derive(Debug)]
pub struct Judge {
    role: Role,
    begun: Instant,
    total: Duration,
    issued: u64,
    ended: u64,
    ends: [Ends; PARTS.len()],
    /// When the peer's requests of the last second were let in.
    admitted: Deque<u64, ADMITTED>,
    most_in_a_window: usize,
    opened: u32,
    closed: u32,
    got_worse: u32,
    recovered: u32,
    health: HealthStatus,
    counts: Counts,
    failures: u32,
}

impl Judge {
    /// A node's part begins `now`.
    #[must_use]
    pub fn new(part: &Alone, now: Instant) -> Self {
        Self {
            role: part.role,
            begun: now,
            total: part.sixtieths(60),
            issued: 0,
            ended: 0,
            ends: Default::default(),
            admitted: Deque::new(),
            most_in_a_window: 0,
            opened: 0,
            closed: 0,
            got_worse: 0,
            recovered: 0,
            health: HealthStatus::Healthy,
            counts: Counts::default(),
            failures: 0,
        }
    }

    /// Takes what a node notes.
    pub fn take(&mut self, note: Note) {
        match note {
            Note::Issued(number) => self.issued = number,
            Note::Ended(ended) => self.end(&ended),
            Note::Admitted(admitted) => self.admit(admitted),
            Note::Breaker(moved) => match moved.to {
                BreakerState::Open => self.opened += 1,
                BreakerState::Closed => self.closed += 1,
                BreakerState::HalfOpen => {}
            },
            Note::Health(seen) => {
                let was = core::mem::replace(&mut self.health, seen.status);
                match (was, seen.status) {
                    (HealthStatus::Healthy, HealthStatus::Healthy) => {}
                    (HealthStatus::Healthy, _) => self.got_worse += 1,
                    (_, HealthStatus::Healthy) => self.recovered += 1,
                    _ => {}
                }
            }
            Note::Counts(counts) => self.counts = counts,
            Note::Up { .. } | Note::Done => {}
        }
    }

    fn end(&mut self, ended: &Ended) {
        self.ended += 1;
        let since = Instant::from_nanos(ended.issued_at).saturating_since(self.begun);
        let part = PARTS.iter().position(|&(_, end)| since < self.total * end / 60);
        let ends = &mut self.ends[part.unwrap_or(AT_THE_END)];
        match ended.end {
            End::Ok => ends.ok += 1,
            End::Refused(_) => ends.refused += 1,
            End::Failed(_) => ends.failed += 1,
        }
    }

    fn admit(&mut self, Admitted { at, .. }: Admitted) {
        let window = LIMIT.time_window().as_nanos() as u64;
        while self.admitted.front().is_some_and(|&first| at - first >= window) {
            self.admitted.pop_front();
        }
        // Full is too many already.
        let _ = self.admitted.push_back(at);
        self.most_in_a_window = self.most_in_a_window.max(self.admitted.len());
    }

    /// Says of each check how it went, with its figures, and whether all have passed.
    #[must_use]
    pub fn verdict(&mut self, flood: Tally) -> bool {
        for ((part, _), ends) in PARTS.into_iter().zip(self.ends) {
            let Ends { ok, refused, failed } = ends;
            defmt::info!(
                "{=str}: {=u32} requests ok, {=u32} refused, {=u32} failed",
                part,
                ok,
                refused,
                failed
            );
        }
        let (issued, ended) = (self.issued, self.ended);
        self.check(ended == issued && issued > 0, "requests have ended, each once", ended, issued);
        self.check_served(AT_FIRST, "served at first, at least 80 %");
        self.judge_flood(flood);
        let (most, limit) = (self.most_in_a_window as u64, LIMIT.max_requests().into());
        self.check(most <= limit, "let in of the peer in a second, at the most", most, limit);
        let (opened, closed) = (self.opened.into(), self.closed.into());
        self.check(
            closed > 0,
            "a probe has closed the breaker that the silence opened",
            closed,
            opened,
        );
        let (got_worse, recovered) = (self.got_worse.into(), self.recovered.into());
        let is_well = got_worse > 0 && self.health == HealthStatus::Healthy;
        self.check(
            is_well,
            "health has recovered, each time that it got worse",
            recovered,
            got_worse,
        );
        self.check_served(AT_THE_END, "served at the end, at least 80 %");
        self.failures == 0
    }

    fn judge_flood(&mut self, flood: Tally) {
        match self.role {
            Role::Floods => {
                let Tally { sent, refused, unclear } = flood;
                let (refused, unclear) = (refused.into(), u64::from(unclear));
                let is_held = refused * 2 > sent.into();
                self.check(is_held, "refused of the flood, most of it", refused, sent.into());
                let all = refused + unclear;
                self.check(unclear == 0, "refusals that say when to come back", refused, all);
            }
            Role::FallsSilent => {
                let Counts { limited, served, .. } = self.counts;
                let is_limited = limited * 2 > served;
                self.check(
                    is_limited,
                    "limited here, more than half of what was served",
                    limited,
                    served,
                );
                self.check_served(IN_THE_FLOOD, "served of my own during the flood, at least 80 %");
            }
        }
    }

    fn check_served(&mut self, part: usize, what: &'static str) {
        let Ends { ok, refused, failed } = self.ends[part];
        let all = ok + refused + failed;
        self.check(all > 0 && ok * 100 >= all * 80, what, ok.into(), all.into());
    }

    /// Says whether something went as it should, with `got` of `of`; more can be judged than is noted.
    pub fn check(&mut self, holds: bool, what: &'static str, got: u64, of: u64) {
        if holds {
            defmt::info!("PASS {=str}: {=u64} of {=u64}", what, got, of);
        } else {
            defmt::error!("FAIL {=str}: {=u64} of {=u64}", what, got, of);
            self.failures += 1;
        }
    }
}
