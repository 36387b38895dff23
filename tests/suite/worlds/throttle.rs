//! A throttle whose window is 10 ns, with up to two calls out and so many asked for in the window.

use super::lending::{self, Lending, what_is_stale_changes_nothing};
use super::search::{Clock, Law, SILENT, Turn, Verdict, World, claim, laws};
use core::cell::Cell;
use core::time::Duration;
use resil_core::outcome::{FailureClass, Rejected};
use resil_core::throttle::{AdaptiveThrottle, Permit, Recorded, ThrottleState};
use resil_core::{Instant, Outcome, Ratio, valid};

/// Twice of what is accepted, from two calls on, and at most three quarters are refused.
const THROTTLE: AdaptiveThrottle = valid!(
    AdaptiveThrottle::builder()
        .window(Duration::from_nanos(WINDOW))
        .min_requests(MIN_REQUESTS)
        .multiplier(Ratio::TWO)
        .max_share(Ratio::new(3, 4))
        .build()
);
const WINDOW: u64 = 10;
const MIN_REQUESTS: u32 = 2;
const MAX_SHARE: u32 = 3 << 30;

/// Where the bits that are drawn fall.
#[derive(Clone, Copy, Debug)]
pub(super) enum Draw {
    Lowest,
    /// The last that is refused.
    Below,
    /// The first that passes.
    At,
    Highest,
}

#[derive(Debug)]
pub(super) struct Asked {
    drawn: Option<u32>,
    draws: u32,
    refused: Option<Rejected>,
}

type Input = lending::Input<Draw>;
type Answer = lending::Answer<Asked, Recorded>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// Who is refused is not counted.
    RefusalIsForgotten,
    /// A failure of our own side counts as refused by the peer.
    LocalIsTheirs,
    /// One who may be refused passes.
    PassesTheLast,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Asked,
    Accepted,
    Neutral,
}

#[derive(Debug)]
struct Lent {
    before: ThrottleState,
    permit: Permit,
    is_stale: bool,
}

