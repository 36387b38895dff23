//! Whose fault it is: the limit on open breakers, and the verdict on the node itself.

use core::time::Duration;
use proptest::prelude::*;
use resil_core::call::Bound;
use resil_core::circuit_breaker::ejection::{
    Blame, Ejection, EjectionConfig, EjectionState, Ruling, Spared,
};
use resil_core::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerState, State, Transition};
use resil_core::outcome::FailureClass;
use resil_core::snapshot::{Persist, SnapshotError};
use resil_core::{Instant, Outcome, Ratio, valid};
use std::collections::BTreeMap;

const FAILURE: Outcome = Outcome::Failure(FailureClass::Transient);
const LOCAL: Outcome = Outcome::Failure(FailureClass::Local);

fn s(at: u64) -> Instant {
    Instant::from_duration(Duration::from_secs(at))
}

/// The defaults, with `peers` known.
fn of(peers: usize) -> Ejection {
    let mut rule = Ejection::new(EjectionConfig::DEFAULT);
    (0..peers).for_each(|peer| rule.join(peer));
    rule
}

#[test]
fn sizes() {
    assert_eq!(size_of::<EjectionState>(), 40);
    assert_eq!(size_of::<EjectionState<8>>(), 8 + 8 * 32);
}

#[test]
fn the_limit_holds_after_the_ejection_pitfall_45() {
    for peers in 1..=32 {
        let mut rule = of(peers);
        for peer in 0..peers {
            rule.record(peer, Outcome::Success, s(0));
        }
        let ejected = (0..peers).filter(|peer| rule.try_eject(*peer, s(0)).is_ok()).count() as u32;
        assert_eq!(rule.ejected(), ejected);
        // From three on, most are never ejected; of one and of two, one is.
        assert_eq!(ejected, EjectionConfig::DEFAULT.limit(peers as u32), "{peers}");
        assert!(peers == 1 || ejected < peers as u32, "one stays callable");
        assert!(ejected <= 1 || 2 * ejected <= peers as u32);
    }
}

#[test]
fn who_is_readmitted_is_like_new_pitfall_46() {
    let mut rule = of(4);
    rule.record(0, FAILURE, s(0));
    assert_eq!(rule.try_eject(0, s(0)), Ok(()));
    rule.readmit(0);
    assert_eq!(*rule.as_state(), {
        let mut new = of(4);
        new.record(1, Outcome::Ignored, s(0));
        new.as_state().clone()
    });
    assert_eq!(rule.try_eject(1, s(0)), Ok(()), "its place is free");
}

#[test]
fn most_peers_failing_is_my_fault_until_one_answers() {
    let mut rule = of(4);
    assert_eq!(rule.record(0, Outcome::Success, s(0)), Blame::Peer);
    assert_eq!(rule.record(1, FAILURE, s(1)), Blame::Peer);
    assert_eq!(rule.record(2, FAILURE, s(1)), Blame::Peer, "two of three");
    assert_eq!(rule.record(3, Outcome::Failure(FailureClass::Timeout), s(1)), Blame::Me);
    assert_eq!(rule.try_eject(3, s(1)), Err(Spared::OwnFault));
    assert_eq!(rule.record(2, Outcome::Success, s(2)), Blame::Peer);
    assert_eq!(rule.try_eject(3, s(2)), Ok(()));
}

#[test]
fn two_failing_peers_say_nothing_about_me() {
    let mut rule = of(2);
    rule.record(0, FAILURE, s(0));
    assert_eq!(rule.record(1, FAILURE, s(0)), Blame::Peer);
}

#[test]
fn what_fails_by_our_own_fault_is_mine_when_it_is_most() {
    let mut rule = of(10);
    assert_eq!(rule.record(0, LOCAL, s(0)), Blame::Me);
    assert_eq!(rule.record(1, FAILURE, s(0)), Blame::Peer, "one each");
    assert_eq!(rule.record(2, LOCAL, s(0)), Blame::Me);
    assert_eq!(rule.try_eject(1, s(0)), Err(Spared::OwnFault));
    assert_eq!(rule.record(2, Outcome::Success, s(0)), Blame::Peer);
}

#[test]
fn what_was_said_counts_for_half_a_window_and_not_after_it() {
    let mut rule = of(3);
    for peer in 0..3 {
        rule.record(peer, FAILURE, s(10));
    }
    for (second, blame) in [(40, Blame::Me), (59, Blame::Me), (60, Blame::Peer)] {
        assert_eq!(rule.blame(s(second)), blame, "{second}");
    }
    assert_eq!(rule.next_deadline(s(10)), Some(s(60)), "halves of 30 s, from the epoch on");
}

#[test]
fn an_index_beyond_the_table_is_never_ejected() {
    let mut rule = of(3);
    assert_eq!(rule.try_eject(32, s(0)), Err(Spared::TooMany));
    rule.record(usize::MAX, FAILURE, s(0));
    assert_eq!((rule.peers(), rule.ejected()), (3, 0));
}

