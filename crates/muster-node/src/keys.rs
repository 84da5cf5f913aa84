//! What a person does with the device key itself: look, take a copy along, put one in place, change the passphrase.
//!
//! The file and its form are [`crate::keystore`]'s. A running node goes on with the key that it read when it started.

use crate::clock::{EntropyError, entropy16};
use crate::keystore::form::{KeyText, Seasoning};
use crate::keystore::{self, KeyError};
use crate::opening::Setup;
use crate::request::Failure;
use crate::unlock::Passphrase;
use muster_log::{DeviceKey, DeviceSecret};
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes at the beginning of a file that tell what it is.
const BEGINNING_BYTES: usize = 64;

/// How the text of a public SSH key begins.
const PUBLIC_BEGINNINGS: [&str; 4] = ["ssh-", "ecdsa-", "sk-", "---- BEGIN SSH2 PUBLIC KEY"];

/// What there is to know about the device key without opening it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyFacts {
    /// The device.
    pub device: String,
    /// The file.
    pub path: PathBuf,
    /// Whether a passphrase is on it.
    pub protected: bool,
}

/// What is to protect a key file from now on.
pub enum Protection {
    /// A passphrase.
    With(Passphrase),
    /// Nothing: whoever can read the file can sign with it.
    Without,
}

/// Looks at the device key.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn show(setup: &Setup) -> Result<KeyFacts, Failure> {
    let path = setup.home.key_file();
    let text = keystore::read(&path)?.ok_or_else(|| KeyError::Missing { path: path.clone() })?;
    Ok(KeyFacts { device: text.public().to_string(), protected: text.is_protected(), path })
}

/// Writes a copy of the device key into a new file of mode 0600.
///
/// # Errors
/// What speaks against it, for a person.
pub fn export(setup: &Setup, to: &Path, protection: &Protection) -> Result<DeviceKey, Failure> {
    let secret = opened(setup)?;
    if !keystore::create(to, text_of(&secret, protection, to)?.as_str())? {
        return Err(KeyError::Exists { path: to.to_owned() }.into());
    }
    Ok(secret.public())
}

/// Puts a key file in the place of the device key of a home that has none, with the passphrase that is on it.
///
/// # Errors
/// What speaks against it, for a person.
pub fn import(setup: &Setup, from: &Path) -> Result<DeviceKey, Failure> {
    let text = keystore::read(from).map_err(|error| wrong_file(error, from))?.ok_or_else(|| {
        Failure::new(format!("there is no file `{}`", from.display()))
            .hint("check the name of the file that holds the key")
    })?;
    // Whoever does not know the passphrase now will not know it during an outage either.
    let secret = setup.unlock.open(&text, from).map_err(|error| wrong_file(error, from))?;
    setup.home.open()?;
    let path = setup.home.key_file();
    if !keystore::create(&path, text.as_str())? {
        let hint =
            "import into another home (`--home DIR`), or move that key away: whoever it belongs to is lost with it";
        return Err(Failure::new(KeyError::Exists { path }.to_string()).hint(hint));
    }
    Ok(secret.public())
}

/// What is wrong with a file that is to be imported: the home and its own key, which other hints are about, are well.
fn wrong_file(error: KeyError, from: &Path) -> Failure {
    let bytes = keystore::read_private(from, 0).ok().flatten().unwrap_or_default();
    let beginning = String::from_utf8_lossy(&bytes[..bytes.len().min(BEGINNING_BYTES)]);
    let beginning = beginning.trim_start();
    let is_private = beginning.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----");
    let is_public = PUBLIC_BEGINNINGS.iter().any(|word| beginning.starts_with(word));
    if is_public {
        return Failure::new(format!("`{}` holds a public key", from.display()))
            .hint("the private key is needed: it is in the file of the same name without `.pub`");
    }
    let hint = match &error {
        KeyError::Corrupt { .. } if is_private => {
            "a part of it is missing or was changed: copy the whole file again, from the line `-----BEGIN` to the line `-----END`"
        }
        KeyError::Corrupt { .. } if beginning.starts_with("-----BEGIN") => {
            "it is of another form: `ssh-keygen -p -f FILE` writes an ed25519 key in the form of OpenSSH"
        }
        KeyError::Corrupt { .. } => "name the file that `muster key export` or `ssh-keygen -t ed25519` wrote",
        KeyError::WrongType { .. } => {
            "only ed25519 keys work, as `muster key export` or `ssh-keygen -t ed25519` writes them"
        }
        KeyError::Symlink { .. } | KeyError::NotAFile { .. } => "name the file itself that holds the key",
        KeyError::WrongPassphrase { .. } => "try again with the passphrase that was put on this file",
        KeyError::Io { .. } => "look whether the file is there and may be read by you",
        _ => return error.into(),
    };
    Failure::new(crate::engine::chain(&error)).hint(hint)
}

/// Changes what protects the device key. At any interruption the old file or the new one stands whole.
///
/// # Errors
/// What speaks against it, for a person.
pub fn protect(setup: &Setup, protection: &Protection) -> Result<DeviceKey, Failure> {
    let secret = opened(setup)?;
    let path = setup.home.key_file();
    keystore::replace(&path, text_of(&secret, protection, &path)?.as_str())?;
    Ok(secret.public())
}

fn opened(setup: &Setup) -> Result<DeviceSecret, Failure> {
    let path = setup.home.key_file();
    Ok(keystore::load(&path, &setup.unlock)?.ok_or(KeyError::Missing { path })?)
}

fn text_of(secret: &DeviceSecret, protection: &Protection, path: &Path) -> Result<KeyText, KeyError> {
    let text = match protection {
        Protection::With(passphrase) => KeyText::protected(secret, passphrase, &seasoning()?),
        Protection::Without => KeyText::plain(secret),
    };
    text.map_err(|error| keystore::failed("write", path, io::Error::other(error)))
}

fn seasoning() -> Result<Seasoning, EntropyError> {
    let [a, b, c, d, ..] = entropy16()?;
    Ok(Seasoning { salt: entropy16()?, check: u32::from_be_bytes([a, b, c, d]) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_that_is_no_key_is_told_by_what_it_is_and_not_by_the_home() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let whole = KeyText::plain(&DeviceSecret::from_seed(&[7; 32])).unwrap();
        let cases = [
            ("ssh-ed25519 AAAAC3 me", 0o644, "public key"),
            (&whole.as_str()[..200], 0o600, "a part of it is missing"),
            ("-----BEGIN PRIVATE KEY-----\nMC4C\n", 0o600, "another form"),
            ("hello", 0o600, "name the file"),
            ("", 0o600, "name the file"),
            ("hello", 0o644, "chmod 600"),
        ];
        for (text, mode, said) in cases {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            let failure = wrong_file(keystore::read(&file).err().unwrap(), &file);
            let told = format!("{} {}", failure.message, failure.hint.unwrap());
            assert!(told.contains(said) && !told.contains("backup"), "{told}");
        }
    }
}
