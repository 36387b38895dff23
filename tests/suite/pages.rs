//! The pages that people read: what they count is there, and their links lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};

use crate::contract::sources::{rust_files, tests_in};

const README: &str = include_str!("../../README.md");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The files in a folder of the repository that end so.
fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_str().unwrap().ends_with(end)).collect()
}

/// The cell beside the one that has this in it, in the README's table of figures.
fn figure(what: &str) -> &'static str {
    let row = README.lines().find(|line| line.starts_with('|') && line.contains(what));
    row.unwrap_or_else(|| panic!("no row has {what}")).split('|').nth(2).unwrap().trim()
}

#[test]
fn the_readme_counts_what_is_there() {
    let vectors = files("tests/vectors", ".toml");
    let text = |path: &PathBuf| fs::read_to_string(path).unwrap();
    // The table of phi is played as one script more.
    let scripts =
        vectors.iter().map(|path| text(path).matches("[[script]]").count()).sum::<usize>() + 1;
    let expected = format!("{scripts} of {scripts} in {} files", vectors.len());
    assert_eq!(figure("scripts that four engines decide alike"), expected);

    let patches = files("tests/broken", ".patch").len();
    assert_eq!(figure("planted mistakes"), format!("{patches} of {patches}"));

    let models = rust_files(&root().join("resil-std/tests/interleavings"));
    let models: usize = models.iter().map(|(_, source)| tests_in(source).len()).sum();
    assert!(figure("models of threads").starts_with(&format!("{models},")), "{models} models");

    // One of them is there for the fuzzer to fail on.
    let targets = files("tests/fuzz/targets", ".rs").len() - 1;
    assert!(README.contains(&format!("executions, {targets} targets")), "{targets} targets");
}

#[test]
fn the_readme_says_of_laws_what_the_contract_says() {
    let contract = fs::read_to_string(root().join("tests/CONTRACT.md")).unwrap();
    let line = contract.lines().find(|line| line.contains("laws, each proved")).unwrap();
    let said = figure("[laws]").replace(',', "");
    let numbers = |text: &str| -> Vec<u32> {
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect()
    };
    let &[laws, _, _, cells, proved, unproved, impossible] = numbers(line).as_slice() else {
        panic!("{line}")
    };
    assert_eq!(numbers(&said), [laws, laws, proved, cells, impossible]);
    assert_eq!(unproved, 0);
}

/// The pages of the repository.
fn pages() -> Vec<PathBuf> {
    let folders = [
        "",
        ".github",
        "examples/firmware",
        "resil-core",
        "resil-embassy",
        "resil-std",
        "tests",
        "tests/footprint",
        "tests/fuzz",
        "tests/vectors",
    ];
    folders.iter().flat_map(|folder| files(folder, ".md")).collect()
}

/// What the links of a page name that is not there, as seen from its folder; links to elsewhere are not looked at.
fn dead<'p>(page: &'p str, folder: &Path) -> Vec<&'p str> {
    let links = page.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    let is_dead = |link: &&str| {
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let of_here = file.is_empty() && !anchor.is_empty();
        !link.contains("://")
            && if of_here {
                !heads(page).contains(&anchor.to_owned())
            } else {
                !folder.join(file).exists()
            }
    };
    links.filter(is_dead).collect()
}

/// The anchors of a page's headings.
fn heads(page: &str) -> Vec<String> {
    let heads = page.lines().filter(|line| line.starts_with('#'));
    let anchor = |head: &str| {
        let kept = head.trim_start_matches('#').trim().to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .collect::<String>()
            .replace(' ', "-")
    };
    heads.map(anchor).collect()
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    assert!(pages().len() > 12);
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        assert_eq!(dead(&text, page.parent().unwrap()), [""; 0], "{}", page.display());
    }
}

#[test]
fn a_link_to_nowhere_is_seen() {
    let page = "# A head, of two\n[a](#a-head-of-two) [b](Cargo.toml) [c](#nowhere) [d](no.md#x) [e](https://x.org)";
    assert_eq!(dead(page, root()), ["#nowhere", "no.md#x"]);
}
