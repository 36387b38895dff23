//! A thousand nodes and ten hubs on one clock.
//!
//! Every node sends requests to hubs. A hub serves one request at a time, in the order in which they
//! came, and has room for five seconds of them; what finds no room is lost. It does not know who has
//! stopped waiting, so it spends its time on requests that nobody wants any more. That is what keeps
//! an overload going when its cause is gone (Bronson et al., "Metastable Failures in Distributed
//! Systems", 2021).

use super::protection::Protection;
use core::cmp::Reverse;
use core::hash::{BuildHasher, Hasher};
use core::time::Duration;
use resil_core::Instant;
use resil_core::call::{Call, Finished, Request, Step, Ticket, Verdict};
use resil_core::rate_limit::KeyedHash;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

pub(super) const NODES: usize = 1_000;
pub(super) const HUBS: usize = 10;
/// Time for one request at a hub: a hundred a second.
const SERVICE: Duration = Duration::from_millis(10);
/// One way.
const LATENCY: Duration = Duration::from_millis(5);
/// Five seconds of work.
const ROOM: usize = 500;

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound as u64) as usize
    }
}

/// What happens next, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// Some node has a request to make.
    Request,
    /// A call wants to be polled.
    Poll { call: u64 },
    /// A request reaches a hub.
    Arrive { hub: usize, call: u64, attempt: u32 },
    /// A hub is through with the first of its queue.
    Served { hub: usize },
    /// An answer reaches the node.
    Answer { call: u64, attempt: u32 },
}

/// A call that is on its way.
struct OnItsWay<P: Protection> {
    node: usize,
    hub: usize,
    call: Call<P::Permit, P::Charge>,
    tickets: Vec<Ticket>,
    began: Instant,
}

/// What was seen in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Second {
    pub(super) requests: u32,
    pub(super) attempts: u32,
    /// Requests of this second that were answered in time.
    pub(super) answered: u32,
}

pub(super) struct World<P: Protection> {
    nodes: Vec<P>,
    hubs: Vec<VecDeque<(u64, u32)>>,
    calls: BTreeMap<u64, OnItsWay<P>>,
    events: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    scheduled: u64,
    requests: u64,
    dice: Dice,
    load: fn(Instant) -> u32,
    pub(super) seconds: Vec<Second>,
    trace: <KeyedHash as BuildHasher>::Hasher,
}

impl<P: Protection> World<P> {
    /// `load`: requests a second at an instant.
    pub(super) fn new(seed: u64, load: fn(Instant) -> u32) -> Self {
        let mut world = Self {
            nodes: (0..NODES).map(|_| P::new()).collect(),
            hubs: vec![VecDeque::new(); HUBS],
            calls: BTreeMap::new(),
            events: BinaryHeap::new(),
            scheduled: 0,
            requests: 0,
            dice: Dice(seed),
            load,
            seconds: Vec::new(),
            trace: KeyedHash::from_seed(0).build_hasher(),
        };
        world.schedule(Instant::EPOCH, Event::Request);
        world
    }

    /// Lets time pass until `end`.
    pub(super) fn run(&mut self, end: Instant) {
        while let Some(&Reverse((at, order, event))) = self.events.peek() {
            if end.is_reached(at) {
                return;
            }
            self.events.pop();
            self.note(&[at.as_nanos(), order]);
            match event {
                Event::Request => self.request(at),
                Event::Poll { call } => self.poll(call, at),
                Event::Arrive { hub, call, attempt } => self.arrive(hub, (call, attempt), at),
                Event::Served { hub } => self.served(hub, at),
                Event::Answer { call, attempt } => self.answer(call, attempt, at),
            }
        }
    }

    /// A digest of everything that has happened, in order.
    pub(super) fn trace(&self) -> u64 {
        self.trace.finish()
    }

    fn note(&mut self, words: &[u64]) {
        for word in words {
            self.trace.write(&word.to_le_bytes());
        }
    }

    fn schedule(&mut self, at: Instant, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse((at, self.scheduled, event)));
    }

    fn second(&mut self, at: Instant) -> &mut Second {
        let index = at.as_duration().as_secs() as usize;
        if self.seconds.len() <= index {
            self.seconds.resize(index + 1, Second::default());
        }
        &mut self.seconds[index]
    }

    fn request(&mut self, now: Instant) {
        // On average one gap of the present load: from half of it to one and a half.
        let gap = 1_000_000_000 / u64::from((self.load)(now));
        let spread = self.dice.draw() % gap;
        self.schedule(now.saturating_add(Duration::from_nanos(gap / 2 + spread)), Event::Request);
        self.second(now).requests += 1;
        let (node, hub) = (self.dice.below(NODES), self.dice.below(HUBS));
        self.requests += 1;
        let call = Call::start(P::policy(), Request::ONE, now);
        let under_way = OnItsWay { node, hub, call, tickets: Vec::new(), began: now };
        self.calls.insert(self.requests, under_way);
        self.poll(self.requests, now);
    }

    /// Does what a call asks for, until it waits or is over.
    fn poll(&mut self, id: u64, now: Instant) {
        loop {
            let Some(on_its_way) = self.calls.get_mut(&id) else { return };
            let OnItsWay { node, hub, call, .. } = on_its_way;
            let mut entropy = || self.dice.draw() as u32;
            let step = self.nodes[*node].poll(call, *hub, &mut entropy, now);
            match step {
                Step::Attempt(ticket) => {
                    let (hub, attempt) = (*hub, ticket.number());
                    on_its_way.tickets.push(ticket);
                    self.second(now).attempts += 1;
                    let arrives = now.saturating_add(LATENCY);
                    self.schedule(arrives, Event::Arrive { hub, call: id, attempt });
                }
                Step::Wait { until, .. } => {
                    let until = until.expect("attempts have a deadline");
                    return self.schedule(until, Event::Poll { call: id });
                }
                Step::Done(verdict) => return self.done(id, verdict),
            }
        }
    }

    fn done(&mut self, id: u64, verdict: Verdict) {
        let Some(OnItsWay { began, .. }) = self.calls.remove(&id) else { return };
        let is_answered = verdict == Verdict::Success;
        self.second(began).answered += u32::from(is_answered);
        self.note(&[id, u64::from(is_answered)]);
    }

    fn arrive(&mut self, hub: usize, work: (u64, u32), now: Instant) {
        let queue = &mut self.hubs[hub];
        if queue.len() < ROOM {
            queue.push_back(work);
            if queue.len() == 1 {
                self.schedule(now.saturating_add(SERVICE), Event::Served { hub });
            }
        }
    }

    fn served(&mut self, hub: usize, now: Instant) {
        let queue = &mut self.hubs[hub];
        let (call, attempt) = queue.pop_front().expect("it was served");
        let is_busy = !queue.is_empty();
        self.schedule(now.saturating_add(LATENCY), Event::Answer { call, attempt });
        if is_busy {
            self.schedule(now.saturating_add(SERVICE), Event::Served { hub });
        }
    }

    fn answer(&mut self, id: u64, attempt: u32, now: Instant) {
        let Some(OnItsWay { node, hub, call, tickets, .. }) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(place) = tickets.iter().position(|ticket| ticket.number() == attempt) else {
            return;
        };
        let mut entropy = || self.dice.draw() as u32;
        let ticket = tickets.swap_remove(place);
        let finished = self.nodes[*node].finish(call, ticket, *hub, &mut entropy, now);
        if finished == Finished::Counted {
            self.poll(id, now);
        }
    }
}
