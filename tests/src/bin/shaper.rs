//! The program `muster-shaper HOSTS DELAY_MS JITTER_MS LOSS_PERCENT SEED`: a bad line between network namespaces.
//!
//! Makes one TUN device for each host (`shape1`, `shape2` ..) where it is started, prints `ready`, and carries packets
//! between them as [`muster_tests::shaper`] decides. Whoever started it moves the devices into the hosts' namespaces.
//! Commands on stdin, a line each: `cut N`, `mend N`. Ends with its stdin. For tests and benchmarks; needs root.

use muster_tests::shaper::{Shaper, Weather, destination};
use std::io::BufRead;
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tun_rs::{DeviceBuilder, SyncDevice};

/// Bytes of the largest packet; the devices' MTU is below it.
const PACKET_MAX: usize = 2048;

/// As on a tunnel over Ethernet.
const MTU: u16 = 1400;

struct Line {
    shaper: Mutex<Shaper>,
    changed: Condvar,
    began: Instant,
}

impl Line {
    fn shaper(&self) -> MutexGuard<'_, Shaper> {
        self.shaper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("muster-shaper: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let [hosts, delay_ms, jitter_ms, loss_percent, seed] = numbers[..] else {
        return Err("usage: muster-shaper HOSTS DELAY_MS JITTER_MS LOSS_PERCENT SEED".into());
    };
    let (hosts, loss_percent) = (small(hosts)?, small(loss_percent)?);
    let (delay, jitter) = (Duration::from_millis(delay_ms), Duration::from_millis(jitter_ms));
    let shaper = Mutex::new(Shaper::new(Weather { delay, jitter, loss_percent }, seed));
    let line = Arc::new(Line { shaper, changed: Condvar::new(), began: Instant::now() });
    let devices = (1..=hosts).map(device).collect::<Result<Vec<_>, String>>()?;
    let devices = Arc::new(devices);
    for host in 1..=hosts {
        let (line, devices) = (Arc::clone(&line), Arc::clone(&devices));
        std::thread::spawn(move || read(host, &devices[usize::from(host) - 1], &line, hosts));
    }
    {
        let (line, devices) = (Arc::clone(&line), Arc::clone(&devices));
        std::thread::spawn(move || write(&devices, &line));
    }
    println!("ready");
    for command in std::io::stdin().lock().lines() {
        let command = command.map_err(|error| error.to_string())?;
        match command.split_once(' ') {
            Some((word @ ("cut" | "mend"), host)) => {
                let host = host.trim().parse().map_err(|_| format!("`{command}` names no host"))?;
                line.shaper().set_cut(host, word == "cut");
                println!("done");
            }
            _ => return Err(format!("`{command}` is no command")),
        }
    }
    Ok(())
}

fn small(number: u64) -> Result<u8, String> {
    u8::try_from(number).ok().filter(|number| *number <= 100).ok_or_else(|| format!("{number} is too much"))
}

fn device(host: u8) -> Result<SyncDevice, String> {
    let built = DeviceBuilder::new().name(format!("shape{host}")).mtu(MTU).build_sync();
    built.map_err(|error| format!("no TUN device: {error}"))
}

/// Takes what a host sends.
fn read(host: u8, device: &SyncDevice, line: &Line, hosts: u8) {
    let mut buffer = [0; PACKET_MAX];
    loop {
        // A device that is being moved to another namespace is down for a moment.
        let Ok(length) = device.recv(&mut buffer) else {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        let packet = &buffer[..length];
        let Some(to) = destination(packet).filter(|to| (1..=hosts).contains(to)) else { continue };
        line.shaper().take(host, to, packet.to_vec(), line.began.elapsed());
        line.changed.notify_one();
    }
}

/// Hands over what has arrived.
fn write(devices: &[SyncDevice], line: &Line) {
    let mut shaper = line.shaper();
    loop {
        while let Some((to, packet)) = shaper.arrived(line.began.elapsed()) {
            if let Some(device) = devices.get(usize::from(to) - 1) {
                // A host whose device is down loses it.
                let _ = device.send(&packet);
            }
        }
        let wait = shaper.next_due().map_or(Duration::from_secs(1), |due| due.saturating_sub(line.began.elapsed()));
        let waited = line.changed.wait_timeout(shaper, wait);
        shaper = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}
