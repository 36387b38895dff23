//! A Redis of one's own.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use std::{env, fs, process, thread};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use resil_std::redis::Client;

use crate::PATIENCE;

/// A `redis-server` on a free port of loopback that keeps nothing on disk. It ends with its value.
pub(crate) struct Server {
    child: Child,
    port: u16,
    directory: PathBuf,
}

impl Server {
    pub(crate) fn start() -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let directory = env::temp_dir().join(format!("resil-redis-{}-{number}", process::id()));
        fs::create_dir_all(&directory).unwrap();
        // Somebody may take the port between its being found and its being used.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let child = spawn(port, &directory);
            let mut server = Self { child, port, directory: directory.clone() };
            if server.comes_up() {
                return server;
            }
        }
        let log = fs::read_to_string(directory.join("log")).unwrap_or_default();
        panic!("redis-server does not start; it says:\n{log}");
    }

    pub(crate) fn client(&self) -> Client {
        Client::open(format!("redis://127.0.0.1:{}/", self.port)).unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What it answers to a command, asked apart from any limiter.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, command: &str, arguments: &[&str]) -> T {
        let mut connection = self.client().get_connection().unwrap();
        redis::cmd(command).arg(arguments).query(&mut connection).unwrap()
    }

    /// `kill -9`: what it held is lost.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, empty, where it was.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.port, &self.directory);
        assert!(self.comes_up(), "redis-server does not start again");
    }

    /// It stands still, and its connections stay open.
    pub(crate) fn halt(&self) {
        self.signal(Signal::SIGSTOP);
        waitpid(self.pid(), Some(WaitPidFlag::WUNTRACED)).unwrap();
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    /// Waits until it answers; `false` when it has ended.
    fn comes_up(&mut self) -> bool {
        let started = Instant::now();
        let client = self.client();
        while self.child.try_wait().unwrap().is_none() {
            let answer = client
                .get_connection()
                .and_then(|mut connection| redis::cmd("PING").query::<String>(&mut connection));
            if answer.is_ok() {
                return true;
            }
            assert!(started.elapsed() < PATIENCE, "redis-server runs and does not answer");
            thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

fn spawn(port: u16, directory: &PathBuf) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--logfile", "log"]);
    command.arg("--port").arg(port.to_string()).arg("--dir").arg(directory);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    child.unwrap_or_else(|error| match error.kind() {
        ErrorKind::NotFound => panic!(
            "these tests need redis-server 6.2 or later: `apt-get install redis-server`, \
             `brew install redis`, or let `.ci/run redis` install it"
        ),
        _ => panic!("redis-server: {error}"),
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed by the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
