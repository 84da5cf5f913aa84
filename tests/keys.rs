//! The device key through the program: a passphrase on it, a copy taken along, a home that gets it back.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::Home;
use serde_json::json;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

fn private_file(dir: &Path, name: &str, content: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn a_key_under_a_passphrase_signs_for_whoever_has_it_and_for_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let (right, wrong) = (private_file(dir.path(), "right", "open sesame\n"), private_file(dir.path(), "wrong", "x\n"));
    let (right, wrong) = (right.to_str().unwrap(), wrong.to_str().unwrap());
    let home_path = dir.path().join("h");
    let plain = Home::at(&home_path, "ada");
    plain.write(&["declare", "Checkout is down"]);
    assert_eq!(plain.json(&["key", "show"])["protected"], false);
    let before = plain.json(&["key", "show"])["device"].clone();
    plain.muster(&["key", "change-passphrase", "--new-passphrase-file", right]).with_code(0);
    assert_eq!(plain.json(&["key", "show"])["protected"], true);

    let owner = Home::at(&home_path, "ada").with_variable("MUSTER_PASSPHRASE_FILE", right);
    let thief = Home::at(&home_path, "ada").with_variable("MUSTER_PASSPHRASE_FILE", wrong);
    owner.write(&["say", "with the passphrase"]);
    thief.muster(&["say", "without"]).refused(&["passphrase does not open", "hint"]);
    thief
        .muster(&["key", "export", dir.path().join("stolen").to_str().unwrap(), "--no-passphrase"])
        .refused(&["passphrase"]);
    assert!(!dir.path().join("stolen").exists());
    // A node is asked once, at its start; who speaks to it needs no passphrase.
    let node = owner.up();
    thief.write(&["say", "through the node"]);
    assert_eq!(thief.json(&["doctor"])["device"], before);
    drop(node);
    assert_eq!(owner.verified(), 4, "one genesis of the team, one incident, two notes");

    fs::set_permissions(right, fs::Permissions::from_mode(0o644)).unwrap();
    owner.muster(&["say", "anyone"]).refused(&["passphrase file", "0644", "0600"]);
    fs::set_permissions(right, fs::Permissions::from_mode(0o600)).unwrap();
    owner.muster(&["key", "change-passphrase", "--no-passphrase"]).with_code(0);
    plain.write(&["say", "without one again"]);
    assert_eq!(
        plain.json(&["key", "show"]),
        json!({"device": before, "path": home_path.join("device.key"), "protected": false})
    );
    let left = fs::read_dir(&home_path)
        .unwrap()
        .filter(|found| found.as_ref().unwrap().file_name().to_string_lossy().starts_with("device.key."));
    assert_eq!(left.count(), 0, "nothing is left beside the key");
}

#[test]
fn a_key_goes_to_another_home_by_a_file_and_is_never_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let secret = private_file(dir.path(), "secret", "open sesame\n");
    let copy = dir.path().join("copy");
    let (secret, file) = (secret.to_str().unwrap(), copy.to_str().unwrap());
    let ada = Home::new("ada");
    ada.muster(&["key", "export", file, "--no-passphrase"]).refused(&["no key"]);
    ada.write(&["declare", "Checkout is down"]);
    ada.muster(&["key", "export", file, "--new-passphrase-file", secret]).with_code(0);
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    ada.muster(&["key", "export", file, "--no-passphrase"]).refused(&["there already"]);

    let next = Home::new("ada").with_variable("MUSTER_PASSPHRASE_FILE", secret);
    next.muster(&["key", "import", file]).with_code(0);
    assert_eq!(next.json(&["key", "show"])["device"], ada.json(&["key", "show"])["device"]);
    assert_eq!(next.json(&["key", "show"])["protected"], true, "what is on it stays on it");
    next.write(&["declare", "on the new laptop"]);
    next.muster(&["key", "import", file]).refused(&["there already", "another home"]);

    let link = dir.path().join("link");
    symlink(&copy, &link).unwrap();
    let other = Home::new("ben").with_variable("MUSTER_PASSPHRASE_FILE", secret);
    other.muster(&["key", "import", link.to_str().unwrap()]).refused(&["symbolic link"]);
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o640)).unwrap();
    other.muster(&["key", "import", file]).refused(&["0640", "chmod 600"]);
    assert!(!other.path().join("device.key").exists());
}

#[test]
fn no_passphrase_and_no_key_is_in_any_log_or_argument() {
    let dir = tempfile::tempdir().unwrap();
    let secret = private_file(dir.path(), "secret", "open sesame\n");
    let secret = secret.to_str().unwrap();
    let ada = Home::new("ada").with_variable("MUSTER_PASSPHRASE_FILE", secret);
    ada.write(&["declare", "Checkout is down"]);
    ada.muster(&["key", "change-passphrase", "--new-passphrase-file", secret]).with_code(0);
    let node = ada.up_with(&["--log", "trace"]);
    ada.muster(&["--log", "trace", "say", "hello"]).with_code(0);
    let said = ada.muster(&["--log", "trace", "config", "show"]).with_code(0);
    drop(node);
    assert!(!said.stdout.contains("sesame") && !said.stderr.contains("sesame"));
    for file in walk(ada.path()) {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(6).any(|bytes| bytes == b"sesame"), "{}", file.display());
    }
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries
        .flat_map(|entry| match entry.file_type().unwrap() {
            kind if kind.is_dir() => walk(&entry.path()),
            kind if kind.is_file() => vec![entry.path()],
            _ => Vec::new(),
        })
        .collect()
}
