//! What resil-std logs: the fields are part of its contract.

use core::fmt::{Debug, Write};
use core::future::{Future, ready};
use core::time::Duration;
use std::sync::{Arc, Mutex};

use resil_std::adaptive::ConcurrencyLimiter;
use resil_std::circuit_breaker::CircuitBreaker;
use resil_std::clock::MockClock;
use resil_std::core::adaptive::Aimd;
use resil_std::core::backoff::Jitter;
use resil_std::core::bulkhead::BulkheadConfig;
use resil_std::core::call::{CallPolicy, HedgedPolicy, PeerPolicy, Priority};
use resil_std::core::circuit_breaker::CircuitBreakerConfig;
use resil_std::core::hedge::HedgePolicy;
use resil_std::core::outcome::{EveryError, FailureClass};
use resil_std::core::rate_limit::{Carry, RateLimitConfig, TokenBucket};
use resil_std::core::retry::RetryPolicy;
use resil_std::core::retry::budget::TokenBudget;
use resil_std::rate_limit::{Limiter, RateLimiter};
use resil_std::retry::Retry;
use resil_std::{Bulkhead, Peer, Peers};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Keeps the events of resil, one line each, and calls back on each.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    callback: Option<Arc<dyn Fn() + Send + Sync>>,
    /// Hears nothing of what goes as it should.
    skips_debug: bool,
}

impl Log {
    /// What `run` logs.
    fn of(run: impl FnOnce()) -> Vec<String> {
        Self::default().hear(run)
    }

    fn hear(self, run: impl FnOnce()) -> Vec<String> {
        tracing::subscriber::with_default(self.clone(), run);
        let mut lines = self.lines.lock().unwrap();
        core::mem::take(&mut *lines)
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => write!(self.0, " {value:?}").unwrap(),
            name => write!(self.0, " {name}={value:?}").unwrap(),
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = if self.skips_debug { Level::INFO } else { Level::TRACE };
        metadata.target().starts_with("resil::") && *metadata.level() <= level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.skips_debug.then_some(LevelFilter::INFO)
    }

