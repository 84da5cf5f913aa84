//! Writes what the corpus of `muster-fuzz` begins with: `cargo run -p muster-fuzz --bin corpus`.
//!
//! Bundles are not made here: those of the corpus were written by the program.

use std::fs;
use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, name, bytes) in muster_fuzz::seeds::all() {
        fs::create_dir_all(corpus.join(target))?;
        fs::write(corpus.join(target).join(name), bytes)?;
    }
    Ok(())
}
