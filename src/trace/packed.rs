//! A column of numbers in as few bytes as its chunk needs.

/// A sealed column. Most columns of a log are narrow (status, durations in whole ms) or constant (a proxy logs no CPU), so that a
/// request takes less than 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed {
    /// Every value is `base + unit * stored`.
    base: u64,
    unit: u64,
    stored: Stored,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stored {
    Constant,
    Bytes(Box<[u8]>),
    Shorts(Box<[u16]>),
    Words(Box<[u32]>),
    Longs(Box<[u64]>),
}

impl Packed {
    /// Packs values.
    pub(super) fn new(values: &[u64]) -> Self {
        let (mut low, mut high) = (u64::MAX, 0);
        for &value in values {
            low = low.min(value);
            high = high.max(value);
        }
        if low >= high {
            return Self { base: high, unit: 1, stored: Stored::Constant };
        }
        // Two loops, because a division by a number unknown at compile time costs as much as everything else here.
        if values.iter().all(|value| value.is_multiple_of(1000)) {
            Self { base: low, unit: 1000, stored: Stored::new((high - low) / 1000, values.iter().map(|value| (value - low) / 1000)) }
        } else {
            Self { base: low, unit: 1, stored: Stored::new(high - low, values.iter().map(|value| value - low)) }
        }
    }

    /// The value of a row.
    ///
    /// # Panics
    /// If there is no such row, unless all values are equal.
    #[inline]
    pub(super) fn at(&self, row: usize) -> u64 {
        let stored = match &self.stored {
            Stored::Constant => return self.base,
            Stored::Bytes(values) => u64::from(values[row]),
            Stored::Shorts(values) => u64::from(values[row]),
            Stored::Words(values) => u64::from(values[row]),
            Stored::Longs(values) => values[row],
        };
        self.base + self.unit * stored
    }

    /// Calls `visit` for every row of a range, with the row's index within the range and its value. Columns that are 0 throughout are
    /// skipped.
    ///
    /// # Panics
    /// If there are no such rows, unless all values are equal.
    pub(super) fn each(&self, rows: std::ops::Range<usize>, mut visit: impl FnMut(usize, u64)) {
        let (base, unit) = (self.base, self.unit);
        match &self.stored {
            Stored::Constant if base == 0 => {}
            Stored::Constant => (0..rows.len()).for_each(|row| visit(row, base)),
            Stored::Bytes(values) => values[rows].iter().enumerate().for_each(|(row, &v)| visit(row, base + unit * u64::from(v))),
            Stored::Shorts(values) => values[rows].iter().enumerate().for_each(|(row, &v)| visit(row, base + unit * u64::from(v))),
            Stored::Words(values) => values[rows].iter().enumerate().for_each(|(row, &v)| visit(row, base + unit * u64::from(v))),
            Stored::Longs(values) => values[rows].iter().enumerate().for_each(|(row, &v)| visit(row, base + unit * v)),
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match &self.stored {
            Stored::Constant => 0,
            Stored::Bytes(values) => values.len(),
            Stored::Shorts(values) => values.len() * 2,
            Stored::Words(values) => values.len() * 4,
            Stored::Longs(values) => values.len() * 8,
        }
    }
}

impl Stored {
    /// The narrowest representation for values up to `span`.
    fn new(span: u64, values: impl Iterator<Item = u64>) -> Self {
        if span <= u64::from(u8::MAX) {
            Self::Bytes(values.map(truncate::<u8>).collect())
        } else if span <= u64::from(u16::MAX) {
            Self::Shorts(values.map(truncate::<u16>).collect())
        } else if span <= u64::from(u32::MAX) {
            Self::Words(values.map(truncate::<u32>).collect())
        } else {
            Self::Longs(values.collect())
        }
    }
}

/// `value` as a narrower type; the caller has checked the range.
fn truncate<T: TryFrom<u64> + Default>(value: u64) -> T {
    T::try_from(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn narrow_columns_are_stored_narrow() {
        assert_eq!(Packed::new(&[0; 100]).heap_bytes(), 0);
        assert_eq!(Packed::new(&[200, 404, 200]).heap_bytes(), 3);
        assert_eq!(Packed::new(&[1000, 30_000_000]).heap_bytes(), 4);
        assert_eq!(Packed::new(&[0, u64::MAX]).heap_bytes(), 16);
    }

    proptest! {
        #[test]
        fn packed_values_are_read_back(values in proptest::collection::vec(prop_oneof![0u64..300, any::<u64>(), (0u64..90_000).prop_map(|v| v * 1000)], 1..200)) {
            let packed = Packed::new(&values);
            for (row, &value) in values.iter().enumerate() {
                prop_assert_eq!(packed.at(row), value);
            }
            let mut from_second = vec![0; values.len() - 1];
            packed.each(1..values.len(), |row, value| from_second[row] = value);
            prop_assert_eq!(&from_second[..], &values[1..]);
        }
    }
}
