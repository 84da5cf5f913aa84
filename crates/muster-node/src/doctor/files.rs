//! What the home's files tell: the directory, the key, the disk under them and the room kept in reserve.

use super::{Check, Inside};
use crate::home::{Home, HomeError};
use crate::keystore::KeyError;
use crate::request::Failure;
use muster_store::RESERVE_BYTES;
use serde_json::json;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Free bytes below which it is said: an incident with its exports and a log file or two.
const FREE_LOW_BYTES: u64 = 256 * 1024 * 1024;

/// Free bytes below which the next commit may be refused although the reserve stands.
const FREE_NONE_BYTES: u64 = 1024 * 1024;

/// A block as `stat` counts it.
const STAT_BLOCK_BYTES: u64 = 512;

const MIB: u64 = 1024 * 1024;

pub(super) fn home(home: &Home) -> Check {
    let path = home.root().display();
    let detail = json!({ "path": home.root() });
    match home.inspect() {
        Ok(_) => Check::ok("home", format!("{path}, nobody else can write to it")),
        Err(HomeError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Check::warn(
            "home",
            format!("{path} is not there yet: it is made at first use"),
            "`muster declare \"what is wrong\"`, or `muster join TICKET` with a ticket of your team",
        ),
        Err(error) => Check::failed("home", error.into()),
    }
    .with(detail)
}

/// A key under a passphrase that nobody was there to give: nothing is wrong, and less can be looked at.
pub(super) fn shut_key(home: &Home, device: Option<&str>) -> Check {
    let path = home.key_file();
    Check::warn(
        "key",
        "a passphrase is on it, and nobody can be asked for it here: what is behind it was not looked at",
        "run it on a terminal, or name a file with the passphrase in MUSTER_PASSPHRASE_FILE",
    )
    .with(json!({ "path": path, "device": device, "mode": mode(&path) }))
}

/// The key file by itself, and whether it is the one that the store belongs to.
pub(super) fn key(home: &Home, found: Result<bool, &KeyError>, device: Option<&str>, inside: Option<&Inside>) -> Check {
    let path = home.key_file();
    let shown = path.display();
    let missing_hint = "put it back from a backup; or begin in a new home (`--home DIR`) and join the team again";
    match found {
        Err(error) => Check::failed("key", Failure::new(crate::engine::chain(error)).hint(error.hint())),
        Ok(false) if home.store().join("format").exists() => {
            Check::bad("key", format!("{shown} is missing, and the store beside it is of no use without"), missing_hint)
        }
        Ok(false) => Check::warn("key", "there is no device key yet: it is made at first use", "`muster up`"),
        Ok(true) => match inside {
            Some(inside) if Some(inside.device.as_str()) != device => Check::bad(
                "key",
                format!("{shown} was exchanged under the running node, which signs as {}", inside.device),
                "put the key back that was there, or stop the node with `muster down`",
            ),
            Some(inside) if !inside.is_known => Check::bad(
                "key",
                format!("the device of {shown} is a member of no team in this store: it is another device's key"),
                missing_hint,
            ),
            _ => Check::ok("key", "ed25519, readable by its owner alone, the one this store belongs to"),
        },
    }
    .with(json!({ "path": path, "device": device, "mode": mode(&path) }))
}

/// Said only where copies of the key lie beside it that a killed process left.
pub(super) fn key_copies(home: &Home) -> Option<Check> {
    let left = crate::keystore::beside::left_behind(&home.key_file());
    let first = left.first()?.display().to_string();
    let text = format!(
        "{} of the key, perhaps without its passphrase, was left by a process that was killed: {first}",
        match left.len() {
            1 => "a copy".to_owned(),
            more => format!("one of {more} copies"),
        }
    );
    let next = format!("the next command that writes removes it; if it stays, `rm '{first}'`");
    Some(Check::warn("key-copy", text, next).with(json!({ "paths": left })))
}

/// The permission bits in octal, of the link itself where it is one.
fn mode(path: &Path) -> Option<String> {
    fs::symlink_metadata(path).ok().map(|found| format!("{:04o}", found.mode() & 0o7777))
}

/// Room on the disk, and the room that is kept.
pub(super) fn disk(home: &Home, is_read_only: bool) -> Vec<Check> {
    let Ok(room) = rustix::fs::statvfs(home.root()) else { return Vec::new() };
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    let has_store = home.store().join("format").exists();
    let reserve = fs::metadata(home.store().join("reserve")).ok();
    let kept = reserve.as_ref().is_some_and(|found| found.len() >= RESERVE_BYTES);
    let refused = free < if kept { FREE_NONE_BYTES } else { RESERVE_BYTES };
    let shown = format!("{} MiB free", free / MIB);
    let disk = if is_read_only {
        Check::bad(
            "disk",
            "the home is read-only: it can be read and exported",
            "make it writable, or use another `--home DIR`",
        )
    } else if refused {
        Check::bad(
            "disk",
            format!("full, {shown}: writing is refused"),
            "free some space; writing goes on by itself then",
        )
    } else if free < FREE_LOW_BYTES {
        Check::warn("disk", format!("{shown}, which is little"), "free some space before it is needed")
    } else {
        Check::ok("disk", shown)
    };
    let disk = disk
        .with(json!({ "free_bytes": free, "low_bytes": FREE_LOW_BYTES, "writes_refused": refused || is_read_only }));
    let file = home.store().join("reserve");
    let reserve = match reserve {
        _ if !has_store => return vec![disk],
        Some(found) if kept && found.blocks().saturating_mul(STAT_BLOCK_BYTES) >= RESERVE_BYTES => {
            Check::ok("reserve", format!("{} MiB are kept, so that a full disk still starts", RESERVE_BYTES / MIB))
        }
        // A copy of the home, as `cp` makes it, has the file's length and none of its blocks.
        Some(_) if kept => Check::warn(
            "reserve",
            "the reserve holds no room (a copy of a home leaves it empty)",
            format!("`rm '{}'`; the next start makes it again", file.display()),
        ),
        _ => Check::warn(
            "reserve",
            "the reserve is missing; it is made when there is room",
            "`muster up`, or any command that writes",
        ),
    };
    let blocks = fs::metadata(&file).map_or(0, |found| found.blocks().saturating_mul(STAT_BLOCK_BYTES));
    vec![disk, reserve.with(json!({ "bytes": RESERVE_BYTES, "bytes_kept": blocks.min(RESERVE_BYTES) }))]
}
