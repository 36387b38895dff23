use super::*;
use crate::snapshot::{Persist, SnapshotError};
use crate::time::Instant;
use core::time::Duration;

const DEFAULT: HeartbeatConfig = HeartbeatConfig::DEFAULT;

fn at(millis: u64) -> Instant {
    Instant::from_duration(Duration::from_millis(millis))
}

/// A peer that has sent every second from 1000 s to 1100 s.
fn regular() -> Heartbeat {
    let mut peer = Heartbeat::new(DEFAULT);
    for second in 1_000..=1_100 {
        let beat = peer.record(at(second * 1_000));
        assert_eq!(beat, if second == 1_000 { Beat::First } else { Beat::Counted });
    }
    peer
}

#[test]
fn an_expected_peer_is_unknown_until_it_is_suspected() {
    let mut peer = Heartbeat::new(DEFAULT);
    assert_eq!((peer.next_deadline(at(0)), peer.phi(Instant::MAX)), (None, Phi::new(0)));
    peer.expect(at(0));
    peer.expect(at(3_000)); // it is waited for already
    let suspected = peer.next_deadline(at(0)).unwrap();
    assert!(at(5_306) < suspected && suspected < at(5_307));
    assert_eq!(peer.status(at(5_306)), HeartbeatStatus::Unknown);
    assert_eq!(peer.status(suspected), HeartbeatStatus::Suspected);
    assert_eq!(peer.record(at(9_000)), Beat::First);
    assert_eq!(peer.status(at(9_000)), HeartbeatStatus::Alive);
}

#[test]
fn an_outage_is_not_learned_and_one_heartbeat_recovers() {
    let mut peer = regular();
    let limit = |peer: &Heartbeat, now| peer.next_deadline(now).unwrap().saturating_since(now);
    let before = limit(&peer, at(1_100_000));
    assert_eq!(peer.status(at(5_000_000)), HeartbeatStatus::Suspected);
    assert_eq!(peer.record(at(5_000_000)), Beat::Recovered);
    assert_eq!(peer.status(at(5_000_000)), HeartbeatStatus::Alive);
    assert_eq!(limit(&peer, at(5_000_000)), before);
}

#[test]
fn a_peer_that_slows_down_bit_by_bit_is_suspected_within_the_longest_silence() {
    let mut peer = regular();
    let mut now = at(1_100_000);
    for _ in 0..1_000 {
        let next = peer.next_deadline(now).unwrap();
        assert!(next.saturating_since(now) <= DEFAULT.max_silence());
        now = Instant::from_nanos(next.as_nanos() - 1);
        assert_eq!(peer.record(now), Beat::Counted);
    }
    let limit = peer.next_deadline(now).unwrap().saturating_since(now);
    assert!(limit > Duration::from_secs(39), "or this shows nothing: {limit:?}");
}

#[test]
fn duplicates_and_overtaken_ones_change_nothing() {
    let mut peer = Heartbeat::new(DEFAULT);
    for number in 0..5 {
        let _ = peer
            .record_numbered(u32::MAX - 2_u32.wrapping_sub(number), at(u64::from(number) * 1_000));
    }
    let before = peer.clone();
    for late in [1, 0, u32::MAX, 1 << 31 | 2] {
        assert_eq!(peer.record_numbered(late, at(4_500)), Beat::Stale, "{late}");
    }
    assert_eq!(peer.as_state(), before.as_state());
    assert_eq!(peer.record_numbered(2, at(5_000)), Beat::Counted);
    // A peer that has restarted counts from anywhere, once it is suspected.
    assert_eq!(peer.record_numbered(0, at(6_000)), Beat::Stale);
    assert_eq!(peer.record_numbered(1, at(60_000)), Beat::Recovered);
    assert_eq!(peer.record_numbered(2, at(61_000)), Beat::Counted);
}

#[test]
fn heartbeats_at_one_instant_are_one() {
    let mut peer = regular();
    let before = peer.clone();
    assert_eq!(peer.record(at(1_100_000)), Beat::Counted);
    assert_eq!(peer.as_state(), before.as_state());
}

#[test]
fn a_clock_that_steps_back_delays_suspicion_by_one_limit_at_most_pitfall_65() {
    let peer = regular(); // limit: 4.52 s
    let suspected = peer.next_deadline(at(1_100_000)).unwrap();
    for back in [at(1_099_000), at(1_096_000)] {
        assert_eq!(peer.status(back), HeartbeatStatus::Alive);
        assert_eq!(peer.next_deadline(back), Some(suspected));
    }
    // Further ahead it proves nothing, until the next heartbeat.
    for back in [at(1_095_000), at(5)] {
        assert_eq!(peer.status(back), HeartbeatStatus::Unknown);
        let next = peer.next_deadline(back).unwrap();
        assert!(back < next && next < at(1_096_000));
        assert_eq!(peer.status(next), HeartbeatStatus::Alive);
        let mut dead = peer.clone();
        dead.reanchor(back);
        assert_eq!(dead.status(back), HeartbeatStatus::Alive);
        let suspected = dead.next_deadline(back).unwrap();
        assert_eq!(suspected.saturating_since(back).as_millis(), 4_522);
        dead.reanchor(suspected);
        assert_eq!(dead.status(suspected), HeartbeatStatus::Suspected, "it is not put off again");
        let mut peer = peer.clone();
        assert_eq!(peer.record(back), Beat::Reanchored);
        assert_eq!(peer.status(back), HeartbeatStatus::Alive);
        assert!(peer.next_deadline(back).unwrap() < back.saturating_add(Duration::from_secs(5)));
    }
}

