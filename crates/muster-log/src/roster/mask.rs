//! A set of roster entries as bits over the graph's own numbering.
//!
//! Numbers are local to one replica, so nothing that is decided may depend on them: whatever needs an order takes it
//! from [`super::graph::Graph::in_order`].

/// A set of small numbers. Trailing zero words are cut, so equal sets are equal values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Mask {
    words: Vec<u64>,
}

impl Mask {
    pub(crate) fn of(number: u32) -> Self {
        let mut mask = Self::default();
        mask.insert(number);
        mask
    }

    pub(crate) fn insert(&mut self, number: u32) {
        let word = number as usize / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (number % 64);
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        self.words.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    pub(crate) fn union(&mut self, other: &Self) {
        if other.words.len() > self.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    pub(crate) fn and(&self, other: &Self) -> Self {
        let mut words: Vec<u64> = self.words.iter().zip(&other.words).map(|(a, b)| a & b).collect();
        while words.last() == Some(&0) {
            words.pop();
        }
        Self { words }
    }

    pub(crate) fn without(&self, other: &Self) -> Self {
        let others = other.words.iter().copied().chain(std::iter::repeat(0));
        let mut words: Vec<u64> = self.words.iter().zip(others).map(|(a, b)| a & !b).collect();
        while words.last() == Some(&0) {
            words.pop();
        }
        Self { words }
    }

    /// How many numbers are in it.
    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn remove_from(&mut self, number: u32) {
        self.words.truncate((number as usize).div_ceil(64));
        if let Some(last) = self.words.get_mut(number as usize / 64) {
            *last &= (1 << (number % 64)) - 1;
        }
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }

    /// 64 numbers from 64 times `i` on, as bits.
    pub(super) fn word(&self, i: usize) -> u64 {
        self.words.get(i).copied().unwrap_or_default()
    }

    /// The greatest number in it. Numbers are causal, so nothing in it builds on that.
    pub(super) fn last(&self) -> Option<u32> {
        let last = self.words.last()?;
        Some(64 * self.words.len() as u32 - 1 - last.leading_zeros())
    }

    pub(super) fn remove(&mut self, number: u32) {
        if let Some(word) = self.words.get_mut(number as usize / 64) {
            *word &= !(1 << (number % 64));
        }
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }

    /// What is in one of both and not in the other.
    pub(super) fn differing(&self, other: &Self) -> Self {
        let words = self.words.len().max(other.words.len());
        let mut words: Vec<u64> = (0..words).map(|i| self.word(i) ^ other.word(i)).collect();
        while words.last() == Some(&0) {
            words.pop();
        }
        Self { words }
    }

    /// In how many numbers two sets differ.
    pub(super) fn distance(&self, other: &Self) -> usize {
        let words = self.words.len().max(other.words.len());
        (0..words).map(|i| (self.word(i) ^ other.word(i)).count_ones() as usize).sum()
    }

    /// As [`Mask::meets`], of a set that has no number less than `from`.
    pub(super) fn meets_from(&self, other: &Self, from: u32) -> bool {
        let from = from as usize / 64;
        let (ours, theirs) = (self.words.get(from..).unwrap_or_default(), other.words.get(from..).unwrap_or_default());
        ours.iter().zip(theirs).any(|(a, b)| a & b != 0)
    }

    /// The numbers from one on.
    pub(super) fn iter_from(&self, from: u32) -> impl Iterator<Item = u32> + '_ {
        let words = self.words.iter().enumerate().skip(from as usize / 64);
        let bits = words
            .flat_map(|(i, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| i as u32 * 64 + bit));
        bits.filter(move |x| *x >= from)
    }

    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).any(|(a, b)| a & b != 0)
    }

    /// Whether both have the same of a third in them.
    pub(crate) fn is_same_within(&self, other: &Self, within: &Self) -> bool {
        let word = |mask: &Self, i: usize| mask.words.get(i).copied().unwrap_or_default();
        within.words.iter().enumerate().all(|(i, bits)| (word(self, i) ^ word(other, i)) & bits == 0)
    }

    pub(crate) fn is_subset(&self, other: &Self) -> bool {
        self.words.len() <= other.words.len() && self.words.iter().zip(&other.words).all(|(a, b)| a & !b == 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.iter_from(0)
    }
}

impl FromIterator<u32> for Mask {
    fn from_iter<T: IntoIterator<Item = u32>>(numbers: T) -> Self {
        let mut mask = Self::default();
        numbers.into_iter().for_each(|number| mask.insert(number));
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_holds_what_was_put_in_and_equal_sets_are_equal() {
        let a: Mask = [0, 63, 64, 200].into_iter().collect();
        assert_eq!(a.iter().collect::<Vec<_>>(), [0, 63, 64, 200]);
        let low = a.and(&[0, 63, 64].into_iter().collect());
        assert_eq!(low, [64, 63, 0].into_iter().collect());
        assert!(low.is_subset(&a) && !a.is_subset(&low) && a.meets(&low) && !a.meets(&Mask::of(1)));
        assert!(a.and(&Mask::of(5)).is_empty());
        assert_eq!((a.without(&low), a.without(&a).is_empty(), a.count()), (Mask::of(200), true, 4));
        for (from, kept) in [(201, 4), (200, 3), (65, 3), (64, 2), (63, 1), (1, 1), (0, 0)] {
            let mut cut = a.clone();
            cut.remove_from(from);
            assert_eq!((cut.count(), cut.iter().all(|number| number < from)), (kept, true), "{from}");
            assert_eq!(cut, cut.iter().collect());
        }
    }
}
