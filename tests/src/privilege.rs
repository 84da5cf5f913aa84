//! What needs root: mounted file systems and network namespaces. Each is undone when dropped, after a failure too.
//!
//! Where it is not permitted a test says `SKIPPED` and why; where `CI` is `true` it fails instead.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// What was made, or none after saying why the test is skipped.
///
/// # Panics
/// Where `CI` is `true`: there, a test that cannot run has failed.
#[track_caller]
pub fn or_skip<T>(test: &str, made: Result<T, String>) -> Option<T> {
    let error = match made {
        Ok(made) => return Some(made),
        Err(error) => error,
    };
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} cannot run in CI: {error}");
    eprintln!("\n  SKIPPED: {test}\n  SKIPPED: not permitted here: {error}\n");
    None
}

/// Runs a program to its end.
///
/// # Errors
/// What it complained of.
pub fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    let whole = || format!("{program} {}: {}", arguments.join(" "), complaint.trim());
    if output.status.success() { Ok(()) } else { Err(whole()) }
}

/// Something mounted; unmounted when dropped.
#[derive(Debug)]
pub struct Mounted(PathBuf);

impl Mounted {
    /// A file system in memory with that many MiB.
    ///
    /// # Errors
    /// Where mounting is not permitted.
    pub fn memory(at: &Path, mebibytes: u32) -> Result<Self, String> {
        std::fs::create_dir_all(at).map_err(|error| error.to_string())?;
        let place = at.display().to_string();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={mebibytes}m,mode=0700"), "tmpfs", &place])?;
        Ok(Self(at.to_path_buf()))
    }

    /// A directory once more, at `at` and read-only.
    ///
    /// # Errors
    /// Where mounting is not permitted.
    pub fn read_only(of: &Path, at: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(at).map_err(|error| error.to_string())?;
        let place = at.display().to_string();
        run("mount", &["--bind", &of.display().to_string(), &place])?;
        let this = Self(at.to_path_buf());
        run("mount", &["-o", "remount,ro,bind", &place])?;
        Ok(this)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Something may hold it for a moment; a lazy unmount ends when that lets go.
        if let Err(error) = run("umount", &["--lazy", &self.0.display().to_string()]) {
            eprintln!("{} stays mounted: {error}", self.0.display());
        }
    }
}

/// A few network namespaces on one bridge, each with an address `10.77.0.N/24` and a cable that can be pulled.
#[derive(Debug)]
pub struct Switch {
    /// Distinguishes this switch from others, of this process and of others.
    tag: String,
    places: u8,
    /// Spaces behind routers.
    inner: Vec<String>,
}

