//! Live on bad lines: ten nodes in network namespaces, 50 ms each way, one packet in twenty lost.
//!
//! The nodes are those of `peer`, one process each, driven over their stdin; a star around the first at the start, what
//! they make of it is their affair. The clock starts before the first node is asked to write and stops when a line can
//! be read on another. Needs root.

use crate::fault::Fault;
use crate::figure::Figure;
use crate::sample::Sample;
use muster_tests::bad_line::BadLine;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Nodes, the writer among them.
const NODES: u8 = 10;

/// One way, in milliseconds.
const DELAY_MS: u32 = 50;

/// Of a hundred packets.
const LOSS_PERCENT: u8 = 5;

/// Entries a second.
const RATE: f64 = 5.0;

/// How often everybody is asked whether everything is there, and how long they have after the last entry.
const LOOKS: u32 = 600;

/// A node's process and the line to it. Killed when dropped.
struct Driven {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Driven {
    fn start(line: &BadLine, host: u8, dir: &Path, corpus: &Path) -> Result<Self, Fault> {
        let me = std::env::current_exe().map_err(Fault::io("find this program"))?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &line.space(host)]).arg(me).arg("peer");
        command.args(["--name", &name(host), "--listen", &format!("/ip4/{}/tcp/0", line.address(host))]);
        command.arg("--dir").arg(dir.join(name(host))).arg("--corpus").arg(corpus);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Fault::io("start a node in a network namespace"))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = pipes.ok_or_else(|| Fault::unexpected("a node has no pipes"))?;
        Ok(Self { child, stdin, stdout: BufReader::new(stdout) })
    }

    fn call(&mut self, op: &Value) -> Result<Value, Fault> {
        writeln!(self.stdin, "{op}").map_err(Fault::io("ask a node"))?;
        let mut line = String::new();
        self.stdout.read_line(&mut line).map_err(Fault::io("hear from a node"))?;
        let answer: Value = serde_json::from_str(&line).map_err(Fault::unexpected)?;
        if answer["ok"] == true { Ok(answer) } else { Err(Fault::unexpected(&answer["error"])) }
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A, B, C ..
fn name(host: u8) -> String {
    char::from(b'A' + host - 1).to_string()
}

/// Measures `reps` entries with nodes whose homes are made below `dir`; none where namespaces are not permitted.
pub(crate) fn measure(dir: &Path, reps: u32) -> Result<Vec<Figure>, Fault> {
    let me = std::env::current_exe().map_err(Fault::io("find this program"))?;
    let shaper = me.with_file_name("muster-shaper");
    let line = match BadLine::new(&shaper, NODES, DELAY_MS, 0, LOSS_PERCENT) {
        Ok(line) => line,
        Err(error) => {
            eprintln!("wan: left out, network namespaces are not permitted here: {error}");
            return Ok(Vec::new());
        }
    };
    std::fs::create_dir_all(dir).map_err(Fault::io("make a directory for homes"))?;
    let corpus = corpus(dir, reps)?;
    let mut nodes = Vec::new();
    for host in 1..=NODES {
        nodes.push(Driven::start(&line, host, dir, &corpus)?);
    }
    let (first, others) = nodes.split_first_mut().ok_or_else(|| Fault::unexpected("there are no nodes"))?;
    let reference = first.call(&json!({ "op": "gen", "entries": 1, "authors": 1 }))?["ref"].clone();
    let address = first.call(&json!({ "op": "listen" }))?["addr"].clone();
    for other in others.iter_mut() {
        other.call(&json!({ "op": "open", "ref": reference }))?;
        other.call(&json!({ "op": "connect", "addr": address }))?;
    }
    for other in others.iter_mut() {
        other.call(&json!({ "op": "wait", "count": 1 }))?;
        other.call(&json!({ "op": "watch" }))?;
    }
    let written = first.call(&json!({ "op": "append", "first": 1, "n": reps, "rate": RATE }))?;
    let begun: Vec<u64> = written["start_ns"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    let (mut each, mut last, mut lost) = (Sample::default(), BTreeMap::<usize, Duration>::new(), 0_u32);
    for other in others.iter_mut() {
        let seen = all_seen(other, reps)?;
        for (n, begun) in begun.iter().enumerate() {
            match seen.get(&line_name(n + 1)).and_then(Value::as_u64) {
                Some(at) => {
                    let took = Duration::from_nanos(at.saturating_sub(*begun));
                    each.push(took);
                    let slowest = last.entry(n).or_default();
                    *slowest = took.max(*slowest);
                }
                None => lost += 1,
            }
        }
    }
    let last: Sample = last.into_values().collect();
    let of = format!("{NODES} nodes, {} ms round trip, {LOSS_PERCENT} % lost", 2 * DELAY_MS);
    let figure = |what: String, measured, unit| Figure::new("wan", what, measured, unit);
    Ok(vec![
        figure(format!("{of}: visible, median"), each.median_ms(), "ms").aim(120.0),
        figure(format!("{of}: visible, 99 of 100"), each.percentile_ms(99), "ms").aim(1_500.0),
        figure(format!("{of}: on the slowest node, median"), last.median_ms(), "ms"),
        figure(format!("{of}: never visible"), f64::from(lost), ""),
    ])
}

/// What a node has noted, once it has noted everything or had time enough.
fn all_seen(node: &mut Driven, reps: u32) -> Result<serde_json::Map<String, Value>, Fault> {
    let mut noted = serde_json::Map::new();
    for _ in 0..LOOKS {
        let seen = node.call(&json!({ "op": "seen" }))?;
        noted = seen["seen"].as_object().cloned().unwrap_or_default();
        if (1..=reps as usize).all(|n| noted.contains_key(&line_name(n))) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(noted)
}

fn line_name(n: usize) -> String {
    format!("e{n:06}")
}

/// As many lines as will be written, in a file.
fn corpus(dir: &Path, reps: u32) -> Result<PathBuf, Fault> {
    let mut lines = String::new();
    for n in 0..=reps {
        let line = json!({
            "id": line_name(n as usize), "at": 1_700_000_000_000_i64 + i64::from(n), "kind": "note",
            "text": crate::words::note(n),
        });
        let _ = writeln!(lines, "{line}"); // writing to a string cannot fail
    }
    let path = dir.join("corpus.jsonl");
    std::fs::write(&path, lines).map_err(Fault::io("write the lines"))?;
    Ok(path)
}
