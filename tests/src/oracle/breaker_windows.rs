//! What a breaker's window holds, from the whole history: every call since it last closed, and exact
//! fractions of it.

use super::Ratio;
use num_bigint::BigInt;

/// How far back a window looks.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    /// So many calls.
    Calls(usize),
    /// So many sub-windows of so many nanoseconds.
    SubWindows(u64, u64),
}

/// When a closed breaker opens.
#[derive(Clone, Debug)]
pub struct Rule {
    /// How far back.
    pub length: Length,
    /// Failures in a row.
    pub in_a_row: usize,
    /// The share of failures.
    pub failures: (u16, u16),
    /// The share of slow calls.
    pub slow: Option<(u16, u16)>,
    /// Of how many calls.
    pub minimum: usize,
}

/// A call that counted.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Whether it failed.
    pub failed: bool,
    /// Whether it was slow.
    pub slow: bool,
}

/// Every call since the breaker closed, with the number of the sub-window in which it ended.
#[derive(Clone, Debug, Default)]
pub struct History {
    calls: Vec<(u64, Call)>,
    /// When sub-window 0 began; at first, when the clock did.
    anchor: u64,
    /// The sub-window of the last call.
    last: u64,
}

fn share(part: usize, whole: usize) -> Ratio {
    Ratio::new(BigInt::from(part), BigInt::from(whole))
}

fn fraction((above, below): (u16, u16)) -> Ratio {
    Ratio::new(BigInt::from(above), BigInt::from(below))
}

impl History {
    /// A call ends at `now`; whether the breaker opens. Time does not go back.
    pub fn add(&mut self, rule: &Rule, call: Call, now: u64) -> bool {
        if let Length::SubWindows(k, width) = rule.length {
            // Where no call has ended for a whole window, sub-windows are counted from the next.
            if now - (self.anchor + self.last * width) < k * width {
                self.last = (now - self.anchor) / width;
            } else {
                *self = Self { anchor: now, ..self.row_of() };
            }
        }
        self.calls.push((self.last, call));
        let row = self.calls.iter().rev().take_while(|(_, call)| call.failed).count();
        let (calls, failures, slow) = self.counts(rule, now);
        let by_rate = calls >= rule.minimum
            && (share(failures, calls) >= fraction(rule.failures)
                || rule.slow.is_some_and(|rate| share(slow, calls) >= fraction(rate)));
        row >= rule.in_a_row || by_rate
    }

    /// The row goes on over any pause; its calls are as good as long ago.
    fn row_of(&self) -> Self {
        let mut old = self.clone();
        for (number, _) in &mut old.calls {
            *number = u64::MAX;
        }
        old.last = 0;
        old
    }

    /// Calls, failures and slow calls in the window at `now`.
    #[must_use]
    pub fn counts(&self, rule: &Rule, now: u64) -> (usize, usize, usize) {
        let inside: Vec<Call> = match rule.length {
            Length::Calls(most) => {
                self.calls.iter().rev().take(most).map(|(_, call)| *call).collect()
            }
            Length::SubWindows(k, width) => {
                let present = (now - self.anchor) / width;
                self.calls
                    .iter()
                    .filter(|(number, _)| *number != u64::MAX && number + k > present)
                    .map(|(_, call)| *call)
                    .collect()
            }
        };
        let of = |is: fn(&Call) -> bool| inside.iter().filter(|call| is(call)).count();
        (inside.len(), of(|call| call.failed), of(|call| call.slow))
    }
}
