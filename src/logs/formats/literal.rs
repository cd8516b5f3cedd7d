//! The text between the fields of a format.

use wsim_http::scan;

/// Text that every line contains. Compared as one number, because a call to compare a few bytes costs more than the comparison.
#[derive(Debug, Clone)]
pub(super) struct Literal {
    pub(super) text: Box<[u8]>,
    word: u64,
    mask: u64,
}

impl Literal {
    pub(super) fn new(text: &[u8]) -> Self {
        let (mut word, mut mask) = ([0; 8], [0; 8]);
        for (index, byte) in text.iter().take(8).enumerate() {
            (word[index], mask[index]) = (*byte, 0xff);
        }
        Self { text: text.into(), word: u64::from_le_bytes(word), mask: u64::from_le_bytes(mask) }
    }

    #[inline]
    pub(super) fn starts(&self, text: &[u8]) -> bool {
        match text.first_chunk() {
            Some(head) if self.text.len() <= 8 => u64::from_le_bytes(*head) & self.mask == self.word,
            // Comparing with an empty box is slow: a masked load from a dangling address.
            _ => self.text.is_empty() || text.starts_with(&self.text),
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Finds the first occurrence. Literals are short and start with a byte that is rare in the fields before them, so that this is
    /// faster than a general search.
    #[inline]
    pub(super) fn find(&self, text: &[u8]) -> Option<usize> {
        let first = *self.text.first()?;
        let mut from = 0;
        loop {
            let at = from + scan::find(first, text.get(from..)?)?;
            if self.starts(&text[at..]) {
                return Some(at);
            }
            from = at + 1;
        }
    }
}
