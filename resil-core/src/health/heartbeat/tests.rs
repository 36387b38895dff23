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

/// One that counts in nanoseconds: its longest silence has no more than 30 bits.
fn fine() -> HeartbeatConfigBuilder {
    HeartbeatConfig::builder()
        .interval(Duration::from_nanos(1_000))
        .acceptable_pause(Duration::from_nanos(500))
        .min_std_deviation(Duration::from_nanos(1))
}

#[test]
fn the_silence_of_suspicion_is_rounded_up_to_a_unit_and_no_further() {
    let config = fine().max_silence(Duration::from_nanos(1 << 20)).build().unwrap();
    let mean = 1_000 << config::MEAN_FRACTION;
    for deviation in [1, 2, 3, 4_095, 4_096, 4_097, 8_192] {
        let exact = u64::from(config.reached_at.unsigned_abs()) * u64::from(deviation);
        assert_eq!(config.limit(mean, deviation), 1_500 + exact.div_ceil(4_096), "{deviation}");
    }
    assert_eq!(config.limit(mean, 1 << 20), 1 << 20, "and to the longest silence");
}

#[test]
fn the_limits_of_a_deviation_are_a_millionth_of_the_longest_silence_and_all_of_it() {
    let nanos = Duration::from_nanos;
    let of = |deviation| fine().max_silence(nanos(5 << 20)).min_std_deviation(nanos(deviation));
    for (deviation, is_ok) in [(4, false), (5, true), (5 << 20, true), ((5 << 20) + 1, false)] {
        assert_eq!(of(deviation).build().is_ok(), is_ok, "{deviation}");
    }
}

#[test]
fn a_snapshot_of_one_that_is_expected_waits_on() {
    let mut peer = Heartbeat::new(DEFAULT);
    peer.expect(at(1_000));
    let mut bytes = [0; HeartbeatConfig::LEN];
    DEFAULT.save(peer.as_state(), at(3_000), &mut bytes).unwrap();
    let state = DEFAULT.restore(&bytes, at(3_000)).unwrap();
    assert_eq!(&state, peer.as_state());
    let mut peer = Heartbeat::from_parts(DEFAULT, state);
    assert_eq!(peer.status(at(3_000)), HeartbeatStatus::Unknown);
    assert_eq!(peer.record(at(3_001)), Beat::First);
}

#[test]
fn what_was_learned_may_be_as_long_as_the_longest_silence_and_no_longer() {
    let mut state = HeartbeatState::new();
    let _ = DEFAULT.record(&mut state, at(0));
    let longest = u64::from(DEFAULT.longest);
    let (mean, variance) = (longest << config::MEAN_FRACTION, longest * longest);
    let mut bytes = [0; HeartbeatConfig::LEN];
    for (more, less) in [(0, 0), (1, 0), (0, 1)] {
        (state.mean, state.variance) = (mean + more, variance + less);
        DEFAULT.save(&state, at(0), &mut bytes).unwrap();
        let restored = DEFAULT.restore(&bytes, at(0)).map(|state| (state.mean, state.variance));
        let is_within = more + less == 0;
        assert_eq!(restored, is_within.then_some((mean, variance)).ok_or(SnapshotError::Invalid));
    }
}

#[test]
fn a_number_is_earlier_when_it_is_behind_by_less_than_half_of_all_numbers() {
    for (ahead, is_stale) in
        [(0, true), (1, false), (1 << 31, false), ((1 << 31) + 1, true), (u32::MAX, true)]
    {
        let mut peer = Heartbeat::new(DEFAULT);
        let _ = peer.record_numbered(7, at(0));
        let beat = peer.record_numbered(ahead.wrapping_add(7), at(1_000));
        assert_eq!(beat == Beat::Stale, is_stale, "{ahead}");
    }
}

#[test]
fn a_peer_that_restarts_after_the_clock_was_set_back_is_alive_with_its_next_heartbeat() {
    let mut peer = Heartbeat::new(DEFAULT);
    assert_eq!(peer.record_numbered(1_000, at(1_000_000_000)), Beat::First);
    assert_eq!(peer.status(at(1_000)), HeartbeatStatus::Unknown);
    assert_eq!(peer.record_numbered(7, at(1_000)), Beat::Reanchored);
    assert_eq!(peer.status(at(1_000)), HeartbeatStatus::Alive);
    assert_eq!(peer.record_numbered(7, at(2_000)), Beat::Stale);
    assert_eq!(peer.record_numbered(8, at(2_000)), Beat::Counted);
}
