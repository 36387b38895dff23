//! The sources of the repository, and the tests in them.

use std::fs;
use std::path::Path;

/// A file: its path from the root, and its text.
pub(crate) type Source = (String, String);

/// Everything in Rust below `root`, but what cargo builds and what is hidden.
pub(crate) fn rust_files(root: &Path) -> Vec<Source> {
    let mut sources = vec![];
    collect(root, root, &mut sources);
    sources.sort();
    sources
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(root, &path, sources);
        } else if name.ends_with(".rs") {
            let file = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            sources.push((file, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The names of the functions of `source` that are tests: of libtest, of tokio or of proptest.
pub(crate) fn tests_in(source: &str) -> Vec<&str> {
    let (mut names, mut is_test) = (vec![], false);
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if is_test && let Some((_, rest)) = line.split_once("fn ") {
            names.extend(rest.split(|c: char| !c.is_alphanumeric() && c != '_').next());
            is_test = false;
        }
    }
    names
}
