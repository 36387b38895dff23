//! The error as it crosses the wire: owned, bounded, and without instants.

use super::details::Pairs;
use super::{Details, ErrorCode, UnknownNumber, Value};
use crate::outcome::{RetryAt, RetryHint};
use crate::text::Text;
use crate::time::{Instant, saturating_nanos};
use core::error::Error;
use core::fmt;
use core::time::Duration;

/// Bytes that a [`WireError`] keeps of its message.
pub const WIRE_MESSAGE: usize = 64;

/// Bytes that a [`WireError`] keeps of the name of a detail.
pub const WIRE_KEY: usize = 16;

/// An error that came from, or goes to, another node.
///
/// It borrows nothing, so it is also good as the error `E` of an operation that asks a peer: its
/// [`hint`](Self::hint) is what the peer said about trying again.
///
/// With the feature `serde` it is `{error_code, message, details}`: in JSON
///
/// ```json
/// {"error_code":2001,"message":"the bucket is short of tokens",
///  "details":{"retry_after_ns":1500000000,"peer":"node-3"}}
/// ```
///
/// and the same, positional, in postcard. The wait that remained when it was encoded travels among
/// the details as `retry_after_ns` (`"never"` where it is no use to come back), and the number of
/// details that did not fit as `details_cut`; both names are taken. Spans of time are nanoseconds.
///
/// Decoding is total for everything that has this shape: a code that this version does not know
/// stays a number, text that is too long is cut and marked, and details beyond `N` or of a kind that
/// a [`Value`] can not hold are counted as [`lost`](Self::lost). What does not have the shape is the
/// format's own error. Neither allocates.
///
/// It takes 68 bytes and 48 a detail.
///
/// ```
/// use resil_core::error::{ErrorCode, WireError};
/// use resil_core::outcome::RetryHint;
///
/// let error = WireError::<4>::new(ErrorCode::LoadShed, "try another node").with_detail("load", 97u8);
/// assert_eq!(error.code(), Ok(ErrorCode::LoadShed));
/// assert_eq!(error.hint(), RetryHint::None);
/// assert_eq!(error.to_string(), "LOAD_SHED: try another node (load=97)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WireError<const N: usize = 4> {
    error_code: u16,
    #[cfg_attr(feature = "serde", serde(default))]
    message: Text<WIRE_MESSAGE>,
    #[cfg_attr(feature = "serde", serde(default = "WireDetails::empty"))]
    details: WireDetails<N>,
}

const _: () = assert!(size_of::<WireError<0>>() <= 96 && size_of::<WireError<4>>() <= 288);

/// The name under which the wait that remains travels.
pub(super) const RETRY_AFTER: &str = "retry_after_ns";
/// Stands in its place where it is no use to come back.
const NEVER: &str = "never";
/// The name under which the number of lost details travels.
pub(super) const LOST: &str = "details_cut";

/// What `details` holds on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct WireDetails<const N: usize> {
    pub(super) retry: Remaining,
    pub(super) pairs: Pairs<Text<WIRE_KEY>, N>,
}

/// When to come back, counted from the moment of encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum Remaining {
    Unsaid,
    Nanos(u64),
    Never,
}

impl Remaining {
    /// What stands under `retry_after_ns`.
    pub(super) fn value(self) -> Option<Value> {
        match self {
            Self::Unsaid => None,
            Self::Nanos(nanos) => Some(Value::Unsigned(nanos)),
            Self::Never => Some(Value::from(NEVER)),
        }
    }
}

impl<const N: usize> WireDetails<N> {
    pub(super) const fn empty() -> Self {
        Self { retry: Remaining::Unsaid, pairs: Pairs::new() }
    }

    /// Takes one entry of the map, whether it came from a caller or from a peer.
    pub(super) fn push(&mut self, key: Text<WIRE_KEY>, value: Value) {
        let name = if key.is_cut() { "" } else { key.as_str() };
        match (name, value.into_wire()) {
            (RETRY_AFTER, Value::Unsigned(nanos)) => self.retry = Remaining::Nanos(nanos),
            (RETRY_AFTER, Value::Text(text)) if text == NEVER.into() => {
                self.retry = Remaining::Never;
            }
            (LOST, Value::Unsigned(count)) => self.pairs.lose(count),
            (_, value) => self.pairs.push(key, value),
        }
    }
}

impl<const N: usize> WireError<N> {
    /// An error to send.
    #[must_use]
    pub fn new(code: ErrorCode, message: &str) -> Self {
        Self { error_code: code.number(), message: message.into(), details: WireDetails::empty() }
    }

    /// The same with another message: what `message` displays as, as far as it fits.
    ///
    /// ```
    /// use resil_core::Instant;
    /// use resil_core::error::{NetworkError, ResilienceError};
    ///
    /// let cause = NetworkError::timeout();
    /// let error = ResilienceError::operation(cause.clone());
    /// let wire = error.wire(Instant::EPOCH).with_message(&cause);
    /// assert_eq!(wire.to_string(), "OPERATION_FAILED: NETWORK_TIMEOUT: no answer in time");
    /// ```
    #[must_use]
    pub fn with_message(self, message: &(impl fmt::Display + ?Sized)) -> Self {
        Self { message: Text::display(message), ..self }
    }

