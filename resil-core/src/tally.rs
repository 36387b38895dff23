//! Counts of the last while: a ring of sub-windows with running totals.

use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::time::Instant;

/// `C` counters over the last `K` sub-windows, whose width the policy keeps.
///
/// # Law
///
/// What was added at t is in the totals while `now < t + (K - 1) · width`, and is not from
/// `t + K · width` on. The totals are the sum of the ring, always. Whatever time has passed, a call
/// clears at most `K` sub-windows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Tally<const C: usize, const K: usize> {
    /// When the present sub-window began.
    since: Instant,
    ring: [[u32; C]; K],
    totals: [u32; C],
    present: u8,
}

impl<const C: usize, const K: usize> Tally<C, K> {
    pub(crate) const EMPTY: Self = {
        assert!(K >= 1 && K <= 255, "a ring has 1 to 255 sub-windows");
        Self { since: Instant::EPOCH, ring: [[0; C]; K], totals: [0; C], present: 0 }
    };

    /// The totals as of the last call of [`advance`](Self::advance).
    #[inline]
    pub(crate) const fn totals(&self) -> &[u32; C] {
        &self.totals
    }

    /// When the present sub-window began.
    #[inline]
    pub(crate) const fn since(&self) -> Instant {
        self.since
    }

    /// The totals at `now`, without writing.
    pub(crate) fn totals_at(&self, width: u64, now: Instant) -> [u32; C] {
        let mut ahead = self.clone();
        ahead.advance(width, now);
        ahead.totals
    }

    /// Adds `by` to a counter of the present sub-window; call [`advance`](Self::advance) before. What
    /// does not fit into 32 bits is not counted.
    pub(crate) fn add(&mut self, counter: usize, by: u32) {
        let slot =
            self.ring.get_mut(usize::from(self.present)).and_then(|row| row.get_mut(counter));
        let (Some(slot), Some(total)) = (slot, self.totals.get_mut(counter)) else { return };
        if let Some(sum) = total.checked_add(by) {
            *total = sum;
            *slot = slot.saturating_add(by);
        }
    }

    /// Takes back one that was added in the sub-window that began at [`since`](Self::since), unless that
    /// has left the window, or was moved by a clock that stepped back: no other one is taken for it. Call
    /// [`advance`](Self::advance) before.
    pub(crate) fn take(&mut self, counter: usize, width: u64, since: Instant) {
        let Some(age) = self.since.as_nanos().checked_sub(since.as_nanos()) else { return };
        let passed = (0..K).find(|&passed| age == width.saturating_mul(passed as u64));
        let Some(index) = passed.map(|passed| self.index(K.saturating_sub(passed))) else { return };
        let slot = self.ring.get_mut(index).and_then(|row| row.get_mut(counter));
        let (Some(slot), Some(total)) = (slot, self.totals.get_mut(counter)) else { return };
        if *slot > 0 {
            *slot = slot.saturating_sub(1);
            *total = total.saturating_sub(1);
        }
    }

    /// Forgets what has left the window. A clock that stepped back by more than the window leaves
    /// nothing counted for longer than a window and a half.
    pub(crate) fn advance(&mut self, width: u64, now: Instant) {
        let window = width.saturating_mul(K as u64);
        let elapsed = now.nanos_since(self.since);
        if elapsed >= window {
            *self = Self { since: now, ..Self::EMPTY };
            return;
        }
        self.since = self.since.min(now.plus_nanos(window / 2));
        let mut left = elapsed;
        while left >= width {
            left = left.saturating_sub(width);
            self.since = self.since.plus_nanos(width);
            self.next();
        }
    }

    /// When the oldest sub-window that counts something leaves; `None` when nothing is counted, or
    /// when time ends before.
    pub(crate) fn next_change(&self, width: u64) -> Option<Instant> {
        let oldest = (1..=K).find(|&step| self.nth_oldest(step) != [0; C])?;
        let ahead = width.checked_mul(oldest as u64)?;
        self.since.as_nanos().checked_add(ahead).map(Instant::from_nanos)
    }

    /// The row that leaves when `step` more sub-windows have begun.
    fn nth_oldest(&self, step: usize) -> [u32; C] {
        self.ring.get(self.index(step)).copied().unwrap_or([0; C])
    }

    /// Where it is in the ring; `step` is at most `K`.
    fn index(&self, step: usize) -> usize {
        let index = usize::from(self.present).saturating_add(step);
        if index >= K { index.saturating_sub(K) } else { index }
    }

