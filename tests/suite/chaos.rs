//! Chaos: the faults are the seed's, their rates hold, and wrong clocks are wrong as ordered.

use core::time::Duration;
use proptest::prelude::*;
use resil_core::chaos::{
    Chaos, ChaosPolicy, ChaosPolicyBuilder, ChaosState, Fault, Partition, Skew, SkewedClock, Stream,
};
use resil_core::{Clock, Instant, ManualClock};

const NONE: ChaosPolicyBuilder = ChaosPolicy::builder().errors(0);
const DRAWS: u32 = 1_000_000;

/// How many of each: none, errors, delays, drops, duplicates, reorders, clock steps.
fn count(chaos: &mut Chaos) -> [u32; 7] {
    let mut counts = [0; 7];
    for _ in 0..DRAWS {
        let kind = match chaos.inject() {
            Fault::None => 0,
            Fault::Error => 1,
            Fault::Delay { nanos } => {
                assert!((10_000_000..=50_000_000).contains(&nanos));
                2
            }
            Fault::Drop => 3,
            Fault::Duplicate => 4,
            Fault::Reorder { places } => {
                assert!((1..=5).contains(&places));
                5
            }
            Fault::ClockStep { nanos } => {
                assert!((1..=2_000_000_000).contains(&nanos.unsigned_abs()));
                6
            }
            other => panic!("{other:?}"),
        };
        counts[kind] += 1;
    }
    counts
}

fn everything() -> ChaosPolicyBuilder {
    NONE.errors(1_000)
        .delays(20_000, Duration::from_millis(10), Duration::from_millis(50))
        .drops(50_000)
        .duplicates(10_000)
        .reorders(100_000, 5)
        .clock_steps(100, Duration::from_secs(2))
}

/// Five standard deviations: one seed in a million is outside.
fn assert_binomial(count: u32, draws: f64, rate: f64, what: &str) {
    let (mean, deviation) = (draws * rate, (draws * rate * (1.0 - rate)).sqrt());
    let off = (f64::from(count) - mean).abs();
    assert!(off <= 5.0 * deviation.max(1.0), "{what}: {count} of {mean} ± {deviation}");
}

#[test]
fn each_fault_has_its_rate() {
    let rates = [0.8189, 0.001, 0.02, 0.05, 0.01, 0.1, 0.0001];
    for seed in 0..3 {
        let counts = count(&mut Chaos::new(everything().build().unwrap(), seed));
        for (kind, (count, rate)) in counts.into_iter().zip(rates).enumerate() {
            assert_binomial(count, f64::from(DRAWS), rate, &format!("seed {seed}, kind {kind}"));
        }
    }
}

/// Whoever replays a failure elsewhere needs the very same faults: a change here is a new format.
#[test]
fn the_faults_of_a_seed_are_these_on_every_platform() {
    let counts = count(&mut Chaos::new(everything().build().unwrap(), 42));
    assert_eq!(counts, [819_061, 990, 20_028, 50_305, 10_055, 99_453, 108]);
}

#[test]
fn amounts_are_spread_evenly() {
    let delays = NONE.delays(500_000, Duration::ZERO, Duration::from_nanos(9)).build().unwrap();
    let mut chaos = Chaos::new(delays, 3);
    let (mut tenths, mut all) = ([0_u32; 10], 0);
    for _ in 0..DRAWS {
        if let Fault::Delay { nanos } = chaos.inject() {
            tenths[nanos as usize] += 1;
            all += 1;
        }
    }
    for (nanos, count) in tenths.into_iter().enumerate() {
        assert_binomial(count, f64::from(all), 0.1, &format!("{nanos} ns"));
    }
}

#[test]
fn disabled_it_orders_nothing_and_draws_nothing() {
    let off = NONE.errors(1_000_000).bursts(1, 1).enabled(false).build().unwrap();
    let mut state = ChaosState::new(Stream::new(5));
    for _ in 0..1_000 {
        assert_eq!(off.inject(&mut state), Fault::None);
    }
    assert_eq!(state, ChaosState::new(Stream::new(5)), "the same sequence from the beginning");

    let mut chaos = Chaos::new(off, 5);
    assert_eq!(chaos.inject(), Fault::None);
    chaos.reconfigure(NONE.errors(1_000_000).build().unwrap());
    assert_eq!(chaos.inject(), Fault::Error);
}

