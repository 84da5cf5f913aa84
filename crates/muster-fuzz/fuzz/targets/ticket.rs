//! `cargo +nightly fuzz run ticket` from `crates/muster-fuzz`: see [`muster_fuzz::ticket`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| muster_fuzz::ticket(bytes));
