//! Signatures of files in the form that stock `ssh-keygen -Y verify` reads: the armour around what a device signed.
//!
//! What is signed and how is in [`muster_log::DeviceSecret::sign_file`]; what for, in [`muster_log::audit`].

use muster_log::audit::AUDIT_NAMESPACE;
use muster_log::{DeviceKey, Signature};
use ssh_key::public::{Ed25519PublicKey, KeyData};
use ssh_key::{Algorithm, HashAlg, LineEnding, PublicKey, SshSig};

/// The armoured form; one text for one key and signature. `None` only for a key that OpenSSH would not take.
pub(crate) fn armour(device: &DeviceKey, signature: &Signature) -> Option<String> {
    let inner = ssh_key::Signature::new(Algorithm::Ed25519, signature.as_bytes().to_vec()).ok()?;
    let whole = SshSig::new(key_data(device), AUDIT_NAMESPACE, HashAlg::Sha512, inner).ok()?;
    whole.to_pem(LineEnding::LF).ok()
}

/// Whether the text is the armour of the device's own signature of the file, and none but the one form of it.
pub(crate) fn is_signed_by(device: &DeviceKey, text: &str, file: &[u8]) -> bool {
    let Ok(read) = SshSig::from_pem(text) else { return false };
    let Ok(signature) = Signature::try_from(read.signature_bytes()) else { return false };
    armour(device, &signature).as_deref() == Some(text) && device.verifies_file(AUDIT_NAMESPACE, file, &signature)
}

/// The device's line in a file of allowed signers; the device's name is the principal.
pub(crate) fn signers_line(device: &DeviceKey) -> Option<String> {
    let key = PublicKey::new(key_data(device), "").to_openssh().ok()?;
    Some(format!("{device} namespaces=\"{AUDIT_NAMESPACE}\" {}", key.trim_end()))
}

fn key_data(device: &DeviceKey) -> KeyData {
    KeyData::Ed25519(Ed25519PublicKey(*device.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_log::DeviceSecret;

    #[test]
    fn one_text_and_no_other_is_a_devices_signature_of_a_file() {
        let (alice, bob) = (DeviceSecret::from_seed(&[1; 32]), DeviceSecret::from_seed(&[2; 32]).public());
        let text = armour(&alice.public(), &alice.sign_file(AUDIT_NAMESPACE, b"file")).unwrap();
        assert!(text.starts_with("-----BEGIN SSH SIGNATURE-----\n") && text.ends_with("-----END SSH SIGNATURE-----\n"));
        assert!(is_signed_by(&alice.public(), &text, b"file"));
        assert!(!is_signed_by(&alice.public(), &text, b"fill"));
        assert!(!is_signed_by(&bob, &text, b"file"));
        let other = armour(&alice.public(), &alice.sign_file("file", b"file")).unwrap();
        assert!(!is_signed_by(&alice.public(), &other, b"file"), "signed for another purpose");
        for at in 0..text.len() {
            for flip in [1, 2, 4, 0x20] {
                let mut spoilt = text.clone().into_bytes();
                spoilt[at] ^= flip;
                let Ok(spoilt) = String::from_utf8(spoilt) else { continue };
                assert!(!is_signed_by(&alice.public(), &spoilt, b"file"), "byte {at}");
            }
        }
    }
}
