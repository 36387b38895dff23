//! What one decision costs, beside a hand-written floor and the fastest peers, in one run.
//!
//! `cargo bench -p resil-tests` prints a table. Read the ratios, not the nanoseconds: all of a row
//! run in the same process in rotating order, so that whatever the machine does it does to all.
//! Each has one owner and gets the time as a number, the peers through whatever interface is
//! cheapest for them, and every batch checks that all of its decisions came out as they should.

mod contenders;
mod measure;

use measure::{Row, Target};

fn main() {
    let rows = [
        Row {
            title: "bucket, allowed: 1 a microsecond, a refill at each request",
            threads: 1,
            contenders: contenders::allowed(),
            targets: &[Target::Floor(2.0), Target::FastestPeer(0.5)],
        },
        Row {
            title: "bucket, denied: 1 an hour",
            threads: 1,
            contenders: contenders::denied(),
            targets: &[Target::Peer("governor", 1.0)],
        },
        Row {
            title: "bucket, denied, and the wait read",
            threads: 1,
            contenders: contenders::denied_with_wait(),
            targets: &[Target::Floor(2.5)],
        },
        Row {
            title: "breaker, closed: permit, then success",
            threads: 1,
            contenders: contenders::breaker_closed(),
            targets: &[Target::Nanos(1.0)],
        },
        Row {
            title: "delay, base 2, full jitter, attempts 0 to 7",
            threads: 1,
            contenders: contenders::jittered_delay(),
            targets: &[Target::Nanos(3.0)],
        },
    ];
    measure::run(rows);
}
