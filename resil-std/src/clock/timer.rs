//! A sleep with a name, for futures that keep one.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use pin_project_lite::pin_project;
use resil_core::{Clock, Instant};

/// The longest single timer. Longer waits are cut into pieces: a timer wheel has an end.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pin_project! {
    /// Sleeps by tokio's timers, until `clock` itself has reached `deadline`.
    #[must_use = "a timer that nobody polls is no wait"]
    pub(crate) struct Timer<T> {
        clock: T,
        deadline: Instant,
        #[pin]
        sleep: Option<tokio::time::Sleep>,
    }
}

impl<T: Clock> Timer<T> {
    pub(crate) const fn new(clock: T, deadline: Instant) -> Self {
        Self { clock, deadline, sleep: None }
    }
}

impl<T: Clock> Future for Timer<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            if let Some(sleep) = this.sleep.as_mut().as_pin_mut() {
                ready!(sleep.poll(context));
            }
            let now = this.clock.now();
            if this.deadline.is_reached(now) {
                this.sleep.set(None); // or it would be polled again after its end
                return Poll::Ready(());
            }
            let left = this.deadline.saturating_since(now);
            this.sleep.set(Some(tokio::time::sleep(left.min(LONGEST))));
        }
    }
}
