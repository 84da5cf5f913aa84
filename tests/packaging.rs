//! muster as a service and as a package: units, manual pages, what a service manager sees, and a Debian package that is
//! unpacked and used.
//!
//! Programs that judge (systemd-analyze, man, dpkg-deb) are not everywhere; without one its test says `SKIPPED`, or fails
//! where `CI` is `true`, and what the text alone can tell is tested all the same.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::{Home, program, until};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging")
}

fn units() -> [PathBuf; 2] {
    ["systemd/muster.service", "systemd/user/muster.service"].map(|unit| packaging().join(unit))
}

fn find(tool: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|dir| dir.join(tool).is_file())
}

/// Whether a program is here; where it is not, says so.
///
/// # Panics
/// Where `CI` is `true`: there, a test that cannot run has failed.
#[track_caller]
fn is_here(tool: &str) -> bool {
    let found = find(tool);
    if !found {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "there is no `{tool}` in CI");
        eprintln!("\n  SKIPPED: there is no `{tool}` here\n");
    }
    found
}

#[track_caller]
fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let told = || format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}", told());
    output
}

/// The values that a unit gives to a key, in order.
fn values(unit: &str, key: &str) -> Vec<String> {
    let lines = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_system_unit_gives_the_node_its_directory_and_nothing_else() {
    let unit = fs::read_to_string(&units()[0]).unwrap();
    for (key, value) in [
        ("Type", "notify"),
        ("ExecStart", "/usr/bin/muster up"),
        ("User", "muster"),
        ("StateDirectory", "muster"),
        ("StateDirectoryMode", "0700"),
        ("Restart", "on-failure"),
        ("RestartPreventExitStatus", "2"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("AmbientCapabilities", ""),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("PrivateDevices", "yes"),
        ("ProtectClock", "yes"),
        ("ProtectControlGroups", "yes"),
        ("ProtectHostname", "yes"),
        ("ProtectKernelLogs", "yes"),
        ("ProtectKernelModules", "yes"),
        ("ProtectKernelTunables", "yes"),
        ("ProtectProc", "invisible"),
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX AF_NETLINK"),
        ("RestrictNamespaces", "yes"),
        ("RestrictRealtime", "yes"),
        ("RestrictSUIDSGID", "yes"),
        ("LockPersonality", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
        ("SystemCallArchitectures", "native"),
    ] {
        assert_eq!(values(&unit, key), [value], "{key}");
    }
    assert_eq!(values(&unit, "SystemCallFilter"), ["@system-service", "~@privileged @resources"]);
    assert!(values(&unit, "ReadWritePaths").is_empty());
}

#[test]
fn systemd_finds_no_fault_with_the_units_and_little_exposure() {
    if !is_here("systemd-analyze") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for (unit, words) in units().iter().zip([&["verify"][..], &["verify", "--user"]]) {
        // The program is not installed here, and a unit that names what is not there is a fault.
        let text = fs::read_to_string(unit).unwrap().replace("/usr/bin/muster", &program::path().display().to_string());
        let copy = dir.path().join("muster.service");
        fs::write(&copy, text).unwrap();
        let mut command = Command::new("systemd-analyze");
        command.args(words).arg("--man=no").arg(&copy).env("XDG_RUNTIME_DIR", dir.path());
        let output = run(&mut command);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{}", unit.display());
    }
    // From 0 to 100, tenths: a service that may do anything has 96, one that is shut in well less than 20.
    let mut command = Command::new("systemd-analyze");
    run(command.args(["security", "--no-pager", "--offline=true", "--threshold=20"]).arg(&units()[0]));
}

#[test]
fn a_service_manager_is_told_when_the_node_is_ready_and_when_it_stops() {
    let dir = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(muster_tests::PATIENCE)).unwrap();
    let heard = || {
        let mut buffer = [0; 512];
        let bytes = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..bytes]).into_owned()
    };
    let home = Home::new("alice").with_variable("NOTIFY_SOCKET", dir.path().join("notify").to_str().unwrap());
    let node = home.up();
    let ready = heard();
    assert!(ready.starts_with("READY=1\nSTATUS=listening on 1 addresses"), "{ready}");
    assert_eq!(node.terminate().code(), Some(0));
    assert_eq!(heard().trim_end(), "STOPPING=1");
}

