//! An operation's error in a box.

use core::error::Error;
use core::fmt;

/// An error in a box that is an [`Error`] itself: for operations that fail with a `Box<dyn Error>` or with
/// an `anyhow::Error`.
///
/// Neither of the two is an [`Error`], so a [`ResilienceError`](crate::core::ResilienceError) of one is none
/// either: `?` does not make an `anyhow::Error` of it, and no middleware of tower takes it. Map the
/// operation's error to this, and it does. [`Error::source`] and [`Display`](fmt::Display) are those of what
/// is in the box.
///
/// When not: for an error that is an [`Error`], or where nobody asks that of it.
///
/// ```
/// use core::error::Error;
/// use resil_std::core::retry::RetryPolicy;
/// use resil_std::{BoxedError, retry_sync};
///
/// type Boxed = Box<dyn Error + Send + Sync>; // or `anyhow::Error`
///
/// fn connect() -> Result<(), Boxed> {
///     Err("no route".into())
/// }
///
/// fn start() -> Result<(), Boxed> {
///     let once = RetryPolicy::builder().max_attempts(1).build()?;
///     let connect = || connect().map_err(|error| BoxedError(error.into()));
///     retry_sync(connect, &once, "connect")?; // without the map: `Boxed` is not an `Error`
///     Ok(())
/// }
///
/// let error = start().unwrap_err();
/// assert_eq!(error.source().unwrap().to_string(), "no route");
/// ```
#[derive(Debug)]
pub struct BoxedError(pub Box<dyn Error + Send + Sync>);

impl fmt::Display for BoxedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for BoxedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl From<Box<dyn Error + Send + Sync>> for BoxedError {
    fn from(error: Box<dyn Error + Send + Sync>) -> Self {
        Self(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Lost(fmt::Error);

    impl fmt::Display for Lost {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("lost")
        }
    }

    impl Error for Lost {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_error_in_a_box_is_shown_and_caused_as_it_is() {
        let boxed = BoxedError::from(Box::<dyn Error + Send + Sync>::from(Lost(fmt::Error)));
        assert_eq!(boxed.to_string(), "lost");
        assert!(boxed.source().is_some_and(|source| source.is::<fmt::Error>()));
    }
}
