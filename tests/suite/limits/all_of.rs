//! Limits that have to agree.

use crate::rate_limit_laws::{Op, Time, at, config, forward, quota};
use proptest::prelude::*;
use resil_core::RetryAt;
use resil_core::rate_limit::{
    AllOf, Limit, Limiter, PerRequest, RateLimit, TokenBucket, acquire_both,
};
use resil_tests::oracle::rate_limit::Log;

proptest! {
    #![proptest_config(crate::cases(300))]

    /// Requests and bytes: each part keeps its law, a refusal touches neither and names the instant.
    #[test]
    fn all_or_none_and_the_later_instant_is_exact(
        requests in quota(), bytes in quota(),
        ops in prop::collection::vec(forward(), 1..80), start in 0_u64..1 << 40,
    ) {
        let parts = (TokenBucket::new(config(requests)), RateLimit::new(config(bytes)));
        let both = AllOf::new(PerRequest::new(parts.0.clone()), parts.1.clone());
        let mut limiter = Limiter::new(both.clone());
        let mut alone = (Limiter::new(parts.0), Limiter::new(parts.1));
        let (mut in_requests, mut in_bytes) = (Log::default(), Log::default());
        let mut time = Time::new(bytes, start);
        let mut charges = Vec::new();
        for op in &ops {
            time.apply(op);
            let now = at(time.now);
            match *op {
                Op::Acquire(cost) => {
                    let said = (alone.0.peek(cost.min(1), now), alone.1.peek(cost, now));
                    let before = limiter.as_state().clone();
                    match limiter.try_acquire(cost, now) {
                        Ok(charge) => {
                            prop_assert_eq!(said, (Ok(()), Ok(())));
                            let taken = alone.0.try_acquire(cost.min(1), now).unwrap();
                            let also = alone.1.try_acquire(cost, now).unwrap();
                            let logged = in_requests.admit(cost.min(1), time.passed);
                            charges.push((charge, taken, also, logged, in_bytes.admit(cost, time.passed)));
                        }
                        Err(refused) => {
                            prop_assert!(said.0 == Err(refused) || said.1 == Err(refused));
                            prop_assert_eq!(limiter.as_state(), &before, "nothing was taken");
                            prop_assert_eq!(limiter.peek(cost, now), Err(refused));
                            if let RetryAt::At(opens) = refused.retry() {
                                prop_assert!(limiter.peek(cost, opens).is_ok());
                                let early = at(opens.as_nanos() - 1);
                                prop_assert!(limiter.peek(cost, early).is_err());
                            }
                        }
                    }
                }
                Op::Refund(back) if back < charges.len() => {
                    let (charge, taken, also, one, other) = charges.swap_remove(charges.len() - 1 - back);
                    limiter.refund(charge, now);
                    alone.0.refund(taken, now);
                    alone.1.refund(also, now);
                    in_requests.refund(one);
                    in_bytes.refund(other);
                }
                _ => {}
            }
            let fits = alone.1.available(now);
            let fits = if alone.0.available(now) > 0 { fits } else { 0 };
            prop_assert_eq!(limiter.available(now), fits);
            let fresh = both.is_fresh(limiter.as_state(), now);
            let next = limiter.next_deadline(now);
            prop_assert!(fresh || next.is_some_and(|next| next > now));
        }
        in_requests.assert_bucket_law(requests);
        in_bytes.assert_bucket_law(bytes);
        in_bytes.assert_window_law(bytes);
    }

    /// Peers with a bucket each, and one that they share.
    #[test]
    fn what_the_node_refuses_costs_the_peer_nothing(
        peer in quota(), node in quota(),
        asks in prop::collection::vec((0_usize..3, 0_u32..4, 0_u64..50), 1..80),
    ) {
        let (peers, shared) = (TokenBucket::new(config(peer)), TokenBucket::new(config(node)));
        let mut states = [TokenBucket::FRESH, TokenBucket::FRESH, TokenBucket::FRESH];
        let mut state = TokenBucket::FRESH;
        let mut logs = [Log::default(), Log::default(), Log::default()];
        let (mut log, mut now) = (Log::default(), 0);
        for (who, cost, wait) in asks {
            now += wait;
            let before = (states.clone(), state.clone());
            let asked = acquire_both((&peers, &mut states[who], 1), (&shared, &mut state, cost), at(now));
            if asked.is_ok() {
                logs[who].admit(1, now);
                log.admit(cost, now);
            } else {
                prop_assert_eq!((states.clone(), state.clone()), before);
            }
        }
        logs.iter().for_each(|log| log.assert_bucket_law(peer));
        log.assert_bucket_law(node);
    }
}
