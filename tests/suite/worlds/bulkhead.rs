//! A bulkhead of three permits, one of them kept for high priority and one from low.

use super::lending::{Foreseen, Lending, a_refusal_changes_nothing, peek_says_what_asking_answers};
use super::search::{Law, SILENT, Turn, Verdict, World, claim, laws};
use resil_core::bulkhead::{BulkheadConfig, BulkheadState, Permit, Recorded};
use resil_core::call::Priority::{self, High, Low, Normal};
use resil_core::outcome::{Rejected, RetryAt};
use resil_core::{Instant, Outcome, valid};

const NOW: Instant = Instant::EPOCH;

pub(super) const THREE: BulkheadConfig =
    valid!(BulkheadConfig::builder().max_concurrent(3).high_reserve(1).low_reserve(1).build());
/// What it is replaced by, and replaces again.
const TWO: BulkheadConfig = valid!(BulkheadConfig::builder().max_concurrent(2).build());

/// Another one, to issue permits for what is planted.
const ROOMY: BulkheadConfig = valid!(BulkheadConfig::builder().max_concurrent(99).build());

#[derive(Clone, Copy, Debug)]
pub(super) enum Input {
    Ask(u16, Priority),
    Tell(usize, Outcome),
    Lose(usize),
    Reset,
    /// The other policy comes into force.
    Replace,
}

#[derive(Debug)]
pub(super) enum Answer {
    Asked(Result<(), Rejected>),
    Told(Recorded),
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// An abandoned call keeps its permits.
    LeakedPermit,
    /// A permit of before a reset gives its weight back.
    StaleGivesBack,
    /// Low priority is let into what is kept from it.
    ReserveIgnored,
}

/// A permit that is out; a copy is issued by the same state again.
#[derive(Debug)]
struct Lent {
    config: &'static BulkheadConfig,
    before: BulkheadState,
    weight: u16,
    is_stale: bool,
    permit: Permit,
}

impl Lent {
    /// Every weight that a state admits is admitted at high priority as well.
    fn again(&self) -> Permit {
        self.config.try_acquire(&mut self.before.clone(), self.weight, High, NOW).expect("it was")
    }
}

impl Clone for Lent {
    fn clone(&self) -> Self {
        let before = self.before.clone();
        Self { before, permit: self.again(), ..*self }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Bulkhead {
    config: &'static BulkheadConfig,
    state: BulkheadState,
    lent: Vec<Lent>,
    /// What was lost with permits since the last reset.
    lost: u16,
    planted: Option<Planted>,
}

impl Bulkhead {
    pub(super) fn new(planted: Option<Planted>) -> Self {
        Self { config: &THREE, state: BulkheadState::new(), lent: Vec::new(), lost: 0, planted }
    }

    /// What is out, by those who have it.
    fn out(&self) -> u16 {
        self.lent.iter().filter(|lent| !lent.is_stale).map(|lent| lent.weight).sum::<u16>()
            + self.lost
    }

    fn ask(&mut self, weight: u16, priority: Priority) -> Result<(), Rejected> {
        let (config, before) = (self.config, self.state.clone());
        let priority = match self.planted {
            Some(Planted::ReserveIgnored) => High,
            _ => priority,
        };
        let permit = config.try_acquire(&mut self.state, weight, priority, NOW)?;
        self.lent.push(Lent { config, before, weight, is_stale: false, permit });
        Ok(())
    }

    fn tell(&mut self, place: usize, outcome: Outcome) -> Recorded {
        let lent = self.lent.remove(place);
        match self.planted {
            Some(Planted::LeakedPermit) if outcome == Outcome::Abandoned => Recorded::Released,
            Some(Planted::StaleGivesBack) if lent.is_stale => {
                let permit = ROOMY.try_acquire(&mut self.state.clone(), lent.weight, High, NOW);
                let permit = permit.expect("it is roomy");
                self.config.record(&mut self.state, permit, outcome, NOW)
            }
            _ => self.config.record(&mut self.state, lent.permit, outcome, NOW),
        }
    }
}

impl World for Bulkhead {
    type Input = Input;
    type Answer = Answer;

    const LAWS: &'static [Law<Self>] = laws![
        held_are_the_permits_handed_out,
        held_and_available_are_all_there_is,
        an_admission_stays_within_what_its_priority_may_fill,
        who_fits_is_admitted,
        a_refusal_changes_nothing,
        never_is_said_of_what_can_never_pass,
        peek_says_what_asking_answers,
        a_permit_settles_once,
        what_is_stale_gives_nothing_back,
    ];

    fn inputs(&self) -> Vec<Input> {
        let mut inputs = vec![Input::Reset, Input::Replace];
        if self.lent.len() < 3 {
            let of = |priority| (0..5).map(move |weight| Input::Ask(weight, priority));
            inputs.extend([Low, Normal, High].into_iter().flat_map(of));
        }
        for place in 0..self.lent.len() {
            inputs
                .extend([Outcome::Success, Outcome::Abandoned].map(|end| Input::Tell(place, end)));
            if self.lost == 0 {
                inputs.push(Input::Lose(place));
            }
        }
        inputs
    }

    fn apply(&mut self, input: Input) -> Answer {
        match input {
            Input::Ask(weight, priority) => return Answer::Asked(self.ask(weight, priority)),
            Input::Tell(place, outcome) => return Answer::Told(self.tell(place, outcome)),
            Input::Lose(place) => {
                let lent = self.lent.remove(place);
                self.lost += if lent.is_stale { 0 } else { lent.weight };
            }
            Input::Reset => {
                self.config.reset(&mut self.state);
                self.lent.iter_mut().for_each(|lent| lent.is_stale = true);
                self.lost = 0;
            }
            Input::Replace => {
                let new = if *self.config == THREE { &TWO } else { &THREE };
                self.state = new.inherit(self.config, &self.state, NOW);
                self.config = new;
            }
        }
        Answer::Nothing
    }

    fn shape(&self) -> String {
        let permit = |lent: &Lent| if lent.is_stale { None } else { Some(lent.weight) };
        let mut lent: Vec<_> = self.lent.iter().map(permit).collect();
        lent.sort();
        let is_three = *self.config == THREE;
        format!("{} {} {lent:?} {is_three}", self.state.held(), self.lost)
    }

    fn phase(&self) -> String {
        match (self.state.held(), self.config.max_concurrent()) {
            (0, _) => "empty",
            (held, all) if held < all => "in use",
            (held, all) if held == all => "full",
            _ => "more held than there are",
        }
        .to_owned()
    }

    fn class(&self, input: Input) -> &'static str {
        match input {
            Input::Ask(..) => "ask",
            Input::Tell(..) => "told back",
            Input::Lose(_) => "lost",
            Input::Reset => "reset",
            Input::Replace => "another policy",
        }
    }
}

