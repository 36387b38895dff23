//! Nodes, the network between them, and time.

mod faulty;
mod serving;

use super::calls::{Calls, UnderWay};
use super::clock::NodeClock;
use super::event::{Agenda, Attempt, Event};
use super::faults::FAULTS;
use super::frame;
use super::guard::PEERS;
use super::laws::{self, Life};
use super::network::Network;
use super::node::Node;
use super::outcome::{Fallen, Survived};
use super::plant::{Checks, Plant};
use super::policy::Policies;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use resil_core::Instant;
use resil_core::call::{Finished, Request, Step, Verdict};
use resil_core::chaos::Stream;
use resil_core::circuit_breaker::State;
use resil_core::deadline::{CallContext, Deadline};

/// A node makes a request after this time, a half more or less.
const PAUSE: u64 = 1_000_000_000;
/// How long it takes at most until a node has asked all of its peers.
const ROUND: Duration = Duration::from_nanos(PAUSE / 2 * 3 * PEERS as u64);

/// How long after the last fault all has to be well, at the latest.
pub(super) const RECOVERY: Duration = Duration::from_secs(14);
/// How long it is looked at then, before nobody asks any more; longer, where a breaker needs longer to
/// close than most do.
const QUIET: Duration = Duration::from_secs(8);
/// How long what is under way then may take.
const DRAIN: Duration = Duration::from_secs(4);

/// What no seed decides: another sequence each time.
fn chance() -> Stream {
    static TIMES: AtomicU64 = AtomicU64::new(0);
    Stream::new(TIMES.fetch_add(1, Relaxed))
}

/// A world of nodes.
#[derive(Debug)]
pub(super) struct World {
    checks: Checks,
    nodes: Vec<Node>,
    /// By how much the numbers of a node's peers are above its own.
    offsets: [usize; PEERS],
    calls: Calls,
    agenda: Agenda,
    network: Network,
    /// Load, and what machines draw.
    load: Stream,
    entropy: Stream,
    /// Which of its peers a node asks next.
    turns: Vec<u8>,
    /// When nodes that stand still with their clocks began to, by their clocks.
    stopped: Vec<Option<Instant>>,
    report: Survived,
}

impl World {
    pub(super) fn new(seed: u64, nodes: usize, policies: &'static Policies, plant: Plant) -> Self {
        let dice = Stream::new(seed);
        let mut load = dice.fork(1);
        // Distances that differ, none zero: each node has as many neighbours as peers.
        let stride = (nodes / PEERS).max(1) as u64;
        let offsets = core::array::from_fn(|peer| {
            1 + peer * stride as usize + (load.next() % (stride - 1).max(1)) as usize
        });
        let clock = |node: u64| {
            let shows = Instant::from_nanos(dice.fork(node).next() % 100_000_000_000);
            NodeClock::new(0, shows, Instant::EPOCH)
        };
        let born =
            |node: u64| Node::new(policies, dice.fork(!node).next(), clock(node), Instant::EPOCH);
        Self {
            checks: Checks::new(policies, plant),
            nodes: (0..nodes as u64).map(born).collect(),
            offsets,
            calls: Calls::new(nodes * 8),
            agenda: Agenda::default(),
            network: Network::new(dice.fork(2)),
            load,
            entropy: if plant == Plant::TrueChance { chance() } else { dice.fork(3) },
            turns: vec![0; nodes],
            stopped: vec![None; nodes],
            report: Survived::new(seed, nodes),
        }
    }

    /// Lets everything happen.
    pub(super) fn run(mut self) -> Result<Survived, Fallen> {
        let last = Instant::from_duration(FAULTS[1]);
        let well = last.saturating_add(RECOVERY);
        let latest = last.saturating_add(self.checks.policies.closes_within(ROUND));
        let mut quiet = well.saturating_add(QUIET);
        self.prepare();
        let mut was_looked_at = false;
        while let Some((now, event)) = self.agenda.next() {
            if quiet.saturating_add(DRAIN).is_reached(now) {
                break;
            }
            if quiet.is_reached(now) && !was_looked_at {
                if !self.report.is_late && self.not_closed(now) > 0 {
                    (self.report.is_late, quiet) = (true, latest);
                } else {
                    was_looked_at = true;
                    self.look_at_all(now);
                }
            }
            let asks_no_more = quiet.is_reached(now);
            if !(asks_no_more && matches!(event, Event::Request { .. })) {
                self.happen(event, now);
            }
            if let Some(breach) = self.checks.breach_if_broken() {
                return Err(self.report.fallen(now, breach));
            }
        }
        self.look_back([last, well, quiet]);
        match self.checks.breach_if_broken() {
            Some(breach) => Err(self.report.fallen(quiet.saturating_add(DRAIN), breach)),
            None => Ok(self.report),
        }
    }

