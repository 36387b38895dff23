//! The checks that decide the exit code. Each judges what the nodes logged, and shows its figures.
//!
//! Those of [`firmware`] apply where there are firmware nodes; the others hold for every node.

mod firmware;
#[cfg(test)]
mod sample;

use super::admission::Quota;
use super::record::{Life, Record, Tally};
use super::run::LeftBehind;
use super::schedule::Phase;
use crate::cli::{Mode, Plan};
use crate::settings;
use crate::wire::{BreakerState, Kind, NodeId};
use core::fmt;
use core::time::Duration;
use resil_core::health::HealthStatus;

/// Something that has to hold, whether it did, and how it was seen.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) what: &'static str,
    pub(crate) passed: bool,
    pub(crate) figures: String,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, passed, figures } = self;
        writeln!(f, "{}  {what}\n      {figures}", if *passed { "PASS" } else { "FAIL" })
    }
}

/// Every check that applies to the runs that were made.
pub(crate) fn all(plan: &Plan, records: &[Record], left: LeftBehind) -> Vec<Check> {
    let mut checks = Vec::new();
    let find = |mode| records.iter().find(|record| record.mode == mode);
    if let Some(with) = find(Mode::With) {
        checks.extend([
            nobody_above_its_limit(with),
            breakers_follow_the_killed_peer(with),
            health_degrades_and_comes_back(with),
            each_part_acted(with),
        ]);
        if let Some(without) = find(Mode::Without) {
            checks.push(better_than_without(with, without));
        }
        checks.extend(firmware::all(with, find(Mode::Without)));
    }
    checks.push(each_request_ended_once(records));
    checks.push(nothing_left_behind(plan, records, left));
    checks
}

/// No receiver let a sender in more often than its limit says, in any window, by its own log.
fn nobody_above_its_limit(record: &Record) -> Check {
    let quota = Quota::of(&settings::LIMIT);
    let (mut pairs, mut admissions, mut fullest, mut breaches) = (0, 0, 0, Vec::new());
    for life in &record.lives {
        for &sender in &life.neighbours {
            let of_sender = life.admitted.iter().filter(|admitted| admitted.sender == sender);
            let log: Vec<u64> = of_sender.map(|admitted| admitted.at).collect();
            pairs += 1;
            admissions += log.len();
            fullest = fullest.max(quota.fullest_window(&log));
            if let Some(breach) = breach(&quota, &log) {
                breaches.push(format!("node {} let node {sender} in: {breach}", life.node));
            }
        }
    }
    let (limit, window) = (settings::LIMIT.max_requests(), settings::LIMIT.time_window());
    let mut figures = format!(
        "{admissions} admissions of {pairs} pairs; the fullest {window:?} holds {fullest} of {limit}"
    );
    breaches.iter().for_each(|breach| figures += &format!("; {breach}"));
    let passed = breaches.is_empty() && admissions > 0;
    Check { what: "no receiver admitted a sender above its limit", passed, figures }
}

/// A breach of the quota, or a log whose time goes back.
fn breach(quota: &Quota, log: &[u64]) -> Option<String> {
    if !log.is_sorted() {
        return Some("the log goes back in time".into());
    }
    quota.breach(log).map(|breach| format!("{breach:?}"))
}

/// Every request ended in exactly one of ok, refused and failed, in both runs.
fn each_request_ended_once(records: &[Record]) -> Check {
    let mut problems = Vec::new();
    let (mut issued, mut ended, mut died, mut died_with_reset) = (0, 0, 0, 0);
    for life in records.iter().flat_map(|record| &record.lives) {
        let mut ids: Vec<u64> = life.ended.iter().map(|ended| ended.id).collect();
        ids.sort_unstable();
        issued += life.issued;
        ended += ids.len() as u64;
        let twice = ids.windows(2).any(|pair| pair[0] == pair[1]);
        let unknown = ids.last().is_some_and(|&last| last >= life.issued);
        let missing = life.issued.saturating_sub(ids.len() as u64);
        if twice || unknown || (life.killed.is_none() && missing > 0) {
            problems.push(format!("node {}: {missing} missing of {}", life.node, life.issued));
        }
        let count = if life.ended_by_reset { &mut died_with_reset } else { &mut died };
        *count += missing;
    }
    let mut sums = Vec::new();
    for record in records {
        let (orderly, flood) = (record.tally(Kind::Orderly, None), record.tally(Kind::Flood, None));
        sums.push(format!(
            "{} ok + {} refused + {} failed",
            orderly.ok + flood.ok,
            orderly.refused + flood.refused,
            orderly.failed + flood.failed
        ));
    }
    let mut figures = format!("{issued} issued, {ended} ended: {}", sums.join(", then "));
    if died > 0 {
        figures += &format!("; {died} died with the killed node");
    }
    if died_with_reset > 0 {
        figures += &format!("; {died_with_reset} died with the reset");
    }
    problems.iter().for_each(|problem| figures += &format!("; {problem}"));
    let passed = problems.is_empty() && ended > 0;
    Check { what: "each request ended as exactly one of ok, refused, failed", passed, figures }
}

