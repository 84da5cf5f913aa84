//! `cargo +nightly fuzz run body` from `crates/muster-fuzz`: see [`muster_fuzz::body`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| muster_fuzz::body(bytes));
