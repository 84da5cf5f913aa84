//! Examples for those who embed muster in a tool of their own: `cargo run -p muster-examples --example embed`.
//!
//! The data of a real incident is in `examples/data`.
