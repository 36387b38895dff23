//! A mesh of nodes under every fault there is, smaller than what `--bin endurance` lets run; and that what
//! is looked at there would find something.

use resil_tests::endurance::{Class, GUARDED, Plant, Survived, UNGUARDED, survive};

const NODES: usize = 64;

fn world(seed: u64) -> Survived {
    match survive(seed, NODES, &GUARDED, Plant::Nothing) {
        Ok(survived) => survived,
        Err(fallen) => panic!("{fallen}"),
    }
}

/// `RESIL_SEED` picks one world, to play again what went wrong.
fn seeds() -> Vec<u64> {
    match std::env::var("RESIL_SEED") {
        Ok(seed) => vec![seed.parse().expect("RESIL_SEED is a number")],
        Err(_) => (0..12).collect(),
    }
}

#[test]
fn a_mesh_survives_every_class_of_faults() {
    let mut hits = [0; Class::ALL.len()];
    for seed in seeds() {
        let survived = world(seed);
        assert!(survived.requests > 2_000, "{survived:?}");
        for (sum, hits) in hits.iter_mut().zip(survived.hits) {
            *sum += hits;
        }
    }
    if std::env::var_os("RESIL_SEED").is_none() {
        for class in Class::ALL {
            assert!(hits[class as usize] > 0, "{class:?} has hit nobody");
        }
    }
}

/// To the nanosecond and the bit, in every build and on every machine. When these numbers change, a
/// decision of the core has changed, or the world has.
#[test]
fn the_same_seed_gives_the_same_world() {
    let traces = [1, 2, 3].map(|seed| world(seed).trace);
    assert_eq!(
        traces,
        [7_963_833_913_208_759_632, 9_238_884_990_150_987_514, 301_611_225_684_239_556]
    );
    assert_eq!(world(1), world(1));
}

#[test]
fn what_no_seed_decides_shows_in_the_trace() {
    let world = || survive(1, NODES, &GUARDED, Plant::TrueChance).map(|survived| survived.trace);
    assert_ne!(world(), world());
}

#[test]
fn a_world_that_falls_says_how_to_see_it_again() {
    let fall = || survive(5, NODES, &GUARDED, Plant::DoubleEnd).unwrap_err();
    let text = fall().to_string();
    assert!(text.contains("--bin endurance -- --seeds 5..6 --nodes 64"), "{text}");
    assert_eq!(fall(), fall(), "and it falls again in the same way");
}

/// One world of a thousand has such a breaker, and goes on for as long as the policies add up to.
#[test]
fn where_clocks_of_both_sides_were_set_back_a_breaker_closes_late() {
    let survived = survive(3_884, 1_000, &GUARDED, Plant::Nothing).expect("it closes");
    assert!(survived.is_late, "{survived:?}");
    assert!(survived.requests > 70_000, "it is asked for longer: {survived:?}");
    assert!((0..8).all(|seed| !world(seed).is_late), "and hardly any world is late");
}

/// Of the first worlds, one that falls.
fn law_that_breaks(plant: Plant) -> Option<&'static str> {
    (0..8).find_map(|seed| Some(survive(seed, NODES, &GUARDED, plant).err()?.breach.law))
}

/// What is wrong on purpose, and the law that finds it.
const PLANTS: [(Plant, &str); 13] = [
    (Plant::LeakedPermit, "held_is_outstanding"),
    (Plant::LeakyBreaker, "open_breaker_admits_nobody"),
    (Plant::ForgottenProbe, "one_probe_at_a_time"),
    (Plant::StuckBreaker, "breakers_have_closed"),
    (Plant::ForgivingBucket, "limit_is_kept"),
    (Plant::GenerousBudget, "extras_within_budget"),
    (Plant::ForgivingTable, "limit_is_kept"),
    (Plant::GreedyEjection, "enough_peers_stay"),
    (Plant::StubbornRetry, "attempts_within_policy"),
    (Plant::LostTimer, "call_ends_in_time"),
    (Plant::DoubleEnd, "every_request_ends_once"),
    (Plant::BlankSnapshot, "snapshot_is_faithful"),
    (Plant::TrustedSnapshot, "damage_is_found"),
];

#[test]
fn every_planted_defect_breaks_the_law_that_is_about_it() {
    let found = PLANTS.map(|(plant, _)| (plant, law_that_breaks(plant)));
    let expected = PLANTS.map(|(plant, law)| (plant, Some(law)));
    assert_eq!(found, expected);
}

/// The same faults, four attempts and no more thought. Where links fail by chance and nobody is short of
/// anything, more attempts bring more answers; what they cost is what resil bounds.
#[test]
fn without_resil_the_same_faults_cost_more_attempts_and_a_flood_comes_in() {
    for seed in 0..4 {
        let with = world(seed);
        assert!(with.attempts * 10 <= with.requests * 12, "{with:?}");
        assert!(with.hits(Class::Flood) > 1_000, "{with:?}");

        let without =
            survive(seed, NODES, &UNGUARDED, Plant::Nothing).expect("they promise nothing");
        let (requests, attempts) = (without.requests, without.attempts);
        assert!(attempts * with.requests * 10 >= with.attempts * requests * 11, "{without:?}");
        assert!(without.hits(Class::Flood) * 10 < with.hits(Class::Flood), "{without:?}");
    }
}
