//! The laws of a breaker, each written once.

use super::model::{Counted, Expected, open_time};
use super::planted::just_before;
use super::{Answer, Breaker, Input, Measured, Said};
use crate::worlds::search::{Law, SILENT, Turn, Verdict, claim, laws};
use core::marker::PhantomData;
use resil_core::circuit_breaker::{Counts, Recorded, State, Transition};
use resil_core::outcome::{Rejected, RetryAt};
use resil_core::{ErrorCode, Instant, Outcome};

/// The laws of breakers with this window.
pub(super) struct Laws<W>(PhantomData<W>);

impl<W: Measured + 'static> Laws<W> {
    pub(super) const ALL: &'static [Law<Breaker<W>>] = laws![
        transitions_form_a_chain,
        at_most_probes_permits_are_out_while_half_open,
        probes_in_flight_are_the_permits_handed_out,
        nobody_is_admitted_while_open,
        who_may_pass_is_admitted,
        peek_says_what_asking_answers,
        a_refusal_changes_nothing,
        retry_after_is_exact,
        a_permit_settles_once_and_only_in_its_own_period,
        what_is_stale_changes_nothing,
        every_outcome_is_weighed_as_documented,
        closed_opens_only_at_the_threshold,
        half_open_closes_only_at_the_success_threshold,
        an_abandoned_probe_frees_its_slot,
        the_failures_in_a_row_are_those_counted,
        the_window_holds_what_was_counted,
        an_opening_lasts_as_long_as_documented,
        the_end_of_the_open_time_is_fixed,
        nothing_changes_before_the_deadline_and_something_at_it,
        no_wait_is_longer_than_its_horizon,
        a_breaker_never_sticks,
        looking_and_polling_agree,
    ];
}

/// All that a caller can see of a breaker at an instant, but for its deadline.
#[derive(Debug, PartialEq)]
struct View {
    state: State,
    admits: Result<(), Rejected>,
    failures: u16,
    counts: Counts,
    probes: u8,
}

fn view<W: Measured>(world: &Breaker<W>, now: Instant) -> View {
    let (policy, state) = (world.policy, &world.state);
    View {
        state: policy.state(state, now),
        admits: policy.peek(state, now),
        failures: policy.failures(state),
        counts: policy.counts(state, now),
        probes: policy.probes_in_flight(state, now),
    }
}

/// The same, with all that is due applied.
fn polled<W: Measured>(world: &Breaker<W>) -> Breaker<W> {
    Breaker { state: world.caught_up().0, ..world.clone() }
}

fn deadline<W: Measured>(world: &Breaker<W>) -> Option<Instant> {
    world.policy.next_deadline(&world.state, world.now())
}

/// What was answered to who told a permit back.
fn told(answer: &Answer) -> Option<(Recorded, Expected)> {
    match answer.said {
        Said::Told { recorded, expected } => Some((recorded, expected)),
        _ => None,
    }
}

/// The transition that the input itself caused.
fn caused(answer: &Answer) -> Option<Transition> {
    match &answer.said {
        Said::Told { recorded, .. } => recorded.transition(),
        Said::Set(transition) => *transition,
        Said::Nothing | Said::Polled(_) | Said::Asked(_) => None,
    }
}

fn transitions_form_a_chain<W: Measured>(turn: &Turn<'_, Breaker<W>>) -> Verdict {
    if turn.answer.said == Said::Nothing {
        return SILENT;
    }
    let mut at = turn.before.model.state;
    for transition in turn.answer.due.iter().copied().chain(caused(turn.answer)) {
        if transition.from != at || transition.to == at {
            return Err(format!("{transition} at {at}"));
        }
        at = transition.to;
    }
    let after = turn.after.caught_up().1.first().map_or(turn.after.state(), |due| due.from);
    claim(at == turn.after.model.state && at == after, || format!("{after} after {at}"))
}