    fn event(&self, event: &Event<'_>) {
        let level: &Level = event.metadata().level();
        let mut line = Line(format!("{level} {}", event.metadata().target()));
        event.record(&mut line);
        self.lines.lock().unwrap().push(line.0);
        if let Some(callback) = &self.callback {
            callback();
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn breaker() -> (CircuitBreaker<EveryError, MockClock>, MockClock) {
    let config = CircuitBreakerConfig::builder()
        .failure_threshold(2)
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    let clock = MockClock::default();
    (CircuitBreaker::with("peer-7", config, EveryError, clock.clone()), clock)
}

#[test]
fn every_attempt_with_its_number_error_and_delay() {
    let policy = RetryPolicy::builder().jitter(Jitter::None).build().unwrap();
    let run = || {
        let retry = Retry::new(&policy, "connect").clock(MockClock::default());
        retry.call_blocking(|| Err::<(), _>("no route")).unwrap_err();
        let mut tries = 0;
        let second = || {
            tries += 1;
            if tries == 2 { Ok(()) } else { Err("no route") }
        };
        retry.call_blocking(second).unwrap();
        let fatal = policy.classify(|_: &&str| false);
        let retry = Retry::new(&fatal, "pay").clock(MockClock::default());
        retry.call_blocking(|| Err::<(), _>("no funds")).unwrap_err();
    };
    let expected = [
        r#"WARN resil::retry attempt failed event=103 operation="connect" attempt=1 max_attempts=3 error="no route" delay=1s"#,
        r#"WARN resil::retry attempt failed event=103 operation="connect" attempt=2 max_attempts=3 error="no route" delay=2s"#,
        r#"WARN resil::retry attempt failed event=103 operation="connect" attempt=3 max_attempts=3 error="no route" code="RETRY_EXHAUSTED""#,
        r#"WARN resil::retry attempt failed event=103 operation="connect" attempt=1 max_attempts=3 error="no route" delay=1s"#,
        r#"DEBUG resil::retry attempt succeeded event=102 operation="connect" attempt=2 max_attempts=3"#,
        r#"WARN resil::retry attempt failed event=103 operation="pay" attempt=1 max_attempts=3 error="no funds" code="OPERATION_FAILED""#,
    ];
    assert_eq!(Log::of(run), expected);
}

#[test]
fn every_transition_and_refusal_of_a_breaker() {
    let run = || {
        let (breaker, clock) = breaker();
        for _ in 0..2 {
            breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        }
        assert!(breaker.try_acquire().is_err());
        clock.advance(Duration::from_secs(10));
        breaker.try_acquire().unwrap().success();
        breaker.force_open();
        breaker.disable();
        breaker.reset();
    };
    let expected = [
        r#"WARN resil::circuit_breaker transition event=303 breaker="peer-7" from="CLOSED" to="OPEN""#,
        r#"DEBUG resil::circuit_breaker refused event=301 breaker="peer-7" code="CIRCUIT_BREAKER_OPEN""#,
        r#"INFO resil::circuit_breaker transition event=304 breaker="peer-7" from="OPEN" to="HALF_OPEN""#,
        r#"INFO resil::circuit_breaker transition event=302 breaker="peer-7" from="HALF_OPEN" to="CLOSED""#,
        r#"WARN resil::circuit_breaker transition event=305 breaker="peer-7" from="CLOSED" to="FORCED_OPEN""#,
        r#"INFO resil::circuit_breaker transition event=306 breaker="peer-7" from="FORCED_OPEN" to="DISABLED""#,
        r#"INFO resil::circuit_breaker transition event=302 breaker="peer-7" from="DISABLED" to="CLOSED""#,
    ];
    assert_eq!(Log::of(run), expected);
}

#[test]
fn what_a_breaker_that_only_measures_would_have_done() {
    let run = || {
        let (breaker, _) = breaker();
        breaker.metrics_only();
        for _ in 0..2 {
            breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        }
    };
    let expected = [
        r#"INFO resil::circuit_breaker transition event=308 breaker="peer-7" from="CLOSED" to="METRICS_ONLY""#,
        r#"WARN resil::circuit_breaker transition detected, not made event=303 breaker="peer-7" from="CLOSED" to="OPEN""#,
    ];
    assert_eq!(Log::of(run), expected);
}

#[test]
fn a_probe_that_was_lost_shows_both_transitions_in_order_pitfall_109() {
    let run = || {
        let (breaker, clock) = breaker();
        for _ in 0..2 {
            breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        }
        clock.advance(Duration::from_secs(10));
        core::mem::forget(breaker.try_acquire().unwrap());
        clock.advance(Duration::from_secs(1000)); // past its lease and the next open time
        breaker.try_acquire().unwrap().success();
    };
    let lines = Log::of(run);
    let chain: Vec<_> =
        lines.iter().filter_map(|line| line.split_once("from=").map(|(_, ends)| ends)).collect();
    let expected = [
        r#""CLOSED" to="OPEN""#,
        r#""OPEN" to="HALF_OPEN""#,
        r#""HALF_OPEN" to="OPEN""#,
        r#""OPEN" to="HALF_OPEN""#,
        r#""HALF_OPEN" to="CLOSED""#,
    ];
    assert_eq!(chain, expected);
}

#[test]
fn every_refusal_of_a_limiter() {
    let config = RateLimitConfig::builder()
        .max_requests(1)
        .time_window(Duration::from_secs(60))
        .burst_size(1)
        .build()
        .unwrap();
    let run = || {
        let limiter = RateLimiter::builder(TokenBucket::new(config));
        let limiter = limiter.clock(MockClock::default()).build().unwrap();
        limiter.allow(&"peer-7", 1).unwrap();
        limiter.allow(&"peer-7", 1).unwrap_err();
        limiter.allow(&"peer-7", 2).unwrap_err();
    };
    let expected = [
        r#"DEBUG resil::rate_limit refused event=201 id="peer-7" tokens=1 code="RATE_LIMIT_EXCEEDED" retry_after=Some(60s)"#,
        r#"DEBUG resil::rate_limit refused event=201 id="peer-7" tokens=2 code="RATE_LIMIT_COST_EXCEEDS_BURST" retry_after=None"#,
    ];
    assert_eq!(Log::of(run), expected);
}

#[test]
fn another_limit_for_a_class() {
    let run = || {
        let bucket = || TokenBucket::new(RateLimitConfig::DEFAULT);
        let limiter = RateLimiter::<u64, _>::builder(bucket()).build().unwrap();
        assert!(limiter.set_class(0, bucket(), Carry::Spent));
        assert!(
            !limiter.set_class(1, bucket(), Carry::Spent),
            "there is none, and nothing to tell"
        );
    };
    let expected = ["INFO resil::rate_limit a machine has other settings event=911 class=0"];
    assert_eq!(Log::of(run), expected);
}

#[test]
fn a_subscriber_may_use_what_it_is_told_about_pitfall_108() {
    let (breaker, _) = breaker();
    let limiter: RateLimiter<&str> = RateLimiter::default();
    let (own, table) = (breaker.clone(), limiter.clone());
    let callback = move || {
        let _ = own.state();
        own.reset();
        let _ = table.available(&"peer");
    };
    let log = Log { callback: Some(Arc::new(callback)), ..Log::default() };
    tracing::subscriber::with_default(log.clone(), || {
        for _ in 0..2 {
            breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        }
        limiter.allow(&"peer", 11).unwrap_err();
    });
    // The opening and the refusal; `tracing` drops what a subscriber causes itself, as the reset.
    assert_eq!(log.lines.lock().unwrap().len(), 2);
}

/// A peer whose breaker opens at the second failure, hedged after a second.
fn hedged() -> Peer<HedgedPolicy> {
    let retry = RetryPolicy::builder().jitter(Jitter::None).deadline(Duration::from_secs(4));
    let call = CallPolicy::new(retry.build().unwrap());
    let call = call.with_attempt_timeout(Duration::from_secs(2)).unwrap();
    let breaker = CircuitBreakerConfig::builder().failure_threshold(2);
    let breaker = breaker.timeout(Duration::from_secs(10)).build().unwrap();
    let limit = TokenBucket::new(RateLimitConfig::DEFAULT);
    let hedge = HedgePolicy::builder().fixed_delay(Duration::from_secs(1)).build().unwrap();
    let peer = PeerPolicy::new(call, breaker, limit);
    Peer::new("peer-7", HedgedPolicy::new(peer, TokenBudget::DEFAULT, hedge))
}

/// What `story` logs under paused time, without what depends on the hour.
fn lines_of(story: impl Future<Output = ()>) -> Vec<String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let lines = Log::of(|| runtime.block_on(story));
    let dated = |line: String| match line.find(" deadline=") {
        Some(at) => line[..at].to_owned(),
        None => line,
    };
    lines.into_iter().map(dated).collect()
}

/// The numbers of the events among `lines`, which embassy logs for the same.
fn numbers(lines: &[String]) -> Vec<u16> {
    let number = |line: &String| {
        let rest = line.split_once("event=").unwrap().1;
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };
    lines.iter().map(number).collect()
}

#[test]
fn a_call_tells_of_attempts_waits_transitions_and_its_end() {
    let peer = hedged();
    let mut tries = 0;
    let mut second = || {
        tries += 1;
        ready(if tries == 2 { Ok(()) } else { Err("no answer") })
    };
    // A failure fires the hedge early.
    let lines = lines_of(async { peer.call(&mut second).await.unwrap() });
    let expected = [
        r#"DEBUG resil::call an attempt began event=101 peer="peer-7" attempt=1 max_attempts=3"#,
        r#"WARN resil::call an attempt failed event=103 peer="peer-7" attempt=1 max_attempts=3 error="no answer" classification=Failure(Transient, None)"#,
        r#"WARN resil::call a second attempt was made beside a slow one event=401 peer="peer-7" attempt=2 max_attempts=3"#,
        r#"INFO resil::call the second attempt was the first to answer event=402 peer="peer-7" attempt=2 max_attempts=3"#,
        r#"DEBUG resil::call a call succeeded event=902 peer="peer-7" attempts=2 verdict=Success"#,
    ];
    assert_eq!(lines, expected);

    let fails = || ready(Err::<(), _>("no answer"));
    let lines = lines_of(async { drop(peer.call(fails).await) });
    assert_eq!(numbers(&lines), [101, 103, 401, 103, 303, 111, 904], "open, and so refused");
    assert_eq!(
        lines[5],
        r#"WARN resil::call the next attempt is made after a wait event=111 peer="peer-7" delay=Some(2s)"#
    );
    assert_eq!(
        lines[4],
        r#"ERROR resil::call a breaker refuses calls from now on event=303 peer="peer-7" from="CLOSED" to="OPEN""#
    );
    let lines = lines_of(async {
        let peer = hedged();
        for _ in 0..2 {
            drop(peer.call(fails).await);
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        peer.call(|| ready(Ok::<_, &str>(()))).await.unwrap();
    });
    assert_eq!(numbers(&lines)[8..], [304, 101, 102, 302, 902]);
}

#[test]
fn a_call_tells_of_hedges_timeouts_and_of_whoever_went_away() {
    let slow = |millis| async move {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        Ok::<_, &str>(())
    };
    let lines = lines_of(async { hedged().call(|| slow(1_500)).await.unwrap() });
    assert_eq!(numbers(&lines), [101, 401, 102, 403, 902], "a hedge that lost");

    let lines = lines_of(async { drop(hedged().call(|| slow(60_000)).await) });
    // Both attempts time out, which opens the breaker, and the deadline leaves no time for a third.
    assert_eq!(numbers(&lines), [101, 401, 602, 602, 303, 903]);

    let lines = lines_of(async {
        let call = tokio::time::timeout(Duration::from_millis(1), async {
            hedged().call(|| slow(60_000)).await
        });
        assert!(call.await.is_err());
    });
    assert_eq!(numbers(&lines), [101, 905]);
}

#[test]
fn a_probe_tells_that_it_is_one_also_to_who_hears_nothing_of_successes() {
    let breaker = CircuitBreakerConfig::builder().failure_threshold(1);
    let breaker = breaker.timeout(Duration::from_secs(10)).build().unwrap();
    let retry = RetryPolicy::builder().max_attempts(1).build().unwrap();
    let limit = TokenBucket::new(RateLimitConfig::DEFAULT);
    let clock = MockClock::default();
    let policy = PeerPolicy::new(CallPolicy::new(retry), breaker, limit);
    let peer = Peer::with("peer-7", policy, clock.clone());
    let log = Log { skips_debug: true, ..Log::default() };
    let lines = log.hear(|| {
        peer.call_blocking(|| Err::<(), _>("no answer")).unwrap_err();
        clock.advance(Duration::from_secs(10));
        peer.call_blocking(|| Ok::<_, &str>(())).unwrap();
    });
    let moved = lines.iter().filter(|line| line.contains(" from="));
    assert_eq!(numbers(&moved.cloned().collect::<Vec<_>>()), [303, 304, 302]);
}

#[test]
fn peers_and_their_policy_have_an_index_and_a_number() {
    let policy = || {
        let limit = TokenBucket::new(RateLimitConfig::DEFAULT);
        PeerPolicy::new(CallPolicy::default(), CircuitBreakerConfig::DEFAULT, limit)
    };
    let lines = lines_of(async {
        let mesh = Peers::new("mesh", policy(), 2);
        mesh.get(1).unwrap().call(async || Ok::<_, &str>(())).await.unwrap();
        mesh.reconfigure(policy());
    });
    assert_eq!(numbers(&lines), [101, 102, 902, 911, 911]);
    assert!(lines[0].contains(r#"peer="mesh" index=1"#), "{}", lines[0]);
}

#[test]
fn a_bulkhead_tells_its_refusals_and_its_policy() {
    let lines = lines_of(async {
        let uplink = Bulkhead::with_waiters("uplink", BulkheadConfig::DEFAULT, 0);
        let _all = uplink.try_acquire(25, Priority::Normal).unwrap();
        assert!(uplink.try_acquire(1, Priority::High).is_err());
        assert!(uplink.acquire(1, Priority::High).await.is_err());
        uplink.reconfigure(BulkheadConfig::DEFAULT);
    });
    let full = r#"WARN resil::bulkhead every permit of a bulkhead is out event=501 bulkhead="uplink" code="BULKHEAD_FULL""#;
    let changed =
        r#"INFO resil::bulkhead a machine has other settings event=911 bulkhead="uplink""#;
    assert_eq!(lines, [full, full, changed]);
}

#[test]
fn an_adaptive_limit_tells_where_it_moves_and_its_policy() {
    let lines = lines_of(async {
        let policy = || Aimd::builder().initial_limit(10).build().unwrap();
        let limiter = ConcurrencyLimiter::new("uplink", policy());
        limiter.try_acquire().unwrap().failure(FailureClass::Timeout);
        limiter.reconfigure(policy());
    });
    let fewer = r#"INFO resil::adaptive fewer calls may be out at once event=511 limit="uplink" from=10 to=9"#;
    let changed = r#"INFO resil::adaptive a machine has other settings event=911 limit="uplink""#;
    assert_eq!(lines, [fewer, changed]);
}

#[test]
fn a_limiter_of_one_tells_what_it_refuses() {
    let lines = Log::of(|| {
        let limit = TokenBucket::new(RateLimitConfig::builder().burst_size(1).build().unwrap());
        let limiter = Limiter::with_clock(limit, MockClock::default());
        assert!(limiter.check(1).is_ok());
        assert!(limiter.check(1).is_err());
        assert!(limiter.peek(1).is_err());
    });
    assert_eq!(
        lines,
        [
            r#"DEBUG resil::rate_limit refused event=201 tokens=1 code="RATE_LIMIT_EXCEEDED" retry_after=Some(600ms)"#
        ]
    );
}

#[test]
fn who_waits_for_its_turn_at_a_limiter_is_not_told_to_be_refused() {
    let lines = Log::of(|| {
        let limit = TokenBucket::new(RateLimitConfig::builder().burst_size(1).build().unwrap());
        let limiter = Limiter::with_clock(limit, MockClock::default());
        (0..3).for_each(|_| _ = limiter.until_ready_blocking(1).unwrap());
    });
    assert!(lines.is_empty(), "{lines:?}");
}
