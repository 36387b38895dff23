//! A reconnect loop over a reboot.

use super::policy::NO_DEADLINE;
use super::{Retry, RetryPolicy, Wait};
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;

/// A call to go on with after a reboot: how far it was, and what it was waiting for.
///
/// Worth keeping for calls that a node makes whenever it runs: connecting, joining, announcing. A node
/// that boots into a brown-out and forgets them begins with the shortest delay each time, and hammers.
///
/// With a [wait](Self::wait), wait for what [remains](Wait::remaining) of it. Without one an attempt was
/// under way when the node went down, and may be why: [record](Retry::record) it as a failure of
/// our own ([`Local`](crate::outcome::FailureClass::Local)) and wait for what that says.
///
/// ```
/// use core::time::Duration;
/// use resil_core::Instant;
/// use resil_core::backoff::Jitter;
/// use resil_core::outcome::FailureClass;
/// use resil_core::retry::{Next, Retry, RetryPolicy, Suspended};
/// use resil_core::snapshot::Persist;
/// use resil_core::valid;
///
/// const JOIN: RetryPolicy =
///     valid!(RetryPolicy::builder().max_attempts(u32::MAX).jitter(Jitter::None).build());
/// let mut flash = [0; 64];
///
/// // 100 s after the start the fifth attempt fails: 16 s to wait.
/// let mut retry = Retry::start(&JOIN, Instant::EPOCH);
/// let now = Instant::from_duration(Duration::from_secs(100));
/// let mut next = None;
/// for _ in 0..5 {
///     next = Some(retry.record(&JOIN, FailureClass::Transient.into(), 0, now));
/// }
/// let Some(Next::Wait(wait)) = next else { panic!() };
/// assert_eq!(wait.delay(), Duration::from_secs(16));
///
/// // 6 s later the battery sags.
/// let down = now.saturating_add(Duration::from_secs(6));
/// let written = JOIN.save(&Suspended { retry, wait: Some(wait) }, down, &mut flash)?;
///
/// // The clock begins again, the loop does not.
/// let mut back = JOIN.restore(&flash[..written], Instant::EPOCH)?;
/// let wait = back.wait.ok_or("no wait")?;
/// assert_eq!(wait.remaining(Instant::EPOCH), Duration::from_secs(10));
/// assert_eq!(wait.attempt(), 6);
/// let next = back.retry.record(&JOIN, FailureClass::Transient.into(), 0, wait.until());
/// assert!(matches!(next, Next::Wait(wait) if wait.delay() == Duration::from_secs(32)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Suspended {
    /// The call.
    pub retry: Retry,
    /// What it waits for; `None` while an attempt is under way.
    pub wait: Option<Wait>,
}

/// 41 + 4 bytes. The classifier is not in it, nor is the wait's refusal.
///
/// A total deadline goes on from what was left of it. What a policy with fewer attempts, shorter
/// delays or another deadline could not have come to is [`SnapshotError::Invalid`].
impl<C> Persist for RetryPolicy<C> {
    type State = Suspended;

    const KIND: u8 = kind::RETRY;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = 41;

