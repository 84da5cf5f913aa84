//! `cargo +nightly fuzz run entry` from `crates/muster-fuzz`: see [`muster_fuzz::entry`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| muster_fuzz::entry(bytes));
