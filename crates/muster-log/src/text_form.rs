//! Bytes as a text that people copy: a word, base 58, and a check against typing errors (protocol, section "Ticket").
//!
//! What the bytes say is in `ticket` and `device_offer`.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Characters of a text: it must fit a QR code, and base 58 takes quadratic time to read.
pub const CODE_CHARS_MAX: usize = 4096;

/// Bytes of SHA-256 at the end, against typing errors.
const CHECK_BYTES: usize = 4;

/// Why a text does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadCode {
    /// Another word at the beginning.
    Form,
    /// More than [`CODE_CHARS_MAX`].
    TooLong,
    /// A character is missing or wrong.
    Check,
}

/// The text of `bytes`, which may be a secret.
pub(crate) fn print(prefix: &str, bytes: &[u8]) -> String {
    let mut checked = Zeroizing::new(bytes.to_vec());
    checked.extend_from_slice(&check_bytes(bytes));
    format!("{prefix}{}", bs58::encode(checked.as_slice()).into_string())
}

/// The bytes of a text. White space in it is nothing: folded texts, and such as a shell or a mail took apart, read too.
pub(crate) fn read(prefix: &str, text: &str) -> Result<Zeroizing<Vec<u8>>, BadCode> {
    let mut joined = Zeroizing::new(String::with_capacity(text.len().min(4 * (CODE_CHARS_MAX + 1))));
    joined.extend(text.chars().filter(|c| !c.is_whitespace()).take(CODE_CHARS_MAX + 1));
    if joined.chars().count() > CODE_CHARS_MAX {
        return Err(BadCode::TooLong);
    }
    let digits = joined.strip_prefix(prefix).ok_or(BadCode::Form)?;
    let bytes = Zeroizing::new(bs58::decode(digits).into_vec().map_err(|_| BadCode::Check)?);
    let (bytes, check) = bytes.split_last_chunk::<CHECK_BYTES>().ok_or(BadCode::Check)?;
    if *check == check_bytes(bytes) { Ok(Zeroizing::new(bytes.to_vec())) } else { Err(BadCode::Check) }
}

fn check_bytes(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&Sha256::digest(bytes)[..CHECK_BYTES]);
    check
}