    /// The same with one more detail.
    #[must_use]
    pub fn with_detail(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.details.push(key.into(), value.into());
        self
    }

    /// The same with all of `details`.
    pub(super) fn with_details(mut self, details: &Details) -> Self {
        for (key, value) in details.iter() {
            self.details.push(key.into(), value.clone());
        }
        self.details.pairs.lose(details.lost().into());
        self
    }

    /// The same with the wait that remains at `now`. [`RetryAt::Unknown`] says nothing.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryAt, now: Instant) -> Self {
        self.details.retry = match retry {
            RetryAt::At(at) => Remaining::Nanos(saturating_nanos(at.saturating_since(now))),
            RetryAt::Unknown => Remaining::Unsaid,
            RetryAt::Never => Remaining::Never,
        };
        self
    }

    /// The code.
    ///
    /// # Errors
    ///
    /// [`UnknownNumber`] where the sender has codes that this version does not know.
    pub fn code(&self) -> Result<ErrorCode, UnknownNumber> {
        self.error_code.try_into()
    }

    /// The code's number, known or not.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.error_code
    }

    /// The message, as far as it fitted.
    #[must_use]
    pub const fn message(&self) -> &Text<WIRE_MESSAGE> {
        &self.message
    }

    /// The details without the retry-after, in the order in which they came.
    pub fn details(&self) -> impl Iterator<Item = (&Text<WIRE_KEY>, &Value)> {
        self.details.pairs.iter()
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let mut pairs = self.details();
        pairs.find(|(known, _)| known.as_str() == key && !known.is_cut()).map(|(_, value)| value)
    }

    /// How many details did not fit, here or at the sender; 255 stands for "255 or more".
    #[must_use]
    pub const fn lost(&self) -> u8 {
        self.details.pairs.lost()
    }

    /// How long to wait, counted from when it was encoded. It comes from the peer: do not trust it.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.details.retry {
            Remaining::Nanos(nanos) => Some(Duration::from_nanos(nanos)),
            Remaining::Unsaid | Remaining::Never => None,
        }
    }

    /// Whether the sender said that it is no use to come back.
    #[must_use]
    pub const fn never(&self) -> bool {
        matches!(self.details.retry, Remaining::Never)
    }

    /// What the sender said about trying again, as a classifier hands it to a retry.
    ///
    /// ```
    /// use resil_core::error::{Family, WireError};
    /// use resil_core::outcome::{Classification, FailureClass};
    ///
    /// let by_code = |error: &WireError| match error.code().map(|code| code.family()) {
    ///     Ok(Family::RateLimit | Family::Load) => {
    ///         Classification::Failure(FailureClass::Throttled, error.hint())
    ///     }
    ///     _ => Classification::Failure(FailureClass::Transient, error.hint()),
    /// };
    /// # let _ = by_code;
    /// ```
    #[must_use]
    pub const fn hint(&self) -> RetryHint {
        match self.details.retry {
            Remaining::Unsaid => RetryHint::None,
            Remaining::Nanos(nanos) => RetryHint::After(Duration::from_nanos(nanos)),
            Remaining::Never => RetryHint::Never,
        }
    }
}

impl<const N: usize> fmt::Display for WireError<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code() {
            Ok(code) => write!(f, "{code}: {}", self.message)?,
            Err(UnknownNumber(number)) => write!(f, "{number}: {}", self.message)?,
        }
        let WireDetails { retry, pairs } = &self.details;
        let retry = match retry {
            Remaining::Nanos(nanos) => Some(Value::Duration(Duration::from_nanos(*nanos))),
            Remaining::Never | Remaining::Unsaid => retry.value(),
        };
        match retry {
            Some(retry) => {
                write!(f, " (retry_after={retry}")?;
                pairs.write(f, ", ")?;
            }
            None if pairs.len() == 0 && pairs.lost() == 0 => return Ok(()),
            None => {
                f.write_str(" (")?;
                pairs.write(f, "")?;
            }
        }
        f.write_str(")")
    }
}

impl<const N: usize> Error for WireError<N> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_under_its_own_name_and_none_under_one_that_was_cut() {
        let long = "x".repeat(WIRE_KEY + 1);
        let error = WireError::<4>::new(ErrorCode::LoadShed, "")
            .with_detail("a", 1_u8)
            .with_detail("b", 2_u8)
            .with_detail(&long, 3_u8);
        let found = |key| error.get(key).cloned();
        assert_eq!([found("a"), found("b")], [Some(Value::Unsigned(1)), Some(Value::Unsigned(2))]);
        assert_eq!([found("c"), found(&long), found(&long[..WIRE_KEY])], [const { None }; 3]);
        let (cut, value) = error.details().last().unwrap();
        assert!(cut.is_cut() && found(cut.as_str()).is_none() && *value == Value::Unsigned(3));
    }
}
