//! What becomes of messages on their way.

use super::faults::{CLASSES, Class, Fault, noise};
use core::time::Duration;
use resil_core::Instant;
use resil_core::chaos::{ChaosState, Fault as Hit, Partition, Stream};

/// One way, when nothing is wrong; and a millisecond more at most.
const LATENCY: Duration = Duration::from_millis(4);
const SPREAD: u64 = 1_000_000;
/// How much later a message is that one other overtakes.
const PLACE: Duration = Duration::from_millis(1);

/// The network, with the faults of a seed.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) faults: Vec<Fault>,
    /// Those that last.
    active: Vec<usize>,
    noise: Vec<ChaosState>,
    splits: Vec<Partition>,
    latency: Stream,
    /// How often a fault of each class has hit.
    pub(super) hits: [u64; CLASSES],
}

/// When a message arrives, once or twice, and the bits to flip in it.
#[derive(Debug, Default)]
pub(super) struct Passage {
    pub(super) arrivals: [Option<Instant>; 2],
    pub(super) garbled: Option<u64>,
}

impl Network {
    pub(super) fn new(mut dice: Stream) -> Self {
        let faults = Fault::schedule(dice.fork(1));
        let noise = faults.iter().map(|fault| ChaosState::new(fault.dice.fork(2))).collect();
        let splits = faults.iter().map(|fault| {
            let groups = 2 + (fault.draw_for(0) % 3) as u16;
            Partition::new(fault.draw_for(1), Duration::from_secs(60), 1_000_000, groups)
                .expect("a partition of two to four groups")
        });
        let splits = splits.collect();
        let latency = Stream::new(dice.next());
        Self { faults, active: Vec::new(), noise, splits, latency, hits: [0; CLASSES] }
    }

    pub(super) fn begin(&mut self, fault: usize) {
        self.active.push(fault);
    }

    pub(super) fn end(&mut self, fault: usize) {
        self.active.retain(|active| *active != fault);
    }

    pub(super) fn hit(&mut self, class: Class) {
        self.hits[class as usize] += 1;
    }

    /// The fault of a class that a node suffers from.
    pub(super) fn suffers(&self, node: usize, class: Class) -> Option<&Fault> {
        let mut active = self.active.iter().map(|fault| &self.faults[*fault]);
        active.find(|fault| fault.class == class && fault.hits(node))
    }

    /// What becomes of a message.
    pub(super) fn carry(&mut self, from: usize, to: usize, now: Instant) -> Passage {
        let spread = Duration::from_nanos(self.latency.next() % SPREAD);
        let mut arrives = now.saturating_add(LATENCY + spread);
        let (mut again, mut garbled) = (None, None);
        for index in 0..self.active.len() {
            let number = self.active[index];
            let fault = &self.faults[number];
            let is_hit = match fault.class {
                Class::Partition => {
                    self.splits[number].is_cut(from as u64, to as u64, Instant::EPOCH)
                }
                Class::Loss | Class::Duplication | Class::Disorder | Class::Corruption => {
                    fault.hits_link(from, to)
                }
                Class::OneWay => fault.hits_link(from, to),
                _ => false,
            };
            if !is_hit {
                continue;
            }
            let class = fault.class;
            let hit = match noise(class) {
                Some(policy) => policy.inject(&mut self.noise[number]),
                None => Hit::Drop,
            };
            match hit {
                Hit::None | Hit::ClockStep { .. } => continue,
                Hit::Drop => {
                    self.hit(class);
                    return Passage::default();
                }
                Hit::Delay { .. } => arrives = hit.until(arrives),
                Hit::Reorder { places } => {
                    arrives = arrives.saturating_add(PLACE * u32::from(places));
                }
                Hit::Duplicate => again = Some(arrives.saturating_add(PLACE)),
                _ => garbled = Some(self.latency.next()),
            }
            self.hit(class);
        }
        Passage { arrivals: [Some(arrives), again], garbled }
    }
}
