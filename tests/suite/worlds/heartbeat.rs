//! A peer that is to send every 4 ns, at times with numbers, and is suspected after 16 ns at the latest.

use super::search::{Clock, Law, SILENT, Turn, Verdict, World, claim, laws, relative};
use core::time::Duration;
use resil_core::health::{Beat, HeartbeatConfig, HeartbeatState, HeartbeatStatus, Phi};
use resil_core::{Instant, valid};

const PEER: HeartbeatConfig = valid!(
    HeartbeatConfig::builder()
        .interval(Duration::from_nanos(4))
        .acceptable_pause(Duration::from_nanos(2))
        .min_std_deviation(Duration::from_nanos(1))
        .max_silence(Duration::from_nanos(MAX_SILENCE))
        .samples(2)
        .build()
);
const MAX_SILENCE: u64 = 16;

#[derive(Clone, Copy, Debug)]
pub(super) enum Input {
    Pass,
    /// To the instant at which its status changes by itself.
    Deadline,
    StepBack(u64),
    Expect,
    Beat,
    /// With the number that follows the last one, or with that one again.
    Numbered {
        again: bool,
    },
    Resume,
    Reanchor,
}

#[derive(Debug)]
pub(super) enum Answer {
    Beat(Beat),
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// The silence of an outage is learned as any other.
    LearnsOutages,
    /// A number that was there already is heard again.
    HearsTwice,
    /// To resume tells nothing to whoever was suspected.
    NeverResumes,
}

#[derive(Clone, Debug)]
pub(super) struct Peer {
    state: HeartbeatState,
    number: u32,
    clock: Clock,
    planted: Option<Planted>,
}

impl Peer {
    pub(super) fn new(reach: u64, planted: Option<Planted>) -> Self {
        Self { state: HeartbeatState::new(), number: 0, clock: Clock::new(reach), planted }
    }

    fn status(&self) -> HeartbeatStatus {
        PEER.status(&self.state, self.clock.instant())
    }

    /// What it takes for usual.
    fn usual(&self) -> (Duration, Duration) {
        (PEER.mean(&self.state), PEER.std_deviation(&self.state))
    }

    fn beat(&mut self) -> Beat {
        let now = self.clock.instant();
        if self.planted == Some(Planted::LearnsOutages)
            && self.status() == HeartbeatStatus::Suspected
        {
            // As if it had come in the last moment, and the silence been usual.
            let mut before = (1..).map(|nanos| Instant::from_nanos(now.as_nanos() - nanos));
            let is_alive =
                |at: &Instant| PEER.status(&self.state, *at) != HeartbeatStatus::Suspected;
            let late = before.find(is_alive).expect("it was alive once");
            let _learned = PEER.record(&mut self.state, late);
            PEER.resume(&mut self.state, now);
            return Beat::Recovered;
        }
        PEER.record(&mut self.state, now)
    }

    fn numbered(&mut self, again: bool) -> Beat {
        let now = self.clock.instant();
        if !again {
            self.number += 1;
        }
        if again && self.planted == Some(Planted::HearsTwice) {
            return PEER.record(&mut self.state, now);
        }
        PEER.record_numbered(&mut self.state, self.number, now)
    }
}

impl World for Peer {
    type Input = Input;
    type Answer = Answer;

    const LAWS: &'static [Law<Self>] = laws![
        one_heartbeat_makes_it_alive,
        a_beat_says_what_was_before,
        it_is_suspected_exactly_from_the_deadline_on,
        phi_never_falls_in_silence_and_is_at_the_threshold_while_suspected,
        silence_is_suspected_in_time,
        an_outage_is_not_learned,
        what_came_before_is_stale_and_changes_nothing,
        to_resume_gives_it_time,
        a_step_back_delays_a_suspicion_by_one_limit_at_most,
    ];

    fn inputs(&self) -> Vec<Input> {
        let mut inputs = vec![Input::Pass, Input::Expect, Input::Beat, Input::Resume];
        inputs.push(Input::Numbered { again: false });
        if self.number > 0 {
            inputs.push(Input::Numbered { again: true });
        }
        if PEER.next_deadline(&self.state, self.clock.instant()).is_some() {
            inputs.push(Input::Deadline);
        }
        inputs.extend(self.clock.may_go_back().map(Input::StepBack));
        if self.clock.may_ever_go_back() {
            inputs.push(Input::Reanchor);
        }
        inputs
    }

    fn apply(&mut self, input: Input) -> Answer {
        let now = self.clock.instant();
        match input {
            Input::Pass => self.clock.forward(1),
            Input::Deadline => {
                let next = PEER.next_deadline(&self.state, now).expect("there is one");
                self.clock.forward(next.as_nanos().saturating_sub(self.clock.now));
            }
            Input::StepBack(by) => self.clock.back(by),
            Input::Expect => PEER.expect(&mut self.state, now),
            Input::Beat => return Answer::Beat(self.beat()),
            Input::Numbered { again } => return Answer::Beat(self.numbered(again)),
            Input::Resume if self.planted == Some(Planted::NeverResumes) => {}
            Input::Resume => PEER.resume(&mut self.state, now),
            Input::Reanchor => PEER.reanchor(&mut self.state, now),
        }
        Answer::Nothing
    }

    fn shape(&self) -> String {
        // Which number was the last makes no difference.
        let text = format!("{:?}", self.state).replace(&format!("number: {},", self.number), "");
        let floor = self.clock.floor(4 * MAX_SILENCE);
        let text = relative(&text, self.clock.now, floor);
        format!("{text} {} {}", self.number > 0, self.clock.behind())
    }

    fn phase(&self) -> String {
        let is_expected =
            self.status() == HeartbeatStatus::Unknown && self.state != HeartbeatState::new();
        if is_expected { "EXPECTED".to_owned() } else { self.status().to_string() }
    }

    fn class(&self, input: Input) -> &'static str {
        match input {
            Input::Pass | Input::Deadline | Input::StepBack(_) => "time",
            Input::Expect => "expect",
            Input::Beat | Input::Numbered { again: false } => "heartbeat",
            Input::Numbered { again: true } => "the same again",
            Input::Resume => "resume",
            Input::Reanchor => "reanchor",
        }
    }
}

