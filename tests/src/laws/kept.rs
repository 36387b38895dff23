//! What a snapshot restores is a machine like any other, and the laws hold for it too.
//!
//! Bytes come from a flash that forgets, or from somebody who writes them: a checksum finds accidents, and
//! whoever knows it makes one that is right. So the payload here is any bytes, and the frame around it good.

use super::{Known, Look, Run, START, Subject, Turn};
use core::fmt::Debug;
use resil_core::snapshot::Persist;
use resil_core::{Instant, Outcome};

/// A snapshot of `policy`'s machine with this payload, cut or filled with zeros.
#[must_use]
pub fn sealed<P: Persist>(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![P::KIND, P::VERSION];
    bytes.extend(payload.iter().chain(core::iter::repeat(&0)).take(P::PAYLOAD));
    let sum = crc_16_ibm_3740(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

/// The checksum of a snapshot, bit by bit.
#[must_use]
pub fn crc_16_ibm_3740(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |sum, &byte| {
        (0..8).fold(sum ^ (u16::from(byte) << 8), |sum, _| {
            if sum & 0x8000 == 0 { sum << 1 } else { (sum << 1) ^ 0x1021 }
        })
    })
}

/// What restores is a state that this policy can have: it can be saved and restores again.
///
/// # Panics
///
/// Where it does not hold.
pub fn restores<P: Persist>(policy: &P, bytes: &[u8], now: Instant) -> Option<P::State>
where
    P::State: Debug,
{
    let restored = policy.restore(bytes, now).ok()?;
    let mut again = vec![0; P::LEN];
    assert_eq!(policy.save(&restored, now, &mut again), Ok(P::LEN));
    let twice = policy.restore(&again, now);
    assert!(twice.is_ok(), "{restored:?} is saved as what is {twice:?}");
    Some(restored)
}

/// A machine that can be restored.
pub trait Kept: Subject {
    /// What its snapshots are of.
    type Policy: Persist<State: Debug>;

    /// The policy.
    fn policy(&self) -> &Self::Policy;

    /// How often one can ask of it at one instant, where its state has a say in that.
    fn capacity(&self, _machine: &Self::Machine) -> Option<u32> {
        self.known().capacity
    }

    /// The state of a machine.
    fn state<'m>(&self, machine: &'m Self::Machine) -> &'m <Self::Policy as Persist>::State;

    /// The machine in this state.
    fn with_state(&self, state: <Self::Policy as Persist>::State) -> Self::Machine;
}

/// Where to write what.
pub type Damage = (usize, u8);

/// The payload of a machine after these operations, damaged.
///
/// # Panics
///
/// When it cannot be saved.
pub fn payload<S: Kept>(subject: &S, turns: &[Turn], damage: &[Damage]) -> Vec<u8> {
    let run = Run::of(subject, turns);
    let mut bytes = vec![0; S::Policy::LEN];
    let state = subject.state(&run.machine);
    subject.policy().save(state, run.now, &mut bytes).expect("there is room for it");
    let mut payload = bytes[2..][..S::Policy::PAYLOAD].to_vec();
    for &(place, byte) in damage {
        payload[place % S::Policy::PAYLOAD] = byte;
    }
    payload
}

/// A machine that is not fresh but was restored when it [starts](START).
#[derive(Debug)]
pub struct Restored<'a, S: Subject> {
    subject: &'a S,
    machine: S::Machine,
}

impl<'a, S: Kept> Restored<'a, S> {
    /// One with this payload, if that is one.
    ///
    /// # Panics
    ///
    /// When it is, and cannot be saved and restored again.
    pub fn of(subject: &'a S, payload: &[u8]) -> Option<Self> {
        let state = restores(subject.policy(), &sealed::<S::Policy>(payload), START)?;
        Some(Self { subject, machine: subject.with_state(state) })
    }
}

impl<'a, S: Kept> Subject for Restored<'a, S> {
    type Machine = S::Machine;
    type Held = S::Held;

    fn known(&self) -> Known {
        let capacity = self.subject.capacity(&self.machine);
        Known { capacity, ..self.subject.known() }
    }

    fn fresh(&self, _: Instant) -> S::Machine {
        self.machine.clone()
    }

    fn ask(&self, machine: &mut S::Machine, entropy: u32, now: Instant) -> Option<S::Held> {
        self.subject.ask(machine, entropy, now)
    }

    fn tell(&self, machine: &mut S::Machine, held: S::Held, outcome: Outcome, now: Instant) {
        self.subject.tell(machine, held, outcome, now);
    }

    fn other(&self, machine: &mut S::Machine, choice: u64, now: Instant) {
        self.subject.other(machine, choice, now);
    }

    fn settle_clock(&self, machine: &mut S::Machine, now: Instant) {
        self.subject.settle_clock(machine, now);
    }

    fn mend(&self, machine: &mut S::Machine, now: Instant) {
        self.subject.mend(machine, now);
    }

    fn answers(&self, machine: &S::Machine, now: Instant) -> impl Look + use<'a, S> {
        self.subject.answers(machine, now)
    }

    fn gradual(&self, machine: &S::Machine, now: Instant) -> impl Look + use<'a, S> {
        self.subject.gradual(machine, now)
    }

    fn next_deadline(&self, machine: &S::Machine, now: Instant) -> Option<Instant> {
        self.subject.next_deadline(machine, now)
    }
}
