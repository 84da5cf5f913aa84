//! A recovery key as 24 English words (BIP-39), which people can write on paper and read back.
//!
//! The words are the key: 256 bits and a checksum of eight. They are made once, when a team is created, shown once and kept
//! nowhere.

use crate::keystore::{self, KeyError, OTHERS_ANYTHING};
use crate::request::Failure;
use muster_log::DeviceSecret;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
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

    /// Words as they were typed: any white space between them, any case, with or without the numbers before them on paper.
    pub fn typed(text: &str) -> Self {
        let text = Zeroizing::new(text.to_lowercase());
        // No word has a digit in it.
        let without_number = |word| str::trim_start_matches(word, |c: char| c.is_ascii_digit() || ".:)".contains(c));
        let words = text.split_whitespace().map(without_number).filter(|word| !word.is_empty());
        Self(words.collect::<Vec<_>>().join(" "))
    }

    /// Words in a file that only its owner can read.
    ///
    /// # Errors
    /// What is wrong with the file, for a person.
    pub fn of_file(path: &Path) -> Result<Self, Failure> {
        let failure =
            |what: &str| Failure::new(format!("the file with the recovery words `{}` {what}", path.display()));
        let bytes = keystore::read_private(path, OTHERS_ANYTHING).map_err(|error| match error {
            KeyError::OthersHaveAccess { mode, .. } => failure(&format!("can be read by others (mode {mode:04o})"))
                .hint("whoever has the words outranks every admin: run `chmod 600` on it, if nobody else has read it"),
            KeyError::Symlink { .. } => failure("is a symbolic link").hint("name the file itself, or `-` for stdin"),
            KeyError::NotAFile { .. } => failure("is no regular file").hint("`--words -` reads them from stdin"),
            _ => failure("cannot be read").hint("look whether it is there and may be read by you"),
        })?;
        let bytes = bytes.ok_or_else(|| failure("does not exist").hint("`--words -` reads them from stdin"))?;
        Ok(Self::typed(&Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())))
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
        for mark in [" ", ". ", ".", ") "] {
            let numbered: Vec<String> =
                (1..).zip(words.text().split(' ')).map(|(number, word)| format!("{number}{mark}{word}")).collect();
            let typed = RecoveryWords::typed(&numbered.join("   "));
            assert_eq!(typed.secret().unwrap().public(), public, "{mark:?}");
        }
    }

    #[test]
    fn words_are_read_from_no_file_that_others_can_read() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("words");
        std::fs::write(&file, ZEROS).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(RecoveryWords::of_file(&file).unwrap_err().message.contains("mode 0644"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(RecoveryWords::of_file(&file).unwrap().text(), ZEROS);
        for other in [dir.path().join("none"), dir.path().to_owned()] {
            assert!(RecoveryWords::of_file(&other).unwrap_err().hint.is_some());
        }
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
