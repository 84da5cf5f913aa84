//! The OpenSSH form of a device key: the text of the file, with or without a passphrase on it.
//!
//! Pure but for the entropy that is handed in. Reading and writing the file is [`super`]'s.

use super::KeyError;
use muster_log::{DeviceKey, DeviceSecret};
use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey, KeypairData, PrivateKey};
use ssh_key::public::{Ed25519PublicKey, KeyData};
use ssh_key::{Cipher, Kdf, LineEnding};
use std::path::Path;
use zeroize::Zeroizing;

/// Bytes of a key file. One ed25519 key has about 400; an RSA key, met by mistake, some 3,000.
pub(crate) const KEY_FILE_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a passphrase; more is a mistake, such as the name of another file.
pub(crate) const PASSPHRASE_BYTES_MAX: usize = 1_024;

/// Rounds of bcrypt over the passphrase, as many as `ssh-keygen` of OpenSSH 9.4 and later takes.
const KDF_ROUNDS: u32 = 24;

/// Rounds that a file may ask for: a minute or so, instead of for ever.
const KDF_ROUNDS_MAX: u32 = 4_096;

/// Written into the file for whoever finds it; not secret, not read back.
const COMMENT: &str = "muster device key";

/// Salt and check number of a new protection, from the system's randomness.
pub(crate) struct Seasoning {
    pub(crate) salt: [u8; 16],
    pub(crate) check: u32,
}

/// What one key file holds; an ed25519 key whose halves fit, as far as that can be seen without a passphrase.
pub(crate) struct KeyText {
    text: Zeroizing<String>,
    key: PrivateKey,
    public: DeviceKey,
}

impl KeyText {
    /// Reads the text of a key file.
    pub(crate) fn read(bytes: &[u8], path: &Path) -> Result<Self, KeyError> {
        let corrupt = || KeyError::Corrupt { path: path.to_owned() };
        if bytes.len() > KEY_FILE_BYTES_MAX {
            return Err(corrupt());
        }
        let wrong = |found: String| KeyError::WrongType { path: path.to_owned(), found };
        let key = PrivateKey::from_openssh(bytes).map_err(|error| match error {
            ssh_key::Error::AlgorithmUnsupported { algorithm } => wrong(algorithm.to_string()),
            ssh_key::Error::AlgorithmUnknown => wrong("of an unknown type".into()),
            _ => corrupt(),
        })?;
        let KeyData::Ed25519(public) = key.public_key().key_data() else {
            return Err(wrong(key.algorithm().to_string()));
        };
        if matches!(key.kdf(), Kdf::Bcrypt { rounds, .. } if *rounds > KDF_ROUNDS_MAX) {
            return Err(corrupt());
        }
        let public = DeviceKey::from_bytes(public.0);
        let text = std::str::from_utf8(bytes).map_err(|_| corrupt())?;
        let this = Self { text: Zeroizing::new(text.to_owned()), key, public };
        if !this.is_protected() {
            this.open(None, path)?;
        }
        Ok(this)
    }

    /// The text of a key without a passphrase.
    pub(crate) fn plain(secret: &DeviceSecret) -> Result<Self, ssh_key::Error> {
        let pair = Ed25519Keypair {
            public: Ed25519PublicKey(*secret.public().as_bytes()),
            private: Ed25519PrivateKey::from_bytes(&secret.seed()),
        };
        Self::of(PrivateKey::new(KeypairData::Ed25519(pair), COMMENT)?, secret.public())
    }

    /// The text of a key under a passphrase: bcrypt and AES-256-CTR, as `ssh-keygen` does it.
    pub(crate) fn protected(
        secret: &DeviceSecret,
        passphrase: &str,
        seasoning: &Seasoning,
    ) -> Result<Self, ssh_key::Error> {
        let kdf = Kdf::Bcrypt { salt: seasoning.salt.to_vec(), rounds: KDF_ROUNDS };
        let plain = Self::plain(secret)?;
        let key = plain.key.encrypt_with(Cipher::Aes256Ctr, kdf, seasoning.check, passphrase)?;
        Self::of(key, secret.public())
    }

