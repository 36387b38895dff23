//! What the tests say of each mutant.

use crate::Result;
use crate::list::{self, Mutant};
use crate::process::{Binary, End, each};
use crate::reach::{self, Test};
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::sync::Mutex;
use std::time::Duration;

/// Which test has caught how many mutants of a file: where it saw one, it sees more.
type Catches = Mutex<HashMap<(String, usize), u32>>;

/// Asks about each mutant the tests that meet it and take no longer than `most` milliseconds, until one
/// fails. Adds a line to the file `verdicts` for each: its number, the verdict, and by what.
///
/// - `caught`, `timeout`: by the test that is named, or one that ran with it
/// - `missed`: no test sees it
/// - `left`: those of up to `most` do not, and there are others
/// - `unreached`: no test meets it
///
/// What stands in `verdicts` is not asked again, but for `left` with a larger `most`.
pub fn judge(
    list: &str,
    [dropped, places]: [&str; 2],
    reached: &str,
    verdicts: &str,
    most: u64,
) -> Result<()> {
    let (mutants, dropped, tests) =
        (list::read(list)?, list::numbers(dropped)?, reach::read(reached)?);
    let (known, nowhere) = (known(verdicts)?, list::without_place(places)?);
    let mut by: HashMap<u32, Vec<usize>> = HashMap::new();
    for (index, test) in tests.iter().enumerate() {
        for number in &test.reached {
            by.entry(*number).or_default().push(index);
        }
    }
    let open: Vec<&Mutant> = mutants
        .iter()
        .filter(|mutant| !dropped.contains(&mutant.number) && !nowhere.contains(&mutant.number))
        .filter(|mutant| {
            known.get(&mutant.number).is_none_or(|asked| asked.is_some_and(|asked| asked < most))
        })
        .collect();
    println!("{} mutants to judge", open.len());
    let out = Mutex::new(OpenOptions::new().create(true).append(true).open(verdicts)?);
    let catches = Catches::default();
    each(&open, |mutant| {
        let asked = known.get(&mutant.number).copied().flatten();
        let all = by.get(&mutant.number).map_or(&[][..], Vec::as_slice);
        let verdict = verdict(mutant, &tests, all, asked, most, &catches)?;
        writeln!(
            out.lock().map_err(|_| "poisoned")?,
            "{}\t{verdict}\t{}",
            mutant.number,
            mutant.name
        )?;
        Ok(())
    })
}

/// The last word on each mutant: `Some` with the milliseconds of those asked, where others are left.
fn known(verdicts: &str) -> Result<HashMap<u32, Option<u64>>> {
    if !fs::exists(verdicts)? {
        return Ok(HashMap::new());
    }
    let text = fs::read_to_string(verdicts)?;
    let lines = text.lines().map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        let asked = if cells[1] == "left" { Some(cells[2].parse()?) } else { None };
        Ok((cells[0].parse()?, asked))
    });
    lines.collect()
}

fn verdict(
    mutant: &Mutant,
    tests: &[Test],
    all: &[usize],
    asked: Option<u64>,
    most: u64,
    catches: &Catches,
) -> Result<String> {
    if all.is_empty() {
        return Ok("unreached\t".to_owned());
    }
    let mut ask: Vec<usize> = all
        .iter()
        .copied()
        .filter(|test| {
            tests[*test].millis <= most && asked.is_none_or(|asked| tests[*test].millis > asked)
        })
        .collect();
    {
        let catches = catches.lock().map_err(|_| "poisoned")?;
        let caught = |test: usize| catches.get(&(mutant.file.clone(), test)).copied().unwrap_or(0);
        let module = module(&mutant.file);
        ask.sort_by_cached_key(|test| {
            let beside = tests[*test].name.starts_with(&module);
            (std::cmp::Reverse(caught(*test)), !beside, tests[*test].millis, *test)
        });
    }
    let (mut rest, mut size) = (&ask[..], 1);
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(length(rest, tests, size));
        (rest, size) = (after, size * 2);
        if let Some((test, end)) = caught_by(mutant, tests, batch)? {
            *catches
                .lock()
                .map_err(|_| "poisoned")?
                .entry((mutant.file.clone(), test))
                .or_default() += 1;
            let verdict = if end == End::TimedOut { "timeout" } else { "caught" };
            return Ok(format!("{verdict}\t{}", tests[test].name));
        }
    }
    let left = all.iter().any(|test| tests[*test].millis > most);
    Ok(if left { format!("left\t{most}") } else { format!("missed\t{} tests", all.len()) })
}

/// Up to `size` tests, and no more than a second of them beyond the first.
fn length(rest: &[usize], tests: &[Test], size: usize) -> usize {
    let mut millis = 0;
    let within = rest.iter().take(size).take_while(|test| {
        millis += tests[**test].millis;
        millis <= 1000
    });
    within.count().max(1)
}

/// The first test of a batch in which one fails, each binary in a process of its own.
fn caught_by(mutant: &Mutant, tests: &[Test], batch: &[usize]) -> Result<Option<(usize, End)>> {
    let mut binaries: Vec<(&Binary, Vec<usize>)> = Vec::new();
    for test in batch {
        let binary = &tests[*test].binary;
        match binaries.iter_mut().find(|(of, _)| *of == binary) {
            Some((_, some)) => some.push(*test),
            None => binaries.push((binary, vec![*test])),
        }
    }
    for (binary, some) in binaries {
        let names: Vec<&str> = some.iter().map(|test| tests[*test].name.as_str()).collect();
        let millis: u64 = some.iter().map(|test| tests[*test].millis).sum();
        let limit = Duration::from_millis(5_000 + 20 * millis);
        let command = binary.command("SCHEMATA_MUTANT", &mutant.number.to_string());
        let (end, _) = binary.run(&names, command, limit)?;
        if end != End::Passed {
            return Ok(Some((some[0], end)));
        }
    }
    Ok(None)
}

/// The module that a file is, as names of tests beside it begin.
fn module(file: &str) -> String {
    let (_, path) = file.split_once("/src/").unwrap_or(("", file));
    path.strip_suffix(".rs").unwrap_or(path).replace('/', "::")
}