    fn prepare(&mut self) {
        for (number, fault) in (0..).zip(&self.network.faults) {
            self.agenda.add(fault.from, Event::Begin { fault: number });
            self.agenda.add(fault.to, Event::End { fault: number });
        }
        for node in 0..self.nodes.len() as u32 {
            let first = Instant::from_nanos(self.load.next() % PAUSE);
            self.agenda.add(first, Event::Request { node, life: 0 });
        }
        self.agenda.add(Instant::EPOCH, Event::Second);
    }

    fn happen(&mut self, event: Event, now: Instant) {
        if let Some(node) = event.node()
            && !self.nodes[node].still_until.is_reached(now)
        {
            // Whoever stands still finds it when he goes on.
            let Node { still_until, still_by, .. } = self.nodes[node];
            self.network.hit(still_by);
            return self.agenda.add(still_until, event);
        }
        self.report.note(&[now.as_nanos(), event.word()]);
        match event {
            Event::Begin { fault } => self.begin_fault(fault as usize, now),
            Event::End { fault } => self.end_fault(fault as usize, now),
            Event::Request { node, life } => self.request(node as usize, life, now),
            Event::Poll { node: _, place, turn } => self.poll(place, turn, now),
            Event::Arrive { to, from, attempt, context } => {
                self.arrive(to as usize, from, attempt, &context, now);
            }
            Event::Served { node, life, work, from, attempt } => {
                self.served(node as usize, (life, work as usize), from, attempt, now);
            }
            Event::Answer { to, from, attempt, answer } => {
                self.answer(to as usize, from as usize, attempt, &answer, now);
            }
            Event::Flood { fault, number } => self.flood(fault as usize, number, now),
            Event::Second => self.second(now),
        }
    }

    /// The node that is so many peers further.
    fn peer_of(&self, node: usize, peer: usize) -> usize {
        (node + self.offsets[peer]) % self.nodes.len()
    }

    /// Which of its peers another node is to a node.
    fn number_of(&self, node: usize, other: usize) -> Option<usize> {
        let distance = (other + self.nodes.len() - node) % self.nodes.len();
        self.offsets.iter().position(|offset| *offset == distance)
    }

    fn request(&mut self, number: usize, life: u32, now: Instant) {
        let node = &self.nodes[number];
        if node.life != life || node.down_since.is_some() {
            return;
        }
        let pause = PAUSE / 2 + self.load.next() % PAUSE;
        let next = now.saturating_add(Duration::from_nanos(pause));
        self.agenda.add(next, Event::Request { node: number as u32, life });
        let home = usize::from(self.turns[number]) % PEERS;
        self.turns[number] = self.turns[number].wrapping_add(1);
        let policy = self.checks.policies.peer.call();
        let call = resil_core::call::Call::start(policy, Request::ONE, node.clock.show(now));
        let under_way = UnderWay {
            call,
            tickets: [None, None],
            node: number,
            home,
            own: 0,
            began: now,
            stood_still: node.stood_still,
            steps_back: node.steps_back,
            next_poll: Instant::MAX,
        };
        self.report.asked(now);
        let (place, turn) = self.calls.add(under_way).expect("eight places for each node");
        self.poll(place, turn, now);
    }

    /// Does what a call asks for, until it waits or is over.
    fn poll(&mut self, place: u32, turn: u32, now: Instant) {
        loop {
            let Some(under_way) = self.calls.get(place, turn) else { return };
            let UnderWay { node: number, home, .. } = *under_way;
            let node = &mut self.nodes[number];
            let local = node.clock.show(now);
            let mut layers = node.layers(&self.checks, home, &mut under_way.own);
            let policy = self.checks.call_policy();
            let step = under_way.call.poll(policy, &mut layers, || self.entropy.next_u32(), local);
            match step {
                Step::Attempt(ticket) => {
                    let attempt = Attempt { place, turn, number: ticket.number() };
                    let peer = under_way.call.permit(&ticket).map_or(home, |leave| leave.peer);
                    let deadline = ticket.deadline().map_or(Deadline::at(local), Deadline::at);
                    let context =
                        CallContext::new(deadline).child(attempt.number, ticket.is_hedge());
                    under_way.keep(ticket);
                    let made = under_way.call.attempts();
                    self.checks.hold(laws::attempts_within_policy(made, self.checks.policies));
                    self.report.attempts += 1;
                    self.send_request(
                        number,
                        self.peer_of(number, peer),
                        attempt,
                        context.wire(local).encode(),
                        now,
                    );
                }
                Step::Wait { until, .. } => {
                    let until = until.expect("attempts and waits have an end");
                    let at = node.clock.when(until, now);
                    let is_polled_before = under_way.next_poll > now && under_way.next_poll <= at;
                    if !is_polled_before && !self.checks.now_and_then(Plant::LostTimer) {
                        under_way.next_poll = at;
                        self.agenda.add(at, Event::Poll { node: number as u32, place, turn });
                    }
                    return;
                }
                Step::Done(verdict) => return self.done(place, verdict, now),
            }
        }
    }

