//! Lines like prose, the same in each run: of many words, so that they compress like what people write (zlib: to 0.40 of
//! their length). Those of [`crate::words`] have few.

/// Syllables that words are made of.
const SYLLABLES: [&str; 64] = [
    "a", "be", "can", "der", "ed", "en", "er", "es", "fol", "for", "gra", "had", "hand", "in", "ing", "ion", "is",
    "it", "jus", "ken", "la", "le", "ly", "man", "me", "ment", "mi", "na", "ne", "ness", "no", "of", "on", "op", "or",
    "ou", "pa", "per", "po", "pre", "qua", "ra", "re", "ri", "ro", "sa", "se", "sion", "so", "sta", "ter", "th", "ti",
    "tion", "to", "tra", "ture", "un", "ve", "ver", "vi", "wa", "who", "y",
];

/// Bytes of a line, about.
const BYTES: usize = 127;

/// Of so many words there are in all, the first much more often than the last.
const VOCABULARY: u64 = 16_000;

/// The `n`-th line.
pub(crate) fn line(n: u32) -> String {
    let mut dice = Dice(u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut line = String::new();
    while line.len() < BYTES {
        if !line.is_empty() {
            line.push(' ');
        }
        // The smaller of two throws: few words are frequent, most are rare.
        let (one, other) = (dice.below(VOCABULARY), dice.below(VOCABULARY));
        line.push_str(&word(one.min(other)));
    }
    line
}

/// The word of a number: of one to four syllables.
fn word(number: u64) -> String {
    let mut dice = Dice(number.wrapping_mul(0xD6E8_FEB8_6659_FD93) | 1);
    (0..1 + dice.below(4)).map(|_| SYLLABLES[dice.below(SYLLABLES.len() as u64) as usize]).collect()
}

/// xorshift64*: the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_the_same_each_time_and_unlike_the_next_and_of_many_words() {
        assert_eq!(line(7), line(7));
        assert_ne!(line(7), line(8));
        let all: Vec<String> = (0..1_000).map(line).collect();
        assert!(all.iter().all(|line| (BYTES..BYTES + 20).contains(&line.len())));
        let words: std::collections::BTreeSet<&str> = all.iter().flat_map(|line| line.split(' ')).collect();
        assert!(words.len() > 3_000, "{}", words.len());
    }
}
