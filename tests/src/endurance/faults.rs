//! Which faults a seed has, where, and for how long.

use core::time::Duration;
use resil_core::Instant;
use resil_core::chaos::{ChaosPolicy, Stream};
use resil_core::valid;

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Class {
    /// Nodes die; when they are back, they go on from a snapshot.
    CrashSnapshot,
    /// Nodes die, and know nothing when they are back.
    CrashBlank,
    /// Nodes die, and what they find when they are back is damaged.
    CrashDamaged,
    /// The network is in parts that do not reach each other.
    Partition,
    /// Links carry in one direction only.
    OneWay,
    /// Messages are lost.
    Loss,
    /// Messages arrive twice.
    Duplication,
    /// Messages are late, and overtake each other.
    Disorder,
    /// Bits of messages are flipped.
    Corruption,
    /// Clocks run too fast or too slow, by a tenth at most.
    ClockRate,
    /// Clocks are set back.
    StepBack,
    /// Clocks are set ahead.
    StepAhead,
    /// Nodes stand still while their clocks run on.
    Suspend,
    /// Nodes stand still, and their clocks with them.
    Freeze,
    /// Nodes take long to answer.
    SlowPeer,
    /// Nodes refuse what they could do, and say never, in a century or at once.
    LyingHints,
    /// Somebody sends requests under ids that nobody has seen before.
    Flood,
}

/// Classes of faults.
pub const CLASSES: usize = 17;

impl Class {
    /// All of them.
    pub const ALL: [Self; CLASSES] = [
        Self::CrashSnapshot,
        Self::CrashBlank,
        Self::CrashDamaged,
        Self::Partition,
        Self::OneWay,
        Self::Loss,
        Self::Duplication,
        Self::Disorder,
        Self::Corruption,
        Self::ClockRate,
        Self::StepBack,
        Self::StepAhead,
        Self::Suspend,
        Self::Freeze,
        Self::SlowPeer,
        Self::LyingHints,
        Self::Flood,
    ];

    /// What is counted when a fault of this class has hit.
    #[must_use]
    pub const fn hits(self) -> &'static str {
        match self {
            Self::CrashSnapshot => "reboots from a snapshot",
            Self::CrashBlank => "reboots without one",
            Self::CrashDamaged => "damaged snapshots refused",
            Self::Partition => "messages cut off by a partition",
            Self::OneWay => "messages cut off one way",
            Self::Loss => "messages lost",
            Self::Duplication => "messages doubled",
            Self::Disorder => "messages late or overtaken",
            Self::Corruption => "messages corrupted",
            Self::ClockRate => "clocks too fast or slow",
            Self::StepBack => "clocks set back",
            Self::StepAhead => "clocks set ahead",
            Self::Suspend => "events slept through, clock on",
            Self::Freeze => "events slept through, clock off",
            Self::SlowPeer => "requests served slowly",
            Self::LyingHints => "lies believed to be refusals",
            Self::Flood => "requests of a flood refused",
        }
    }

    /// How many nodes in a thousand it may hit at once.
    const fn widest(self) -> u64 {
        match self {
            Self::CrashSnapshot | Self::CrashBlank | Self::CrashDamaged => 150,
            Self::SlowPeer | Self::LyingHints | Self::Suspend | Self::Freeze => 200,
            _ => 1_000,
        }
    }
}

/// When the first fault begins, and when the last one is over.
pub(super) const FAULTS: [Duration; 2] = [Duration::from_secs(4), Duration::from_secs(34)];

/// One fault.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) class: Class,
    pub(super) from: Instant,
    pub(super) to: Instant,
    /// The part of the 2^32 numbers that nodes draw who are hit.
    share: u64,
    /// What else is drawn for it.
    pub(super) dice: Stream,
}

impl Fault {
    /// The faults of a seed: of each class one or two.
    pub(super) fn schedule(mut dice: Stream) -> Vec<Self> {
        let mut faults = Vec::new();
        for class in Class::ALL {
            for number in 0..1 + (dice.next() & 1) {
                faults.push(Self::draw(class, dice.fork(number ^ class as u64), &mut dice));
            }
        }
        faults
    }

    fn draw(class: Class, own: Stream, dice: &mut Stream) -> Self {
        let [begin, end] = FAULTS.map(|at| at.as_nanos() as u64);
        let from = begin + dice.next() % (end - begin - 1_000_000_000);
        let length = 1_000_000_000 + dice.next() % 7_000_000_000;
        let share = (class.widest() << 32) / 1_000 * (1 + dice.next() % 8) / 8;
        let to = (from + length).min(end);
        let [from, to] = [from, to].map(Instant::from_nanos);
        Self { class, from, to, share, dice: own }
    }

    /// Whether a node is hit. The same every time it is asked.
    pub(super) fn hits(&self, node: usize) -> bool {
        self.dice.fork(node as u64).next() >> 32 < self.share
    }

    /// Whether messages from one node to another are, of those that links are hit by.
    pub(super) fn hits_link(&self, from: usize, to: usize) -> bool {
        self.dice.fork((from as u64) << 32 | to as u64).next() >> 32 < self.share
    }

    /// A number of its own for each node.
    pub(super) fn draw_for(&self, node: usize) -> u64 {
        self.dice.fork(!(node as u64)).next()
    }
}

/// What links do to messages while a fault of the class lasts.
pub(super) const fn noise(class: Class) -> Option<&'static ChaosPolicy> {
    const NONE: resil_core::chaos::ChaosPolicyBuilder = ChaosPolicy::builder().errors(0);
    const LATE: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(700)];
    static LOSS: ChaosPolicy = valid!(NONE.drops(600_000).bursts(50_000, 100_000).build());
    static DUPLICATION: ChaosPolicy = valid!(NONE.duplicates(500_000).build());
    static DISORDER: ChaosPolicy =
        valid!(NONE.delays(300_000, LATE[0], LATE[1]).reorders(300_000, 50).build());
    static CORRUPTION: ChaosPolicy = valid!(NONE.errors(300_000).build());
    match class {
        Class::Loss => Some(&LOSS),
        Class::Duplication => Some(&DUPLICATION),
        Class::Disorder => Some(&DISORDER),
        Class::Corruption => Some(&CORRUPTION),
        _ => None,
    }
}
