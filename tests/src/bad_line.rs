//! A few network namespaces between which packets are late, out of order and lost: the program `muster-shaper` between them.

use crate::privilege::run;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Namespaces `1..=hosts` with addresses `10.78.0.N/24`, and bad lines between all of them.
#[derive(Debug)]
pub struct BadLine {
    tag: String,
    hosts: u8,
    shaper: Option<(Child, ChildStdin, BufReader<ChildStdout>)>,
}

impl BadLine {
    /// Lines with a delay each way and a jitter, both in milliseconds, and a loss in per cent. `shaper` is the program.
    ///
    /// # Errors
    /// Where namespaces or devices are not permitted; what was made is taken away again.
    pub fn new(shaper: &Path, hosts: u8, delay_ms: u32, jitter_ms: u32, loss_percent: u8) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut this = Self { tag: format!("ml{}-{number}", std::process::id()), hosts, shaper: None };
        let hub = this.hub();
        run("ip", &["netns", "add", &hub])?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &hub]).arg(shaper);
        let seed = 1;
        command.args([u32::from(hosts), delay_ms, jitter_ms, u32::from(loss_percent), seed].map(|n| n.to_string()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (stdin, stdout) = stdin.zip(stdout).ok_or("the shaper has no pipes")?;
        this.shaper = Some((child, stdin, BufReader::new(stdout)));
        if this.line_from_shaper() != "ready" {
            return Err("the shaper did not start: no TUN device?".into());
        }
        for host in 1..=hosts {
            let (space, device) = (this.space(host), format!("shape{host}"));
            run("ip", &["netns", "add", &space])?;
            run("ip", &["-n", &hub, "link", "set", &device, "netns", &space])?;
            run("ip", &["-n", &space, "address", "add", &format!("{}/24", this.address(host)), "dev", &device])?;
            run("ip", &["-n", &space, "link", "set", "lo", "up"])?;
            run("ip", &["-n", &space, "link", "set", &device, "up"])?;
        }
        Ok(this)
    }

    /// The name of a host's namespace; hosts count from 1.
    pub fn space(&self, host: u8) -> String {
        format!("{}-{host}", self.tag)
    }

    /// A host's IPv4 address.
    pub fn address(&self, host: u8) -> String {
        format!("10.78.0.{host}")
    }

    /// Cuts a host off: nothing gets through, and nobody is told.
    ///
    /// # Panics
    /// If the shaper has ended.
    #[track_caller]
    pub fn cut(&mut self, host: u8) {
        self.tell(&format!("cut {host}"));
    }

    /// Mends a host's line.
    ///
    /// # Panics
    /// If the shaper has ended.
    #[track_caller]
    pub fn mend(&mut self, host: u8) {
        self.tell(&format!("mend {host}"));
    }

    #[track_caller]
    fn tell(&mut self, command: &str) {
        let (_, stdin, _) = self.shaper.as_mut().expect("a line has its shaper");
        writeln!(stdin, "{command}").unwrap();
        assert_eq!(self.line_from_shaper(), "done", "{command}");
    }

    fn line_from_shaper(&mut self) -> String {
        let mut line = String::new();
        if let Some((_, _, stdout)) = &mut self.shaper {
            let _ = stdout.read_line(&mut line);
        }
        line.trim().to_owned()
    }

    fn hub(&self) -> String {
        format!("{}-hub", self.tag)
    }
}

impl Drop for BadLine {
    fn drop(&mut self) {
        if let Some((mut child, stdin, _)) = self.shaper.take() {
            drop(stdin);
            let _ = child.kill();
            let _ = child.wait();
        }
        for host in 1..=self.hosts {
            let _ = run("ip", &["netns", "delete", &self.space(host)]);
        }
        let _ = run("ip", &["netns", "delete", &self.hub()]);
    }
}