/// Each neighbour's breaker opened when the peer was killed, and closed after it was back.
fn breakers_follow_the_killed_peer(record: &Record) -> Check {
    let killed = record.schedule.killed;
    let (from, back) = record.schedule.span(Phase::Killed);
    let back = record.last_life(killed).map_or(back, |life| life.began);
    let mut watchers = 0;
    let (mut opened, mut closed, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for life in watching(record, killed) {
        watchers += 1;
        let open = |&(at, to): &(Duration, _)| to == BreakerState::Open && at > from && at < back;
        let first_open = life.breaker(killed).find(open).map(|(at, _)| at);
        let shut = |&(at, to): &(Duration, _)| to == BreakerState::Closed && at > back;
        let first_closed = life.breaker(killed).find(shut).map(|(at, _)| at);
        match (first_open, first_closed) {
            (Some(open), Some(shut)) if !life.is_open(killed) => {
                opened.push(open - from);
                closed.push(shut - back);
            }
            _ => problems.push(format!("; not at node {}", life.node)),
        }
    }
    let figures = format!(
        "{} of {watchers} neighbours of node {killed}: opened {} after the kill, closed {} after it was back{}",
        opened.len(),
        range(&opened),
        range(&closed),
        problems.concat()
    );
    let passed = problems.is_empty() && watchers > 0;
    Check {
        what: "breakers opened on the killed peer and closed after its restart",
        passed,
        figures,
    }
}

/// The neighbours that lived through the whole run.
fn watching(record: &Record, peer: NodeId) -> impl Iterator<Item = &Life> {
    let whole = move |life: &&Life| life.is_whole() && life.node != peer;
    record.lives.iter().filter(whole).filter(move |life| life.neighbours.contains(&peer))
}

fn range(times: &[Duration]) -> String {
    match (times.iter().min(), times.iter().max()) {
        (Some(min), Some(max)) => {
            format!("{:.2} to {:.2} s", min.as_secs_f64(), max.as_secs_f64())
        }
        _ => "never".into(),
    }
}

/// Who lost a peer said so, and everybody is well again after the last trouble.
fn health_degrades_and_comes_back(record: &Record) -> Check {
    let killed = record.schedule.killed;
    let (from, to) = record.schedule.span(Phase::Killed);
    let over = record.schedule.span(Phase::Recovery).0;
    let mut problems = Vec::new();
    let (mut watchers, mut degraded) = (0, 0);
    for life in watching(record, killed) {
        watchers += 1;
        let worse = |(at, status)| at > from && at < to && status > HealthStatus::Healthy;
        if status_at(life, from) > Some(HealthStatus::Healthy) || life.health().any(worse) {
            degraded += 1;
        } else {
            problems.push(format!("; node {} did not notice", life.node));
        }
    }
    let (mut well, mut all) = (0, 0);
    for life in record.survivors() {
        all += 1;
        let better = |(at, status)| at >= over && status == HealthStatus::Healthy;
        if status_at(life, over) == Some(HealthStatus::Healthy) || life.health().any(better) {
            well += 1;
        } else {
            problems.push(format!("; node {} did not come back", life.node));
        }
    }
    let figures = format!(
        "{degraded} of {watchers} neighbours of node {killed} degraded while it was gone; {well} of {all} nodes healthy again at the end{}",
        problems.concat()
    );
    let passed = problems.is_empty() && watchers > 0 && all > 0;
    Check { what: "health went degraded and came back", passed, figures }
}

/// The status that a node had at `at`.
fn status_at(life: &Life, at: Duration) -> Option<HealthStatus> {
    life.health().take_while(|&(seen, _)| seen <= at).last().map(|(_, status)| status)
}

/// The limiter refused, a breaker opened, a retry was made and rescued, health changed.
fn each_part_acted(record: &Record) -> Check {
    let limited = record.count(|counts| counts.limited);
    let opens = record.lives.iter().flat_map(|life| &life.breakers);
    let opens = opens.filter(|moved| moved.to == BreakerState::Open).count() as u64;
    let retries = record.count(|counts| counts.retries);
    let rescued = record.tally(Kind::Orderly, None).rescued;
    // The first report of a life is where it starts, not a change.
    let changes: u64 =
        record.lives.iter().map(|life| life.health.len().saturating_sub(1) as u64).sum();
    let figures = format!(
        "limiter: {limited} refusals; breaker: {opens} times opened; retry: {retries} attempts more, {rescued} requests rescued; health: {changes} changes"
    );
    let passed = [limited, opens, retries, rescued, changes].iter().all(|&acted| acted > 0);
    Check { what: "limiter, breaker, retry and health each acted", passed, figures }
}

/// In trouble, clearly fewer requests went unserved than with resil off, of the same work.
fn better_than_without(with: &Record, without: &Record) -> Check {
    let in_trouble = |record: &Record, of: fn(&Tally) -> u64| {
        let troubles = Phase::ALL.into_iter().filter(|phase| phase.is_trouble());
        troubles.map(|phase| of(&record.tally(Kind::Orderly, Some(phase)))).sum::<u64>()
    };
    let both = |of| (in_trouble(with, of), in_trouble(without, of));
    let (ok, ok_without) = both(|tally| tally.ok);
    let (unserved, unserved_without) = both(|tally| tally.issued - tally.ok);
    let (wasted, wasted_without) = both(|tally| tally.wasted);
    let percent = unserved * 100 / unserved_without.max(1);
    let figures = format!(
        "served in trouble {ok} against {ok_without}; not served {unserved} against {unserved_without}: {percent} %, at most {} % may be; attempts wasted {wasted} against {wasted_without}",
        settings::UNSERVED_PERCENT
    );
    let passed =
        ok > ok_without && percent <= settings::UNSERVED_PERCENT && wasted < wasted_without;
    Check { what: "trouble cost fewer requests than with resil off", passed, figures }
}

/// Every process that was started has ended, and nobody is missing.
fn nothing_left_behind(plan: &Plan, records: &[Record], left: LeftBehind) -> Check {
    // Each run starts every node once, and one of them again; a firmware node is a bridge and an emulator.
    let each = usize::from(plan.nodes) + 1 + 2 * usize::from(plan.firmware);
    let expected = records.len() * each;
    let passed = left.left == 0 && left.started == expected;
    Check { what: "no process was left behind", passed, figures: left.to_string() }
}

#[cfg(test)]
mod tests {
    use super::sample::{ended, good_run, survivor};
    use super::*;
    use crate::cli::Arguments;
    use crate::wire::Admitted;
    use clap::Parser;

    #[test]
    fn a_good_run_passes() {
        let record = good_run();
        for check in [
            nobody_above_its_limit(&record),
            breakers_follow_the_killed_peer(&record),
            health_degrades_and_comes_back(&record),
            each_request_ended_once(core::slice::from_ref(&record)),
        ] {
            assert!(check.passed, "{check}");
        }
    }

    #[test]
    fn one_admission_too_many_is_found() {
        let mut record = good_run();
        let burst = settings::LIMIT.burst_size() as usize;
        let life = survivor(&mut record);
        let sender = life.neighbours[0];
        life.admitted = vec![Admitted { sender, at: 5 }; burst];
        assert!(nobody_above_its_limit(&record).passed);
        survivor(&mut record).admitted.push(Admitted { sender, at: 5 });
        assert!(!nobody_above_its_limit(&record).passed);
    }

    #[test]
    fn a_request_that_ends_never_or_twice_is_found() {
        let mut never = good_run();
        survivor(&mut never).ended.pop();
        assert!(!each_request_ended_once(&[never]).passed);
        let mut twice = good_run();
        survivor(&mut twice).ended[0] = ended(0);
        assert!(!each_request_ended_once(&[twice]).passed);
    }

    #[test]
    fn a_breaker_that_stays_open_or_never_opens_is_found() {
        let mut open = good_run();
        survivor(&mut open).breakers.pop();
        assert!(!breakers_follow_the_killed_peer(&open).passed);
        let mut closed = good_run();
        survivor(&mut closed).breakers.clear();
        assert!(!breakers_follow_the_killed_peer(&closed).passed);
    }

    #[test]
    fn health_that_does_not_notice_or_does_not_come_back_is_found() {
        let mut blind = good_run();
        survivor(&mut blind).health.truncate(1);
        assert!(!health_degrades_and_comes_back(&blind).passed);
        let mut unwell = good_run();
        survivor(&mut unwell).health.pop();
        assert!(!health_degrades_and_comes_back(&unwell).passed);
    }

    #[test]
    fn a_process_that_is_left_or_missing_is_found() {
        let plan = Arguments::parse_from(["mesh"]).plan;
        let left = |started, left| {
            nothing_left_behind(&plan, &[good_run()], LeftBehind { started, left }).passed
        };
        assert!(left(6, 0) && !left(6, 1) && !left(5, 0));
    }
}
