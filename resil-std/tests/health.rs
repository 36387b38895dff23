//! Checks that are the user's, and what of them runs where.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::Arc;

use resil_std::HealthChecker;
use resil_std::core::health::Probe;
use resil_std::health::Check;

/// Asks how the node is when it is dropped, and counts that.
struct Asks {
    checker: HealthChecker,
    dropped: Arc<AtomicUsize>,
}

impl Drop for Asks {
    fn drop(&mut self) {
        let _ = self.checker.status(Probe::Overall);
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_check_that_is_taken_out_or_refused_is_dropped_with_the_lock_free() {
    let (checker, dropped) = (HealthChecker::new(), Arc::new(AtomicUsize::new(0)));
    let check = || {
        let asks = Asks { checker: checker.clone(), dropped: Arc::clone(&dropped) };
        Check::sync("peers", move || asks.dropped.load(Ordering::Relaxed) == 0)
    };
    checker.register(check()).unwrap();
    checker.register(check()).unwrap_err();
    assert_eq!(dropped.load(Ordering::Relaxed), 1, "there is one of this name");
    checker.register(check().timeout(Duration::ZERO)).unwrap_err();
    assert_eq!(dropped.load(Ordering::Relaxed), 2);
    assert!(checker.unregister("peers"));
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
}
