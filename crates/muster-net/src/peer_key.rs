//! A device's key as a libp2p PeerId, and back: the same 32 bytes in two dresses.

use libp2p::PeerId;
use libp2p::identity::{Keypair, ed25519};
use muster_log::{DeviceKey, DeviceSecret};

/// Multihash header (identity, 36 bytes) and protobuf header (Ed25519, 32 bytes) of the PeerId of an ed25519 key.
const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The key inside a PeerId; `None` if it is not ed25519 or one for which anybody could sign.
pub(crate) fn device_key(peer: &PeerId) -> Option<DeviceKey> {
    let bytes = peer.to_bytes();
    let key = DeviceKey::try_from(bytes.strip_prefix(&PREFIX)?).ok()?;
    key.check().is_ok().then_some(key)
}

/// The PeerId of a key.
pub(crate) fn peer_id(key: &DeviceKey) -> PeerId {
    let mut bytes = [0; 38];
    bytes[..6].copy_from_slice(&PREFIX);
    bytes[6..].copy_from_slice(key.as_bytes());
    PeerId::from_bytes(&bytes).expect("an identity multihash of 36 bytes is a PeerId")
}

/// The keypair that libp2p wants for Noise.
pub(crate) fn keypair(secret: &DeviceSecret) -> Keypair {
    // The seed is zeroed by whoever takes it.
    let mut seed = *secret.seed();
    let secret = ed25519::SecretKey::try_from_bytes(&mut seed).expect("32 bytes are an ed25519 seed");
    Keypair::from(ed25519::Keypair::from(secret))
}

/// The last eight characters of a key's text, for log lines.
pub(crate) fn short(key: &DeviceKey) -> String {
    let text = key.to_string();
    text.get(text.len().saturating_sub(8)..).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_key_and_its_peer_id_are_written_alike() {
        for seed in [[1; 32], [0xfe; 32]] {
            let secret = DeviceSecret::from_seed(&seed);
            let peer = keypair(&secret).public().to_peer_id();
            assert_eq!(peer, peer_id(&secret.public()));
            assert_eq!(device_key(&peer), Some(secret.public()));
            assert_eq!(peer.to_string(), secret.public().to_string());
        }
    }

    #[test]
    fn a_key_of_small_order_is_nobody() {
        assert_eq!(device_key(&peer_id(&DeviceKey::from_bytes([0; 32]))), None);
    }
}
