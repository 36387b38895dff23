//! Requests at the node that is asked.

use super::World;
use crate::endurance::event::{Attempt, Event};
use crate::endurance::faults::Class;
use crate::endurance::frame::{self, Answer};
use crate::endurance::node::Asker;
use crate::endurance::policy::DEADLINE;
use core::time::Duration;
use resil_core::Instant;
use resil_core::deadline::{WIRE_CONTEXT, WireContext};

/// What a node takes for a request: two hundred a second.
const SERVICE: Duration = Duration::from_millis(5);

/// From here on ids are of strangers.
const STRANGERS: u32 = 1 << 24;

impl World {
    pub(super) fn send_request(
        &mut self,
        from: usize,
        to: usize,
        attempt: Attempt,
        mut context: [u8; WIRE_CONTEXT],
        now: Instant,
    ) {
        let passage = self.network.carry(from, to, now);
        if let Some(drawn) = passage.garbled {
            frame::corrupt(&mut context, drawn);
        }
        let (to, from) = (to as u32, from as u32);
        for at in passage.arrivals.into_iter().flatten() {
            self.agenda.add(at, Event::Arrive { to, from, attempt, context });
        }
    }

    fn send_answer(
        &mut self,
        from: usize,
        to: u32,
        attempt: Attempt,
        mut answer: Answer,
        now: Instant,
    ) {
        if to >= STRANGERS {
            return; // nobody listens there
        }
        let passage = self.network.carry(from, to as usize, now);
        if let Some(drawn) = passage.garbled {
            frame::corrupt(&mut answer, drawn);
        }
        for at in passage.arrivals.into_iter().flatten() {
            self.agenda.add(at, Event::Answer { to, from: from as u32, attempt, answer });
        }
    }

    pub(super) fn arrive(
        &mut self,
        to: usize,
        from: u32,
        attempt: Attempt,
        context: &[u8],
        now: Instant,
    ) {
        let asker = match from.checked_sub(STRANGERS) {
            None => match self.number_of(from as usize, to) {
                Some(number) => Asker::Member(number),
                None => return,
            },
            Some(id) if (id as usize) < crate::endurance::watch::SPENT => Asker::Spent(id as usize),
            Some(_) => Asker::Stranger,
        };
        let node = &mut self.nodes[to];
        let Ok(context) = WireContext::decode(context) else { return };
        if node.down_since.is_some() {
            self.report.to_the_dead += 1;
            return;
        }
        let local = node.clock.show(now);
        // Whoever made it is told nothing when his deadline has come before the work can begin.
        let left =
            context.received(DEADLINE, local).deadline().remaining(local).unwrap_or(DEADLINE);
        let waits = node.busy_until.saturating_since(now);
        if left.is_zero() || self.checks.policies.recovers && waits >= left {
            return;
        }
        match node.take_in(&self.checks, from, asker, local) {
            Ok(Some(work)) => {
                let is_slow = self.network.suffers(to, Class::SlowPeer);
                let factor = is_slow.map_or(1, |fault| 20 + fault.draw_for(to) as u32 % 180);
                let began = if node.busy_until.is_reached(now) { now } else { node.busy_until };
                node.busy_until = began.saturating_add(SERVICE * factor);
                if factor > 1 {
                    self.network.hit(Class::SlowPeer);
                }
                let (node, life) = (to as u32, node.life);
                let event = Event::Served { node, life, work: work as u32, from, attempt };
                self.agenda.add(self.nodes[to].busy_until, event);
            }
            Ok(None) => {}
            Err(_) if from >= STRANGERS => self.network.hit(Class::Flood),
            Err(rejected) => {
                let answer = frame::refused(rejected, local);
                self.send_answer(to, from, attempt, answer, now);
            }
        }
    }

    pub(super) fn served(
        &mut self,
        number: usize,
        (life, work): (u32, usize),
        from: u32,
        attempt: Attempt,
        now: Instant,
    ) {
        let node = &mut self.nodes[number];
        if node.life != life || node.down_since.is_some() {
            return;
        }
        let local = node.clock.show(now);
        node.let_go(&self.checks, work, local);
        let lies = self.network.suffers(number, Class::LyingHints).is_some();
        let answer = if lies { self.lie() } else { frame::done() };
        self.send_answer(number, from, attempt, answer, now);
    }

    /// Never, in a century, at once, or in a while.
    fn lie(&mut self) -> Answer {
        let drawn = self.load.next();
        frame::refused_for(match drawn % 4 {
            0 => u64::MAX,
            1 => 100 * 365 * 86_400 * 1_000_000_000,
            2 => 0,
            _ => drawn % 10_000_000_000,
        })
    }

    /// Somebody sends a request under an id of his own invention; or again under one that has spent what
    /// it had.
    pub(super) fn flood(&mut self, fault: usize, number: u32, now: Instant) {
        let (is_over, dice) = {
            let fault = &self.network.faults[fault];
            (fault.to.is_reached(now), fault.dice.clone())
        };
        if is_over {
            return;
        }
        let again = Event::Flood { fault: fault as u32, number: number + 1 };
        self.agenda.add(now.saturating_add(Duration::from_millis(1)), again);
        // Up to four victims, one after the other.
        let victim = dice.fork(u64::from(number % 4)).next() as usize % self.nodes.len();
        let round = number / 4;
        let spent = crate::endurance::watch::SPENT as u32;
        let id = if round.is_multiple_of(4) { round / 4 % spent } else { spent + number };
        let attempt = Attempt { place: 0, turn: u32::MAX, number: 1 };
        let context = [1, 1, u8::MAX, 0, 0, 0];
        let (to, from) = (victim as u32, STRANGERS + id);
        self.happen(Event::Arrive { to, from, attempt, context }, now);
    }
}
