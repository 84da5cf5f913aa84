//! The device's secret key on disk: an OpenSSH private-key file (ed25519) that only its owner can read.
//!
//! Made at first use; only [`crate::keys`] changes it afterwards. What a key signs is decided in `muster-log`, where the file
//! stands is [`crate::home`]'s, what is in it `form`'s, and who knows the passphrase [`crate::unlock`]'s. Secrets in
//! memory are zeroed when dropped, and no error or `Debug` here shows key material.

pub(crate) mod beside;
pub(crate) mod form;

use crate::clock::{EntropyError, entropy32};
use crate::unlock::{NoPassphrase, Unlock};
pub(crate) use beside::{create, replace};
use form::{KEY_FILE_BYTES_MAX, KeyText};
use muster_log::{DeviceKey, DeviceSecret};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Permission bits that let somebody besides the owner use the key.
pub(crate) const OTHERS_ANYTHING: u32 = 0o077;

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A symbolic link could point to somebody else's file.
    #[error("the key file `{}` is a symbolic link", path.display())]
    Symlink {
        /// The key file.
        path: PathBuf,
    },
    /// A directory, pipe or device.
    #[error("the key file `{}` is not a regular file", path.display())]
    NotAFile {
        /// The key file.
        path: PathBuf,
    },
    /// Group or others may read or write the secret.
    #[error("other users have access to the key file `{}` (mode {mode:04o})", path.display())]
    OthersHaveAccess {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// An SSH key of another algorithm.
    #[error("the key in `{}` is {found}, not ed25519", path.display())]
    WrongType {
        /// The key file.
        path: PathBuf,
        /// The algorithm found.
        found: String,
    },
    /// Protected with a passphrase, and there is nobody who could be asked for it.
    #[error("the key in `{}` is protected with a passphrase: {why}", path.display())]
    Passphrase {
        /// The key file.
        path: PathBuf,
        /// Why none was given.
        why: NoPassphrase,
    },
    /// The passphrase given is another one.
    #[error("the passphrase does not open the key in `{}`", path.display())]
    WrongPassphrase {
        /// The key file.
        path: PathBuf,
    },
    /// There is a file where one is to be written.
    #[error("`{}` is there already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// There is no key.
    #[error("there is no key in `{}`", path.display())]
    Missing {
        /// Where one was looked for.
        path: PathBuf,
    },
    /// Damaged, or no OpenSSH private key at all.
    #[error("the key file `{}` is damaged or not an OpenSSH private key", path.display())]
    Corrupt {
        /// The key file.
        path: PathBuf,
    },
    /// No randomness to make a key of.
    #[error("no key could be made")]
    Entropy(#[from] EntropyError),
    /// The file system said no.
    #[error("cannot {doing} the key file `{}`", path.display())]
    Io {
        /// What was tried: "read", "write".
        doing: &'static str,
        /// The key file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
}

impl KeyError {
    /// What to do about it: one line, without the word "hint".
    pub fn hint(&self) -> String {
        match self {
            Self::Symlink { .. } | Self::NotAFile { .. } => "put the key itself there, as a file of mode 0600".into(),
            Self::OthersHaveAccess { path, .. } => {
                format!(
                    "run `chmod 600 '{}'`; if others may have read it, have an admin run `muster team revoke DEVICE`",
                    path.display()
                )
            }
            Self::WrongType { .. } => "only ed25519 keys work; move the file away and a new key is made".into(),
            Self::Passphrase { why, .. } => why.hint(),
            Self::WrongPassphrase { .. } => {
                "try again; a forgotten one cannot be got back: then begin in a new home (`--home DIR`) and join again"
                    .into()
            }
            Self::Exists { .. } => "name another file, or move that one away: no key is ever written over".into(),
            Self::Missing { .. } => "a key is made at first use, for example by `muster up`".into(),
            Self::Corrupt { .. } => {
                "restore it from a backup, or move it away: a new key is made, and this device must join again".into()
            }
            Self::Entropy(_) => "try again when the system has started".into(),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                "the home is read-only; choose another with `--home DIR`".into()
            }
            Self::Io { .. } => "check the disk's free space and the permissions of the home".into(),
        }
    }
}

/// Reads the device's key, or makes one where the file does not exist; `true` when it was made now.
///
/// A new key is on disk (file and directory synced) before it is returned. Two processes that meet at the first start
/// end with the same key.
///
/// # Errors
/// [`KeyError`]; an existing file is never changed.
pub fn load_or_create(path: &Path, unlock: &Unlock) -> Result<(DeviceSecret, bool), KeyError> {
    if let Some(secret) = load(path, unlock)? {
        return Ok((secret, false));
    }
    let secret = DeviceSecret::from_seed(&Zeroizing::new(entropy32()?));
    let text = KeyText::plain(&secret).map_err(|error| failed("write", path, io::Error::other(error)))?;
    if create(path, text.as_str())? {
        return Ok((secret, true));
    }
    let vanished = || failed("read", path, io::ErrorKind::NotFound.into());
    load(path, unlock)?.map(|secret| (secret, false)).ok_or_else(vanished)
}

/// Reads the device's key, with the passphrase from `unlock` where there is one on it; `None` where there is no file.
///
/// # Errors
/// [`KeyError`].
pub fn load(path: &Path, unlock: &Unlock) -> Result<Option<DeviceSecret>, KeyError> {
    read(path)?.map(|text| unlock.open(&text, path)).transpose()
}

/// The public half of the device's key, for which no passphrase is needed; `None` where there is no file.
///
/// # Errors
/// [`KeyError`].
pub fn public(path: &Path) -> Result<Option<DeviceKey>, KeyError> {
    Ok(read(path)?.map(|text| text.public()))
}

/// Reads a key file, judging the file first.
pub(crate) fn read(path: &Path) -> Result<Option<KeyText>, KeyError> {
    let Some(bytes) = read_private(path, OTHERS_ANYTHING)? else { return Ok(None) };
    KeyText::read(&bytes, path).map(Some)
}

/// Reads a file whose mode must have none of the bits `closed`; `None` where there is none.
pub(crate) fn read_private(path: &Path, closed: u32) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
    let owned = || path.to_owned();
    // Opened first and judged by the handle, so that nothing can be swapped in between. NONBLOCK: a pipe would hang.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let mut file = match OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => {
            return Err(KeyError::Symlink { path: owned() });
        }
        Err(source) => return Err(failed("read", path, source)),
    };
    let found = file.metadata().map_err(|source| failed("read", path, source))?;
    if !found.is_file() {
        return Err(KeyError::NotAFile { path: owned() });
    }
    if found.mode() & closed != 0 {
        return Err(KeyError::OthersHaveAccess { path: owned(), mode: found.mode() & 0o7777 });
    }
    read_bounded(&mut file).map(Some).map_err(|source| failed("read", path, source))
}

