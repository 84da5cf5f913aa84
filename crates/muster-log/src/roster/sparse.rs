//! A set of few roster entries among many: words of bits, without those that are zero.
//!
//! For the lists of [`super::index`], which are many and mostly short. Sets that are about as long as the roster are in
//! [`super::mask`].

/// A set of small numbers that come in their order.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    /// Which 64 numbers, and which of them; by number.
    words: Vec<(u32, u64)>,
}

impl Sparse {
    pub(super) const fn new() -> Self {
        Self { words: Vec::new() }
    }

    /// Adds a number that is not less than any in it.
    pub(super) fn push(&mut self, number: u32) {
        let (word, bit) = (number / 64, 1 << (number % 64));
        match self.words.last_mut() {
            Some((last, bits)) if *last == word => *bits |= bit,
            _ => self.words.push((word, bit)),
        }
    }

    pub(super) fn remove_from(&mut self, number: u32) {
        let word = number / 64;
        self.words.retain(|(at, _)| *at <= word);
        if let Some((_, bits)) = self.words.last_mut().filter(|(at, _)| *at == word) {
            *bits &= (1 << (number % 64)) - 1;
            if *bits == 0 {
                self.words.pop();
            }
        }
    }

    /// All numbers, the greatest first: what is sought is mostly new.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.among(|_| u64::MAX)
    }

    /// The numbers among those whose bits `mask` gives by word, the greatest first.
    pub(super) fn among(&self, mask: impl Fn(usize) -> u64) -> impl Iterator<Item = u32> {
        self.words.iter().rev().flat_map(move |(word, bits)| {
            let mut left = bits & mask(*word as usize);
            let word = *word;
            std::iter::from_fn(move || {
                let bit = left.checked_ilog2()?;
                left ^= 1 << bit;
                Some(word * 64 + bit)
            })
        })
    }

    /// Whether one of the numbers is among those whose bits `mask` gives by word.
    pub(super) fn is_any(&self, mask: impl Fn(usize) -> u64) -> bool {
        self.words.iter().rev().any(|(word, bits)| bits & mask(*word as usize) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparse_set_holds_what_was_put_in_newest_first_and_what_is_taken_back_is_gone() {
        let all = [0, 63, 64, 200, 6_400];
        let of = |until: u32| {
            let mut sparse = Sparse::new();
            all.iter().for_each(|number| sparse.push(*number));
            sparse.remove_from(until);
            sparse.iter().collect::<Vec<_>>()
        };
        for until in [0, 1, 63, 64, 65, 200, 201, 6_400, 6_401] {
            assert_eq!(of(until), all.iter().rev().copied().filter(|number| *number < until).collect::<Vec<_>>());
        }
        let mut sparse = Sparse::new();
        all.iter().for_each(|number| sparse.push(*number));
        assert_eq!(sparse.among(|word| u64::from(word == 0)).collect::<Vec<_>>(), [0]);
        assert!(sparse.is_any(|word| u64::from(word == 100)) && !sparse.is_any(|word| u64::from(word == 1) << 1));
    }
}
