//! STUB until resil-std lands.

use crate::node::Journal;
use crate::wire::{BreakerMoved, BreakerState, End, NodeId};
use core::cell::{Cell, RefCell};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

pub(crate) fn now_nanos() -> u64 {
    START.elapsed().as_nanos() as u64
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WireError {
    code: u16,
    after: Option<u64>,
}
impl WireError {
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.after.map(Duration::from_nanos)
    }
    pub(crate) fn error_code(&self) -> u16 {
        self.code
    }
}

#[derive(Debug)]
pub(crate) struct NetworkError(u16);
impl NetworkError {
    pub(crate) fn number(&self) -> u16 {
        self.0
    }
    pub(crate) fn timeout() -> Self {
        Self(1001)
    }
    pub(crate) fn connection_failed() -> Self {
        Self(1002)
    }
}

#[derive(Debug)]
pub(crate) enum PeerError {
    Network(NetworkError),
    Answered(WireError),
    Held,
}
impl From<NetworkError> for PeerError {
    fn from(e: NetworkError) -> Self {
        Self::Network(e)
    }
}

pub(crate) struct Protection {
    on: bool,
    journal: Rc<Journal>,
}
impl Protection {
    pub(crate) fn new(on: bool, journal: &Rc<Journal>) -> anyhow::Result<Self> {
        Ok(Self { on, journal: journal.clone() })
    }
    pub(crate) fn admission(&self) -> Admission {
        Admission { on: self.on, logs: RefCell::default() }
    }
    pub(crate) fn guard(&self, peer: NodeId) -> Guard {
        Guard {
            on: self.on,
            peer,
            failures: Cell::new(0),
            open_until: Cell::new(0),
            open: Cell::new(false),
            probe: Cell::new(false),
            journal: self.journal.clone(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Admission {
    on: bool,
    logs: RefCell<HashMap<NodeId, Vec<u64>>>,
}
impl Admission {
    pub(crate) fn admit(&self, sender: NodeId) -> Result<u64, WireError> {
        let now = now_nanos();
        if self.on {
            let logs = &mut *self.logs.borrow_mut();
            let log = logs.entry(sender).or_default();
            log.retain(|t| t + 1_000_000_000 > now);
            let recent = log.iter().filter(|t| **t + 250_000_000 > now).count();
            if recent >= 10 || log.len() >= 40 {
                return Err(WireError { code: 2001, after: Some(25_000_000) });
            }
            log.push(now);
        }
        Ok(now)
    }
}

#[derive(Debug)]
pub(crate) struct Guard {
    on: bool,
    peer: NodeId,
    failures: Cell<u32>,
    open_until: Cell<u64>,
    open: Cell<bool>,
    probe: Cell<bool>,
    journal: Rc<Journal>,
}
impl Guard {
    pub(crate) fn is_open(&self) -> bool {
        self.open.get()
    }
    fn moved(&self, to: BreakerState) {
        self.journal.breaker(BreakerMoved { peer: self.peer, to, at: now_nanos() });
    }
    pub(crate) async fn call<F: Future<Output = Result<(), PeerError>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> End {
        let mut n = 0;
        loop {
            n += 1;
            if self.on && self.open.get() {
                if now_nanos() < self.open_until.get() || self.probe.get() {
                    return End::Refused(3001);
                }
                self.probe.set(true);
                self.moved(BreakerState::HalfOpen);
            }
            let result = attempt().await;
            let code = match result {
                Ok(()) | Err(PeerError::Answered(_)) | Err(PeerError::Held) => {
                    self.failures.set(0);
                    if self.on && self.open.get() {
                        self.open.set(false);
                        self.probe.set(false);
                        self.moved(BreakerState::Closed);
                    }
                    return match result {
                        Ok(()) => End::Ok,
                        Err(PeerError::Answered(w)) => End::Refused(w.code),
                        _ => End::Refused(2001),
                    };
                }
                Err(PeerError::Network(e)) => e.0,
            };
            self.failures.set(self.failures.get() + 1);
            if self.on
                && (self.open.get() && self.probe.get()
                    || !self.open.get() && self.failures.get() >= 5)
            {
                self.open.set(true);
                self.probe.set(false);
                self.open_until.set(now_nanos() + 500_000_000);
                self.moved(BreakerState::Open);
            }
            if n == 3 {
                return End::Failed(code);
            }
            if self.on {
                tokio::time::sleep(Duration::from_millis(20 * n)).await;
            }
        }
    }
    pub(crate) async fn connect<T, F: Future<Output = Result<T, NetworkError>>>(
        &self,
        open: impl Fn() -> F,
    ) -> Result<T, NetworkError> {
        let mut n = 0;
        loop {
            n += 1;
            match open().await {
                Ok(t) => return Ok(t),
                Err(e) if n == 3 => return Err(e),
                Err(_) => {
                    if self.on {
                        tokio::time::sleep(Duration::from_millis(10 * n)).await
                    }
                }
            }
        }
    }
}
