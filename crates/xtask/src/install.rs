//! What some tests need beyond the toolchain: network namespaces, a packet filter, a file system to pull the plug on,
//! programs that judge what is packaged or audited.
//!
//! As root on a Debian-like system missing programs are installed. Elsewhere, and where the kernel forbids, the tests
//! concerned skip themselves; this stage says so loudly, and with `CI=true` that is a failure.

use crate::cargo::{Workspace, captured, stdout};
use crate::stage::Findings;
use std::path::Path;

/// Program, Debian package, what needs it.
const TOOLS: [(&str, &str, &str); 10] = [
    ("ip", "iproute2", "tests in network namespaces"),
    ("nft", "nftables", "tests that cut a link between network namespaces"),
    ("unshare", "util-linux", "tests in network namespaces"),
    ("losetup", "mount", "power-cut tests of the store"),
    ("mkfs.ext4", "e2fsprogs", "power-cut tests of the store"),
    ("systemd-analyze", "systemd", "the judgement on the service units"),
    ("man", "man-db", "the judgement on the manual pages"),
    ("dpkg-deb", "dpkg", "tests of the Debian package"),
    ("ssh-keygen", "openssh-client", "the check of an audit file's signature"),
    ("python3", "python3", "the independent verifier"),
];

/// Commands that only a permitted process can run, and what needs the permission.
const PERMISSIONS: [(&[&str], &str); 2] = [
    (&["unshare", "--net", "true"], "tests in network namespaces"),
    (&["losetup", "--find"], "power-cut tests of the store"),
];

/// What the independent verifier needs of Python: the module, and its Debian package.
const MODULES: [(&str, &str); 2] = [("cryptography", "python3-cryptography"), ("cbor2", "python3-cbor2")];

/// The Pythons that are looked for: the user's own, and the system's, for which packages are.
const PYTHONS: [&str; 2] = ["python3", "/usr/bin/python3"];

/// Seconds after which the package manager is given up.
const PACKAGES_TIMEOUT_S: &str = "300";

/// Installs what is missing where that is possible, and tells what will be skipped.
pub(crate) fn run(workspace: &Workspace) -> Result<Findings, String> {
    let mut packages: Vec<&str> = missing_tools().iter().map(|(_, package, _)| *package).collect();
    if !has_modules(workspace) {
        packages.extend(MODULES.map(|(_, package)| package));
    }
    let mut skipped = Findings::new();
    if !packages.is_empty()
        && let Err(reason) = install(workspace, &packages)
    {
        println!("note: {reason}");
    }
    for (tool, package, needed_by) in missing_tools() {
        skipped.push(format!("no `{tool}` (package {package}): {needed_by} cannot run"));
    }
    if !has_modules(workspace) {
        let modules = MODULES.map(|(module, _)| module).join(" and ");
        skipped.push(format!("no Python with {modules}: the independent verifier cannot run"));
    }
    for (probe, needed_by) in PERMISSIONS {
        let program = find(probe[0]).unwrap_or_else(|| probe[0].to_owned());
        if !captured(workspace.command(&program).args(&probe[1..])).is_ok_and(|output| output.status.success()) {
            skipped.push(format!("`{}` is not permitted here: {needed_by} cannot run", probe.join(" ")));
        }
    }
    if workspace.ci {
        return Ok(skipped);
    }
    for line in &skipped {
        println!("SKIPPED: {line}");
    }
    Ok(Findings::new())
}

fn missing_tools() -> Vec<(&'static str, &'static str, &'static str)> {
    TOOLS.into_iter().filter(|(tool, _, _)| find(tool).is_none()).collect()
}

/// Whether a Python has all that the independent verifier needs.
fn has_modules(workspace: &Workspace) -> bool {
    let import = format!("import {}", MODULES.map(|(module, _)| module).join(", "));
    let has =
        |python: &&str| captured(workspace.command(python).args(["-c", &import])).is_ok_and(|o| o.status.success());
    PYTHONS.iter().any(has)
}

/// Searches the path and, since system programs are often not on a user's path, the usual places of those.
fn find(tool: &str) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/sbin"]).filter(|folder| !folder.is_empty());
    folders.map(|folder| format!("{folder}/{tool}")).find(|file| Path::new(file).is_file())
}

fn install(workspace: &Workspace, packages: &[&str]) -> Result<(), String> {
    let user = stdout(workspace.command("id").arg("-u"))?;
    if user.trim() != "0" || find("apt-get").is_none() {
        return Err(format!("not installed, for want of root or of apt-get: {}", packages.join(" ")));
    }
    println!("installing {}", packages.join(" "));
    apt_get(workspace, &["update", "-qq"])?;
    apt_get(workspace, &[&["install", "-qq", "--yes", "--no-install-recommends"], packages].concat())
}

fn apt_get(workspace: &Workspace, args: &[&str]) -> Result<(), String> {
    let mut command = workspace.command("timeout");
    command.args([PACKAGES_TIMEOUT_S, "apt-get", "-o", "DPkg::Lock::Timeout=60"]).args(args);
    stdout(command.env("DEBIAN_FRONTEND", "noninteractive")).map(|_| ())
}
