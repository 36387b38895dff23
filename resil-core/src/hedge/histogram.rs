//! Latencies in buckets whose width grows with them.

use crate::ratio::Ratio;
use crate::snapshot::{Reader, SnapshotError, Writer};

/// Bits below the leading one that tell buckets apart: the relative error is at most 2^-3.
const MANTISSA: u32 = 3;

/// Buckets in an octave.
const PER_OCTAVE: usize = 1 << MANTISSA;

/// Octaves.
pub(super) const OCTAVES: u32 = 16;

const BUCKETS: usize = PER_OCTAVE * OCTAVES as usize;

/// The last of them.
const LAST: usize = BUCKETS - 1;

/// The bits of a bucket's number that say which of its octave it is.
const IN_OCTAVE: u64 = PER_OCTAVE as u64 - 1;

/// What a [`HedgePolicy`](super::HedgePolicy) remembers of a peer: how often which latency was seen.
///
/// 131 bytes: 128 counts, their total, and a cursor at the bucket of the quantile with the count
/// below it. The policy says how long the latencies of the first bucket are.
#[derive(Clone, PartialEq, Eq)]
pub struct HedgeState {
    counts: [u8; BUCKETS],
    total: u8,
    /// Samples below the cursor.
    below: u8,
    cursor: u8,
}

const _: () = assert!(size_of::<HedgeState>() <= 160);

/// Bytes that `write` writes.
pub(super) const PAYLOAD: usize = BUCKETS + 1;

impl HedgeState {
    /// No samples.
    pub const FRESH: Self = Self { counts: [0; BUCKETS], total: 0, below: 0, cursor: 0 };

    /// How many samples are remembered, at most 255.
    #[must_use]
    pub const fn samples(&self) -> u8 {
        self.total
    }

    /// Counts a latency, of which 2^`shift` ns is the shortest that can be told apart.
    pub(super) fn add(&mut self, nanos: u64, shift: u32, quantile: Ratio) {
        if self.total == u8::MAX {
            self.halve();
        }
        let bucket = bucket_of(nanos, shift);
        let Some(count) = self.counts.get_mut(bucket) else { return };
        *count = count.saturating_add(1);
        self.total = self.total.saturating_add(1);
        if bucket < usize::from(self.cursor) {
            self.below = self.below.saturating_add(1);
        }
        self.settle(quantile);
    }

    /// The end of the bucket in which the quantile lies: more than the sample, by an eighth at most.
    pub(super) const fn estimate(&self, shift: u32) -> u64 {
        let octave = (self.cursor as u32) >> MANTISSA;
        let steps = (self.cursor as u64 & IN_OCTAVE).wrapping_add(1);
        let base = 1_u64 << shift.saturating_add(octave);
        base.saturating_add((base >> MANTISSA).saturating_mul(steps))
    }

    /// The same samples in buckets that begin `octaves` later (or earlier, where it is negative).
    pub(super) fn moved(&self, octaves: i32, quantile: Ratio) -> Self {
        let mut moved = Self::FRESH;
        let by = octaves.saturating_mul(PER_OCTAVE as i32);
        for (bucket, &count) in self.counts.iter().enumerate() {
            let to = (bucket as i32).saturating_sub(by).clamp(0, LAST as i32);
            if let Some(slot) = moved.counts.get_mut(to as usize) {
                *slot = slot.saturating_add(count);
            }
        }
        moved.total = self.total;
        moved.settle(quantile);
        moved
    }

    pub(super) fn write(&self, shift: u32, to: &mut Writer<'_>) {
        to.u8(shift as u8);
        to.bytes(&self.counts);
    }

    pub(super) fn read(
        from: &mut Reader<'_>,
        shift: u32,
        quantile: Ratio,
    ) -> Result<Self, SnapshotError> {
        if u32::from(from.u8()?) != shift {
            return Err(SnapshotError::Invalid);
        }
        let mut state = Self { counts: from.bytes()?, ..Self::FRESH };
        for &count in &state.counts {
            state.total = state.total.checked_add(count).ok_or(SnapshotError::Invalid)?;
        }
        state.settle(quantile);
        Ok(state)
    }

    /// Halves what was counted up to each bucket, not what each counted: so the rank of every latency
    /// moves by less than one, and a tail of single samples is not lost.
    fn halve(&mut self) {
        let (mut sum, mut kept) = (0_u32, 0_u32);
        for count in &mut self.counts {
            sum = sum.saturating_add(u32::from(*count));
            let half = sum / 2;
            *count = half.saturating_sub(kept) as u8;
            kept = half;
        }
        self.total = kept as u8;
        (self.below, self.cursor) = (0, 0);
    }

