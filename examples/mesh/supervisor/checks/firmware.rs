//! What has to hold of firmware nodes besides: on a noisy wire, flooded, reset, and cut off.

use super::{Check, Quota, breach, range, status_at};
use crate::settings;
use crate::supervisor::record::{Life, Record};
use crate::supervisor::schedule::FirmwareRoles;
use crate::wire::{BreakerState, End, Kind, LineCounts, NodeId};
use core::time::Duration;
use resil_core::ErrorCode;
use resil_core::health::HealthStatus;

/// Every check of a run with firmware nodes; none where there are none.
pub(super) fn all(with: &Record, without: Option<&Record>) -> Vec<Check> {
    let Some(roles) = with.schedule.firmware else { return Vec::new() };
    vec![
        noise_loses_no_request(with),
        flooded_firmware_answers(with, roles),
        reset_does_not_stampede(with, without, roles),
        cut_off_node_comes_back(with, roles),
    ]
}

/// Every firmware node's wire lost, damaged and delayed frames, and each of its requests ended still.
fn noise_loses_no_request(record: &Record) -> Check {
    let (mut sum, mut nodes, mut issued, mut problems) =
        (LineCounts::default(), 0, 0, String::new());
    for life in record.survivors().filter(|life| record.schedule.is_firmware(life.node)) {
        let LineCounts { lost, corrupted, delayed, .. } = life.line;
        if [lost, corrupted, delayed].contains(&0) {
            problems += &format!("; nothing of a kind at node {}: {:?}", life.node, life.line);
        }
        if life.issued == 0 || life.issued != life.ended.len() as u64 {
            let ended = life.ended.len();
            problems += &format!("; node {} asked {}, {ended} ended", life.node, life.issued);
        }
        sum += life.line;
        nodes += 1;
        issued += life.issued;
    }
    let LineCounts { frames, lost, corrupted, delayed, .. } = sum;
    let figures = format!(
        "of {frames} frames on {nodes} wires {lost} were lost, {corrupted} damaged, {delayed} late; {issued} requests of firmware, each ended{problems}"
    );
    let passed = problems.is_empty() && nodes > 0;
    Check { what: "a noisy wire lost frames and no request", passed, figures }
}

/// The flooded firmware node let its flooder in as its limit says, and told it so when not.
fn flooded_firmware_answers(record: &Record, roles: FirmwareRoles) -> Check {
    let (node, flooder) = (roles.flooded, record.schedule.flooder);
    let quota = Quota::of(&settings::LIMIT);
    let (mut admitted, mut fullest, mut limited, mut problems) = (0, 0, 0, String::new());
    for life in record.lives.iter().filter(|life| life.node == node) {
        let of_flooder = life.admitted.iter().filter(|admitted| admitted.sender == flooder);
        let log: Vec<u64> = of_flooder.map(|admitted| admitted.at).collect();
        admitted += log.len();
        fullest = fullest.max(quota.fullest_window(&log));
        limited += life.counts.limited;
        if let Some(breach) = breach(&quota, &log) {
            problems += &format!("; {breach}");
        }
    }
    let flood =
        record.lives.iter().filter(|life| life.node == flooder).flat_map(|life| &life.ended);
    let flood = flood.filter(|ended| ended.kind == Kind::Flood && ended.peer == node);
    let (mut sent, mut told) = (0, 0);
    for ended in flood {
        sent += 1;
        told += u64::from(matches!(ended.end, End::Refused(code) if is_limit(code)));
    }
    let figures = format!(
        "node {flooder} sent {sent} requests to {}: {admitted} of its were let in, the fullest {:?} holds {fullest} of {}; {told} heard when to come back{problems}",
        record.schedule.name(node),
        settings::LIMIT.time_window(),
        settings::LIMIT.max_requests()
    );
    let passed = problems.is_empty() && admitted > 0 && limited > 0 && told > 0;
    Check { what: "flooded firmware kept to its limit and said so", passed, figures }
}

fn is_limit(code: u16) -> bool {
    [ErrorCode::RateLimitExceeded, ErrorCode::RateLimitQuotaExhausted]
        .iter()
        .any(|limit| limit.number() == code)
}

/// What the node that was reset did to the dead peer until that one was back.
#[derive(Debug)]
struct AfterReset {
    restored: bool,
    over: Duration,
    asked: u64,
    attempts: u64,
}

impl AfterReset {
    fn of(record: &Record, roles: FirmwareRoles) -> Option<Self> {
        let killed = record.schedule.killed;
        let back = record.last_life(killed)?.began;
        let life = record.last_life(roles.reset)?;
        let restored = life.restored?;
        let mut after =
            Self { restored, over: back.saturating_sub(life.began), asked: 0, attempts: 0 };
        for ended in life.ended.iter().filter(|ended| ended.peer == killed) {
            if life.run_time(ended.issued_at) < back {
                after.asked += 1;
                after.attempts += u64::from(ended.attempts.made);
            }
        }
        Some(after)
    }
}

