//! The program's main job: run the schedule against real processes, twice, and judge what they logged.

mod admission;
mod checks;
mod firmware;
mod process;
mod progress;
mod record;
mod report;
mod run;
mod schedule;
mod timeline;

use crate::cli::{Arguments, Plan};
use crate::settings;
use core::time::Duration;
use progress::Progress;
use record::Record;
use run::Mesh;
use schedule::Schedule;
use std::io::Write;
use std::process::ExitCode;
use tokio::signal;
use tokio::time::sleep;

/// What the shell expects of a program that a signal ended.
const AFTER_SIGINT: u8 = 130;
#[cfg(unix)]
const AFTER_SIGTERM: u8 = 143;

/// Runs the plan, reports, and says how it went.
pub(crate) async fn main(Arguments { plan, log, .. }: Arguments) -> ExitCode {
    let mut mesh = Mesh::new(log);
    let ended = tokio::select! {
        ended = both_runs(&plan, &mut mesh) => ended,
        code = told_to_stop() => {
            mesh.kill_all().await;
            eprintln!("mesh: stopped; {}", mesh.left_behind());
            return ExitCode::from(code);
        }
    };
    let records = match ended {
        Ok(records) => records,
        Err(error) => {
            mesh.kill_all().await;
            eprintln!("mesh: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let checks = checks::all(&plan, &records, mesh.left_behind());
    say(&report::report(&records, &checks));
    if checks.iter().all(|check| check.passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn both_runs(plan: &Plan, mesh: &mut Mesh) -> anyhow::Result<Vec<Record>> {
    mesh.prepare(plan).await?;
    let schedule = Schedule::new(plan);
    let modes = plan.modes();
    let mut progress = Progress::new(&schedule, &modes);
    let mut records = Vec::new();
    for mode in modes {
        progress.begin(mode);
        records.push(mesh.run(plan, mode, &schedule, &mut progress).await?);
        // What the last run left in the kernel, and in the caches, is not the next one's.
        sleep(settings::BETWEEN_RUNS).await;
    }
    progress.finish();
    Ok(records)
}

/// Prints a line. Where nobody reads on, the run goes on for the sake of its exit code.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Waits for Ctrl-C, or for a polite kill.
#[cfg(unix)]
async fn told_to_stop() -> u8 {
    use signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return interrupted().await;
    };
    tokio::select! {
        code = interrupted() => code,
        _ = terminate.recv() => AFTER_SIGTERM,
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
async fn told_to_stop() -> u8 {
    interrupted().await
}

async fn interrupted() -> u8 {
    if signal::ctrl_c().await.is_err() {
        // Without a handler the system ends the program, and the nodes notice.
        sleep(Duration::MAX).await;
    }
    AFTER_SIGINT
}
