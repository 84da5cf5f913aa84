//! The repository's own files: those that git tracks or would track.

use crate::cargo::{Workspace, stdout};
use std::fs;

/// Larger files hold data, not prose or code, and are not read. Bytes.
const TEXT_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// One file of the repository.
pub(crate) struct TextFile {
    /// Its path from the root, with slashes.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// Paths of all files that git tracks or would track, from the root, sorted.
pub(crate) fn list(workspace: &Workspace) -> Result<Vec<String>, String> {
    // A clone that belongs to another user is refused by git unless told otherwise; reading a list is harmless.
    let args = ["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let text = stdout(workspace.command("git").args(args))?;
    let mut paths: Vec<String> = text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    paths.retain(|path| workspace.root.join(path).is_file());
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// All files that hold text.
pub(crate) fn read_all(workspace: &Workspace) -> Result<Vec<TextFile>, String> {
    let mut files = Vec::new();
    for path in list(workspace)? {
        let place = workspace.root.join(&path);
        let small = fs::metadata(&place).is_ok_and(|data| data.len() <= TEXT_FILE_BYTES_MAX);
        if small && let Ok(text) = fs::read_to_string(&place) {
            files.push(TextFile { path, text });
        }
    }
    Ok(files)
}
