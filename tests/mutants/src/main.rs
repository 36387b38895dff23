//! Mutant schemata: all mutants of cargo-mutants in one build, each behind a number that a process is given.
//!
//! ```text
//! schemata plant LIST DROPPED TREE PLACES   puts all but the dropped into the sources of TREE, and says where
//! schemata drop PLACES DROPPED <MESSAGES    drops those that the compiler refuses; the messages are cargo's
//! schemata reach REACHED <PROGRAMS          runs each test by itself and writes which mutants it meets
//! schemata judge LIST DROPPED PLACES REACHED VERDICTS MILLIS   asks the tests of up to MILLIS about each mutant
//! schemata rest LIST DROPPED PLACES         names those of which all this says nothing
//! ```

mod errors;
mod judge;
mod list;
mod plant;
mod process;
mod reach;
mod rest;
mod sites;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["plant", list, dropped, tree, lines] => plant::plant(list, dropped, tree, lines),
        ["drop", lines, dropped] => errors::drop_refused(lines, dropped),
        ["reach", reached] => reach::reach(reached),
        ["judge", list, dropped, places, reached, verdicts, millis] => {
            judge::judge(list, [dropped, places], reached, verdicts, millis.parse()?)
        }
        ["rest", list, dropped, places] => rest::rest(list, dropped, places),
        _ => Err("see the head of main.rs for how it is called".into()),
    }
}
