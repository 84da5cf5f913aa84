//! Which `muster` is tested: `MUSTER_BIN`, else the one in the target directory, built once if it is not there.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The binary under test.
///
/// # Panics
/// Where `MUSTER_BIN` names no file, or building fails.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| match std::env::var_os("MUSTER_BIN") {
        Some(named) => {
            let path = std::path::absolute(named).unwrap();
            assert!(path.is_file(), "MUSTER_BIN names {}, which is not there", path.display());
            path
        }
        None => in_target_directory(),
    })
}

fn in_target_directory() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    // A relative target directory is meant from where cargo was started, the workspace; tests run in their package.
    let target = if target.is_absolute() { target } else { root.join(target) };
    let program = target.join("debug").join("muster");
    if !program.is_file() {
        build(&root, &target);
    }
    assert!(program.is_file(), "{} is not there even after building", program.display());
    program
}

/// Each test may be a process of its own, so a file's lock sees to it that one builds and the others wait.
fn build(root: &Path, target: &Path) {
    std::fs::create_dir_all(target).unwrap();
    let turn = File::create(target.join("muster-tests.lock")).unwrap();
    turn.lock().unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["build", "--workspace", "--bins", "--quiet", "--target-dir"]).arg(target);
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?} ended with {status}");
}