#[test]
fn bursts_have_their_length_and_their_share() {
    // Begins once in 200 messages, lasts 50: a fifth of the time.
    let noisy = NONE.drops(500_000).bursts(5_000, 20_000).build().unwrap();
    let mut state = ChaosState::new(Stream::new(11));
    let (mut inside, mut bursts, mut drops, mut was) = (0_u32, 0_u32, 0_u32, false);
    for _ in 0..DRAWS {
        let fault = noisy.inject(&mut state);
        inside += u32::from(state.in_burst());
        bursts += u32::from(state.in_burst() && !was);
        was = state.in_burst();
        match fault {
            Fault::None => {}
            Fault::Drop => {
                assert!(state.in_burst(), "no faults outside");
                drops += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    // A burst of geometric length: the share varies more than a binomial one, so the bounds are wider.
    let share = f64::from(inside) / f64::from(DRAWS);
    assert!((0.18..0.22).contains(&share), "{share}");
    let length = f64::from(inside) / f64::from(bursts);
    assert!((47.0..53.0).contains(&length), "{length}");
    assert_binomial(drops, f64::from(inside), 0.5, "drops within bursts");
}

proptest! {
    #[test]
    fn the_same_seed_gives_the_same_faults(seed: u64, draws in 1..500_usize, fork: u64) {
        let policy = everything().bursts(100_000, 100_000).build().unwrap();
        let run = |stream: Stream| {
            let mut state = ChaosState::new(stream);
            (0..draws).map(|_| policy.inject(&mut state)).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(Stream::new(seed)), run(Stream::new(seed)));
        prop_assert_eq!(run(Stream::new(seed).fork(fork)), run(Stream::new(seed).fork(fork)));
    }

    #[test]
    fn a_skew_is_total_and_exact(now: u64, ahead: u64, behind: u64, drift in -999_999..=i32::MAX) {
        let skew = Skew::NONE
            .ahead(Duration::from_nanos(ahead))
            .behind(Duration::from_nanos(behind))
            .drift(drift)
            .unwrap();
        let limit = |nanos: i128| nanos.clamp(0, u64::MAX.into());
        let gained = i128::from(now) * i128::from(drift.unsigned_abs()) / 1_000_000;
        let drifted = limit(i128::from(now) + if drift < 0 { -gained } else { gained });
        let exact = limit(drifted + i128::from(ahead) - i128::from(behind));
        let shown = SkewedClock::new(ManualClock::new(Instant::from_nanos(now)), skew).now();
        prop_assert_eq!(i128::from(shown.as_nanos()), exact);
    }

    #[test]
    fn without_corrections_no_skew_goes_back(a: u64, b: u64, drift in -999_999..=i32::MAX) {
        let skew = Skew::NONE.drift(drift).unwrap();
        let (first, then) = (Instant::from_nanos(a.min(b)), Instant::from_nanos(a.max(b)));
        prop_assert!(skew.show(first) <= skew.show(then));
    }

    #[test]
    fn a_corrected_clock_is_never_further_off_than_one_period_brings_it(
        now in 0..u64::MAX / 2,
        drift in -999_999..=999_999_i32,
        period in 1..1_u64 << 50,
    ) {
        let skew =
            Skew::NONE.drift(drift).unwrap().corrected_every(Duration::from_nanos(period)).unwrap();
        let off = skew.show(Instant::from_nanos(now)).as_nanos().abs_diff(now);
        let exact = u128::from(now % period) * u128::from(drift.unsigned_abs()) / 1_000_000;
        prop_assert_eq!(u128::from(off), exact);
        let right = Instant::from_nanos(now - now % period);
        prop_assert_eq!(skew.show(right), right, "it was just set right");
    }

    #[test]
    fn a_partition_is_the_same_from_every_side(
        seed: u64,
        nodes in prop::collection::vec(any::<u64>(), 2..12),
        now: u64,
        window in 1..1_u64 << 40,
        groups in 2..5_u16,
    ) {
        let split = Partition::new(seed, Duration::from_nanos(window), 700_000, groups).unwrap();
        let now = Instant::from_nanos(now);
        for &a in &nodes {
            prop_assert!(!split.is_cut(a, a, now));
            for &b in &nodes {
                prop_assert_eq!(split.is_cut(a, b, now), split.is_cut(b, a, now));
                for &c in &nodes {
                    let whole = !split.is_cut(a, b, now) && !split.is_cut(b, c, now);
                    prop_assert!(!whole || !split.is_cut(a, c, now));
                }
            }
        }
        // Nothing changes before the next window.
        if let Some(next) = split.next_deadline(now) {
            let last = Instant::from_nanos(next.as_nanos() - 1);
            prop_assert!(next > now);
            prop_assert_eq!(split.group(nodes[0], now), split.group(nodes[0], last));
            prop_assert_eq!(next.as_nanos() % window, 0);
        }
    }
}

#[test]
fn partitions_have_their_share_and_their_groups_are_even() {
    let split = Partition::new(9, Duration::from_nanos(10), 300_000, 3).unwrap();
    let (mut split_windows, mut sizes) = (0_u32, [0_u32; 3]);
    for window in 0..20_000_u64 {
        let now = Instant::from_nanos(window * 10);
        let groups: Vec<_> = (0..10).filter_map(|node| split.group(node, now)).collect();
        assert!(groups.is_empty() || groups.len() == 10, "all nodes agree");
        split_windows += u32::from(!groups.is_empty());
        groups.into_iter().for_each(|group| sizes[usize::from(group)] += 1);
    }
    assert_binomial(split_windows, 20_000.0, 0.3, "split windows");
    for size in sizes {
        assert_binomial(size, f64::from(split_windows) * 10.0, 1.0 / 3.0, "a group");
    }
}
