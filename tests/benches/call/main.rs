//! What a call costs that succeeds at once, through a retry, a breaker and a limit, beside the peers that
//! do the same, in one run.
//!
//! `cargo bench -p resil-tests --bench call` prints a table, `tests/benches/count call` the instructions;
//! a word after it picks the rows whose titles have it. Read the ratios: all of a row run in the same
//! process in rotating order, and every batch checks that all of its calls succeeded. Nobody logs, and
//! the limits are never reached.

#[path = "../decisions/measure.rs"]
mod measure;
mod peers;
mod resil;
mod towers;

use core::future::Future;
use core::hint::black_box;
use core::iter;
use core::pin::pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};
use measure::{Contender, Kind, Row, Target};
use resil_core::Instant;
use resil_std::clock::{Sleep, SystemClock};
use std::sync::Arc;

/// A clock that is a number. Nobody sleeps by it.
#[derive(Clone, Debug, Default)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    /// A step of a microsecond, in which a thousand requests are refilled.
    #[inline(always)]
    fn step(&self) {
        self.0.store(self.nanos() + 1_000, Ordering::Relaxed);
    }

    #[inline(always)]
    fn nanos(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl resil_core::Clock for Hand {
    #[inline]
    fn now(&self) -> Instant {
        Instant::from_nanos(self.nanos())
    }
}

impl Sleep for Hand {
    async fn sleep_until(&self, _: Instant) {}

    fn block_until(&self, _: Instant) {}
}

impl governor::clock::Clock for Hand {
    type Instant = governor::nanos::Nanos;

    #[inline]
    fn now(&self) -> governor::nanos::Nanos {
        self.nanos().into()
    }
}

/// What everybody calls.
#[inline(always)]
fn operation() -> Result<u32, u32> {
    black_box(Ok(7))
}

/// So many calls, all of which succeed. The clock may move between them.
fn contender(
    name: &'static str,
    kind: Kind,
    mut call: impl FnMut() -> bool + 'static,
) -> Contender {
    let batch = move |calls| (0..calls).map(|_| u64::from(call())).sum::<u64>() == calls;
    Contender { name, kind, batch: Box::new(batch) }
}

/// The output of what is ready when it is polled.
#[inline(always)]
fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn empty() -> Contender {
    contender("empty loop", Kind::Loop, || operation().is_ok())
}

fn clock_alone<T: resil_core::Clock + 'static>(clock: T) -> Contender {
    contender("the clock alone", Kind::Floor, move || {
        black_box(clock.now()) > Instant::EPOCH && operation().is_ok()
    })
}

fn main() {
    measure::run([
        Row {
            title: "call, one owner: time given",
            threads: 1,
            contenders: vec![empty(), resil::by_atomics(), resil::owned(), peers::reliakit()],
            targets: &[Target::Nanos(10.0), Target::FastestPeer(0.5)],
        },
        Row {
            title: "call, shared: time given",
            threads: 1,
            contenders: vec![
                empty(),
                resil::by_atomics(),
                resil::blocking("resil", Hand::default(), |hand| hand.step()),
                resil::reconfigured(Hand::default(), |hand| hand.step()),
                peers::glued("backon, failsafe, governor", Hand::default(), |hand| hand.step()),
            ],
            targets: &[Target::Nanos(10.0), Target::FastestPeer(0.5)],
        },
        Row {
            title: "call, shared: Instant",
            threads: 1,
            contenders: vec![
                empty(),
                clock_alone(SystemClock),
                resil::blocking("resil", SystemClock, |_| ()),
                peers::glued("backon, failsafe, governor", governor::clock::MonotonicClock, |_| ()),
            ],
            targets: &[Target::Above("the clock alone", 7.0), Target::FastestPeer(0.8)],
        },
        Row {
            title: "call, shared: the processor's counter",
            threads: 1,
            contenders: vec![
                empty(),
                clock_alone(resil_std::clock::QuantaClock),
                resil::blocking("resil", resil_std::clock::QuantaClock, |_| ()),
                peers::glued(
                    "backon, failsafe, governor",
                    governor::clock::QuantaClock::default(),
                    |_| (),
                ),
            ],
            targets: &[Target::Above("the clock alone", 8.0), Target::FastestPeer(0.8)],
        },
        Row {
            title: "call of a future, shared: Instant",
            threads: 1,
            contenders: vec![
                empty(),
                clock_alone(SystemClock),
                resil::future("resil", SystemClock),
                peers::glued_future(),
                towers::tower_resilience(),
            ],
            targets: &[Target::FastestPeer(0.8)],
        },
        Row {
            title: "retry alone, of a future",
            threads: 1,
            contenders: vec![
                empty(),
                contender("bare await", Kind::Floor, || {
                    ready(async { operation() }).is_some_and(|answer| answer.is_ok())
                }),
                resil::retry(),
                resil::retry_in_time(),
                peers::backon_alone(),
                peers::tokio_retry2(),
            ],
            targets: &[Target::FastestPeer(1.0)],
        },
        Row {
            title: "layer of tower: limit, Instant",
            threads: 1,
            contenders: iter::once(empty()).chain(towers::limits()).collect(),
            targets: &[Target::FastestPeer(1.0)],
        },
        Row {
            title: "layer of tower: retry with a budget, Instant",
            threads: 1,
            contenders: iter::once(empty()).chain(towers::retries()).collect(),
            targets: &[Target::FastestPeer(1.0)],
        },
    ]);
}
