use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::time::Duration;
use std::sync::Arc;

use resil_core::health::{Criticality, Groups};
use tokio::time::{Instant, advance, timeout};
use tonic::Code;
use tonic::codegen::tokio_stream::StreamExt;
use tonic_health::pb::health_client::HealthClient;

use super::super::Check;
use super::*;

type Client = HealthClient<HealthServer<HealthService<32>>>;

/// A check for readiness whose answer a test chooses, and how often it was run.
fn chosen(name: &'static str) -> (Check, Arc<AtomicBool>, Arc<AtomicU32>) {
    let (answer, runs) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
    let (says, counts) = (Arc::clone(&answer), Arc::clone(&runs));
    let check = Check::new(name, move || {
        counts.fetch_add(1, Ordering::Relaxed);
        core::future::ready(says.load(Ordering::Relaxed))
    });
    (check.groups(Groups::READINESS), answer, runs)
}

fn client(checker: &HealthChecker) -> Client {
    HealthClient::new(server(checker, &["mesh.Node"]))
}

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

async fn check(client: &mut Client, service: &str) -> Result<ServingStatus, Code> {
    let answer = client.check(of(service)).await;
    answer.map(|answer| answer.into_inner().status()).map_err(|error| error.code())
}

#[tokio::test(start_paused = true)]
async fn each_service_is_answered_for_its_probe_and_an_unknown_one_is_not_found() {
    let (down, answer, _) = chosen("peers");
    answer.store(false, Ordering::Relaxed);
    let checker = HealthChecker::new();
    checker.register(down).unwrap();
    let mut client = client(&checker);
    for service in ["", "readiness", "mesh.Node"] {
        assert_eq!(check(&mut client, service).await, Ok(ServingStatus::NotServing), "{service}");
    }
    for service in ["liveness", "startup"] {
        assert_eq!(check(&mut client, service).await, Ok(ServingStatus::Serving), "{service}");
    }
    for service in ["mesh.Other", "mesh.Node ", "Liveness"] {
        assert_eq!(check(&mut client, service).await, Err(Code::NotFound), "{service}");
    }
}

#[tokio::test(start_paused = true)]
async fn degraded_serves() {
    let (optional, answer, _) = chosen("cache");
    answer.store(false, Ordering::Relaxed);
    let checker = HealthChecker::new();
    checker.register(optional.criticality(Criticality::Optional)).unwrap();
    assert_eq!(check(&mut client(&checker), "").await, Ok(ServingStatus::Serving));
    assert_eq!(checker.status(Probe::Readiness), HealthStatus::Degraded);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_checks_and_of_watches_runs_a_check_once_in_its_time_to_live() {
    let (peers, _, runs) = chosen("peers");
    let checker = HealthChecker::new();
    checker.register(peers.ttl(Duration::from_secs(10))).unwrap();
    let mut client = client(&checker);
    let mut watches = Vec::new();
    for _ in 0..50 {
        let mut watch = client.watch(of("")).await.unwrap().into_inner();
        assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
        watches.push(tokio::spawn(async move { watch.next().await.unwrap().unwrap().status() }));
    }
    for second in 0..100 {
        for _ in 0..50 {
            assert_eq!(check(&mut client, "").await, Ok(ServingStatus::Serving));
        }
        assert_eq!(runs.load(Ordering::Relaxed), 1 + second / 10, "after {second} s");
        advance(Duration::from_secs(1)).await;
    }
    assert!(watches.iter().all(|watch| !watch.is_finished()), "nothing has changed");
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_of_changes_alone_within_a_time_to_live_and_of_maintenance_at_once() {
    let (peers, answer, _) = chosen("peers");
    let checker = HealthChecker::new();
    checker.register(peers.ttl(Duration::from_secs(10))).unwrap();
    let mut watch = client(&checker).watch(of("mesh.Node")).await.unwrap().into_inner();
    let started = Instant::now();
    let mut next = async || {
        let status = watch.next().await.unwrap().unwrap().status();
        (status, started.elapsed().as_secs())
    };
    assert_eq!(next().await, (ServingStatus::Serving, 0));
    answer.store(false, Ordering::Relaxed);
    assert_eq!(next().await, (ServingStatus::NotServing, 10));
    answer.store(true, Ordering::Relaxed);
    assert_eq!(next().await, (ServingStatus::Serving, 20));

    let (drain, come_back) = (Duration::from_secs(3), Duration::from_secs(4));
    let operator = checker.clone();
    tokio::spawn(async move {
        tokio::time::sleep(drain).await;
        operator.set_node_maintenance(true);
        tokio::time::sleep(come_back).await;
        operator.set_node_maintenance(false);
    });
    assert_eq!(next().await, (ServingStatus::NotServing, 23));
    assert_eq!(next().await, (ServingStatus::Serving, 27));
    let silent = timeout(Duration::from_secs(3_600), next()).await;
    assert!(silent.is_err(), "nothing changes any more");
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_an_unknown_service_says_so_once_and_stays_open() {
    let mut watch =
        client(&HealthChecker::new()).watch(of("mesh.Other")).await.unwrap().into_inner();
    let first = watch.next().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::ServiceUnknown);
    let second = timeout(Duration::from_secs(3_600), watch.next()).await;
    assert!(second.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_hung_check_holds_up_a_watch_for_its_patience_and_one_that_is_taken_out_for_nothing() {
    let checker = HealthChecker::new();
    let hangs = Check::new("archive", pending::<bool>).groups(Groups::READINESS);
    checker.register(hangs).unwrap();
    let started = Instant::now();
    let mut watch = client(&checker).watch(of("")).await.unwrap().into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(started.elapsed().as_millis(), 500);
    checker.unregister("archive");
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
    assert_eq!(started.elapsed().as_millis(), 500, "at once");
}
