//! Plays vector files on core and prints the traces; fails if a decision is not the expected one.
//!
//! `tests/metal` is the same program for a chip.
//!
//! ```text
//! cargo run -p resil-tests --bin play tests/vectors/*.toml
//! ```

use resil_tests::vectors::run::Run;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut run = Run::default();
    for path in std::env::args().skip(1) {
        match std::fs::read_to_string(&path) {
            Ok(text) => print!("{}", run.play(&path, &text)),
            Err(error) => {
                eprintln!("{path}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    eprintln!("{run}");
    if run.is_identical() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