    fn of(key: PrivateKey, public: DeviceKey) -> Result<Self, ssh_key::Error> {
        Ok(Self { text: key.to_openssh(LineEnding::LF)?, key, public })
    }

    /// The text as it stands in the file.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The device.
    pub(crate) fn public(&self) -> DeviceKey {
        self.public
    }

    /// Whether a passphrase is on it.
    pub(crate) fn is_protected(&self) -> bool {
        self.key.is_encrypted()
    }

    /// The key itself.
    pub(crate) fn open(&self, passphrase: Option<&str>, path: &Path) -> Result<DeviceSecret, KeyError> {
        let corrupt = || KeyError::Corrupt { path: path.to_owned() };
        let opened = match passphrase.filter(|_| self.is_protected()) {
            // What comes out under another passphrase is noise; the check number tells.
            Some(passphrase) => {
                let wrong = |_| KeyError::WrongPassphrase { path: path.to_owned() };
                self.key.decrypt(passphrase).map_err(wrong)?
            }
            None => self.key.clone(),
        };
        let KeypairData::Ed25519(pair) = opened.key_data() else { return Err(corrupt()) };
        let secret = DeviceSecret::from_seed(pair.private.as_ref());
        // Signing as one device and being known as another would fork nothing and confuse everybody.
        let is_one = secret.public() == DeviceKey::from_bytes(pair.public.0) && secret.public() == self.public;
        if is_one { Ok(secret) } else { Err(corrupt()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "k";

    fn secret() -> DeviceSecret {
        DeviceSecret::from_seed(&[3; 32])
    }

    #[test]
    fn what_a_passphrase_protects_opens_with_that_passphrase_alone() {
        let seasoning = Seasoning { salt: [5; 16], check: 77 };
        let made = KeyText::protected(&secret(), "correct horse", &seasoning).unwrap();
        let read = KeyText::read(made.as_str().as_bytes(), Path::new(PATH)).unwrap();
        assert!(read.is_protected());
        assert_eq!(read.public(), secret().public());
        let opened = read.open(Some("correct horse"), Path::new(PATH)).unwrap();
        assert_eq!(opened.public(), secret().public());
        for wrong in ["", "correct hors", "correct horse "] {
            let error = read.open(Some(wrong), Path::new(PATH)).unwrap_err();
            assert!(matches!(error, KeyError::WrongPassphrase { .. }), "{error}");
        }
        assert!(read.open(None, Path::new(PATH)).is_err());
        assert!(!made.as_str().contains(&KeyText::plain(&secret()).unwrap().as_str()[60..120]));
    }

    #[test]
    fn a_file_that_asks_for_endless_work_is_refused() {
        let kdf = Kdf::Bcrypt { salt: vec![1; 16], rounds: 1 };
        let key = KeyText::plain(&secret()).unwrap().key.encrypt_with(Cipher::Aes256Ctr, kdf, 1, "p").unwrap();
        let key = key.to_bytes().unwrap();
        let place = key.windows(8).position(|bytes| bytes == [0, 0, 0, 24, 0, 0, 0, 16]).unwrap() + 8 + 16;
        let mut endless = key.to_vec();
        assert_eq!(endless[place..place + 4], [0, 0, 0, 1]);
        endless[place..place + 4].copy_from_slice(&u32::MAX.to_be_bytes());
        let text = PrivateKey::from_bytes(&endless).unwrap().to_openssh(LineEnding::LF).unwrap();
        assert!(matches!(KeyText::read(text.as_bytes(), Path::new(PATH)), Err(KeyError::Corrupt { .. })));
    }

    #[test]
    fn a_public_half_that_does_not_belong_to_the_secret_is_refused() {
        let pair = Ed25519Keypair {
            public: Ed25519PublicKey(*DeviceSecret::from_seed(&[1; 32]).public().as_bytes()),
            private: Ed25519PrivateKey::from_bytes(&[2; 32]),
        };
        let key = PrivateKey::new(KeypairData::Ed25519(pair), "").unwrap();
        let text = key.to_openssh(LineEnding::LF).unwrap();
        assert!(matches!(KeyText::read(text.as_bytes(), Path::new(PATH)), Err(KeyError::Corrupt { .. })));
    }
}
