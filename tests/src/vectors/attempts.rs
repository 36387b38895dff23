//! A retry's script: what each attempt does, and the trace of when each one started.

use super::{Script, Step, Trace, millis};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::slice;
use core::time::Duration;
use resil_core::error::Cause;
use resil_core::outcome::{Classification, FailureClass, Rejected, RetryAt, RetryHint};
use resil_core::{ErrorCode, Instant, ResilienceError};

/// How one attempt goes.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// How long it takes.
    pub takes: Duration,
    /// How it ends.
    pub end: Result<(), Failure>,
}

/// How an attempt that does not succeed ends.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    /// With an error that the classifier takes for this.
    Error(Classification),
    /// Before it starts: our own machines refuse.
    Refused(Rejected),
}

impl From<Failure> for ResilienceError<Classification> {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Error(classification) => Self::operation(classification),
            Failure::Refused(rejected) => rejected.into(),
        }
    }
}

/// The attempts of a script, one by one, and the trace that they leave.
#[derive(Debug)]
pub struct Attempts<'s> {
    steps: slice::Iter<'s, Step>,
    start: Instant,
    under_way: Option<(Instant, &'s str)>,
    trace: Trace,
}

impl<'s> Attempts<'s> {
    /// The attempts of `script`, the first of which starts at `start`.
    #[must_use]
    pub fn new<P>(script: &'s Script<P>, start: Instant) -> Self {
        let (steps, trace) = (script.steps.iter(), Trace::new(&script.name));
        Self { steps, start, under_way: None, trace }
    }

    /// The attempt that starts `now`.
    ///
    /// # Panics
    ///
    /// If the script has no more, or does not say how this one goes.
    pub fn begin(&mut self, now: Instant) -> Attempt {
        let again = format!("again at {}", millis(now, self.start));
        self.decided(&again);
        let (_, event, _) = self.steps.next().unwrap_or_else(|| panic!("{again}: no such step"));
        self.under_way = Some((now, event));
        self.attempt(event)
    }

    /// The trace, when the call has ended with `result`. What was not played is missing in it.
    #[must_use]
    pub fn finish(mut self, result: &Result<(), ResilienceError<Classification>>) -> String {
        let decision = match result {
            Ok(()) => "succeeded".to_owned(),
            Err(error) => match error.cause() {
                Cause::RetryExhausted(gave_up) => {
                    format!("{} after {} attempts", error.code(), gave_up.attempts())
                }
                _ => error.code().to_string(),
            },
        };
        self.decided(&decision);
        self.trace.finish()
    }

    fn decided(&mut self, decision: &str) {
        if let Some((started, event)) = self.under_way.take() {
            self.trace.line(millis(started, self.start), event, decision);
        }
    }

    fn attempt(&self, event: &str) -> Attempt {
        let words: Vec<_> = event.split(' ').collect();
        let (words, takes) = match &words[..] {
            [words @ .., "after", takes] => (words, duration(takes)),
            words => (words, Duration::ZERO),
        };
        let end = match words {
            ["success"] => Ok(()),
            ["ignored"] => Err(Failure::Error(Classification::Ignored)),
            ["refused", code] => Err(refused(code, RetryAt::Unknown)),
            ["refused", code, "until", at] => {
                Err(refused(code, RetryAt::At(self.start.saturating_add(duration(at)))))
            }
            [class] => Err(failure(class, RetryHint::None)),
            [class, "hint", "never"] => Err(failure(class, RetryHint::Never)),
            [class, "hint", after] => Err(failure(class, RetryHint::After(duration(after)))),
            _ => panic!("no attempt goes like {event}"),
        };
        Attempt { takes, end }
    }
}

fn refused(code: &str, retry: RetryAt) -> Failure {
    let code = ErrorCode::from_name(code).unwrap_or_else(|| panic!("no code {code}"));
    Failure::Refused(Rejected::new(code, retry))
}

fn failure(class: &str, hint: RetryHint) -> Failure {
    let class = match class {
        "transient" => FailureClass::Transient,
        "throttled" => FailureClass::Throttled,
        "timeout" => FailureClass::Timeout,
        "fatal" => FailureClass::Fatal,
        _ => panic!("no failure is called {class}"),
    };
    Failure::Error(Classification::Failure(class, hint))
}

fn duration(millis: &str) -> Duration {
    Duration::from_millis(millis.parse().unwrap_or_else(|error| panic!("{millis}: {error}")))
}
