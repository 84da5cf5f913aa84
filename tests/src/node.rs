//! A running node: its process, what it said when it was ready, and its end.

use crate::{PATIENCE, until};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

/// A node. It is killed when dropped, so that a failed test leaves nothing running.
#[derive(Debug)]
pub struct Node {
    child: Child,
    /// What `up --json` printed.
    pub ready: Value,
}

impl Node {
    /// Starts a node and waits until it is ready; its stderr goes to a file.
    ///
    /// # Panics
    /// If it does not come up within [`PATIENCE`].
    #[track_caller]
    pub(crate) fn start(mut command: Command, stderr: &Path) -> Self {
        let log = File::options().create(true).append(true).open(stderr).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut node = Self { child, ready: Value::Null };
        let (said, line) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = said.send(line);
        });
        let line = line.recv_timeout(PATIENCE).unwrap_or_default();
        node.ready = serde_json::from_str(&line).unwrap_or_else(|_| {
            let why = std::fs::read_to_string(stderr).unwrap_or_default();
            panic!("the node did not come up; it said: {line}\n{why}")
        });
        node
    }

    /// The first address it listens on, with its device.
    ///
    /// # Panics
    /// If it has none.
    #[track_caller]
    pub fn address(&self) -> String {
        self.ready["addrs"][0].as_str().expect("a node that listens has an address").to_owned()
    }

    /// Its device.
    ///
    /// # Panics
    /// If it told none.
    #[track_caller]
    pub fn device(&self) -> String {
        self.ready["peer"].as_str().expect("a node names its device").to_owned()
    }

    /// Memory that it has in use, in KiB.
    ///
    /// # Panics
    /// If it has ended.
    #[track_caller]
    pub fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Ends it as a power cut would: SIGKILL, no chance to tidy up.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop with SIGTERM, and waits.
    ///
    /// # Panics
    /// If it goes on.
    #[track_caller]
    pub fn terminate(mut self) -> ExitStatus {
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.wait()
    }

    /// Waits for it to end by itself.
    ///
    /// # Panics
    /// If it goes on.
    #[track_caller]
    pub fn ended(mut self) -> ExitStatus {
        self.wait()
    }

    #[track_caller]
    fn wait(&mut self) -> ExitStatus {
        until("the node ends", || self.child.try_wait().unwrap())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