    fn write(&self, state: &Suspended, now: Instant, to: &mut Writer<'_>) {
        let Suspended { retry, wait } = state;
        to.u32(retry.failed);
        to.u32(retry.refused);
        to.u64(retry.previous);
        to.u64(match self.horizon() {
            Some(horizon) => retry.deadline.nanos_since(now).min(horizon),
            None => u64::MAX,
        });
        to.u8(u8::from(wait.is_some()));
        let (left, delay) =
            wait.map_or((0, 0), |wait| (wait.until.nanos_since(now).min(wait.delay), wait.delay));
        to.u64(left);
        to.u64(delay);
    }

    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<Suspended, SnapshotError> {
        let (failed, refused, previous) = (from.u32()?, from.u32()?, from.u64()?);
        let deadline = match self.horizon() {
            Some(horizon) => from.remaining(horizon, now)?,
            None if from.u64()? == u64::MAX => Instant::MAX,
            None => return Err(SnapshotError::Invalid),
        };
        let has_wait = match from.u8()? {
            0 => false,
            1 => true,
            _ => return Err(SnapshotError::Invalid),
        };
        let (left, delay) = (from.u64()?, from.u64()?);
        let retry = Retry { deadline, previous, failed, refused };
        let wait = Wait { until: now.plus_nanos(left), delay, attempt: retry.attempt() };
        let can_be = failed <= self.max_attempts()
            && refused <= self.max_refusal_waits()
            && previous <= self.backoff().max_nanos()
            && left <= delay
            && if has_wait { self.can_wait(&retry, delay) } else { delay == 0 };
        if !can_be {
            return Err(SnapshotError::Invalid);
        }
        Ok(Suspended { retry, wait: has_wait.then_some(wait) })
    }
}

impl<C> RetryPolicy<C> {
    /// How far ahead a deadline can be; `None` where there is none.
    fn horizon(&self) -> Option<u64> {
        (self.deadline != NO_DEADLINE).then_some(self.deadline)
    }

    /// Whether a call like this can be waiting for this long: after an attempt, for a delay of ours or
    /// the peer's; after a refusal, for anything up to the deadline.
    fn can_wait(&self, retry: &Retry, delay: u64) -> bool {
        let ours = self.backoff().max_nanos();
        let longest = match self.horizon() {
            Some(horizon) if retry.refused > 0 => horizon,
            _ => ours.max(self.max_retry_after),
        };
        retry.failed < self.max_attempts()
            && (retry.failed > 0 || retry.refused > 0)
            && delay <= longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use crate::outcome::{EveryError, FailureClass, Rejected, RetryAt};
    use crate::retry::Next;
    use core::time::Duration;

    const POLICY: RetryPolicy = crate::valid!(
        RetryPolicy::builder().max_refusal_waits(2).deadline(Duration::from_secs(9)).build()
    );
    const NOW: Instant = Instant::from_nanos(1_000);

    fn refused(retry: &mut Retry) -> Wait {
        let later = RetryAt::At(Instant::from_nanos(9_000));
        let busy = Rejected::new(ErrorCode::RateLimitExceeded, later);
        let Next::Wait(wait) = retry.refused(&POLICY, busy, 0, NOW) else { panic!() };
        wait
    }

    fn failed(retry: &mut Retry) -> Wait {
        let lost = FailureClass::Transient.into();
        let Next::Wait(wait) = retry.record(&POLICY, lost, u32::MAX, NOW) else { panic!() };
        wait
    }

    #[test]
    fn a_call_waits_on_whether_it_has_failed_was_refused_or_both() {
        for history in ["failed", "refused", "failed refused", "refused failed"] {
            let mut retry = Retry::start(&POLICY, NOW);
            let tell =
                |step| if step == "failed" { failed(&mut retry) } else { refused(&mut retry) };
            let wait = history.split(' ').map(tell).last();
            let mut bytes = [0; RetryPolicy::<EveryError>::LEN];
            POLICY.save(&Suspended { retry, wait }, NOW, &mut bytes).unwrap();
            let back = POLICY.restore(&bytes, NOW).map(|back| back.wait.map(|wait| wait.until()));
            assert_eq!(back, Ok(wait.map(|wait| wait.until())), "{history}");
        }
    }

    #[test]
    fn nobody_waits_who_has_neither_failed_nor_been_refused() {
        let mut other = Retry::start(&POLICY, NOW);
        let wait = Some(failed(&mut other));
        let retry = Retry::start(&POLICY, NOW);
        let mut bytes = [0; RetryPolicy::<EveryError>::LEN];
        POLICY.save(&Suspended { retry, wait }, NOW, &mut bytes).unwrap();
        assert_eq!(POLICY.restore(&bytes, NOW), Err(SnapshotError::Invalid));
    }
}
