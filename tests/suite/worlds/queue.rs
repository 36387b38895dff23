//! A bulkhead of two permits, or of one by another policy, with two places to wait in.

use super::search::{Law, SILENT, Turn, Verdict, World, claim, laws};
use core::task::Waker;
use resil_core::bulkhead::{
    BulkheadConfig, Entered, FixedPlaces, Permit, Queue as Machine, Recorded, Waiter,
};
use resil_core::call::Priority::{self, High, Normal};
use resil_core::outcome::RetryAt;
use resil_core::{Instant, Outcome, valid};

const NOW: Instant = Instant::EPOCH;
/// The first is in force at the beginning, and each replaces the other.
const POLICIES: [BulkheadConfig; 2] = [
    valid!(BulkheadConfig::builder().max_concurrent(2).build()),
    valid!(BulkheadConfig::builder().max_concurrent(1).build()),
];
const PLACES: usize = 2;

#[derive(Clone, Copy, Debug)]
pub(super) enum Input {
    Enter(u16, Priority),
    /// Whoever has this place is polled.
    Poll(usize),
    /// They give it up.
    Leave(usize),
    Tell(usize, Outcome),
    Lose(usize),
    Reset,
    LetIn,
    Reconfigure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Passed,
    Waits,
    Refused(RetryAt),
    /// Whether a permit was handed over.
    Polled(bool),
    Left(bool),
    Told(Recorded),
    /// How many were let in.
    LetIn(usize),
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// Whoever leaves after being let in keeps the permit.
    LeavingLeaks,
    /// Who is small enough overtakes.
    Overtakes,
    /// Who can never pass waits on, and all behind.
    StandsStill,
}

/// Somebody who waits, as this world knows them.
#[derive(Debug)]
struct Waiting {
    ticket: u64,
    weight: u16,
    priority: Priority,
    /// Whether they hold their permit already, and whether it is of before a reset.
    is_let_in: bool,
    is_stale: bool,
    is_refused: bool,
    has_waker: bool,
}

impl Waiting {
    fn waits(&self) -> bool {
        !self.is_let_in && !self.is_refused
    }
}

#[derive(Debug)]
pub(super) struct Queue {
    machine: Machine<FixedPlaces<PLACES>>,
    lent: Vec<(Permit, bool)>,
    /// In the order in which they came.
    waiting: Vec<Waiting>,
    lost: u16,
    policy: usize,
    planted: Option<Planted>,
    life: Vec<Input>,
}

/// A copy is made by living its life again: neither permits nor places are values that can be copied.
impl Clone for Queue {
    fn clone(&self) -> Self {
        let mut again = Self::new(self.planted);
        for input in &self.life {
            let _answer = again.apply(*input);
        }
        again
    }
}

impl Queue {
    pub(super) fn new(planted: Option<Planted>) -> Self {
        let machine = Machine::new(FixedPlaces::new());
        let (lent, waiting, life) = (Vec::new(), Vec::new(), Vec::new());
        Self { machine, lent, waiting, lost: 0, policy: 0, planted, life }
    }

    /// As many as can be out by the policy in force.
    fn limit(&self) -> u16 {
        POLICIES[self.policy].max_concurrent()
    }

    /// What is out, by those who have it.
    fn out(&self) -> u16 {
        let lent: u16 =
            self.lent.iter().filter(|(_, stale)| !stale).map(|(lent, _)| lent.weight()).sum();
        let let_in = self.waiting.iter().filter(|each| each.is_let_in && !each.is_stale);
        lent + let_in.map(|each| each.weight).sum::<u16>() + self.lost
    }

    /// Who is next: the first to come of the highest priority.
    fn next(&self) -> Option<usize> {
        let waits = |place: &usize| self.waiting[*place].waits();
        let rank = |place: &usize| (self.waiting[*place].priority, core::cmp::Reverse(*place));
        (0..self.waiting.len()).filter(waits).max_by_key(rank)
    }

    fn enter(&mut self, weight: u16, priority: Priority) -> Answer {
        if self.planted == Some(Planted::Overtakes) && self.machine.held() + weight <= 2 {
            let may = self.machine.pass(&POLICIES[self.policy], weight, High, NOW);
            if let Ok(permit) = may {
                self.lent.push((permit, false));
                return Answer::Passed;
            }
        }
        match self.machine.enter(&POLICIES[self.policy], weight, priority, NOW) {
            Entered::Passed(permit) => {
                self.lent.push((permit, false));
                Answer::Passed
            }
            Entered::Waits(ticket) => {
                self.waiting.push(Waiting {
                    ticket,
                    weight,
                    priority,
                    is_let_in: false,
                    is_stale: false,
                    is_refused: false,
                    has_waker: false,
                });
                Answer::Waits
            }
            Entered::Refused(rejected) => Answer::Refused(rejected.retry()),
        }
    }

