//! A limit that follows latency, of one to three calls, with up to three of them in flight; a window is a tick
//! of 1,024 ns, in which it measures, and every 4 ticks or up to 2 later it probes.

use super::search::{
    Clock, Law, SILENT, Turn, Verdict, World, claim, laws, number_after, relative,
};
use core::cell::Cell;
use core::time::Duration;
use resil_core::adaptive::{ConcurrencyLimit, Gradient, GradientState, Permit, Recorded};
use resil_core::outcome::{FailureClass, Rejected};
use resil_core::{Outcome, Ratio, valid};

/// From 2, between 1 and 3; what is slower than usual queues, and two may.
const LIMIT: Gradient = valid!(
    Gradient::builder()
        .min_limit(1)
        .initial_limit(2)
        .max_limit(3)
        .queue(QUEUE)
        .tolerance(Ratio::ONE)
        .smoothing(Ratio::ONE)
        .long_window(1)
        .window(Duration::from_nanos(TICK))
        .min_samples(1)
        .probe_interval(Some(Duration::from_nanos(INTERVAL)))
        .probe_jitter(Ratio::new(1, 2))
        .probe_limit(PROBE_LIMIT)
        .probe_samples(1)
        .build()
);
const TICK: u64 = 1_024;
const QUEUE: u16 = 2;
const INTERVAL: u64 = 4 * TICK;
const JITTER: u64 = 2 * TICK;
const PATIENCE: u64 = INTERVAL / 8;
const PROBE_LIMIT: u16 = 1;

#[derive(Clone, Copy, Debug)]
pub(super) enum Input {
    Pass,
    /// To the instant at which a probe begins or ends by itself.
    Deadline,
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
    /// A call of before a reset ends one of after it.
    StaleEnds,
    /// An ignored call stays in flight.
    LeakedPermit,
    /// Whoever is refused makes it forget who is in flight.
    ForgetsWhoIsOut,
}

#[derive(Debug)]
struct Lent {
    before: GradientState,
    at: resil_core::Instant,
    permit: Permit,
    is_stale: bool,
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
    state: GradientState,
    lent: Vec<Lent>,
    lost: u16,
    /// How often the last input drew.
    draws: u32,
    clock: Clock,
    planted: Option<Planted>,
}

impl Adaptive {
    pub(super) fn new(reach: u64, planted: Option<Planted>) -> Self {
        let (state, clock) = (LIMIT.start(), Clock::new(reach));
        Self { state, lent: Vec::new(), lost: 0, draws: 0, clock, planted }
    }

    fn limit(&self) -> u16 {
        LIMIT.limit(&self.state, self.clock.instant())
    }

    fn is_probing(&self) -> bool {
        LIMIT.is_probing(&self.state, self.clock.instant())
    }

    fn out(&self) -> u16 {
        self.lent.iter().filter(|lent| !lent.is_stale).count() as u16 + self.lost
    }

    fn ask(&mut self) -> Result<(), Rejected> {
        let (before, at, draws) = (self.state.clone(), self.clock.instant(), Cell::new(0));
        let mut of = before.clone();
        let asked = LIMIT.try_acquire(&mut of, || draw(&draws), at);
        if self.planted == Some(Planted::ForgetsWhoIsOut) && asked.is_err() {
            LIMIT.reset(&mut of);
        }
        self.state = of;
        self.draws = draws.get();
        self.lent.push(Lent { before, at, permit: asked?, is_stale: false });
        Ok(())
    }

    fn tell(&mut self, place: usize, outcome: Outcome) -> Recorded {
        let Lent { mut permit, is_stale, at, .. } = self.lent.remove(place);
        match self.planted {
            Some(Planted::LeakedPermit) if outcome == Outcome::Ignored => {
                return Recorded::Released;
            }
            Some(Planted::StaleEnds) if is_stale => {
                if let Ok(present) = LIMIT.try_acquire(&mut self.state.clone(), 0, at) {
                    permit = present;
                }
            }
            _ => {}
        }
        let (draws, now) = (Cell::new(0), self.clock.instant());
        let recorded = LIMIT.record(&mut self.state, permit, outcome, || draw(&draws), now);
        self.draws = draws.get();
        recorded
    }

    fn shape_of(&self, lent: &Lent) -> String {
        if lent.is_stale {
            return "of before".to_owned();
        }
        let text = format!("{:?}", lent.permit);
        let of = |text: &str| number_after(text, "round: ").map(str::to_owned);
        let is_of_this_round = of(&text) == of(&format!("{:?}", self.state));
        let in_flight = number_after(&text, "in_flight: ").unwrap_or_default();
        let at = lent.at.as_nanos().to_string();
        let at = relative(&at, self.clock.now, self.clock.floor(16 * TICK));
        format!("{at} {in_flight} {is_of_this_round}")
    }
}

