//! Text of bounded size that says when it was cut.

use core::fmt::{self, Write};

/// At most `N` bytes of text, without a heap.
///
/// What does not fit is cut at a character boundary and the text remembers it: it displays with a
/// trailing `…`, so a reader never takes a part for the whole.
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
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Text<const N: usize> {
    text: heapless::String<N>,
    cut: bool,
}

impl<const N: usize> Text<N> {
    /// Empty text.
    #[must_use]
    pub const fn new() -> Self {
        Self { text: heapless::String::new(), cut: false }
    }

    /// What `value` displays as, as far as it fits.
    #[must_use]
    pub fn display(value: &(impl fmt::Display + ?Sized)) -> Self {
        let mut text = Self::new();
        // Writing into the text cannot fail; a `Display` that fails anyway has said all it will.
        let _ = write!(text, "{value}");
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
        if self.cut { f.write_char('…') } else { Ok(()) }
    }
}