impl Switch {
    /// A bridge with `places` namespaces on it.
    ///
    /// # Errors
    /// Where namespaces or devices are not permitted; what was made is taken away again.
    pub fn new(places: u8) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let this = Self { tag: format!("mt{}-{number}", std::process::id()), places, inner: Vec::new() };
        // The bridge lies in a namespace of its own, so that the machine's own network is not touched.
        let hub = this.hub();
        run("ip", &["netns", "add", &hub])?;
        this.at_hub(&["link", "add", "hub", "type", "bridge"])?;
        this.at_hub(&["link", "set", "hub", "up"])?;
        for place in 1..=places {
            let (space, plug) = (this.space(place), format!("plug{place}"));
            run("ip", &["netns", "add", &space])?;
            this.at_hub(&["link", "add", &plug, "type", "veth", "peer", "name", "eth0", "netns", &space])?;
            this.at_hub(&["link", "set", &plug, "master", "hub", "up"])?;
            let address = format!("{}/24", this.address(place));
            run("ip", &["-n", &space, "address", "add", &address, "dev", "eth0"])?;
            run("ip", &["-n", &space, "link", "set", "lo", "up"])?;
            run("ip", &["-n", &space, "link", "set", "eth0", "up"])?;
        }
        Ok(this)
    }

    /// The name of a place's namespace; places count from 1.
    pub fn space(&self, place: u8) -> String {
        format!("{}-{place}", self.tag)
    }

    /// A place's IPv4 address.
    pub fn address(&self, place: u8) -> String {
        format!("10.77.0.{place}")
    }

    /// Makes a place a router, and gives the name of a namespace behind it: from there all of the network can be called,
    /// from the network nobody there, and it goes by the router's address.
    ///
    /// # Errors
    /// Where that is not permitted.
    pub fn behind_router(&mut self, place: u8) -> Result<String, String> {
        let (router, inner) = (self.space(place), format!("{}-in", self.space(place)));
        run("ip", &["netns", "add", &inner])?;
        self.inner.push(inner.clone());
        run("ip", &["-n", &router, "link", "add", "eth1", "type", "veth", "peer", "name", "eth0", "netns", &inner])?;
        let (near, far) = (format!("10.78.{place}.1"), format!("10.78.{place}.2"));
        run("ip", &["-n", &router, "address", "add", &format!("{near}/24"), "dev", "eth1"])?;
        run("ip", &["-n", &router, "link", "set", "eth1", "up"])?;
        run("ip", &["-n", &inner, "address", "add", &format!("{far}/24"), "dev", "eth0"])?;
        run("ip", &["-n", &inner, "link", "set", "lo", "up"])?;
        run("ip", &["-n", &inner, "link", "set", "eth0", "up"])?;
        run("ip", &["-n", &inner, "route", "add", "default", "via", &near])?;
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        run("ip", &["netns", "exec", &router, "sh", "-c", forward])?;
        let rules = "add table ip nat; \
            add chain ip nat out { type nat hook postrouting priority 100; }; \
            add rule ip nat out oifname eth0 masquerade; \
            add chain ip nat through { type filter hook forward priority 0; }; \
            add rule ip nat through iifname eth0 ct state new drop";
        run("ip", &["netns", "exec", &router, "nft", rules])?;
        Ok(inner)
    }

    /// Gives a place another address, `10.77.0.N`.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn readdress(&self, place: u8, number: u8) {
        let (space, address) = (self.space(place), format!("10.77.0.{number}/24"));
        run("ip", &["-n", &space, "address", "flush", "dev", "eth0"]).unwrap();
        run("ip", &["-n", &space, "address", "add", &address, "dev", "eth0"]).unwrap();
    }

    /// Pulls a place's cable: nothing gets through, and nobody is told.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn pull(&self, place: u8) {
        self.at_hub(&["link", "set", &format!("plug{place}"), "down"]).unwrap();
    }

    /// Plugs a place's cable in again.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn plug(&self, place: u8) {
        self.at_hub(&["link", "set", &format!("plug{place}"), "up"]).unwrap();
    }

    fn hub(&self) -> String {
        format!("{}-hub", self.tag)
    }

    fn at_hub(&self, arguments: &[&str]) -> Result<(), String> {
        run("ip", &[&["-n", &self.hub()], arguments].concat())
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        // With a namespace go its ends of the cables. One that was never made is no matter.
        for inner in &self.inner {
            let _ = run("ip", &["netns", "delete", inner]);
        }
        for place in 1..=self.places {
            let _ = run("ip", &["netns", "delete", &self.space(place)]);
        }
        let _ = run("ip", &["netns", "delete", &self.hub()]);
    }
}

/// A network namespace with a loopback and nothing else: no link leads out of it.
#[derive(Debug)]
pub struct Island(String);

impl Island {
    /// A new one.
    ///
    /// # Errors
    /// Where namespaces are not permitted.
    pub fn new() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let this = Self(format!("mti{}-{number}", std::process::id()));
        run("ip", &["netns", "add", &this.0])?;
        run("ip", &["-n", &this.0, "link", "set", "lo", "up"])?;
        Ok(this)
    }

    /// The namespace's name.
    pub fn space(&self) -> &str {
        &self.0
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        // One that was never made is no matter.
        let _ = run("ip", &["netns", "delete", &self.0]);
    }
}
