//! `cargo +nightly fuzz run roster` from `crates/muster-fuzz`: see [`muster_fuzz::roster`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| muster_fuzz::roster(bytes));