    /// Moves the cursor to the first bucket up to which at least `quantile` of the samples lie.
    fn settle(&mut self, quantile: Ratio) {
        let total = u32::from(self.total);
        while self.cursor > 0 && quantile.is_reached(u32::from(self.below), total) {
            self.cursor = self.cursor.saturating_sub(1);
            self.below = self.below.saturating_sub(self.count(self.cursor));
        }
        while usize::from(self.cursor) < LAST {
            let up_to = self.below.saturating_add(self.count(self.cursor));
            if quantile.is_reached(u32::from(up_to), total) {
                return;
            }
            self.below = up_to;
            self.cursor = self.cursor.saturating_add(1);
        }
    }

    fn count(&self, bucket: u8) -> u8 {
        self.counts.get(usize::from(bucket)).copied().unwrap_or(0)
    }
}

impl Default for HedgeState {
    fn default() -> Self {
        Self::FRESH
    }
}

impl core::fmt::Debug for HedgeState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HedgeState")
            .field("samples", &self.total)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for HedgeState {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "HedgeState {{ samples: {}, cursor: {} }}", self.total, self.cursor);
    }
}

/// The leading bits of the latency, from 2^`shift` on.
const fn bucket_of(nanos: u64, shift: u32) -> usize {
    let Some(log2) = nanos.checked_ilog2() else { return 0 };
    let Some(octave) = log2.checked_sub(shift) else { return 0 };
    if octave >= OCTAVES {
        return LAST;
    }
    let mantissa = (nanos >> log2.saturating_sub(MANTISSA)) & IN_OCTAVE;
    ((octave << MANTISSA) | mantissa as u32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const P95: Ratio = Ratio::new(95, 100);
    const SHIFT: u32 = 10;

    #[test]
    fn a_bucket_ends_less_than_an_eighth_above_what_is_in_it() {
        for nanos in (1_024..70_000).chain([1 << 20, (1 << 25) + 12_345, (1 << 26) - 1]) {
            let mut state = HedgeState::FRESH;
            state.add(nanos, SHIFT, P95);
            let estimate = state.estimate(SHIFT);
            assert!(estimate > nanos && estimate - nanos <= nanos / 8, "{nanos}: {estimate}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_at_its_ends() {
        let (first, last) = (1_024 + 128, 1 << 26);
        for (nanos, estimate) in
            [(0, first), (1, first), (1_023, first), (1 << 26, last), (u64::MAX, last)]
        {
            let mut state = HedgeState::FRESH;
            state.add(nanos, SHIFT, P95);
            assert_eq!(state.estimate(SHIFT), estimate, "{nanos}");
        }
    }

    #[test]
    fn the_counts_are_what_the_total_says() {
        let mut state = HedgeState::FRESH;
        for step in 0..5_000_u64 {
            state.add(1 << (10 + step % 17), SHIFT, P95);
            let sum: u32 = state.counts.iter().map(|&count| u32::from(count)).sum();
            let below: u32 =
                state.counts[..usize::from(state.cursor)].iter().map(|&n| u32::from(n)).sum();
            assert_eq!((u32::from(state.total), u32::from(state.below)), (sum, below));
            assert!(step < 254 || state.total >= 127);
        }
    }

    #[test]
    fn halving_keeps_a_tail_of_single_samples() {
        let mut state = HedgeState::FRESH;
        // 225 short ones, and 30 that are each in a bucket of their own.
        for _ in 0..225 {
            state.add(2_000, SHIFT, P95);
        }
        for bucket in 64..94_u64 {
            state.add((8 + bucket % 8) << (bucket / 8 + 7), SHIFT, P95);
        }
        let before = state.estimate(SHIFT);
        assert_eq!(state.samples(), 255);
        state.halve();
        state.settle(P95);
        let tail: u32 = state.counts[64..].iter().map(|&count| u32::from(count)).sum();
        assert_eq!((state.samples(), tail), (127, 15));
        assert!(state.estimate(SHIFT).abs_diff(before) <= before / 4);
    }

    #[test]
    fn other_buckets_keep_the_estimate() {
        let mut state = HedgeState::FRESH;
        for nanos in [3_000, 5_000, 90_000, 1 << 24] {
            state.add(nanos, SHIFT, P95);
        }
        let moved = state.moved(-4, P95);
        assert_eq!(moved.estimate(SHIFT - 4), 1 << 22, "the last bucket");
        let moved = state.moved(2, P95);
        assert_eq!(moved.estimate(SHIFT + 2), state.estimate(SHIFT));
        assert_eq!(state.moved(0, P95), state);
    }
}
