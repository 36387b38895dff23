//! The gate itself: what is wrong in a vector file does not pass.

use super::Player;
use resil_tests::vectors::policies::{BreakerPolicy, LimitPolicy, RetrySettings};
use resil_tests::vectors::run::Run;
use resil_tests::vectors::{Replay, Script, direct, load, parse};
use serde::de::DeserializeOwned;

/// Changes each expectation of a file in turn; none of them passes.
fn every_step_counts<P: DeserializeOwned + Clone>(file: &str, play: fn(&Script<P>) -> String) {
    let player = Player::direct(play);
    let scripts: Vec<Script<P>> = load(file);
    player.check(&scripts).unwrap();
    for script in &scripts {
        for step in 0..script.steps.len() {
            let mut changed = script.clone();
            changed.steps[step].2 = format!("not {}", script.steps[step].2);
            let difference = player.check(&[changed]).unwrap_err();
            assert!(difference.contains(&script.name), "{difference}");
        }
    }
}

#[test]
fn a_changed_expectation_fails() {
    every_step_counts::<BreakerPolicy>("circuit_breaker", direct::breaker);
    every_step_counts::<LimitPolicy>("token_bucket", direct::limiter);
    every_step_counts::<LimitPolicy>("token_bucket_ns", direct::limiter);
    every_step_counts::<LimitPolicy>("rate_limit", direct::limiter);
}

#[test]
fn a_step_that_is_not_played_fails() {
    let scripts: Vec<Script<RetrySettings>> = load("retry");
    let mut longer = scripts[0].clone();
    longer.steps.push((9_000, "success".to_owned(), "succeeded".to_owned()));
    assert!(Player::direct(direct::retry).check(&[longer]).is_err());
}

#[test]
fn a_file_that_says_nothing_is_refused() {
    let error = |text: &str| parse::<BreakerPolicy>(text).unwrap_err();
    assert!(error("").contains("missing field `script`"), "{}", error(""));
    assert_eq!(error("script = []"), "no script");
    assert_eq!(error("[[script]]\nname = 'a'\npolicy = {}\nsteps = []"), "a: no steps");
    let twice = "[[script]]\nname = 'a'\npolicy = {}\nsteps = [[0, 'look', 'CLOSED']]\n".repeat(2);
    assert_eq!(error(&twice), "a: two scripts of this name");
    assert!(Player::direct(direct::breaker).check(&[]).is_err(), "nothing played");
}

#[test]
fn times_are_milliseconds_unless_the_script_says_nanoseconds() {
    let script = |unit: &str| -> Script<BreakerPolicy> {
        let text = "name = 'a'\npolicy = {}\nsteps = [[1500, 'look', 'CLOSED']]";
        parse(&format!("[[script]]\n{unit}\n{text}")).unwrap().remove(0)
    };
    assert!(script("").is_within(1_500_000_000) && script("unit = 'ms'").is_within(1_500_000_000));
    assert!(script("unit = 'ns'").is_within(1_500) && !script("unit = 'ns'").is_within(1_000));
}

#[test]
fn a_file_that_says_what_nobody_understands_is_refused() {
    let error = |text: &str| parse::<BreakerPolicy>(text).unwrap_err();
    let typo = "[[script]]\nname = 'a'\npolicy = { treshold = 1 }\nsteps = [[0, 'look', 'CLOSED']]";
    assert!(error(typo).contains("treshold"), "{}", error(typo));
    let short = "[[script]]\nname = 'a'\npolicy = {}\nsteps = [[0, 'look']]";
    assert!(error(short).contains("length"), "{}", error(short));
}

#[test]
#[should_panic(expected = "knows no event")]
fn an_event_that_nobody_knows_fails() {
    let text = "[[script]]\nname = 'a'\npolicy = {}\nsteps = [[0, 'jump', 'CLOSED']]";
    let _ = direct::breaker(&parse(text).unwrap()[0]);
}

#[test]
#[should_panic(expected = "vectors/none.toml")]
fn a_file_that_is_missing_fails() {
    let _: Vec<Script<BreakerPolicy>> = load("none");
}

/// A file that nobody plays proves nothing.
#[test]
fn core_plays_every_vector_file() {
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors");
    let mut files = 0;
    for entry in std::fs::read_dir(vectors).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            let replays = direct::play(name, &text).unwrap_or_else(|error| panic!("{error}"));
            let difference = replays.iter().find_map(Replay::difference);
            assert!(!replays.is_empty() && difference.is_none(), "{name}: {difference:?}");
            files += 1;
        }
    }
    assert!(files > 20, "{files} files");
    assert_eq!(direct::play("none", "").unwrap_err(), "nobody plays none.toml");
}

/// Every file is played on the adapters' clocks too; phi's grid has no times but the silences.
#[test]
fn the_suite_plays_every_vector_file() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/suite/conformance");
    let sources = [format!("{root}.rs"), format!("{root}/beside.rs")];
    let players = sources.map(|path| std::fs::read_to_string(path).unwrap()).concat();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let is_played = name == "phi" || players.contains(&format!("\"{name}\""));
            assert!(is_played, "nobody plays {name}.toml");
        }
    }
}

#[test]
fn a_difference_names_the_step_and_both_decisions() {
    let replay = |expected: &str, trace: &str| Replay {
        name: "a".to_owned(),
        expected: expected.to_owned(),
        trace: trace.to_owned(),
    };
    assert_eq!(replay("a\n0  look  CLOSED\n", "a\n0  look  CLOSED\n").difference(), None);
    let other = replay(
        "a\n0  ask p  admitted\n1  look  OPEN\n",
        "a\n0  ask p  admitted\n1  look  CLOSED\n",
    );
    assert_eq!(
        other.difference().unwrap(),
        "step 2\n  expected  1  look  OPEN\n  decided   1  look  CLOSED"
    );
    let short = replay("a\n0  look  CLOSED\n", "a\n").difference().unwrap();
    assert!(short.starts_with("step 1") && short.ends_with("decided   nothing"), "{short}");
}

#[test]
fn a_run_counts_what_is_identical_and_names_what_is_not() {
    let script = |name: &str, decision: &str| {
        format!(
            "[[script]]\nname = '{name}'\npolicy = {{}}\nsteps = [[0, 'delay 0', '{decision}']]\n"
        )
    };
    let mut run = Run::default();
    assert!(!run.is_identical(), "nothing played");
    let traces = run.play("some/where/backoff.toml", &script("first", "1000"));
    assert_eq!(traces, "backoff.toml\nfirst\n0  delay 0  1000\n");
    assert!(run.is_identical());
    assert_eq!(run.to_string(), "1 of 1 scripts in 1 files identical");
    run.play("backoff.toml", &(script("first", "1000") + &script("second", "2000")));
    assert!(!run.is_identical());
    let report = run.to_string();
    assert!(report.starts_with("backoff.toml, second, step 1\n"), "{report}");
    assert!(report.ends_with("\n2 of 3 scripts in 2 files identical"), "{report}");
    run.play("backoff.toml", "script = []");
    assert!(run.to_string().contains("backoff.toml: no script"), "{run}");
}