    /// The sub-windows, the oldest first.
    pub(crate) fn rows(&self) -> impl Iterator<Item = [u32; C]> + '_ {
        (1..=K).map(|step| self.nth_oldest(step))
    }

    /// Bytes in a snapshot.
    pub(crate) const PAYLOAD: usize = K.saturating_mul(C).saturating_mul(4).saturating_add(8);

    /// Writes what is in the window at `now`.
    pub(crate) fn write(&self, width: u64, now: Instant, to: &mut Writer<'_>) {
        let mut tally = self.clone();
        tally.advance(width, now);
        to.remaining(tally.since.plus_nanos(width), now);
        tally.rows().flatten().for_each(|count| to.u32(count));
    }

    /// Reads it back. Where the clock began again less than a sub-window ago, the present
    /// sub-window counts from there, and so lasts up to a width longer.
    pub(crate) fn read(
        width: u64,
        from: &mut Reader<'_>,
        now: Instant,
    ) -> Result<Self, SnapshotError> {
        let ahead = width.saturating_mul(K as u64) / 2;
        let ends = from.remaining(width.saturating_add(ahead), now)?;
        let since = Instant::from_nanos(ends.nanos_since(Instant::from_nanos(width)));
        let mut tally = Self { since, present: K.saturating_sub(1) as u8, ..Self::EMPTY };
        for row in &mut tally.ring {
            for (count, total) in row.iter_mut().zip(&mut tally.totals) {
                *count = from.u32()?;
                *total = total.checked_add(*count).ok_or(SnapshotError::Invalid)?;
            }
        }
        Ok(tally)
    }

    /// Begins the next sub-window over the oldest.
    fn next(&mut self) {
        self.present = self.present.saturating_add(1);
        if usize::from(self.present) >= K {
            self.present = 0;
        }
        if let Some(row) = self.ring.get_mut(usize::from(self.present)) {
            for (total, left) in self.totals.iter_mut().zip(row.iter_mut()) {
                *total = total.saturating_sub(*left);
                *left = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: u64 = 10;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    fn one_at(nanos: u64) -> Tally<1, 4> {
        let mut tally = Tally::EMPTY;
        tally.advance(WIDTH, at(nanos));
        tally.add(0, 1);
        tally
    }

    #[test]
    fn what_was_added_leaves_on_schedule_pitfall_44() {
        let tally = one_at(1_000);
        for (now, count) in [(1_000, 1), (1_039, 1), (1_040, 0), (u64::MAX, 0)] {
            assert_eq!(tally.totals_at(WIDTH, at(now)), [count], "{now}");
        }
        assert_eq!(tally.next_change(WIDTH), Some(at(1_040)));
    }

    #[test]
    fn what_stays_until_time_ends_has_no_deadline() {
        let last = u64::MAX - 4 * WIDTH;
        assert_eq!(one_at(last).next_change(WIDTH), Some(Instant::MAX));
        assert_eq!(one_at(last + 1).next_change(WIDTH), None);
        assert_eq!(one_at(u64::MAX).next_change(WIDTH), None);
    }

    #[test]
    fn several_widths_in_one_step_clear_what_they_pass_pitfall_36() {
        let mut tally = one_at(1_000);
        tally.advance(WIDTH, at(1_025));
        tally.add(0, 2);
        assert_eq!(tally.totals(), &[3]);
        assert_eq!(tally.totals_at(WIDTH, at(1_040)), [2]);
        assert_eq!(tally.totals_at(WIDTH, at(1_060)), [0]);
    }

    #[test]
    fn the_totals_are_the_sum_of_the_ring_pitfall_35() {
        let mut tally = Tally::<2, 3>::EMPTY;
        let mut now = 5;
        for step in 0..1_000_u32 {
            now += u64::from(step.wrapping_mul(2_654_435_761) >> 27);
            tally.advance(WIDTH, at(now));
            tally.add(step as usize % 2, step);
            let sum = tally.ring.iter().fold([0; 2], |sum, row| [sum[0] + row[0], sum[1] + row[1]]);
            assert_eq!(tally.totals(), &sum);
        }
    }

    #[test]
    fn a_clock_that_steps_back_keeps_nothing_for_much_longer() {
        let mut tally = one_at(1_000_000);
        tally.advance(WIDTH, at(500));
        assert_eq!(tally.totals(), &[1]);
        assert_eq!(tally.totals_at(WIDTH, at(500 + 60)), [0]);
    }

    #[test]
    fn what_is_taken_back_leaves_the_sub_window_that_it_was_counted_in() {
        for (taken, left) in [(1_000, 0), (999, 1), (1_001, 1), (1_010, 1), (960, 1), (1_040, 1)] {
            let mut tally = one_at(1_000);
            tally.advance(WIDTH, at(1_035));
            tally.add(0, 1);
            tally.take(0, WIDTH, at(taken));
            assert_eq!(tally.totals(), &[1 + left], "{taken}");
            assert_eq!(tally.totals_at(WIDTH, at(1_040)), [1], "the other one stays");
            tally.take(0, WIDTH, at(taken));
            assert_eq!(tally.totals(), &[1 + left], "once");
        }
    }

    #[test]
    fn what_does_not_fit_is_not_counted() {
        let mut tally = one_at(0);
        tally.add(0, u32::MAX);
        assert_eq!(tally.totals(), &[1]);
        assert_eq!(tally.ring[0], [1]);
    }
}
