//! The node's home: where everything that one device keeps on disk stands, and whether it is safe to use.
//!
//! Only paths, the directory itself and its permissions. What is inside belongs to others: the key to
//! [`crate::keystore`], settings to [`crate::config`], the log file to [`crate::logging`], the store to `muster-store`.

use rustix::fs::{Access as Wish, AtFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Bytes of a socket's path: `sun_path` has 108 (unix(7)), the last one is the closing zero.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Permission bits that let somebody besides the owner write.
const OTHERS_WRITE: u32 = 0o022;

/// Why a home cannot be used. Who must act is always the person at the keyboard; [`HomeError::hint`] says how.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// No flag, no variable and no home directory say where the node's data belong.
    #[error("no place for this node's data: neither MUSTER_HOME, XDG_DATA_HOME nor HOME is set")]
    Nowhere,
    /// The path exists and is something else.
    #[error("`{}` is not a directory", path.display())]
    NotADirectory {
        /// The home asked for.
        path: PathBuf,
    },
    /// Group or others may write, so they could replace the key or the store.
    #[error("other users can write to `{}` (mode {mode:04o})", path.display())]
    OthersCanWrite {
        /// The home asked for.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Somebody else owns the directory.
    #[error("`{}` belongs to another user (uid {owner})", path.display())]
    NotYours {
        /// The home asked for.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
    /// The control socket's path does not fit into a socket address.
    #[error("the path of the control socket has {bytes} bytes, a socket allows {SOCKET_PATH_BYTES_MAX}: `{}`", path.display())]
    SocketPathTooLong {
        /// The path that does not fit.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// The file system said no.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// What was tried: "create", "read".
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
}

impl HomeError {
    /// What to do about it: one line, without the word "hint".
    pub fn hint(&self) -> String {
        match self {
            Self::Nowhere => "say where with `--home DIR`".into(),
            Self::NotADirectory { .. } | Self::Io { .. } => "choose another place with `--home DIR`".into(),
            Self::OthersCanWrite { path, .. } => {
                format!("run `chmod go-w '{}'`, or choose another `--home DIR`", path.display())
            }
            Self::NotYours { .. } => "run as that user, or choose another `--home DIR`".into(),
            Self::SocketPathTooLong { .. } => "use a shorter `--home DIR`".into(),
        }
    }
}

/// What may be done in a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    ReadWrite,
    /// Reading and exporting only: the file system or the directory is read-only.
    ReadOnly,
}

/// Where one device keeps its key, its store and its settings. Absolute; nothing is touched until [`Home::open`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// The home of whoever has none and needs none: nothing is there, and nothing is ever made there.
    pub fn none() -> Self {
        Self { root: PathBuf::from("/nonexistent/muster") }
    }

    /// Finds the home: the flag, else `MUSTER_HOME`, else `XDG_DATA_HOME/muster`, else `~/.local/share/muster`.
    ///
    /// `env` looks up a variable; an empty one counts as unset, and so does a relative `XDG_DATA_HOME` (XDG Base
    /// Directory Specification 0.8).
    ///
    /// # Errors
    /// [`HomeError::Nowhere`]; [`HomeError::Io`] when a relative path is given and there is no working directory.
    pub fn resolve(flag: Option<&Path>, env: impl Fn(&str) -> Option<OsString>) -> Result<Self, HomeError> {
        let var = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let chosen = flag
            .map(Path::to_owned)
            .or_else(|| var("MUSTER_HOME"))
            .or_else(|| var("XDG_DATA_HOME").filter(|dir| dir.is_absolute()).map(|dir| dir.join("muster")))
            .or_else(|| var("HOME").map(|dir| dir.join(".local/share/muster")))
            .ok_or(HomeError::Nowhere)?;
        Self::at(&chosen)
    }

    /// The home at `path`.
    ///
    /// # Errors
    /// [`HomeError::Io`] when `path` is relative and there is no working directory, or it is empty.
    pub fn at(path: &Path) -> Result<Self, HomeError> {
        let root = std::path::absolute(path).map_err(|source| failed("find", path, source))?;
        Ok(Self { root })
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The store's directory.
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// The device's secret key.
    pub fn key_file(&self) -> PathBuf {
        self.root.join("device.key")
    }

    /// The settings.
    pub fn config_file(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// The log of what the program did (not of the incident).
    pub fn log_file(&self) -> PathBuf {
        self.root.join("muster.log")
    }

    /// The control socket of a running node.
    ///
    /// # Errors
    /// [`HomeError::SocketPathTooLong`].
    pub fn socket(&self) -> Result<PathBuf, HomeError> {
        let path = self.root.join("node.sock");
        match path.as_os_str().as_bytes().len() {
            bytes if bytes > SOCKET_PATH_BYTES_MAX => Err(HomeError::SocketPathTooLong { path, bytes }),
            _ => Ok(path),
        }
    }

    /// Makes the home ready: creates it (0700, durably) at first use, and refuses one that others can change.
    ///
    /// # Errors
    /// Every variant of [`HomeError`] but [`HomeError::Nowhere`] and [`HomeError::SocketPathTooLong`].
    pub fn open(&self) -> Result<Access, HomeError> {
        match fs::metadata(&self.root) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.create()?,
            Err(source) => return Err(failed("read", &self.root, source)),
        }
        self.inspect()
    }

    /// As [`Home::open`], but creates nothing.
    ///
    /// # Errors
    /// As [`Home::open`]; a home that is not there is an [`HomeError::Io`] of kind `NotFound`.
    pub fn inspect(&self) -> Result<Access, HomeError> {
        let path = || self.root.clone();
        let found = fs::metadata(&self.root).map_err(|source| failed("read", &self.root, source))?;
        if !found.is_dir() {
            return Err(HomeError::NotADirectory { path: path() });
        }
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(HomeError::NotYours { path: path(), owner: found.uid() });
        }
        if found.mode() & OTHERS_WRITE != 0 {
            return Err(HomeError::OthersCanWrite { path: path(), mode: found.mode() & 0o7777 });
        }
        // The effective user, not the real one: it is the one who will write.
        match rustix::fs::accessat(rustix::fs::CWD, &self.root, Wish::WRITE_OK | Wish::EXEC_OK, AtFlags::EACCESS) {
            Ok(()) => Ok(Access::ReadWrite),
            Err(Errno::ROFS | Errno::ACCESS) => Ok(Access::ReadOnly),
            Err(errno) => Err(failed("read", &self.root, errno.into())),
        }
    }

    /// Creates the directory and those above it, and syncs every directory that got a new name in it: else a power
    /// cut could take away the whole home, acknowledged entries included.
    fn create(&self) -> Result<(), HomeError> {
        let missing = self.root.ancestors().take_while(|dir| !dir.exists()).count();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.root);
        made.map_err(|source| failed("create", &self.root, source))?;
        for parent in self.root.ancestors().skip(1).take(missing) {
            let synced = File::open(parent).and_then(|dir| dir.sync_all());
            synced.map_err(|source| failed("sync", parent, source))?;
        }
        Ok(())
    }
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> HomeError {
    HomeError::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[track_caller]
    fn check(flag: Option<&str>, vars: &[(&str, &str)], expected: Option<&str>) {
        let env = |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        let found = Home::resolve(flag.map(Path::new), env).ok();
        assert_eq!(found.as_ref().map(Home::root), expected.map(Path::new));
    }

    #[test]
    fn the_flag_beats_the_variable_beats_xdg_beats_the_home_directory() {
        let all = [("MUSTER_HOME", "/m"), ("XDG_DATA_HOME", "/x"), ("HOME", "/h")];
        check(Some("/f"), &all, Some("/f"));
        check(None, &all, Some("/m"));
        check(None, &all[1..], Some("/x/muster"));
        check(None, &all[2..], Some("/h/.local/share/muster"));
        check(None, &[], None);
    }

    #[test]
    fn empty_variables_and_a_relative_xdg_directory_count_as_unset() {
        check(None, &[("MUSTER_HOME", ""), ("XDG_DATA_HOME", "rel"), ("HOME", "/h")], Some("/h/.local/share/muster"));
    }

    #[test]
    fn a_home_is_made_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(&dir.path().join("a/b")).unwrap();
        assert!(matches!(home.inspect(), Err(HomeError::Io { .. })), "inspecting creates nothing");
        assert_eq!(home.open().unwrap(), Access::ReadWrite);
        assert_eq!(fs::metadata(home.root()).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(home.open().unwrap(), Access::ReadWrite);
    }

    #[test]
    fn a_home_that_others_can_write_to_is_refused() {
        for mode in [0o770, 0o702, 0o1777] {
            let dir = tempfile::tempdir().unwrap();
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            let error = Home::at(dir.path()).unwrap().open().unwrap_err();
            assert!(matches!(error, HomeError::OthersCanWrite { mode: found, .. } if found == mode), "{error}");
            assert!(error.hint().contains("chmod go-w"), "{}", error.hint());
        }
    }

    #[test]
    fn a_file_is_not_a_home() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(Home::at(file.path()).unwrap().open(), Err(HomeError::NotADirectory { .. })));
        assert!(matches!(Home::at(&file.path().join("below")).unwrap().open(), Err(HomeError::Io { .. })));
    }

    #[test]
    fn a_home_without_write_permission_is_read_only() {
        if rustix::process::geteuid().is_root() {
            return; // permission bits do not bind root
        }
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o500)).unwrap();
        assert_eq!(Home::at(dir.path()).unwrap().open().unwrap(), Access::ReadOnly);
    }

    #[test]
    fn a_socket_path_of_107_bytes_fits_and_one_more_does_not() {
        let root = |socket_bytes: usize| format!("/{}", "x".repeat(socket_bytes - "//node.sock".len()));
        let fits = Home::at(Path::new(&root(107))).unwrap();
        assert_eq!(fits.socket().unwrap().as_os_str().len(), 107);
        let error = Home::at(Path::new(&root(108))).unwrap().socket().unwrap_err();
        assert!(matches!(error, HomeError::SocketPathTooLong { bytes: 108, .. }), "{error}");
        assert!(error.hint().contains("shorter"));
    }
}
