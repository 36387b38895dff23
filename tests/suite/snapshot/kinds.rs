//! Which machine a snapshot is of.

use super::*;
use resil_core::adaptive::{Aimd, Gradient};
use resil_core::backoff::Backoff;
use resil_core::call::PeerPolicy;
use resil_core::circuit_breaker::ejection::EjectionConfig;
use resil_core::health::{HeartbeatConfig, Hysteresis, WatchdogConfig};
use resil_core::hedge::HedgePolicy;
use resil_core::rate_limit::{RateLimit, StrictBucket, TokenBucket, WarmUp};
use resil_core::retry::budget::{RatioBudget, TokenBudget};
use resil_core::throttle::AdaptiveThrottle;
use std::collections::BTreeMap;

/// Of all machines, whoever wrote them: they are read from the table itself.
#[test]
fn no_two_machines_share_a_number() {
    let table = include_str!("../../../resil-core/src/snapshot.rs");
    let mut machines = BTreeMap::new();
    for line in table.lines().filter_map(|line| line.trim().strip_prefix("pub const ")) {
        let Some((name, number)) = line.split_once(": u8 = ") else { continue };
        let number: u8 = number.trim_end_matches(';').parse().unwrap();
        let before = machines.insert(number, name);
        assert_eq!(before, None, "{name} and {before:?} both have the number {number}");
    }
    assert!(machines.len() >= 16, "{machines:?}");
    let of = |number: u8| machines[&number];
    assert_eq!(of(<CircuitBreakerConfig>::KIND), "CIRCUIT_BREAKER");
    assert_eq!(of(<RetryPolicy as Persist>::KIND), "RETRY");
    assert_eq!(of(Backoff::KIND), "BACKOFF");
    let used = [
        <CircuitBreakerConfig>::KIND,
        <RetryPolicy as Persist>::KIND,
        Backoff::KIND,
        TokenBucket::KIND,
        StrictBucket::KIND,
        <RateLimit as Persist>::KIND,
        WarmUp::KIND,
        TokenBudget::KIND,
        RatioBudget::KIND,
        Aimd::KIND,
        Gradient::KIND,
        AdaptiveThrottle::KIND,
        HedgePolicy::KIND,
        HeartbeatConfig::KIND,
        WatchdogConfig::<2>::KIND,
        Hysteresis::KIND,
        <EjectionConfig>::KIND,
        <PeerPolicy as Persist>::KIND,
    ];
    let used: BTreeMap<_, _> = used.into_iter().map(|kind| (kind, of(kind))).collect();
    assert_eq!(used, machines, "each number is one machine's, and each machine has its own");
}

#[test]
fn a_machines_bytes_are_refused_by_every_other() {
    let now = at(1);
    let bytes = saved(&Backoff::DEFAULT, &Backoff::DEFAULT.delays(), now);
    assert_eq!(BREAKER.restore(&bytes, now).unwrap_err(), SnapshotError::Length);
    let long = saved(&JOIN, &suspended(&JOIN, 1, now), now);
    assert_eq!(BREAKER.restore(&long, now).unwrap_err(), SnapshotError::Length);
    // Of the same length, it is the kind that tells them apart.
    let as_backoff = resealed(&bytes, |body| body[0] = <CircuitBreakerConfig>::KIND);
    let error = Backoff::DEFAULT.restore(&as_backoff, now).unwrap_err();
    assert_eq!(error, SnapshotError::Kind);
}
