//! Puts every mutant into the sources, each behind its number.

use crate::Result;
use crate::list::{self, Mutant};
use crate::sites::{Kind, Site, sites};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The switch itself is a module of core, for everything else stands on core.
const SWITCH: &str = include_str!("switch.rs");

pub fn plant(list: &str, dropped: &str, tree: &str, lines: &str) -> Result<()> {
    let (mutants, dropped) = (list::read(list)?, list::numbers(dropped)?);
    let mut files: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
    for mutant in &mutants {
        files.entry(&mutant.file).or_default().push(mutant);
    }
    let tree = Path::new(tree);
    let mut places = String::new();
    for (file, mutants) in files {
        let text = fs::read_to_string(tree.join(file))?;
        let (sites, without) = sites(&text, &mutants)?;
        let mut planted = Planted::new(&text, file, &dropped);
        planted.text(0..text.len(), &sites)?;
        for (number, first, last) in planted.places {
            writeln!(places, "{number}\t{file}\t{first}\t{last}")?;
        }
        for number in without {
            writeln!(places, "{number}\tnowhere")?;
        }
        fs::write(tree.join(file), planted.out)?;
    }
    fs::write(lines, places)?;
    let core = tree.join("resil-core/src");
    let root = fs::read_to_string(core.join("lib.rs"))?.replace("#![forbid(unsafe_code)]", "");
    let root = format!(
        "#![feature(core_intrinsics, const_eval_select)]\n{root}\n#[doc(hidden)]\npub mod __schemata;\n"
    );
    fs::write(core.join("lib.rs"), root)?;
    fs::write(core.join("__schemata.rs"), SWITCH)?;
    Ok(())
}

/// A file that is being written.
struct Planted<'a> {
    from: &'a str,
    dropped: &'a HashSet<u32>,
    switch: &'static str,
    out: String,
    line: usize,
    /// Mutant, and the first and the last line of its alternative.
    places: Vec<(u32, usize, usize)>,
}

impl<'a> Planted<'a> {
    fn new(from: &'a str, file: &str, dropped: &'a HashSet<u32>) -> Self {
        let switch = if file.starts_with("resil-core/") {
            "crate::__schemata::pick"
        } else {
            "::resil_core::__schemata::pick"
        };
        // Core's own root gets a line at its top.
        let line = if file == "resil-core/src/lib.rs" { 2 } else { 1 };
        Self { from, dropped, switch, out: String::new(), line, places: Vec::new() }
    }

    fn push(&mut self, text: &str) {
        self.line += text.matches('\n').count();
        self.out.push_str(text);
    }

    /// The text of `range` with `sites`, which lie within it, in place.
    fn text(&mut self, range: std::ops::Range<usize>, sites: &[Site]) -> Result<()> {
        let (mut at, mut rest) = (range.start, sites);
        while let [site, after @ ..] = rest {
            let inner = after.iter().take_while(|inner| inner.range.start < site.range.end).count();
            let (inner, after) = after.split_at(inner);
            if site.range.start < at || inner.iter().any(|inner| inner.range.end > site.range.end) {
                return Err(format!("sites overlap: {site:?}").into());
            }
            self.push(&self.from[at..site.range.start]);
            self.site(site, inner)?;
            (at, rest) = (site.range.end, after);
        }
        self.push(&self.from[at..range.end]);
        Ok(())
    }

    fn site(&mut self, site: &Site, inner: &[Site]) -> Result<()> {
        let numbers = || site.alternatives.iter().map(|(number, _)| *number);
        let (Some(low), Some(high)) = (numbers().min(), numbers().max()) else {
            return Err("a site without alternatives".into());
        };
        if usize::try_from(high - low)? + 1 != site.alternatives.len() {
            return Err(
                format!("the numbers of one place do not follow each other: {site:?}").into()
            );
        }
        if numbers().all(|number| self.dropped.contains(&number)) {
            return self.text(site.range.clone(), inner);
        }
        let switch = self.switch;
        if site.kind == Kind::Pattern {
            self.push(&format!("\nif {switch}({low}, {high}) == 0\n"));
            self.places.push((low, self.line - 1, self.line - 1));
            return Ok(());
        }
        let (open, otherwise, close) = match site.kind {
            Kind::Body => ("match ", "_ => {", "}\n};\n"),
            _ => ("(match ", "_ => ", "\n})"),
        };
        self.push(&format!("{open}{switch}({low}, {high}) {{\n"));
        for (number, alternative) in &site.alternatives {
            if self.dropped.contains(number) {
                continue;
            }
            let first = self.line;
            self.push(&format!("{number} => {alternative},\n"));
            self.places.push((*number, first, self.line - 1));
        }
        self.push(otherwise);
        self.text(site.range.clone(), inner)?;
        self.push(close);
        Ok(())
    }
}
