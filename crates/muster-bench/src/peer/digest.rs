//! One hash over the names of lines, by which nodes of any system can be compared.

use sha2::{Digest, Sha256};

/// SHA-256 over the sorted names, joined by commas, in hex.
pub(crate) fn of(mut names: Vec<String>) -> String {
    names.sort();
    let hash = Sha256::digest(names.join(",").as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_order_of_arrival_does_not_show() {
        let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
        assert_eq!(super::of(names(["e2", "e1"])), super::of(names(["e1", "e2"])));
        assert_ne!(super::of(names(["e2", "e1"])), super::of(names(["e1", "e3"])));
    }
}
