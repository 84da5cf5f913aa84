//! `cargo +nightly fuzz run bundle` from `crates/muster-fuzz`: see [`muster_fuzz::bundle`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| muster_fuzz::bundle(bytes));
