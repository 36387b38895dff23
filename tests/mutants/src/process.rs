//! One run of some tests of one binary.

use crate::Result;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A test binary and the folder in which cargo would run it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Binary {
    pub path: String,
    pub folder: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Passed,
    Failed,
    TimedOut,
}

impl Binary {
    pub fn command(&self, variable: &str, value: &str) -> Command {
        let mut command = Command::new(&self.path);
        command
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .env(variable, value);
        command
    }

    /// Runs these tests, one after the other, in one process. One that does not end in time is ended, with
    /// all that it has started.
    pub fn run(
        &self,
        tests: &[&str],
        mut command: Command,
        limit: Duration,
    ) -> Result<(End, Duration)> {
        command.args(["--exact", "--test-threads=1", "--quiet"]).args(tests);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let started = Instant::now();
        let mut child = command.spawn()?;
        let mut pause = Duration::from_micros(500);
        loop {
            if let Some(status) = child.try_wait()? {
                let end = if status.success() { End::Passed } else { End::Failed };
                return Ok((end, started.elapsed()));
            }
            if started.elapsed() > limit {
                let group = format!("-{}", child.id());
                Command::new("kill").args(["-KILL", "--", &group]).status()?;
                child.wait()?;
                return Ok((End::TimedOut, started.elapsed()));
            }
            sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
    }
}

/// Does `work` on each of `items`, two at a time, in order of their places.
pub fn each<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let run = || -> std::result::Result<(), String> {
        while let Some(item) = items.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            work(item).map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers = [scope.spawn(run), scope.spawn(run)];
        for worker in workers {
            worker.join().map_err(|_| "a worker has panicked")??;
        }
        Ok(())
    })
}
