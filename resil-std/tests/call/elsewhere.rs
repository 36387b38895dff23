//! One call to several peers: a gate chooses, hedges and retries go to another one.

use super::paused_time::{at_zero, now_millis};
use super::{ByText, policy};
use core::future::pending;
use core::time::Duration;
use resil_std::Peer;
use resil_std::clock::Sleep;
use resil_std::core::call::{
    Bound, Call, CallPolicy, End, Gate, Layers, PeerPolicy, PeerState, Pipeline, Request, Ticket,
};
use resil_std::core::circuit_breaker::State;
use resil_std::core::hedge::{HedgePolicy, HedgeState};
use resil_std::core::outcome::Rejected;
use resil_std::core::rate_limit::TokenBucket;
use resil_std::core::{Clock, Instant};
use resil_std::{SystemClock, clock::MockClock};
use std::sync::Mutex;

type One = PeerPolicy<TokenBucket, ByText>;
type Permit = <One as Pipeline>::Permit;

/// Two that hold the same, under one policy.
struct Replicas {
    each: One,
    hedge: HedgePolicy,
}

/// What is known of each, and who was asked last.
struct Known {
    peers: [PeerState; 2],
    last: usize,
}

/// The one that was asked last, unless another one is wanted.
struct Anyone<'a> {
    policy: &'a One,
    known: &'a mut Known,
}

impl Gate for Anyone<'_> {
    type Permit = (usize, Permit);
    type Report = ();

    fn try_acquire(
        &mut self,
        request: &Request,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<(usize, Permit), Rejected> {
        if request.elsewhere {
            self.known.last = 1 - self.known.last;
        }
        let chosen = self.known.last;
        let mut gate = self.policy.gate(&mut self.known.peers[chosen]);
        gate.try_acquire(request, entropy, now).map(|permit| (chosen, permit))
    }

    fn settle(
        &mut self,
        (chosen, permit): (usize, Permit),
        end: End,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) {
        self.policy.gate(&mut self.known.peers[chosen]).settle(permit, end, entropy, now);
    }
}

impl Pipeline for Replicas {
    type State = (Known, HedgeState);
    type Permit = (usize, Permit);
    type Charge = ();
    type Classifier = ByText;
    type Gates<'a> = Layers<Anyone<'a>, (), Bound<'a, HedgePolicy, HedgeState>>;

    const FRESH: Self::State =
        (Known { peers: [PeerState::FRESH, PeerState::FRESH], last: 0 }, HedgeState::FRESH);

    fn call(&self) -> &CallPolicy<ByText> {
        self.each.call()
    }

    fn gates<'a>(&'a self, (known, hedge): &'a mut Self::State) -> Self::Gates<'a> {
        let anyone = Anyone { policy: &self.each, known };
        Layers::new(anyone).with_hedge(Bound::new(&self.hedge, hedge))
    }
}

fn replicas<T: Clock>(threshold: u16, clock: T) -> Peer<Replicas, T> {
    let hedge = HedgePolicy::builder().fixed_delay(Duration::from_millis(500)).build().unwrap();
    Peer::with("store", Replicas { each: policy(threshold, 10, 0), hedge }, clock)
}

fn breakers<T: Clock>(replicas: &Peer<Replicas, T>) -> [State; 2] {
    replicas.handle().apply(|policy, (known, _), now| {
        known.peers.each_ref().map(|peer| policy.each.breaker().state(&peer.breaker, now))
    })
}

/// Which one an attempt goes to.
fn whom(ticket: &Ticket, call: &Call<(usize, Permit), ()>) -> usize {
    call.permit(ticket).expect("it is in flight").0
}

#[tokio::test(start_paused = true)]
async fn a_hedge_goes_to_another_peer_whose_answer_counts_for_it() {
    at_zero();
    let (replicas, asked) = (replicas(1, SystemClock), Mutex::new(Vec::new()));
    let call = replicas.handle().call_each(|ticket, call| {
        let whom = whom(ticket, call);
        asked.lock().unwrap().push((whom, now_millis()));
        async move {
            if whom == 0 {
                pending::<()>().await; // hangs
            }
            SystemClock
                .sleep_until(SystemClock.now().saturating_add(Duration::from_millis(100)))
                .await;
            Ok::<_, &str>(whom)
        }
    });
    assert_eq!(call.await, Ok(1));
    assert_eq!((asked.into_inner().unwrap(), now_millis()), (vec![(0, 0), (1, 500)], 600));
    assert_eq!(
        breakers(&replicas),
        [State::Closed, State::Closed],
        "nobody knows of the slower one"
    );
}

#[test]
fn on_a_thread_a_retry_goes_to_another_peer_and_each_failure_to_its_own() {
    let replicas = replicas(1, MockClock::default());
    let mut asked = Vec::new();
    let answer = replicas.handle().call_each_blocking(|ticket, call| {
        asked.push(whom(ticket, call));
        if asked.len() == 1 { Err("no answer") } else { Ok(asked.len()) }
    });
    assert_eq!((answer, asked), (Ok(2), vec![0, 1]));
    assert_eq!(breakers(&replicas), [State::Open, State::Closed]);
}