impl Lending for Bulkhead {
    type State = BulkheadState;

    fn state(&self) -> &BulkheadState {
        &self.state
    }

    fn told(turn: &Turn<'_, Self>) -> Option<(bool, bool)> {
        let (Input::Tell(place, _), Answer::Told(recorded)) = (turn.input, turn.answer) else {
            return None;
        };
        Some((turn.before.lent[place].is_stale, *recorded == Recorded::Stale))
    }
}

impl Foreseen for Bulkhead {
    fn asked(turn: &Turn<'_, Self>) -> Option<[Result<(), Rejected>; 2]> {
        let (Input::Ask(weight, priority), Answer::Asked(asked)) = (turn.input, turn.answer) else {
            return None;
        };
        Some([turn.before.config.peek(&turn.before.state, weight, priority, NOW), *asked])
    }
}

fn held_are_the_permits_handed_out(turn: &Turn<'_, Bulkhead>) -> Verdict {
    let (held, out) = (turn.after.state.held(), turn.after.out());
    claim(held == out, || format!("{held} are held, {out} are out"))
}

fn held_and_available_are_all_there_is(turn: &Turn<'_, Bulkhead>) -> Verdict {
    let world = turn.after;
    let (held, all) = (world.state.held(), world.config.max_concurrent());
    let available = world.config.available(&world.state, High);
    claim(available == all.saturating_sub(held), || format!("{held} and {available} of {all}"))
}

fn an_admission_stays_within_what_its_priority_may_fill(turn: &Turn<'_, Bulkhead>) -> Verdict {
    let (Input::Ask(weight, priority), Answer::Asked(Ok(()))) = (turn.input, turn.answer) else {
        return SILENT;
    };
    let (held, limit) = (turn.after.state.held(), turn.after.config.limit(priority));
    claim(weight == 0 || held <= limit, || format!("{held} of {limit}"))
}

fn who_fits_is_admitted(turn: &Turn<'_, Bulkhead>) -> Verdict {
    let (Input::Ask(weight, priority), Answer::Asked(asked)) = (turn.input, turn.answer) else {
        return SILENT;
    };
    let fits = weight == 0 || turn.before.out() + weight <= turn.before.config.limit(priority);
    claim(asked.is_ok() == fits, || format!("{asked:?}, with {} out", turn.before.out()))
}

fn never_is_said_of_what_can_never_pass(turn: &Turn<'_, Bulkhead>) -> Verdict {
    let (Input::Ask(weight, priority), Answer::Asked(Err(rejected))) = (turn.input, turn.answer)
    else {
        return SILENT;
    };
    let is_never = rejected.retry() == RetryAt::Never;
    claim(is_never == (weight > turn.before.config.limit(priority)), || format!("{rejected:?}"))
}

fn a_permit_settles_once(turn: &Turn<'_, Bulkhead>) -> Verdict {
    let Some((is_stale, is_told_so)) = Bulkhead::told(turn) else { return SILENT };
    claim(is_stale == is_told_so, || format!("stale: {is_stale}, told so: {is_told_so}"))
}

fn what_is_stale_gives_nothing_back(turn: &Turn<'_, Bulkhead>) -> Verdict {
    let Some((_, true)) = Bulkhead::told(turn) else { return SILENT };
    claim(turn.before.state == turn.after.state, || format!("{:?}", turn.after.state))
}