/// All of the jitter.
fn draw(draws: &Cell<u32>) -> u32 {
    draws.set(draws.get() + 1);
    u32::MAX
}

impl World for Adaptive {
    type Input = Input;
    type Answer = Answer;

    const LAWS: &'static [Law<Self>] = laws![
        in_flight_are_the_permits_handed_out,
        an_admission_stays_within_the_limit,
        the_limit_stays_within_its_bounds,
        a_refusal_holds_nothing,
        peek_says_what_asking_answers,
        it_grows_by_no_more_than_may_queue,
        a_drop_never_makes_it_grow,
        what_says_nothing_moves_nothing,
        what_is_stale_changes_nothing,
        a_probe_lets_in_no_more_than_its_limit,
        entropy_is_drawn_once_a_probe,
        nothing_changes_before_the_deadline_and_a_probe_at_it,
        no_wait_is_longer_than_its_horizon,
    ];

    fn inputs(&self) -> Vec<Input> {
        let mut inputs = vec![Input::Pass, Input::Reset];
        if LIMIT.next_deadline(&self.state, self.clock.instant()).is_some() {
            inputs.push(Input::Deadline);
        }
        inputs.extend(self.clock.may_go_back().map(Input::StepBack));
        if self.lent.len() < 3 {
            inputs.push(Input::Ask);
        }
        for place in 0..self.lent.len() {
            inputs.extend(super::OUTCOMES.map(|outcome| Input::Tell(place, outcome)));
            if self.lost == 0 {
                inputs.push(Input::Lose(place));
            }
        }
        inputs
    }

    fn apply(&mut self, input: Input) -> Answer {
        self.draws = 0;
        match input {
            Input::Pass => self.clock.forward(TICK),
            Input::Deadline => {
                let next = LIMIT.next_deadline(&self.state, self.clock.instant());
                self.clock.forward(next.expect("there is one").as_nanos() - self.clock.now);
            }
            Input::StepBack(by) => self.clock.back(by),
            Input::Ask => return Answer::Asked(self.ask()),
            Input::Tell(place, outcome) => return Answer::Told(self.tell(place, outcome)),
            Input::Lose(place) => self.lost += u16::from(!self.lent.remove(place).is_stale),
            Input::Reset => {
                LIMIT.reset(&mut self.state);
                self.lent.iter_mut().for_each(|lent| lent.is_stale = true);
                self.lost = 0;
            }
        }
        Answer::Nothing
    }

    fn shape(&self) -> String {
        let mut lent: Vec<_> = self.lent.iter().map(|lent| self.shape_of(lent)).collect();
        lent.sort();
        // The usual latency is no instant, however large; the counters of resets and probes are left out.
        let text = format!("{:?}", self.state);
        let (long, rest) = text.split_once(", window_end").expect("the usual latency first");
        let (known, rest) = rest.split_once(", epoch").expect("then what is known");
        let (_, learned) = rest.split_once("learned").expect("and what was learned");
        let known = relative(known, self.clock.now, self.clock.floor(16 * TICK));
        format!("{long} {known} {learned} {lent:?} {} {}", self.lost, self.clock.behind())
    }

    fn phase(&self) -> String {
        let is_full = if self.out() >= self.limit() { "full" } else { "room" };
        match self.is_probing() {
            true => format!("probes, {is_full}"),
            false => format!("limit {}, {is_full}", self.limit()),
        }
    }

    fn class(&self, input: Input) -> &'static str {
        match input {
            Input::Pass | Input::Deadline | Input::StepBack(_) => "time",
            Input::Ask => "ask",
            Input::Tell(_, Outcome::Success) => "success",
            Input::Tell(_, Outcome::Failure(_)) => "failure",
            Input::Tell(_, Outcome::Ignored | Outcome::Abandoned) => "says nothing",
            Input::Lose(_) => "lost",
            Input::Reset => "reset",
        }
    }
}

