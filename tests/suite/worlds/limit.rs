//! What adaptive limits have in common, whatever they learn from: up to three calls in flight, and the laws of
//! every concurrency limit.

use super::lending::{self, Foreseen, Lending};
use super::search::{Clock, SILENT, Turn, Verdict, World, claim, number_after, relative};
use core::fmt::Debug;
use resil_core::adaptive::{ConcurrencyLimit, Permit, Recorded};
use resil_core::outcome::Rejected;
use resil_core::{Entropy, Instant, Outcome};

pub(super) type Input = lending::Input<()>;
pub(super) type Answer = lending::Answer<Result<(), Rejected>, Recorded>;

/// A permit that is out, and what its world has noted of it; a copy is issued by the same state again.
#[derive(Debug)]
pub(super) struct Lent<L: ConcurrencyLimit + 'static, N> {
    policy: &'static L,
    before: L::State,
    pub(super) at: Instant,
    pub(super) permit: Permit,
    pub(super) is_stale: bool,
    pub(super) note: N,
}

impl<L: ConcurrencyLimit, N: Copy> Clone for Lent<L, N> {
    fn clone(&self) -> Self {
        let before = self.before.clone();
        let permit = self.policy.try_acquire(&mut before.clone(), 0, self.at).expect("it was");
        Self { before, permit, ..*self }
    }
}

/// A limit, those who share it, and a clock.
#[derive(Clone, Debug)]
pub(super) struct Shared<L: ConcurrencyLimit + 'static, N: Copy> {
    policy: &'static L,
    pub(super) state: L::State,
    pub(super) lent: Vec<Lent<L, N>>,
    pub(super) lost: u16,
    pub(super) clock: Clock,
    tick: u64,
}

impl<L: ConcurrencyLimit, N: Copy> Shared<L, N> {
    pub(super) fn new(policy: &'static L, tick: u64, reach: u64) -> Self {
        let (state, clock) = (policy.start(), Clock::new(reach));
        Self { policy, state, lent: Vec::new(), lost: 0, clock, tick }
    }

    pub(super) fn limit(&self) -> u16 {
        self.policy.limit(&self.state, self.clock.instant())
    }

    pub(super) fn out(&self) -> u16 {
        self.lent.iter().filter(|lent| !lent.is_stale).count() as u16 + self.lost
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.policy.next_deadline(&self.state, self.clock.instant())
    }

    pub(super) fn ask(&mut self, entropy: impl Entropy, note: N) -> Result<(), Rejected> {
        let (before, at) = (self.state.clone(), self.clock.instant());
        let permit = self.policy.try_acquire(&mut self.state, entropy, at)?;
        let policy = self.policy;
        self.lent.push(Lent { policy, before, at, permit, is_stale: false, note });
        Ok(())
    }

    pub(super) fn inputs(&self) -> Vec<Input> {
        let mut inputs = Input::always(&self.clock, self.deadline());
        inputs.extend((self.lent.len() < 3).then_some(Input::Ask(())));
        inputs.extend(Input::to_permits(self.lent.len(), self.lost == 0));
        inputs
    }

    /// What happens without an answer.
    pub(super) fn happens(&mut self, input: Input) {
        match input {
            Input::Lose(place) => self.lost += u16::from(!self.lent.remove(place).is_stale),
            Input::Reset => {
                self.policy.reset(&mut self.state);
                self.lent.iter_mut().for_each(|lent| lent.is_stale = true);
                self.lost = 0;
            }
            _ => {
                let deadline = self.deadline();
                input.turn_clock(&mut self.clock, self.tick, deadline);
            }
        }
    }

    /// A permit by what is left of it: when it was issued, as far back as `memory`, and whether in the round
    /// that is on.
    pub(super) fn shape_of(&self, lent: &Lent<L, N>, memory: u64) -> Option<(String, bool)> {
        if lent.is_stale {
            return None;
        }
        let at = lent.at.as_nanos().to_string();
        let at = relative(&at, self.clock.now, self.clock.floor(memory));
        let of = |text: String| number_after(&text, "round: ").map(str::to_owned);
        let is_of_this_round = of(format!("{:?}", lent.permit)) == of(format!("{:?}", self.state));
        Some((at, is_of_this_round))
    }

