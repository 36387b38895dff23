//! The details of an error: a few named values, without a heap.

use super::ErrorCode;
use crate::text::Text;
use crate::time::saturating_nanos;
use core::fmt;
use core::time::Duration;

/// Bytes of a text that a [`Value`] keeps: an IPv4 socket address fits.
pub const VALUE_TEXT: usize = 22;

/// A value among the [`Details`]: 24 bytes.
///
/// Numbers, `bool`, `&str`, [`Duration`] and [`ErrorCode`] convert; [`Value::display`] takes what
/// anything displays as. Text beyond [`VALUE_TEXT`] bytes is cut and marked.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Value {
    /// Yes or no.
    Bool(bool),
    /// A count, a number of bytes, an id.
    Unsigned(u64),
    /// A number that may be below zero.
    Signed(i64),
    /// A span of time.
    Duration(Duration),
    /// Another error's code.
    Code(ErrorCode),
    /// A name, an address.
    Text(Text<VALUE_TEXT>),
}

const _: () = assert!(size_of::<Value>() <= 24);

impl Value {
    /// What `value` displays as, as far as it fits.
    ///
    /// ```
    /// use resil_core::error::Value;
    ///
    /// let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 4000));
    /// assert_eq!(Value::display(&peer).to_string(), "127.0.0.1:4000");
    /// ```
    #[must_use]
    pub fn display(value: &(impl fmt::Display + ?Sized)) -> Self {
        Self::Text(Text::display(value))
    }

    /// The value as it travels: a span of time as nanoseconds, a code as its number, a number that
    /// is not below zero as unsigned.
    pub(super) fn into_wire(self) -> Self {
        match self {
            Self::Duration(span) => Self::Unsigned(saturating_nanos(span)),
            Self::Code(code) => Self::Unsigned(code.number().into()),
            Self::Signed(number) => u64::try_from(number).map_or(self, Self::Unsigned),
            Self::Bool(_) | Self::Unsigned(_) | Self::Text(_) => self,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Unsigned(value) => value.fmt(f),
            Self::Signed(value) => value.fmt(f),
            Self::Duration(value) => fmt::Debug::fmt(value, f),
            Self::Code(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

/// States the conversions that widen.
macro_rules! widens {
    ($($from:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })+
    };
}

widens! {
    bool => Bool,
    u8 => Unsigned,
    u16 => Unsigned,
    u32 => Unsigned,
    u64 => Unsigned,
    i8 => Signed,
    i16 => Signed,
    i32 => Signed,
    i64 => Signed,
    Duration => Duration,
    ErrorCode => Code,
    Text<VALUE_TEXT> => Text,
    &str => Text,
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Unsigned(value as u64) // lossless: no target has more than 64 bits
    }
}

/// At most `N` (≤ 255) named values; what does not fit is counted and shown.
///
/// A dictionary: a key that is there already takes the new value. Looking up is a scan of at most
/// `N` keys.
///
/// ```
/// use resil_core::error::{Details, Value};
///
/// let mut details = Details::<2>::new();
/// details.push("peer", "node-3");
/// details.push("bytes", 512u32);
/// details.push("port", 4000u16);
/// assert_eq!(details.get("bytes"), Some(&Value::Unsigned(512)));
/// assert_eq!(details.lost(), 1);
/// assert_eq!(details.to_string(), "peer=node-3, bytes=512, +1 cut");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Details<const N: usize = 4>(Pairs<&'static str, N>);

// 32 bytes a pair and 8 more on 32-bit targets.
const _: () = assert!(size_of::<Details<4>>() <= 4 * (size_of::<&str>() + 24) + 8);

impl<const N: usize> Details<N> {
    /// No details.
    #[must_use]
    pub const fn new() -> Self {
        Self(Pairs::new())
    }

    /// Adds `key` with `value`, in place of the value that `key` had.
    pub fn push(&mut self, key: &'static str, value: impl Into<Value>) {
        let mut known = self.0.pairs.iter_mut().flatten();
        match known.find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value.into(),
            None => self.0.push(key, value.into()),
        }
    }

    /// Adds all of `others`, and what they had lost already.
    pub(super) fn extend<const M: usize>(&mut self, others: &Details<M>) {
        for (key, value) in others.iter() {
            self.push(key, value.clone());
        }
        self.0.lose(others.lost().into());
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// The pairs, in the order in which the keys first came.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none, and none were lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.lost() == 0
    }

    /// How many pairs did not fit; 255 stands for "255 or more".
    #[must_use]
    pub const fn lost(&self) -> u8 {
        self.0.lost
    }
}

impl<const N: usize> fmt::Display for Details<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, "")
    }
}

/// At most `N` pairs, filled from the front, and the count of those that did not fit.
///
/// The `Option`s cost nothing (a key has a niche); a length would cost a word.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Pairs<K, const N: usize> {
    pairs: [Option<(K, Value)>; N],
    lost: u8,
}

impl<K, const N: usize> Pairs<K, N> {
    pub(super) const fn new() -> Self {
        Self { pairs: [const { None }; N], lost: 0 }
    }

    pub(super) fn push(&mut self, key: K, value: Value) {
        match self.pairs.iter_mut().find(|pair| pair.is_none()) {
            Some(free) => *free = Some((key, value)),
            None => self.lose(1),
        }
    }

    pub(super) fn lose(&mut self, count: u64) {
        self.lost = self.lost.saturating_add(u8::try_from(count).unwrap_or(u8::MAX));
    }

    pub(super) const fn lost(&self) -> u8 {
        self.lost
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &Value)> {
        self.pairs.iter().flatten().map(|(key, value)| (key, value))
    }

    pub(super) fn len(&self) -> usize {
        self.iter().count()
    }

    /// Writes `k=v, k=v, +n cut`, after `separator`.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, mut separator: &str) -> fmt::Result
    where
        K: fmt::Display,
    {
        for (key, value) in self.iter() {
            write!(f, "{separator}{key}={value}")?;
            separator = ", ";
        }
        if self.lost > 0 { write!(f, "{separator}+{} cut", self.lost) } else { Ok(()) }
    }
}

impl<K, const N: usize> Default for Pairs<K, N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn every_kind_of_value_is_kept_and_shown() {
        let mut details = Details::<8>::new();
        details.push("bool", true);
        details.push("unsigned", u64::MAX);
        details.push("size", usize::MAX);
        details.push("signed", -3);
        details.push("span", Duration::from_millis(1500));
        details.push("code", ErrorCode::CircuitBreakerOpen);
        details.push("text", "node-3");
        details.push("long", "a name that is longer than 22 bytes");
        assert_eq!(
            details.to_string(),
            "bool=true, unsigned=18446744073709551615, size=18446744073709551615, signed=-3, \
             span=1.5s, code=CIRCUIT_BREAKER_OPEN, text=node-3, long=a name that is longer …"
        );
    }

    #[test]
    fn what_does_not_fit_is_counted_and_the_count_saturates() {
        let mut details = Details::<0>::new();
        for _ in 0..300 {
            details.push("key", 0u8);
        }
        assert_eq!((details.lost(), details.len()), (255, 0));
        assert!(!details.is_empty(), "lost details are shown");
        assert_eq!(details.to_string(), "+255 cut");
    }

    #[test]
    fn a_known_key_takes_the_new_value_even_when_full() {
        let mut details = Details::<1>::new();
        details.push("key", 1u8);
        details.push("key", 2u8);
        assert_eq!(details.get("key"), Some(&Value::Unsigned(2)));
        assert_eq!(details.lost(), 0);
    }
}