/// Opens at once.
const BREAKER: CircuitBreakerConfig =
    valid!(CircuitBreakerConfig::builder().failure_threshold(1).multiplier(Ratio::TWO).build());

/// Peers, their breakers, and the rule.
struct Node {
    rule: Ejection,
    peers: [CircuitBreakerState; 3],
}

impl Node {
    /// A call that fails: the ruling, the state of the breaker after, and until when it is open.
    fn fail(&mut self, peer: usize, now: Instant) -> (Ruling, State, Option<Instant>) {
        let breaker = &mut self.peers[peer];
        let permit = BREAKER.try_acquire(breaker, 0, now).unwrap();
        self.rule.record(peer, FAILURE, now);
        let change = BREAKER.record(breaker, permit, FAILURE, 0, now).transition().unwrap();
        let ruling = self.rule.rule(peer, change, Bound::new(&BREAKER, breaker), now);
        (ruling, BREAKER.state(breaker, now), BREAKER.next_deadline(breaker, now))
    }

    /// What somebody does to the breaker of a peer.
    fn set(
        &mut self,
        peer: usize,
        to: impl Fn(&CircuitBreakerConfig, &mut CircuitBreakerState, Instant) -> Option<Transition>,
        now: Instant,
    ) {
        let change = to(&BREAKER, &mut self.peers[peer], now).unwrap();
        let bound = Bound::new(&BREAKER, &mut self.peers[peer]);
        assert_eq!(self.rule.rule(peer, change, bound, now), Ruling::Stands);
    }
}