fn one_heartbeat_makes_it_alive(turn: &Turn<'_, Peer>) -> Verdict {
    let Answer::Beat(Beat::First | Beat::Counted | Beat::Recovered | Beat::Reanchored) =
        turn.answer
    else {
        return SILENT;
    };
    let status = turn.after.status();
    claim(status == HeartbeatStatus::Alive, || status.to_string())
}

fn a_beat_says_what_was_before(turn: &Turn<'_, Peer>) -> Verdict {
    let Answer::Beat(beat) = turn.answer else { return SILENT };
    let before = turn.before.status();
    let holds = match beat {
        Beat::First => before != HeartbeatStatus::Alive,
        Beat::Recovered => before == HeartbeatStatus::Suspected,
        Beat::Counted => before == HeartbeatStatus::Alive,
        Beat::Reanchored => turn.before.clock.may_ever_go_back(),
        Beat::Stale => before == HeartbeatStatus::Alive,
    };
    claim(holds, || format!("{beat:?} of {before}"))
}

fn it_is_suspected_exactly_from_the_deadline_on(turn: &Turn<'_, Peer>) -> Verdict {
    let (state, now) = (&turn.after.state, turn.after.clock.now);
    let status = |at| PEER.status(state, Instant::from_nanos(at));
    let Some(next) = PEER.next_deadline(state, Instant::from_nanos(now)) else {
        let later = status(now + 4 * MAX_SILENCE);
        return claim(later == status(now), || format!("{} became {later}", status(now)));
    };
    let next = next.as_nanos();
    let early = (now..next).find(|at| status(*at) != status(now));
    let then = status(next);
    let is_next = then == HeartbeatStatus::Suspected || turn.after.clock.may_ever_go_back();
    claim(early.is_none() && then != status(now) && is_next, || format!("{early:?}, then {then}"))
}

fn phi_never_falls_in_silence_and_is_at_the_threshold_while_suspected(
    turn: &Turn<'_, Peer>,
) -> Verdict {
    let (state, now) = (&turn.after.state, turn.after.clock.now);
    let mut last = Phi::default();
    for at in now..now + 2 * MAX_SILENCE {
        let at = Instant::from_nanos(at);
        let (phi, status) = (PEER.phi(state, at), PEER.status(state, at));
        let is_at_threshold = phi >= PEER.threshold();
        if phi < last || is_at_threshold != (status == HeartbeatStatus::Suspected) {
            return Err(format!("{phi} after {last}, {status}"));
        }
        last = phi;
    }
    Ok(last > Phi::default())
}

fn silence_is_suspected_in_time(turn: &Turn<'_, Peer>) -> Verdict {
    let status = turn.after.status();
    if status != HeartbeatStatus::Alive || turn.after.clock.may_ever_go_back() {
        return SILENT;
    }
    let later = turn.after.clock.instant().saturating_add(Duration::from_nanos(MAX_SILENCE));
    let then = PEER.status(&turn.after.state, later);
    claim(then == HeartbeatStatus::Suspected, || format!("{then} after {MAX_SILENCE} ns"))
}

fn an_outage_is_not_learned(turn: &Turn<'_, Peer>) -> Verdict {
    let Answer::Beat(Beat::Recovered) = turn.answer else { return SILENT };
    let (before, after) = (turn.before.usual(), turn.after.usual());
    claim(before == after, || format!("{before:?} became {after:?}"))
}

fn what_came_before_is_stale_and_changes_nothing(turn: &Turn<'_, Peer>) -> Verdict {
    let (Input::Numbered { again: true }, Answer::Beat(beat)) = (turn.input, turn.answer) else {
        return SILENT;
    };
    let was_last = format!("{:?}", turn.before.state).contains("Numbered");
    if !was_last || turn.before.status() != HeartbeatStatus::Alive {
        return SILENT;
    }
    let is_same = turn.before.state == turn.after.state;
    claim(*beat == Beat::Stale && is_same, || format!("{beat:?}"))
}

fn to_resume_gives_it_time(turn: &Turn<'_, Peer>) -> Verdict {
    let (Input::Resume, true) = (turn.input, turn.before.state != HeartbeatState::new()) else {
        return SILENT;
    };
    let status = turn.after.status();
    claim(status != HeartbeatStatus::Suspected, || status.to_string())
}

/// Whoever says `reanchor` after it.
fn a_step_back_delays_a_suspicion_by_one_limit_at_most(turn: &Turn<'_, Peer>) -> Verdict {
    let (Input::Reanchor, Some(next)) =
        (turn.input, PEER.next_deadline(&turn.after.state, turn.after.clock.instant()))
    else {
        return SILENT;
    };
    let wait = next.as_nanos() - turn.after.clock.now;
    claim(wait <= MAX_SILENCE, || format!("{wait} ns"))
}
