//! The laws of the composed call, each written once.

use super::gates::{BREAKER, BULKHEAD, INTERVAL, LIMIT};
use super::{Calls, Input, Said};
use crate::worlds::search::{Law, SILENT, Turn, Verdict, World, claim, laws};
use resil_core::Instant;
use resil_core::call::Finished;
use resil_core::circuit_breaker::State;
use resil_core::rate_limit::Limit;

pub(super) const ALL: &[Law<Calls>] = laws![
    at_most_max_attempts,
    at_most_two_in_flight,
    in_flight_are_the_permits_handed_out,
    at_most_probes_permits_are_out_while_half_open,
    no_attempt_starts_while_the_breaker_is_open,
    a_step_starts_one_attempt_or_none,
    no_attempt_starts_at_or_after_the_deadline,
    an_attempt_ends_with_its_timeout_or_the_deadline,
    no_wait_is_begun_that_outlives_the_deadline,
    every_wait_moves,
    a_wait_knows_what_is_in_flight,
    what_is_over_stays_over_and_holds_nothing,
    an_attempt_is_told_once,
    what_is_stale_changes_nothing,
    only_extra_attempts_are_paid_for,
    the_purse_neither_mints_nor_loses,
    a_hedge_goes_beside_or_after_another_attempt,
    every_call_ends_by_waiting_alone,
    no_interval_sees_more_attempts_than_burst_and_rate,
    an_attempt_takes_a_token_and_a_refusal_none,
    who_waits_for_a_token_waits_until_it_is_there,
];

/// The call that an input is about.
fn which(input: Input) -> Option<usize> {
    match input {
        Input::Begin(which) | Input::Poll(which) | Input::Abandon(which) => Some(which),
        Input::Finish(which, ..) => Some(which),
        Input::Pass | Input::Wait | Input::StepBack(_) | Input::Crowd => None,
    }
}

fn attempts(world: &Calls, which: usize) -> u32 {
    world.calls[which].as_ref().map_or(0, |driven| driven.call.attempts())
}

fn at_most_max_attempts(turn: &Turn<'_, Calls>) -> Verdict {
    let Some(which) = which(turn.input) else { return SILENT };
    let (made, most) = (attempts(turn.after, which), turn.after.policy.retry().max_attempts());
    claim(made <= most, || format!("{made} of {most}"))
}

fn at_most_two_in_flight(turn: &Turn<'_, Calls>) -> Verdict {
    let most = turn.after.driven().map(|(_, driven)| driven.in_flight()).max();
    claim(most.unwrap_or(0) <= 2, || format!("{most:?}"))
}

fn in_flight_are_the_permits_handed_out(turn: &Turn<'_, Calls>) -> Verdict {
    let world = turn.after;
    let (out, held, in_flight) =
        (world.shared.out, world.shared.bulkhead.held(), world.in_flight());
    let crowd = world.shared.crowd.as_ref().map_or(0, |permit| permit.weight());
    let is_same = out == in_flight && usize::from(held - crowd) == in_flight;
    claim(is_same && held <= BULKHEAD.max_concurrent(), || format!("{out}, {held}, {in_flight}"))
}

fn at_most_probes_permits_are_out_while_half_open(turn: &Turn<'_, Calls>) -> Verdict {
    let (shared, now) = (&turn.after.shared, turn.after.clock.instant());
    if BREAKER.state(&shared.breaker, now) != State::HalfOpen {
        return SILENT;
    }
    let probes = usize::from(BREAKER.probes_in_flight(&shared.breaker, now));
    let holds = probes <= BREAKER.probes().into() && probes <= turn.after.in_flight();
    claim(holds, || format!("{probes} probes, {} in flight", turn.after.in_flight()))
}

fn no_attempt_starts_while_the_breaker_is_open(turn: &Turn<'_, Calls>) -> Verdict {
    let Some(Said::Attempt { .. }) = turn.answer.step else { return SILENT };
    let state = BREAKER.state(&turn.after.shared.breaker, turn.after.clock.instant());
    claim(matches!(state, State::Closed | State::HalfOpen), || state.to_string())
}

fn a_step_starts_one_attempt_or_none(turn: &Turn<'_, Calls>) -> Verdict {
    let Some(which) = which(turn.input) else { return SILENT };
    let before =
        if matches!(turn.input, Input::Begin(_)) { 0 } else { attempts(turn.before, which) };
    let is_attempt = matches!(turn.answer.step, Some(Said::Attempt { .. }));
    let after = attempts(turn.after, which);
    claim(after == before + u32::from(is_attempt), || format!("{before}, then {after}"))
}

