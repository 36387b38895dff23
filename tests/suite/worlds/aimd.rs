//! An adaptive limit of one to three calls, with up to three of them in flight.

use super::lending::{
    a_refusal_changes_nothing, peek_says_what_asking_answers, what_is_stale_changes_nothing,
};
use super::limit::{
    self, Answer, Input, Limited, Shared, an_admission_stays_within_the_limit,
    in_flight_are_the_permits_handed_out, the_limit_stays_within_its_bounds,
    what_says_nothing_moves_nothing,
};
use super::search::{Law, SILENT, Turn, Verdict, World, claim, laws};
use core::time::Duration;
use resil_core::adaptive::{Aimd, ConcurrencyLimit, Permit, Recorded};
use resil_core::outcome::{FailureClass, Rejected};
use resil_core::{Outcome, Ratio, valid};

/// From 2, between 1 and 3, two thirds after a loss; 2 ns are too slow.
const LIMIT: Aimd = valid!(
    Aimd::builder()
        .initial_limit(2)
        .max_limit(3)
        .decrease(Ratio::new(2, 3))
        .utilisation(Ratio::new(2, 3))
        .timeout(Duration::from_nanos(2))
        .build()
);

/// Another one, to issue permits for what is planted.
const ROOMY: Aimd = valid!(Aimd::builder().min_limit(9).initial_limit(9).max_limit(9).build());

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// Calls of before the last cut cut again.
    EveryLossCuts,
    /// Who asks for little makes the limit grow.
    GrowsIdle,
    /// An ignored call stays in flight.
    LeakedPermit,
}

/// What is known of a permit that is out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note {
    /// In flight when it was issued, itself included.
    in_flight: u16,
    /// Whether the limit was cut since.
    is_of_before_a_cut: bool,
}

type Lent = limit::Lent<Aimd, Note>;

#[derive(Clone, Debug)]
pub(super) struct Adaptive {
    shared: Shared<Aimd, Note>,
    /// Successes that counted since the limit last changed.
    served: u16,
    planted: Option<Planted>,
}

impl Adaptive {
    pub(super) fn new(reach: u64, planted: Option<Planted>) -> Self {
        Self { shared: Shared::new(&LIMIT, 1, reach), served: 0, planted }
    }

    /// Whether telling a permit back says something about the peer: served well, or lost.
    fn sign(&self, lent: &Lent, outcome: Outcome) -> Option<bool> {
        use FailureClass::{Fatal, Local};
        let ran_for = self.shared.clock.now.saturating_sub(lent.at.as_nanos());
        let in_use = 3 * lent.note.in_flight >= 2 * self.shared.limit();
        match outcome {
            _ if lent.is_stale || lent.note.is_of_before_a_cut => None,
            Outcome::Ignored | Outcome::Abandoned | Outcome::Failure(Local | Fatal) => None,
            Outcome::Failure(_) => Some(false),
            Outcome::Success if ran_for >= 2 => Some(false),
            Outcome::Success => in_use.then_some(true),
        }
    }

    fn ask(&mut self) -> Result<(), Rejected> {
        let in_flight = self.shared.out() + 1;
        self.shared.ask(0, Note { in_flight, is_of_before_a_cut: false })
    }

    fn tell(&mut self, place: usize, outcome: Outcome) -> Recorded {
        let lent = self.shared.lent.remove(place);
        let (sign, limit) = (self.sign(&lent, outcome), self.shared.limit());
        let mut permit = lent.permit;
        match self.planted {
            Some(Planted::LeakedPermit) if outcome == Outcome::Ignored => {
                return Recorded::Released;
            }
            Some(Planted::EveryLossCuts)
                if !lent.is_stale && outcome == Outcome::Failure(FailureClass::Timeout) =>
            {
                permit = self.present(&permit);
            }
            Some(Planted::GrowsIdle) if outcome == Outcome::Success && !lent.is_stale => {
                permit = self.present(&permit);
            }
            _ => {}
        }
        let now = self.shared.clock.instant();
        let recorded = LIMIT.record(&mut self.shared.state, permit, outcome, 0, now);
        self.served += u16::from(sign == Some(true));
        if sign == Some(false) {
            self.shared.lent.iter_mut().for_each(|lent| lent.note.is_of_before_a_cut = true);
        }
        if sign == Some(false) || self.shared.limit() != limit || self.served >= limit {
            self.served = 0;
        }
        recorded
    }

