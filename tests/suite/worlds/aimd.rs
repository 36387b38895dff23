//! An adaptive limit of one to three calls, with up to three of them in flight.

use super::search::{
    Clock, Law, SILENT, Turn, Verdict, World, claim, laws, number_after, relative,
};
use core::time::Duration;
use resil_core::adaptive::{Aimd, AimdState, ConcurrencyLimit, Permit, Recorded};
use resil_core::outcome::{FailureClass, Rejected};
use resil_core::{Instant, Outcome, Ratio, valid};

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

#[derive(Clone, Copy, Debug)]
pub(super) enum Input {
    Pass,
    StepBack(u64),
    Ask,
    Tell(usize, Outcome),
    Lose(usize),
    Reset,
}

#[derive(Debug)]
pub(super) enum Answer {
    Asked(Result<(), Rejected>),
    Told(Recorded),
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// Calls of before the last cut cut again.
    EveryLossCuts,
    /// Who asks for little makes the limit grow.
    GrowsIdle,
    /// An ignored call stays in flight.
    LeakedPermit,
}

#[derive(Debug)]
struct Lent {
    before: AimdState,
    at: Instant,
    permit: Permit,
    /// In flight when it was issued, itself included.
    in_flight: u16,
    is_stale: bool,
    /// Whether the limit was cut since.
    is_of_before_a_cut: bool,
}