fn no_attempt_starts_at_or_after_the_deadline(turn: &Turn<'_, Calls>) -> Verdict {
    let (Some(Said::Attempt { .. }), Some(which)) = (turn.answer.step, which(turn.input)) else {
        return SILENT;
    };
    let deadline = turn.after.calls[which].as_ref().and_then(|driven| driven.call.deadline());
    claim(deadline.is_some_and(|at| turn.after.clock.instant() < at), || format!("{deadline:?}"))
}

fn an_attempt_ends_with_its_timeout_or_the_deadline(turn: &Turn<'_, Calls>) -> Verdict {
    let (Some(Said::Attempt { deadline, .. }), Some(which)) = (turn.answer.step, which(turn.input))
    else {
        return SILENT;
    };
    let now = turn.after.clock.instant();
    let timeout = turn.after.policy.attempt_timeout().map(|timeout| now.saturating_add(timeout));
    let end = turn.after.calls[which].as_ref().and_then(|driven| driven.call.deadline());
    claim(deadline == timeout.min(end), || format!("{deadline:?}"))
}

fn no_wait_is_begun_that_outlives_the_deadline(turn: &Turn<'_, Calls>) -> Verdict {
    let (Some(Said::Wait { until: Some(until), in_flight }), Some(which)) =
        (turn.answer.step, which(turn.input))
    else {
        return SILENT;
    };
    let end = turn.after.calls[which].as_ref().and_then(|driven| driven.call.deadline());
    let is_in_time = end.is_some_and(|end| until < end || in_flight > 0 && until == end);
    claim(is_in_time, || format!("{until:?} and {end:?}"))
}

fn every_wait_moves(turn: &Turn<'_, Calls>) -> Verdict {
    let (Some(said @ Said::Wait { until, in_flight }), Some(which)) =
        (turn.answer.step, which(turn.input))
    else {
        return SILENT;
    };
    let Some(until) = until.map(Instant::as_nanos) else {
        return claim(in_flight > 0, || "nothing is waited for".to_owned());
    };
    let mut then = turn.after.clone();
    let now = then.clock.now;
    then.clock.forward(until.saturating_sub(now));
    let next = then.poll(which);
    claim(until > now && next != said, || format!("{until} at {now}, then {next:?}"))
}

fn a_wait_knows_what_is_in_flight(turn: &Turn<'_, Calls>) -> Verdict {
    let (Some(Said::Wait { in_flight, .. }), Some(which)) = (turn.answer.step, which(turn.input))
    else {
        return SILENT;
    };
    let out = turn.after.calls[which].as_ref().map_or(0, super::Driven::in_flight);
    claim(usize::from(in_flight) == out, || format!("{in_flight}, and {out} are awaited"))
}

fn what_is_over_stays_over_and_holds_nothing(turn: &Turn<'_, Calls>) -> Verdict {
    let Some(driven) = which(turn.input).and_then(|which| turn.after.calls[which].as_ref()) else {
        return SILENT;
    };
    if !driven.is_over {
        return SILENT;
    }
    let in_flight = driven.in_flight();
    claim(driven.call.is_over() && in_flight == 0, || format!("{in_flight} are in flight"))
}

fn an_attempt_is_told_once(turn: &Turn<'_, Calls>) -> Verdict {
    let (Input::Finish(which, number, _), Some(finished)) = (turn.input, turn.answer.finished)
    else {
        return SILENT;
    };
    let is_awaited = |world: &Calls| {
        let Some(driven) = &world.calls[which] else { return false };
        let mut tickets = driven.tickets.iter().filter(|ticket| ticket.number() == number);
        tickets.any(|ticket| driven.call.is_in_flight(ticket))
    };
    let counted = finished == Finished::Counted;
    claim(counted == is_awaited(turn.before) && !is_awaited(turn.after), || format!("{finished:?}"))
}

fn what_is_stale_changes_nothing(turn: &Turn<'_, Calls>) -> Verdict {
    let (Some(Finished::Stale), None) = (turn.answer.finished, turn.answer.step) else {
        return SILENT;
    };
    let shared = |world: &Calls| format!("{:?} {:?}", world.shared, world.purse);
    let (before, after) = (shared(turn.before), shared(turn.after));
    claim(before == after, || format!("{before} became {after}"))
}

