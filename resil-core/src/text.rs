//! Text of bounded size that says when it was cut.

use core::fmt::{self, Write};

/// What stands for the part that did not fit.
const MARK: char = '…';

/// At most `N` bytes of text (`N` ≤ 255), without a heap.
///
/// What does not fit is cut at a character boundary and the text remembers it: it displays with a
/// trailing `…`, so a reader never takes a part for the whole. It takes `N + 2` bytes of memory.
///
/// With the feature `serde` it travels as a string, the `…` included. Decoding is total: a longer
/// string is cut and marked, never an error, and nothing is allocated.
///
/// ```
/// use resil_core::text::Text;
///
/// let whole = Text::<8>::from("5 peers");
/// assert_eq!(whole.to_string(), "5 peers");
/// let cut = Text::<8>::from("connection refused");
/// assert_eq!((cut.as_str(), cut.is_cut()), ("connecti", true));
/// assert_eq!(cut.to_string(), "connecti…");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Text<const N: usize> {
    text: heapless::String<N, u8>,
    cut: bool,
}

impl<const N: usize> Text<N> {
    /// Empty text.
    #[must_use]
    pub const fn new() -> Self {
        Self { text: heapless::String::new(), cut: false }
    }

    /// What `value` displays as, as far as it fits. A trailing `…` counts as a cut made elsewhere.
    ///
    /// ```
    /// use resil_core::text::Text;
    ///
    /// let peers = Text::<16>::display(&format_args!("{} of {}", 3, 5));
    /// assert_eq!(peers.as_str(), "3 of 5");
    /// ```
    #[must_use]
    pub fn display(value: &(impl fmt::Display + ?Sized)) -> Self {
        let mut text = Self::new();
        // Writing into the text cannot fail; a `Display` that fails anyway has said all it will.
        let _ = write!(text, "{value}");
        if !text.cut && text.text.ends_with(MARK) {
            text.text.pop();
            text.cut = true;
        }
        text
    }

    /// The text that fitted.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether something did not fit.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.cut
    }
}

impl<const N: usize> From<&str> for Text<N> {
    fn from(text: &str) -> Self {
        Self::display(text)
    }
}

impl<const N: usize> Write for Text<N> {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for character in more.chars() {
            if self.cut || self.text.push(character).is_err() {
                self.cut = true;
                break;
            }
        }
        Ok(())
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.cut { f.write_char(MARK) } else { Ok(()) }
    }
}

#[cfg(feature = "defmt")]
impl<const N: usize> defmt::Format for Text<N> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let mark = if self.cut { "…" } else { "" };
        defmt::write!(f, "{=str}{=str}", self.as_str(), mark);
    }
}

#[cfg(feature = "serde")]
impl<const N: usize> serde::Serialize for Text<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.cut {
            serializer.collect_str(self)
        } else {
            serializer.serialize_str(self.as_str())
        }
    }
}

#[cfg(feature = "serde")]
impl<'de, const N: usize> serde::Deserialize<'de> for Text<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shown<const N: usize>;

        impl<const N: usize> serde::de::Visitor<'_> for Shown<N> {
            type Value = Text<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, shown: &str) -> Result<Text<N>, E> {
                Ok(Text::from(shown))
            }
        }

        deserializer.deserialize_str(Shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_mark_at_the_end_is_a_cut_made_elsewhere_and_one_before_a_cut_is_text() {
        let elsewhere = Text::<16>::from("abc…");
        assert_eq!((elsewhere.as_str(), elsewhere.is_cut()), ("abc", true));
        let here = Text::<4>::from("a…z");
        assert_eq!((here.as_str(), here.is_cut()), ("a…", true));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn what_is_no_text_is_refused_with_what_was_expected() {
        let refused = serde_json::from_str::<Text<4>>("5").unwrap_err();
        assert!(refused.to_string().contains("expected a string"), "{refused}");
    }

    #[test]
    fn text_is_cut_between_characters_and_stays_cut() {
        let mut text = Text::<4>::from("aéß");
        assert_eq!((text.as_str(), text.is_cut()), ("aé", true), "ß would end at byte 5");
        text.write_str("z").unwrap();
        assert_eq!(text.as_str(), "aé", "nothing is written behind the gap");
        assert_eq!(text.to_string(), "aé…");
    }

    #[test]
    fn text_that_just_fits_is_not_cut() {
        assert!(!Text::<4>::from("aéz").is_cut());
        assert!(!Text::<0>::from("").is_cut());
        assert_eq!(Text::<0>::from("a").to_string(), "…");
    }

    #[test]
    fn what_was_shown_reads_back_the_same() {
        let texts = ["", "abcd", "abcde", "…", "……", "a…", "éé…", "éé𝄞", "a𝄞𝄞"];
        for text in texts.map(Text::<6>::from) {
            assert_eq!(Text::from(&*text.to_string()), text);
        }
    }
}
