//! Rate limits and the table of peers.

use crate::{RATE, any_now, refused};
use core::hint::black_box;
use core::time::Duration;
use resil_core::rate_limit::{
    Class, ExactLog, KeyedHash, Limit, Limiter, RateLimit, RateLimiter, Reserve, StrictBucket,
    WarmUp, acquire_both, acquire_three,
};
use resil_core::valid;

pub(crate) const LOGGED: RateLimit<ExactLog<100>> = valid!(RateLimit::with_exact_log(RATE));

pub(crate) const STRICT: StrictBucket = valid!(StrictBucket::new(RATE));

/// Every decision of a rate limit on any state.
#[inline(never)]
pub(crate) fn limit<L: Limit>(limit: &L) {
    let mut state = black_box(L::FRESH);
    match black_box(limit.try_acquire(&mut state, black_box(1), any_now())) {
        Ok(charge) => limit.refund(&mut state, charge, any_now()),
        Err(rejected) => refused(rejected),
    }
    black_box(limit.peek(&state, black_box(1), any_now()).is_ok());
    black_box(limit.available(&state, any_now()));
    black_box(limit.capacity());
    black_box(limit.is_fresh(&state, any_now()));
    black_box(limit.next_deadline(&state, any_now()));
    black_box(limit.inherit(limit, &state, any_now()));
    limit.reanchor(&mut state, any_now());

    let mut limiter = Limiter::from_parts(limit, black_box(L::FRESH));
    if let Ok(charge) = black_box(limiter.try_acquire(black_box(1), any_now())) {
        limiter.refund(charge, any_now());
    }
    black_box(limiter.available(any_now()));
    limiter.reset();
    black_box(limiter.as_state());
}

/// Every decision about one of many peers. A limit of one's own is built, so that is elsewhere.
#[inline(never)]
pub(crate) fn peers<L: Limit>(limit: L) {
    let mut table: RateLimiter<u32, L> =
        black_box(RateLimiter::new(limit, KeyedHash::from_seed(black_box(0))));
    let id = black_box(7);
    match black_box(table.check(&id, black_box(1), any_now())) {
        Ok(charge) => table.refund(charge, any_now()),
        Err(rejected) => refused(rejected),
    }
    black_box(table.peek(&id, black_box(1), any_now()).is_ok());
    black_box(table.available(&id, any_now()));
    black_box(table.get_limit(&id));
    black_box(table.len());
    black_box(table.next_deadline(any_now()));
    black_box(table.remove_limit(&id, any_now()));
    black_box(table.reset(&id));
    table.reset_all();
}

pub(crate) const WARMING: WarmUp = valid!(WarmUp::new(RATE, Duration::from_secs(10)));

/// Reservations and debts of a limit in any state.
#[inline(never)]
pub(crate) fn owes<L: Reserve>(limit: &L) {
    let mut state = black_box(L::FRESH);
    match black_box(limit.reserve(&mut state, black_box(1), any_now(), any_now())) {
        Ok(reservation) => {
            black_box(reservation.at());
            limit.cancel(&mut state, reservation, any_now());
        }
        Err(rejected) => refused(rejected),
    }
    black_box(limit.charge(&mut state, black_box(1), any_now()).excess());

    let mut limiter = Limiter::from_parts(limit, black_box(state));
    if let Ok(reservation) = black_box(limiter.reserve(black_box(1), any_now(), any_now())) {
        limiter.cancel(reservation, any_now());
    }
    black_box(limiter.charge(black_box(1), any_now()).excess());
    limiter.reconfigure(black_box(limit), any_now());
}

/// Limits that all have to admit.
#[inline(never)]
pub(crate) fn agree<A: Limit, B: Limit>(a: &A, b: &B) {
    let (mut one, mut other, mut third) = black_box((A::FRESH, B::FRESH, A::FRESH));
    let asked = acquire_both((a, &mut one, black_box(1)), (b, &mut other, black_box(1)), any_now());
    if let Err(rejected) = black_box(asked) {
        refused(rejected);
    }
    let first = (a, &mut one, black_box(1));
    let (second, last) = ((b, &mut other, black_box(1)), (a, &mut third, black_box(1)));
    if let Err(rejected) = black_box(acquire_three(first, second, last, any_now())) {
        refused(rejected);
    }
}

/// A table whose peers are of several kinds.
#[inline(never)]
pub(crate) fn classes<L: Reserve + Clone>(limit: L) {
    let table: RateLimiter<u32, L> =
        RateLimiter::new(limit.clone(), KeyedHash::from_seed(black_box(0)));
    let mut table = black_box(table.with_classes([Class::new(limit)]));
    let (class, id) = black_box((1, 7));
    match black_box(table.check_in(class, &id, black_box(1), any_now())) {
        Ok(charge) => table.refund(charge, any_now()),
        Err(rejected) => refused(rejected),
    }
    black_box(table.peek_in(class, &id, black_box(1), any_now()).is_ok());
    black_box(table.available_in(class, &id, any_now()));
    black_box(table.charge_in(class, &id, black_box(1), any_now()).excess());
    black_box(table.entries(any_now()).count());
    black_box(table.adopt(black_box(Some(id)), class, black_box(L::FRESH), any_now()));
    table.reset_all();
}
