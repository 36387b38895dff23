//! The registry of eight health checks.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::time::Duration;
use footprint::{Owned, any_now, at};
use resil_core::Instant;
use resil_core::health::{
    CheckId, HealthCheckResult, HealthRegistry, HealthStatus, RegisterError, UnknownCheck,
};

type Registry = HealthRegistry<&'static str, 8>;

static STATE: Owned<Registry> = Owned::new(HealthRegistry::new(Instant::EPOCH));

#[inline(never)]
fn register(name: &'static str, now: Instant) -> Result<CheckId, RegisterError> {
    STATE.with(|registry| registry.register(name, black_box(Duration::from_secs(30)), now))
}

#[inline(never)]
fn record(check: CheckId, now: Instant) -> Result<(), UnknownCheck> {
    let result = HealthCheckResult::degraded(black_box("1 of 3"));
    STATE.with(|registry| registry.record(check, result, now).map(drop))
}

#[inline(never)]
fn overall(now: Instant) -> HealthStatus {
    STATE.with(|registry| registry.overall(now))
}

footprint::firmware!(
    || {
        if let Ok(check) = register(black_box("link"), any_now()) {
            black_box(record(check, any_now()).is_ok());
        }
        black_box(overall(any_now()));
    },
    |bench| {
        let now = at(1_000);
        for name in ["a", "b", "c", "d", "e", "f", "g"] {
            record(register(name, now).unwrap(), now).unwrap();
        }
        let check = bench.case("register", || register(black_box("link"), now)).unwrap();
        bench.case("record", || record(check, now)).unwrap();
        bench.case("overall", || overall(now));
    }
);
