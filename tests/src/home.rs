//! One person's home, and what they type.

use crate::{Answer, Node, PATIENCE, program};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

/// A home with its owner. A temporary directory goes with it.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    name: String,
    network: Option<String>,
    environment: Vec<(String, String)>,
    own: Option<tempfile::TempDir>,
}

impl Home {
    /// A home that is not there yet, in a temporary directory, of somebody called `name`.
    pub fn new(name: &str) -> Self {
        // Under the shortest name there is: a socket's path has little room.
        let own = tempfile::Builder::new().prefix("mt").tempdir().unwrap();
        Self { own: Some(own), ..Self::at(Path::new(""), name) }.moved_to_own()
    }

    /// The home at `path`, which the caller looks after.
    pub fn at(path: &Path, name: &str) -> Self {
        Self { path: path.to_owned(), name: name.to_owned(), network: None, environment: Vec::new(), own: None }
    }

    fn moved_to_own(mut self) -> Self {
        if let Some(own) = &self.own {
            self.path = own.path().join(&self.name);
        }
        self
    }

    /// The same home, its programs run in a network namespace.
    #[must_use]
    pub fn in_network(mut self, namespace: &str) -> Self {
        self.network = Some(namespace.to_owned());
        self
    }

    /// The same home, its programs run with a variable more.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The home's directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who lives here.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The program in this home, without the caller's settings and with UTC for a zone.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match &self.network {
            None => Command::new(program::path()),
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(program::path());
                command
            }
        };
        for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MUSTER_")) {
            command.env_remove(variable);
        }
        // The machine's own network is not to hear of tests; one that is about mDNS says so, in a namespace.
        command.env("MUSTER_TIME_ZONE", "UTC").env("NO_COLOR", "1").env("MUSTER_MDNS", "false");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg("--home").arg(&self.path).args(["--as", &self.name]).args(arguments).stdin(Stdio::null());
        command
    }

    /// Types a command and waits for its end.
    ///
    /// # Panics
    /// If it does not end within [`PATIENCE`].
    #[track_caller]
    pub fn muster(&self, arguments: &[&str]) -> Answer {
        self.muster_with_input(arguments, "")
    }

    /// As [`Home::muster`], with something on stdin.
    ///
    /// # Panics
    /// As [`Home::muster`].
    #[track_caller]
    pub fn muster_with_input(&self, arguments: &[&str], input: &str) -> Answer {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(command.spawn().unwrap(), input, format!("muster {}", arguments.join(" ")))
    }

    /// Types a command that must succeed and answer with JSON.
    ///
    /// # Panics
    /// If it does neither.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.muster(&[arguments, &["--json"]].concat()).with_code(0).json()
    }

    /// Types a command that writes; gives the id of the entry.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn write(&self, arguments: &[&str]) -> String {
        self.json(arguments)["entry"].as_str().expect("a write answers with its entry").to_owned()
    }

    /// The bytes of `timeline --json`.
    ///
    /// # Panics
    /// If the command fails.
    #[track_caller]
    pub fn timeline(&self) -> String {
        self.muster(&["timeline", "--json"]).with_code(0).stdout
    }

    /// Checks the home with `verify`; gives the number of entries.
    ///
    /// # Panics
    /// If something is wrong with it.
    #[track_caller]
    pub fn verified(&self) -> u64 {
        let told = self.json(&["verify"]);
        assert_eq!(told["ok"], true, "{told}");
        told["entries"].as_u64().expect("a number of entries")
    }

    /// Starts a node on a free port of the loopback and waits until it is ready.
    ///
    /// # Panics
    /// If it does not come up.
    #[track_caller]
    pub fn up(&self) -> Node {
        self.up_with(&["--listen", "/ip4/127.0.0.1/tcp/0"])
    }

    /// Starts a node with options of one's own.
    ///
    /// # Panics
    /// If it does not come up.
    #[track_caller]
    pub fn up_with(&self, options: &[&str]) -> Node {
        Node::start(self.command(&[&["up", "--json"], options].concat()), &self.path.with_extension("stderr"))
    }

    /// Lets somebody in: a ticket from here, used there. Gives what `join` answered.
    ///
    /// # Panics
    /// If the newcomer is not let in.
    #[track_caller]
    pub fn lets_in(&self, newcomer: &Home) -> Value {
        let ticket = self.ticket();
        let joined = newcomer.json(&["join", &ticket]);
        assert_eq!(joined["synced"], true, "{joined}");
        joined
    }

    /// A new ticket.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn ticket(&self) -> String {
        self.json(&["team", "invite"])["ticket"].as_str().expect("a ticket is a text").to_owned()
    }
}

/// Feeds and awaits a child whose three streams are piped.
///
/// # Panics
/// If it does not end within [`PATIENCE`]; it is killed then.
#[track_caller]
fn finish(mut child: Child, input: &str, command: String) -> Answer {
    let pid = rustix::process::Pid::from_child(&child);
    let (input, mut stdin) = (input.to_owned(), child.stdin.take().expect("stdin is piped"));
    // A command that does not read its input closes it, and that is its right.
    let feeding = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(child.wait_with_output()));
    let Ok(output) = end.recv_timeout(PATIENCE) else {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        panic!("`{command}` does not end within {} s", PATIENCE.as_secs());
    };
    feeding.join().unwrap();
    let output = output.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("everything printed is UTF-8");
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    Answer { command, code: output.status.code().unwrap_or(-1), stdout, stderr }
}
