//! The mutants of which one build of all says nothing.

use crate::Result;
use crate::list::{self, Genre, Mutant};
use std::fs;

/// Names the mutants that have no place, and those that the compiler has refused where it may be the others that
/// it minds.
pub fn rest(list: &str, dropped: &str, places: &str) -> Result<()> {
    let (mutants, without) = (list::read(list)?, list::without_place(places)?);
    let dropped = fs::read_to_string(dropped)?;
    let doubtful = dropped.lines().filter_map(|line| {
        let mut cells = line.split('\t');
        let mutant = cells.next()?.parse::<usize>().ok()?.checked_sub(1)?;
        let (mutant, code) = (mutants.get(mutant)?, cells.next()?);
        (!is_certain(mutant, code)).then_some(mutant)
    });
    let placeless = mutants.iter().filter(|mutant| without.contains(&mutant.number));
    for mutant in placeless.chain(doubtful) {
        println!("{}", mutant.name);
    }
    Ok(())
}

/// Whether it does not compile by itself either: the function says what it returns, a type has no such
/// operator, or it is no Rust (an error without a code). What is inferred from all alternatives together may be inferred otherwise from one.
fn is_certain(mutant: &Mutant, code: &str) -> bool {
    mutant.genre == Genre::FnValue || matches!(code, "E" | "E0277" | "E0369" | "E0600")
}
