//! A limit that follows latency, of one to three calls, with up to three of them in flight; a window is a tick
//! of 1,024 ns, in which it measures, and every 4 ticks or up to 2 later it probes.

use super::lending::{peek_says_what_asking_answers, what_is_stale_changes_nothing};
use super::limit::{
    self, Answer, Input, Limited, Shared, an_admission_stays_within_the_limit,
    in_flight_are_the_permits_handed_out, the_limit_stays_within_its_bounds,
    what_says_nothing_moves_nothing,
};
use super::search::{Law, SILENT, Turn, Verdict, World, claim, laws, number_after, relative};
use core::cell::Cell;
use core::time::Duration;
use resil_core::adaptive::{ConcurrencyLimit, Gradient, Recorded};
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// A call of before a reset ends one of after it.
    StaleEnds,
    /// An ignored call stays in flight.
    LeakedPermit,
    /// Whoever is refused makes it forget who is in flight.
    ForgetsWhoIsOut,
}

type Lent = limit::Lent<Gradient, ()>;

#[derive(Clone, Debug)]
pub(super) struct Adaptive {
    shared: Shared<Gradient, ()>,
    /// How often the last input drew.
    draws: u32,
    planted: Option<Planted>,
}

impl Adaptive {
    pub(super) fn new(reach: u64, planted: Option<Planted>) -> Self {
        Self { shared: Shared::new(&LIMIT, TICK, reach), draws: 0, planted }
    }

    fn is_probing(&self) -> bool {
        LIMIT.is_probing(&self.shared.state, self.shared.clock.instant())
    }

    fn ask(&mut self) -> Result<(), Rejected> {
        let draws = Cell::new(0);
        let asked = self.shared.ask(|| draw(&draws), ());
        if self.planted == Some(Planted::ForgetsWhoIsOut) && asked.is_err() {
            LIMIT.reset(&mut self.shared.state);
        }
        self.draws = draws.get();
        asked
    }

    fn tell(&mut self, place: usize, outcome: Outcome) -> Recorded {
        let Lent { mut permit, is_stale, at, .. } = self.shared.lent.remove(place);
        match self.planted {
            Some(Planted::LeakedPermit) if outcome == Outcome::Ignored => {
                return Recorded::Released;
            }
            Some(Planted::StaleEnds) if is_stale => {
                if let Ok(present) = LIMIT.try_acquire(&mut self.shared.state.clone(), 0, at) {
                    permit = present;
                }
            }
            _ => {}
        }
        let (draws, now) = (Cell::new(0), self.shared.clock.instant());
        let recorded = LIMIT.record(&mut self.shared.state, permit, outcome, || draw(&draws), now);
        self.draws = draws.get();
        recorded
    }

    fn shape_of(&self, lent: &Lent) -> String {
        let Some(shape) = self.shared.shape_of(lent, 16 * TICK) else {
            return "of before".to_owned();
        };
        let permit = format!("{:?}", lent.permit);
        format!("{shape:?} {:?}", number_after(&permit, "in_flight: "))
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
        self.shared.inputs()
    }

    fn apply(&mut self, input: Input) -> Answer {
        self.draws = 0;
        match input {
            Input::Ask(()) => return Answer::Asked(self.ask()),
            Input::Tell(place, outcome) => return Answer::Told(self.tell(place, outcome)),
            _ => self.shared.happens(input),
        }
        Answer::Nothing
    }

    fn shape(&self) -> String {
        let Shared { state, lent, lost, clock, .. } = &self.shared;
        let mut lent: Vec<_> = lent.iter().map(|lent| self.shape_of(lent)).collect();
        lent.sort();
        // The usual latency is no instant, however large; the counters of resets and probes are left out.
        let text = format!("{state:?}");
        let (long, rest) = text.split_once(", window_end").expect("the usual latency first");
        let (known, rest) = rest.split_once(", epoch").expect("then what is known");
        let (_, learned) = rest.split_once("learned").expect("and what was learned");
        let known = relative(known, clock.now, clock.floor(16 * TICK));
        format!("{long} {known} {learned} {lent:?} {lost} {}", clock.behind())
    }

    fn phase(&self) -> String {
        let full = self.shared.phase();
        match self.is_probing() {
            true => format!("probes, {full}"),
            false => format!("limit {}, {full}", self.shared.limit()),
        }
    }

    fn class(&self, input: Input) -> &'static str {
        limit::class(input)
    }
}

impl Limited for Adaptive {
    type Limit = Gradient;
    type Note = ();

    const BOUNDS: (u16, u16) = (LIMIT.min_limit(), LIMIT.max_limit());

    fn shared(&self) -> &Shared<Gradient, ()> {
        &self.shared
    }

    fn says_nothing(&self, _: &Lent, outcome: Outcome) -> bool {
        use FailureClass::{Fatal, Local};
        matches!(outcome, Outcome::Ignored | Outcome::Abandoned | Outcome::Failure(Local | Fatal))
    }
}

/// The limit before and after, where neither is a probe's and nothing was reset.
fn limits(turn: &Turn<'_, Adaptive>) -> Option<(u16, u16)> {
    let is_probed = turn.before.is_probing() || turn.after.is_probing();
    let is_other = matches!(turn.input, Input::Reset | Input::StepBack(_));
    (!is_probed && !is_other).then(|| (turn.before.shared.limit(), turn.after.shared.limit()))
}

fn a_refusal_holds_nothing(turn: &Turn<'_, Adaptive>) -> Verdict {
    let Answer::Asked(Err(_)) = turn.answer else { return SILENT };
    let (before, after) = (&turn.before.shared, &turn.after.shared);
    let is_same = LIMIT.in_flight(&before.state) == LIMIT.in_flight(&after.state);
    claim(is_same && before.limit() == after.limit(), || format!("{:?}", after.state))
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

fn a_probe_lets_in_no_more_than_its_limit(turn: &Turn<'_, Adaptive>) -> Verdict {
    let Answer::Asked(asked) = turn.answer else { return SILENT };
    if !turn.before.is_probing() {
        return SILENT;
    }
    let out = turn.before.shared.out();
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
    let (mut state, now) = (turn.after.shared.state.clone(), turn.after.shared.clock.instant());
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
    let now = turn.after.shared.clock.instant();
    let Some(next) = turn.after.shared.deadline() else { return SILENT };
    let wait = next.saturating_since(now).as_nanos();
    let horizon = if turn.after.is_probing() { PATIENCE } else { INTERVAL + JITTER };
    claim(wait <= horizon.into(), || format!("{wait} ns"))
}
