//! How much a silence says, as a number: the logarithm of how improbable it is.

use core::fmt;

/// Fraction bits of a silence in standard deviations.
pub(super) const FRACTION: u32 = 12;

/// A level of suspicion in sixteenths, 0 to 16: a silence of φ happens to a living peer once in 10^φ
/// intervals, if these are spread normally.
///
/// ```
/// use resil_core::health::Phi;
///
/// assert_eq!(Phi::new(8), Phi::from_sixteenths(128));
/// assert_eq!(Phi::from_sixteenths(137).to_string(), "8.5625");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Phi(u16);

impl Phi {
    /// The largest level that is told apart: 16. A silence that says more reads as this.
    pub const MAX: Self = Self(256);

    /// A whole level.
    #[must_use]
    pub const fn new(level: u8) -> Self {
        Self((level as u16) << 4)
    }

    /// A level in sixteenths.
    #[must_use]
    pub const fn from_sixteenths(sixteenths: u16) -> Self {
        Self(sixteenths)
    }

    /// The level in sixteenths.
    #[must_use]
    pub const fn sixteenths(self) -> u16 {
        self.0
    }

    /// The silence beyond mean and pause that reaches this level, in 1/4096 of a standard deviation;
    /// `None` for 0, which is always reached, and above 16.
    pub(super) const fn reached_at(self) -> Option<i16> {
        let mut levels: &[i16] = &REACHED_AT;
        let mut left = self.0;
        while let [first, rest @ ..] = levels {
            left = match left.checked_sub(1) {
                None => return None,
                Some(0) => return Some(*first),
                Some(left) => left,
            };
            levels = rest;
        }
        None
    }

    /// The level that a silence of `beyond` units more than mean and pause has reached, where the
    /// standard deviation is `deviation` units. Each bit of the level is found by one multiplication.
    pub(super) fn of(beyond: i64, deviation: u32) -> Self {
        let beyond = beyond.saturating_mul(1 << FRACTION);
        let reached = |level: usize| {
            let at = level.checked_sub(1).and_then(|index| REACHED_AT.get(index));
            at.is_some_and(|&at| beyond >= i64::from(at).saturating_mul(i64::from(deviation)))
        };
        if reached(256) {
            return Self::MAX;
        }
        let mut level = 0_u8;
        for bit in [128, 64, 32, 16, 8, 4, 2, 1] {
            if reached(usize::from(level | bit)) {
                level |= bit;
            }
        }
        Self(u16::from(level))
    }
}

impl fmt::Display for Phi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = (self.0 & 15).saturating_mul(625);
        let text = crate::text::Text::<12>::display(&format_args!("{}.{fraction:04}", self.0 >> 4));
        f.pad(text.as_str())
    }
}

