//! What the file `format` says, and its text (`docs/storage.md`).
//!
//! Pure: text in, meaning out. The file is read and replaced in [`crate::home`]; what a damaged one said is found in
//! [`crate::refind`].

use crate::home::FORMAT;
use crate::record::StoreId;

/// The format of a store without archives: older versions read it.
const FORMAT_PLAIN: u64 = 2;

/// What the file `format` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    /// The version.
    pub(crate) version: u64,
    /// Which store it is.
    pub(crate) store: StoreId,
    /// Which journal is the truth: 1, and one more after each compaction.
    pub(crate) generation: u32,
}

/// Why a text is none that this version reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is of a newer version.
    Newer(u64),
    /// It is not as it was written.
    Damaged(&'static str),
}

impl Format {
    /// What a new store begins with, or one of the first version goes on with.
    pub(crate) fn plain(store: StoreId) -> Self {
        Self { version: FORMAT_PLAIN, store, generation: 1 }
    }

    /// Whether it has to be raised before anything is written.
    pub(crate) fn is_old(&self) -> bool {
        self.version < FORMAT_PLAIN
    }

    /// The text that is written: versions that know no `check` read it too.
    pub(crate) fn text(&self) -> String {
        let Self { version, store, generation } = self;
        checked(format!("muster-store {version}\nstore {}\njournal {generation}\n", hex(store)))
    }

    /// The text that versions without `check` wrote.
    fn unchecked_text(&self) -> String {
        let Self { version, store, generation } = self;
        let journal = if *generation == 1 { String::new() } else { format!("journal {generation}\n") };
        format!("muster-store {version}\nstore {}\n{journal}", hex(store))
    }

    /// # Errors
    /// [`Unread`].
    pub(crate) fn read(text: &str) -> Result<Self, Unread> {
        let mut lines = text.lines();
        let version = lines.next().and_then(|line| line.strip_prefix("muster-store ")?.parse::<u64>().ok());
        let version = version.ok_or(Unread::Damaged("this is not the format of a store"))?;
        // How a newer version ends its text nobody knows; but what ends with a check of ours has to agree with it.
        let checks = text.rfind("check ").map(|at| checked(text[..at].to_owned()) == text);
        if version > FORMAT && checks != Some(false) {
            return Err(Unread::Newer(version));
        }
        if checks == Some(false) {
            return Err(Unread::Damaged("the checksum does not fit"));
        }
        let store = lines.next().and_then(|line| read_hex(line.strip_prefix("store ")?));
        let store = store.ok_or(Unread::Damaged("the store id is not readable"))?;
        let generation = lines.next().map_or(Some(1), |line| line.strip_prefix("journal ")?.parse().ok());
        let generation = generation.filter(|generation| *generation > 0);
        let generation = generation.ok_or(Unread::Damaged("the number of the journal is not readable"))?;
        let format = Self { version, store, generation };
        // Before archives there was one journal only: whoever believed this would remove the one that is meant.
        let is_possible = if generation == 1 { (1..=FORMAT_PLAIN).contains(&version) } else { version == FORMAT };
        if is_possible && (text == format.text() || text == format.unchecked_text()) {
            return Ok(format);
        }
        Err(Unread::Damaged("this is not as it was written"))
    }
}

/// The text with a line behind it that stands for every byte before.
fn checked(text: String) -> String {
    let crc = crc32c::crc32c(text.as_bytes());
    format!("{text}check {crc:08x}\n")
}

pub(crate) fn hex(id: &StoreId) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_hex(text: &str) -> Option<StoreId> {
    let number = u128::from_str_radix(text, 16).ok()?.to_be_bytes();
    (hex(&number) == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMATS: [Format; 2] =
        [Format { version: 2, store: [9; 16], generation: 1 }, Format { version: 3, store: [9; 16], generation: 12 }];

    #[test]
    fn no_flipped_bit_and_no_cut_of_what_is_written_means_anything() {
        for format in FORMATS {
            let text = format.text();
            assert_eq!(Format::read(&text), Ok(format));
            for at in 0..text.len() {
                for bit in 0..8 {
                    let mut bytes = text.clone().into_bytes();
                    bytes[at] ^= 1 << bit;
                    let flipped = String::from_utf8_lossy(&bytes);
                    assert!(matches!(Format::read(&flipped), Err(Unread::Damaged(_))), "{at} {bit}: {flipped}");
                }
            }
            let unchecked =
                format!("muster-store {}\nstore {}\njournal {}\n", format.version, hex(&[9; 16]), format.generation);
            for cut in
                (0..text.len()).filter(|cut| text[..*cut] != unchecked && text[..*cut] != format.unchecked_text())
            {
                // But for two cuts at the end of a line it is no text of ours, and with them it says what it said.
                assert!(matches!(Format::read(&text[..cut]), Err(Unread::Damaged(_))), "{cut}");
            }
        }
    }

    #[test]
    fn what_older_versions_wrote_is_read() {
        for format in FORMATS {
            assert_eq!(Format::read(&format.unchecked_text()), Ok(format));
        }
        let first = Format { version: 1, ..FORMATS[0] };
        assert_eq!(Format::read(&first.unchecked_text()), Ok(first));
    }

    #[test]
    fn a_first_version_with_a_later_journal_is_not_believed() {
        let text = FORMATS[1].unchecked_text();
        for version in ["0", "1", "2"] {
            let flipped = text.replacen("muster-store 3", &format!("muster-store {version}"), 1);
            assert!(matches!(Format::read(&flipped), Err(Unread::Damaged(_))), "{flipped}");
        }
    }

    #[test]
    fn a_newer_version_is_told_however_it_goes_on() {
        for rest in ["", "something else\n", &checked("muster-store 9\nmore\n".to_owned())["muster-store 9\n".len()..]]
        {
            assert_eq!(Format::read(&format!("muster-store 9\n{rest}")), Err(Unread::Newer(9)));
        }
    }
}
