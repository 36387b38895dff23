//! Every law and every pitfall, and what proves it on which engine: `CONTRACT.md`, out of `contract/*.toml`.
//!
//! The files say a law in words and name its proofs: a test (`name`, or `part/of/its/path::name` where the name
//! is not unique), a script of the vectors (`file.toml: its name`), or a check that `.ci/run` runs (its path).
//! On which engines that is a proof follows from where the test stands, and from which engines have really
//! played the script. What a law `needs` to have something to forbid is read off the engines as well. After a
//! change that is meant, write the page anew with `RESIL_WRITE=1`.

mod laws;
mod needs;
mod page;
mod proofs;
pub(crate) mod sources;

pub(crate) use laws::Engine;
use laws::machines;
use needs::Engines;
use page::page;
use proofs::Proofs;
use std::path::Path;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/CONTRACT.md");

#[test]
fn the_committed_contract_is_what_the_tests_prove() {
    let machines = machines();
    let page = page(&machines, &Proofs::of_this_repository(), &Engines::of_this_repository());
    if std::env::var_os("RESIL_WRITE").is_some() {
        std::fs::write(COMMITTED, &page).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap();
    for (line, expected) in page.lines().zip(committed.lines()) {
        assert_eq!(line, expected, "if that is meant: RESIL_WRITE=1");
    }
    assert_eq!(page.lines().count(), committed.lines().count());
}

#[test]
fn every_law_has_a_proof_on_one_engine_at_least() {
    let proofs = Proofs::of_this_repository();
    for machine in machines() {
        for law in &machine.laws {
            let cells = proofs.cells(&law.proof).unwrap();
            let proved = law.engines.iter().filter(|engine| cells.contains_key(engine));
            assert!(proved.count() > 0, "{}: {} has no proof", machine.name, law.id);
        }
    }
}

#[test]
fn a_proof_that_is_not_there_is_refused() {
    let proofs = Proofs::of_this_repository();
    let error = |proof: &str| proofs.cells(&[proof.to_owned()]).unwrap_err();
    assert_eq!(error("no_such_test_anywhere"), "there is no test no_such_test_anywhere");
    assert_eq!(error("retry.toml: nothing"), "no engine has played retry.toml: nothing");
    assert_eq!(error("tests/no/check"), ".ci/run does not run tests/no/check");
    let ambiguous = error("settings_that_do_not_hold_are_named");
    assert!(ambiguous.contains("say where it stands"), "{ambiguous}");
}

#[test]
fn a_script_proves_where_it_is_played() {
    let proofs = Proofs::of_this_repository();
    let engines = |proof: &str| -> Vec<Engine> {
        proofs.cells(&[proof.to_owned()]).unwrap().into_keys().collect()
    };
    let all = [Engine::Core, Engine::Std, Engine::Embassy, Engine::CortexM];
    assert_eq!(engines("retry.toml: never means never"), all);
    let back = "token_bucket_ns.toml: a clock that steps back by a microsecond mints nothing";
    assert_eq!(engines(back), [Engine::Core, Engine::Std, Engine::CortexM]);
    let finer = "token_bucket_ns.toml: a token comes at its very nanosecond";
    assert_eq!(engines(finer), [Engine::Core, Engine::Std, Engine::CortexM]);
    assert_eq!(engines("a_breaker_decides_alike_everywhere"), all[..3]);
}

#[test]
fn tests_are_found_in_sources_and_nothing_else() {
    let source = "fn helper() {}\n#[test]\nfn a() {}\n#[tokio::test(start_paused = true)]\n\
        async fn b() {}\nproptest! {\n    #[test]\n    #[should_panic]\n    fn c(x in 0..7) {}\n}";
    assert_eq!(sources::tests_in(source), ["a", "b", "c"]);
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