fn only_extra_attempts_are_paid_for(turn: &Turn<'_, Calls>) -> Verdict {
    let out = turn.after.purse.out;
    let extra = |(_, driven): (usize, &super::Driven)| match driven.is_over {
        true => (0, 0),
        // At least those in flight but a first one, and one more that is due.
        false => {
            let numbers = driven.tickets.iter().filter(|ticket| driven.call.is_in_flight(ticket));
            let paid = numbers.filter(|ticket| ticket.number() > 1).count();
            (paid, paid + usize::from(driven.in_flight() == 0 && driven.call.attempts() > 0))
        }
    };
    let sum = |(least, most): (usize, usize), (a, b)| (least + a, most + b);
    let (least, most) = turn.after.driven().map(extra).fold((0, 0), sum);
    let is_between = (least..=most).contains(&out.into());
    claim(is_between, || format!("{out} are paid for, of {least} to {most}"))
}

fn the_purse_neither_mints_nor_loses(turn: &Turn<'_, Calls>) -> Verdict {
    let purse = &turn.after.purse;
    claim(purse.left + purse.out <= purse.all, || format!("{purse:?}"))
}

fn a_hedge_goes_beside_or_after_another_attempt(turn: &Turn<'_, Calls>) -> Verdict {
    let Some(Said::Attempt { number, is_hedge, .. }) = turn.answer.step else { return SILENT };
    let may_hedge = turn.after.hedge.after.is_some();
    claim(!is_hedge || may_hedge && number > 1, || {
        format!("attempt {number} is a hedge: {is_hedge}")
    })
}

fn every_call_ends_by_waiting_alone(turn: &Turn<'_, Calls>) -> Verdict {
    let Some(which) = which(turn.input) else { return SILENT };
    let mut world = turn.after.clone();
    let retry = world.policy.retry();
    let most = 3 * retry.max_attempts() + retry.max_refusal_waits();
    let mut waits = 0;
    while waits <= most {
        if world.calls[which].as_ref().is_none_or(|driven| driven.is_over) {
            return Ok(true);
        }
        if let Said::Wait { until, .. } = world.poll(which) {
            let now = world.clock.now;
            world.clock.forward(until.map_or(0, |at| at.as_nanos().saturating_sub(now)));
            waits += 1;
        }
    }
    Err(format!("{waits} waits from {}", turn.after.shape()))
}

fn no_interval_sees_more_attempts_than_burst_and_rate(turn: &Turn<'_, Calls>) -> Verdict {
    let (Some(Said::Attempt { .. }), Some(_)) = (turn.answer.step, &turn.after.shared.limit) else {
        return SILENT;
    };
    let begun = &turn.after.begun;
    let last = begun.last().expect("one has just begun");
    let most = |since: u64| u64::from(LIMIT.capacity()) + (last - since) / INTERVAL;
    let mut counts = begun.iter().enumerate().map(|(at, since)| (begun.len() - at, *since));
    let over = counts.find(|(count, since)| *count as u64 > most(*since));
    claim(over.is_none(), || format!("{begun:?}"))
}

fn an_attempt_takes_a_token_and_a_refusal_none(turn: &Turn<'_, Calls>) -> Verdict {
    let now = turn.after.clock.instant();
    let (Some(step), Some(before), Some(after)) =
        (turn.answer.step, turn.before.shared.tokens(now), turn.after.shared.tokens(now))
    else {
        return SILENT;
    };
    let taken = u32::from(matches!(step, Said::Attempt { .. }));
    claim(after + taken == before, || format!("{before} tokens became {after}"))
}

/// Where nothing else is in the way: a breaker says when as well, a bulkhead cannot.
fn who_waits_for_a_token_waits_until_it_is_there(turn: &Turn<'_, Calls>) -> Verdict {
    let (Some(Said::Wait { until: Some(until), in_flight: 0 }), Some(limit)) =
        (turn.answer.step, &turn.after.shared.limit)
    else {
        return SILENT;
    };
    let now = turn.after.clock.instant();
    let state = BREAKER.state(&turn.after.shared.breaker, now);
    let is_limit = state == State::Closed && LIMIT.available(limit, now) == 0;
    let was_polled = matches!(turn.input, Input::Begin(_));
    if !is_limit || !was_polled {
        return SILENT;
    }
    claim(LIMIT.available(limit, until) > 0, || format!("none at {until:?}"))
}
