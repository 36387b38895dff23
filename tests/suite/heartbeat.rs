//! Suspicion in integers against the detector in floating point that it stands for.

use core::time::Duration;
use proptest::prelude::*;
use resil_core::Instant;
use resil_core::health::{Beat, Heartbeat, HeartbeatConfig, HeartbeatStatus, Phi};
use resil_tests::oracle::heartbeat::{Estimate, History, phi, silence_at};
use resil_tests::vectors::direct::phi::{agrees, heard_once, rows};

const MILLI: u64 = 1_000_000;

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

fn float(nanos: u64) -> f64 {
    nanos as f64
}

#[test]
fn phi_agrees_with_pekkos_over_the_committed_grid() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/phi.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = rows(&text).unwrap();
    assert!(rows.len() >= 500, "{}", rows.len());
    for (interval, deviation, pause, silence, expected) in rows {
        let [interval, deviation, pause, silence] =
            [interval, deviation, pause, silence].map(|millis| millis * MILLI);
        let reference = phi(float(silence), float(interval + pause), float(deviation));
        assert!((reference - expected).abs() < 1e-6, "the grid is not Pekko's: {expected}");
        let peer = heard_once(interval, deviation, pause, Phi::MAX);
        let ours = peer.phi(at(silence));
        assert!(
            agrees(ours, reference),
            "{interval} {deviation} {pause} {silence}: {ours} {reference}"
        );
    }
}

#[test]
fn the_alarm_comes_when_pekkos_does() {
    for interval in [1, 10, 100, 1_000, 60_000].map(|millis| millis * MILLI) {
        for (deviation, pause) in
            [(interval / 4, 0), (interval / 2, 3 * interval), (interval, interval)]
        {
            for threshold in (5..=256).map(Phi::from_sixteenths) {
                let peer = heard_once(interval, deviation, pause, threshold);
                let exact = silence_at(
                    f64::from(threshold.sixteenths()) / 16.0,
                    float(interval + pause),
                    float(deviation),
                );
                let ours = float(peer.next_deadline(Instant::EPOCH).unwrap().as_nanos());
                let longest = float(peer.config().max_silence().as_nanos().try_into().unwrap());
                assert!(exact < longest, "or this shows nothing");
                let bound = float(deviation) / 1_000.0 + longest * 3e-8;
                assert!((ours - exact).abs() <= bound, "{interval} {threshold}: {ours} {exact}");
            }
        }
    }
}

fn jittered(seed: &mut u64, interval: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    // 80 % to 120 %, evenly.
    interval * 4 / 5 + (*seed >> 32) * (interval * 2 / 5) / (1 << 32)
}