    /// As adapters do after whatever makes room.
    fn let_in(&mut self) -> usize {
        let limit = self.limit();
        let stands_still = self.planted == Some(Planted::StandsStill)
            && self.next().is_some_and(|next| self.waiting[next].weight > limit);
        let mut woken = 0;
        while !stands_still && self.machine.let_in_next(&POLICIES[self.policy], NOW).is_some() {
            woken += 1;
        }
        let mut let_in = 0;
        while let Some(next) = self.next() {
            let out = self.out();
            let waiting = &mut self.waiting[next];
            if waiting.weight > limit {
                waiting.is_refused = true;
            } else if out + waiting.weight <= limit {
                waiting.is_let_in = true;
                let_in += 1;
            } else {
                break;
            }
            woken -= usize::from(waiting.has_waker);
        }
        assert_eq!(
            woken, 0,
            "who waits with a waker is woken when let in or refused, and nobody else"
        );
        let_in
    }

    fn take(&mut self, place: usize, permit: Option<Permit>) -> bool {
        let waiting = self.waiting.remove(place);
        let handed_over = permit.is_some();
        self.lent.extend(permit.map(|permit| (permit, waiting.is_stale)));
        handed_over
    }
}

impl World for Queue {
    type Input = Input;
    type Answer = Answer;

    const LAWS: &'static [Law<Self>] = laws![
        held_are_the_permits_handed_out,
        nobody_overtakes,
        who_fits_and_overtakes_nobody_passes,
        after_letting_in_nobody_waits_for_whom_there_is_room,
        who_can_never_pass_hears_it_in_the_line,
        who_is_let_in_gets_the_permit_once,
        a_refusal_changes_nothing,
        never_is_said_of_what_can_never_pass,
        a_permit_settles_once,
        those_who_wait_are_counted,
    ];

    fn inputs(&self) -> Vec<Input> {
        let mut inputs = vec![Input::Reset, Input::LetIn, Input::Reconfigure];
        if self.lent.len() < 3 {
            let of = |priority| (0..4).map(move |weight| Input::Enter(weight, priority));
            inputs.extend([Normal, High].into_iter().flat_map(of));
            inputs.extend(
                (0..self.waiting.len()).flat_map(|place| [Input::Poll(place), Input::Leave(place)]),
            );
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
        self.life.push(input);
        match input {
            Input::Enter(weight, priority) => self.enter(weight, priority),
            Input::Poll(place) => {
                let (answer, _) =
                    self.machine.poll(self.waiting[place].ticket, Waker::noop().clone());
                match answer {
                    Some(Ok(permit)) => Answer::Polled(self.take(place, Some(permit))),
                    Some(Err(rejected)) => {
                        self.take(place, None);
                        Answer::Refused(rejected.retry())
                    }
                    None => {
                        self.waiting[place].has_waker = true;
                        Answer::Polled(false)
                    }
                }
            }
            Input::Leave(place) => {
                let left = self.machine.leave(self.waiting[place].ticket);
                let permit = left.and_then(Waiter::into_permit);
                let permit = permit.filter(|_| self.planted != Some(Planted::LeavingLeaks));
                Answer::Left(self.take(place, permit))
            }
            Input::Tell(place, outcome) => {
                let (permit, _) = self.lent.remove(place);
                let recorded = self.machine.record(&POLICIES[self.policy], permit, outcome, NOW);
                self.let_in();
                Answer::Told(recorded)
            }
            Input::Lose(place) => {
                let (permit, is_stale) = self.lent.remove(place);
                self.lost += if is_stale { 0 } else { permit.weight() };
                Answer::Nothing
            }
            Input::Reset => {
                self.machine.reset(&POLICIES[self.policy]);
                self.lent.iter_mut().for_each(|(_, is_stale)| *is_stale = true);
                self.waiting.iter_mut().for_each(|each| each.is_stale = each.is_let_in);
                self.lost = 0;
                self.let_in();
                Answer::Nothing
            }
            Input::LetIn => Answer::LetIn(self.let_in()),
            Input::Reconfigure => {
                let (old, new) = (self.policy, 1 - self.policy);
                self.machine.inherit(&POLICIES[new], &POLICIES[old], NOW);
                self.policy = new;
                self.let_in();
                Answer::Nothing
            }
        }
    }

    fn shape(&self) -> String {
        let permit = |(permit, is_stale): &(Permit, bool)| (!is_stale).then_some(permit.weight());
        let mut lent: Vec<_> = self.lent.iter().map(permit).collect();
        lent.sort();
        let waiting: Vec<_> = self
            .waiting
            .iter()
            .map(|each| {
                let of = (each.weight, each.priority, each.has_waker);
                (of, each.is_let_in, each.is_stale, each.is_refused)
            })
            .collect();
        // Where the machine keeps them, by their place here.
        let text = format!("{:?}", self.machine);
        let tickets = text.split("ticket: ").skip(1);
        let places = tickets.filter_map(|rest| {
            let ticket = rest.split([',', ' ']).next()?.parse::<u64>().ok()?;
            self.waiting.iter().position(|each| each.ticket == ticket)
        });
        let places: Vec<_> = places.collect();
        let (held, lost, policy) = (self.machine.held(), self.lost, self.policy);
        format!("{held} {lost} {policy} {lent:?} {waiting:?} {places:?}")
    }

    fn phase(&self) -> String {
        format!("{} held, {} waiting", self.machine.held(), self.machine.waiting())
    }

    fn class(&self, input: Input) -> &'static str {
        match input {
            Input::Enter(..) => "enter",
            Input::Poll(_) => "poll",
            Input::Leave(_) => "leave",
            Input::Tell(..) => "told back",
            Input::Lose(_) => "lost",
            Input::Reset => "reset",
            Input::LetIn => "let in",
            Input::Reconfigure => "another policy",
        }
    }
}

