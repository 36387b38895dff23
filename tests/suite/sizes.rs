//! The table of the machines in core's documentation, against the code.

use core::mem::size_of;
use resil_core::call::{
    BudgetedPolicy, BudgetedState, Call, CallPolicy, HedgedPolicy, HedgedState, PeerPolicy,
    PeerState,
};
use resil_core::circuit_breaker::ejection::{EjectionConfig, EjectionState};
use resil_core::circuit_breaker::{
    self, CircuitBreakerConfig, CircuitBreakerState, CountWindow, TimeWindow, Window,
};
use resil_core::rate_limit::{
    BucketCharge, BucketState, Limit, RateLimit, Slot, StrictBucket, TokenBucket, WarmUp,
};
use resil_core::{
    adaptive, backoff, bulkhead, chaos, deadline, event, health, hedge, retry, throttle,
};
use std::collections::{BTreeMap, BTreeSet};

const TABLE: &str = include_str!("../../resil-core/src/lib.rs");

/// What a row of the table says besides the names of its types.
type Sizes = (Option<usize>, Option<usize>);

/// The sizes of a row, by the name of its policy, or of its state where it has no policy.
fn sizes() -> BTreeMap<&'static str, Sizes> {
    fn both<P, S>(name: &'static str) -> (&'static str, Sizes) {
        (name, (Some(size_of::<P>()), Some(size_of::<S>())))
    }
    fn windowed<W: Window>(name: &'static str) -> (&'static str, Sizes) {
        both::<CircuitBreakerConfig<W>, CircuitBreakerState<W::Stats>>(name)
    }
    fn state<S>(name: &'static str) -> (&'static str, Sizes) {
        (name, (None, Some(size_of::<S>())))
    }
    type Registry<const N: usize> = health::HealthRegistry<&'static str, N>;
    let a_check = size_of::<Registry<9>>() - size_of::<Registry<8>>();
    BTreeMap::from([
        both::<PeerPolicy, PeerState>("PeerPolicy"),
        both::<BudgetedPolicy, BudgetedState>("BudgetedPolicy"),
        both::<HedgedPolicy, HedgedState>("HedgedPolicy"),
        both::<CallPolicy, Call<(circuit_breaker::Permit, BucketCharge)>>("CallPolicy"),
        ("Backoff", (Some(size_of::<backoff::Backoff>()), None)),
        both::<retry::RetryPolicy, retry::Retry>("RetryPolicy"),
        both::<retry::budget::TokenBudget, retry::budget::TokenBudgetState>("TokenBudget"),
        both::<retry::budget::RatioBudget, retry::budget::RatioBudgetState>("RatioBudget"),
        both::<hedge::HedgePolicy, hedge::HedgeState>("HedgePolicy"),
        state::<deadline::Deadline>("Deadline"),
        both::<CircuitBreakerConfig, CircuitBreakerState>("CircuitBreakerConfig"),
        windowed::<CountWindow<2>>("CountWindow<2>"),
        windowed::<TimeWindow<10>>("TimeWindow<10>"),
        both::<EjectionConfig<1>, EjectionState<1>>("EjectionConfig<1>"),
        both::<TokenBucket, BucketState>("TokenBucket"),
        both::<StrictBucket, <StrictBucket as Limit>::State>("StrictBucket"),
        both::<RateLimit, <RateLimit as Limit>::State>("RateLimit"),
        both::<WarmUp, <WarmUp as Limit>::State>("WarmUp"),
        state::<Slot<u64, TokenBucket>>("RateLimiter"),
        both::<bulkhead::BulkheadConfig, bulkhead::BulkheadState>("BulkheadConfig"),
        both::<adaptive::Aimd, adaptive::AimdState>("Aimd"),
        both::<adaptive::Gradient, adaptive::GradientState>("Gradient"),
        both::<throttle::AdaptiveThrottle, throttle::ThrottleState>("AdaptiveThrottle"),
        ("CheckConfig", (None, Some(a_check))),
        both::<health::HeartbeatConfig, health::HeartbeatState>("HeartbeatConfig"),
        ("Quorum", (Some(size_of::<health::Quorum>()), None)),
        both::<health::WatchdogConfig<4>, health::WatchdogState<4>>("WatchdogConfig<4>"),
        state::<event::Event>("Event"),
        both::<chaos::ChaosPolicy, chaos::ChaosState>("ChaosPolicy"),
    ])
}

/// The name and the bytes in a cell such as "[`Retry`](retry::Retry), 24 B a call".
fn read(cell: &str) -> (Option<&str>, Option<usize>) {
    let name = cell.split('`').nth(1);
    let mut words = cell.split_whitespace().rev().skip_while(|word| *word != "B").skip(1);
    (name, words.next().and_then(|word| word.parse().ok()))
}

fn rows() -> BTreeMap<&'static str, Sizes> {
    let cells = TABLE.lines().filter(|line| line.starts_with("//! |")).map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        (cells[cells.len() - 4], cells[cells.len() - 3])
    });
    cells
        .filter_map(|(policy, state)| {
            let ((policy, policy_bytes), (state, state_bytes)) = (read(policy), read(state));
            let is_row = policy_bytes.is_some() || state_bytes.is_some();
            is_row.then(|| (policy.or(state).expect("a name"), (policy_bytes, state_bytes)))
        })
        .collect()
}

#[test]
fn the_table_of_the_machines_says_what_they_take() {
    let (code, table) = (sizes(), rows());
    let names =
        |sizes: &BTreeMap<&'static str, Sizes>| -> BTreeSet<_> { sizes.keys().copied().collect() };
    assert_eq!(names(&code), names(&table));
    for (name, sizes) in &code {
        assert_eq!(table[name], *sizes, "{name}: (policy, state) in the table, and in the code");
    }
}

#[test]
fn a_cell_is_read_as_it_is_written() {
    assert_eq!(read("[`Retry`](retry::Retry), 24 B a call"), (Some("Retry"), Some(24)));
    assert_eq!(read("40 B for 32 peers"), (None, Some(40)));
    assert_eq!(read("–"), (None, None));
}
