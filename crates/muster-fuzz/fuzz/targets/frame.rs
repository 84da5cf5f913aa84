//! `cargo +nightly fuzz run frame` from `crates/muster-fuzz`: see [`muster_fuzz::frame`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| muster_fuzz::frame(bytes));
