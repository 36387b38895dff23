//! The seed's usage snippets and its test snippet, line by line in Rust.

use core::time::Duration;
use std::collections::HashMap;
use std::sync::Mutex;

use resil_std::circuit_breaker::CircuitBreaker;
use resil_std::core::circuit_breaker::CircuitBreakerConfig;
use resil_std::core::error::{Cause, NetworkError, ResilienceError};
use resil_std::core::rate_limit::RateLimitConfig;
use resil_std::core::retry::RetryPolicy;
use resil_std::core::{ConfigError, ErrorCode};
use resil_std::rate_limit::RateLimiter;
use resil_std::retry::retry_with_policy;

type Error = Box<dyn core::error::Error>;

/// "2. Retry Policies with Exponential Backoff", usage.
#[tokio::test(start_paused = true)]
async fn usage_of_retry() -> Result<(), Error> {
    let policy = RetryPolicy::builder()
        .max_attempts(3)
        .initial_delay(Duration::from_secs(1))
        .max_delay(Duration::from_secs(60))
        .exponential_base(resil_std::core::backoff::Ratio::new(2, 1))
        .build()?;

    async fn connect() -> Result<&'static str, NetworkError> {
        Ok("connected")
    }

    let result = retry_with_policy(connect, &policy, "peer_connection").await?;
    assert_eq!(result, "connected");
    Ok(())
}

/// "3. Rate Limiting", usage.
#[test]
fn usage_of_the_rate_limiter() -> Result<(), Error> {
    let rate_limiter = RateLimiter::default();
    let config = RateLimitConfig::builder()
        .max_requests(100)
        .time_window(Duration::from_secs(60))
        .build()?;
    rate_limiter.set_limit("peer_id", config)?;

    rate_limiter.allow(&"peer_id", 1)?;
    Ok(())
}

/// "4. Circuit Breakers", usage.
#[tokio::test(start_paused = true)]
async fn usage_of_the_circuit_breaker() -> Result<(), Error> {
    let config = CircuitBreakerConfig::builder()
        .failure_threshold(5)
        .timeout(Duration::from_secs(60))
        .build()?;
    let circuit_breaker = CircuitBreaker::new("peer_id", config);

    async fn send_message() -> Result<&'static str, NetworkError> {
        Ok("sent")
    }

    let result = circuit_breaker.call(send_message).await?;
    assert_eq!(result, "sent");
    Ok(())
}

/// "Integration Recommendations": limiter, breaker per peer, retry on connecting.
struct Node {
    rate_limiter: RateLimiter<&'static str>,
    circuit_breakers: Mutex<HashMap<&'static str, CircuitBreaker>>,
}

impl Node {
    async fn route_message(
        &self,
        peer_id: &'static str,
        link: Result<(), NetworkError>,
    ) -> Result<(), ResilienceError<NetworkError>> {
        self.rate_limiter.allow(&peer_id, 1)?;

        let circuit_breaker = {
            let mut breakers = self.circuit_breakers.lock().unwrap();
            let new = || CircuitBreaker::new(peer_id, CircuitBreakerConfig::DEFAULT);
            breakers.entry(peer_id).or_insert_with(new).clone()
        };

        circuit_breaker.call(async || link).await
    }

    async fn connect_to_peer(&self) -> Result<(), ResilienceError<NetworkError>> {
        let policy = RetryPolicy::DEFAULT;
        let connect = async || Err(NetworkError::connection_failed());
        retry_with_policy(connect, &policy, "peer_connection").await
    }
}

#[tokio::test(start_paused = true)]
async fn the_recommended_integration() {
    let node = Node { rate_limiter: RateLimiter::default(), circuit_breakers: Mutex::default() };

    let Err(error) = node.connect_to_peer().await else { panic!("nobody listens") };
    assert!(matches!(error.into_cause(), Cause::RetryExhausted(error) if error.attempts() == 3));

    // Five failures open the breaker of that peer; ten requests use up the burst of that sender.
    let mut codes = Vec::new();
    for _ in 0..11 {
        let sent = node.route_message("dead", Err(NetworkError::unreachable())).await;
        codes.push(sent.unwrap_err().code());
    }
    assert_eq!(codes[..5], [ErrorCode::OperationFailed; 5]);
    assert_eq!(codes[5..10], [ErrorCode::CircuitBreakerOpen; 5]);
    assert_eq!(codes[10], ErrorCode::RateLimitExceeded);
    assert!(node.route_message("alive", Ok(())).await.is_ok());
}

async fn failing_operation() -> Result<(), &'static str> {
    Err("Test error")
}

/// "Testing": the first part.
#[tokio::test(start_paused = true)]
async fn test_retry() -> Result<(), ConfigError> {
    let policy = RetryPolicy::builder().max_attempts(3).build()?;

    match retry_with_policy(failing_operation, &policy, "failing_operation").await {
        Err(error) if matches!(error.cause(), Cause::RetryExhausted(_)) => {
            assert_eq!(error.code(), ErrorCode::RetryExhausted); // retries exhausted as expected
            assert_eq!(error.into_operation_error(), Some("Test error"));
        }
        other => panic!("{other:?}"),
    }
    Ok(())
}

/// "Testing": the second part.
#[test]
fn test_rate_limiting() -> Result<(), Error> {
    let rate_limiter = RateLimiter::default();
    let config =
        RateLimitConfig::builder().max_requests(2).time_window(Duration::from_secs(60)).build()?;
    rate_limiter.set_limit("test", config)?;

    rate_limiter.allow(&"test", 1)?; // OK
    rate_limiter.allow(&"test", 1)?; // OK
    let error = rate_limiter.allow(&"test", 1).unwrap_err(); // rate limit working as expected
    assert_eq!(error.code(), ErrorCode::RateLimitQuotaExhausted);
    Ok(())
}

/// "Testing": the third part.
#[tokio::test(start_paused = true)]
async fn test_circuit_breaker() -> Result<(), ConfigError> {
    let config = CircuitBreakerConfig::builder().failure_threshold(2).build()?;
    let cb = CircuitBreaker::new("test", config);

    // Fail twice to open the circuit.
    for _ in 0..2 {
        let failed = cb.call(failing_operation).await;
        assert_eq!(failed.unwrap_err().into_operation_error(), Some("Test error"));
    }

    // The circuit should be open now.
    let refused = cb.call(failing_operation).await.unwrap_err();
    assert!(matches!(refused.cause(), Cause::CircuitBreakerOpen(_)));
    Ok(())
}
