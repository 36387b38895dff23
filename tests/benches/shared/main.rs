//! What one decision costs that threads share, beside hand-written floors and the fastest peers, in
//! one run.
//!
//! `cargo bench -p resil-tests --bench shared` prints a table; a word after `--` picks the rows whose
//! titles have it. Read the ratios: all of a row run in the same process in rotating order, and every
//! batch checks that all of its decisions came out as they should. With two threads a figure is what
//! each of them sees, and they vary from run to run with what else the machine does.

mod beside;
mod breaker;
mod bucket;
#[path = "../decisions/measure.rs"]
mod measure;

use breaker::Past;
use bucket::Rate;
use core::sync::atomic::{AtomicU64, Ordering};
use measure::{Contender, Kind, Row, Target};
use resil_core::Instant;
use std::sync::Arc;
use std::thread;

/// A clock that is a number: the cheapest that each can be given.
#[derive(Clone, Debug, Default)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    #[inline(always)]
    fn set(&self, nanos: u64) {
        self.0.store(nanos, Ordering::Relaxed);
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

fn contender(
    name: &'static str,
    kind: Kind,
    batch: impl FnMut(u64) -> bool + 'static,
) -> Contender {
    Contender { name, kind, batch: Box::new(batch) }
}

/// How many of so many asks pass.
#[inline(always)]
fn passed(asks: u64, mut ask: impl FnMut() -> bool) -> u64 {
    (0..asks).map(|_| u64::from(ask())).sum()
}

/// Who asks at once; all pass.
#[derive(Clone, Copy)]
enum Threads {
    One,
    Two,
}

impl Threads {
    fn ask(
        self,
        name: &'static str,
        kind: Kind,
        ask: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Contender {
        match self {
            Self::One => contender(name, kind, move |n| passed(n, &ask) == n),
            Self::Two => contender(name, kind, move |n| {
                thread::scope(|scope| {
                    let other = scope.spawn(|| passed(n, &ask));
                    passed(n, &ask) == n && other.join().is_ok_and(|passed| passed == n)
                })
            }),
        }
    }
}

fn main() {
    let rows = [
        Row {
            title: "shared bucket, allowed: time given, a refill at each request",
            threads: 1,
            contenders: bucket::allowed(Rate::MICRO),
            targets: &[Target::Floor(1.15), Target::FastestPeer(1.0)],
        },
        Row {
            title: "shared bucket, allowed: a token takes a third of a nanosecond less",
            threads: 1,
            contenders: bucket::allowed(Rate::MICRO_LESS_A_THIRD),
            targets: &[Target::FastestPeer(1.0)],
        },
        Row {
            title: "shared bucket, denied, and the wait read: time given",
            threads: 1,
            contenders: bucket::denied(Rate::HOUR),
            targets: &[Target::Peer("governor", 1.0)],
        },
        Row {
            title: "shared bucket, denied, and the wait read: a token takes a third of a nanosecond more",
            threads: 1,
            contenders: bucket::denied(Rate::HOUR_AND_A_THIRD),
            targets: &[],
        },
        Row {
            title: "shared bucket, allowed: real clock",
            threads: 1,
            contenders: bucket::real_clock(),
            targets: &[Target::Above("the clock alone", 3.3)],
        },
        Row {
            title: "shared bucket, two threads",
            threads: 2,
            contenders: bucket::stands_still(Threads::Two),
            targets: &[Target::Peer("governor", 0.85), Target::OptionToPeer("governor", 0.6)],
        },
        Row {
            title: "breaker in a row, closed: one thread",
            threads: 1,
            contenders: breaker::in_a_row(Threads::One),
            targets: &[Target::Nanos(1.0)],
        },
        Row {
            title: "breaker in a row, closed: two threads",
            threads: 2,
            contenders: breaker::in_a_row(Threads::Two),
            targets: &[Target::Nanos(1.5)],
        },
        Row {
            title: "breaker of the last calls, closed: one thread",
            threads: 1,
            contenders: breaker::of_the_last(Threads::One),
            targets: &[Target::Floor(1.4)],
        },
        Row {
            title: "breaker of the last calls, closed: two threads",
            threads: 2,
            contenders: breaker::of_the_last(Threads::Two),
            targets: &[Target::Floor(1.4)],
        },
        Row {
            title: "breaker of the last minute, closed: one thread",
            threads: 1,
            contenders: breaker::over_time(Threads::One, Past::None),
            targets: &[Target::Floor(1.4)],
        },
        Row {
            title: "breaker of the last minute, closed: two threads",
            threads: 2,
            contenders: breaker::over_time(Threads::Two, Past::None),
            targets: &[Target::Floor(1.4)],
        },
        Row {
            title: "breaker of the last minute, a tenth failed: one thread",
            threads: 1,
            contenders: breaker::over_time(Threads::One, Past::Failures),
            targets: &[Target::Floor(1.4)],
        },
        Row {
            title: "breaker of the last minute, a tenth failed: two threads",
            threads: 2,
            contenders: breaker::over_time(Threads::Two, Past::Failures),
            targets: &[Target::Floor(1.4)],
        },
        Row {
            title: "breaker of the last minute, once reset: one thread",
            threads: 1,
            contenders: breaker::over_time(Threads::One, Past::Reset),
            targets: &[Target::Floor(1.4)],
        },
        Row {
            title: "breaker of the last minute, once reset: two threads",
            threads: 2,
            contenders: breaker::over_time(Threads::Two, Past::Reset),
            targets: &[Target::Floor(1.4)],
        },
        Row {
            title: "retry: success at once",
            threads: 1,
            contenders: beside::retry(),
            targets: &[Target::FastestPeer(1.0)],
        },
        Row {
            title: "permit: taken and given back",
            threads: 1,
            contenders: beside::permit(),
            targets: &[Target::FastestPeer(1.0)],
        },
    ];
    measure::run(rows);
}
