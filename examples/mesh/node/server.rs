//! The side of a node that serves: it routes each message by its sender's limit to one worker.

use super::journal::Journal;
use super::protection::Admission;
use crate::settings;
use crate::wire::{Admitted, Frames, Message, NodeId};
use core::cell::RefCell;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;
use futures_util::{SinkExt, StreamExt};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::rc::Rc;
use std::sync::Arc;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::codec::{FramedRead, FramedWrite};

/// Answers that wait to be written on one connection.
const OUTGOING: usize = 1024;

/// What a node serves with.
#[derive(Debug)]
pub(super) struct Server {
    admission: Admission,
    work: mpsc::Sender<Job>,
    workload: Arc<Workload>,
    hang_ups: RefCell<StdRng>,
    journal: Rc<Journal>,
}

/// A request that was let in.
#[derive(Debug)]
struct Job {
    id: u64,
    arrived: Instant,
    answer: mpsc::Sender<Message>,
}

/// What the worker has before it. A health check reads it from a task of its own.
#[derive(Debug)]
pub(super) struct Workload {
    service_nanos: AtomicU64,
    waiting: AtomicU32,
}

impl Workload {
    /// How long a request that came now would wait.
    pub(super) fn backlog(&self) -> Duration {
        self.service_time().saturating_mul(self.waiting.load(Ordering::Relaxed))
    }

    fn service_time(&self) -> Duration {
        Duration::from_nanos(self.service_nanos.load(Ordering::Relaxed))
    }

    fn set_service_time(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.service_nanos.store(nanos, Ordering::Relaxed);
    }
}

impl Default for Workload {
    fn default() -> Self {
        let workload = Self { service_nanos: AtomicU64::new(0), waiting: AtomicU32::new(0) };
        workload.set_service_time(settings::SERVICE_TIME);
        workload
    }
}

impl Server {
    /// Serves whoever connects, as tasks of this thread.
    pub(super) fn start(
        listener: TcpListener,
        admission: Admission,
        seed: u64,
        journal: Rc<Journal>,
    ) -> Rc<Self> {
        let (work, jobs) = mpsc::channel(settings::QUEUE);
        let server = Rc::new(Self {
            admission,
            work,
            workload: Arc::new(Workload::default()),
            hang_ups: RefCell::new(StdRng::seed_from_u64(seed)),
            journal,
        });
        spawn_local(server.clone().work(jobs));
        spawn_local(server.clone().accept(listener));
        server
    }

    /// Takes this long for each request from now on.
    pub(super) fn set_service_time(&self, time: Duration) {
        self.workload.set_service_time(time);
    }

    /// What the worker has before it.
    pub(super) fn workload(&self) -> Arc<Workload> {
        self.workload.clone()
    }

    async fn accept(self: Rc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(spawn_local(self.clone().serve(stream))),
                // Out of file handles, for instance: wait for some to be given back.
                Err(_) => sleep(settings::REPORT_EVERY).await,
            }
        }
    }

    /// One connection, until either side ends it.
    async fn serve(self: Rc<Self>, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let (read, write) = stream.into_split();
        let mut requests = FramedRead::new(read, Frames::of_peers());
        let Some(Ok(Message::Hello { from })) = requests.next().await else { return };
        let (answers, queue) = mpsc::channel(OUTGOING);
        let writing = spawn_local(write_answers(write, queue));
        while let Some(Ok(Message::Request { id })) = requests.next().await {
            if self.hang_ups.borrow_mut().random_ratio(1, settings::HANG_UP_ONE_IN) {
                self.journal.count(|counts| counts.hang_ups += 1);
                break;
            }
            self.route(from, id, &answers).await;
        }
        writing.abort();
    }

    /// Lets a request through to the worker, or answers with the limiter's refusal.
    async fn route(&self, sender: NodeId, id: u64, answers: &mpsc::Sender<Message>) {
        match self.admission.admit(sender) {
            Ok(at) => {
                self.journal.admitted(Admitted { sender, at: at.as_nanos() });
                self.workload.waiting.fetch_add(1, Ordering::Relaxed);
                let job = Job { id, arrived: Instant::now(), answer: answers.clone() };
                // The worker lives as long as the server.
                let _ = self.work.send(job).await;
            }
            Err(refusal) => {
                self.journal.count(|counts| counts.limited += 1);
                // Waits while the sender does not read: it slows down nobody but itself.
                let _ = answers.send(Message::Reply { id, answer: Err(refusal) }).await;
            }
        }
    }

    /// The one worker: a request at a time, in the order in which they came.
    async fn work(self: Rc<Self>, mut jobs: mpsc::Receiver<Job>) {
        let mut free_at = Instant::now();
        while let Some(job) = jobs.recv().await {
            // From the arrival, not from now: waking up late costs no capacity.
            free_at = free_at.max(job.arrived) + self.workload.service_time();
            sleep_until(free_at).await;
            self.workload.waiting.fetch_sub(1, Ordering::Relaxed);
            self.journal.count(|counts| counts.served += 1);
            // Never waits: a peer that does not read its answers loses them.
            let _ = job.answer.try_send(Message::Reply { id: job.id, answer: Ok(()) });
        }
    }
}

async fn write_answers(write: OwnedWriteHalf, mut queue: mpsc::Receiver<Message>) {
    let mut answers = FramedWrite::new(write, Frames::of_peers());
    while let Some(message) = queue.recv().await {
        if answers.send(message).await.is_err() {
            break;
        }
    }
}
