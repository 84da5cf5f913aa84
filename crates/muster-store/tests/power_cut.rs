//! Power cuts: an ext4 image in memory is copied the instant the writer is killed, mounted, and held against what was acknowledged.
//!
//! What the file system had not written to the image is missing from the copy, as after a power cut. 20 cuts, or
//! `MUSTER_POWER_CUTS`. The same cuts lose data that sled alone has flushed; if they did not, the test would be blind.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

mod mounted;
mod writer;

use mounted::{Mounted, or_skip, run};
use muster_store::{DiskStore, IndexReport, OpenOptions, Storage};
use std::panic::catch_unwind;
use std::path::Path;
use std::process::Command;

const CUTS: u32 = 20;

/// Room for the reserve, and to see segments and sled's files grow.
const IMAGE_BYTES: u64 = 96 * 1024 * 1024;

#[test]
fn a_writer_writes_when_asked() {
    writer::write_if_asked();
}

/// A machine whose power can be cut.
struct Machine {
    dir: tempfile::TempDir,
    disk: Mounted,
}

impl Machine {
    fn start(test: &str) -> Option<Self> {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let image = dir.path().join("disk.img");
        std::fs::File::create(&image).unwrap().set_len(IMAGE_BYTES).unwrap();
        let made = run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image));
        let mounted = made.and_then(|()| mount(&image, &dir.path().join("disk")));
        or_skip(test, mounted).map(|disk| Self { dir, disk })
    }

    /// Lets a writer work in `home`, kills it and cuts the power; shows `look` the home as it is after the next start.
    fn cut<T>(&self, home: &str, bare: bool, acknowledgements: usize, look: impl FnOnce(&Path, u64) -> T) -> T {
        let (image, copy) = (self.dir.path().join("disk.img"), self.dir.path().join("copy.img"));
        let name = "a_writer_writes_when_asked";
        let acknowledged = writer::kill_after(name, &self.disk.path().join(home), bare, acknowledgements, || {
            std::fs::copy(&image, &copy).unwrap();
        });
        let after = mount(&copy, &self.dir.path().join("after")).unwrap();
        look(&after.path().join(home), acknowledged)
    }
}

fn mount(image: &Path, at: &Path) -> Result<Mounted, String> {
    Mounted::new(&["-o", "loop", image.to_str().unwrap()], at)
}

fn cuts() -> u32 {
    std::env::var("MUSTER_POWER_CUTS").map_or(CUTS, |cuts| cuts.parse().expect("MUSTER_POWER_CUTS is a number"))
}

/// How many acknowledgements to wait for: different every time, sometimes so few that sled was never flushed.
fn patience(cut: u32) -> usize {
    (cut as usize * 37) % 211 + 1
}

#[test]
fn power_cuts_lose_nothing_acknowledged() {
    let Some(machine) = Machine::start("power_cuts_lose_nothing_acknowledged") else { return };
    let (mut acknowledged_in_all, mut healed, mut torn) = (0, 0, 0);
    for cut in 0..cuts() {
        // A new home now and then, so that the image never fills and young stores are cut too.
        let home = format!("home-{}", cut / 4);
        if cut.is_multiple_of(4) && cut > 0 {
            std::fs::remove_dir_all(machine.disk.path().join(format!("home-{}", cut / 4 - 1))).unwrap();
        }
        acknowledged_in_all += machine.cut(&home, false, patience(cut), |home, acknowledged| {
            let (mut store, report) = DiskStore::open(home, OpenOptions::write([0; 16])).unwrap();
            writer::check(&store, 0, acknowledged);
            healed += u32::from(report.index != IndexReport::Whole);
            torn += u32::from(report.torn.is_some());
            let next = store.count(&writer::ack_writer::DAG);
            store.stage(muster_store::Write::Entry(writer::ack_writer::entry(next))).unwrap();
            store.commit().unwrap();
            acknowledged
        });
    }
    println!("{} cuts, {acknowledged_in_all} acknowledged, 0 lost; {healed} indexes healed, {torn} torn tails", cuts());
}

#[test]
fn the_same_power_cuts_lose_what_sled_alone_has_flushed() {
    let Some(machine) = Machine::start("the_same_power_cuts_lose_what_sled_alone_has_flushed") else { return };
    for cut in 0..cuts() {
        let bad = machine.cut(&format!("sled-{cut}"), true, patience(cut), |home, acknowledged| {
            let whole = catch_unwind(|| {
                let db = sled::open(home).unwrap();
                (0..acknowledged).all(|n| sled_has(&db, n))
            });
            !whole.unwrap_or(false)
        });
        if bad {
            println!("cut {cut} lost what sled had flushed");
            return;
        }
    }
    panic!("no cut lost anything, so this way of cutting shows nothing");
}

/// Whether sled alone still has the `n`-th entry.
fn sled_has(db: &sled::Db, n: u64) -> bool {
    let has = |key: [u8; 32], value: Vec<u8>| db.get(key).is_ok_and(|found| found.is_some_and(|found| found == value));
    has(writer::ack_writer::name(b'e', n), writer::ack_writer::entry(n).bytes)
        && has(writer::ack_writer::name(b'b', n), writer::ack_writer::body(n).1)
}