    fn done(&mut self, place: u32, verdict: Verdict, now: Instant) {
        let Some(under_way) = self.calls.remove(place) else { return };
        self.checks.hold(laws::nothing_is_out(under_way.own));
        self.checks.hold(laws::call_ends_in_time(self.life(&under_way, now)));
        self.report.ended(&under_way, verdict);
        if self.checks.now_and_then(Plant::DoubleEnd) {
            self.report.ended(&under_way, verdict);
        }
    }

    /// How a call has lived until now.
    fn life(&self, call: &UnderWay, now: Instant) -> Life {
        let node = &self.nodes[call.node];
        Life {
            lasted: now.saturating_since(call.began),
            stood_still: node.stood_still - call.stood_still,
            steps_back: node.steps_back - call.steps_back,
        }
    }

    /// What is looked at once a second.
    fn second(&mut self, now: Instant) {
        self.agenda.add(now.saturating_add(Duration::from_secs(1)), Event::Second);
        for (_, _, call) in self.calls.iter() {
            self.checks.hold(laws::call_ends_in_time(self.life(call, now)));
        }
        let under_way = self.calls.len() as u64;
        let report = &self.report;
        self.checks.hold(laws::every_request_ends_once(report.requests, report.ends(), under_way));
    }

    /// Breakers that are not closed, where they are to close.
    fn not_closed(&self, now: Instant) -> usize {
        let policies = self.checks.policies;
        let of_node = |node: &Node| {
            let local = node.clock.show(now);
            let states = (0..PEERS).map(|peer| node.remembers(policies, peer, local).breaker);
            states.filter(|state| *state != State::Closed).count()
        };
        if policies.recovers { self.nodes.iter().map(of_node).sum() } else { 0 }
    }

    /// All is to be well again.
    fn look_at_all(&mut self, now: Instant) {
        let policies = self.checks.policies;
        if !policies.recovers {
            return;
        }
        let (mut ejected, mut others) = (0, 0);
        for node in &self.nodes {
            let local = node.clock.show(now);
            for peer in 0..PEERS {
                let status = policies.heartbeat.status(&node.peers[peer].heartbeat, local);
                others += usize::from(status != resil_core::health::HeartbeatStatus::Alive);
            }
            ejected += policies.ejection.ejected(&node.ejection);
        }
        self.checks.hold(laws::breakers_have_closed(self.not_closed(now)));
        self.checks.hold(laws::nobody_is_ejected(ejected));
        self.checks.hold(laws::everyone_is_alive(others));
    }

    /// What was seen from the first second to the last.
    fn look_back(&mut self, [last, well, quiet]: [Instant; 3]) {
        let [last, well, quiet] = [last, well, quiet].map(|at| at.as_duration().as_secs() as usize);
        self.report.look_back(last, quiet);
        self.report.hits = self.network.hits;
        self.checks.hold(laws::nothing_is_left_over(self.calls.len() as u64));
        let report = &self.report;
        self.checks.hold(laws::every_request_ends_once(report.requests, report.ends(), 0));
        for node in &self.nodes {
            self.checks.hold(laws::held_is_outstanding(node.calls.held(), 0));
        }
        if self.checks.policies.recovers {
            for (second, seen) in report.seconds.iter().enumerate().take(quiet).skip(well) {
                self.checks.hold(laws::goodput_is_back(second, seen.ok, seen.requests));
            }
        }
    }

    fn finish(
        &mut self,
        attempt: Attempt,
        result: Result<(), resil_core::outcome::Classification>,
        now: Instant,
    ) -> Finished {
        let Some(under_way) = self.calls.of(attempt) else { return Finished::Stale };
        let Some(ticket) = under_way.take(attempt.number) else { return Finished::Stale };
        let node = &mut self.nodes[under_way.node];
        let local = node.clock.show(now);
        let mut layers = node.layers(&self.checks, under_way.home, &mut under_way.own);
        let policy = self.checks.call_policy();
        under_way.call.finish(
            policy,
            ticket,
            result,
            &mut layers,
            || self.entropy.next_u32(),
            local,
        )
    }

    /// An answer reaches the node that waits for it.
    fn answer(
        &mut self,
        to: usize,
        from: usize,
        attempt: Attempt,
        answer: &frame::Answer,
        now: Instant,
    ) {
        if self.nodes[to].down_since.is_some() {
            return;
        }
        let Some(result) = frame::read(answer) else { return };
        if let Some(peer) = self.number_of(to, from) {
            let node = &mut self.nodes[to];
            let local = node.clock.show(now);
            let _ = self.checks.policies.heartbeat.record(&mut node.peers[peer].heartbeat, local);
        }
        let is_refusal = result.is_err();
        if self.finish(attempt, result, now) == Finished::Counted {
            if is_refusal && self.network.suffers(from, super::faults::Class::LyingHints).is_some()
            {
                self.network.hit(super::faults::Class::LyingHints);
            }
            self.poll(attempt.place, attempt.turn, now);
        }
    }
}
