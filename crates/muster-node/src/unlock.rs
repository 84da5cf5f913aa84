//! Who is asked for the passphrase of the device key, and that it is asked for once.
//!
//! On the terminal or from a file: that is the program's affair. What was opened stays open in memory for as long as the
//! process works with that file.

use crate::keystore::form::{KeyText, PASSPHRASE_BYTES_MAX};
use crate::keystore::{self, KeyError, OTHERS_ANYTHING};
use muster_log::DeviceSecret;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// Permission bits that let others use a file, or the group change it.
const OTHERS_WITHOUT_GROUP: u32 = 0o027;

/// A passphrase; zeroed when dropped.
pub type Passphrase = Zeroizing<String>;

/// Why there is no passphrase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPassphrase {
    /// No terminal and no file.
    #[error("nobody can be asked for it")]
    Nobody,
    /// It was asked for, and the asking was broken off.
    #[error("none was typed")]
    NotTyped,
    /// The file that should hold it does not.
    #[error("{0}")]
    File(String),
}

impl NoPassphrase {
    /// What to do about it: one line, without the word "hint".
    pub fn hint(&self) -> String {
        match self {
            Self::Nobody => {
                "run it on a terminal, or put the passphrase into a file that only you can read and name that \
                             file in MUSTER_PASSPHRASE_FILE"
                    .into()
            }
            Self::NotTyped => {
                "run it again and type it, or put it into a file that only you can read and name that file in \
                 MUSTER_PASSPHRASE_FILE"
                    .into()
            }
            Self::File(_) => {
                "MUSTER_PASSPHRASE_FILE names a file of mode 0600 with the passphrase on its first line".into()
            }
        }
    }
}

type Ask = dyn Fn(&Path, u32) -> Result<Passphrase, NoPassphrase> + Send + Sync;

/// A key file's text, and the seed that was in it.
type Opened = (Zeroizing<String>, Zeroizing<[u8; 32]>);

/// The way to a passphrase. By default there is none.
#[derive(Clone, Default)]
pub struct Unlock {
    ask: Option<Arc<Ask>>,
    opened: Arc<Mutex<Option<Opened>>>,
}

impl fmt::Debug for Unlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unlock").field("asks", &self.ask.is_some()).finish_non_exhaustive()
    }
}

impl Unlock {
    /// Asks `ask` for the passphrase of a file; the number counts the attempts from 0, and an error ends them.
    pub fn asking(ask: impl Fn(&Path, u32) -> Result<Passphrase, NoPassphrase> + Send + Sync + 'static) -> Self {
        Self { ask: Some(Arc::new(ask)), ..Self::default() }
    }