/// Weights that fade find what a list of 1000 intervals finds, of a peer whose network does not
/// change: the alarms differ by less than a fifth.
#[test]
fn fading_weights_stand_for_pekkos_list() {
    let interval = 1_000 * MILLI;
    let config = HeartbeatConfig::builder()
        .acceptable_pause(Duration::ZERO)
        .min_std_deviation(Duration::from_millis(1))
        .build()
        .unwrap();
    let (mut peer, mut seed, mut now) = (Heartbeat::new(config), 7, 0);
    let mut history = History::first(float(interval));
    let _ = peer.record(at(now));
    for beat in 0..3_000 {
        let passed = jittered(&mut seed, interval);
        now += passed;
        history.learn(float(passed));
        assert_eq!(peer.record(at(now)), Beat::Counted);
        if beat < 100 {
            continue;
        }
        let (mean, deviation) = history.estimate();
        let pekkos = silence_at(8.0, mean, deviation);
        let ours = float(peer.next_deadline(at(now)).unwrap().as_nanos() - now);
        assert!((ours / pekkos - 1.0).abs() < 0.2, "{beat}: {ours} {pekkos}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Beat,
    Numbered(u32),
    Expect,
    Resume,
    Pass(u64),
    Set(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let nanos = prop_oneof![0..5_000_u64, 0..5_000 * MILLI, 900 * MILLI..1_100 * MILLI];
    prop_oneof![
        5 => Just(Op::Beat),
        2 => (0_u32..20).prop_map(Op::Numbered),
        1 => Just(Op::Expect),
        1 => Just(Op::Resume),
        5 => nanos.prop_map(Op::Pass),
    ]
}

fn wild_op() -> impl Strategy<Value = Op> {
    prop_oneof![6 => op(), 1 => any::<u64>().prop_map(Op::Set), 1 => Just(Op::Set(u64::MAX))]
}

fn config() -> impl Strategy<Value = HeartbeatConfig> {
    let times = (1_u64..5_000 * MILLI, 0_u64..5_000 * MILLI, 1_u64..1_000 * MILLI, 1_u64..20);
    (times, 5_u16..=256, 1_u32..=8).prop_filter_map(
        "not a valid policy",
        |((interval, pause, deviation, longest), threshold, samples)| {
            HeartbeatConfig::builder()
                .interval(Duration::from_nanos(interval))
                .acceptable_pause(Duration::from_nanos(pause))
                .min_std_deviation(Duration::from_nanos(deviation))
                .max_silence(Duration::from_nanos((interval + pause) * longest))
                .threshold(Phi::from_sixteenths(threshold))
                .samples(1 << samples)
                .build()
                .ok()
        },
    )
}

fn apply(op: Op, peer: &mut Heartbeat, now: &mut u64) {
    match op {
        Op::Beat => {
            let _ = peer.record(at(*now));
        }
        Op::Numbered(number) => {
            let _ = peer.record_numbered(number, at(*now));
        }
        Op::Expect => peer.expect(at(*now)),
        Op::Resume => peer.resume(at(*now)),
        Op::Pass(nanos) => *now = now.saturating_add(nanos),
        Op::Set(to) => *now = to,
    }
}

proptest! {
    /// φ at any setting, not only on the grid.
    #[test]
    fn phi_agrees_with_pekkos_anywhere(
        interval in MILLI..100_000 * MILLI,
        share in 25_u64..100,
        pause in 0_u64..10,
        silence in 0_u64..2_000,
    ) {
        let (deviation, pause) = (interval * share / 100 + 1, interval * pause);
        let peer = heard_once(interval, deviation, pause, Phi::MAX);
        let silence = interval / 100 * silence;
        let reference = phi(float(silence), float(interval + pause), float(deviation));
        let ours = peer.phi(at(silence));
        prop_assert!(agrees(ours, reference), "{ours} {reference}");
    }

    /// The estimate is that of the sums in floating point.
    #[test]
    fn mean_and_deviation_are_those_of_the_weighted_sums(
        seed in any::<u64>(),
        samples in 1_u32..=8,
        beats in 1_usize..300,
    ) {
        let interval = 1_000 * MILLI;
        let config = HeartbeatConfig::builder()
            .samples(1 << samples)
            .min_std_deviation(Duration::from_millis(1))
            .build()
            .unwrap();
        let (mut state, mut seed, mut now) = (Default::default(), seed, 0);
        let mut model = Estimate::first(float(interval));
        let _ = config.record(&mut state, at(now));
        for _ in 0..beats {
            let passed = jittered(&mut seed, interval);
            now += passed;
            prop_assert_eq!(config.record(&mut state, at(now)), Beat::Counted);
            model.learn(float(passed), 1.0 / f64::from(1 << samples));
        }
        let nanos = |time: Duration| float(time.as_nanos().try_into().unwrap());
        let mean = nanos(config.mean(&state));
        prop_assert!((mean - model.mean).abs() < 2_000.0, "{mean} {}", model.mean);
        let deviation = nanos(config.std_deviation(&state));
        let exact = model.variance.max(0.0).sqrt().max(float(MILLI));
        prop_assert!((deviation / exact - 1.0).abs() < 1e-3, "{deviation} {exact}");
    }

    /// φ never falls in silence, and the alarm is exactly the deadline.
    #[test]
    fn in_silence_phi_rises_and_the_alarm_is_the_deadline(
        config in config(),
        ops in prop::collection::vec(op(), 1..40),
        steps in prop::collection::vec(0_u64..3_000 * MILLI, 1..20),
    ) {
        let (mut peer, mut now) = (Heartbeat::new(config), MILLI);
        for op in ops {
            apply(op, &mut peer, &mut now);
        }
        let mut last = peer.phi(at(now));
        let deadline = peer.next_deadline(at(now));
        let is_suspected = |now| peer.status(at(now)) == HeartbeatStatus::Suspected;
        if let Some(deadline) = deadline.map(Instant::as_nanos) {
            prop_assert!(deadline > now);
            prop_assert!(deadline <= now + config.max_silence().as_nanos() as u64);
            prop_assert!(!is_suspected(deadline - 1) && is_suspected(deadline));
            prop_assert!(peer.phi(at(deadline - 1)) < config.threshold());
            prop_assert!(peer.phi(at(deadline)) >= config.threshold());
            prop_assert_eq!(peer.next_deadline(at(deadline)), None);
        }
        let is_known = is_suspected(now) || deadline.is_some();
        for step in steps {
            now += step;
            let phi = peer.phi(at(now));
            prop_assert!(phi >= last);
            prop_assert_eq!(phi >= config.threshold() && is_known, is_suspected(now));
            last = phi;
        }
        let _ = peer.record(at(now));
        prop_assert_eq!(peer.status(at(now)), HeartbeatStatus::Alive);
    }

    /// Whatever the clock does: one heartbeat makes alive, and who is silent from then on is
    /// suspected within the longest silence; who is alive now, within two.
    #[test]
    fn no_clock_keeps_a_dead_peer_alive_or_a_living_one_dead(
        config in config(),
        ops in prop::collection::vec(wild_op(), 1..40),
    ) {
        let (mut peer, mut now) = (Heartbeat::new(config), MILLI);
        let longest = config.max_silence();
        for op in ops {
            apply(op, &mut peer, &mut now);
            let next = peer.next_deadline(at(now));
            prop_assert!(next.is_none_or(|next| next > at(now)));
            if peer.status(at(now)) == HeartbeatStatus::Alive {
                let later = at(now).saturating_add(longest).saturating_add(longest);
                prop_assert!(next.unwrap() <= later);
                prop_assert_eq!(peer.status(later), HeartbeatStatus::Suspected);
            }
            let mut settled = peer.clone();
            settled.reanchor(at(now));
            prop_assert!(settled.next_deadline(at(now)).is_none_or(|next| next <= at(now).saturating_add(longest)));
            let mut heard = peer.clone();
            if heard.record(at(now)) != Beat::Stale && now < u64::MAX {
                prop_assert_eq!(heard.status(at(now)), HeartbeatStatus::Alive);
                prop_assert!(heard.next_deadline(at(now)).unwrap() <= at(now).saturating_add(longest));
            }
        }
    }
}

/// φ itself reaches the threshold at the deadline, not only by decree: seen through the policy whose
/// threshold is the highest.
#[test]
fn the_deadline_is_the_nanosecond_at_which_phi_reaches_the_threshold() {
    for (interval, deviation, pause) in [(1_000, 250, 3_000), (7, 7, 0), (600_000, 333_333, 1)] {
        let [interval, deviation, pause] = [interval, deviation, pause].map(|ms| ms * MILLI + 13);
        let patient = heard_once(interval, deviation, pause, Phi::MAX);
        for threshold in (5..256).map(Phi::from_sixteenths) {
            let peer = heard_once(interval, deviation, pause, threshold);
            let deadline = peer.next_deadline(Instant::EPOCH).unwrap().as_nanos();
            assert!(patient.phi(at(deadline)) >= threshold, "{threshold}");
            assert!(patient.phi(at(deadline - 1)) < threshold, "{threshold}");
        }
    }
}