/// The most attempts that an open breaker lets through in this time: its probes, at once and then each
/// time that its shortest open time is over.
fn probes_within(over: Duration) -> u64 {
    let open = settings::BREAKER.timeout();
    let shortest = open - open / 4; // its jitter is a quarter
    let rounds = 1 + over.as_nanos() / shortest.as_nanos().max(1);
    u64::from(settings::BREAKER.probes()).saturating_mul(rounds as u64)
}

/// After its reset the node knew that a peer was dead, and only probed it.
fn reset_does_not_stampede(with: &Record, without: Option<&Record>, roles: FirmwareRoles) -> Check {
    let what = "a reset beside a dead peer was followed by probes only";
    let name = with.schedule.name(roles.reset);
    let Some(after) = AfterReset::of(with, roles) else {
        return Check { what, passed: false, figures: format!("{name} was not reset") };
    };
    let AfterReset { restored, over, asked, attempts } = after;
    let most = probes_within(over);
    let mut figures = format!(
        "{name} {}; in the {:.2} s until node {} was back {asked} requests for it made {attempts} attempts, at most {most} may be",
        if restored { "restored what it knew" } else { "restored nothing" },
        over.as_secs_f64(),
        with.schedule.killed
    );
    let mut passed = restored && asked > 0 && attempts <= most;
    if let Some(without) = without.and_then(|without| AfterReset::of(without, roles)) {
        figures += &format!("; {} with resil off", without.attempts);
        passed &= attempts < without.attempts;
    }
    Check { what, passed, figures }
}

/// Everybody's breaker for the node that was cut off opened and closed, and the node is well again.
fn cut_off_node_comes_back(record: &Record, roles: FirmwareRoles) -> Check {
    let node = roles.cut;
    let (cut, mended) = record.schedule.cut();
    let (mut opened, mut closed, mut problems) = (Vec::new(), Vec::new(), String::new());
    let watchers = record.survivors().filter(|life| life.neighbours.contains(&node)).count();
    for life in record.survivors().filter(|life| life.neighbours.contains(&node)) {
        match open_and_shut(life, node, cut, mended) {
            Some((open, shut)) => {
                opened.push(open);
                closed.push(shut);
            }
            None => problems += &format!("; not at {}", record.schedule.name(life.node)),
        }
    }
    let mut frames = 0;
    if let Some(life) = record.last_life(node) {
        frames = life.line.cut;
        let worse = |(at, status)| at > cut && at < mended && status > HealthStatus::Healthy;
        let better = |(at, status)| at >= mended && status == HealthStatus::Healthy;
        if !(status_at(life, cut) > Some(HealthStatus::Healthy) || life.health().any(worse)) {
            problems += "; it did not notice";
        }
        if status_at(life, mended) != Some(HealthStatus::Healthy) && !life.health().any(better) {
            problems += "; its health did not come back";
        }
    }
    let figures = format!(
        "{} lost {frames} frames to the cut; {} of {watchers} neighbours opened {} after it, and closed {} after it was mended{problems}",
        record.schedule.name(node),
        opened.len(),
        range(&opened),
        range(&closed)
    );
    let passed = problems.is_empty() && watchers > 0 && frames > 0;
    Check { what: "a node that was cut off came back to everybody", passed, figures }
}

/// When a breaker opened after `cut` and closed after `mended`, if it did both and has stayed so.
fn open_and_shut(
    life: &Life,
    peer: NodeId,
    cut: Duration,
    mended: Duration,
) -> Option<(Duration, Duration)> {
    let moved = |state, from: Duration| {
        life.breaker(peer).find(|&(at, to)| to == state && at > from).map(|(at, _)| at - from)
    };
    let open = moved(BreakerState::Open, cut).filter(|open| cut + *open < mended)?;
    let shut = moved(BreakerState::Closed, mended)?;
    (!life.is_open(peer)).then_some((open, shut))
}

#[cfg(test)]
mod tests {
    use super::super::sample::{ended, good_mixed_run, last_life};
    use super::*;
    use crate::cli::Mode;
    use crate::wire::{Admitted, Attempts, Ended};

    fn roles(record: &Record) -> FirmwareRoles {
        record.schedule.firmware.unwrap()
    }

    #[test]
    fn a_good_mixed_run_passes_and_one_without_firmware_has_nothing_to_pass() {
        let checks = all(&good_mixed_run(), None);
        assert_eq!(checks.len(), 4);
        checks.iter().for_each(|check| assert!(check.passed, "{check}"));
        assert!(all(&super::super::sample::good_run(), None).is_empty());
    }

