use core::future::pending;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, header};
use resil_core::health::{Criticality, Groups, HealthCheckResult};
use serde_json::{Value, json};
use tokio::time::{Instant, advance, sleep};
use tower::ServiceExt;

use super::super::Check;
use super::*;

struct Answer {
    code: u16,
    headers: HeaderMap,
    body: String,
}

async fn request(app: &Router, method: Method, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().into()).unwrap();
    Answer { code: parts.status.as_u16(), headers: parts.headers, body }
}

async fn get(app: &Router, path: &str) -> (u16, String) {
    let answer = request(app, Method::GET, path).await;
    (answer.code, answer.body)
}

/// A check that says `result`, and how often it has been run.
fn counted(name: &'static str, result: HealthCheckResult) -> (Check, Arc<AtomicU32>) {
    let runs = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&runs);
    let check = Check::new(name, move || {
        count.fetch_add(1, Ordering::Relaxed);
        let result = result.clone();
        async move {
            sleep(Duration::from_millis(3)).await;
            result
        }
    });
    (check, runs)
}

fn ok(name: &'static str) -> Check {
    counted(name, HealthCheckResult::healthy("all is well")).0
}

fn app(checks: impl IntoIterator<Item = Check>) -> (Router, HealthChecker) {
    let checker = HealthChecker::new();
    checks.into_iter().for_each(|check| checker.register(check).unwrap());
    (router(&checker), checker)
}

