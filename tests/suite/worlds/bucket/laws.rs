//! The laws of a bucket, each written once.

use super::{Answer, Bucket, Input, IsBucket, LOOKS_BACK};
use crate::worlds::search::{Law, SILENT, Turn, Verdict, claim, laws};
use core::marker::PhantomData;
use resil_core::Instant;
use resil_core::outcome::{Rejected, RetryAt};

/// The laws of such a bucket.
pub(super) struct Laws<L>(PhantomData<L>);

impl<L: IsBucket> Laws<L> {
    pub(super) const ALL: &'static [Law<Bucket<L>>] = laws![
        no_interval_sees_more_than_burst_and_rate,
        no_window_of_a_strict_bucket_sees_more_than_its_maximum,
        decides_as_the_exact_fraction_does,
        a_refusal_changes_nothing,
        retry_after_is_exact,
        never_is_said_of_what_can_never_pass,
        nothing_costs_nothing,
        peek_says_what_asking_answers,
        what_is_available_passes_and_no_more,
        a_fresh_bucket_is_full_and_no_other,
        at_the_deadline_there_is_another_token_and_not_before,
        a_step_back_delays_by_at_most_one_refill,
    ];
}

fn asked<L: IsBucket>(turn: &Turn<'_, Bucket<L>>) -> Option<(u32, Result<(), Rejected>)> {
    match (turn.input, turn.answer) {
        (Input::Ask(cost), Answer::Asked(asked)) => Some((cost, *asked)),
        _ => None,
    }
}

/// What was admitted in the last `nanos` nanoseconds, their first one included.
fn in_the_last<L: IsBucket>(world: &Bucket<L>, nanos: u64) -> u64 {
    let lived = world.clock.lived();
    let recent = world.admitted.iter().filter(|admitted| lived - admitted.lived <= nanos);
    recent.map(|admitted| u64::from(admitted.cost)).sum()
}

fn no_interval_sees_more_than_burst_and_rate<L: IsBucket>(turn: &Turn<'_, Bucket<L>>) -> Verdict {
    let Some((1.., Ok(()))) = asked(turn) else { return SILENT };
    let (requests, window, _) = turn.after.rate;
    let most = |nanos| u64::from(turn.after.limit.capacity()) + requests * (nanos + 1) / window;
    let broken = (0..=LOOKS_BACK).find(|nanos| in_the_last(turn.after, *nanos) > most(*nanos));
    claim(broken.is_none(), || format!("{} in {broken:?} ns", in_the_last(turn.after, LOOKS_BACK)))
}

fn no_window_of_a_strict_bucket_sees_more_than_its_maximum<L: IsBucket>(
    turn: &Turn<'_, Bucket<L>>,
) -> Verdict {
    let (Some((1.., Ok(()))), world) = (asked(turn), turn.after) else { return SILENT };
    let config = world.limit.config();
    let window = config.time_window().as_nanos() as u64;
    if u64::from(config.max_requests()) == world.rate.0 {
        return SILENT; // not a strict one: it refills at all of its rate
    }
    let admitted = in_the_last(world, window - 1);
    claim(admitted <= config.max_requests().into(), || format!("{admitted} in {window} ns"))
}

fn decides_as_the_exact_fraction_does<L: IsBucket>(turn: &Turn<'_, Bucket<L>>) -> Verdict {
    let (Some((cost @ 1.., asked)), world) = (asked(turn), turn.before) else { return SILENT };
    if world.has_refunds || cost > world.limit.capacity() {
        return SILENT;
    }
    let (requests, window, _) = world.rate;
    let off = u64::from(window % requests > 0); // one instant may differ by 1 ns
    let may = if asked.is_ok() { world.clock.now + off } else { world.clock.now - off };
    let exactly = world.exactly_has(cost, may);
    claim(exactly == asked.is_ok(), || format!("{asked:?}, exactly {exactly}"))
}

fn a_refusal_changes_nothing<L: IsBucket>(turn: &Turn<'_, Bucket<L>>) -> Verdict {
    let Some((_, Err(_))) = asked(turn) else { return SILENT };
    let mut anchored = turn.before.state.clone();
    turn.before.limit.reanchor(&mut anchored, turn.before.now());
    let is_same = [&turn.before.state, &anchored].contains(&&turn.after.state);
    claim(is_same, || format!("{:?} became {:?}", turn.before.state, turn.after.state))
}

