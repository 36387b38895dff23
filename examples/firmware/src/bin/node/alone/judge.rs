//! Whether it went as it should, by a node's own notes.

use core::time::Duration;
use embassy_futures::select::{Either, select};
use embassy_time::Timer;
use heapless::Deque;
use mesh_protocol::control::Note;
use mesh_protocol::record::{Admitted, BreakerState, Counts, End, Ended};
use mesh_protocol::settings::LIMIT;
use resil_core::Instant;
use resil_core::health::HealthStatus;

use crate::flood::Tally;
use crate::mode::Role;
use crate::node::Node;

/// Room for the admissions of a second: more than are allowed, so that too many are seen.
const ADMITTED: usize = 128;

/// The parts of the schedule, and when each ends, in sixtieths of its time.
const PARTS: [(&str, u32); 6] = [
    ("at first", 12),
    ("one floods", 24),
    ("in between", 30),
    ("one is silent", 40),
    ("it is back", 50),
    ("at the end", 60),
];
const AT_FIRST: usize = 0;
const FLOOD: usize = 1;
const AT_THE_END: usize = 5;

/// What became of the requests of one part.
#[derive(Clone, Copy, Default)]
struct Ends {
    ok: u32,
    refused: u32,
    failed: u32,
}

impl Ends {
    /// At least this many in a hundred were served.
    fn served(self, percent: u32) -> bool {
        let all = self.ok + self.refused + self.failed;
        all > 0 && self.ok * 100 >= all * percent
    }
}

/// What a node has noted so far, as far as it is judged.
pub(super) struct Judge {
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
    was_unwell: bool,
    health: HealthStatus,
    counts: Counts,
    failures: u32,
}

impl Judge {
    pub(super) fn new(role: Role, begun: Instant, total: Duration) -> Self {
        Self {
            role,
            begun,
            total,
            issued: 0,
            ended: 0,
            ends: Default::default(),
            admitted: Deque::new(),
            most_in_a_window: 0,
            opened: 0,
            closed: 0,
            was_unwell: false,
            health: HealthStatus::Unhealthy,
            counts: Counts::default(),
            failures: 0,
        }
    }

    /// Reads notes until then.
    pub(super) async fn listen(&mut self, node: &Node, until: embassy_time::Instant) {
        let mut end = Timer::at(until);
        while let Either::First(note) = select(node.journal.next(), &mut end).await {
            self.take(note);
        }
    }

    fn take(&mut self, note: Note) {
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
                self.health = seen.status;
                self.was_unwell |= seen.status != HealthStatus::Healthy;
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
    pub(super) fn verdict(mut self, flood: Tally) -> bool {
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
        self.check(self.issued == self.ended && self.issued > 0, "each request ended, and once");
        defmt::info!("    {=u64} issued, {=u64} ended", self.issued, self.ended);
        self.check(self.ends[AT_FIRST].served(80), "at first 80 % are served");
        self.judge_flood(flood);
        let limit = LIMIT.max_requests();
        self.check(self.most_in_a_window <= limit as usize, "the peer was never above its limit");
        defmt::info!("    {=usize} of {=u32} in a window", self.most_in_a_window, limit);
        let (opened, closed) = (self.opened, self.closed);
        self.check(opened > 0 && closed > 0, "the silence opened the breaker, a probe closed it");
        defmt::info!("    opened {=u32} times, closed {=u32} times", opened, closed);
        let is_well = self.health == HealthStatus::Healthy;
        self.check(self.was_unwell && is_well, "health got worse, and recovered");
        self.check(self.ends[AT_THE_END].served(80), "at the end 80 % are served again");
        let Counts { limited, held, retries, reconnects, served, late, .. } = self.counts;
        defmt::info!(
            "served {=u64}, limited {=u64}; held back {=u64}, retried {=u64}, reconnected {=u64}, {=u64} answers late",
            served,
            limited,
            held,
            retries,
            reconnects,
            late
        );
        self.failures == 0
    }

    fn judge_flood(&mut self, flood: Tally) {
        match self.role {
            Role::Floods => {
                let Tally { sent, served, refused, unclear } = flood;
                self.check(
                    refused * 2 > sent,
                    "most of the flood is refused, with when to come back",
                );
                defmt::info!(
                    "    of {=u32}: {=u32} refused, {=u32} served, {=u32} refused without a time",
                    sent,
                    refused,
                    served,
                    unclear
                );
                self.check(unclear == 0, "every refusal says when to come back");
            }
            Role::FallsSilent => {
                self.check(self.counts.limited > 100, "the flood is limited here");
                self.check(self.ends[FLOOD].served(80), "80 % of my own are served meanwhile");
            }
        }
    }

    fn check(&mut self, holds: bool, what: &'static str) {
        if holds {
            defmt::info!("PASS {=str}", what);
        } else {
            defmt::error!("FAIL {=str}", what);
            self.failures += 1;
        }
    }
}
