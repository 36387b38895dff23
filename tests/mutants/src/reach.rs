//! Which mutants each test meets, and how long it takes.

use crate::Result;
use crate::process::{Binary, End, each};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::sync::Mutex;
use std::time::Duration;

/// A test by itself is a test that fails nobody else, so minutes are plenty.
const LIMIT: Duration = Duration::from_secs(900);

/// A test, as `reach` has found it.
#[derive(Debug)]
pub struct Test {
    pub binary: Binary,
    pub name: String,
    pub millis: u64,
    pub reached: Vec<u32>,
}

/// Reads what `cargo test --no-run --message-format json` says, and adds a line for each test to the file
/// `reached`, but for those that stand there.
pub fn reach(reached: &str) -> Result<()> {
    // The tests run elsewhere.
    let reached = std::path::absolute(reached)?;
    let reached = reached.to_str().ok_or("the path of the results is no text")?;
    let known: HashSet<_> =
        read(reached)?.into_iter().map(|test| (test.binary, test.name)).collect();
    let mut tests = Vec::new();
    for line in io::stdin().lines() {
        let Some(binary) = binary(&serde_json::from_str(&line?)?) else { continue };
        for name in names(&binary)? {
            let test = (binary.clone(), name);
            if !known.contains(&test) {
                tests.push(test);
            }
        }
    }
    println!("{} tests", tests.len());
    let out = Mutex::new(OpenOptions::new().create(true).append(true).open(reached)?);
    let failed = Mutex::new(Vec::new());
    each(&tests, |(binary, name)| {
        let record = format!("{reached}.{:?}", std::thread::current().id());
        File::create(&record)?;
        let command = binary.command("SCHEMATA_REACHED", &record);
        let (end, time) = binary.run(&[name], command, LIMIT)?;
        if end != End::Passed {
            failed.lock().map_err(|_| "poisoned")?.push(format!("{name} of {}", binary.path));
            return Ok(());
        }
        let numbers = fs::read(&record)?;
        let numbers: Vec<u32> = numbers
            .chunks_exact(4)
            .map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]))
            .collect();
        let millis = u64::try_from(time.as_millis())?;
        let line = json!({ "path": binary.path, "folder": binary.folder, "name": name, "millis": millis, "reached": numbers });
        writeln!(out.lock().map_err(|_| "poisoned")?, "{line}")?;
        Ok(fs::remove_file(&record)?)
    })?;
    let failed = failed.into_inner()?;
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("these fail without a mutant: {failed:#?}").into())
    }
}

pub fn read(path: &str) -> Result<Vec<Test>> {
    if !fs::exists(path)? {
        return Ok(Vec::new());
    }
    fs::read_to_string(path)?
        .lines()
        .map(|line| test(&serde_json::from_str(line)?).ok_or(format!("no test: {line}").into()))
        .collect()
}

fn test(value: &Value) -> Option<Test> {
    let text = |key: &str| Some(value[key].as_str()?.to_owned());
    let reached = value["reached"].as_array()?.iter();
    Some(Test {
        binary: Binary { path: text("path")?, folder: text("folder")? },
        name: text("name")?,
        millis: value["millis"].as_u64()?,
        reached: reached
            .filter_map(Value::as_u64)
            .filter_map(|number| number.try_into().ok())
            .collect(),
    })
}

/// The test binary that cargo speaks of, if it does.
fn binary(message: &Value) -> Option<Binary> {
    let (path, manifest) = (message["executable"].as_str()?, message["manifest_path"].as_str()?);
    let folder = manifest.strip_suffix("/Cargo.toml")?.to_owned();
    (message["profile"]["test"] == true).then(|| Binary { path: path.to_owned(), folder })
}

/// The names of a binary's tests. The examples of a crate, which rustdoc keeps as `rust_out`, are as one: they
/// take no names, and all together some milliseconds.
fn names(binary: &Binary) -> Result<Vec<String>> {
    if binary.path.ends_with("/rust_out") {
        return Ok(vec![format!(
            "examples of {}",
            binary.folder.rsplit('/').next().unwrap_or_default()
        )]);
    }
    let listed =
        binary.command("SCHEMATA_MUTANT", "0").args(["--list", "--format", "terse"]).output()?;
    if !listed.status.success() {
        return Err(format!("{} does not list its tests", binary.path).into());
    }
    let listed = String::from_utf8(listed.stdout)?;
    Ok(listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}