    /// A permit like this one, but of the present, with all of the limit in use.
    fn present(&self, like: &Permit) -> Permit {
        let mut state = ROOMY.inherit(&LIMIT, &self.shared.state, self.shared.clock.instant());
        ROOMY.try_acquire(&mut state, 0, like.issued_at()).expect("it is roomy")
    }

    fn shape_of(&self, lent: &Lent) -> String {
        let Some(shape) = self.shared.shape_of(lent, 2) else { return "of before".to_owned() };
        format!("{shape:?} {:?}", lent.note)
    }
}

impl World for Adaptive {
    type Input = Input;
    type Answer = Answer;

    const LAWS: &'static [Law<Self>] = laws![
        in_flight_are_the_permits_handed_out,
        an_admission_stays_within_the_limit,
        the_limit_stays_within_its_bounds,
        a_refusal_changes_nothing,
        peek_says_what_asking_answers,
        only_a_round_of_successes_in_use_makes_it_grow,
        every_loss_that_counts_makes_it_shrink,
        what_says_nothing_moves_nothing,
        what_is_stale_changes_nothing,
    ];

    fn inputs(&self) -> Vec<Input> {
        self.shared.inputs()
    }

    fn apply(&mut self, input: Input) -> Answer {
        match input {
            Input::Ask(()) => return Answer::Asked(self.ask()),
            Input::Tell(place, outcome) => return Answer::Told(self.tell(place, outcome)),
            Input::Reset => self.served = 0,
            _ => {}
        }
        self.shared.happens(input);
        Answer::Nothing
    }

    fn shape(&self) -> String {
        let Shared { state, lent, lost, clock, .. } = &self.shared;
        let mut lent: Vec<_> = lent.iter().map(|lent| self.shape_of(lent)).collect();
        lent.sort();
        // What is left out are the two counters of before: of resets, and of cuts.
        let text = format!("{state:?}");
        let known = text.split(", epoch").next().unwrap_or_default();
        format!("{known} {lent:?} {lost} {} {}", self.served, clock.behind())
    }

    fn phase(&self) -> String {
        format!("limit {}, {}", self.shared.limit(), self.shared.phase())
    }

    fn class(&self, input: Input) -> &'static str {
        limit::class(input)
    }
}

impl Limited for Adaptive {
    type Limit = Aimd;
    type Note = Note;

    const BOUNDS: (u16, u16) = (LIMIT.min_limit(), LIMIT.max_limit());

    fn shared(&self) -> &Shared<Aimd, Note> {
        &self.shared
    }

    fn says_nothing(&self, lent: &Lent, outcome: Outcome) -> bool {
        self.sign(lent, outcome).is_none()
    }
}

/// What telling a permit back said about the peer.
fn told(turn: &Turn<'_, Adaptive>) -> Option<bool> {
    let Input::Tell(place, outcome) = turn.input else { return None };
    turn.before.sign(&turn.before.shared.lent[place], outcome)
}

fn limits(turn: &Turn<'_, Adaptive>) -> (u16, u16) {
    (turn.before.shared.limit(), turn.after.shared.limit())
}

fn only_a_round_of_successes_in_use_makes_it_grow(turn: &Turn<'_, Adaptive>) -> Verdict {
    let (from, to) = limits(turn);
    let has_earned = told(turn) == Some(true) && turn.before.served + 1 >= from;
    if matches!(turn.input, Input::Reset) || !has_earned && to <= from {
        return SILENT;
    }
    let expected = if has_earned { (from + 1).min(LIMIT.max_limit()) } else { from };
    claim(to == expected, || format!("{from} became {to} at {} served", turn.before.served))
}

fn every_loss_that_counts_makes_it_shrink(turn: &Turn<'_, Adaptive>) -> Verdict {
    let (from, to) = limits(turn);
    let is_loss = told(turn) == Some(false);
    if matches!(turn.input, Input::Reset) || !is_loss && to >= from {
        return SILENT;
    }
    let expected = if is_loss { (from * 2 / 3).min(from - 1).max(LIMIT.min_limit()) } else { from };
    claim(to == expected, || format!("{from} became {to}"))
}
