//! A small home written by the first version, which every later one must open.
//!
//! It is bob's, `tests/fixtures/home-v1`: he logged alone, joined alice's team and took what he had logged along. Its key
//! is nobody's. Index, reserve and lock are made anew; modes are set here, for git keeps none. What its bytes mean is
//! tested in muster-store and muster-log.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::{Home, ids_of};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Copies a directory: 0700 and 0600, as muster made it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, Permissions::from_mode(0o700)).unwrap();
    for item in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (source, target) = (item.path(), to.join(item.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            fs::write(&target, fs::read(&source).unwrap()).unwrap();
            fs::set_permissions(&target, Permissions::from_mode(0o600)).unwrap();
        }
    }
}

#[test]
fn a_home_of_the_first_version_opens_and_says_what_it_said_then() {
    let place = tempfile::tempdir().unwrap();
    let home = Home::at(&place.path().join("bob"), "bob");
    copy(&fixture("home-v1"), home.path());
    let expected = fs::read_to_string(fixture("home-v1.timeline.json")).unwrap();
    assert_eq!(home.timeline(), expected);
    let entries = home.verified();
    assert_eq!(home.json(&["team", "show"])["members"].as_array().unwrap().len(), 2);

    let rows: Value = serde_json::from_str(&expected).unwrap();
    let carried = rows.as_array().unwrap().iter().find(|row| row["kind"] == "declare" && row["origin"].is_object());
    let old = carried.expect("an incident that came along")["origin"]["id"].as_str().unwrap().to_owned();
    home.muster(&["timeline", "-i", &old[..8]]).with_code(0);

    let new = home.write(&["say", "written by a later version"]);
    assert!(ids_of(&serde_json::from_str(&home.timeline()).unwrap()).contains(&new));
    assert_eq!(home.verified(), entries + 1);
    let node = home.up();
    home.write(&["say", "through its node"]);
    assert_eq!(node.terminate().code(), Some(0));
}
