//! Gives the linker the memory of the board that was chosen.

use std::path::PathBuf;
use std::{env, fs};

const BOARDS: [&str; 3] = ["lm3s6965evb", "mps2-an386", "microbit"];

fn main() {
    let is_chosen = |board: &&str| {
        let feature = board.to_uppercase().replace('-', "_");
        env::var_os(format!("CARGO_FEATURE_{feature}")).is_some()
    };
    let chosen: Vec<_> = BOARDS.into_iter().filter(is_chosen).collect();
    let [board] = chosen[..] else {
        panic!("choose one board by its feature, of {BOARDS:?}; chosen: {chosen:?}");
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let memory = format!("boards/{board}.x");
    fs::copy(&memory, out.join("memory.x")).expect("every board has a file in boards/");
    // cortex-m-rt asks for names of interrupt handlers; each board fills its vector table itself.
    fs::write(out.join("device.x"), "").expect("OUT_DIR can be written to");
    println!("cargo:rerun-if-changed={memory}");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
}