#[test]
fn after_a_suspend_resume_gives_everybody_time() {
    let mut peer = regular();
    let woken = at(9_000_000);
    assert_eq!(peer.status(woken), HeartbeatStatus::Suspected);
    peer.resume(woken);
    assert_eq!(peer.status(woken), HeartbeatStatus::Alive);
    assert_eq!(peer.record(at(9_000_700)), Beat::Counted);
    let mut stranger = Heartbeat::new(DEFAULT);
    stranger.resume(woken);
    assert_eq!(stranger.as_state(), &HeartbeatState::new());
}

#[test]
fn no_instant_panics_and_every_deadline_lies_ahead_pitfall_70() {
    let edges = [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX].map(Instant::from_nanos);
    for (first, second, now) in edges
        .into_iter()
        .flat_map(|a| edges.into_iter().flat_map(move |b| edges.map(|c| (a, b, c))))
    {
        let mut peer = Heartbeat::new(DEFAULT);
        let _ = (peer.record(first), peer.record_numbered(1, second));
        assert!(peer.next_deadline(now).is_none_or(|next| next > now));
        let _ = (peer.status(now), peer.phi(now));
        let mut bytes = [0; HeartbeatConfig::LEN];
        DEFAULT.save(peer.as_state(), now, &mut bytes).unwrap();
        DEFAULT.restore(&bytes, first).unwrap();
        peer.reconfigure(DEFAULT, now);
        peer.resume(now);
    }
}

#[test]
fn a_snapshot_answers_alike_and_counts_on_after_a_restart_of_the_clock() {
    let peer = regular();
    let mut bytes = [0; HeartbeatConfig::LEN];
    for now in [at(1_100_000), at(1_103_000), at(1_200_000)] {
        DEFAULT.save(peer.as_state(), now, &mut bytes).unwrap();
        assert_eq!(&DEFAULT.restore(&bytes, now).unwrap(), peer.as_state());
        let restarted = DEFAULT.restore(&bytes, Instant::EPOCH).unwrap();
        assert_eq!(DEFAULT.status(&restarted, Instant::EPOCH), peer.status(now));
        let left = |next: Option<Instant>, now| next.map(|next| next.saturating_since(now));
        assert_eq!(
            left(DEFAULT.next_deadline(&restarted, Instant::EPOCH), Instant::EPOCH),
            left(peer.next_deadline(now), now)
        );
    }
    DEFAULT.save(&HeartbeatState::new(), at(7), &mut bytes).unwrap();
    assert_eq!(DEFAULT.restore(&bytes, at(0)), Ok(HeartbeatState::new()));
}

#[test]
fn a_mean_beyond_the_longest_silence_cannot_be() {
    let policy = |interval: u64, longest: u64| {
        HeartbeatConfig::builder()
            .interval(Duration::from_nanos(interval))
            .acceptable_pause(Duration::ZERO)
            .max_silence(Duration::from_nanos(longest))
            .min_std_deviation(Duration::from_nanos(longest >> 19))
            .build()
            .unwrap()
    };
    let (slow, quick) = (policy(1 << 39 | 1 << 38, (1 << 40) - 1), policy(1 << 20, 1 << 39));
    let mut bytes = [0; HeartbeatConfig::LEN];
    let mut state = HeartbeatState::new();
    let _ = slow.record(&mut state, at(0));
    slow.save(&state, at(0), &mut bytes).unwrap();
    assert_eq!(slow.restore(&bytes, at(0)), Ok(state));
    assert_eq!(quick.restore(&bytes, at(0)), Err(SnapshotError::Invalid));
}

#[test]
fn a_new_policy_keeps_who_is_alive_and_what_was_learned() {
    let mut peer = regular();
    let now = at(1_101_000);
    let (mean, deviation) = (DEFAULT.mean(peer.as_state()), DEFAULT.std_deviation(peer.as_state()));
    // Other units: the longest silence is a hundred times as long.
    let patient = HeartbeatConfig::builder()
        .acceptable_pause(Duration::from_secs(10))
        .max_silence(Duration::from_secs(4_000))
        .build()
        .unwrap();
    peer.reconfigure(patient, now);
    let close = |a: Duration, b: Duration| a.abs_diff(b) < Duration::from_micros(20);
    assert!(close(patient.mean(peer.as_state()), mean));
    assert!(close(patient.std_deviation(peer.as_state()), deviation));
    let next = peer.next_deadline(now).unwrap();
    assert_eq!(next.saturating_since(at(1_111_522)).as_millis(), 0, "10 s + 1 s + 522 ms");

    let slow = HeartbeatConfig::builder().interval(Duration::from_secs(20)).build().unwrap();
    peer.reconfigure(slow, now);
    assert_eq!(peer.status(now), HeartbeatStatus::Alive);
    assert!(close(slow.mean(peer.as_state()), Duration::from_secs(20)));
    let same = peer.clone();
    peer.reconfigure(slow, now);
    assert_eq!(peer.as_state(), same.as_state());
}

#[test]
fn of_a_peer_that_was_never_heard_the_policys_first_guess_is_told() {
    let config = HeartbeatConfig::builder().interval(Duration::from_secs(8)).build().unwrap();
    let unknown = HeartbeatState::default();
    let near =
        |told: Duration, seconds| told.abs_diff(Duration::from_secs(seconds)).as_millis() < 1;
    assert!(near(config.mean(&unknown), 8), "the interval");
    assert!(near(config.std_deviation(&unknown), 2), "a quarter of it, as Pekko starts");
}
