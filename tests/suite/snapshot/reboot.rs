//! A node that reboots into an outage.

use super::*;
use resil_core::circuit_breaker::State;

/// A node in an outage: it asks its breaker each second, and its reconnect loop when that has waited.
struct Node {
    breaker: CircuitBreakerState,
    join: Suspended,
    calls: u32,
}

impl Node {
    fn new(now: Instant) -> Self {
        let join = Suspended { retry: Retry::start(&JOIN, now), wait: None };
        Self { breaker: CircuitBreakerState::new(), join, calls: 0 }
    }

    /// One second of it; everything fails.
    fn live(&mut self, now: Instant) {
        if let Ok(permit) = BREAKER.try_acquire(&mut self.breaker, 0, now) {
            self.calls += 1;
            let failure = Outcome::Failure(FailureClass::Transient);
            BREAKER.record(&mut self.breaker, permit, failure, 0, now);
        }
        if self.join.wait.is_none_or(|wait| wait.until().is_reached(now)) {
            self.calls += 1;
            self.join.wait = match self.join.retry.record(&JOIN, LOST, 1 << 31, now) {
                Next::Wait(wait) => Some(wait),
                Next::Stop(_) => None,
            };
        }
    }

    /// Down, and up again with a clock that begins anew.
    fn reboot(&self, now: Instant) -> Self {
        let breaker = saved(&BREAKER, &self.breaker, now);
        let join = saved(&JOIN, &self.join, now);
        Self {
            breaker: BREAKER.restore(&breaker, Instant::EPOCH).unwrap(),
            join: JOIN.restore(&join, Instant::EPOCH).unwrap(),
            calls: 0,
        }
    }
}

#[test]
fn a_node_that_reboots_into_an_outage_does_not_stampede() {
    let mut steady = Node::new(Instant::EPOCH);
    (0..300).for_each(|second| steady.live(at(second)));
    assert_eq!(BREAKER.state(&steady.breaker, at(300)), State::Open);

    let mut rebooted = steady.reboot(at(300));
    steady.calls = 0;
    let mut forgetful = Node::new(Instant::EPOCH);
    for second in 0..600 {
        steady.live(at(300 + second));
        rebooted.live(at(second));
        forgetful.live(at(second));
        assert_eq!(rebooted.calls, steady.calls, "{second} s after the reboot");
    }
    assert!(forgetful.calls > rebooted.calls + 8, "{} and {}", forgetful.calls, rebooted.calls);
}

#[test]
fn a_boot_loop_does_not_hammer() {
    // Every 20 s it browns out. What is off does not count down.
    let mut node = Node::new(Instant::EPOCH);
    let mut calls = 0;
    for _ in 0..30 {
        (0..20).for_each(|second| node.live(at(second)));
        calls += node.calls;
        node = node.reboot(at(20));
    }
    let mut forgetful = 0;
    for _ in 0..30 {
        let mut node = Node::new(Instant::EPOCH);
        (0..20).for_each(|second| node.live(at(second)));
        forgetful += node.calls;
    }
    assert!(calls * 10 < forgetful, "{calls} calls, {forgetful} without memory");
}
