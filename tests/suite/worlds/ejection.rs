//! Three peers, the breaker of each, and the rule over them.

use super::search::{Clock, Law, SILENT, Turn, Verdict, World, claim, laws, relative};
use core::time::Duration;
use resil_core::call::Bound;
use resil_core::circuit_breaker::ejection::{Blame, EjectionConfig, EjectionState, Ruling, Spared};
use resil_core::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerState, State, Transition};
use resil_core::outcome::FailureClass;
use resil_core::{Instant, Outcome, Ratio, valid};

const PEERS: usize = 3;

const BREAKER: CircuitBreakerConfig = valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(1)
        .timeout(Duration::from_nanos(1))
        .max_timeout(Duration::from_nanos(1))
        .lease(Duration::from_nanos(1))
        .abandon_counts_after(None)
        .build()
);
/// One of three may be ejected, and all three fail where it is me; of the last 2 ns.
const RULE: EjectionConfig = valid!(
    EjectionConfig::builder()
        .max_ejected(Ratio::new(1, 2))
        .panic_threshold(Ratio::new(3, 4))
        .min_peers(3)
        .window(Duration::from_nanos(2))
        .build()
);
const HALF: u64 = 1;

#[derive(Clone, Copy, Debug)]
pub(super) enum Input {
    Pass,
    StepBack(u64),
    /// A call to a peer, if its breaker lets it pass.
    Call(usize, Outcome),
    ForceOpen(usize),
    Reset(usize),
    Leave(usize),
    Join(usize),
}

#[derive(Debug)]
pub(super) enum Answer {
    Refused,
    Called(Blame, Option<(Transition, Ruling)>),
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// However many are ejected, one more may be.
    NoLimit,
    /// Our own fault ejects peers.
    OwnFaultEjects,
    /// A breaker that closes stays ejected.
    NeverReadmits,
}

/// The last word of a peer: when, whether it failed, and whether by our own fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Word {
    lived: u64,
    failed: bool,
    local: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Peers {
    rule: EjectionState,
    breakers: [CircuitBreakerState; PEERS],
    words: [Option<Word>; PEERS],
    known: [bool; PEERS],
    forced: [bool; PEERS],
    clock: Clock,
    planted: Option<Planted>,
}

impl Peers {
    pub(super) fn new(reach: u64, planted: Option<Planted>) -> Self {
        let mut rule = EjectionState::new();
        (0..PEERS).for_each(|peer| RULE.join(&mut rule, peer));
        Self {
            rule,
            breakers: [const { CircuitBreakerState::new() }; PEERS],
            words: [None; PEERS],
            known: [true; PEERS],
            forced: [false; PEERS],
            clock: Clock::new(reach),
            planted,
        }
    }

    fn now(&self) -> Instant {
        self.clock.instant()
    }

    fn state(&self, peer: usize) -> State {
        BREAKER.state(&self.breakers[peer], self.now())
    }

    fn call(&mut self, peer: usize, outcome: Outcome) -> Answer {
        let now = self.now();
        let breaker = &mut self.breakers[peer];
        // Half-open is no news to the rule.
        let Ok(permit) = BREAKER.try_acquire(breaker, 0, now) else { return Answer::Refused };
        let blame = RULE.record(&mut self.rule, peer, outcome, now);
        let recorded = BREAKER.record(breaker, permit, outcome, 0, now);
        match outcome {
            Outcome::Ignored | Outcome::Abandoned => {}
            Outcome::Success | Outcome::Failure(_) => {
                let local = outcome == Outcome::Failure(FailureClass::Local);
                let failed = outcome != Outcome::Success;
                let lived = self.clock.lived();
                (self.words[peer], self.known[peer]) = (Some(Word { lived, failed, local }), true);
            }
        }
        let changed = recorded.transition();
        let ruling = changed.map(|transition| (transition, self.rule_on(peer, transition)));
        Answer::Called(blame, ruling)
    }

