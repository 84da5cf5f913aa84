//! Device keys and signatures: ed25519 (RFC 8032), always checked strictly, always under a domain tag.
//!
//! How a secret is kept on disk is the node's affair; here a secret is thirty-two bytes that zero themselves.

use crate::ids::EntryId;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha512};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// Multihash header (identity, 36 bytes) and protobuf header (Ed25519, 32 bytes) of a libp2p PeerId.
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// Bytes or text that were meant to be a device key and are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Not 32 bytes, or not the text form of a device.
    #[error("not the text of a device key (they begin with 12D3KooW)")]
    Form,
    /// The bytes name no point of the curve, or one of small order, for which anybody can make signatures.
    #[error("the key is not a safe ed25519 public key")]
    Unsafe,
}

/// The public key of one device. Its text form is the libp2p PeerId of the same key.
///
/// Any 32 bytes can be held, so that an entry can be decoded before it is judged; [`DeviceKey::check`] tells whether
/// the bytes are a key that may sign.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKey([u8; 32]);

impl DeviceKey {
    /// Wraps 32 bytes without judging them.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Refuses bytes that are no point of the curve or a point of small order.
    ///
    /// # Errors
    /// [`BadKey::Unsafe`].
    pub fn check(&self) -> Result<(), BadKey> {
        self.verifying().map(|_| ())
    }

    fn verifying(&self) -> Result<VerifyingKey, BadKey> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| BadKey::Unsafe)?;
        if key.is_weak() { Err(BadKey::Unsafe) } else { Ok(key) }
    }

    /// Whether `signature` is this key's over `tag`, a zero byte and `parts`.
    pub fn verifies(&self, tag: &str, parts: &[&[u8]], signature: &Signature) -> bool {
        self.verifies_bytes(&tagged_message(tag, parts), signature)
    }

    /// Whether `signature` is this key's over exactly these bytes.
    pub(crate) fn verifies_bytes(&self, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.verifying().is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }

    /// Whether `signature` is this key's over a file that SSHSIG signs for `namespace` (OpenSSH's PROTOCOL.sshsig, with SHA-512).
    pub fn verifies_file(&self, namespace: &str, file: &[u8], signature: &Signature) -> bool {
        self.verifies_bytes(&file_message(namespace, file), signature)
    }

    /// Whether `signature` is this key's over the entry `id`.
    pub fn verifies_entry(&self, id: &EntryId, signature: &Signature) -> bool {
        self.verifies(ENTRY_TAG, &[id.as_bytes()], signature)
    }
}

/// Keys that were found usable. Finding it out costs more than all the rest of reading an entry, and a log is written by few.
#[derive(Debug, Clone, Default)]
pub struct GoodKeys {
    keys: BTreeSet<DeviceKey>,
}

/// Keys that are remembered: those of the largest team. Whoever brings more gets them checked again.
const GOOD_KEYS_MAX: usize = 1_024;

impl GoodKeys {
    /// As [`DeviceKey::check`].
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn check(&mut self, key: &DeviceKey) -> Result<(), BadKey> {
        if self.keys.contains(key) {
            return Ok(());
        }
        key.check()?;
        if self.keys.len() >= GOOD_KEYS_MAX {
            self.keys.clear();
        }
        self.keys.insert(*key);
        Ok(())
    }
}

impl fmt::Display for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 38];
        bytes[..6].copy_from_slice(&PEER_ID_PREFIX);
        bytes[6..].copy_from_slice(&self.0);
        f.write_str(&bs58::encode(bytes).into_string())
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({self})")
    }
}

impl FromStr for DeviceKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let mut bytes = [0; 38];
        // A longer text cannot fit and must not be decoded: base 58 takes quadratic time.
        if text.len() > 60 || bs58::decode(text).onto(&mut bytes).ok() != Some(38) || bytes[..6] != PEER_ID_PREFIX {
            return Err(BadKey::Form);
        }
        let mut key = [0; 32];
        key.copy_from_slice(&bytes[6..]);
        Ok(Self(key))
    }
}

impl TryFrom<&[u8]> for DeviceKey {
    type Error = BadKey;

