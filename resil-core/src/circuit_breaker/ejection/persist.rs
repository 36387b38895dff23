//! The rule over a reboot, and under another policy.

use super::config::EjectionConfig;
use super::peers::{Bits, EjectionState, Heard};
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;

impl<const WORDS: usize> EjectionConfig<WORDS> {
    /// What `state`, decided about by `old` so far, is under this policy: the same peers, ejected or
    /// not. What was heard counts for as long as this policy says (not once its window is over), from
    /// when its half of the old window began.
    #[must_use]
    pub fn inherit(
        &self,
        old: &Self,
        state: &EjectionState<WORDS>,
        now: Instant,
    ) -> EjectionState<WORDS> {
        let mut heir = state.clone();
        heir.advance(old.width, now);
        // What was heard before the present half is up to half an old window older than that.
        let older = old.width.saturating_sub(self.width);
        if older > 0 && heir.before.at_all.count() > 0 {
            let since = Instant::from_nanos(heir.since.as_nanos().saturating_sub(older));
            if now.nanos_since(since) < self.width {
                heir.since = since;
            } else {
                heir.before = Heard::NOTHING;
            }
        }
        heir.advance(self.width, now);
        heir
    }
}

/// 12 bytes, and 32 for every 32 peers. Where the clock began again less than half a window ago, what
/// was heard before counts from its epoch on, and so for up to half a window longer.
impl<const WORDS: usize> Persist for EjectionConfig<WORDS> {
    type State = EjectionState<WORDS>;

    const KIND: u8 = kind::EJECTION;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = WORDS.saturating_mul(32).saturating_add(8);

    fn write(&self, state: &Self::State, now: Instant, to: &mut Writer<'_>) {
        let mut state = state.clone();
        state.advance(self.width, now);
        to.remaining(state.since.plus_nanos(self.width), now);
        let EjectionState { known, ejected, present, before, .. } = &state;
        for bits in [known, ejected] {
            bits.0.iter().for_each(|word| to.u32(*word));
        }
        for heard in [present, before] {
            for bits in [&heard.at_all, &heard.failing, &heard.local] {
                bits.0.iter().for_each(|word| to.u32(*word));
            }
        }
    }

    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<Self::State, SnapshotError> {
        let mut state = EjectionState::new();
        let ends = from.remaining(self.width, now)?;
        state.since = Instant::from_nanos(ends.nanos_since(Instant::from_nanos(self.width)));
        let EjectionState { known, ejected, present, before, .. } = &mut state;
        read_bits(known, from)?;
        read_bits(ejected, from)?;
        let mut is_possible = ejected.is_within(known);
        for heard in [present, before] {
            read_bits(&mut heard.at_all, from)?;
            read_bits(&mut heard.failing, from)?;
            read_bits(&mut heard.local, from)?;
            is_possible &= heard.at_all.is_within(known)
                && heard.failing.is_within(&heard.at_all)
                && heard.local.is_within(&heard.failing);
        }
        is_possible &= state.present.at_all.is_apart_from(&state.before.at_all);
        if is_possible { Ok(state) } else { Err(SnapshotError::Invalid) }
    }
}

fn read_bits<const WORDS: usize>(
    bits: &mut Bits<WORDS>,
    from: &mut Reader<'_>,
) -> Result<(), SnapshotError> {
    for word in &mut bits.0 {
        *word = from.u32()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit_breaker::ejection::Blame;
    use crate::outcome::{FailureClass, Outcome};
    use core::time::Duration;

    const NOW: Instant = Instant::from_nanos(1 << 40);

    /// What becomes of a state in flash.
    fn restored(state: &EjectionState) -> Result<EjectionState, SnapshotError> {
        let mut flash = [0; EjectionConfig::<1>::LEN];
        EjectionConfig::DEFAULT.save(state, NOW, &mut flash)?;
        EjectionConfig::DEFAULT.restore(&flash, NOW)
    }

    fn heard(at_all: u32, failing: u32, local: u32) -> Heard<1> {
        Heard { at_all: Bits([at_all]), failing: Bits([failing]), local: Bits([local]) }
    }

    #[test]
    fn under_a_shorter_window_what_it_does_not_reach_back_to_counts_no_more() {
        let of = |seconds| {
            let window = Duration::from_secs(seconds);
            EjectionConfig::<1>::builder().window(window).build().unwrap()
        };
        let at = |second| Instant::from_duration(Duration::from_secs(second));
        let (old, mut state) = (of(120), EjectionState::new());
        for peer in 0..3 {
            let lost = FailureClass::Timeout;
            old.record(&mut state, peer, Outcome::Failure(lost), at(1_000));
        }
        assert_eq!(old.blame(&state, at(1_065)), Blame::Me);
        for (window, now, blame) in [
            (20, 1_065, Blame::Peer),
            (64, 1_065, Blame::Peer),
            (66, 1_065, Blame::Me),
            (240, 1_065, Blame::Me),
            (20, 1_005, Blame::Me),
        ] {
            let new = of(window);
            let heir = new.inherit(&old, &state, at(now));
            assert_eq!(new.blame(&heir, at(now)), blame, "{window} s at {now}");
        }
        let soon = of(80);
        let heir = soon.inherit(&old, &state, at(1_065));
        assert_eq!([1_079, 1_080].map(|now| soon.blame(&heir, at(now))), [Blame::Me, Blame::Peer]);
    }

    #[test]
    fn only_known_peers_are_ejected_heard_of_once_failing_and_failing_by_our_fault() {
        let nothing = || heard(0, 0, 0);
        for (present, before, ejected, is_possible) in [
            (heard(0b011, 0b010, 0b010), heard(0b100, 0b100, 0), 0b101, true),
            (nothing(), nothing(), 0b1000, false),
            (heard(0b1000, 0, 0), nothing(), 0, false),
            (nothing(), heard(0b1000, 0, 0), 0, false),
            (heard(0b001, 0b010, 0), nothing(), 0, false),
            (heard(0b001, 0b010, 0b010), nothing(), 0, false),
            (heard(0b011, 0b010, 0b001), nothing(), 0, false),
            (heard(0b001, 0, 0), heard(0b001, 0, 0), 0, false),
        ] {
            let (known, ejected) = (Bits([0b111]), Bits([ejected]));
            let state = EjectionState { since: NOW, known, ejected, present, before };
            let expected =
                if is_possible { Ok(state.clone()) } else { Err(SnapshotError::Invalid) };
            assert_eq!(restored(&state), expected, "{state:?}");
        }
    }
}