impl Clone for Lent {
    fn clone(&self) -> Self {
        let before = self.before.clone();
        let never = Instant::EPOCH;
        let permit = THROTTLE.try_acquire(&mut before.clone(), u32::MAX, never);
        Self { before, permit: permit.expect("the highest bits pass"), ..*self }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Throttle {
    state: ThrottleState,
    lent: Vec<Lent>,
    /// What was counted, and when: as long as the clock does not step back, all there is to know.
    counted: Vec<(u64, Kind)>,
    most: usize,
    clock: Clock,
    planted: Option<Planted>,
}

impl Throttle {
    /// With at most `most` calls asked for in the window.
    pub(super) fn new(most: usize, reach: u64, planted: Option<Planted>) -> Self {
        let (state, clock) = (ThrottleState::new(), Clock::new(reach));
        Self { state, lent: Vec::new(), counted: Vec::new(), most, clock, planted }
    }

    fn deadline(&self) -> Option<Instant> {
        THROTTLE.next_deadline(&self.state, self.clock.instant())
    }

    /// What was asked for and what was accepted, counted one by one.
    fn exact(&self) -> (u32, u32) {
        let of = |kind| self.counted.iter().filter(|(_, other)| *other == kind).count() as u32;
        (of(Kind::Asked).saturating_sub(of(Kind::Neutral)), of(Kind::Accepted))
    }

    /// The same as the throttle has it.
    fn counts(&self) -> (u32, u32) {
        let now = self.clock.instant();
        (THROTTLE.requests(&self.state, now), THROTTLE.accepts(&self.state, now))
    }

    fn share(&self) -> u32 {
        THROTTLE.reject_share(&self.state, self.clock.instant())
    }

    fn note(&mut self, kind: Kind) {
        self.counted.push((self.clock.now, kind));
    }

    fn forget(&mut self) {
        let now = self.clock.now;
        self.counted.retain(|(at, _)| now.saturating_sub(*at) < WINDOW);
        self.counted.sort_unstable();
    }

    fn ask(&mut self, draw: Draw) -> Asked {
        let (share, now) = (self.share(), self.clock.instant());
        let bits = match draw {
            Draw::Lowest => 0,
            Draw::Below => share.saturating_sub(1),
            Draw::At => share,
            Draw::Highest => u32::MAX,
        };
        let draws = Cell::new(0);
        let entropy = || {
            draws.set(draws.get() + 1);
            if self.planted == Some(Planted::PassesTheLast) { bits.saturating_add(1) } else { bits }
        };
        let before = self.state.clone();
        let asked = THROTTLE.try_acquire(&mut self.state, entropy, now);
        let refused = match asked {
            Ok(permit) => {
                self.lent.push(Lent { before, permit, is_stale: false });
                None
            }
            Err(rejected) => {
                if self.planted == Some(Planted::RefusalIsForgotten) {
                    self.state = before;
                }
                Some(rejected)
            }
        };
        self.note(Kind::Asked);
        Asked { drawn: (draws.get() > 0).then_some(bits), draws: draws.get(), refused }
    }

    fn tell(&mut self, place: usize, outcome: Outcome) -> Recorded {
        use FailureClass::{Fatal, Local};
        let Lent { permit, is_stale, .. } = self.lent.remove(place);
        if !is_stale {
            match outcome {
                Outcome::Success | Outcome::Failure(Fatal) => self.note(Kind::Accepted),
                Outcome::Ignored | Outcome::Abandoned | Outcome::Failure(Local) => {
                    self.note(Kind::Neutral);
                }
                Outcome::Failure(_) => {}
            }
        }
        let outcome = match (self.planted, outcome) {
            (Some(Planted::LocalIsTheirs), Outcome::Failure(Local)) => {
                Outcome::Failure(FailureClass::Throttled)
            }
            (_, outcome) => outcome,
        };
        THROTTLE.record(&mut self.state, permit, outcome, self.clock.instant())
    }
}

impl World for Throttle {
    type Input = Input;
    type Answer = Answer;

    const LAWS: &'static [Law<Self>] = laws![
        counted_is_what_lies_in_the_window,
        the_share_is_that_of_the_formula,
        refused_is_exactly_what_falls_below_the_share,
        entropy_is_drawn_once_where_a_refusal_is_possible,
        some_always_pass,
        within_what_the_peer_accepts_everything_passes,
        who_is_refused_is_counted,
        what_says_nothing_is_as_if_never_asked,
        what_is_stale_changes_nothing,
        nothing_changes_before_the_deadline,
        it_reopens_by_itself,
    ];

    fn inputs(&self) -> Vec<Input> {
        let mut inputs = Input::always(&self.clock, self.deadline());
        let asked = self.counted.iter().filter(|(_, kind)| *kind == Kind::Asked).count();
        if self.lent.len() < 2 && asked < self.most {
            let draws = [Draw::Lowest, Draw::Below, Draw::At, Draw::Highest];
            inputs.extend(
                draws[if self.share() == 0 { 3.. } else { 0.. }].iter().copied().map(Input::Ask),
            );
        }
        inputs.extend(Input::to_permits(self.lent.len(), true));
        inputs
    }

    fn apply(&mut self, input: Input) -> Answer {
        let mut answer = Answer::Nothing;
        match input {
            Input::Ask(draw) => answer = Answer::Asked(self.ask(draw)),
            Input::Tell(place, outcome) => answer = Answer::Told(self.tell(place, outcome)),
            Input::Lose(place) => drop(self.lent.remove(place)),
            Input::Reset => {
                THROTTLE.reset(&mut self.state);
                self.lent.iter_mut().for_each(|lent| lent.is_stale = true);
                self.counted.clear();
            }
            _ => {
                let deadline = self.deadline();
                input.turn_clock(&mut self.clock, 1, deadline);
            }
        }
        self.forget();
        answer
    }

    fn shape(&self) -> String {
        let mut stale: Vec<_> = self.lent.iter().map(|lent| lent.is_stale).collect();
        stale.sort_unstable();
        let now = self.clock.now;
        let counted: Vec<_> =
            self.counted.iter().map(|(at, kind)| (now as i64 - *at as i64, kind)).collect();
        let ring = ring(&format!("{:?}", self.state), now);
        format!("{ring:?} {stale:?} {counted:?} {}", self.clock.behind())
    }

    fn phase(&self) -> String {
        match self.share() {
            0 => "all pass",
            MAX_SHARE => "the least passes",
            _ => "some pass",
        }
        .to_owned()
    }

    fn class(&self, input: Input) -> &'static str {
        use FailureClass::{Fatal, Local};
        match input {
            Input::Pass | Input::Deadline | Input::StepBack(_) => "time",
            Input::Ask(_) => "ask",
            Input::Tell(_, Outcome::Success | Outcome::Failure(Fatal)) => "accepted",
            Input::Tell(_, Outcome::Ignored | Outcome::Abandoned | Outcome::Failure(Local)) => {
                "says nothing"
            }
            Input::Tell(..) => "not accepted",
            Input::Lose(_) => "lost",
            Input::Reset => "reset",
        }
    }
}

impl Lending for Throttle {
    type State = ThrottleState;

    fn state(&self) -> &ThrottleState {
        &self.state
    }

    fn told(turn: &Turn<'_, Self>) -> Option<(bool, bool)> {
        let (Input::Tell(place, _), Answer::Told(recorded)) = (turn.input, turn.answer) else {
            return None;
        };
        Some((turn.before.lent[place].is_stale, *recorded == Recorded::Stale))
    }
}

/// The ring of a state as it is at `now`, its newest sub-window last; and how far it is ahead of that.
fn ring(state: &str, now: u64) -> (u64, Vec<[u64; 3]>) {
    let numbers = |text: &str| -> Vec<u64> {
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect()
    };
    let (since, rest) = state.split_once("ring: ").expect("a ring");
    let (rows, rest) = rest.split_once(", totals").expect("totals");
    let (_, present) = rest.split_once("present: ").expect("a place in it");
    let (since, present) = (numbers(since)[0], numbers(present)[0] as usize);
    let rows: Vec<_> = numbers(rows).chunks(3).map(|row| [row[0], row[1], row[2]]).collect();
    let mut rows: Vec<_> =
        (1..=rows.len()).map(|step| rows[(present + step) % rows.len()]).collect();
    // What time would do to it, were it looked at now.
    let passed = now.saturating_sub(since).min(WINDOW) as usize;
    rows.drain(..passed);
    rows.resize(WINDOW as usize, [0; 3]);
    (since.saturating_sub(now), rows)
}

