//! What a figure depends on besides muster: processors, file system, load, the way this program was built. Linux only,
//! as muster itself; what cannot be read is told as unknown.

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The machine as far as it matters.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    cpus: usize,
    dir: PathBuf,
    file_system: String,
    build: &'static str,
}

impl Machine {
    /// Looks around; `dir` is where the homes will be.
    pub(crate) fn look(dir: &Path) -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        Self {
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            dir: dir.to_owned(),
            file_system: file_system(&mounts, dir).unwrap_or_else(|| "unknown".into()),
            build: if cfg!(debug_assertions) { "development" } else { "release" },
        }
    }

    /// For a person.
    pub(crate) fn line(&self) -> String {
        let Self { cpus, dir, file_system, build } = self;
        let (version, dir) = (env!("CARGO_PKG_VERSION"), dir.display());
        format!("muster {version}, {build} build; {cpus} processors; homes on {file_system} ({dir})")
    }

    /// For a script.
    pub(crate) fn json(&self) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "build": self.build,
            "cpus": self.cpus,
            "dir": self.dir.display().to_string(),
            "file_system": self.file_system,
        })
    }
}

/// The load average of the last minute; 0 where it cannot be read.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

/// The most memory that this process has had resident, in MiB.
pub(crate) fn peak_rss_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024.0)
}

/// Bytes that the loopback interface has carried since the machine started, everybody's.
pub(crate) fn loopback_bytes() -> Option<u64> {
    fs::read_to_string("/sys/class/net/lo/statistics/tx_bytes").ok()?.trim().parse().ok()
}

/// The file system of the mount that holds `dir`: the longest mount point above it, of equal ones the last.
fn file_system(mounts: &str, dir: &Path) -> Option<String> {
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let above = fields.filter_map(|fields| match fields[..] {
        [_, point, kind, ..] if dir.starts_with(point) => {
            Some((Path::new(point).components().count(), kind.to_owned()))
        }
        _ => None,
    });
    above.max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_that_of_the_nearest_mount_above() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /var/tmp tmpfs rw 0 0\n/dev/b /var xfs rw 0 0\nodd\n";
        let cases = [("/home/x", "ext4"), ("/var/lib", "xfs"), ("/var/tmp/y", "tmpfs"), ("/variant", "ext4")];
        for (dir, expected) in cases {
            assert_eq!(file_system(mounts, Path::new(dir)).as_deref(), Some(expected), "{dir}");
        }
        assert_eq!(file_system("", Path::new("/")), None);
    }

    #[test]
    fn this_process_has_memory() {
        assert!(peak_rss_mib().is_some_and(|mib| mib > 0.1));
    }
}
