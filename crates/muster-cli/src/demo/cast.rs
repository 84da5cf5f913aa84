//! The three people of the demo: their homes, their nodes, and what they type.

use crate::problem::Problem;
use muster_node::request::Failure;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take that crosses the loopback. Generous: a busy machine is no reason to fail.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks.
const STEP: Duration = Duration::from_millis(50);

/// One person with a running node.
pub(super) struct Person {
    pub(super) name: &'static str,
    home: PathBuf,
    node: Child,
}

/// Everybody.
pub(super) struct Cast {
    pub(super) people: Vec<Person>,
    stage: PathBuf,
    keep: bool,
}

/// What is wrong with the demo's world.
pub(super) fn wrong(message: impl Into<String>) -> Problem {
    Problem::from(Failure::new(format!("the demo went wrong: {}", message.into())))
}

impl Cast {
    /// Starts three nodes, each in a home of its own.
    pub(super) fn gather(keep: Option<PathBuf>) -> Result<Self, Problem> {
        let stage = match &keep {
            Some(dir) => dir.clone(),
            None => std::env::temp_dir().join(format!("muster-demo-{}", std::process::id())),
        };
        if stage.exists() && keep.is_none() {
            return Err(wrong(format!("{} is in the way", stage.display())));
        }
        let mut cast = Self { people: Vec::new(), stage, keep: keep.is_some() };
        for name in ["alice", "bob", "carol"] {
            let person = Person::arrive(name, &cast.stage);
            match person {
                Ok(person) => cast.people.push(person),
                Err(problem) => {
                    cast.dismiss();
                    return Err(problem);
                }
            }
        }
        Ok(cast)
    }

    /// The person called so.
    pub(super) fn person(&self, name: &str) -> Result<&Person, Problem> {
        self.people.iter().find(|person| person.name == name).ok_or_else(|| wrong(format!("nobody is called {name}")))
    }

    /// Stops the nodes and clears the stage.
    pub(super) fn dismiss(&mut self) {
        for person in &mut self.people {
            person.leave();
        }
        self.people.clear();
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.stage);
        }
    }

    /// Looks again and again until everybody's `command` prints the same and `good` likes it; gives what was printed.
    pub(super) fn until_all_agree(
        &self,
        command: &[&str],
        what: &str,
        good: impl Fn(&Value) -> bool,
    ) -> Result<Value, Problem> {
        let began = Instant::now();
        loop {
            let seen: Vec<String> =
                self.people.iter().map(|person| person.printed(command)).collect::<Result<_, _>>()?;
            if seen.windows(2).all(|pair| pair[0] == pair[1]) {
                let value: Value = serde_json::from_str(&seen[0]).map_err(|error| wrong(error.to_string()))?;
                if good(&value) {
                    return Ok(value);
                }
            }
            if began.elapsed() > PATIENCE {
                return Err(wrong(format!("{what}: not within {} s", PATIENCE.as_secs())));
            }
            std::thread::sleep(STEP);
        }
    }
}

impl Drop for Cast {
    fn drop(&mut self) {
        self.dismiss();
    }
}

impl Person {
    fn arrive(name: &'static str, stage: &Path) -> Result<Self, Problem> {
        let home = stage.join(name);
        std::fs::create_dir_all(stage).map_err(|error| wrong(format!("{}: {error}", stage.display())))?;
        let mut node = muster(&home, name)?
            .args(["up", "--listen", "/ip4/127.0.0.1/tcp/0", "--no-mdns", "--json"])
            .stdout(Stdio::piped())
            // What the node tells about itself stands in its home's log file; here it would drown the story.
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| wrong(format!("the node of {name} does not start: {error}")))?;
        let mut ready = String::new();
        if let Some(stdout) = node.stdout.take() {
            let _ = BufReader::new(stdout).read_line(&mut ready);
        }
        if serde_json::from_str::<Value>(&ready).is_err() {
            let _ = node.kill();
            let _ = node.wait();
            return Err(wrong(format!("the node of {name} did not come up")));
        }
        Ok(Self { name, home, node })
    }

    /// The node's process, for the story.
    pub(super) fn pid(&self) -> u32 {
        self.node.id()
    }

    /// Runs a command on this person's node and gives what it prints.
    pub(super) fn printed(&self, command: &[&str]) -> Result<String, Problem> {
        let output = muster(&self.home, self.name)?
            .args(command)
            .output()
            .map_err(|error| wrong(format!("muster {}: {error}", command.join(" "))))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(wrong(format!("{} typed `muster {}`: {}", self.name, command.join(" "), said.trim())));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// As [`Person::printed`], read as JSON.
    pub(super) fn json(&self, command: &[&str]) -> Result<Value, Problem> {
        let mut command = command.to_vec();
        command.push("--json");
        serde_json::from_str(&self.printed(&command)?).map_err(|error| wrong(error.to_string()))
    }

    /// Looks again and again until `good` likes what a command gives.
    pub(super) fn until(&self, command: &[&str], what: &str, good: impl Fn(&Value) -> bool) -> Result<Value, Problem> {
        let began = Instant::now();
        loop {
            let value = self.json(command)?;
            if good(&value) {
                return Ok(value);
            }
            if began.elapsed() > PATIENCE {
                return Err(wrong(format!("{what} at {}: not within {} s", self.name, PATIENCE.as_secs())));
            }
            std::thread::sleep(STEP);
        }
    }

    fn leave(&mut self) {
        let _ = self.printed(&["down"]);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(5) {
            if let Ok(Some(_)) = self.node.try_wait() {
                return;
            }
            std::thread::sleep(STEP);
        }
        let _ = self.node.kill();
        let _ = self.node.wait();
    }
}

/// This program, in somebody's home and without the caller's settings.
fn muster(home: &Path, name: &str) -> Result<Command, Problem> {
    let program = std::env::current_exe().map_err(|error| wrong(error.to_string()))?;
    let mut command = Command::new(program);
    for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MUSTER_")) {
        command.env_remove(variable);
    }
    command.arg("--home").arg(home).args(["--as", name]).stdin(Stdio::null());
    Ok(command)
}