fn held_are_the_permits_handed_out(turn: &Turn<'_, Queue>) -> Verdict {
    let (held, out) = (turn.after.machine.held(), turn.after.out());
    claim(held == out && held <= 2, || format!("{held} are held, {out} are out"))
}

fn nobody_overtakes(turn: &Turn<'_, Queue>) -> Verdict {
    let (Input::Enter(1.., priority), Answer::Passed) = (turn.input, turn.answer) else {
        return SILENT;
    };
    let waits = |each: &&Waiting| each.waits() && each.priority >= priority;
    let overtaken = turn.before.waiting.iter().find(waits);
    claim(overtaken.is_none(), || format!("{overtaken:?}"))
}

fn who_fits_and_overtakes_nobody_passes(turn: &Turn<'_, Queue>) -> Verdict {
    let Input::Enter(weight, priority) = turn.input else { return SILENT };
    let waits = |each: &Waiting| each.waits() && each.priority >= priority;
    let fits =
        turn.before.out() + weight <= turn.before.limit() && !turn.before.waiting.iter().any(waits);
    let passed = *turn.answer == Answer::Passed;
    claim(passed == (fits || weight == 0), || format!("{:?}", turn.answer))
}

fn after_letting_in_nobody_waits_for_whom_there_is_room(turn: &Turn<'_, Queue>) -> Verdict {
    if !matches!(turn.input, Input::Tell(..) | Input::Reset | Input::LetIn | Input::Reconfigure) {
        return SILENT;
    }
    let (world, waiting) = (turn.after, turn.after.machine.waiting());
    let expected = world.waiting.iter().filter(|each| each.waits()).count();
    claim(waiting == expected, || format!("{waiting} wait, not {expected}"))
}

fn who_can_never_pass_hears_it_in_the_line(turn: &Turn<'_, Queue>) -> Verdict {
    let Input::Poll(place) = turn.input else { return SILENT };
    let is_refused = turn.before.waiting[place].is_refused;
    let hears_it = *turn.answer == Answer::Refused(RetryAt::Never);
    claim(hears_it == is_refused, || format!("{:?}", turn.answer))
}

fn who_is_let_in_gets_the_permit_once(turn: &Turn<'_, Queue>) -> Verdict {
    let (place, got) = match (turn.input, turn.answer) {
        (Input::Poll(place), Answer::Polled(got)) => (place, *got),
        (Input::Leave(place), Answer::Left(got)) => (place, *got),
        _ => return SILENT,
    };
    let is_let_in = turn.before.waiting[place].is_let_in;
    claim(got == is_let_in, || format!("got it: {got}, let in: {is_let_in}"))
}

fn a_refusal_changes_nothing(turn: &Turn<'_, Queue>) -> Verdict {
    let (Input::Enter(..), Answer::Refused(_)) = (turn.input, turn.answer) else { return SILENT };
    let state = |world: &Queue| format!("{:?}", world.machine);
    claim(state(turn.before) == state(turn.after), || state(turn.after))
}

fn never_is_said_of_what_can_never_pass(turn: &Turn<'_, Queue>) -> Verdict {
    let (Input::Enter(weight, _), Answer::Refused(retry)) = (turn.input, turn.answer) else {
        return SILENT;
    };
    let has_place = turn.before.waiting.len() < PLACES;
    let is_never = *retry == RetryAt::Never;
    claim(is_never == (weight > turn.before.limit()) && (is_never || !has_place), || {
        format!("{retry:?}")
    })
}

fn a_permit_settles_once(turn: &Turn<'_, Queue>) -> Verdict {
    let (Input::Tell(place, _), Answer::Told(recorded)) = (turn.input, turn.answer) else {
        return SILENT;
    };
    let (_, is_stale) = turn.before.lent[place];
    claim(is_stale == (*recorded == Recorded::Stale), || format!("{recorded:?}"))
}

fn those_who_wait_are_counted(turn: &Turn<'_, Queue>) -> Verdict {
    let world = turn.after;
    let waiting = world.waiting.iter().filter(|each| each.waits()).count();
    claim(world.machine.waiting() == waiting, || format!("{}", world.machine.waiting()))
}
