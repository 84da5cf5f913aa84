//! Seeds that found something once. They run before any other, so that nothing comes back.

use crate::liar::Lie;
use crate::{REPLICAS, Setup, Shell};

const FILE: &str = include_str!("../seeds.txt");

/// A seed of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundSeed {
    /// The seed.
    pub seed: u64,
    /// With how many replicas.
    pub replicas: usize,
    /// With how many liars besides.
    pub liars: usize,
    /// The one way in which they lied, where it was one.
    pub lie: Option<Lie>,
    /// With how many incidents at the beginning.
    pub incidents: usize,
    /// How many of 1,000 newcomers were guests.
    pub guests: u64,
    /// How many of 1,000 acts were decisions.
    pub decisions: u64,
}

impl FoundSeed {
    /// What it was found with.
    pub fn setup(&self) -> Setup {
        let Self { replicas, liars, lie, incidents, guests, decisions, .. } = *self;
        Setup { replicas, shell: Shell::Honest, liars, lie, incidents, guests, decisions }
    }
}

/// The seeds of `seeds.txt`, in its order.
pub fn found_seeds() -> Vec<FoundSeed> {
    read(FILE)
}

/// `SEED [REPLICAS [LIARS [KIND|any [INCIDENTS [GUESTS [DECISIONS]]]]]]`; `#` begins a comment.
fn read(text: &str) -> Vec<FoundSeed> {
    let line = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let seed = words.next()?.parse().ok()?;
        let replicas = words.next().and_then(|word| word.parse().ok()).unwrap_or(REPLICAS);
        let liars = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let lie = words.next().and_then(Lie::from_word);
        let incidents = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let mut rate = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let (guests, decisions) = (rate(), rate());
        Some(FoundSeed { seed, replicas, liars, lie, incidents, guests, decisions })
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
        let read = read("# words\n17\n18 3 # what it was\n19 5 2 stalling\n20 4 0 any 200\n21 5 0 any 0 0 80\n");
        let plain =
            FoundSeed { seed: 17, replicas: REPLICAS, liars: 0, lie: None, incidents: 0, guests: 0, decisions: 0 };
        let lied = FoundSeed { seed: 19, replicas: 5, liars: 2, lie: Some(Lie::Stalling), ..plain };
        let many = FoundSeed { seed: 20, replicas: 4, incidents: 200, ..plain };
        let decided = FoundSeed { seed: 21, replicas: 5, decisions: 80, ..plain };
        assert_eq!(read, [plain, FoundSeed { seed: 18, replicas: 3, ..plain }, lied, many, decided]);
    }
}
