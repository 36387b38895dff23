//! The names of the tests against the table in `PITFALLS.md`: neither knows a number the other does not.

use crate::contract::sources::rust_files;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A number, and the file of a test that carries it.
type Guards = BTreeSet<(u32, String)>;

/// The numbers in the names of the functions of `source`: `fn a_b_pitfalls_41_60(` has 41 and 60.
pub(crate) fn numbers_in_names(source: &str) -> BTreeSet<u32> {
    source
        .split("fn ")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next())
        .filter_map(|name| name.split_once("_pitfall_").or(name.split_once("_pitfalls_")))
        .flat_map(|(_, numbers)| {
            numbers.split('_').map(|n| n.parse().expect("only numbers follow"))
        })
        .collect()
}

/// The rows of the table, as a pair for each file that a row names.
fn guards_in_table(table: &str) -> Guards {
    let mut guards = Guards::new();
    for row in table.lines() {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let Some(Ok(number)) = cells.get(1).map(|cell| cell.parse()) else { continue };
        let files = cells[5].split('`').filter(|file| file.ends_with(".rs"));
        let before = guards.len();
        guards.extend(files.map(|file| (number, file.to_owned())));
        assert!(guards.len() > before, "pitfall {number} names no file, or stands there twice");
    }
    guards
}

/// Those of all sources but this one, which has samples.
fn guards_in_files(root: &Path) -> Guards {
    let sources =
        rust_files(root).into_iter().filter(|(file, _)| file != "tests/suite/pitfalls.rs");
    sources
        .flat_map(|(file, source)| {
            numbers_in_names(&source).into_iter().map(move |number| (number, file.clone()))
        })
        .collect()
}

/// What is wrong between the two, one line each.
fn differences(tests: &Guards, table: &Guards) -> Vec<String> {
    let listed: BTreeSet<_> = table.iter().map(|(number, _)| number).collect();
    let unlisted = tests.iter().filter(|(number, _)| !listed.contains(number));
    let unlisted = unlisted.map(|(number, file)| format!("{file}: pitfall {number} is in no row"));
    let gone = table.difference(tests);
    let gone = gone.map(|(number, file)| format!("row {number}: {file} has no such test"));
    unlisted.chain(gone).collect()
}

#[test]
fn every_number_has_a_row_and_every_row_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let table = guards_in_table(&fs::read_to_string(root.join("tests/PITFALLS.md")).unwrap());
    let tests = guards_in_files(root);
    assert!(table.len() > 50 && tests.len() > 50, "found nothing to compare");
    assert_eq!(differences(&tests, &table), [""; 0]);
}

#[test]
fn numbers_are_read_from_names_and_rows() {
    let source = "fn a_b() {}\nasync fn c_pitfall_8() {}\n fn d_pitfalls_41_60(x in 0..7) {}";
    assert_eq!(numbers_in_names(source), BTreeSet::from([8, 41, 60]));
    let table = "| # | a | b | c | d |\n|---|---|---|---|---|\n| 8 | a | b | c | `x.rs`, `y.rs` |";
    let guard = |number, file: &str| (number, file.to_owned());
    assert_eq!(guards_in_table(table), Guards::from([guard(8, "x.rs"), guard(8, "y.rs")]));
}

#[test]
fn a_number_on_one_side_only_is_found() {
    let both = Guards::from([(8, "x.rs".to_owned())]);
    let more = Guards::from([(8, "x.rs".to_owned()), (9, "y.rs".to_owned())]);
    assert_eq!(differences(&both, &both), [""; 0]);
    assert_eq!(differences(&more, &both), ["y.rs: pitfall 9 is in no row"]);
    assert_eq!(differences(&both, &more), ["row 9: y.rs has no such test"]);
}

#[test]
#[should_panic(expected = "pitfall 8 names no file")]
fn a_row_without_a_file_is_refused() {
    guards_in_table("| 8 | a | b | c | nobody |");
}