#[test]
fn in_a_journal_lines_have_neither_colour_nor_a_second_time() {
    let home = Home::new("alice");
    let stderr = home.path().with_extension("stderr");
    let about = fs::File::create(&stderr).unwrap().metadata().unwrap();
    home.up().terminate();
    let plain = fs::read_to_string(&stderr).unwrap();
    let year = |line: &str| line.starts_with("20");
    assert!(plain.lines().all(year), "elsewhere each line begins with the time: {plain}");
    let home = home.with_variable("JOURNAL_STREAM", &format!("{}:{}", about.dev(), about.ino()));
    home.up().terminate();
    let lines = fs::read_to_string(&stderr).unwrap()[plain.len()..].to_owned();
    assert!(lines.contains("listening") && !lines.contains('\u{1b}'), "{lines}");
    assert!(!lines.lines().any(year), "{lines}");
    let file = fs::read_to_string(home.path().join("muster.log")).unwrap();
    assert!(file.lines().all(year), "the file keeps its times: {file}");
}

#[test]
fn a_node_whose_port_is_taken_ends_with_1_and_one_with_a_senseless_option_with_2() {
    // What the units restart, and what they do not.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let home = Home::new("alice");
    home.muster(&["up", "--listen", &address]).refused(&["cannot listen", "--listen"]);
    home.muster(&["up", "--no-such-option"]).with_code(2);
}

#[test]
fn every_manual_page_renders_without_a_complaint() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new("alice");
    home.muster(&["man", dir.path().to_str().unwrap()]).with_code(0);
    assert!(!home.path().exists(), "writing pages needs no home");
    let pages: Vec<PathBuf> = fs::read_dir(dir.path()).unwrap().map(|item| item.unwrap().path()).collect();
    assert!(pages.len() > 35, "{}", pages.len());
    // The stricter judge; that it is not everywhere is no loss.
    if find("mandoc") {
        run(Command::new("mandoc").args(["-T", "lint", "-W", "error"]).args(&pages));
    }
    if !is_here("man") {
        return;
    }
    let mut command = Command::new("man");
    command.args(["--warnings", "-l"]).args(&pages).env("MANPAGER", "cat").env("MANWIDTH", "80");
    let output = run(&mut command);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(shown.lines().filter(|line| line.trim_end() == "SYNOPSIS").count(), pages.len());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_meeting_point_that_may_not_write_passes_on_between_people_who_are_never_up_together() {
    let [alice, bob, point] = ["alice", "bob", "meeting-point"].map(Home::new);
    alice.write(&["declare", "Checkout is down"]);
    let first = alice.up();
    let ticket = alice.json(&["invite", "--observer"])["ticket"].as_str().unwrap().to_owned();
    point.json(&["join", &ticket]);
    let service = point.up();
    // After the meeting point, so that bob knows it for a member when he comes by: strangers are not dialled.
    alice.lets_in(&bob);
    for home in [&alice, &bob] {
        home.json(&["peers", "add", &service.address()]);
    }
    alice.write(&["say", "from alice, before she leaves"]);
    let has = |home: &Home, text: &str| home.muster(&["timeline", "--json"]).stdout.contains(text).then_some(());
    until("the meeting point has it", || has(&point, "before she leaves"));
    first.terminate();
    let second = bob.up();
    until("the other has it", || has(&bob, "before she leaves"));
    bob.write(&["say", "from bob, who never saw her"]);
    until("the meeting point has the answer", || has(&point, "who never saw her"));
    second.terminate();
    let _third = alice.up();
    until("the answer arrives", || has(&alice, "who never saw her"));
    point.muster(&["say", "I may not"]).refused(&["may not write"]);
    assert_eq!(service.terminate().code(), Some(0));
}

/// Builds the package into a directory; gives its path.
#[track_caller]
fn package(into: &Path) -> PathBuf {
    let mut command = Command::new(packaging().join("deb/build.sh"));
    command.arg(program::path()).arg(into);
    // Pressing would take most of the test's time.
    command.env("SOURCE_DATE_EPOCH", "1700000000").env("MUSTER_DEB_COMPRESSION", "none");
    let output = run(&mut command);
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
}

