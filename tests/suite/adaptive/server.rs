//! Both algorithms in front of a server with so many workers and a queue, and demand without end.

use super::{MILLISECOND, SECOND, at};
use core::cmp::Reverse;
use core::ops::RangeInclusive;
use core::time::Duration;
use resil_core::adaptive::{Aimd, ConcurrencyLimit, ConcurrencyLimiter, Gradient, Permit};
use resil_core::outcome::FailureClass;
use resil_core::{Instant, Outcome};
use std::collections::{BTreeMap, BinaryHeap};

struct Server {
    /// When each worker is free.
    workers: BinaryHeap<Reverse<u64>>,
    service: u64,
    /// How many calls it has room for, running and queued.
    room: usize,
}

impl Server {
    fn new(workers: usize, service: u64, room: usize) -> Self {
        Self { workers: (0..workers).map(|_| Reverse(0)).collect(), service, room }
    }

    /// When a call that arrives at `now` is done.
    fn serve(&mut self, now: u64) -> u64 {
        let Reverse(free) = self.workers.pop().unwrap();
        let done = now.max(free) + self.service;
        self.workers.push(Reverse(done));
        done
    }
}

/// Calls under way, by when they end.
struct Demand<L: ConcurrencyLimit> {
    limiter: ConcurrencyLimiter<L>,
    calls: BTreeMap<(u64, u64), (Permit, Outcome)>,
    number: u64,
    now: u64,
}

impl<L: ConcurrencyLimit> Demand<L> {
    fn new(policy: L) -> Self {
        Self { limiter: ConcurrencyLimiter::new(policy), calls: BTreeMap::new(), number: 0, now: 0 }
    }

    /// Calls as often as the limit allows for `seconds`, and returns between which limits it was over
    /// the last quarter of them, outside of probes.
    fn press(
        &mut self,
        server: &mut Server,
        seconds: u64,
        is_probing: impl Fn(&ConcurrencyLimiter<L>, Instant) -> bool,
    ) -> RangeInclusive<u16> {
        let (begin, end) = (self.now, self.now + seconds * SECOND);
        let (mut low, mut high) = (u16::MAX, 0);
        while self.now < end {
            while let Ok(permit) = self.limiter.try_acquire(0, at(self.now)) {
                self.number += 1;
                let has_room = self.calls.len() < server.room;
                let (done, outcome) = if has_room {
                    (server.serve(self.now), Outcome::Success)
                } else {
                    (self.now + MILLISECOND, Outcome::Failure(FailureClass::Throttled))
                };
                self.calls.insert((done, self.number), (permit, outcome));
            }
            let ((done, _), (permit, outcome)) = self.calls.pop_first().unwrap();
            self.now = done;
            self.limiter.record(permit, outcome, 0, at(done));
            if done >= begin + (end - begin) / 4 * 3 && !is_probing(&self.limiter, at(done)) {
                let limit = self.limiter.limit(at(done));
                (low, high) = (low.min(limit), high.max(limit));
            }
        }
        low..=high
    }
}

fn never<L: ConcurrencyLimit>(_: &ConcurrencyLimiter<L>, _: Instant) -> bool {
    false
}

fn probing(limiter: &ConcurrencyLimiter<Gradient>, now: Instant) -> bool {
    limiter.policy().is_probing(limiter.as_state(), now)
}

fn assert_within(seen: &RangeInclusive<u16>, bounds: RangeInclusive<u16>) {
    assert!(bounds.contains(seen.start()) && bounds.contains(seen.end()), "{seen:?}");
}

#[test]
fn aimd_finds_the_room_of_a_server_that_refuses() {
    // 10 workers and room for 30: between 0.9 times the room and one more than it.
    let mut server = Server::new(10, 20 * MILLISECOND, 30);
    let mut demand = Demand::new(Aimd::DEFAULT);
    let seen = demand.press(&mut server, 60, never);
    assert_within(&seen, 26..=31);
}

#[test]
fn aimd_keeps_the_latency_of_a_server_that_queues_below_its_timeout() {
    // 10 workers of 20 ms: 100 ms are 50 calls, or 41 where the workers go in step.
    let mut server = Server::new(10, 20 * MILLISECOND, usize::MAX);
    let policy = Aimd::builder().timeout(Duration::from_millis(100)).build().unwrap();
    let mut demand = Demand::new(policy);
    let seen = demand.press(&mut server, 60, never);
    assert_within(&seen, 36..=51);
}

#[test]
fn gradient_finds_the_workers_of_a_server_that_queues() {
    // Without load a call takes 100 ms. Half as long again is a queue of half the workers: the limit
    // settles at 3/2 of them and the queue, and drifts while the baseline does, until the next probe.
    for workers in [10, 20, 40] {
        let mut server = Server::new(workers, 100 * MILLISECOND, usize::MAX);
        let mut demand = Demand::new(Gradient::builder().min_limit(5).build().unwrap());
        let seen = demand.press(&mut server, 600, probing);
        let workers = u16::try_from(workers).unwrap();
        assert_within(&seen, workers..=workers * 7 / 4 + 8);
    }
}

#[test]
fn gradient_shrinks_with_its_server_and_recovers() {
    let mut demand = Demand::new(Gradient::builder().min_limit(5).build().unwrap());
    let mut large = Server::new(60, 100 * MILLISECOND, usize::MAX);
    demand.press(&mut large, 300, probing);
    let mut small = Server::new(10, 100 * MILLISECOND, usize::MAX);
    assert_within(&demand.press(&mut small, 300, probing), 10..=25);
    // From 10 on, 0.8 a second: after 100 s there would be 90, if the server could.
    let mut large = Server::new(60, 100 * MILLISECOND, usize::MAX);
    assert_within(&demand.press(&mut large, 160, probing), 60..=113);
}

#[test]
fn a_peer_that_moves_further_away_is_measured_anew() {
    let policy = Gradient::builder().max_limit(60).build().unwrap();
    let mut demand = Demand::new(policy);
    let mut near = Server::new(100, 50 * MILLISECOND, usize::MAX);
    assert_eq!(demand.press(&mut near, 120, probing), 60..=60);
    // A minimum that only falls would take this for a queue for ever.
    let mut far = Server::new(100, 250 * MILLISECOND, usize::MAX);
    assert_eq!(demand.press(&mut far, 400, probing), 60..=60);
}
