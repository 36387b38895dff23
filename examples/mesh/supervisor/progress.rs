//! How it goes, while it goes: a bar on a terminal, plain lines elsewhere.

use super::record::Record;
use super::say;
use super::schedule::{Event, Schedule};
use crate::cli::Mode;
use crate::wire::{End, Kind};
use core::time::Duration;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use resil_core::health::HealthStatus;
use std::io::IsTerminal;

/// Where progress is shown.
#[derive(Debug)]
pub(crate) struct Progress {
    schedule: Schedule,
    bar: Option<ProgressBar>,
    runs_before: u64,
}

impl Progress {
    pub(crate) fn new(schedule: &Schedule, modes: &[Mode]) -> Self {
        let bar = std::io::stdout().is_terminal().then(|| {
            let length = millis(schedule.duration) * modes.len() as u64;
            let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stdout());
            if let Ok(style) = ProgressStyle::with_template("{bar:24} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { schedule: schedule.clone(), bar, runs_before: 0 }
    }

    pub(crate) fn begin(&mut self, mode: Mode) {
        if let Some(bar) = &self.bar {
            self.runs_before =
                bar.position().next_multiple_of(millis(self.schedule.duration).max(1));
        }
        self.line(&format!("== {} ==", mode.name()));
    }

    pub(crate) fn enter(&self, at: Duration, event: Event) {
        let (phase, story) = self.schedule.tell(event);
        self.line(&format!("{:5.1} s  {phase:9}  {story}", at.as_secs_f64()));
    }

    /// One second of a run.
    pub(crate) fn show(&self, record: &Record, now: Duration) {
        let second = Second::last(record, now);
        match &self.bar {
            None => self.line(&format!("{:5.1} s             {second}", now.as_secs_f64())),
            Some(bar) => {
                bar.set_position(self.runs_before + millis(now));
                bar.set_message(second.to_string());
            }
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => say(line),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What happened in a second, as far as the nodes have reported it.
#[derive(Debug, Default)]
struct Second {
    ok: u64,
    refused: u64,
    failed: u64,
    flood: u64,
    open: usize,
    health: [usize; 3],
}

impl Second {
    fn last(record: &Record, now: Duration) -> Self {
        let mut second = Self::default();
        let since = now.saturating_sub(Duration::from_secs(1));
        for life in &record.lives {
            let recent =
                life.ended.iter().rev().take_while(|ended| life.run_time(ended.ended_at) > since);
            for ended in recent {
                let count = match (ended.kind, ended.end) {
                    (Kind::Flood, _) => &mut second.flood,
                    (Kind::Orderly, End::Ok) => &mut second.ok,
                    (Kind::Orderly, End::Refused(_)) => &mut second.refused,
                    (Kind::Orderly, End::Failed(_)) => &mut second.failed,
                };
                *count += 1;
            }
        }
        for life in record.survivors() {
            second.open += life.neighbours.iter().filter(|&&peer| life.is_open(peer)).count();
            let level = life.health.last().map(|seen| seen.status);
            match level {
                Some(HealthStatus::Healthy) => second.health[0] += 1,
                Some(HealthStatus::Degraded) => second.health[1] += 1,
                Some(HealthStatus::Unhealthy) => second.health[2] += 1,
                None => {}
            }
        }
        second
    }
}

impl core::fmt::Display for Second {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { ok, refused, failed, flood, open, health: [healthy, degraded, unhealthy] } =
            self;
        write!(f, "{ok:4} ok {refused:4} refused {failed:4} failed")?;
        if *flood > 0 {
            write!(f, " (flood: {flood})")?;
        }
        if healthy + degraded + unhealthy > 0 {
            write!(f, "; {open} breakers open; {healthy} nodes healthy")?;
        }
        for (count, level) in [(degraded, "degraded"), (unhealthy, "unhealthy")] {
            if *count > 0 {
                write!(f, ", {count} {level}")?;
            }
        }
        Ok(())
    }
}
