//! Values by position, with an index that makes a look-up two accesses to memory instead of the twenty of a search among a million.

/// Values of distinct positions.
#[derive(Debug, Default)]
pub(super) struct Lookup<T> {
    /// By position.
    values: Vec<(u32, T)>,
    /// For every range of `1 << shift` positions, counted from the first one, the index of the first value that is in it or behind it; then
    /// the number of values.
    starts: Vec<u32>,
    shift: u32,
}

impl<T: Copy> Lookup<T> {
    /// Of values by position, in ascending order.
    pub(super) fn new(values: Vec<(u32, T)>) -> Self {
        let (Some(&(first, _)), Some(&(last, _))) = (values.first(), values.last()) else {
            return Self { values, starts: Vec::new(), shift: 0 };
        };
        let ranges = (values.len() / VALUES_PER_RANGE).max(1) as u64;
        let mut shift = 0;
        while u64::from(last - first) >> shift >= ranges && shift < u32::BITS - 1 {
            shift += 1;
        }
        let mut starts: Vec<u32> = Vec::with_capacity(((last - first) >> shift) as usize + 2);
        for (index, (position, _)) in (0u32..).zip(&values) {
            let range = ((position - first) >> shift) as usize;
            while starts.len() <= range {
                starts.push(index);
            }
        }
        starts.push(u32::try_from(values.len()).unwrap_or(u32::MAX));
        Self { values, starts, shift }
    }

    /// The first position from `position` on, and its value.
    #[inline]
    pub(super) fn first_from(&self, position: u32) -> Option<(u32, T)> {
        let &(first, value) = self.values.first()?;
        let Some(offset) = position.checked_sub(first) else { return Some((first, value)) };
        let range = (offset >> self.shift) as usize;
        let (from, to) = (*self.starts.get(range)? as usize, *self.starts.get(range + 1)? as usize);
        let at = from + self.values[from..to].partition_point(|(known, _)| *known < position);
        self.values.get(at).copied()
    }
}

/// Values in a range on average, which lie in two lines of the cache.
const VALUES_PER_RANGE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_value_from_a_position_on_is_found(
            near in prop::collection::btree_set(0u32..500, 0..200),
            far in prop::collection::btree_set(any::<u32>(), 0..5),
            wanted in prop::collection::vec(prop_oneof![0u32..510, any::<u32>()], 1..50),
        ) {
            let values: Vec<(u32, u64)> = near.union(&far).map(|position| (*position, u64::from(*position) * 3)).collect();
            let lookup = Lookup::new(values.clone());
            for position in wanted.into_iter().chain(near) {
                prop_assert_eq!(lookup.first_from(position), values.iter().find(|(known, _)| *known >= position).copied());
            }
        }
    }

    #[test]
    fn the_range_of_all_positions_has_an_index_too() {
        let lookup = Lookup::new(vec![(0, 'a'), (u32::MAX, 'b')]);
        assert_eq!(
            (lookup.first_from(0), lookup.first_from(1), lookup.first_from(u32::MAX)),
            (Some((0, 'a')), Some((u32::MAX, 'b')), Some((u32::MAX, 'b')))
        );
        assert_eq!(Lookup::<u8>::default().first_from(7), None);
    }
}
