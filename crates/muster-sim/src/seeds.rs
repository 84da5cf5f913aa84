//! Seeds that found something once. They run before any other, so that nothing comes back.

use crate::REPLICAS;

const FILE: &str = include_str!("../seeds.txt");

/// A seed of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundSeed {
    /// The seed.
    pub seed: u64,
    /// With how many replicas.
    pub replicas: usize,
}

/// The seeds of `seeds.txt`, in its order.
pub fn found_seeds() -> Vec<FoundSeed> {
    read(FILE)
}

/// `SEED [REPLICAS]`, then words; `#` begins a comment.
fn read(text: &str) -> Vec<FoundSeed> {
    let line = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let seed = words.next()?.parse().ok()?;
        let replicas = words.next().and_then(|word| word.parse().ok()).unwrap_or(REPLICAS);
        Some(FoundSeed { seed, replicas })
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_file_that_is_no_comment_is_a_seed() {
        let lines = FILE.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).count();
        assert_eq!(found_seeds().len(), lines);
        let read = read("# words\n17\n18 3 # what it was\n");
        assert_eq!(read, [FoundSeed { seed: 17, replicas: REPLICAS }, FoundSeed { seed: 18, replicas: 3 }]);
    }
}
