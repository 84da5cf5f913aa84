//! The session lease: lets one command after another continue the same session without a node.
//!
//! A session must never be continued from a store that was rolled back, or two entries of one log could have the same
//! seq. So the lease lives in memory only (it is gone after a power cut), names boot, store and own tips, and is taken
//! by removing it: who resumes and then fails to write it again leaves none behind. Bytes: `docs/storage.md`.
//!
//! The caller holds the store's lock, calls [`Lease::resume`] once after opening and [`Lease::write`] after each commit,
//! before anything of it is sent. After a failed commit it calls neither again.

use crate::format::hex;
use crate::record::StoreId;
use muster_log::{EntryId, SessionId};
use rustix::fs::statfs;
use std::collections::BTreeSet;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"musterl1";

/// Bytes of the text of a boot id.
const BOOT_BYTES: usize = 36;

/// Own tips of one session: one for each DAG written in, so a command line user never comes near.
const TIPS_MAX: usize = 65_536;

/// Bytes before the tips.
const HEAD_BYTES: usize = 80;

/// File systems that forget everything with the power: tmpfs and ramfs (linux/magic.h).
const MEMORY_FILE_SYSTEMS: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// Where the kernel tells which boot this is.
const BOOT_ID_PATH: &str = "/proc/sys/kernel/random/boot_id";

/// The place of one store's lease.
#[derive(Debug, Clone)]
pub struct Lease {
    path: PathBuf,
    boot: [u8; BOOT_BYTES],
    store: StoreId,
}

impl Lease {
    /// The lease of `store` in the user's runtime directory, `$XDG_RUNTIME_DIR` (given as `runtime`) or `/dev/shm`.
    ///
    /// None where neither is memory alone and the user's alone, or where the boot is not known: then every command has a
    /// session of its own.
    pub fn find(runtime: Option<&Path>, store: StoreId) -> Option<Self> {
        let boot = std::fs::read(BOOT_ID_PATH).ok()?;
        let boot = *boot.first_chunk()?;
        let own = runtime.map(|runtime| runtime.join("muster"));
        let shared = Path::new("/dev/shm").join(format!("muster-{}", rustix::process::getuid().as_raw()));
        let dir = own.into_iter().chain([shared]).find(|dir| prepare(dir))?;
        Some(Self::at(&dir, boot, store))
    }

    fn at(dir: &Path, boot: [u8; BOOT_BYTES], store: StoreId) -> Self {
        Self { path: dir.join(hex(&store)), boot, store }
    }

    /// Takes the lease: the session to continue, if boot and store are the same and `tips`, asked for the own tips that the
    /// store holds of a session, gives the same ones. Whatever the answer, the lease is gone.
    pub fn resume(&self, tips: impl FnOnce(&SessionId) -> BTreeSet<EntryId>) -> Option<SessionId> {
        let bytes = self.read().ok()?;
        // Not taken, not used: another process could find it too.
        std::fs::remove_file(&self.path).ok()?;
        let (session, held) = decode(&bytes, &self.boot, &self.store)?;
        (!held.is_empty() && tips(&session) == held).then_some(session)
    }

    /// Leaves the lease for the next command: `tips` are the own tips of `session`, all of them committed.
    ///
    /// # Errors
    /// As the system says. Harmless: the next command begins a new session.
    pub fn write(&self, session: &SessionId, tips: &BTreeSet<EntryId>) -> io::Result<()> {
        if tips.len() > TIPS_MAX {
            self.forget();
            return Ok(());
        }
        let new = self.path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&encode(&self.boot, &self.store, session, tips))?;
        std::fs::rename(&new, &self.path)
    }

    /// Removes the lease, if there is one.
    pub fn forget(&self) {
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the session lease could not be removed");
        }
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limit = (HEAD_BYTES + TIPS_MAX * 32 + 4) as u64;
        std::fs::File::open(&self.path)?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Makes the directory where it is missing; tells whether it is memory alone and this user's alone.
fn prepare(dir: &Path) -> bool {
    // Fails where it exists, which is as good: what counts is checked on what is there.
    drop(DirBuilder::new().mode(0o700).create(dir));
    let Ok(metadata) = std::fs::symlink_metadata(dir) else { return false };
    let own = metadata.uid() == rustix::process::getuid().as_raw();
    let private = metadata.is_dir() && metadata.mode() & 0o777 == 0o700;
    own && private && statfs(dir).is_ok_and(|stat| MEMORY_FILE_SYSTEMS.contains(&(stat.f_type as u64)))
}