#[test]
fn a_spared_breaker_is_closed_and_its_opening_does_not_count() {
    let mut node = Node { rule: of(3), peers: [const { CircuitBreakerState::new() }; 3] };
    assert_eq!(node.fail(0, s(0)), (Ruling::Stands, State::Open, Some(s(60))));
    let spared = Ruling::Spared(Spared::TooMany);
    for second in 1..9 {
        node.rule.record(2, Outcome::Success, s(second));
        assert_eq!(node.fail(1, s(second)), (spared, State::Closed, None));
    }
    // The probe of the ejected one fails: it stays ejected, for twice the time.
    assert_eq!(node.fail(0, s(60)), (Ruling::Stands, State::Open, Some(s(180))));
    node.set(0, CircuitBreakerConfig::reset, s(61));
    assert_eq!(node.rule.ejected(), 0);
    // There is room for the other, whose open time is the first.
    node.rule.record(2, Outcome::Success, s(62));
    assert_eq!(node.fail(1, s(62)), (Ruling::Stands, State::Open, Some(s(122))));
    node.set(2, CircuitBreakerConfig::force_open, s(63));
    assert_eq!(node.rule.ejected(), 2, "somebody's wish has no limit");
    assert_eq!(BREAKER.spare(&mut node.peers[2], s(63)), None, "forced open is not opened");
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Record(usize, Outcome),
    Eject(usize),
    Readmit(usize),
    Join(usize),
    Leave(usize),
    Forward(u64),
    Back(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let peer = || 0_usize..40;
    let outcome = prop_oneof![Just(Outcome::Success), Just(FAILURE), Just(LOCAL)];
    prop_oneof![
        6 => (peer(), outcome).prop_map(|(peer, outcome)| Op::Record(peer, outcome)),
        4 => peer().prop_map(Op::Eject),
        2 => peer().prop_map(Op::Readmit),
        2 => peer().prop_map(Op::Join),
        1 => peer().prop_map(Op::Leave),
        3 => (0_u64..40_000_000_000).prop_map(Op::Forward),
        1 => prop_oneof![0_u64..40_000_000_000, Just(u64::MAX)].prop_map(Op::Back),
    ]
}

/// What the rule has to say of a peer, from its last word.
#[derive(Clone, Copy, Debug, Default)]
struct Peer {
    ejected: bool,
    said: Option<(u64, Outcome)>,
}

proptest! {
    #![proptest_config(crate::cases(400))]

    /// Against a list of what each peer said last, with the half of the window it said it in.
    #[test]
    fn any_history_is_the_lists_pitfall_45(ops in prop::collection::vec(op(), 1..150)) {
        const HALF: u64 = 30_000_000_000;
        let config: EjectionConfig<1> = EjectionConfig::DEFAULT;
        let mut rule = Ejection::new(config);
        let mut list = BTreeMap::<usize, Peer>::new();
        // The halves are numbered; a pause of two of them, or a step back, begins one at `since`.
        let (mut since, mut half, mut now) = (0_u64, 10_u64, 1_u64 << 40);
        for op in ops {
            if let Op::Record(..) | Op::Eject(_) = op {
                if now >= since + 2 * HALF {
                    (since, half) = (now, half + 2);
                } else if now >= since + HALF {
                    (since, half) = (since + HALF, half + 1);
                }
                since = since.min(now);
            }
            let blame = |list: &BTreeMap<usize, Peer>| {
                let said = |peer: &Peer| peer.said.filter(|(at, _)| at + 1 >= half).map(|(_, how)| how);
                let count = |is: &dyn Fn(&Peer) -> bool| list.values().filter(|p| is(p)).count();
                let heard = count(&|peer| said(peer).is_some());
                let either = count(&|peer| peer.ejected || said(peer).is_some());
                let failing = count(&|peer| matches!(said(peer), Some(Outcome::Failure(_))));
                let local = count(&|peer| said(peer) == Some(LOCAL));
                let most = heard >= 2 && either >= 3 && 4 * failing >= 3 * heard;
                if most || 2 * local > failing { Blame::Me } else { Blame::Peer }
            };
            let at = Instant::from_nanos(now);
            match op {
                Op::Record(peer, outcome) => {
                    if peer < 32 {
                        list.entry(peer).or_default().said = Some((half, outcome));
                    }
                    prop_assert_eq!(rule.record(peer, outcome, at), blame(&list));
                }
                Op::Eject(peer) => {
                    let known = list.len() + usize::from(!list.contains_key(&peer));
                    let ejected = list.values().filter(|peer| peer.ejected).count();
                    let expected = if list.get(&peer).is_some_and(|peer| peer.ejected) {
                        Ok(())
                    } else if blame(&list) == Blame::Me {
                        Err(Spared::OwnFault)
                    } else if peer >= 32 || ejected + 1 > (known / 2).max(1) {
                        Err(Spared::TooMany)
                    } else {
                        list.entry(peer).or_default().ejected = true;
                        Ok(())
                    };
                    prop_assert_eq!(rule.try_eject(peer, at), expected);
                    if expected.is_ok() && known > 1 {
                        prop_assert!((rule.ejected() as usize) < known);
                    }
                }
                Op::Readmit(peer) => {
                    rule.readmit(peer);
                    list.entry(peer).and_modify(|peer| *peer = Peer::default());
                }
                Op::Join(peer) => {
                    rule.join(peer);
                    if peer < 32 {
                        list.insert(peer, Peer::default());
                    }
                }
                Op::Leave(peer) => {
                    rule.leave(peer);
                    list.remove(&peer);
                }
                Op::Forward(nanos) => now += nanos,
                Op::Back(nanos) => now = now.saturating_sub(nanos),
            }
            prop_assert_eq!(rule.peers() as usize, list.len());
            let ejected = list.values().filter(|peer| peer.ejected).count();
            prop_assert_eq!(rule.ejected() as usize, ejected);
            if let Some(deadline) = rule.next_deadline(Instant::from_nanos(now)) {
                prop_assert!(deadline > Instant::from_nanos(now));
            }
        }
    }
}

#[test]
fn the_rule_outlives_a_reboot() {
    let mut rule = of(4);
    rule.record(0, FAILURE, s(1_000));
    rule.try_eject(0, s(1_000)).unwrap();
    rule.record(1, LOCAL, s(1_010));
    let config = rule.config();
    let mut flash = [0; 64];
    let len = config.save(rule.as_state(), s(1_020), &mut flash).unwrap();
    assert_eq!(len, 44);
    let restored = config.restore(&flash[..len], s(500)).unwrap();
    let new = Ejection::from_parts(EjectionConfig::DEFAULT, restored);
    assert_eq!((new.peers(), new.ejected(), new.is_ejected(0)), (4, 1, true));
    for after in 0..100 {
        assert_eq!(new.blame(s(500 + after)), rule.blame(s(1_020 + after)), "{after}");
    }
    // Ejected, and not known.
    let mut bytes = flash;
    bytes[10] = 0;
    let sum = bytes[..len - 2].iter().fold(u16::MAX, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte) << 8, |sum, _| {
            if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 }
        })
    });
    bytes[len - 2..len].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(config.restore(&bytes[..len], s(0)), Err(SnapshotError::Invalid));
}

#[test]
fn another_policy_keeps_who_is_ejected_and_what_was_heard() {
    let mut rule = of(4);
    for peer in 0..2 {
        rule.try_eject(peer, s(1_000)).unwrap();
    }
    for peer in 2..4 {
        rule.record(peer, FAILURE, s(1_000));
    }
    let strict = EjectionConfig::builder()
        .max_ejected(Ratio::percent(25))
        .window(Duration::from_secs(10))
        .build()
        .unwrap();
    rule.reconfigure(strict, s(1_001));
    assert_eq!((rule.ejected(), rule.blame(s(1_001))), (2, Blame::Me));
    assert_eq!(rule.blame(s(1_009)), Blame::Me);
    assert_eq!(rule.blame(s(1_010)), Blame::Peer);
}
