//! Text from stdin: how much is taken, and where it is kept when it could not be written.
//!
//! What a person piped in exists nowhere else, so no refusal may lose it.

use crate::problem::Problem;
use crate::size;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes taken from stdin at most. Far more than an entry holds, so that a text that is too long can be kept whole.
const STDIN_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Tries at a file name that nobody has taken yet.
const NAMES_MAX: u32 = 1_000;

/// Stdin, and what was read from it.
pub(crate) struct Input {
    source: Box<dyn Read>,
    read: Vec<u8>,
}

impl Input {
    /// An input that has not been touched yet.
    pub(crate) fn new(source: impl Read + 'static) -> Self {
        Self { source: Box::new(source), read: Vec::new() }
    }

    /// Reads all of it as one text, without the line feeds at its end.
    pub(crate) fn text(&mut self) -> Result<String, Problem> {
        self.fill()?;
        let text = std::str::from_utf8(&self.read).map_err(|error| {
            let at = error.valid_up_to();
            Problem::refused(format!("the text is not UTF-8 (byte {at})"), "convert it, as with `iconv -t UTF-8`")
        })?;
        match text.trim_end_matches(['\n', '\r']) {
            text if text.trim().is_empty() => Err(Problem::refused("stdin held no text", "pipe some in")),
            text => {
                size::check(text)?;
                Ok(text.to_owned())
            }
        }
    }

    /// Reads all of it as a secret, which is never kept in a file.
    pub(crate) fn secret(&mut self) -> Result<Vec<u8>, Problem> {
        let filled = self.fill();
        let read = std::mem::take(&mut self.read);
        filled.map(|()| read)
    }

    /// Reads all of it, as bytes.
    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, Problem> {
        self.fill()?;
        Ok(self.read.clone())
    }

    fn fill(&mut self) -> Result<(), Problem> {
        let taken = self.source.by_ref().take(STDIN_BYTES_MAX + 1).read_to_end(&mut self.read);
        taken
            .map_err(|error| Problem::refused(format!("cannot read stdin: {error}"), "what was read so far counts"))?;
        if self.read.len() as u64 > STDIN_BYTES_MAX {
            let message = format!("stdin has more than {STDIN_BYTES_MAX} bytes");
            return Err(Problem::refused(message, "the rest was not read: split it first"));
        }
        Ok(())
    }

    /// Saves what was read, durably and for the owner only: in the home, else among the temporary files. `None`: nothing
    /// was read, or it can be saved nowhere.
    pub(crate) fn keep(&self, home: &Path) -> Option<PathBuf> {
        if self.read.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        // A home that is not there yet is made as the node would make it.
        let _ = DirBuilder::new().recursive(true).mode(0o700).create(home);
        [home, &std::env::temp_dir()].into_iter().find_map(|dir| self.keep_in(dir).ok())
    }

    fn keep_in(&self, dir: &Path) -> io::Result<PathBuf> {
        for number in 1..=NAMES_MAX {
            let path = dir.join(format!("unsent-{number}.txt"));
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(mut file) => {
                    let kept = file.write_all(&self.read).and_then(|()| file.sync_all());
                    if kept.is_err() {
                        // Part of it, or nothing at all, would be taken for what was typed.
                        let _ = std::fs::remove_file(&path);
                    }
                    return kept.map(|()| path);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn input(bytes: &[u8]) -> Input {
        Input::new(io::Cursor::new(bytes.to_vec()))
    }

    #[test]
    fn a_text_loses_only_the_line_feeds_at_its_end() {
        assert_eq!(input(b" a\n\nb \n\n").text().unwrap(), " a\n\nb ");
    }

    #[test]
    fn a_text_that_no_entry_holds_is_refused_and_kept_whole() {
        let typed = vec![b'x'; 16_353];
        let mut input = input(&typed);
        let problem = input.text().unwrap_err().to_string();
        assert_eq!(problem, "the text has 16353 bytes, an entry holds 16352 at most");
        let home = tempfile::tempdir().unwrap();
        let kept = input.keep(home.path()).unwrap();
        assert_eq!(fs::read(&kept).unwrap(), typed);
        assert_ne!(input.keep(home.path()).unwrap(), kept, "what was kept before stays");
    }

    #[test]
    fn empty_and_broken_texts_are_refused() {
        for bytes in [&b""[..], b"\n", b" \n ", b"ab\xff"] {
            assert!(input(bytes).text().is_err(), "{bytes:?}");
        }
        assert_eq!(input(b"").keep(Path::new("/nowhere")), None);
        let home = tempfile::tempdir().unwrap();
        let mut blank = input(b" \n");
        assert!(blank.text().is_err());
        assert_eq!(blank.keep(home.path()), None);
    }

    #[test]
    fn what_cannot_be_kept_in_the_home_is_kept_among_the_temporary_files() {
        let mut input = input(b"text");
        input.text().unwrap();
        let kept = input.keep(Path::new("/proc/no/home")).unwrap();
        assert!(kept.starts_with(std::env::temp_dir()));
        fs::remove_file(kept).unwrap();
    }
}
