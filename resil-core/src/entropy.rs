//! Randomness as an argument.
//!
//! A decision that may need a random number takes an [`Entropy`] and draws from it only when it
//! does. There is no built-in generator and no built-in seed: a constant seed makes a whole fleet
//! jitter in step, which is the stampede that jitter is there to prevent. On a microcontroller, seed
//! a generator from the device's unique id and its hardware noise.

/// A source of random numbers, drawn from only when a decision needs one.
///
/// Implemented by closures, by `u32` (a number that was drawn beforehand, or a fixed one in a test)
/// and, through [`RandCore`], by every generator of the `rand_core` family.
///
/// ```
/// use resil_core::Entropy;
///
/// fn coin(entropy: impl Entropy) -> bool {
///     entropy.draw() & 1 == 1
/// }
/// assert!(coin(7));
/// let mut state = 0;
/// assert!(coin(|| { state += 1; state }));
/// ```
pub trait Entropy {
    /// Draws 32 random bits.
    fn draw(self) -> u32;
}

impl Entropy for u32 {
    #[inline]
    fn draw(self) -> u32 {
        self
    }
}

impl<F: FnOnce() -> u32> Entropy for F {
    #[inline]
    fn draw(self) -> u32 {
        self()
    }
}

/// A `rand_core` generator as [`Entropy`].
///
/// ```
/// use resil_core::{Entropy, entropy::RandCore};
/// # struct Lcg(u64);
/// # impl rand_core::TryRng for Lcg {
/// #     type Error = core::convert::Infallible;
/// #     fn try_next_u32(&mut self) -> Result<u32, Self::Error> { self.0 += 1; Ok(self.0 as u32) }
/// #     fn try_next_u64(&mut self) -> Result<u64, Self::Error> { self.0 += 1; Ok(self.0) }
/// #     fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> { Ok(()) }
/// # }
///
/// let mut rng = Lcg(41); // any generator: `rand`'s, a hardware one, ...
/// assert_eq!(RandCore(&mut rng).draw(), 42);
/// ```
#[derive(Debug)]
pub struct RandCore<'a, R: ?Sized>(pub &'a mut R);

impl<R: rand_core::Rng + ?Sized> Entropy for RandCore<'_, R> {
    #[inline]
    fn draw(self) -> u32 {
        self.0.next_u32()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_closure_draws_is_what_it_says_and_it_is_asked_once() {
        let mut asked = 0;
        let drawn = (|| {
            asked += 1;
            0xDEAD_BEEF
        })
        .draw();
        assert_eq!((drawn, asked), (0xDEAD_BEEF, 1));
    }
}
