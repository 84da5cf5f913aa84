//! The binary `muster`.

fn main() {}
