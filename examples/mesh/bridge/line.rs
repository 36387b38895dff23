//! The wire to the firmware, and what disturbs it: frames are lost, damaged, late, or the wire is cut.
//!
//! What becomes of a frame is a value that the seed decides, by `resil_core::chaos`; the same seed and
//! the same frames give the same damage. Frames keep their order: one that is late holds up the next.

use crate::wire::{LineCounts, Noise};
use anyhow::Context;
use core::time::Duration;
use resil_core::chaos::{Chaos, ChaosPolicy, Fault, Stream};

/// Numbers of the sequences that are drawn from one seed.
const FAULTS: u64 = 1;
const DAMAGE: u64 = 2;

/// One direction of the wire.
#[derive(Debug)]
pub(super) struct Line {
    chaos: Chaos,
    damage: Stream,
    is_cut: bool,
    counts: LineCounts,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It arrives, this much later.
    Arrives { after: Duration },
    /// It does not.
    Lost,
}

impl Line {
    /// A line without noise; what noise there will be depends on `seed`.
    pub(super) fn new(seed: u64) -> anyhow::Result<Self> {
        let seeds = Stream::new(seed);
        let chaos = Chaos::new(policy(Noise::default())?, seeds.fork(FAULTS).next());
        let damage = seeds.fork(DAMAGE);
        Ok(Self { chaos, damage, is_cut: false, counts: LineCounts::default() })
    }

    /// This much noise from now on.
    ///
    /// # Errors
    ///
    /// The rates are no policy: together they are above a million.
    pub(super) fn set_noise(&mut self, noise: Noise) -> anyhow::Result<()> {
        self.chaos.reconfigure(policy(noise)?);
        Ok(())
    }

    /// Nothing arrives while the line is cut.
    pub(super) fn set_cut(&mut self, is_cut: bool) {
        self.is_cut = is_cut;
    }

    /// What has happened to frames so far.
    pub(super) fn counts(&self) -> LineCounts {
        self.counts
    }

    /// Decides what becomes of the next frame, and damages it if that is its fate.
    pub(super) fn pass(&mut self, frame: &mut [u8]) -> Fate {
        self.counts.frames += 1;
        if self.is_cut {
            self.counts.cut += 1;
            return Fate::Lost;
        }
        let fault = self.chaos.inject();
        match fault {
            Fault::Drop => {
                self.counts.lost += 1;
                return Fate::Lost;
            }
            Fault::Error => {
                self.counts.corrupted += 1;
                corrupt(frame, &mut self.damage);
            }
            Fault::Delay { .. } => self.counts.delayed += 1,
            // The policy orders nothing else.
            _ => {}
        }
        Fate::Arrives { after: fault.delay() }
    }
}

/// Changes one byte, to anything that it was not: to a zero, too, which cuts the frame in two.
fn corrupt(frame: &mut [u8], damage: &mut Stream) {
    let (place, flip) = (damage.next_u32() as usize, damage.next_u32() % 255 + 1);
    if let Some(at) = place.checked_rem(frame.len()) {
        frame[at] ^= flip as u8; // 1 to 255
    }
}

fn policy(Noise { lost, corrupted, delayed, longest }: Noise) -> anyhow::Result<ChaosPolicy> {
    ChaosPolicy::builder()
        .drops(lost)
        .errors(corrupted)
        .delays(delayed, Duration::ZERO, longest)
        .build()
        .context("this is no noise")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings;

    const FRAMES: usize = 20_000;

    /// What becomes of equal frames, and what they are like then.
    fn run(seed: u64, noise: Noise) -> (Vec<(Fate, Vec<u8>)>, LineCounts) {
        let mut line = Line::new(seed).unwrap();
        line.set_noise(noise).unwrap();
        let mut pass = |_| {
            let mut frame = b"a frame\0".to_vec();
            (line.pass(&mut frame), frame)
        };
        let fates = (0..FRAMES).map(&mut pass).collect();
        (fates, line.counts())
    }

    #[test]
    fn the_seed_alone_decides_what_becomes_of_a_frame() {
        assert_eq!(run(1, settings::LINE_NOISE), run(1, settings::LINE_NOISE));
        assert_ne!(run(1, settings::LINE_NOISE).0, run(2, settings::LINE_NOISE).0);
    }

    #[test]
    fn each_fault_is_counted_and_has_its_rate() {
        let noise = settings::LINE_NOISE;
        let (fates, counts) = run(1, noise);
        let lost = fates.iter().filter(|(fate, _)| *fate == Fate::Lost).count() as u64;
        let damaged = fates.iter().filter(|(_, frame)| frame != b"a frame\0").count() as u64;
        let late = |fate: &Fate| matches!(fate, Fate::Arrives { after } if !after.is_zero());
        let late = fates.iter().filter(|(fate, _)| late(fate)).count() as u64;
        assert_eq!((counts.lost, counts.corrupted, counts.delayed), (lost, damaged, late));
        for (count, rate) in [(lost, noise.lost), (damaged, noise.corrupted), (late, noise.delayed)]
        {
            let expected = u64::from(rate) * FRAMES as u64 / 1_000_000;
            assert!((expected / 2..=expected * 2).contains(&count), "{count} of {expected}");
        }
        let longest = fates.iter().filter_map(|(fate, _)| match fate {
            Fate::Arrives { after } => Some(*after),
            Fate::Lost => None,
        });
        assert!(longest.max().unwrap() <= noise.longest);
    }

    #[test]
    fn nothing_passes_a_cut_line_and_the_noise_goes_on_after_it_as_it_would_have() {
        let whole = run(1, settings::LINE_NOISE).0;
        let mut line = Line::new(1).unwrap();
        line.set_noise(settings::LINE_NOISE).unwrap();
        line.set_cut(true);
        for _ in 0..100 {
            assert_eq!(line.pass(&mut b"a frame\0".to_vec()), Fate::Lost);
        }
        line.set_cut(false);
        for (fate, damaged) in whole {
            let mut frame = b"a frame\0".to_vec();
            assert_eq!((line.pass(&mut frame), frame), (fate, damaged));
        }
        assert_eq!(line.counts().cut, 100);
    }

    #[test]
    fn a_line_without_noise_changes_nothing() {
        let (fates, counts) = run(1, Noise::default());
        let unchanged = (Fate::Arrives { after: Duration::ZERO }, b"a frame\0".to_vec());
        assert!(fates.iter().all(|fate| *fate == unchanged));
        assert_eq!(counts, LineCounts { frames: FRAMES as u64, ..LineCounts::default() });
    }

    #[test]
    fn noise_above_the_whole_is_an_error() {
        let too_much = Noise { lost: 600_000, corrupted: 600_000, ..Noise::default() };
        assert!(Line::new(1).unwrap().set_noise(too_much).is_err());
    }
}
