//! What faults do to nodes.

use super::{PAUSE, World};
use crate::endurance::clock::WRONGEST;
use crate::endurance::event::Event;
use crate::endurance::faults::Class;
use crate::endurance::reboot::{Reboot, reboot};
use core::time::Duration;
use resil_core::Instant;

/// The furthest that a clock is set.
const FURTHEST: u64 = 30_000_000_000;

impl World {
    pub(super) fn begin_fault(&mut self, number: usize, now: Instant) {
        self.network.begin(number);
        let fault = self.network.faults[number].clone();
        if fault.class == Class::Flood {
            return self.agenda.add(now, Event::Flood { fault: number as u32, number: 0 });
        }
        for node in 0..self.nodes.len() {
            if fault.hits(node) && self.nodes[node].down_since.is_none() {
                self.befall(node, fault.class, fault.draw_for(node), fault.to, now);
            }
        }
    }

    /// What the beginning of a fault does to a node.
    fn befall(&mut self, number: usize, class: Class, drawn: u64, to: Instant, now: Instant) {
        let node = &mut self.nodes[number];
        let local = node.clock.show(now);
        let step = Duration::from_nanos(1_000_000 + drawn % FURTHEST);
        match class {
            Class::CrashSnapshot | Class::CrashBlank | Class::CrashDamaged => {
                node.down_since = Some(now);
                self.stopped[number] = None;
                self.die(number);
                return;
            }
            Class::ClockRate => {
                let rate = (drawn % (2 * WRONGEST as u64)) as i32 - WRONGEST;
                node.clock.run_at(rate, now);
            }
            Class::StepBack => {
                node.clock.set(local.saturating_sub(step), now);
                node.steps_back += 1;
            }
            Class::StepAhead => node.clock.set(local.saturating_add(step), now),
            Class::Suspend | Class::Freeze => {
                if class == Class::Freeze && node.still_until.is_reached(now) {
                    self.stopped[number] = Some(local);
                }
                let from = if node.still_until.is_reached(now) { now } else { node.still_until };
                node.stood_still += to.saturating_since(from);
                if to.saturating_since(from) > Duration::ZERO {
                    (node.still_until, node.still_by) = (to, class);
                }
                return;
            }
            _ => return,
        }
        self.network.hit(class);
        self.wake(number, now);
    }

    /// The calls of a node are gone.
    fn die(&mut self, node: usize) {
        let of_node = self.calls.iter().filter(|(_, _, call)| call.node == node);
        let places: Vec<u32> = of_node.map(|(place, ..)| place).collect();
        for place in places {
            self.calls.remove(place);
            self.report.died += 1;
        }
    }

    /// The clock of a node was set: whoever waits looks at it.
    fn wake(&mut self, node: usize, now: Instant) {
        let of_node = self.calls.iter().filter(|(_, _, call)| call.node == node);
        let waiting: Vec<_> = of_node.map(|(place, turn, _)| (place, turn)).collect();
        for (place, turn) in waiting {
            self.happen(Event::Poll { node: node as u32, place, turn }, now);
        }
    }

    pub(super) fn end_fault(&mut self, number: usize, now: Instant) {
        self.network.end(number);
        let fault = self.network.faults[number].clone();
        for node in 0..self.nodes.len() {
            if fault.hits(node) {
                self.recover(node, fault.class, (fault.from, fault.draw_for(node)), now);
            }
        }
    }

    /// What the end of a fault does to a node.
    fn recover(
        &mut self,
        number: usize,
        class: Class,
        (from, drawn): (Instant, u64),
        now: Instant,
    ) {
        let how = match class {
            Class::CrashSnapshot => Reboot::FromSnapshot,
            Class::CrashBlank => Reboot::Blank,
            Class::CrashDamaged => Reboot::Damaged,
            Class::ClockRate => {
                self.nodes[number].clock.run_at(0, now);
                return;
            }
            Class::Suspend | Class::Freeze => return self.go_on(number, class, now),
            _ => return,
        };
        let node = &mut self.nodes[number];
        if node.down_since != Some(from) {
            return; // it died of something else
        }
        // The clock of a node that has rebooted begins anew.
        let shows = Instant::from_nanos(drawn % 1_000_000_000);
        reboot(node, &self.checks, how, drawn, shows, now);
        self.network.hit(class);
        let life = self.nodes[number].life;
        let first = now.saturating_add(Duration::from_nanos(drawn % PAUSE));
        self.agenda.add(first, Event::Request { node: number as u32, life });
    }

    /// A node that has stood still goes on, unless it stands still for another reason.
    fn go_on(&mut self, number: usize, class: Class, now: Instant) {
        let node = &mut self.nodes[number];
        if node.down_since.is_some() {
            return;
        }
        if class == Class::Freeze
            && let Some(shows) = self.stopped[number].take()
        {
            node.clock.set(shows, now);
        }
        let local = node.clock.show(now);
        let heartbeat = &self.checks.policies.heartbeat;
        for peer in &mut node.peers {
            heartbeat.resume(&mut peer.heartbeat, local);
        }
    }
}