    pub(super) fn phase(&self) -> &'static str {
        if self.out() >= self.limit() { "full" } else { "room" }
    }
}

/// What a diagram calls an input.
pub(super) fn class(input: Input) -> &'static str {
    match input {
        Input::Pass | Input::Deadline | Input::StepBack(_) => "time",
        Input::Ask(()) => "ask",
        Input::Tell(_, Outcome::Success) => "success",
        Input::Tell(_, Outcome::Failure(_)) => "failure",
        Input::Tell(_, Outcome::Ignored | Outcome::Abandoned) => "says nothing",
        Input::Lose(_) => "lost",
        Input::Reset => "reset",
    }
}

/// A world of a limit that is shared.
pub(super) trait Limited: World<Input = Input, Answer = Answer> {
    type Limit: ConcurrencyLimit<State: PartialEq> + 'static;
    type Note: Copy;

    /// The least and the most that it may become.
    const BOUNDS: (u16, u16);

    fn shared(&self) -> &Shared<Self::Limit, Self::Note>;

    /// Whether the peer has said nothing by the end of this call, which is not of before a reset.
    fn says_nothing(&self, lent: &Lent<Self::Limit, Self::Note>, outcome: Outcome) -> bool;
}

impl<W: Limited> Lending for W {
    type State = <W::Limit as ConcurrencyLimit>::State;

    fn state(&self) -> &Self::State {
        &self.shared().state
    }

    fn told(turn: &Turn<'_, Self>) -> Option<(bool, bool)> {
        let (Input::Tell(place, _), Answer::Told(recorded)) = (turn.input, turn.answer) else {
            return None;
        };
        Some((turn.before.shared().lent[place].is_stale, *recorded == Recorded::Stale))
    }
}

impl<W: Limited> Foreseen for W {
    fn asked(turn: &Turn<'_, Self>) -> Option<[Result<(), Rejected>; 2]> {
        let Answer::Asked(asked) = turn.answer else { return None };
        let Shared { policy, state, clock, .. } = turn.before.shared();
        Some([policy.peek(state, clock.instant()), *asked])
    }
}

pub(super) fn in_flight_are_the_permits_handed_out<W: Limited>(turn: &Turn<'_, W>) -> Verdict {
    let shared = turn.after.shared();
    let (in_flight, out) = (shared.policy.in_flight(&shared.state), shared.out());
    claim(in_flight == out, || format!("{in_flight} are in flight, {out} are out"))
}

pub(super) fn an_admission_stays_within_the_limit<W: Limited>(turn: &Turn<'_, W>) -> Verdict {
    let Answer::Asked(asked) = turn.answer else { return SILENT };
    let (out, limit) = (turn.before.shared().out(), turn.before.shared().limit());
    claim(asked.is_ok() == (out < limit), || format!("{asked:?} with {out} out"))
}

pub(super) fn the_limit_stays_within_its_bounds<W: Limited>(turn: &Turn<'_, W>) -> Verdict {
    let (limit, (least, most)) = (turn.after.shared().limit(), W::BOUNDS);
    claim((least..=most).contains(&limit), || limit.to_string())
}

pub(super) fn what_says_nothing_moves_nothing<W: Limited>(turn: &Turn<'_, W>) -> Verdict {
    let (Input::Tell(place, outcome), Answer::Told(recorded)) = (turn.input, turn.answer) else {
        return SILENT;
    };
    let (before, after) = (turn.before.shared(), turn.after.shared());
    let lent = &before.lent[place];
    if lent.is_stale || !turn.before.says_nothing(lent, outcome) {
        return SILENT;
    }
    let is_same = before.limit() == after.limit() && *recorded == Recorded::Released;
    claim(is_same, || format!("{recorded:?}"))
}