/// Reads at most one byte more than a key file may have, into a buffer that never moves: growing would leave copies.
fn read_bounded(file: &mut File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; KEY_FILE_BYTES_MAX + 1]);
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

pub(crate) fn failed(doing: &'static str, path: &Path, source: io::Error) -> KeyError {
    KeyError::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::CWD;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    // Made with ssh-keygen of OpenSSH for these tests and used nowhere else; the passphrase of the first is "muster".
    const ENCRYPTED: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABCO8FwWaI
f+dCeD+3S8aq1mAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIMx2QeieNWDhneE0
QrRhuB0OoBq54lRhdQELkJDsl62LAAAAkAa01HBj5AibNYN35nZ2hRg2Cdi3niVtoxRlCD
hAQ/Mf5VojmzFRhbnXIvXQi/Q2Y6Ug0wGt0aRKrjrWmB/s1HJTdNfL1uZgGzUJvnIXJJ58
Ddsv+lEkQHAVyt1scIrmCV0Duj33dgw05INnY/pT/aj/OOlMad+kMHLjE7P9/VMKZmQPiG
FYcd1bJf8V8uji4Q==
-----END OPENSSH PRIVATE KEY-----
";
    const FOREIGN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACB7c10bXFDS68VA7GMbd0PXBmpttcpu3kz6ObS6OWIXigAAAIhrPHIwazxy
MAAAAAtzc2gtZWQyNTUxOQAAACB7c10bXFDS68VA7GMbd0PXBmpttcpu3kz6ObS6OWIXig
AAAEAwNei9bk4OL6pl1twZD6PIJIfnWA9sCsJ6BzB37ANfPntzXRtcUNLrxUDsYxt3Q9cG
am21ym7eTPo5tLo5YheKAAAAAAECAwQF
-----END OPENSSH PRIVATE KEY-----
";
    const FOREIGN_PUBLIC: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHtzXRtcUNLrxUDsYxt3Q9cGam21ym7eTPo5tLo5YheK";
    const ECDSA: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAaAAAABNlY2RzYS
1zaGEyLW5pc3RwMjU2AAAACG5pc3RwMjU2AAAAQQTFBIaW5XAWaY7piTUDT53sk4+LLIGF
+c4Rprn3+zP4c8BBjKfenwoSEL+Gb9z6jluwfam2AlBbZj6uI9urjVTdAAAAmNtZLQHbWS
0BAAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMUEhpblcBZpjumJ
NQNPneyTj4ssgYX5zhGmuff7M/hzwEGMp96fChIQv4Zv3PqOW7B9qbYCUFtmPq4j26uNVN
0AAAAgX3X/tQZ3NYn+BUMzSuV3QhNOUldwrTHS/wrFPoYxFIgAAAAA
-----END OPENSSH PRIVATE KEY-----
";

    /// What [`load_or_create`] says to a file of this content and mode, which it must leave alone.
    #[track_caller]
    fn refused(content: &str, mode: u32) -> KeyError {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = load_or_create(&path, &Unlock::default()).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), content, "the file was changed");
        assert!(!error.hint().is_empty());
        error
    }

    #[test]
    fn a_key_is_made_once_and_read_back_ever_after() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        let (made, created) = load_or_create(&path, &Unlock::default()).unwrap();
        assert!(created);
        let (read, created_again) = load_or_create(&path, &Unlock::default()).unwrap();
        assert!(!created_again);
        assert_eq!(made.public(), read.public());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside the key");
    }

    #[test]
    fn processes_that_meet_at_the_first_start_end_with_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        let load =
            || load_or_create(&path, &Unlock::default()).map(|(secret, created)| (secret.public(), created)).unwrap();
        let all: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(all.iter().all(|(key, _)| *key == all[0].0));
        assert_eq!(all.iter().filter(|(_, created)| *created).count(), 1);
    }

    #[test]
    fn a_key_that_ssh_keygen_made_is_read() {
        let secret = KeyText::read(FOREIGN.as_bytes(), Path::new("k")).unwrap().open(None, Path::new("k")).unwrap();
        let public = ssh_key::PublicKey::from_openssh(FOREIGN_PUBLIC).unwrap();
        assert_eq!(public.key_data().ed25519().unwrap().0, *secret.public().as_bytes());
    }

    #[test]
    fn a_link_is_refused_even_to_a_good_key() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("device.key"));
        load_or_create(&real, &Unlock::default()).unwrap();
        symlink(&real, &link).unwrap();
        assert!(matches!(load_or_create(&link, &Unlock::default()), Err(KeyError::Symlink { .. })));
        symlink(dir.path().join("nowhere"), dir.path().join("dangling")).unwrap();
        assert!(matches!(
            load_or_create(&dir.path().join("dangling"), &Unlock::default()),
            Err(KeyError::Symlink { .. })
        ));
    }

    #[test]
    fn what_is_no_regular_file_is_refused_without_hanging() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(load_or_create(dir.path(), &Unlock::default()), Err(KeyError::NotAFile { .. })));
        let pipe = dir.path().join("pipe");
        rustix::fs::mkfifoat(CWD, &pipe, 0o600.into()).unwrap();
        assert!(matches!(load_or_create(&pipe, &Unlock::default()), Err(KeyError::NotAFile { .. })));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        for mode in [0o640, 0o604, 0o620, 0o777] {
            let error = refused(FOREIGN, mode);
            assert!(matches!(error, KeyError::OthersHaveAccess { mode: found, .. } if found == mode), "{error}");
            assert!(error.hint().contains("chmod 600"));
        }
    }

    #[test]
    fn where_nobody_knows_the_passphrase_the_hint_says_how_to_give_it() {
        let error = refused(ENCRYPTED, 0o600);
        assert!(matches!(error, KeyError::Passphrase { .. }), "{error}");
        assert!(error.hint().contains("MUSTER_PASSPHRASE_FILE"), "{}", error.hint());
    }

    #[test]
    fn a_key_that_ssh_keygen_protected_opens_with_its_passphrase_alone_and_is_asked_for_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        fs::write(&path, ENCRYPTED).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let count = std::sync::Arc::clone(&asked);
        let unlock = Unlock::asking(move |_, attempt| {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let typed = if attempt == 0 { "Muster" } else { "muster" };
            Ok(Zeroizing::new(typed.to_owned()))
        });
        let secret = load(&path, &unlock).unwrap().unwrap();
        assert_eq!(Some(secret.public()), public(&path).unwrap());
        load(&path, &unlock).unwrap().unwrap();
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 2, "the second of the first time was right");
        let wrong = Unlock::asking(|_, attempt| match attempt {
            0 => Ok(Zeroizing::new("other".to_owned())),
            _ => Err(NoPassphrase::Nobody),
        });
        assert!(matches!(load(&path, &wrong), Err(KeyError::WrongPassphrase { .. })));
    }

    #[test]
    fn keys_of_other_types_are_refused_by_type() {
        let error = refused(ECDSA, 0o600);
        assert!(matches!(&error, KeyError::WrongType { .. }), "{error}");
    }

    #[test]
    fn damaged_files_are_refused_as_damaged() {
        let half = &FOREIGN[..FOREIGN.len() / 2];
        let swapped = FOREIGN.replacen("AAAA", "AAAB", 1);
        let long = "x".repeat(KEY_FILE_BYTES_MAX + 1);
        for content in ["", "hello", half, &swapped, &long, "-----BEGIN RSA PRIVATE KEY-----\n"] {
            let error = refused(content, 0o600);
            assert!(matches!(error, KeyError::Corrupt { .. }), "{error}");
        }
    }

    #[test]
    fn no_error_shows_what_is_in_the_file() {
        let secret_line = FOREIGN.lines().nth(2).unwrap();
        for error in [refused(FOREIGN, 0o644), refused(&FOREIGN[..FOREIGN.len() - 60], 0o600)] {
            assert!(!format!("{error:?} {error} {}", error.hint()).contains(&secret_line[..8]));
        }
    }
}
