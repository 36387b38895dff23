//! A firmware main loop that drives calls by hand: no runtime, nothing but `resil-core`.
//!
//! A sensor node reports to two peers every ten seconds; peer 1 is dead for a minute. Radio and timer
//! are stand-ins: on a microcontroller they are registers, and the sleep is a `wfi` until an alarm.

use core::time::Duration;
use resil_core::call::{Call, CallPolicy, PeerPolicy, PeerState, Request, Step, Ticket};
use resil_core::circuit_breaker::{CircuitBreakerConfig, Permit};
use resil_core::rate_limit::{BucketCharge, RateLimitConfig, TokenBucket};
use resil_core::retry::RetryPolicy;
use resil_core::{Clock, Instant, ManualClock, time, valid};

/// In flash, for all peers: three attempts of at most 2 s each, within 9 s.
const RETRY: RetryPolicy = valid!(RetryPolicy::builder().deadline(Duration::from_secs(9)).build());
const PEER: PeerPolicy = PeerPolicy::new(
    valid!(CallPolicy::new(RETRY).with_attempt_timeout(Duration::from_secs(2))),
    valid!(CircuitBreakerConfig::builder().timeout(Duration::from_secs(20)).build()),
    TokenBucket::new(RateLimitConfig::DEFAULT),
);

/// In RAM, for each peer: 24 bytes that stay, and the call that is on its way.
#[derive(Default)]
struct Peer {
    state: PeerState,
    call: Option<Call<(Permit, BucketCharge)>>,
    sent: Option<Ticket>,
}

fn main() {
    let (timer, mut noise) = (ManualClock::default(), 7_u32); // seed it from the chip's id
    let mut rng = move || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise
    };
    let (mut peers, mut report_at) = ([Peer::default(), Peer::default()], Instant::EPOCH);
    while report_at.as_duration().as_secs() <= 120 {
        let now = timer.now(); // the one reading of this turn
        let is_time = report_at.is_reached(now);
        if is_time {
            report_at = now.saturating_add(Duration::from_secs(10));
        }
        let mut alarm = Some(report_at);
        for (id, peer) in peers.iter_mut().enumerate() {
            if is_time {
                peer.call = Some(Call::start(PEER.call(), Request::ONE, now));
            }
            let is_up = id == 0 || !(20..80).contains(&now.as_duration().as_secs());
            alarm = time::earliest(alarm, turn(id, peer, is_up, &mut rng, now));
        }
        timer.set(alarm.unwrap_or(report_at)); // sleep
    }
}

/// What there is to do for one peer; returns when there is more.
fn turn(
    id: usize,
    peer: &mut Peer,
    is_up: bool,
    rng: &mut impl FnMut() -> u32,
    now: Instant,
) -> Option<Instant> {
    let (call, mut gates) = (peer.call.as_mut()?, PEER.gates(&mut peer.state));
    loop {
        if let Some(ticket) = peer.sent.take_if(|_| is_up) {
            call.finish(PEER.call(), ticket, Ok(()), &mut gates, &mut *rng, now); // it answered
        }
        match call.poll(PEER.call(), &mut gates, &mut *rng, now) {
            Step::Attempt(ticket) => peer.sent = Some(ticket), // transmit
            Step::Wait { until, .. } => return until,
            Step::Done(verdict) => {
                let error = call.error::<()>(verdict, None).map(|error| error.code().name());
                let end = error.unwrap_or("reported");
                println!("{:>6?} ms  peer {id}  {end}", now.as_duration().as_millis());
                peer.call = None;
                return None;
            }
        }
    }
}