impl Clone for Lent {
    fn clone(&self) -> Self {
        let before = self.before.clone();
        let permit = LIMIT.try_acquire(&mut before.clone(), 0, self.at).expect("it was");
        Self { before, permit, ..*self }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Adaptive {
    state: AimdState,
    lent: Vec<Lent>,
    lost: u16,
    /// Successes that counted since the limit last changed.
    served: u16,
    clock: Clock,
    planted: Option<Planted>,
}

impl Adaptive {
    pub(super) fn new(reach: u64, planted: Option<Planted>) -> Self {
        let clock = Clock::new(reach);
        Self { state: LIMIT.start(), lent: Vec::new(), lost: 0, served: 0, clock, planted }
    }

    fn limit(&self) -> u16 {
        LIMIT.limit(&self.state, self.clock.instant())
    }

    fn out(&self) -> u16 {
        self.lent.iter().filter(|lent| !lent.is_stale).count() as u16 + self.lost
    }

    /// Whether telling a permit back says something about the peer: served well, or lost.
    fn sign(&self, lent: &Lent, outcome: Outcome) -> Option<bool> {
        use FailureClass::{Fatal, Local};
        let ran_for = self.clock.now.saturating_sub(lent.at.as_nanos());
        let in_use = 3 * lent.in_flight >= 2 * self.limit();
        match outcome {
            _ if lent.is_stale || lent.is_of_before_a_cut => None,
            Outcome::Ignored | Outcome::Abandoned | Outcome::Failure(Local | Fatal) => None,
            Outcome::Failure(_) => Some(false),
            Outcome::Success if ran_for >= 2 => Some(false),
            Outcome::Success => in_use.then_some(true),
        }
    }

    fn ask(&mut self) -> Result<(), Rejected> {
        let (before, at) = (self.state.clone(), self.clock.instant());
        let permit = LIMIT.try_acquire(&mut self.state, 0, at)?;
        let in_flight = self.out() + 1;
        let (is_stale, is_of_before_a_cut) = (false, false);
        self.lent.push(Lent { before, at, permit, in_flight, is_stale, is_of_before_a_cut });
        Ok(())
    }

    fn tell(&mut self, place: usize, outcome: Outcome) -> Recorded {
        let lent = self.lent.remove(place);
        let (sign, limit, now) = (self.sign(&lent, outcome), self.limit(), self.clock.instant());
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
        let recorded = LIMIT.record(&mut self.state, permit, outcome, 0, now);
        self.served += u16::from(sign == Some(true));
        if sign == Some(false) {
            self.lent.iter_mut().for_each(|lent| lent.is_of_before_a_cut = true);
        }
        if sign == Some(false) || self.limit() != limit || self.served >= limit {
            self.served = 0;
        }
        recorded
    }

    /// A permit like this one, but of the present, with all of the limit in use.
    fn present(&self, like: &Permit) -> Permit {
        let mut state = ROOMY.inherit(&LIMIT, &self.state, self.clock.instant());
        ROOMY.try_acquire(&mut state, 0, like.issued_at()).expect("it is roomy")
    }

    fn shape_of(&self, lent: &Lent) -> String {
        if lent.is_stale {
            return "of before".to_owned();
        }
        let at = lent.at.as_nanos().to_string();
        let at = relative(&at, self.clock.now, self.clock.floor(2));
        let of = |text: String| number_after(&text, "round: ").map(str::to_owned);
        let is_of_this_round = of(format!("{:?}", lent.permit)) == of(format!("{:?}", self.state));
        format!("{at} {} {is_of_this_round} {}", lent.in_flight, lent.is_of_before_a_cut)
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
        let mut inputs = vec![Input::Pass, Input::Reset];
        inputs.extend(self.clock.may_go_back().map(Input::StepBack));
        if self.lent.len() < 3 {
            inputs.push(Input::Ask);
        }
        for place in 0..self.lent.len() {
            inputs.extend(OUTCOMES.map(|outcome| Input::Tell(place, outcome)));
            if self.lost == 0 {
                inputs.push(Input::Lose(place));
            }
        }
        inputs
    }

    fn apply(&mut self, input: Input) -> Answer {
        match input {
            Input::Pass => self.clock.forward(1),
            Input::StepBack(by) => self.clock.back(by),
            Input::Ask => return Answer::Asked(self.ask()),
            Input::Tell(place, outcome) => return Answer::Told(self.tell(place, outcome)),
            Input::Lose(place) => self.lost += u16::from(!self.lent.remove(place).is_stale),
            Input::Reset => {
                LIMIT.reset(&mut self.state);
                self.lent.iter_mut().for_each(|lent| lent.is_stale = true);
                (self.lost, self.served) = (0, 0);
            }
        }
        Answer::Nothing
    }

    fn shape(&self) -> String {
        let mut lent: Vec<_> = self.lent.iter().map(|lent| self.shape_of(lent)).collect();
        lent.sort();
        // What is left out are the two counters of before: of resets, and of cuts.
        let text = format!("{:?}", self.state);
        let known = text.split(", epoch").next().unwrap_or_default();
        format!("{known} {lent:?} {} {} {}", self.lost, self.served, self.clock.behind())
    }

    fn phase(&self) -> String {
        let is_full = if self.out() >= self.limit() { "full" } else { "room" };
        format!("limit {}, {is_full}", self.limit())
    }

    fn class(&self, input: Input) -> &'static str {
        match input {
            Input::Pass | Input::StepBack(_) => "time",
            Input::Ask => "ask",
            Input::Tell(_, Outcome::Success) => "success",
            Input::Tell(_, Outcome::Failure(_)) => "failure",
            Input::Tell(_, Outcome::Ignored | Outcome::Abandoned) => "says nothing",
            Input::Lose(_) => "lost",
            Input::Reset => "reset",
        }
    }
}

const OUTCOMES: [Outcome; 8] = super::OUTCOMES;

fn told(turn: &Turn<'_, Adaptive>) -> Option<(Recorded, Option<bool>, bool)> {
    let (Input::Tell(place, outcome), Answer::Told(recorded)) = (turn.input, turn.answer) else {
        return None;
    };
    let lent = &turn.before.lent[place];
    Some((*recorded, turn.before.sign(lent, outcome), lent.is_stale))
}

fn in_flight_are_the_permits_handed_out(turn: &Turn<'_, Adaptive>) -> Verdict {
    let (in_flight, out) = (LIMIT.in_flight(&turn.after.state), turn.after.out());
    claim(in_flight == out, || format!("{in_flight} are in flight, {out} are out"))
}

fn an_admission_stays_within_the_limit(turn: &Turn<'_, Adaptive>) -> Verdict {
    let Answer::Asked(asked) = turn.answer else { return SILENT };
    let fits = turn.before.out() < turn.before.limit();
    claim(asked.is_ok() == fits, || format!("{asked:?} with {} out", turn.before.out()))
}

fn the_limit_stays_within_its_bounds(turn: &Turn<'_, Adaptive>) -> Verdict {
    let limit = turn.after.limit();
    claim((LIMIT.min_limit()..=LIMIT.max_limit()).contains(&limit), || limit.to_string())
}

fn a_refusal_changes_nothing(turn: &Turn<'_, Adaptive>) -> Verdict {
    let Answer::Asked(Err(_)) = turn.answer else { return SILENT };
    claim(turn.before.state == turn.after.state, || format!("{:?}", turn.after.state))
}

fn peek_says_what_asking_answers(turn: &Turn<'_, Adaptive>) -> Verdict {
    let Answer::Asked(asked) = turn.answer else { return SILENT };
    let peeked = LIMIT.peek(&turn.before.state, turn.before.clock.instant());
    claim(peeked == *asked, || format!("{peeked:?}, then {asked:?}"))
}

fn only_a_round_of_successes_in_use_makes_it_grow(turn: &Turn<'_, Adaptive>) -> Verdict {
    let (from, to) = (turn.before.limit(), turn.after.limit());
    let has_earned =
        matches!(told(turn), Some((_, Some(true), _))) && turn.before.served + 1 >= from;
    if matches!(turn.input, Input::Reset) || !has_earned && to <= from {
        return SILENT;
    }
    let expected = if has_earned { (from + 1).min(LIMIT.max_limit()) } else { from };
    claim(to == expected, || format!("{from} became {to} at {} served", turn.before.served))
}

fn every_loss_that_counts_makes_it_shrink(turn: &Turn<'_, Adaptive>) -> Verdict {
    let (from, to) = (turn.before.limit(), turn.after.limit());
    let is_loss = matches!(told(turn), Some((_, Some(false), _)));
    if matches!(turn.input, Input::Reset) || !is_loss && to >= from {
        return SILENT;
    }
    let expected = if is_loss { (from * 2 / 3).min(from - 1).max(LIMIT.min_limit()) } else { from };
    claim(to == expected, || format!("{from} became {to}"))
}

fn what_says_nothing_moves_nothing(turn: &Turn<'_, Adaptive>) -> Verdict {
    let Some((recorded, None, false)) = told(turn) else { return SILENT };
    let is_same = turn.before.limit() == turn.after.limit() && recorded == Recorded::Released;
    claim(is_same, || format!("{recorded:?}"))
}

fn what_is_stale_changes_nothing(turn: &Turn<'_, Adaptive>) -> Verdict {
    let Some((recorded, _, is_stale)) = told(turn) else { return SILENT };
    let is_same = turn.before.state == turn.after.state;
    let holds = is_stale == (recorded == Recorded::Stale) && (is_same || !is_stale);
    claim(holds, || format!("{recorded:?}, stale: {is_stale}"))
}