fn retry_after_is_exact<L: IsBucket>(turn: &Turn<'_, Bucket<L>>) -> Verdict {
    let Some((cost, Err(rejected))) = asked(turn) else { return SILENT };
    let RetryAt::At(at) = rejected.retry() else { return SILENT };
    let passes = |now| turn.after.limit.peek(&turn.after.state, cost, now).is_ok();
    let before = Instant::from_nanos(at.as_nanos() - 1);
    claim(at > turn.after.now() && !passes(before) && passes(at), || format!("{rejected:?}"))
}

fn never_is_said_of_what_can_never_pass<L: IsBucket>(turn: &Turn<'_, Bucket<L>>) -> Verdict {
    let Some((cost, Err(rejected))) = asked(turn) else { return SILENT };
    let is_never = rejected.retry() == RetryAt::Never;
    claim(is_never == (cost > turn.before.limit.capacity()), || format!("{rejected:?}"))
}

fn nothing_costs_nothing<L: IsBucket>(turn: &Turn<'_, Bucket<L>>) -> Verdict {
    let Some((0, asked)) = asked(turn) else { return SILENT };
    let is_same = turn.before.state == turn.after.state;
    claim(asked.is_ok() && is_same, || format!("{asked:?}"))
}

fn peek_says_what_asking_answers<L: IsBucket>(turn: &Turn<'_, Bucket<L>>) -> Verdict {
    let (Some((cost, asked)), world) = (asked(turn), turn.before) else { return SILENT };
    let peeked = world.limit.peek(&world.state, cost, world.now());
    claim(peeked == asked, || format!("{peeked:?}, then {asked:?}"))
}

fn what_is_available_passes_and_no_more<L: IsBucket>(turn: &Turn<'_, Bucket<L>>) -> Verdict {
    let (world, now) = (turn.after, turn.after.now());
    let available = world.limit.available(&world.state, now);
    let passes = |cost| world.limit.peek(&world.state, cost, now).is_ok();
    let is_all = available <= world.limit.capacity() && passes(available) && !passes(available + 1);
    claim(is_all, || format!("{available} are available"))
}

fn a_fresh_bucket_is_full_and_no_other<L: IsBucket>(turn: &Turn<'_, Bucket<L>>) -> Verdict {
    let (world, now) = (turn.after, turn.after.now());
    let is_fresh = world.limit.is_fresh(&world.state, now);
    let is_full = world.limit.available(&world.state, now) == world.limit.capacity();
    let has_no_deadline = world.limit.next_deadline(&world.state, now).is_none();
    claim(is_fresh == has_no_deadline && (is_full || !is_fresh), || format!("fresh: {is_fresh}"))
}

fn at_the_deadline_there_is_another_token_and_not_before<L: IsBucket>(
    turn: &Turn<'_, Bucket<L>>,
) -> Verdict {
    let (world, now) = (turn.after, turn.after.now());
    let Some(deadline) = world.limit.next_deadline(&world.state, now) else { return SILENT };
    let mut anchored = world.state.clone();
    world.limit.reanchor(&mut anchored, now);
    let at = |at: u64| world.limit.available(&anchored, Instant::from_nanos(at));
    let (present, end) = (at(world.clock.now), deadline.as_nanos());
    let is_early = (world.clock.now..end).any(|before| at(before) != present);
    claim(!is_early && deadline > now && at(end) > present, || format!("{present} at {deadline:?}"))
}

fn a_step_back_delays_by_at_most_one_refill<L: IsBucket>(turn: &Turn<'_, Bucket<L>>) -> Verdict {
    let Some((cost, Err(rejected))) = asked(turn) else { return SILENT };
    let Some(wait) = rejected.retry().wait_from(turn.after.now()) else { return SILENT };
    let (requests, window, _) = turn.after.rate;
    let most = (turn.after.refill() + u64::from(cost) * window).div_ceil(requests);
    claim(wait.as_nanos() <= most.into(), || format!("{wait:?}"))
}
