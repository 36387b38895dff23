//! The laws of a registry, each written once.

use super::{Answer, Health, Input, PROBES, TTLS, Told};
use crate::worlds::search::{Law, SILENT, Turn, Verdict, World, claim, laws};
use resil_core::Instant;
use resil_core::health::{CheckId, CheckStatus, HealthStatus, Probe, UnknownCheck};

pub(super) const ALL: &[Law<Health>] = laws![
    a_status_is_what_the_results_in_a_row_say,
    the_answer_is_the_worst_that_counts_for_who_asks,
    what_is_too_old_is_never_healthy,
    recording_says_what_was_before,
    who_is_gone_is_addressed_by_nobody,
    what_is_due_has_no_fresh_result,
    nothing_changes_before_the_deadline_and_something_at_it,
    a_step_back_prolongs_no_result_by_more_than_one_time_to_live,
    what_was_seen_to_be_too_old_stays_so,
];

fn a_status_is_what_the_results_in_a_row_say(turn: &Turn<'_, Health>) -> Verdict {
    let (world, now) = (turn.after, turn.after.clock.now);
    if world.clock.may_ever_go_back() {
        return SILENT;
    }
    let expected: Vec<_> = world.known().map(|(which, told)| told.status(which, now)).collect();
    let (_, statuses) = world.answers(now);
    claim(statuses == expected, || format!("{statuses:?}, and {expected:?} by the results"))
}

fn the_answer_is_the_worst_that_counts_for_who_asks(turn: &Turn<'_, Health>) -> Verdict {
    let (world, now) = (turn.after, turn.after.clock.now);
    if world.clock.may_ever_go_back() {
        return SILENT;
    }
    let expected = PROBES.map(|probe| {
        let node = match probe {
            Probe::Overall if world.is_in_maintenance => HealthStatus::Degraded,
            Probe::Readiness if world.is_in_maintenance => HealthStatus::Unhealthy,
            _ => HealthStatus::Healthy,
        };
        world.known().map(|(which, told)| told.counts_as(which, probe, now)).fold(node, Ord::max)
    });
    let (answers, _) = world.answers(now);
    claim(answers == expected, || format!("{answers:?}, and {expected:?} by the table"))
}

fn what_is_too_old_is_never_healthy(turn: &Turn<'_, Health>) -> Verdict {
    let (world, now) = (turn.after, turn.after.clock.now);
    let too_old = |(which, told): &(usize, &Told)| {
        let ttl = TTLS[*which] + world.clock.reach();
        told.last.is_none() || world.clock.lived() - told.lived >= ttl
    };
    let old = world.known().filter(too_old).count();
    if old == 0 {
        return SILENT;
    }
    let (probes, statuses) = world.answers(now);
    let known = world.known().zip(&statuses).filter(|((which, told), status)| {
        too_old(&(*which, told)) && matches!(status, CheckStatus::Known(_))
    });
    let ready =
        probes[2] == HealthStatus::Healthy && world.known().any(|it| it.0 == 0 && too_old(&it));
    claim(known.count() == 0 && !ready, || format!("{probes:?} {statuses:?}"))
}

fn recording_says_what_was_before(turn: &Turn<'_, Health>) -> Verdict {
    let (Input::Record(which, _), Answer::Recorded(Ok(before))) = (turn.input, turn.answer) else {
        return SILENT;
    };
    let id = turn.before.told[which].as_ref().expect("it is registered").id;
    let expected = turn.before.registry.check(id, turn.before.clock.instant());
    claim(expected == Ok(*before), || format!("{before:?}, and {expected:?} was seen"))
}

fn who_is_gone_is_addressed_by_nobody(turn: &Turn<'_, Health>) -> Verdict {
    let (Input::RecordGone, Answer::Recorded(recorded)) = (turn.input, turn.answer) else {
        return SILENT;
    };
    let all = |world: &Health| format!("{:?}", world.registry);
    let is_same = all(turn.before) == all(turn.after);
    claim(*recorded == Err(UnknownCheck) && is_same, || format!("{recorded:?}"))
}

fn what_is_due_has_no_fresh_result(turn: &Turn<'_, Health>) -> Verdict {
    let (world, now) = (turn.after, turn.after.clock.instant());
    let is_unknown = |id: &CheckId| world.registry.check(*id, now) == Ok(CheckStatus::Unknown);
    let due: Vec<_> = world.registry.due(Probe::Overall, now).collect();
    let unknown: Vec<_> = world.known().map(|(_, told)| told.id).filter(is_unknown).collect();
    claim(due == unknown, || format!("{due:?} are due, {unknown:?} are unknown"))
}

fn nothing_changes_before_the_deadline_and_something_at_it(turn: &Turn<'_, Health>) -> Verdict {
    let mut world = turn.after.clone();
    // After a step back a result counts from now on; to record makes that stay.
    world.registry.reanchor(world.clock.instant());
    let now = world.clock.now;
    let end = world.registry.next_deadline(world.clock.instant()).map(Instant::as_nanos);
    let early = (now..end.unwrap_or(now + 8)).find(|at| world.answers(*at) != world.answers(now));
    let Some(end) = end else {
        return claim(early.is_none(), || format!("in {} ns", early.unwrap_or(now) - now));
    };
    // A worse check may hide what changes, and one in maintenance does.
    let is_hidden = world.known().count() > 1
        || world.told[0].as_ref().is_some_and(|told| told.is_in_maintenance);
    let is_seen = is_hidden || world.answers(end) != world.answers(now);
    claim(early.is_none() && end > now && is_seen, || format!("{early:?} of {now} to {end}"))
}

fn a_step_back_prolongs_no_result_by_more_than_one_time_to_live(
    turn: &Turn<'_, Health>,
) -> Verdict {
    let (world, now) = (turn.after, turn.after.clock.now);
    if !world.clock.may_ever_go_back() {
        return SILENT;
    }
    let (_, statuses) = world.answers(now);
    let longest = world.known().zip(statuses).find(|((which, told), status)| {
        let lived = world.clock.lived() - told.lived;
        matches!(status, CheckStatus::Known(_)) && lived >= 2 * TTLS[*which]
    });
    claim(longest.is_none(), || format!("{longest:?}"))
}

/// By a record or a registration: to look changes nothing.
fn what_was_seen_to_be_too_old_stays_so(turn: &Turn<'_, Health>) -> Verdict {
    let (Input::StepBack(_), Some(told)) = (turn.input, turn.before.told[0].as_ref()) else {
        return SILENT;
    };
    let mut world = turn.before.clone();
    world.registry.reanchor(world.clock.instant());
    let status = |world: &Health| world.registry.check(told.id, world.clock.instant());
    if status(&world) != Ok(CheckStatus::Unknown) {
        return SILENT;
    }
    let _nothing = world.apply(turn.input);
    claim(status(&world) == Ok(CheckStatus::Unknown), || format!("{:?}", status(&world)))
}
