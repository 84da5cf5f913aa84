//! The acknowledging writer as a child process that can be killed.
//!
//! The test binary runs itself again with one test chosen and the environment telling it to write, so that no other
//! program has to be built first.

#![allow(dead_code, reason = "each test binary uses a part")]

#[path = "../../examples/ack_writer.rs"]
pub(crate) mod ack_writer;

use muster_store::{DiskStore, Storage};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const DIR: &str = "MUSTER_TEST_WRITER_DIR";
const BARE: &str = "MUSTER_TEST_WRITER_BARE_SLED";

/// To be called by a test named `name`: writes for ever if this process was started to do that.
pub(crate) fn write_if_asked() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let out = &mut std::io::stdout();
    let bare = std::env::var_os(BARE).is_some();
    let write = if bare { ack_writer::write_to_bare_sled } else { ack_writer::write_to_store };
    if let Err(error) = write(Path::new(&dir), u64::MAX, out) {
        println!("failed: {error}");
    }
}

/// Starts a writer, lets it acknowledge `acknowledgements` entries, kills it, and at once calls `then`. Returns one more than
/// the highest number acknowledged.
#[track_caller]
pub(crate) fn kill_after(name: &str, dir: &Path, bare: bool, acknowledgements: usize, then: impl FnOnce()) -> u64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(DIR, dir).stdin(Stdio::null());
    if bare {
        command.env(BARE, "1");
    }
    let mut writer: Child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut highest = 0;
    let number = |line: String| {
        assert!(!line.starts_with("failed"), "the writer {line}");
        line.rsplit(' ').next().and_then(|word| word.parse::<u64>().ok())
    };
    for n in lines.by_ref().filter_map(number).take(acknowledgements) {
        highest = n + 1;
    }
    writer.kill().unwrap();
    then();
    writer.wait().unwrap();
    // What was acknowledged between our last look and the kill counts too. The last line may be cut short, but a shorter
    // number is a smaller one.
    lines.filter_map(number).fold(highest, |highest, n| highest.max(n + 1))
}

/// That the store holds the entries `from..` up to at least `acknowledged`, as written.
#[track_caller]
pub(crate) fn check(store: &DiskStore, from: u64, acknowledged: u64) {
    let count = store.count(&ack_writer::DAG);
    assert!(count >= acknowledged, "{acknowledged} were acknowledged, {count} are there");
    for (found, n) in store.page(&ack_writer::DAG, from, usize::MAX).unwrap().into_iter().zip(from..) {
        let (hash, bytes) = ack_writer::body(n);
        assert_eq!(found, ack_writer::entry(n), "entry {n}");
        assert_eq!(store.entry(&found.id).unwrap(), Some(found), "entry {n} by its id");
        assert_eq!(store.body(&hash).unwrap(), Some(bytes), "body {n}");
    }
}
