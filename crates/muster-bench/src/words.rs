//! Text of about the length and variety that people type in an outage, the same in each run.
//!
//! Equal texts would flatter compression; random letters would insult it.

const WORDS: [&str; 40] = [
    "checkout",
    "database",
    "primary",
    "replica",
    "lag",
    "restart",
    "deploy",
    "rollback",
    "latency",
    "queue",
    "backlog",
    "errors",
    "since",
    "after",
    "before",
    "looks",
    "fine",
    "still",
    "rising",
    "falling",
    "about",
    "percent",
    "requests",
    "customers",
    "region",
    "zone",
    "cable",
    "switch",
    "router",
    "pager",
    "paging",
    "asked",
    "waiting",
    "for",
    "the",
    "network",
    "team",
    "who",
    "owns",
    "this",
];

/// Words of the `n`-th note: 6 to 21 of them and a number.
pub(crate) fn note(n: u32) -> String {
    let mut state = u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        // xorshift64: the same everywhere, and good enough to choose words.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let count = 6 + next() % 16;
    let words: Vec<&str> = (0..count).map(|_| WORDS[(next() % WORDS.len() as u64) as usize]).collect();
    format!("{} {}", words.join(" "), next() % 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_the_same_each_time_and_unlike_the_next() {
        assert_eq!(note(7), note(7));
        assert_ne!(note(7), note(8));
        assert!((0..1_000).all(|n| (20..250).contains(&note(n).len())));
    }
}