    fn try_from(bytes: &[u8]) -> Result<Self, BadKey> {
        bytes.try_into().map(Self).map_err(|_| BadKey::Form)
    }
}

/// The tag under which entries are signed.
const ENTRY_TAG: &str = "muster/sig/1";

fn tagged_message(tag: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut message = Vec::with_capacity(tag.len() + 1 + parts.iter().map(|part| part.len()).sum::<usize>());
    message.extend_from_slice(tag.as_bytes());
    message.push(0);
    parts.iter().for_each(|part| message.extend_from_slice(part));
    message
}

/// What SSHSIG signs: each string behind its length. Nothing of ours begins so: our tags are followed by a zero byte and
/// begin with `muster/`.
fn file_message(namespace: &str, file: &[u8]) -> Vec<u8> {
    let mut message = b"SSHSIG".to_vec();
    for string in [namespace.as_bytes(), b"", b"sha512", &Sha512::digest(file)] {
        message.extend_from_slice(&(string.len() as u32).to_be_bytes());
        message.extend_from_slice(string);
    }
    message
}

/// A signature as it came: sixty-four bytes, nothing checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Wraps 64 bytes without judging them.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

impl TryFrom<&[u8]> for Signature {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self)
    }
}

/// A secret key: a device's, a ticket's or a recovery key. Zeroed when dropped, never printed.
pub struct DeviceSecret {
    signing: SigningKey,
}

impl DeviceSecret {
    /// The key made of a 32-byte seed (RFC 8032, section 5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self { signing: SigningKey::from_bytes(seed) }
    }

    /// The seed, for the keystore that writes it to disk.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.signing.to_bytes())
    }

    /// The public half.
    pub fn public(&self) -> DeviceKey {
        DeviceKey(self.signing.verifying_key().to_bytes())
    }

    /// Signs `tag`, a zero byte and `parts`.
    pub fn sign(&self, tag: &str, parts: &[&[u8]]) -> Signature {
        Signature(self.signing.sign(&tagged_message(tag, parts)).to_bytes())
    }

    /// Signs a file for `namespace` as SSHSIG does, with SHA-512.
    pub fn sign_file(&self, namespace: &str, file: &[u8]) -> Signature {
        Signature(self.signing.sign(&file_message(namespace, file)).to_bytes())
    }

    /// Signs the entry `id`.
    pub fn sign_entry(&self, id: &EntryId) -> Signature {
        self.sign(ENTRY_TAG, &[id.as_bytes()])
    }
}

impl fmt::Debug for DeviceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceSecret(of {})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> DeviceSecret {
        DeviceSecret::from_seed(&[byte; 32])
    }

    #[test]
    fn a_device_is_written_as_its_peer_id() {
        // The PeerId of RFC 8032 test vector 1's public key, made with libp2p.
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
            0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let key = DeviceSecret::from_seed(&seed).public();
        assert!(key.to_string().starts_with("12D3KooW"));
        assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn a_signature_holds_for_one_tag_and_one_message_only() {
        let (alice, bob) = (secret(1), secret(2));
        let signature = alice.sign("muster/join/1", &[b"abc"]);
        assert!(alice.public().verifies("muster/join/1", &[b"a", b"bc"], &signature));
        assert!(!alice.public().verifies("muster/device/1", &[b"abc"], &signature));
        assert!(!alice.public().verifies("muster/join/1", &[b"abd"], &signature));
        assert!(!bob.public().verifies("muster/join/1", &[b"abc"], &signature));
    }

    #[test]
    fn keys_of_small_order_are_refused() {
        let mut one = [0; 32];
        one[0] = 1;
        for bytes in [one, [0; 32]] {
            assert_eq!(DeviceKey::from_bytes(bytes).check(), Err(BadKey::Unsafe));
        }
        assert_eq!(secret(3).public().check(), Ok(()));
    }

    #[test]
    fn a_secret_never_prints_its_seed() {
        let shown = format!("{:?}", secret(0xab));
        assert!(!shown.contains("171") && !shown.contains("abab"), "{shown}");
    }
}
