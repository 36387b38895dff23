//! Plays vector files on a Cortex-M3 and prints the traces; fails if a decision is not the expected one.
//!
//! The files are the host's, read over semihosting: those whose paths are its arguments. All else, from TOML
//! to the decisions, happens on the chip.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec;
use cortex_m_rt::entry;
use embedded_alloc::LlffHeap;
use metal as _;
use resil_tests::vectors::run::Run;
use semihosting::experimental::env;
use semihosting::fs::File;
use semihosting::io::Read;
use semihosting::{eprintln, print, process};

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

/// Of the 4 MiB there are; the rest is stack.
const HEAP_SIZE: usize = 3 << 20;

/// As many bytes as the paths of all files have.
const ARGUMENTS: usize = 8 << 10;

#[entry]
fn main() -> ! {
    // Safety: once, and before anything is put on the heap.
    unsafe {
        embedded_alloc::init!(HEAP, HEAP_SIZE);
    }
    let mut run = Run::default();
    let arguments = env::args::<ARGUMENTS>().expect("arguments");
    for path in &arguments {
        let path = path.expect("a path in UTF-8");
        print!("{}", run.play(path, &read(path)));
    }
    eprintln!("{run}");
    process::exit(i32::from(!run.is_identical()))
}

fn read(path: &str) -> String {
    let name = CString::new(path).expect("a path without a zero");
    let mut file = File::open(&name).unwrap_or_else(|error| panic!("{path}: {error}"));
    let length = file.metadata().expect("the length of a file").len();
    let mut bytes = vec![0; usize::try_from(length).expect("a file that fits into memory")];
    file.read_exact(&mut bytes).unwrap_or_else(|error| panic!("{path}: {error}"));
    String::from_utf8(bytes).unwrap_or_else(|error| panic!("{path}: {error}"))
}
