//! Retry: the documented rules, with delays that double and no jitter.
//!
//! Times are nanoseconds in an `i128`, so that nothing saturates.

/// The settings of a policy.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// All attempts, the first included.
    pub max_attempts: u32,
    /// The delay after the first attempt.
    pub initial: i128,
    /// The longest delay.
    pub max: i128,
    /// How long the call may take.
    pub deadline: Option<i128>,
    /// The longest wait that a peer may ask for.
    pub max_retry_after: i128,
    /// How many refusals are waited for.
    pub max_refusal_waits: u32,
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    /// Not worth another attempt.
    Fatal,
    /// No failure of the peer.
    Ignored,
    /// Worth another attempt, and the peer said nothing.
    Retryable,
    /// The same, not before this much time has passed.
    After(i128),
    /// The same, but the peer wants no other attempt.
    Never,
}

/// Why our own machine refused.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    /// A breaker, or "never".
    Final,
    /// A limiter: until this instant.
    Until(i128),
    /// A bulkhead: nobody knows.
    Unknown,
}

/// What the machine should answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The next attempt is at this instant.
    Wait(i128),
    /// The error is the operation's own.
    Own,
    /// `RETRY_EXHAUSTED`.
    Exhausted,
    /// `RETRY_FAILED`.
    Failed,
    /// The refusal's own error.
    Refused,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    policy: Policy,
    /// When it has to be over.
    pub deadline: Option<i128>,
    /// Attempts that failed.
    pub failed: u32,
    waits: u32,
}

impl Call {
    /// A call whose first attempt starts `now`.
    #[must_use]
    pub fn start(policy: Policy, now: i128) -> Self {
        Self { policy, deadline: policy.deadline.map(|d| now + d), failed: 0, waits: 0 }
    }

    /// An attempt failed.
    pub fn record(&mut self, failure: Failure, now: i128) -> Answer {
        self.failed += 1;
        self.anchor(now);
        let hint = match failure {
            Failure::Fatal | Failure::Ignored => return Answer::Own,
            _ if self.failed >= self.policy.max_attempts => return Answer::Exhausted,
            Failure::Never => return Answer::Failed,
            Failure::Retryable => 0,
            Failure::After(hint) => hint,
        };
        let delay = self.doubled(self.failed - 1).max(hint.min(self.policy.max_retry_after));
        match self.deadline {
            Some(deadline) if now + hint >= deadline || now + delay >= deadline => Answer::Failed,
            _ => Answer::Wait(now + delay),
        }
    }

    /// A machine of our own refused.
    pub fn refused(&mut self, refusal: Refusal, now: i128) -> Answer {
        self.anchor(now);
        let until = match refusal {
            _ if self.policy.max_refusal_waits == 0 => return Answer::Refused,
            Refusal::Final => return Answer::Refused,
            Refusal::Until(at) => at,
            Refusal::Unknown => now + self.doubled(self.waits),
        };
        let until = until.max(now + 1);
        if self.waits == self.policy.max_refusal_waits
            || self.deadline.is_some_and(|deadline| until >= deadline)
        {
            return Answer::Failed;
        }
        self.waits += 1;
        Answer::Wait(until)
    }

    /// The clock may have stepped back: no deadline is further away than it was at first.
    pub fn anchor(&mut self, now: i128) {
        if let (Some(deadline), Some(horizon)) = (&mut self.deadline, self.policy.deadline) {
            *deadline = (*deadline).min(now + horizon);
        }
    }

    fn doubled(&self, index: u32) -> i128 {
        let mut delay = self.policy.initial;
        for _ in 0..index {
            delay = (delay * 2).min(self.policy.max);
        }
        delay
    }
}
