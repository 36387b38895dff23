//! What machines that lend permits have in common: who holds one may tell it back, lose it, or outlive a reset
//! with it; and the laws that all of them keep.

use super::search::{Clock, SILENT, Turn, Verdict, World, claim};
use core::fmt::Debug;
use resil_core::outcome::Rejected;
use resil_core::{Instant, Outcome};

/// What happens to a machine and to those who ask it for permits; `A` is what they ask for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Input<A> {
    Pass,
    /// To the instant at which something changes by itself.
    Deadline,
    StepBack(u64),
    Ask(A),
    Tell(usize, Outcome),
    Lose(usize),
    Reset,
}

/// What it answers to who asks, and to who tells back.
#[derive(Debug)]
pub(super) enum Answer<A, R> {
    Asked(A),
    Told(R),
    Nothing,
}

impl<A> Input<A> {
    /// What can happen at any time.
    pub(super) fn always(clock: &Clock, deadline: Option<Instant>) -> Vec<Self> {
        let mut inputs = vec![Self::Pass, Self::Reset];
        inputs.extend(deadline.map(|_| Self::Deadline));
        inputs.extend(clock.may_go_back().map(Self::StepBack));
        inputs
    }

    /// What can happen to each of so many permits that are out.
    pub(super) fn to_permits(out: usize, may_be_lost: bool) -> impl Iterator<Item = Self> {
        (0..out).flat_map(move |place| {
            let told = super::OUTCOMES.map(|outcome| Self::Tell(place, outcome));
            told.into_iter().chain(may_be_lost.then_some(Self::Lose(place)))
        })
    }

    /// What it does to the clock, of which a tick passes.
    pub(super) fn turn_clock(&self, clock: &mut Clock, tick: u64, deadline: Option<Instant>) {
        match self {
            Self::Pass => clock.forward(tick),
            Self::Deadline => {
                clock.forward(deadline.expect("there is one").as_nanos() - clock.now);
            }
            Self::StepBack(by) => clock.back(*by),
            Self::Ask(_) | Self::Tell(..) | Self::Lose(_) | Self::Reset => {}
        }
    }
}

/// A world of a machine that lends permits.
pub(super) trait Lending: World {
    type State: PartialEq + Debug;

    fn state(&self) -> &Self::State;

    /// Where a permit was told back: whether it was one of before a reset, and whether the machine says so.
    fn told(turn: &Turn<'_, Self>) -> Option<(bool, bool)>;
}

/// One that says beforehand what it would answer.
pub(super) trait Foreseen: Lending {
    /// Where a permit was asked for: what `peek` had said, and what the answer was.
    fn asked(turn: &Turn<'_, Self>) -> Option<[Result<(), Rejected>; 2]>;
}

pub(super) fn what_is_stale_changes_nothing<W: Lending>(turn: &Turn<'_, W>) -> Verdict {
    let Some((is_stale, is_told_so)) = W::told(turn) else { return SILENT };
    let is_same = turn.before.state() == turn.after.state();
    let holds = is_stale == is_told_so && (is_same || !is_stale);
    claim(holds, || format!("stale: {is_stale}, told so: {is_told_so}"))
}

pub(super) fn a_refusal_changes_nothing<W: Foreseen>(turn: &Turn<'_, W>) -> Verdict {
    let Some([_, Err(_)]) = W::asked(turn) else { return SILENT };
    claim(turn.before.state() == turn.after.state(), || format!("{:?}", turn.after.state()))
}

pub(super) fn peek_says_what_asking_answers<W: Foreseen>(turn: &Turn<'_, W>) -> Verdict {
    let Some([peeked, asked]) = W::asked(turn) else { return SILENT };
    claim(peeked == asked, || format!("{peeked:?}, then {asked:?}"))
}