/// The limit before and after, where neither is a probe's and nothing was reset.
fn limits(turn: &Turn<'_, Adaptive>) -> Option<(u16, u16)> {
    let is_probed = turn.before.is_probing() || turn.after.is_probing();
    let is_other = matches!(turn.input, Input::Reset | Input::StepBack(_));
    (!is_probed && !is_other).then(|| (turn.before.limit(), turn.after.limit()))
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

fn a_refusal_holds_nothing(turn: &Turn<'_, Adaptive>) -> Verdict {
    let Answer::Asked(Err(_)) = turn.answer else { return SILENT };
    let (before, after) = (turn.before, turn.after);
    let is_same = LIMIT.in_flight(&before.state) == LIMIT.in_flight(&after.state);
    claim(is_same && before.limit() == after.limit(), || format!("{:?}", after.state))
}

fn peek_says_what_asking_answers(turn: &Turn<'_, Adaptive>) -> Verdict {
    let Answer::Asked(asked) = turn.answer else { return SILENT };
    let peeked = LIMIT.peek(&turn.before.state, turn.before.clock.instant());
    claim(peeked == *asked, || format!("{peeked:?}, then {asked:?}"))
}

fn it_grows_by_no_more_than_may_queue(turn: &Turn<'_, Adaptive>) -> Verdict {
    let Some((from, to)) = limits(turn).filter(|(from, to)| to > from) else { return SILENT };
    let is_success = matches!(turn.input, Input::Tell(_, Outcome::Success));
    claim(is_success && to <= from + QUEUE, || format!("{from} became {to}"))
}

fn a_drop_never_makes_it_grow(turn: &Turn<'_, Adaptive>) -> Verdict {
    use FailureClass::{Throttled, Timeout, Transient};
    let Input::Tell(_, Outcome::Failure(Transient | Throttled | Timeout)) = turn.input else {
        return SILENT;
    };
    let Some((from, to)) = limits(turn) else { return SILENT };
    claim(to <= from, || format!("{from} became {to}"))
}

fn what_says_nothing_moves_nothing(turn: &Turn<'_, Adaptive>) -> Verdict {
    use FailureClass::{Fatal, Local};
    let (Input::Tell(place, outcome), Answer::Told(recorded)) = (turn.input, turn.answer) else {
        return SILENT;
    };
    let says_nothing =
        matches!(outcome, Outcome::Ignored | Outcome::Abandoned | Outcome::Failure(Local | Fatal));
    if !says_nothing || turn.before.lent[place].is_stale {
        return SILENT;
    }
    let is_same = turn.before.limit() == turn.after.limit() && *recorded == Recorded::Released;
    claim(is_same, || format!("{recorded:?}"))
}

fn what_is_stale_changes_nothing(turn: &Turn<'_, Adaptive>) -> Verdict {
    let (Input::Tell(place, _), Answer::Told(recorded)) = (turn.input, turn.answer) else {
        return SILENT;
    };
    let is_stale = turn.before.lent[place].is_stale;
    let is_same = turn.before.state == turn.after.state;
    let holds = is_stale == (*recorded == Recorded::Stale) && (is_same || !is_stale);
    claim(holds, || format!("{recorded:?}, stale: {is_stale}"))
}

fn a_probe_lets_in_no_more_than_its_limit(turn: &Turn<'_, Adaptive>) -> Verdict {
    let Answer::Asked(asked) = turn.answer else { return SILENT };
    if !turn.before.is_probing() {
        return SILENT;
    }
    let out = turn.before.out();
    claim(asked.is_err() || out < PROBE_LIMIT, || format!("{asked:?} beside {out}"))
}

/// Where one has ended, and nowhere else.
fn entropy_is_drawn_once_a_probe(turn: &Turn<'_, Adaptive>) -> Verdict {
    let draws = turn.after.draws;
    if draws == 0 {
        return SILENT;
    }
    let has_ended = !turn.after.is_probing();
    claim(draws == 1 && has_ended, || format!("{draws} draws, in a probe: {}", !has_ended))
}

fn nothing_changes_before_the_deadline_and_a_probe_at_it(turn: &Turn<'_, Adaptive>) -> Verdict {
    let (mut state, now) = (turn.after.state.clone(), turn.after.clock.instant());
    // After a step back a deadline counts from now on; to ask makes that stay.
    let _asked = LIMIT.try_acquire(&mut state, u32::MAX, now);
    let Some(next) = LIMIT.next_deadline(&state, now) else { return SILENT };
    let at = |nanos| {
        let instant = resil_core::Instant::from_nanos(nanos);
        (LIMIT.limit(&state, instant), LIMIT.is_probing(&state, instant))
    };
    let (nows, then) = (at(now.as_nanos()), next.as_nanos());
    let mut before = (now.as_nanos()..then).step_by(256).chain([then - 1]);
    let early = before.find(|&nanos| at(nanos) != nows);
    let holds = early.is_none() && at(then).1 != nows.1;
    claim(holds, || format!("early: {early:?}, then {:?}", at(then)))
}

fn no_wait_is_longer_than_its_horizon(turn: &Turn<'_, Adaptive>) -> Verdict {
    let now = turn.after.clock.instant();
    let Some(next) = LIMIT.next_deadline(&turn.after.state, now) else { return SILENT };
    let wait = next.saturating_since(now).as_nanos();
    let horizon = if turn.after.is_probing() { PATIENCE } else { INTERVAL + JITTER };
    claim(wait <= horizon.into(), || format!("{wait} ns"))
}