    /// The key of a file, asking as often as that helps.
    pub(crate) fn open(&self, text: &KeyText, path: &Path) -> Result<DeviceSecret, KeyError> {
        if !text.is_protected() {
            return text.open(None, path);
        }
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, seed)) = opened.as_ref().filter(|(known, _)| known.as_str() == text.as_str()) {
            return Ok(DeviceSecret::from_seed(seed));
        }
        let missing = |why| KeyError::Passphrase { path: path.to_owned(), why };
        let ask = self.ask.as_ref().ok_or_else(|| missing(NoPassphrase::Nobody))?;
        let mut attempt = 0;
        loop {
            let passphrase = match ask(path, attempt) {
                Ok(passphrase) => passphrase,
                Err(_) if attempt > 0 => return Err(KeyError::WrongPassphrase { path: path.to_owned() }),
                Err(why) => return Err(missing(why)),
            };
            match text.open(Some(&passphrase), path) {
                Err(KeyError::WrongPassphrase { .. }) => attempt += 1,
                Ok(secret) => {
                    *opened = Some((Zeroizing::new(text.as_str().to_owned()), Zeroizing::new(*secret.seed())));
                    return Ok(secret);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Reads a passphrase from a file that only its owner can read: its first line.
///
/// # Errors
/// [`NoPassphrase::File`], which never shows what is in it.
pub fn passphrase_of(path: &Path) -> Result<Passphrase, NoPassphrase> {
    let shown = path.display();
    let no = |what: String| NoPassphrase::File(what);
    let bytes = match keystore::read_private(path, closed(path)) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(no(format!("there is no file `{shown}`"))),
        Err(KeyError::OthersHaveAccess { mode, .. }) => {
            return Err(no(format!("other users have access to the passphrase file `{shown}` (mode {mode:04o})")));
        }
        Err(KeyError::Symlink { .. }) => return Err(no(format!("the passphrase file `{shown}` is a symbolic link"))),
        Err(_) => return Err(no(format!("the passphrase file `{shown}` cannot be read"))),
    };
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok(line) if line.contains('\0') => Err(no(format!("the first line of `{shown}` has a NUL byte in it"))),
        Ok(line) if (1..=PASSPHRASE_BYTES_MAX).contains(&line.len()) => Ok(Zeroizing::new(line.to_owned())),
        _ => {
            Err(no(format!("the first line of `{shown}` is no passphrase (1 to {PASSPHRASE_BYTES_MAX} bytes of text)")))
        }
    }
}

/// The mode bits that such a file must not have. What systemd hands over in its own directory is readable for the service by
/// an access list, whose mask shows as the bits of the group.
fn closed(path: &Path) -> u32 {
    let handed_over =
        std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|dir| path.parent() == Some(Path::new(&dir)));
    if handed_over { OTHERS_WITHOUT_GROUP } else { OTHERS_ANYTHING }
}

/// A new passphrase as a person typed it, and again.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn check_new(first: &Passphrase, again: &Passphrase) -> Result<(), &'static str> {
    match first.len() {
        0 => Err("the passphrase is empty"),
        1..=PASSPHRASE_BYTES_MAX if first == again => Ok(()),
        1..=PASSPHRASE_BYTES_MAX => Err("the two are not the same"),
        _ => Err("the passphrase is too long"),
    }
}

/// Where a passphrase file is named: `MUSTER_PASSPHRASE_FILE`, where it is not empty.
pub fn passphrase_file() -> Option<PathBuf> {
    std::env::var_os("MUSTER_PASSPHRASE_FILE").filter(|name| !name.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_passphrase_with_a_nul_byte_is_none() {
        let (_dir, path) = file(b"open\0sesame\n", 0o600);
        assert!(passphrase_of(&path).unwrap_err().to_string().contains("NUL"));
    }

    fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passphrase");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn the_first_line_of_a_private_file_is_the_passphrase() {
        for (content, means) in
            [(&b"open sesame"[..], "open sesame"), (b"open sesame\n", "open sesame"), (b"a b \r\nsecond\n", "a b ")]
        {
            let (_dir, path) = file(content, 0o600);
            assert_eq!(*passphrase_of(&path).unwrap(), means);
        }
    }

    #[test]
    fn a_passphrase_file_that_others_read_or_that_holds_none_is_refused_without_showing_it() {
        let (dir, open) = file(b"open sesame\n", 0o644);
        symlink(&open, dir.path().join("link")).unwrap();
        let (_empty_dir, empty) = file(b"\nopen sesame", 0o600);
        let (_long_dir, long) = file(&[b'x'; 2_000], 0o600);
        let (_odd_dir, odd) = file(&[0xff, 0xfe], 0o400);
        for path in [&open, &dir.path().join("link"), &dir.path().join("nowhere"), &empty, &long, &odd] {
            let error = passphrase_of(path).unwrap_err();
            assert!(matches!(error, NoPassphrase::File(_)));
            assert!(!error.to_string().contains("sesame") && !error.hint().contains("sesame"));
        }
    }

    #[test]
    fn nothing_shows_what_was_opened() {
        let unlock = Unlock::asking(|_, _| Ok(Zeroizing::new("open sesame".to_owned())));
        assert_eq!(format!("{unlock:?}"), "Unlock { asks: true, .. }");
    }
}