fn at_most_probes_permits_are_out_while_half_open<W: Measured>(
    turn: &Turn<'_, Breaker<W>>,
) -> Verdict {
    let world = turn.after;
    if world.state() != State::HalfOpen || world.model.state != State::HalfOpen {
        return SILENT;
    }
    let period = world.model.period;
    let out = world.lent.iter().filter(|lent| lent.period == period).count();
    claim(out <= world.policy.probes().into(), || format!("{out} are out"))
}

fn probes_in_flight_are_the_permits_handed_out<W: Measured>(
    turn: &Turn<'_, Breaker<W>>,
) -> Verdict {
    let world = turn.after;
    // A transition that is due begins a period in which nothing is out.
    let is_present = world.caught_up().1.is_empty();
    let expected = if is_present { world.model.out } else { 0 };
    let probes = world.policy.probes_in_flight(&world.state, world.now());
    claim(probes == expected, || format!("{probes}, not {expected}"))
}

fn nobody_is_admitted_while_open<W: Measured>(turn: &Turn<'_, Breaker<W>>) -> Verdict {
    let Said::Asked(asked) = &turn.answer.said else { return SILENT };
    match turn.before.state() {
        State::Open | State::ForcedOpen => {
            let code = asked.as_ref().err().map(Rejected::code);
            claim(code == Some(ErrorCode::CircuitBreakerOpen), || format!("{asked:?}"))
        }
        _ => SILENT,
    }
}

fn who_may_pass_is_admitted<W: Measured>(turn: &Turn<'_, Breaker<W>>) -> Verdict {
    let Said::Asked(asked) = &turn.answer.said else { return SILENT };
    let before = view(turn.before, turn.before.now());
    let may_pass = match before.state {
        State::Open | State::ForcedOpen => return SILENT,
        State::HalfOpen => before.probes < turn.before.policy.probes(),
        _ => true,
    };
    let code = asked.as_ref().err().map(Rejected::code);
    let expected = (!may_pass).then_some(ErrorCode::CircuitBreakerHalfOpen);
    claim(code == expected, || format!("{asked:?} with {} probes out", before.probes))
}

fn peek_says_what_asking_answers<W: Measured>(turn: &Turn<'_, Breaker<W>>) -> Verdict {
    let Said::Asked(asked) = &turn.answer.said else { return SILENT };
    let peeked = view(turn.before, turn.before.now()).admits;
    claim(*asked == peeked, || format!("{peeked:?}, then {asked:?}"))
}

fn a_refusal_changes_nothing<W: Measured>(turn: &Turn<'_, Breaker<W>>) -> Verdict {
    let Said::Asked(Err(_)) = &turn.answer.said else { return SILENT };
    let (settled, _) = turn.before.caught_up();
    let is_same = turn.after.state == settled || turn.after.state == turn.before.state;
    claim(is_same, || format!("{:?} became {:?}", turn.before.state, turn.after.state))
}

fn retry_after_is_exact<W: Measured>(turn: &Turn<'_, Breaker<W>>) -> Verdict {
    let Said::Asked(Err(rejected)) = &turn.answer.said else { return SILENT };
    let RetryAt::At(at) = rejected.retry() else { return SILENT };
    let admits = |now| turn.after.policy.peek(&turn.after.state, now).is_ok();
    let is_exact = at > turn.after.now() && !admits(just_before(at)) && admits(at);
    claim(is_exact, || format!("{at:?} at {:?}", turn.after.now()))
}

fn a_permit_settles_once_and_only_in_its_own_period<W: Measured>(
    turn: &Turn<'_, Breaker<W>>,
) -> Verdict {
    let Some((recorded, expected)) = told(turn.answer) else { return SILENT };
    let is_stale = recorded == Recorded::Stale;
    claim(is_stale == (expected == Expected::Stale), || format!("{recorded:?}, not {expected:?}"))
}

fn what_is_stale_changes_nothing<W: Measured>(turn: &Turn<'_, Breaker<W>>) -> Verdict {
    let Some((Recorded::Stale, _)) = told(turn.answer) else { return SILENT };
    let now = turn.after.now();
    let (before, after) = (view(turn.before, now), view(turn.after, now));
    let is_same = before == after && deadline(turn.before) == deadline(turn.after);
    claim(is_same, || format!("{before:?} became {after:?}"))
}

