//! A recovery key as 24 English words (BIP-39), which people can write on paper and read back.
//!
//! The words are the key: 256 bits and a checksum of eight. They are made once, when a team is created, shown once and kept
//! nowhere.

use muster_log::DeviceSecret;
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// Words of a recovery key.
const WORDS: usize = 24;

/// The words of one recovery key. Never logged, wiped from memory afterwards.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecoveryWords(String);

/// Why words are no recovery key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadWords {
    /// Too few or too many.
    #[error("a recovery key has {WORDS} words, these are {0}")]
    Count(usize),
    /// A word that is not in the list.
    #[error("word {0} is not one that recovery keys are made of")]
    Unknown(usize),
    /// The words are known, but not these together.
    #[error("the words do not belong together: one is wrong, or two have changed places")]
    Checksum,
}

impl RecoveryWords {
    /// The words of a key.
    pub(crate) fn of(seed: &[u8; 32]) -> Self {
        let words = bip39::Mnemonic::from_entropy(seed).expect("32 bytes are a length that BIP-39 has words for");
        Self(words.to_string())
    }

    /// Words as they were typed: any white space between them, any case.
    pub fn typed(text: &str) -> Self {
        let text = Zeroizing::new(text.to_lowercase());
        Self(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// The key.
    ///
    /// # Errors
    /// [`BadWords`], without repeating any word.
    pub(crate) fn secret(&self) -> Result<DeviceSecret, BadWords> {
        let count = self.0.split(' ').filter(|word| !word.is_empty()).count();
        if count != WORDS {
            return Err(BadWords::Count(count));
        }
        let words = bip39::Mnemonic::parse_in_normalized(bip39::Language::English, &self.0);
        let words = words.map_err(|error| match error {
            bip39::Error::UnknownWord(place) => BadWords::Unknown(place + 1),
            _ => BadWords::Checksum,
        })?;
        let (bytes, len) = words.to_entropy_array();
        let bytes = Zeroizing::new(bytes);
        let seed: Option<&[u8; 32]> = bytes.first_chunk().filter(|_| len == 32);
        seed.map(DeviceSecret::from_seed).ok_or(BadWords::Checksum)
    }

    /// The words, to be shown once.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RecoveryWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryWords(..)")
    }
}

impl Drop for RecoveryWords {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last test vector of BIP-39 with 256 bits of zeros.
    const ZEROS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
        abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art";

    #[test]
    fn words_read_back_however_they_were_typed() {
        assert_eq!(RecoveryWords::of(&[0; 32]).text(), ZEROS);
        let seed = [0xab; 32];
        let public = DeviceSecret::from_seed(&seed).public();
        let words = RecoveryWords::of(&seed);
        let typed = words.text().to_uppercase().replace(' ', "\n  ");
        assert_eq!(RecoveryWords::typed(&typed).secret().unwrap().public(), public);
    }

    #[test]
    fn wrong_words_are_told_by_their_place_and_never_repeated() {
        let cases = [
            ("", BadWords::Count(0)),
            ("abandon art", BadWords::Count(2)),
            (&ZEROS.replace("art", "secretword"), BadWords::Unknown(24)),
            (&ZEROS.replace("art", "abandon"), BadWords::Checksum),
        ];
        for (typed, bad) in cases {
            assert_eq!(RecoveryWords::typed(typed).secret().err(), Some(bad), "{typed}");
        }
        assert!(!format!("{}", BadWords::Unknown(24)).contains("secretword"));
        assert_eq!(format!("{:?}", RecoveryWords::typed(ZEROS)), "RecoveryWords(..)");
    }
}
