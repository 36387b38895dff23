//! Every situation and every event, as a table to read: `circuit_breaker/transitions.txt`.
//!
//! The policy opens after 2 failures, for 10 s; 2 successes of 2 probes close it. The breaker opened at
//! 0 or 1 s, it is 10 s now, and calls that end now have run since 0 s. After a change that is meant, write the table anew by running this test with `WRITE_TRANSITIONS=1`.

use super::*;
use core::fmt::Write;

const COMMITTED: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/suite/circuit_breaker/transitions.txt");
const NOW: u64 = 10;

/// A breaker at 10 s, a permit of its present state and one of an earlier state.
struct Situation {
    breaker: CircuitBreaker,
    present: Option<Permit>,
    earlier: Permit,
}

impl Situation {
    fn new(name: &str) -> Self {
        let config = builder().probes(2).success_threshold(2);
        let mut breaker = breaker(config);
        let earlier = breaker.try_acquire(never, s(0)).unwrap();
        breaker.reset(s(0));
        let closed = breaker.try_acquire(never, s(0)).unwrap();
        call(&mut breaker, FAILURE, s(0));
        let (present, clean) = match name {
            "CLOSED, 0 of 2 failures" => (Some(closed), call(&mut breaker, Outcome::Success, s(0))),
            "CLOSED, 1 of 2 failures" => (Some(closed), Recorded::Counted),
            "OPEN, ends later" => (None, breaker.record(closed, FAILURE, never, s(1))),
            "FORCED_OPEN" => {
                breaker.force_open(s(0));
                (None, Recorded::Counted)
            }
            "DISABLED" => {
                breaker.disable(s(0));
                (breaker.try_acquire(never, s(0)).ok(), Recorded::Counted)
            }
            half_open => {
                call(&mut breaker, FAILURE, s(0));
                let first = breaker.try_acquire(never, s(NOW));
                match half_open {
                    "HALF_OPEN, 1 of 2 probes out" => (first.ok(), Recorded::Counted),
                    "HALF_OPEN, 2 of 2 probes out" => {
                        let _second = breaker.try_acquire(never, s(NOW)).unwrap();
                        (first.ok(), Recorded::Counted)
                    }
                    "HALF_OPEN, 1 of 2 successes" => {
                        (first.ok(), call(&mut breaker, Outcome::Success, s(NOW)))
                    }
                    "HALF_OPEN, 5 of 6 abandoned" => {
                        for _ in 0..5 {
                            call(&mut breaker, Outcome::Abandoned, s(NOW));
                        }
                        (first.ok(), Recorded::Counted)
                    }
                    _ => panic!("no situation {name}"),
                }
            }
        };
        assert_ne!(clean, Recorded::Stale);
        Self { breaker, present, earlier }
    }

    fn apply(self, event: &str) -> Option<(String, CircuitBreaker, Instant)> {
        let Self { mut breaker, present, earlier } = self;
        let now = s(NOW);
        let mut record = |permit: Permit, outcome| match breaker.record(permit, outcome, never, now)
        {
            Recorded::Counted | Recorded::Transition(_) => "counted".to_owned(),
            Recorded::Released => "released".to_owned(),
            Recorded::Stale => "stale".to_owned(),
            other => panic!("{other:?}"),
        };
        let answer = match event {
            "ask" => match breaker.try_acquire(never, now) {
                Ok(permit) if permit.is_probe() => "probe".to_owned(),
                Ok(_) => "permit".to_owned(),
                Err(rejected) => rejected.code().to_string(),
            },
            "success" => record(present?, Outcome::Success),
            "failure" => record(present?, FAILURE),
            "ignored" => record(present?, Outcome::Ignored),
            "abandoned" => record(present?, Outcome::Abandoned),
            "late result" => record(earlier, FAILURE),
            "force_open" => shown(breaker.force_open(now)),
            "disable" => shown(breaker.disable(now)),
            "reset" => shown(breaker.reset(now)),
            "time passes" => {
                let Some(deadline) = breaker.next_deadline(now) else {
                    return Some(("nothing is due".to_owned(), breaker, now));
                };
                let answer = shown(breaker.poll(never, deadline));
                return Some((answer, breaker, deadline));
            }
            _ => panic!("no event {event}"),
        };
        Some((answer, breaker, now))
    }
}

fn shown(transition: Option<Transition>) -> String {
    transition.map_or("no change".to_owned(), |transition| transition.to_string())
}

fn table() -> String {
    let mut table = String::new();
    writeln!(
        table,
        "{:28} | {:11} | {:25} | {:11} | failures | probes | deadline",
        "at 10 s", "event", "answer", "state"
    )
    .unwrap();
    for situation in [
        "CLOSED, 0 of 2 failures",
        "CLOSED, 1 of 2 failures",
        "OPEN, ends later",
        "HALF_OPEN, 1 of 2 probes out",
        "HALF_OPEN, 2 of 2 probes out",
        "HALF_OPEN, 1 of 2 successes",
        "HALF_OPEN, 5 of 6 abandoned",
        "FORCED_OPEN",
        "DISABLED",
    ] {
        table.push('\n');
        for event in [
            "ask",
            "success",
            "failure",
            "ignored",
            "abandoned",
            "late result",
            "time passes",
            "force_open",
            "disable",
            "reset",
        ] {
            let Some((answer, breaker, now)) = Situation::new(situation).apply(event) else {
                continue;
            };
            let (state, failures) = (breaker.state(now), breaker.failures());
            let out = breaker.probes_in_flight(now);
            let deadline = breaker
                .next_deadline(now)
                .map_or("-".to_owned(), |at| format!("{} s", at.as_duration().as_secs()));
            writeln!(
                table,
                "{situation:28} | {event:11} | {answer:25} | {state:11} | {failures:8} | {out:6} | {deadline}"
            )
            .unwrap();
        }
    }
    table
}

#[test]
fn the_transition_table_is_the_committed_one() {
    let table = table();
    if std::env::var_os("WRITE_TRANSITIONS").is_some() {
        std::fs::write(COMMITTED, &table).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap();
    for (line, expected) in table.lines().zip(committed.lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(table.lines().count(), committed.lines().count());
}