fn every_outcome_is_weighed_as_documented<W: Measured>(turn: &Turn<'_, Breaker<W>>) -> Verdict {
    let Some((recorded, expected)) = told(turn.answer) else { return SILENT };
    let said = match recorded {
        Recorded::Counted => Expected::Counted,
        Recorded::Transition(transition) => Expected::To(transition.to),
        Recorded::Detected(_) => Expected::Detected,
        Recorded::Released => Expected::Released,
        _ => Expected::Stale,
    };
    claim(said == expected, || format!("{recorded:?}, not {expected:?}"))
}

fn closed_opens_only_at_the_threshold<W: Measured>(turn: &Turn<'_, Breaker<W>>) -> Verdict {
    let (Some((recorded, _)), Input::Tell(place, outcome)) = (told(turn.answer), turn.input) else {
        return SILENT;
    };
    let opened = recorded.transition().or(recorded.detected());
    if opened.is_none_or(|transition| transition.from != State::Closed) {
        return SILENT;
    }
    let (world, window) = (turn.before, turn.before.policy.window());
    let failed = outcome != Outcome::Success;
    let ran_for = world.clock.now.saturating_sub(world.lent[place].at.as_nanos());
    let slow = window.slow_nanos().is_some_and(|slow| ran_for >= slow);
    let row = if failed { world.model.row + 1 } else { 0 };
    let mut history = world.model.history.clone();
    history.push(Counted { at: world.clock.lived(), failed, slow });
    window.forget(&mut history);
    let seen = world.policy.counts(&world.state, world.now());
    let is_reached = row >= world.policy.failure_threshold();
    let by_window = window.opens(window.weighed(&history, seen));
    claim(is_reached || by_window, || format!("{row} in a row, {history:?}"))
}

fn half_open_closes_only_at_the_success_threshold<W: Measured>(
    turn: &Turn<'_, Breaker<W>>,
) -> Verdict {
    let is_set = matches!(turn.answer.said, Said::Set(_) | Said::Nothing);
    let (world, before, after) = (turn.before, turn.before.state(), turn.after.state());
    if is_set || before == after || after != State::Closed {
        return SILENT;
    }
    let successes = world.model.successes + 1;
    let is_success = matches!(turn.input, Input::Tell(_, Outcome::Success));
    let is_enough = is_success && successes >= world.policy.success_threshold();
    claim(before == State::HalfOpen && is_enough, || format!("from {before} at {successes}"))
}

fn an_abandoned_probe_frees_its_slot<W: Measured>(turn: &Turn<'_, Breaker<W>>) -> Verdict {
    let Some((Recorded::Released, _)) = told(turn.answer) else { return SILENT };
    let (before, after) =
        (view(turn.before, turn.before.now()), view(turn.after, turn.after.now()));
    if before.state != State::HalfOpen {
        return SILENT;
    }
    let is_free = after.probes + 1 == before.probes && after.admits.is_ok();
    claim(is_free, || format!("{} were out, and {} are", before.probes, after.probes))
}

fn the_failures_in_a_row_are_those_counted<W: Measured>(turn: &Turn<'_, Breaker<W>>) -> Verdict {
    let world = turn.after;
    let failures = world.policy.failures(&world.state);
    claim(failures == world.model.row, || format!("{failures}, not {}", world.model.row))
}

fn the_window_holds_what_was_counted<W: Measured>(turn: &Turn<'_, Breaker<W>>) -> Verdict {
    let world = turn.after;
    if world.model.history.is_empty() && world.policy.window().span() == 0 {
        return SILENT;
    }
    let counts = world.policy.counts(&world.state, world.now());
    let (least, most) = world.policy.window().bounds(&world.model.history, &world.clock);
    let is_within =
        |a: Counts, b: Counts| a.calls <= b.calls && a.failures <= b.failures && a.slow <= b.slow;
    let holds = is_within(least, counts) && most.is_none_or(|most| is_within(counts, most));
    claim(holds, || format!("{counts:?}, not {least:?} to {most:?}"))
}

