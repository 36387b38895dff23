//! resil-std's health checks: concurrency, timeouts, panics, hung threads.

use core::future::pending;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex, mpsc};

use resil_std::circuit_breaker::CircuitBreaker;
use resil_std::clock::SystemClock;
use resil_std::core::circuit_breaker::CircuitBreakerConfig;
use resil_std::core::health::{
    CheckStatus, Criticality, DependencyError, Groups, HealthCheckResult, HealthStatus, Probe,
    RegisterError, UnknownCheck,
};
use resil_std::core::{Clock, Instant};
use resil_std::health::{Check, HealthChecker, OverallHealth};
use tokio::task::yield_now;
use tokio::time::{advance, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);
const HEALTHY: CheckStatus = CheckStatus::Known(HealthStatus::Healthy);
const UNHEALTHY: CheckStatus = CheckStatus::Known(HealthStatus::Unhealthy);

fn said(overall: &OverallHealth, name: &str) -> (CheckStatus, String) {
    let check = overall.check(name).unwrap();
    (check.status, check.message.clone())
}

fn since(start: Instant) -> u64 {
    SystemClock.now().saturating_since(start).as_secs()
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_check_and_of_answer() {
    let checker = HealthChecker::new();
    let five = || HealthCheckResult::healthy("all connected").with_detail("peer_count", 5_u32);
    checker.register_check("peers", move || async move { five() }).unwrap();
    checker.register_check("agents", async || Err::<bool, _>("no agent answers")).unwrap();
    checker.register_sync("disk", || Ok::<_, std::io::Error>(())).unwrap();
    checker.register_bool("link", || false).unwrap();

    let overall = checker.get_overall_health().await;
    assert_eq!(overall.status, HealthStatus::Unhealthy);
    assert_eq!(overall.checks.len(), 4);
    assert_eq!(said(&overall, "peers"), (HEALTHY, "all connected".to_owned()));
    assert_eq!(overall.check("peers").unwrap().details.to_string(), "peer_count=5");
    assert_eq!(said(&overall, "agents"), (UNHEALTHY, "no agent answers".to_owned()));
    assert_eq!(said(&overall, "disk").0, HEALTHY);
    assert_eq!(said(&overall, "link").0, UNHEALTHY);
}

#[tokio::test(start_paused = true)]
async fn the_worst_wins_and_no_checks_are_healthy() {
    let checker = HealthChecker::new();
    assert_eq!(checker.get_overall_health().await.status, HealthStatus::Healthy);
    checker.register_bool("link", || true).unwrap();
    let slow = async || HealthCheckResult::degraded("slow");
    checker.register_check("peers", slow).unwrap();
    assert_eq!(checker.get_overall_health().await.status, HealthStatus::Degraded);
}

#[tokio::test(start_paused = true)]
async fn checks_run_at_the_same_time() {
    let checker = HealthChecker::new();
    for name in ["a", "b", "c"] {
        checker.register_check(name, async || sleep(3 * SECOND).await).unwrap();
    }
    let start = SystemClock.now();
    assert_eq!(checker.get_overall_health().await.status, HealthStatus::Healthy);
    assert_eq!(since(start), 3);
}

#[tokio::test(start_paused = true)]
async fn a_hung_check_ends_at_its_timeout_and_blocks_no_other_pitfall_114() {
    let checker = HealthChecker::new();
    checker.register_check("hung", async || pending::<bool>().await).unwrap();
    checker
        .register(Check::new("hasty", async || pending::<bool>().await).timeout(SECOND))
        .unwrap();
    checker.register_check("quick", async || true).unwrap();

    let start = SystemClock.now();
    let asked = tokio::spawn({
        let checker = checker.clone();
        async move { checker.get_overall_health().await }
    });
    sleep(2 * SECOND).await;
    let meanwhile = checker.report();
    assert_eq!(said(&meanwhile, "quick").0, HEALTHY);
    assert_eq!(said(&meanwhile, "hasty"), (UNHEALTHY, "no answer within 1s".to_owned()));
    assert_eq!(said(&meanwhile, "hung").0, CheckStatus::Unknown);

    let overall = asked.await.unwrap();
    assert_eq!(since(start), 5);
    assert_eq!(said(&overall, "hung"), (UNHEALTHY, "no answer within 5s".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_is_unhealthy_with_the_reason_and_runs_again() {
    let checker = HealthChecker::new();
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    checker
        .register_check("once", move || {
            assert!(counted.fetch_add(1, Ordering::Relaxed) > 0, "not yet");
            async { true }
        })
        .unwrap();
    checker.register_sync("always", || -> bool { panic!("broken {}", 7) }).unwrap();
    let overall = checker.get_overall_health().await;
    assert_eq!(said(&overall, "once"), (UNHEALTHY, "panicked: not yet".to_owned()));
    assert_eq!(said(&overall, "always"), (UNHEALTHY, "panicked: broken 7".to_owned()));
    assert_eq!(checker.check("once").await.unwrap().status, HEALTHY);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_while_a_run_is_going_joins_it() {
    let checker = HealthChecker::new();
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let check = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        sleep(SECOND)
    };
    checker.register_check("peers", check).unwrap();
    let asked: Vec<_> = (0..10)
        .map(|_| {
            let checker = checker.clone();
            tokio::spawn(async move { checker.get_overall_health().await.status })
        })
        .collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap(), HealthStatus::Healthy);
    }
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    checker.get_overall_health().await;
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_on_without_whoever_asked() {
    let checker = HealthChecker::new();
    checker.register_check("peers", async || sleep(3 * SECOND).await).unwrap();
    assert!(timeout(SECOND, checker.get_overall_health()).await.is_err());
    sleep(3 * SECOND).await;
    assert_eq!(checker.report().status, HealthStatus::Healthy);
}

/// Lets what is ready run. Time stands still: a blocking task keeps tokio's paused clock from
/// advancing by itself.
async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hung_thread_is_not_joined_by_a_second_one() {
    let checker = HealthChecker::new();
    let (release, hung) = mpsc::channel::<()>();
    let (hung, runs) = (Mutex::new(hung), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&runs);
    let hangs = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        hung.lock().unwrap().recv().is_ok()
    };
    checker.register_sync("disk", hangs).unwrap();
    let ask = || {
        let checker = checker.clone();
        tokio::spawn(async move { checker.get_overall_health().await })
    };

    for message in ["no answer within 5s", "the run before has not ended within 5s"] {
        let asked = ask();
        settle().await;
        while runs.load(Ordering::SeqCst) == 0 {
            yield_now().await; // until the thread has begun
        }
        advance(5 * SECOND).await;
        assert_eq!(said(&asked.await.unwrap(), "disk"), (UNHEALTHY, message.to_owned()));
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }

    let asked = ask();
    release.send(()).unwrap(); // the first run ends, and the check is started again
    release.send(()).unwrap();
    assert_eq!(said(&asked.await.unwrap(), "disk").0, HEALTHY);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_too_old_is_unknown_pitfall_113() {
    let checker = HealthChecker::<4>::with_defaults(SECOND, 10 * SECOND);
    checker.register_bool("link", || true).unwrap();
    assert_eq!(checker.report().checks[0].status, CheckStatus::Unknown);
    assert_eq!(checker.status(Probe::Readiness), HealthStatus::Unhealthy);
    assert_eq!(checker.status(Probe::Liveness), HealthStatus::Healthy);

    assert_eq!(checker.get_overall_health().await.status, HealthStatus::Healthy);
    assert_eq!(checker.status(Probe::Readiness), HealthStatus::Healthy);
    advance(10 * SECOND).await;
    let stale = checker.report();
    assert_eq!(stale.status, HealthStatus::Degraded);
    assert_eq!(said(&stale, "link"), (CheckStatus::Unknown, "no fresh result".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn uptime_and_timestamps() {
    let checker = HealthChecker::new();
    checker.register_bool("link", || true).unwrap();
    assert_eq!(checker.report().checks[0].timestamp, None);
    checker.get_overall_health().await;
    advance(7 * SECOND).await;
    assert_eq!(checker.uptime(), 7 * SECOND);
    let report = checker.report();
    assert_eq!(report.uptime, 7 * SECOND);
    let age = report.timestamp.duration_since(report.checks[0].timestamp.unwrap());
    assert_eq!(age.as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_registered_says_why_and_changes_nothing() {
    let checker = HealthChecker::<2>::with_defaults(SECOND, SECOND);
    checker.register_bool("link", || true).unwrap();
    assert_eq!(checker.register_bool("link", || false), Err(RegisterError::DuplicateName));
    let never = Check::new("never", async || true).timeout(Duration::ZERO);
    assert!(
        matches!(checker.register(never), Err(RegisterError::Invalid(error)) if error.setting() == "timeout")
    );
    let forgotten = Check::new("forgotten", async || true).ttl(Duration::ZERO);
    assert!(
        matches!(checker.register(forgotten), Err(RegisterError::Invalid(error)) if error.setting() == "ttl")
    );
    checker.register_bool("disk", || true).unwrap();
    assert_eq!(checker.register_bool("more", || true), Err(RegisterError::Full { capacity: 2 }));
    assert_eq!(checker.get_overall_health().await.status, HealthStatus::Healthy);
    assert_eq!(checker.report().checks.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_is_taken_out_is_gone_and_its_late_result_too() {
    let checker = HealthChecker::new();
    checker.register_check("peers", async || sleep(SECOND).await).unwrap();
    assert!(timeout(SECOND / 2, checker.check("peers")).await.is_err());
    assert!(checker.unregister("peers"));
    assert!(!checker.unregister("peers"));
    checker.register_check("peers", async || pending::<bool>().await).unwrap();
    sleep(SECOND).await;
    assert_eq!(said(&checker.report(), "peers").0, CheckStatus::Unknown);
    assert_eq!(checker.check("nobody").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_check_may_use_its_checker_pitfall_108() {
    let checker = HealthChecker::new();
    let itself = checker.clone();
    let checks = move || itself.report().checks.len() == 1;
    checker.register_bool("itself", checks).unwrap();
    assert_eq!(checker.get_overall_health().await.status, HealthStatus::Healthy);
}

/// SPEC 3: "breaker open and health: degraded, never unhealthy".
#[tokio::test(start_paused = true)]
async fn an_open_breaker_degrades_the_node_and_is_never_unhealthy_for_liveness() {
    let config = CircuitBreakerConfig::builder().failure_threshold(1).build().unwrap();
    let breaker = CircuitBreaker::new("peer", config);
    let checker = HealthChecker::new();
    let seen = breaker.clone();
    let peers = move || HealthCheckResult::new(seen.state().health(), seen.state());
    checker.register_sync("peers", peers).unwrap();
    assert_eq!(checker.get_overall_health().await.status, HealthStatus::Healthy);
    breaker.call(async || Err::<(), _>("down")).await.unwrap_err();
    let overall = checker.get_overall_health().await;
    assert_eq!(overall.status, HealthStatus::Degraded);
    assert_eq!(said(&overall, "peers").1, "OPEN");
    assert_eq!(checker.status(Probe::Liveness), HealthStatus::Degraded);
}

/// A check that finds what it is told to.
fn told(name: &str, finds: &Arc<Mutex<HealthStatus>>) -> Check {
    let finds = Arc::clone(finds);
    Check::new(name, move || {
        let found = *finds.lock().unwrap();
        async move { HealthCheckResult::new(found, "as told") }
    })
}

#[tokio::test(start_paused = true)]
async fn a_check_says_who_is_told_and_how_bad_it_gets() {
    let checker = HealthChecker::new();
    let finds = Arc::new(Mutex::new(HealthStatus::Unhealthy));
    checker.register(told("broker", &finds).groups(Groups::READINESS)).unwrap();
    let optional = told("cache", &finds).criticality(Criticality::Optional);
    checker.register(optional).unwrap();
    assert_eq!(checker.get_overall_health().await.status, HealthStatus::Unhealthy);
    assert_eq!(checker.status(Probe::Readiness), HealthStatus::Unhealthy);
    assert_eq!(checker.status(Probe::Liveness), HealthStatus::Degraded, "the optional one alone");
    assert!(checker.unregister("cache"));
    assert_eq!(checker.status(Probe::Liveness), HealthStatus::Healthy);
}

#[tokio::test(start_paused = true)]
async fn it_takes_as_many_results_in_a_row_as_the_check_says_pitfalls_115_116() {
    let checker = HealthChecker::new();
    let finds = Arc::new(Mutex::new(HealthStatus::Healthy));
    checker.register(told("link", &finds).rise(2).fall(3)).unwrap();
    let mut seen = Vec::new();
    for status in [0, 2, 2, 0, 2, 2, 2, 0, 0].map(|index| HealthStatus::ALL[index]) {
        *finds.lock().unwrap() = status;
        seen.push(checker.get_overall_health().await.status as u8);
    }
    assert_eq!(seen, [0, 0, 0, 0, 0, 0, 2, 2, 0]);
    for (check, setting) in
        [(told("a", &finds).rise(0), "rise"), (told("b", &finds).fall(0), "fall")]
    {
        let Err(RegisterError::Invalid(error)) = checker.register(check) else {
            panic!("{setting}")
        };
        assert_eq!(error.setting(), setting);
    }
}

#[tokio::test(start_paused = true)]
async fn maintenance_says_no_to_work_and_nothing_to_who_restarts() {
    let checker = HealthChecker::new();
    checker.register_bool("disk", || false).unwrap();
    assert_eq!(checker.begin_maintenance("dusk"), Err(UnknownCheck));
    checker.begin_maintenance("disk").unwrap();
    let overall = checker.get_overall_health().await;
    assert_eq!((overall.status, overall.maintenance), (HealthStatus::Degraded, false));
    assert_eq!(said(&overall, "disk"), (CheckStatus::Maintenance, "in maintenance".to_owned()));
    assert_eq!(checker.status(Probe::Readiness), HealthStatus::Unhealthy);
    assert_eq!(checker.status(Probe::Liveness), HealthStatus::Healthy);
    checker.end_maintenance("disk").unwrap();
    assert_eq!(checker.report().status, HealthStatus::Unhealthy);

    let node = HealthChecker::new();
    node.set_node_maintenance(true);
    assert_eq!((node.report().status, node.report().maintenance), (HealthStatus::Degraded, true));
    assert_eq!(node.status(Probe::Readiness), HealthStatus::Unhealthy);
    assert_eq!(node.status(Probe::Liveness), HealthStatus::Healthy);
    node.set_node_maintenance(false);
    assert_eq!(node.status(Probe::Readiness), HealthStatus::Healthy);
}

#[tokio::test(start_paused = true)]
async fn what_fails_because_of_another_check_is_no_cause() {
    let checker = HealthChecker::new();
    for name in ["link", "broker"] {
        checker.register_bool(name, || false).unwrap();
    }
    checker.depend("broker", "link").unwrap();
    assert_eq!(checker.depend("link", "broker"), Err(DependencyError::Cycle));
    assert_eq!(checker.depend("link", "?"), Err(DependencyError::Unknown(UnknownCheck)));
    let overall = checker.get_overall_health().await;
    let causes: Vec<_> = overall.causes().map(|check| check.name.as_str()).collect();
    assert_eq!(causes, ["link"]);
    assert!(overall.check("broker").unwrap().consequence);
}

#[tokio::test(start_paused = true)]
async fn a_probe_waits_for_a_check_as_long_as_its_patience() {
    let checker = HealthChecker::new();
    let slow = |name| Check::new(name, async || sleep(4 * SECOND).await);
    checker.register(slow("patient").patience(3 * SECOND)).unwrap();
    let start = SystemClock.now();
    assert_eq!(said(&checker.probe(Probe::Overall).await, "patient").0, CheckStatus::Unknown);
    assert_eq!(since(start), 3);
    sleep(2 * SECOND).await;
    assert_eq!(said(&checker.report(), "patient").0, HEALTHY);
}
