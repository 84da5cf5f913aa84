//! The workspace and the commands that are run in it.
//!
//! What cargo says about packages is read here; what is thought of it is in [`crate::policy`] and [`crate::purity`].

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Variables that `cargo run` sets for the program it starts. Build scripts watch some of them, so handing them on
/// would compile those crates once more whenever cargo is called now by hand and now from here.
const CARGO_RUN_VARIABLES: [&str; 5] =
    ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_BIN_NAME", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"];

/// Where the repository is and how strict this run is.
pub(crate) struct Workspace {
    /// The folder that holds the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Whether `CI=true`: nothing may be skipped and `Cargo.lock` may not change.
    pub(crate) ci: bool,
}

impl Workspace {
    /// The workspace this program belongs to.
    pub(crate) fn here() -> Self {
        let own_folder = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = own_folder.ancestors().nth(2).map_or_else(|| own_folder.clone(), Path::to_path_buf);
        Self { root, ci: std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1") }
    }

    /// A command that starts at the root of the repository.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// A cargo command that sees the environment as the caller of `cargo xtask` had it.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let mut command = self.command(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
        for name in CARGO_RUN_VARIABLES {
            command.env_remove(name);
        }
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_PKG_")) {
            command.env_remove(name);
        }
        command.args(args);
        command
    }

    /// As [`Workspace::cargo`], for commands that resolve dependencies: in CI the lock file may not change.
    pub(crate) fn cargo_locked(&self, args: &[&str]) -> Command {
        let mut command = self.cargo(args);
        if self.ci {
            command.arg("--locked");
        }
        command
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target_directory(&self) -> Result<PathBuf, String> {
        let text = stdout(&mut self.cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
        let metadata: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| format!("cargo metadata printed no JSON: {error}"))?;
        metadata["target_directory"]
            .as_str()
            .map(PathBuf::from)
            .ok_or("cargo metadata names no target directory".into())
    }

    /// The members of the workspace, as `cargo metadata` lists them.
    pub(crate) fn members(&self) -> Result<Vec<Member>, String> {
        let text = stdout(&mut self.cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
        let metadata: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| format!("cargo metadata printed no JSON: {error}"))?;
        let packages = metadata["packages"].as_array().ok_or("cargo metadata listed no packages")?;
        Ok(packages.iter().map(Member::read).collect())
    }

    /// What `cargo tree` lists: each package once, with the value of `column` (as in `cargo tree --format`).
    pub(crate) fn tree(&self, selection: &[&str], edges: &str, column: &str) -> Result<Vec<Node>, String> {
        let format = format!("{{p}}|{column}");
        let mut command = self.cargo(&["tree", "--edges", edges, "--prefix", "none", "--no-dedupe"]);
        let text = stdout(command.args(["--format", &format]).args(selection))?;
        let mut nodes: Vec<Node> = text.lines().filter_map(Node::read).collect();
        nodes.sort();
        nodes.dedup();
        Ok(nodes)
    }
}

/// One crate of this repository.
pub(crate) struct Member {
    /// The package's name.
    pub(crate) name: String,
    /// Names of its direct dependencies that come from elsewhere.
    pub(crate) foreign: Vec<String>,
    /// Whether it has a program to run.
    pub(crate) has_binary: bool,
}

impl Member {
    fn read(package: &serde_json::Value) -> Self {
        let list = |key: &str| package[key].as_array().cloned().unwrap_or_default();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            name: text(&package["name"]),
            foreign: list("dependencies").iter().filter(|d| d["path"].is_null()).map(|d| text(&d["name"])).collect(),
            has_binary: list("targets").iter().any(|target| target["kind"][0] == "bin"),
        }
    }
}

/// One line of `cargo tree`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node {
    /// The package's name.
    pub(crate) name: String,
    /// Whether it is a crate of this repository, or another folder.
    pub(crate) local: bool,
    /// The column asked for.
    pub(crate) value: String,
}

impl Node {
    fn read(line: &str) -> Option<Self> {
        let (package, value) = line.split_once('|')?;
        let name = package.split(' ').next()?;
        Some(Self { name: name.to_owned(), local: package.contains("(/"), value: value.trim().to_owned() })
    }
}

/// Runs a command to its end and gives what it printed, or what it complained of.
pub(crate) fn stdout(command: &mut Command) -> Result<String, String> {
    let output = captured(command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} failed: {}", describe(command), complaint.trim()))
}

/// Runs a command to its end in silence.
pub(crate) fn captured(command: &mut Command) -> Result<Output, String> {
    command.output().map_err(|error| format!("{} did not start: {error}", describe(command)))
}

/// Runs a command that prints for itself.
pub(crate) fn shown(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{} did not start: {error}", describe(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", describe(command))) }
}

fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program()).to_string_lossy();
    let args = command.get_args().map(|arg| format!(" {}", arg.to_string_lossy()));
    format!("`{program}{}`", args.collect::<String>())
}