fn an_opening_lasts_as_long_as_documented<W: Measured>(turn: &Turn<'_, Breaker<W>>) -> Verdict {
    if caused(turn.answer).is_none_or(|transition| transition.to != State::Open) {
        return SILENT;
    }
    let world = turn.after;
    let lasts = deadline(world).map_or(0, |at| at.as_nanos() - world.clock.now);
    let expected = open_time(world.policy, world.model.openings);
    let longest = open_time(world.policy, u8::MAX);
    let may_be = lasts == expected || world.clock.may_ever_go_back() && lasts == longest;
    claim(may_be, || format!("{lasts} ns, not {expected}"))
}

fn the_end_of_the_open_time_is_fixed<W: Measured>(turn: &Turn<'_, Breaker<W>>) -> Verdict {
    let (before, after) = (turn.before.state(), turn.after.state());
    let has_begun = !turn.answer.due.is_empty() || caused(turn.answer).is_some();
    let steps_back = turn.before.clock.may_ever_go_back();
    if before != State::Open || after != State::Open || has_begun || steps_back {
        return SILENT;
    }
    let (was, is) = (deadline(turn.before), deadline(turn.after));
    claim(was == is, || format!("{was:?} became {is:?}"))
}

fn nothing_changes_before_the_deadline_and_something_at_it<W: Measured>(
    turn: &Turn<'_, Breaker<W>>,
) -> Verdict {
    // After a step back a deadline counts from now on; to poll makes that stay.
    let world = &polled(turn.after);
    let now = world.clock.now;
    // What a window forgets in time is not awaited by anybody.
    let visible = |at: u64| {
        let View { state, admits, probes, failures, .. } = view(world, Instant::from_nanos(at));
        (state, admits, probes, failures)
    };
    let present = visible(now);
    let end = deadline(world).map(Instant::as_nanos);
    let until = end.unwrap_or(now + 8);
    let early = (now + 1..until).find(|at| visible(*at) != present);
    if let Some(early) = early {
        return Err(format!("{present:?} became {:?} in {} ns", visible(early), early - now));
    }
    match end {
        None => SILENT,
        Some(end) => claim(end > now && visible(end) != present, || format!("still {present:?}")),
    }
}

fn no_wait_is_longer_than_its_horizon<W: Measured>(turn: &Turn<'_, Breaker<W>>) -> Verdict {
    let (world, policy) = (turn.after, turn.after.policy);
    let Some(at) = deadline(world) else { return SILENT };
    let wait = at.saturating_since(world.now());
    let horizon = if world.state() == State::Open { policy.max_timeout() } else { policy.lease() };
    claim(wait <= horizon, || format!("{wait:?} in {}", world.state()))
}

fn a_breaker_never_sticks<W: Measured>(turn: &Turn<'_, Breaker<W>>) -> Verdict {
    let (world, policy) = (polled(turn.after), turn.after.policy);
    if world.state() == State::ForcedOpen {
        return SILENT;
    }
    let bound = (policy.lease() + policy.max_timeout()).as_nanos() as u64;
    let passes =
        |ahead| policy.peek(&world.state, Instant::from_nanos(world.clock.now + ahead)).is_ok();
    claim((0..=bound).any(passes), || {
        format!("{:?} refuses for longer than {bound} ns", world.state)
    })
}

fn looking_and_polling_agree<W: Measured>(turn: &Turn<'_, Breaker<W>>) -> Verdict {
    let (_, due) = turn.after.caught_up();
    let now = turn.after.now();
    let (looked, polled) = (view(turn.after, now), view(&polled(turn.after), now));
    let is_same = looked == polled || !due.is_empty() && looked.state == polled.state;
    claim(is_same && due.len() <= 2, || format!("{looked:?}, and polled {polled:?}"))
}