    #[test]
    fn a_wire_without_noise_and_a_request_lost_on_it_are_found() {
        type Spoil = fn(&mut LineCounts);
        let kinds: [Spoil; 3] =
            [|line| line.lost = 0, |line| line.corrupted = 0, |line| line.delayed = 0];
        for spoil in kinds {
            let mut quiet = good_mixed_run();
            let node = roles(&quiet).cut;
            spoil(&mut last_life(&mut quiet, node).line);
            assert!(!noise_loses_no_request(&quiet).passed);
        }
        let mut lost = good_mixed_run();
        let node = roles(&lost).cut;
        last_life(&mut lost, node).ended.pop();
        assert!(!noise_loses_no_request(&lost).passed);
    }

    #[test]
    fn flooded_firmware_that_lets_too_many_in_or_says_nothing_is_found() {
        let record = good_mixed_run();
        let (roles, flooder) = (roles(&record), record.schedule.flooder);
        let mut open = good_mixed_run();
        let too_many = settings::LIMIT.burst_size() as usize + 1;
        last_life(&mut open, roles.flooded).admitted =
            vec![Admitted { sender: flooder, at: 5 }; too_many];
        assert!(!flooded_firmware_answers(&open, roles).passed);
        let mut silent = good_mixed_run();
        last_life(&mut silent, flooder).ended.retain(|ended| ended.kind != Kind::Flood);
        assert!(!flooded_firmware_answers(&silent, roles).passed);
        let mut unlimited = good_mixed_run();
        last_life(&mut unlimited, roles.flooded).counts.limited = 0;
        assert!(!flooded_firmware_answers(&unlimited, roles).passed);
    }

    #[test]
    fn a_reset_node_that_forgot_or_stampedes_is_found() {
        let roles = roles(&good_mixed_run());
        let passes = |spoil: &dyn Fn(&mut Life)| {
            let mut record = good_mixed_run();
            spoil(last_life(&mut record, roles.reset));
            reset_does_not_stampede(&record, None, roles).passed
        };
        let over = AfterReset::of(&good_mixed_run(), roles).unwrap().over;
        let most = probes_within(over) as u32;
        let set = |life: &mut Life, made| life.ended.last_mut().unwrap().attempts.made = made;
        assert!(passes(&|life| set(life, most)));
        assert!(!passes(&|life| set(life, most + 1)));
        assert!(!passes(&|life| life.restored = Some(false)));
        assert!(!passes(&|life| life.restored = None));
        assert!(
            !passes(&|life| assert!(life.ended.pop().is_some())),
            "nothing was asked, so nothing is shown"
        );
    }

    #[test]
    fn a_reset_that_costs_as_much_as_with_resil_off_is_found() {
        let record = good_mixed_run();
        let (roles, killed) = (roles(&record), record.schedule.killed);
        let mut off = good_mixed_run();
        off.mode = Mode::Without;
        assert!(!reset_does_not_stampede(&record, Some(&off), roles).passed);
        let issued_at = last_life(&mut off, roles.reset).ended.last().unwrap().issued_at;
        let attempts = Attempts { made: 3, wasted: 3 };
        let more = Ended { peer: killed, issued_at, ended_at: issued_at, attempts, ..ended(1) };
        last_life(&mut off, roles.reset).ended.push(more);
        assert!(reset_does_not_stampede(&record, Some(&off), roles).passed);
    }

    #[test]
    fn probes_are_counted_from_the_shortest_open_time() {
        let shortest = settings::BREAKER.timeout() * 3 / 4;
        let nanosecond = Duration::from_nanos(1);
        assert_eq!(probes_within(Duration::ZERO), 1);
        assert_eq!(probes_within(shortest - nanosecond), 1);
        assert_eq!(probes_within(shortest * 4), 5);
    }

    #[test]
    fn a_cut_that_nobody_notices_or_gets_over_is_found() {
        let roles = roles(&good_mixed_run());
        let passes = |node, spoil: &dyn Fn(&mut Life)| {
            let mut record = good_mixed_run();
            spoil(last_life(&mut record, node));
            cut_off_node_comes_back(&record, roles).passed
        };
        let flooder = good_mixed_run().schedule.flooder;
        assert!(passes(flooder, &|_| {}));
        assert!(!passes(flooder, &|life| life.breakers.retain(|moved| moved.peer != roles.cut)));
        assert!(!passes(flooder, &|life| assert!(life.breakers.pop().is_some())), "it stays open");
        assert!(
            !passes(roles.cut, &|life| assert!(life.health.pop().is_some())),
            "it stays unwell"
        );
        assert!(!passes(roles.cut, &|life| life.health.truncate(1)), "it does not notice");
        assert!(!passes(roles.cut, &|life| life.line.cut = 0), "nothing was cut");
    }
}