    /// The rule is told of a transition.
    fn rule_on(&mut self, peer: usize, transition: Transition) -> Ruling {
        let (now, before) = (self.now(), self.breakers[peer].clone());
        if self.planted == Some(Planted::NeverReadmits) && transition.to == State::Closed {
            return Ruling::Stands;
        }
        let breaker = Bound::new(&BREAKER, &mut self.breakers[peer]);
        let ruling = RULE.rule(&mut self.rule, peer, transition, breaker, now);
        let is_ignored = match ruling {
            Ruling::Spared(Spared::TooMany) => self.planted == Some(Planted::NoLimit),
            Ruling::Spared(Spared::OwnFault) => self.planted == Some(Planted::OwnFaultEjects),
            Ruling::Stands => false,
        };
        if is_ignored {
            self.breakers[peer] = before.clone();
            let forced = Transition { from: transition.from, to: State::ForcedOpen };
            let breaker = &mut before.clone();
            let _ = RULE.rule(&mut self.rule, peer, forced, Bound::new(&BREAKER, breaker), now);
            return Ruling::Stands;
        }
        if transition.to == State::Closed {
            self.words[peer] = None;
        }
        ruling
    }

    /// Whether most fail, where it can be told who counts: those heard of in the last half of the window
    /// do, those of before the window do not.
    fn most_fail(&self) -> Option<bool> {
        let age = |word: &Word| self.clock.lived() - word.lived;
        let words = || self.words.iter().flatten();
        let is_sure = words().all(|word| age(word) < HALF || age(word) >= 2 * HALF);
        if !is_sure || self.clock.may_ever_go_back() {
            return None;
        }
        let heard: Vec<_> = words().filter(|word| age(word) < HALF).collect();
        let failing = heard.iter().filter(|word| word.failed).count();
        let local = heard.iter().filter(|word| word.local).count();
        let counts = |peer: &usize| {
            let is_heard = self.words[*peer].is_some_and(|word| age(&word) < HALF);
            is_heard || RULE.is_ejected(&self.rule, *peer)
        };
        let enough = (0..PEERS).filter(counts).count() >= 3 && heard.len() >= 2;
        Some(enough && 4 * failing >= 3 * heard.len() || 2 * local > failing)
    }
}

impl World for Peers {
    type Input = Input;
    type Answer = Answer;

