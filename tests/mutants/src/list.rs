//! The mutants, as `cargo mutants --list --json` names them. The number of one is its place, from 1.

use crate::Result;
use proc_macro2::LineColumn;
use serde_json::Value;
use std::collections::HashSet;
use std::fs;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Genre {
    FnValue,
    BinaryOperator,
    UnaryOperator,
    MatchArm,
    MatchArmGuard,
    StructField,
}

#[derive(Clone, Debug)]
pub struct Mutant {
    pub number: u32,
    pub file: String,
    pub name: String,
    pub genre: Genre,
    pub replacement: String,
    /// Whether the function's type is what its body makes of it: then it can have no second value.
    pub opaque: bool,
    pub start: LineColumn,
    pub end: LineColumn,
}

pub fn read(path: &str) -> Result<Vec<Mutant>> {
    let listed: Vec<Value> = serde_json::from_slice(&fs::read(path)?)?;
    (1..).zip(&listed).map(|(number, value)| mutant(number, value)).collect()
}

fn mutant(number: u32, value: &Value) -> Result<Mutant> {
    let text =
        |key: &str| value[key].as_str().map(str::to_owned).ok_or(format!("a mutant without {key}"));
    let genre = match text("genre")?.as_str() {
        "FnValue" => Genre::FnValue,
        "BinaryOperator" => Genre::BinaryOperator,
        "UnaryOperator" => Genre::UnaryOperator,
        "MatchArm" => Genre::MatchArm,
        "MatchArmGuard" => Genre::MatchArmGuard,
        "StructField" => Genre::StructField,
        unknown => return Err(format!("mutants of the genre {unknown} are not known here").into()),
    };
    Ok(Mutant {
        number,
        file: text("file")?,
        name: text("name")?,
        genre,
        replacement: text("replacement")?,
        opaque: value["function"]["return_type"]
            .as_str()
            .is_some_and(|kind| kind.contains("impl ")),
        start: place(&value["span"]["start"])?,
        end: place(&value["span"]["end"])?,
    })
}

/// cargo-mutants counts columns from 1, syn from 0.
fn place(value: &Value) -> Result<LineColumn> {
    let number = |key: &str| value[key].as_u64().and_then(|number| usize::try_from(number).ok());
    match (number("line"), number("column")) {
        (Some(line), Some(column)) if column > 0 => Ok(LineColumn { line, column: column - 1 }),
        _ => Err(format!("no place: {value}").into()),
    }
}

/// The numbers at the beginnings of the lines of a file, none where there is no file.
pub fn numbers(path: &str) -> Result<HashSet<u32>> {
    let text = if fs::exists(path)? { fs::read_to_string(path)? } else { String::new() };
    text.lines().map(number).collect()
}

/// Those of a file of places that have none.
pub fn without_place(path: &str) -> Result<HashSet<u32>> {
    fs::read_to_string(path)?
        .lines()
        .filter(|line| line.ends_with("\tnowhere"))
        .map(number)
        .collect()
}

fn number(line: &str) -> Result<u32> {
    Ok(line.split('\t').next().unwrap_or_default().parse()?)
}
