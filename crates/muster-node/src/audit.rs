//! Audit files between a home and a file: the driving, on the side of the process that the person started.
//!
//! As with bundles, that process writes the file and asks the home page by page ([`Ask`]). What a file holds is decided in
//! `muster-replica`, its bytes are in [`muster_log::audit`]; how one is checked is in [`crate::verify_file`].

use crate::bundle::{Bytes, Progress, Target, Text};
use crate::client::Client;
use crate::request::{Failure, Request};
use crate::sshsig;
use muster_log::audit::{AuditFile, signature_item};
use muster_log::{DagId, Entry, Signature, TeamId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Bytes of rows in one answer, before base64.
pub(crate) const PAGE_BYTES: usize = 512 * 1024;

/// One request about an audit file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Plans and signs one. Answer: `Planned`.
    Plan {
        /// One incident, as typed; `None`: the chosen one, or the only open one.
        incident: Option<String>,
        /// All that the team may see instead.
        all: bool,
    },
    /// The next rows. Answer: `Page`.
    Rows {
        /// Whose.
        team: Text<TeamId>,
        /// Of which DAG.
        dag: Text<DagId>,
        /// How many are written already.
        from: usize,
    },
}

/// A plan that was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Planned {
    /// The file's first item.
    pub(crate) manifest: Bytes,
    /// This device's, over it.
    pub(crate) signature: Bytes,
    /// Private incidents that are left out.
    pub(crate) left_out: usize,
    /// Whether rows come that are not in the manifest.
    #[serde(default)]
    pub(crate) is_picked: bool,
}

/// Rows, one after another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) rows: Bytes,
    /// How many are written after these.
    pub(crate) next: usize,
    /// Numbers of those among them that name a body which is not there.
    pub(crate) absent: Vec<usize>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditAccount {
    /// The file; `None` = stdout.
    pub file: Option<String>,
    /// Whose entries.
    pub team: String,
    /// Incidents in it.
    pub incidents: usize,
    /// Entries in it, the roster's among them.
    pub entries: usize,
    /// Size of the file.
    pub bytes: u64,
    /// Private incidents that it does not hold.
    pub left_out: usize,
    /// Texts in it that are absent.
    pub absent: usize,
    /// Entries that this home had, of whatever team, and has no more.
    pub lost: u64,
    /// How to check who signed it, without muster.
    pub signed: Signed,
}

/// Where in a file the signed bytes and the signature are, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The device that wrote the file: the principal.
    pub device: String,
    /// So many bytes from the beginning are signed.
    pub manifest_bytes: usize,
    /// The signature's first byte, counted from 1 as `tail -c +N` does.
    pub signature_from: usize,
    /// How many bytes it has.
    pub signature_bytes: usize,
    /// The device's line in a file of allowed signers.
    pub signers: String,
}

impl Signed {
    /// Of a file with this manifest and this armour. `None` where OpenSSH has no form for the key.
    pub(crate) fn of(device: &muster_log::DeviceKey, manifest_bytes: usize, armour: &str) -> Option<Self> {
        let head = signature_item(armour).len().checked_sub(armour.len())?;
        Some(Self {
            device: device.to_string(),
            manifest_bytes,
            signature_from: manifest_bytes + head + 1,
            signature_bytes: armour.len(),
            signers: sshsig::signers_line(device)?,
        })
    }
}

/// Writes an audit file of one incident, as typed, or of all.
///
/// # Errors
/// What speaks against it, for a person; nothing is left behind then.
pub fn write(
    client: &mut Client,
    incident: Option<String>,
    all: bool,
    target: &Target,
    progress: Progress<'_>,
) -> Result<AuditAccount, Failure> {
    let mut file = target.open()?;
    let planned: Planned = ask(client, Ask::Plan { incident, all })?;
    // As the first item of a file, which it will be.
    let AuditFile { manifest, .. } = AuditFile::open(&planned.manifest.0).map_err(|error| no_sense(&error))?;
    let signature = Signature::try_from(planned.signature.0.as_slice()).map_err(|error| no_sense(&error))?;
    let armour = sshsig::armour(&manifest.device, &signature);
    let signed = armour.as_ref().and_then(|armour| Signed::of(&manifest.device, planned.manifest.0.len(), armour));
    let (Some(armour), Some(signed)) = (armour, signed) else { return Err(no_sense(&"it has no key")) };
    let mut bytes = 0;
    let mut put = |piece: &[u8]| {
        bytes += piece.len() as u64;
        file.write(piece)
    };
    put(&planned.manifest.0)?;
    put(&signature_item(&armour))?;
    let (total, mut passed) = (manifest.len(), 0);
    for (dag, ids) in &manifest.dags {
        let mut from = 0;
        if planned.is_picked {
            let mut left = ids.iter().peekable();
            while left.peek().is_some() {
                progress(passed as u64, Some(total as u64));
                let page: Page = ask(client, Ask::Rows { team: Text(manifest.team), dag: Text(*dag), from })?;
                if page.next <= from {
                    return Err(no_sense(&"it ends before the plan does"));
                }
                for (at, row) in (from..).zip(muster_log::audit::Rows::of(&page.rows.0)) {
                    let row = row.map_err(|error| no_sense(&error))?;
                    let id = Entry::decode(&row.entry).map_err(|error| no_sense(&error))?.id();
                    if left.next_if(|next| **next == id).is_none() {
                        continue;
                    }
                    if page.absent.contains(&at) && manifest.absent.binary_search(&id).is_err() {
                        return Err(erased_meanwhile());
                    }
                    put(&row.encode())?;
                    passed += 1;
                }
                from = page.next;
            }
            continue;
        }
        while from < ids.len() {
            progress(passed as u64, Some(total as u64));
            let page: Page = ask(client, Ask::Rows { team: Text(manifest.team), dag: Text(*dag), from })?;
            // What came since the plan was made is not in the manifest.
            let next = page.next.min(ids.len());
            if next <= from {
                return Err(no_sense(&"it ends before the plan does"));
            }
            let gone = page.absent.iter().filter_map(|at| ids.get(*at));
            if gone.into_iter().any(|id| manifest.absent.binary_search(id).is_err()) {
                return Err(erased_meanwhile());
            }
            if next == page.next {
                put(&page.rows.0)?;
            } else {
                let mut rows = muster_log::audit::Rows::of(&page.rows.0);
                (from..next).for_each(|_| drop(rows.next()));
                put(page.rows.0.get(..rows.at()).unwrap_or_default())?;
            }
            passed += next - from;
            from = next;
        }
    }
    file.finish()?;
    Ok(AuditAccount {
        file: target.path().map(|path| path.display().to_string()),
        team: manifest.team.to_string(),
        incidents: manifest.dags.len().saturating_sub(1),
        entries: total,
        bytes,
        left_out: planned.left_out,
        absent: manifest.absent.len(),
        lost: manifest.lost,
        signed,
    })
}

fn ask<T: DeserializeOwned>(client: &mut Client, ask: Ask) -> Result<T, Failure> {
    let answer = client.call(&Request::Audit(ask))?;
    serde_json::from_value(answer).map_err(|error| no_sense(&error))
}

fn erased_meanwhile() -> Failure {
    Failure::new("a text was erased while the file was written").hint("write it again")
}

fn no_sense(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("the node's answer makes no sense: {error}")).hint("restart the node: its version may differ")
}
