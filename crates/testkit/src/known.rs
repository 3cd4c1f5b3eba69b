//! Sets of small numbers: which changes somebody knows, by their place in a history.

/// A set of numbers, one bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    words: Vec<u64>,
}

impl Known {
    /// The numbers below `end`.
    pub fn below(end: usize) -> Self {
        (0..end).collect()
    }

    /// Adds a number; true where it was not there.
    pub fn insert(&mut self, n: usize) -> bool {
        let word = n / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let before = self.words[word];
        self.words[word] |= 1 << (n % 64);
        before != self.words[word]
    }

    /// Adds all of another set.
    pub fn union(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    /// Whether a number is there.
    pub fn contains(&self, n: usize) -> bool {
        self.words
            .get(n / 64)
            .is_some_and(|word| word >> (n % 64) & 1 == 1)
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let word = *word;
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| at * 64 + bit)
        })
    }
}

impl FromIterator<usize> for Known {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Self {
        let mut known = Self::default();
        for n in numbers {
            known.insert(n);
        }
        known
    }
}