#[test]
fn the_debian_package_is_reproducible_and_what_it_unpacks_works() {
    if !is_here("dpkg-deb") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let first = package(&dir.path().join("first"));
    let second = package(&dir.path().join("second"));
    assert!(fs::read(&first).unwrap() == fs::read(second).unwrap(), "twice built, twice the same bytes");
    let field = |name: &str| {
        let output = run(Command::new("dpkg-deb").arg("-f").arg(&first).arg(name));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    assert_eq!((field("Package"), field("Version")), ("muster".into(), env!("CARGO_PKG_VERSION").into()));
    assert!(field("Depends").starts_with("libc6 (>= 2."), "{}", field("Depends"));
    let listed = run(Command::new("dpkg-deb").arg("-c").arg(&first));
    for line in String::from_utf8(listed.stdout).unwrap().lines() {
        assert!(line.contains("root/root"), "everything is root's: {line}");
    }

    let tree = dir.path().join("tree");
    run(Command::new("dpkg-deb").arg("-x").arg(&first).arg(&tree));
    let files: BTreeSet<&str> = BTreeSet::from([
        "usr/bin/muster",
        "usr/lib/systemd/system/muster.service",
        "usr/lib/systemd/user/muster.service",
        "usr/lib/sysusers.d/muster.conf",
        "usr/share/man/man1/muster.1.gz",
        "usr/share/man/man1/muster-doctor.1.gz",
        "usr/share/bash-completion/completions/muster",
        "usr/share/zsh/vendor-completions/_muster",
        "usr/share/fish/vendor_completions.d/muster.fish",
        "usr/share/doc/muster/copyright",
        "usr/share/doc/muster/changelog.gz",
        "usr/share/doc/muster/operating.md",
    ]);
    for file in files {
        let about = fs::metadata(tree.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(about.len() > 0, "{file} is empty");
        assert_eq!(about.mtime(), 1_700_000_000, "{file}");
        let mode = if file == "usr/bin/muster" { 0o755 } else { 0o644 };
        assert_eq!(about.permissions().mode() & 0o7777, mode, "{file}");
    }
    // It links to pages that are not in the package.
    assert!(!tree.join("usr/share/doc/muster/README.md").exists());
    let sections = run(Command::new("readelf").arg("-S").arg(tree.join("usr/bin/muster"))).stdout;
    assert!(!String::from_utf8(sections).unwrap().contains(".symtab"), "the binary is stripped");
    for script in ["postinst", "prerm", "postrm"] {
        run(Command::new("sh").arg("-n").arg(packaging().join("deb").join(script)));
    }

    let installed = tree.join("usr/bin/muster");
    let home = dir.path().join("home");
    let muster = |words: &[&str]| {
        let mut command = Command::new(&installed);
        command.env("MUSTER_HOME", &home).env("MUSTER_NAME", "alice").args(words);
        String::from_utf8(run(&mut command).stdout).unwrap()
    };
    assert_eq!(muster(&["--version"]), format!("muster {}\n", env!("CARGO_PKG_VERSION")));
    assert!(muster(&["doctor"]).contains("is not there yet"));
    muster(&["declare", "Checkout is down"]);
    assert!(muster(&["doctor"]).contains("ok    store     whole, 2 entries"));
    assert!(muster(&["timeline"]).contains("Checkout is down"));
}

#[test]
fn the_package_is_configured_even_where_the_service_does_not_start_again() {
    let dir = tempfile::tempdir().unwrap();
    for (program, code) in [("systemctl", 1), ("systemd-sysusers", 0)] {
        let path = dir.path().join(program);
        fs::write(&path, format!("#!/bin/sh\nexit {code}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    // As on a machine where systemd runs, whatever runs here.
    let script = fs::read_to_string(packaging().join("deb/postinst")).unwrap();
    let script = script.replace("/run/systemd/system", &dir.path().display().to_string());
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script, "postinst", "configure"])
        .env("PATH", dir.path().display().to_string() + ":/usr/bin:/bin");
    let output = run(&mut shell);
    assert!(String::from_utf8(output.stderr).unwrap().contains("the service did not start again"));
}
