//! Where a bundle or an audit file is written: a new file that appears whole or not at all, or stdout.

use super::leftovers;
use crate::request::Failure;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A bundle's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// Whether one that is there may be replaced.
        force: bool,
    },
}

impl Target {
    /// What was typed; `-` is standard output.
    pub fn new(path: &Path, force: bool) -> Self {
        match path == Path::new("-") {
            true => Self::Stdout,
            false => Self::File { path: path.to_owned(), force },
        }
    }

    /// The file's path.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Stdout => None,
            Self::File { path, .. } => Some(path),
        }
    }

    /// Begins writing: beside the file, under another name, for the owner only. What a killed process left there goes first.
    pub(crate) fn open(&self) -> Result<Opened, Failure> {
        let Self::File { path, force } = self else { return Ok(Opened::Stdout(io::stdout())) };
        if !force && path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        let dir = dir_of(path);
        leftovers::sweep(dir);
        let temp = leftovers::begin_in(dir).map_err(|error| cannot_write(path, &error))?;
        Ok(Opened::File { temp, path: path.clone(), force: *force })
    }
}

/// A bundle under way. Dropped before [`Opened::finish`] it leaves nothing.
pub(crate) enum Opened {
    Stdout(io::Stdout),
    File { temp: NamedTempFile, path: PathBuf, force: bool },
}

impl Opened {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Stdout(stdout) => stdout.write_all(bytes).map_err(|error| cannot_write(Path::new("-"), &error)),
            Self::File { temp, path, .. } => temp.write_all(bytes).map_err(|error| cannot_write(path, &error)),
        }
    }

    /// Makes it durable, and only then gives it its name.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Stdout(mut stdout) => stdout.flush().map_err(|error| cannot_write(Path::new("-"), &error)),
            Self::File { temp, path, force } => {
                temp.as_file().sync_all().map_err(|error| cannot_write(&path, &error))?;
                let named = if force { temp.persist(&path) } else { temp.persist_noclobber(&path) };
                named.map_err(|error| match error.error.kind() {
                    io::ErrorKind::AlreadyExists => exists(&path),
                    _ => cannot_write(&path, &error.error),
                })?;
                let synced = std::fs::File::open(dir_of(&path)).and_then(|dir| dir.sync_all());
                synced.map_err(|error| cannot_write(&path, &error))
            }
        }
    }
}

fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn exists(path: &Path) -> Failure {
    Failure::new(format!("`{}` is there already", path.display()))
        .hint("choose another name, or replace it with --force")
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write `{}`: {error}", path.display()))
        .hint("nothing was left there; choose a place with room where you may write")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_there_whole_or_not_at_all_and_is_replaced_only_when_told_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bundle");
        let names = || std::fs::read_dir(dir.path()).unwrap().count();
        let mut opened = Target::new(&path, false).open().unwrap();
        opened.write(b"half").unwrap();
        drop(opened);
        assert_eq!(names(), 0);
        let mut opened = Target::new(&path, false).open().unwrap();
        let mut late = Target::new(&path, false).open().unwrap();
        opened.write(b"first").unwrap();
        opened.finish().unwrap();
        late.write(b"second").unwrap();
        assert!(late.finish().unwrap_err().message.contains("is there already"));
        assert!(Target::new(&path, false).open().is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut forced = Target::new(&path, true).open().unwrap();
        forced.write(b"third").unwrap();
        forced.finish().unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), names()), (b"third".to_vec(), 1));
    }
}