    const LAWS: &'static [Law<Self>] = laws![
        own_fault_ejects_nobody,
        no_ruling_ejects_more_than_the_share,
        the_last_of_several_is_never_ejected,
        ejected_is_who_has_an_open_breaker,
        who_is_spared_has_a_closed_breaker,
        who_is_ejected_stays_so_until_its_breaker_closes,
        it_is_me_when_most_fail,
        who_is_known_is_counted,
        nobody_else_is_touched,
        nothing_changes_before_the_deadline,
    ];

    fn inputs(&self) -> Vec<Input> {
        let mut inputs = vec![Input::Pass];
        inputs.extend(self.clock.may_go_back().map(Input::StepBack));
        for peer in 0..PEERS {
            inputs.extend(super::OUTCOMES.map(|outcome| Input::Call(peer, outcome)));
            inputs.extend([Input::ForceOpen(peer), Input::Reset(peer), Input::Leave(peer)]);
            inputs.push(Input::Join(peer));
        }
        inputs
    }

    fn apply(&mut self, input: Input) -> Answer {
        let now = self.now();
        match input {
            Input::Pass => self.clock.forward(1),
            Input::StepBack(by) => self.clock.back(by),
            Input::Call(peer, outcome) => return self.call(peer, outcome),
            Input::ForceOpen(peer) => {
                if let Some(forced) = BREAKER.force_open(&mut self.breakers[peer], now) {
                    self.rule_on(peer, forced);
                    (self.forced[peer], self.known[peer]) = (true, true);
                }
            }
            Input::Reset(peer) => {
                if let Some(closed) = BREAKER.reset(&mut self.breakers[peer], now) {
                    self.rule_on(peer, closed);
                    self.forced[peer] = false;
                }
            }
            Input::Leave(peer) => {
                RULE.leave(&mut self.rule, peer);
                BREAKER.reset(&mut self.breakers[peer], now);
                (self.known[peer], self.forced[peer], self.words[peer]) = (false, false, None);
            }
            Input::Join(peer) => {
                RULE.join(&mut self.rule, peer);
                BREAKER.reset(&mut self.breakers[peer], now);
                (self.known[peer], self.forced[peer], self.words[peer]) = (true, false, None);
            }
        }
        Answer::Nothing
    }

    fn shape(&self) -> String {
        let (now, floor) = (self.clock.now, self.clock.floor(2 * HALF));
        let rule = relative(&format!("{:?}", self.rule), now, floor);
        let bits: Vec<u32> = rule
            .split("Bits([")
            .skip(1)
            .filter_map(|rest| rest.split(']').next()?.parse().ok())
            .collect();
        let since = rule.split("Instant(").nth(1).and_then(|rest| rest.split(')').next());
        let peer = |peer: usize| {
            let mine: String =
                bits.iter().map(|bits| if bits >> peer & 1 == 1 { '1' } else { '0' }).collect();
            let text = relative(&format!("{:?}", self.breakers[peer]), now, floor);
            let until =
                text.split("until: Instant(").nth(1).and_then(|rest| rest.split(')').next());
            let word = self.words[peer].map(|word| {
                ((self.clock.lived() - word.lived).min(2 * HALF), word.failed, word.local)
            });
            let ghosts = (word, self.known[peer], self.forced[peer]);
            let phase = text.split("phase: ").nth(1).and_then(|rest| rest.split(',').next());
            let out = text.split("in_flight: ").nth(1).and_then(|rest| rest.split(", op").next());
            format!("{mine} {until:?} {phase:?} {out:?} {ghosts:?}")
        };
        // The peers are alike.
        let mut peers: Vec<_> = (0..PEERS).map(peer).collect();
        peers.sort();
        format!("{since:?} {peers:?} {}", self.clock.behind())
    }

    fn phase(&self) -> String {
        let blame = match RULE.blame(&self.rule, self.now()) {
            Blame::Me => "it is me",
            Blame::Peer => "it is they",
        };
        format!("{blame}, {} ejected", RULE.ejected(&self.rule))
    }

    fn class(&self, input: Input) -> &'static str {
        match input {
            Input::Pass | Input::StepBack(_) => "time",
            Input::Call(_, Outcome::Success) => "success",
            Input::Call(_, Outcome::Failure(FailureClass::Local)) => "local failure",
            Input::Call(_, Outcome::Failure(_)) => "failure",
            Input::Call(..) => "says nothing",
            Input::ForceOpen(_) => "force_open",
            Input::Reset(_) => "reset",
            Input::Leave(_) => "leave",
            Input::Join(_) => "join",
        }
    }
}

/// A peer whose breaker opened, and what became of that.
fn opened(turn: &Turn<'_, Peers>) -> Option<(usize, Ruling)> {
    match (turn.input, turn.answer) {
        (Input::Call(peer, _), Answer::Called(_, Some((transition, ruling))))
            if transition.to == State::Open =>
        {
            Some((peer, *ruling))
        }
        _ => None,
    }
}

fn forced(world: &Peers) -> u32 {
    world.forced.iter().filter(|forced| **forced).count() as u32
}

fn no_ruling_ejects_more_than_the_share(turn: &Turn<'_, Peers>) -> Verdict {
    let Some((peer, Ruling::Stands)) = opened(turn) else { return SILENT };
    if RULE.is_ejected(&turn.before.rule, peer) {
        return SILENT;
    }
    let (ejected, known) = (RULE.ejected(&turn.after.rule), RULE.peers(&turn.after.rule));
    claim(ejected <= (known / 2).max(1), || format!("{ejected} of {known}"))
}