/// The silence at which each sixteenth of φ from 1/16 to 16 is reached, beyond mean and pause, in
/// 1/4096 of a standard deviation.
///
/// It is the y for which `log10(1 + exp(y · (1.5976 + 0.070566 · y²))) = φ`: the logistic
/// approximation of the normal distribution that Akka and Pekko use (`PhiAccrualFailureDetector`),
/// turned round. A test works all of them out again.
#[rustfmt::skip]
static REACHED_AT: [i16; 256] = [
    -4538, -2760, -1570, -642, 134, 808, 1410, 1957, 2461, 2930, 3369, 3783,
    4176, 4551, 4909, 5252, 5582, 5901, 6208, 6506, 6795, 7075, 7347, 7612,
    7870, 8121, 8367, 8607, 8841, 9070, 9294, 9514, 9729, 9940, 10_147, 10_350,
    10_549, 10_744, 10_936, 11_125, 11_311, 11_493, 11_673, 11_850, 12_023, 12_195, 12_363, 12_529,
    12_693, 12_854, 13_013, 13_170, 13_325, 13_478, 13_628, 13_777, 13_924, 14_069, 14_212, 14_353,
    14_493, 14_631, 14_767, 14_902, 15_035, 15_167, 15_297, 15_426, 15_553, 15_679, 15_804, 15_928,
    16_050, 16_171, 16_291, 16_409, 16_527, 16_643, 16_758, 16_872, 16_985, 17_097, 17_208, 17_318,
    17_427, 17_535, 17_643, 17_749, 17_854, 17_959, 18_062, 18_165, 18_267, 18_368, 18_468, 18_568,
    18_666, 18_764, 18_862, 18_958, 19_054, 19_149, 19_243, 19_337, 19_430, 19_522, 19_614, 19_705,
    19_795, 19_885, 19_974, 20_063, 20_151, 20_238, 20_325, 20_411, 20_497, 20_582, 20_667, 20_751,
    20_835, 20_918, 21_000, 21_082, 21_164, 21_245, 21_326, 21_406, 21_485, 21_564, 21_643, 21_721,
    21_799, 21_877, 21_954, 22_030, 22_106, 22_182, 22_257, 22_332, 22_407, 22_481, 22_555, 22_628,
    22_701, 22_774, 22_846, 22_918, 22_989, 23_060, 23_131, 23_201, 23_272, 23_341, 23_411, 23_480,
    23_549, 23_617, 23_685, 23_753, 23_820, 23_887, 23_954, 24_021, 24_087, 24_153, 24_219, 24_284,
    24_349, 24_414, 24_478, 24_543, 24_607, 24_670, 24_734, 24_797, 24_860, 24_922, 24_985, 25_047,
    25_109, 25_170, 25_231, 25_293, 25_353, 25_414, 25_474, 25_534, 25_594, 25_654, 25_713, 25_773,
    25_831, 25_890, 25_949, 26_007, 26_065, 26_123, 26_181, 26_238, 26_295, 26_352, 26_409, 26_466,
    26_522, 26_578, 26_634, 26_690, 26_746, 26_801, 26_856, 26_911, 26_966, 27_021, 27_075, 27_129,
    27_183, 27_237, 27_291, 27_344, 27_398, 27_451, 27_504, 27_557, 27_609, 27_662, 27_714, 27_766,
    27_818, 27_870, 27_922, 27_973, 28_024, 28_076, 28_127, 28_177, 28_228, 28_279, 28_329, 28_379,
    28_429, 28_479, 28_529, 28_578, 28_628, 28_677, 28_726, 28_775, 28_824, 28_873, 28_921, 28_970,
    29_018, 29_066, 29_114, 29_162,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    /// Pekko's φ of a silence of `y` standard deviations beyond mean and pause.
    fn reference(y: f64) -> f64 {
        (y * (1.5976 + 0.070_566 * y * y)).exp().ln_1p() / core::f64::consts::LN_10
    }

    /// Where the reference reaches `phi`, by halving.
    fn silence_of(phi: f64) -> f64 {
        let (mut low, mut high) = (-20.0, 20.0);
        for _ in 0..100 {
            let middle = f64::midpoint(low, high);
            if reference(middle) < phi { low = middle } else { high = middle }
        }
        high
    }

    #[test]
    fn the_table_is_the_reference_turned_round() {
        for (index, &at) in (1_u16..).zip(&REACHED_AT) {
            let exact = silence_of(f64::from(index) / 16.0) * 4096.0;
            assert!((f64::from(at) - exact).abs() <= 0.5 + 1e-6, "{index}: {at} {exact}");
            assert_eq!(Phi(index).reached_at(), Some(at));
        }
        assert!(REACHED_AT.is_sorted_by(|a, b| a < b));
        assert_eq!(Phi(0).reached_at(), None);
        assert_eq!(Phi(257).reached_at(), None);
    }

    /// The squares of silences that are published for Pekko's formula.
    #[test]
    fn the_squared_form_has_the_known_factors() {
        for (phi, square) in [
            (1, 1.6441),
            (2, 5.3951),
            (3, 9.3571),
            (4, 13.2358),
            (5, 16.9677),
            (6, 20.5492),
            (8, 27.3109),
            (10, 33.6287),
            (12, 39.5908),
        ] {
            let exact = silence_of(phi.into()).powi(2);
            assert!((exact - square).abs() < 6e-5, "{phi}: {exact}");
            let ours = (f64::from(Phi::new(phi).reached_at().unwrap()) / 4096.0).powi(2);
            assert!((ours / exact - 1.0).abs() < 3e-4, "{phi}: {ours} {exact}");
        }
    }

    #[test]
    fn a_level_is_reached_exactly_where_the_table_says() {
        for deviation in [1, 512, 4096, 1 << 30] {
            for level in 1..=256 {
                let at = i64::from(Phi(level).reached_at().unwrap()) * i64::from(deviation);
                let first = at.div_euclid(4096) + i64::from(at.rem_euclid(4096) != 0);
                assert!(Phi::of(first, deviation) >= Phi(level));
                assert!(Phi::of(first - 1, deviation) < Phi(level));
            }
        }
        assert_eq!(Phi::of(i64::MIN, u32::MAX), Phi(0));
        assert_eq!(Phi::of(i64::MAX, u32::MAX), Phi::MAX);
    }

    #[test]
    fn sixteenths_are_written_out() {
        assert_eq!(Phi::MAX.to_string(), "16.0000");
        assert_eq!(Phi::from_sixteenths(1).to_string(), "0.0625");
    }
}