fn encode(boot: &[u8; BOOT_BYTES], store: &StoreId, session: &SessionId, tips: &BTreeSet<EntryId>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + tips.len() * 32 + 4);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(boot);
    bytes.extend_from_slice(store);
    bytes.extend_from_slice(session.as_bytes());
    bytes.extend_from_slice(&(tips.len() as u32).to_be_bytes());
    tips.iter().for_each(|tip| bytes.extend_from_slice(tip.as_bytes()));
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes
}

/// Session and tips, if the bytes are a whole lease of this boot and store.
fn decode(bytes: &[u8], boot: &[u8; BOOT_BYTES], store: &StoreId) -> Option<(SessionId, BTreeSet<EntryId>)> {
    let (covered, crc) = bytes.split_last_chunk::<4>()?;
    if crc32c::crc32c(covered) != u32::from_be_bytes(*crc) {
        return None;
    }
    let (head, tips) = covered.split_first_chunk::<HEAD_BYTES>()?;
    let same = head[..8] == *MAGIC && head[8..44] == *boot && head[44..60] == *store;
    let session = SessionId::try_from(&head[60..76]).ok()?;
    let count = u32::from_be_bytes(head[76..].try_into().ok()?);
    let (chunks, rest) = tips.as_chunks::<32>();
    let whole = rest.is_empty() && u32::try_from(chunks.len()) == Ok(count);
    (same && whole).then(|| (session, chunks.iter().map(|tip| EntryId::from_bytes(*tip)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: [u8; BOOT_BYTES] = [b'a'; BOOT_BYTES];
    const SESSION: SessionId = SessionId::from_bytes([5; 16]);

    fn tips(bytes: &[u8]) -> BTreeSet<EntryId> {
        bytes.iter().map(|byte| EntryId::from_bytes([*byte; 32])).collect()
    }

    fn lease_in(dir: &Path) -> Lease {
        Lease::at(dir, BOOT, [7; 16])
    }

    #[test]
    fn a_lease_is_resumed_once_and_then_gone() {
        let dir = tempfile::tempdir().unwrap();
        let lease = lease_in(dir.path());
        lease.write(&SESSION, &tips(&[1, 2])).unwrap();
        assert_eq!(lease.resume(|session| tips(if *session == SESSION { &[1, 2] } else { &[] })), Some(SESSION));
        assert_eq!(lease.resume(|_| tips(&[1, 2])), None);
    }

    #[test]
    fn a_lease_is_not_resumed_when_anything_differs() {
        let dir = tempfile::tempdir().unwrap();
        let same = lease_in(dir.path());
        let other_boot = Lease { boot: [b'b'; BOOT_BYTES], ..same.clone() };
        let other_store = Lease { store: [8; 16], ..same.clone() };
        for (lease, tips_now) in [
            (&same, tips(&[1])),
            (&same, tips(&[1, 2, 3])),
            (&same, tips(&[])),
            (&other_boot, tips(&[1, 2])),
            (&other_store, tips(&[1, 2])),
        ] {
            same.write(&SESSION, &tips(&[1, 2])).unwrap();
            assert_eq!(lease.resume(|_| tips_now.clone()), None, "{lease:?} {tips_now:?}");
            assert!(!same.path.exists(), "a refused lease must be gone too");
        }
    }

    #[test]
    fn no_cut_and_no_flipped_byte_of_a_lease_is_accepted() {
        let bytes = encode(&BOOT, &[7; 16], &SESSION, &tips(&[1, 2]));
        assert!(decode(&bytes, &BOOT, &[7; 16]).is_some());
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(decode(&flipped, &BOOT, &[7; 16]).is_none(), "flipped at {at}");
            assert!(decode(&bytes[..at], &BOOT, &[7; 16]).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn a_directory_that_others_may_enter_holds_no_lease() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let (own, open) = (dir.path().join("own"), dir.path().join("open"));
        assert!(prepare(&own));
        DirBuilder::new().mode(0o755).create(&open).unwrap();
        assert!(!prepare(&open));
        std::os::unix::fs::symlink(&own, dir.path().join("link")).unwrap();
        assert!(!prepare(&dir.path().join("link")));
    }

    #[test]
    fn a_directory_on_a_disk_holds_no_lease() {
        assert!(!prepare(Path::new("/proc")), "neither memory of ours nor private");
    }
}