#[tokio::test(start_paused = true)]
async fn healthy_and_degraded_are_200_and_unhealthy_is_503() {
    for (result, code, brief) in [
        (HealthCheckResult::healthy("up"), 200, "ok"),
        (HealthCheckResult::degraded("slow"), 200, "degraded"),
        (HealthCheckResult::unhealthy("down"), 503, "[-]disk failed: down\nNAME check failed\n"),
    ] {
        let (app, _) = app([counted("disk", result).0]);
        for name in ["livez", "readyz", "startupz"] {
            let answer = get(&app, &format!("/{name}")).await;
            assert_eq!(answer, (code, brief.replace("NAME", name)));
        }
        assert_eq!(get(&app, "/health").await.0, code);
    }
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_kept_and_head_is_get_without_the_body() {
    let (app, _) = app([ok("disk")]);
    for (path, content_type) in [
        ("/livez", "text/plain; charset=utf-8"),
        ("/readyz?verbose", "text/plain; charset=utf-8"),
        ("/startupz", "text/plain; charset=utf-8"),
        ("/health", "application/health+json"),
    ] {
        let full = request(&app, Method::GET, path).await;
        assert_eq!(full.headers[header::CACHE_CONTROL], "no-store", "{path}");
        assert_eq!(full.headers[header::CONTENT_TYPE], content_type, "{path}");
        assert!(!full.body.is_empty());
        let head = request(&app, Method::HEAD, path).await;
        assert_eq!((head.code, &*head.body), (full.code, ""));
        assert_eq!(head.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(head.headers[header::CONTENT_TYPE], content_type, "{path}");
        assert_eq!(request(&app, Method::POST, path).await.code, 405);
    }
    for path in ["/", "/live", "/livez/disk", "/healthz"] {
        assert_eq!(get(&app, path).await.0, 404, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn verbose_has_a_line_for_each_check_that_counts() {
    let cache = counted("cache", HealthCheckResult::unhealthy("refused\r\n[+]forged ok")).0;
    let (app, checker) = app([
        ok("disk"),
        cache.criticality(Criticality::Optional).groups(Groups::READINESS),
        counted("peers", HealthCheckResult::degraded("3 of 5")).0,
    ]);
    let ready = "[+]disk ok\n[+]cache unhealthy: refused  [+]forged ok\n[+]peers degraded: 3 of 5\n\
                 readyz check passed\n";
    assert_eq!(get(&app, "/readyz?verbose").await, (200, ready.to_owned()));
    assert_eq!(get(&app, "/readyz?a=b&verbose=1").await, (200, ready.to_owned()));
    assert_eq!(get(&app, "/readyz?verbosely&a=verbose").await, (200, "degraded".to_owned()));
    let live = "[+]disk ok\n[+]peers degraded: 3 of 5\nlivez check passed\n";
    assert_eq!(get(&app, "/livez?verbose").await, (200, live.to_owned()));

    checker.set_node_maintenance(true);
    let (code, body) = get(&app, "/readyz").await;
    assert_eq!((code, body.lines().last()), (503, Some("readyz check failed (in maintenance)")));
    assert_eq!(get(&app, "/livez").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn health_lists_every_check_in_the_shape_of_the_draft() {
    let peers = HealthCheckResult::degraded("3 of 5 connected").with_detail("peer_count", 3_u8);
    let cache = counted("cache", HealthCheckResult::unhealthy("down")).0;
    let (app, checker) = app([
        ok("disk").groups(Groups::NONE),
        counted("peers", peers).0,
        cache.criticality(Criticality::Optional),
    ]);
    checker.register(Check::new("clock", pending::<bool>)).unwrap();
    checker.depend("cache", "peers").unwrap();
    let (code, body) = get(&app, "/health").await;
    let mut body: Value = serde_json::from_str(&body).unwrap();
    for name in ["disk", "peers", "cache"] {
        let time = body["checks"][name][0].as_object_mut().unwrap().remove("time").unwrap();
        time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    }
    assert_eq!(code, 200);
    assert_eq!(
        body,
        json!({
            "status": "warn",
            "output": "peers: 3 of 5 connected; cache: down; clock: no result yet",
            "checks": {
                "disk": [{"status": "pass"}],
                "peers": [{"status": "warn", "output": "3 of 5 connected", "details": {"peer_count": 3}}],
                "cache": [{"status": "fail", "output": "down"}],
                "clock": [{"status": "warn", "output": "no result yet"}],
            }
        })
    );
    checker.set_node_maintenance(true);
    let body: Value = serde_json::from_str(&get(&app, "/health").await.1).unwrap();
    assert_eq!(body["notes"], json!(["in maintenance"]));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_10_000_probes_a_second_runs_a_check_at_most_once_in_its_time_to_live() {
    const TTL: Duration = Duration::from_secs(2);
    let (inside, inside_runs) = counted("inside", HealthCheckResult::healthy("up"));
    let (outside, outside_runs) = counted("outside", HealthCheckResult::unhealthy("down"));
    let (app, _) = app([inside.ttl(TTL), outside.ttl(TTL).groups(Groups::READINESS)]);
    let start = Instant::now();
    // 5 s in steps of 10 ms, with 100 probes at a time that are answered while the next come.
    let mut flood = tokio::task::JoinSet::new();
    for _ in 0..500 {
        for _ in 0..100 {
            let app = app.clone();
            flood.spawn(async move { get(&app, "/readyz").await.0 });
        }
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    let codes = flood.join_all().await;
    assert!(codes.len() == 50_000 && codes.iter().all(|&code| code == 503));
    // At 0 s, 2 s and 4 s, each 3 ms later than the one before at most.
    assert_eq!(inside_runs.load(Ordering::Relaxed), 3);
    assert_eq!(outside_runs.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn liveness_runs_no_check_that_does_not_count_for_it() {
    let (peers, runs) = counted("peers", HealthCheckResult::unhealthy("down"));
    let (app, _) = app([peers.groups(Groups::READINESS.with(Groups::STARTUP)), ok("disk")]);
    assert_eq!(get(&app, "/livez?verbose").await.1, "[+]disk ok\nlivez check passed\n");
    assert_eq!(runs.load(Ordering::Relaxed), 0);
    assert_eq!(get(&app, "/startupz").await.0, 503);
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_holds_up_the_first_who_ask_once_and_is_reported_as_timed_out() {
    const PATIENCE: Duration = Duration::from_millis(500);
    let (app, _) = app([Check::new("hung", pending::<bool>).groups(Groups::READINESS), ok("disk")]);
    let start = Instant::now();
    let first = tokio::join!(get(&app, "/readyz"), get(&app, "/readyz"), get(&app, "/livez"));
    assert_eq!((first.0.0, first.1.0, first.2.0), (503, 503, 200));
    assert!(start.elapsed() < PATIENCE + Duration::from_millis(2), "{:?}", start.elapsed());

    // Nobody waits for the same run again, and what is well is not held up.
    let again = Instant::now();
    let told = "[-]hung failed: no result yet\n[+]disk ok\nreadyz check failed\n";
    assert_eq!(get(&app, "/readyz").await, (503, told.to_owned()));
    assert_eq!(get(&app, "/livez").await, (200, "ok".to_owned()));
    assert_eq!(again.elapsed(), Duration::ZERO);

    advance(Duration::from_secs(5)).await;
    sleep(Duration::from_millis(1)).await;
    let told = "[-]hung failed: no answer within 5s\n[+]disk ok\nreadyz check failed\n";
    assert_eq!(get(&app, "/readyz").await, (503, told.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_goes_away_leaves_its_result_to_the_next() {
    let (slow, runs) = counted("slow", HealthCheckResult::healthy("up"));
    let (app, _) = app([slow]);
    let gone = tokio::time::timeout(Duration::from_millis(1), get(&app, "/readyz")).await;
    assert!(gone.is_err());
    assert_eq!(get(&app, "/readyz").await, (200, "ok".to_owned()));
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_check_the_node_is_well() {
    let (app, _) = app([]);
    assert_eq!(get(&app, "/readyz").await, (200, "ok".to_owned()));
    assert_eq!(get(&app, "/health").await, (200, r#"{"status":"pass","checks":{}}"#.to_owned()));
}