fn counted_is_what_lies_in_the_window(turn: &Turn<'_, Throttle>) -> Verdict {
    if turn.after.clock.may_ever_go_back() {
        return SILENT;
    }
    let (counts, exact) = (turn.after.counts(), turn.after.exact());
    claim(counts == exact, || format!("{counts:?} are counted of {exact:?}"))
}

/// In exact fractions, rounded up to 2^-32.
fn the_share_is_that_of_the_formula(turn: &Turn<'_, Throttle>) -> Verdict {
    let (requests, accepts) = turn.after.counts();
    let excess = u64::from(requests).saturating_sub(2 * u64::from(accepts));
    let excess = if requests < MIN_REQUESTS { 0 } else { excess };
    let exact = (excess << 32).div_ceil(u64::from(requests) + 1).min(MAX_SHARE.into());
    let share = turn.after.share();
    claim(u64::from(share) == exact, || format!("{share}, and {exact} by the formula"))
}

fn refused_is_exactly_what_falls_below_the_share(turn: &Turn<'_, Throttle>) -> Verdict {
    let Answer::Asked(Asked { drawn: Some(drawn), refused, .. }) = turn.answer else {
        return SILENT;
    };
    let share = turn.before.share();
    claim(refused.is_some() == (*drawn < share), || format!("{drawn} of {share}: {refused:?}"))
}

fn entropy_is_drawn_once_where_a_refusal_is_possible(turn: &Turn<'_, Throttle>) -> Verdict {
    let Answer::Asked(Asked { draws, .. }) = turn.answer else { return SILENT };
    let expected = u32::from(turn.before.share() > 0);
    claim(*draws == expected, || format!("{draws} draws, {expected} expected"))
}

fn some_always_pass(turn: &Turn<'_, Throttle>) -> Verdict {
    let share = turn.after.share();
    if share == 0 {
        return SILENT;
    }
    let mut state = turn.after.state.clone();
    let passes = THROTTLE.try_acquire(&mut state, u32::MAX, turn.after.clock.instant()).is_ok();
    claim(share <= MAX_SHARE && passes, || format!("{share} of 2^32 are refused"))
}

fn within_what_the_peer_accepts_everything_passes(turn: &Turn<'_, Throttle>) -> Verdict {
    let Answer::Asked(Asked { refused, .. }) = turn.answer else { return SILENT };
    let (requests, accepts) = turn.before.counts();
    if requests >= MIN_REQUESTS && requests > 2 * accepts {
        return SILENT;
    }
    claim(refused.is_none(), || format!("{refused:?} of {requests} with {accepts} accepted"))
}

fn who_is_refused_is_counted(turn: &Turn<'_, Throttle>) -> Verdict {
    let Answer::Asked(Asked { refused: Some(_), .. }) = turn.answer else { return SILENT };
    let (before, after) = (turn.before.counts().0, turn.after.counts().0);
    claim(after == before + 1, || format!("{before} became {after}"))
}

fn what_says_nothing_is_as_if_never_asked(turn: &Turn<'_, Throttle>) -> Verdict {
    let Answer::Told(Recorded::Released) = turn.answer else { return SILENT };
    let ((asked, accepted), (asks, accepts)) = (turn.before.counts(), turn.after.counts());
    let holds = asks == asked.saturating_sub(1) && accepts == accepted;
    claim(holds, || format!("{asked} and {accepted} became {asks} and {accepts}"))
}

fn nothing_changes_before_the_deadline(turn: &Turn<'_, Throttle>) -> Verdict {
    let (world, now) = (turn.after, turn.after.clock.instant());
    let Some(next) = THROTTLE.next_deadline(&world.state, now) else {
        let counts = world.counts();
        return claim(counts.1 == 0, || format!("{counts:?} for ever"));
    };
    let totals = |nanos| {
        let at = Instant::from_nanos(nanos);
        (THROTTLE.requests(&world.state, at), THROTTLE.accepts(&world.state, at))
    };
    let early = (world.clock.now..next.as_nanos()).find(|&at| totals(at) != world.counts());
    claim(early.is_none() && next > now, || format!("at {early:?} before {next:?}"))
}

/// Whatever it has seen, after a window and the half that a step back may add it has forgotten it.
fn it_reopens_by_itself(turn: &Turn<'_, Throttle>) -> Verdict {
    if turn.after.share() == 0 {
        return SILENT;
    }
    let later = turn.after.clock.instant().saturating_add(Duration::from_nanos(WINDOW * 3 / 2));
    let share = THROTTLE.reject_share(&turn.after.state, later);
    claim(share == 0, || format!("{share} of 2^32 are still refused"))
}