fn the_last_of_several_is_never_ejected(turn: &Turn<'_, Peers>) -> Verdict {
    let Some((_, Ruling::Stands)) = opened(turn) else { return SILENT };
    let (ejected, known) = (RULE.ejected(&turn.after.rule), RULE.peers(&turn.after.rule));
    let has_changed = ejected > RULE.ejected(&turn.before.rule);
    claim(known < 2 || ejected < known || !has_changed, || format!("{ejected} of {known}"))
}

fn ejected_is_who_has_an_open_breaker(turn: &Turn<'_, Peers>) -> Verdict {
    let world = turn.after;
    let differs = |peer: &usize| {
        let is_open = world.state(*peer) != State::Closed;
        RULE.is_ejected(&world.rule, *peer) != is_open
    };
    let peer = (0..PEERS).find(differs);
    claim(peer.is_none(), || format!("{peer:?} in {world:?}"))
}

fn who_is_spared_has_a_closed_breaker(turn: &Turn<'_, Peers>) -> Verdict {
    let Some((peer, Ruling::Spared(_))) = opened(turn) else { return SILENT };
    let is_fresh = BREAKER.is_fresh(&turn.after.breakers[peer], turn.after.now());
    claim(is_fresh, || turn.after.state(peer).to_string())
}

fn who_is_ejected_stays_so_until_its_breaker_closes(turn: &Turn<'_, Peers>) -> Verdict {
    let is_ejected = |world: &Peers, peer: usize| RULE.is_ejected(&world.rule, peer);
    let left =
        (0..PEERS).find(|peer| is_ejected(turn.before, *peer) && !is_ejected(turn.after, *peer));
    let Some(peer) = left else { return SILENT };
    claim(turn.after.state(peer) == State::Closed, || format!("{peer}"))
}

fn own_fault_ejects_nobody(turn: &Turn<'_, Peers>) -> Verdict {
    let (Some((peer, ruling)), Answer::Called(Blame::Me, _)) = (opened(turn), turn.answer) else {
        return SILENT;
    };
    let was_ejected = RULE.is_ejected(&turn.before.rule, peer);
    claim(was_ejected || ruling == Ruling::Spared(Spared::OwnFault), || format!("{ruling:?}"))
}

fn it_is_me_when_most_fail(turn: &Turn<'_, Peers>) -> Verdict {
    let Some(most) = turn.after.most_fail() else { return SILENT };
    let blame = RULE.blame(&turn.after.rule, turn.after.now());
    claim((blame == Blame::Me) == most, || format!("{blame:?}, most fail: {most}"))
}

fn who_is_known_is_counted(turn: &Turn<'_, Peers>) -> Verdict {
    let known = turn.after.known.iter().filter(|known| **known).count() as u32;
    let (peers, ejected) = (RULE.peers(&turn.after.rule), RULE.ejected(&turn.after.rule));
    claim(peers == known && ejected <= known && forced(turn.after) <= ejected, || {
        format!("{peers} of {known}, {ejected} ejected")
    })
}

fn nobody_else_is_touched(turn: &Turn<'_, Peers>) -> Verdict {
    let Input::Call(peer, _) = turn.input else { return SILENT };
    let others = |world: &Peers| {
        let others = (0..PEERS).filter(move |other| *other != peer);
        let of =
            |other: usize| (world.breakers[other].clone(), RULE.is_ejected(&world.rule, other));
        others.map(of).collect::<Vec<_>>()
    };
    claim(others(turn.before) == others(turn.after), || format!("by a call to {peer}"))
}

fn nothing_changes_before_the_deadline(turn: &Turn<'_, Peers>) -> Verdict {
    let world = turn.after;
    let (now, present) = (world.clock.now, RULE.blame(&world.rule, world.now()));
    let end = RULE.next_deadline(&world.rule, world.now()).map(Instant::as_nanos);
    let until = end.unwrap_or(now + 2 * HALF + 2);
    let mut early = (now + 1..until).map(Instant::from_nanos);
    let changed = early.find(|at| RULE.blame(&world.rule, *at) != present);
    claim(changed.is_none() && end.is_none_or(|end| end > now), || format!("{changed:?}"))
}
