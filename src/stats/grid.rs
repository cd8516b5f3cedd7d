//! Sparse bins of time, in memory that does not grow with the length of time.
//!
//! Bins of equal width are in pages of neighbouring bins; a page exists from its first entry on. If there would be more than a fixed
//! number of pages, all bins widen to the next step of a ladder of widths. A stray time decades away thus costs one page and does not
//! change the resolution, while a log too long for fine bins gets wider ones.
//!
//! Invariant: each width of the ladder divides the next, and the width is the narrowest at which the pages fit. The state therefore
//! depends only on the entries, not on their order.

use super::hashing::NumberMap;

/// The content of a bin. Its sums must be associative and commutative (integers, not floats), so that the grid's are.
pub trait Cell: Default + Clone {
    /// Adds the cell of a bin that starts `shift_us` (not negative) after this cell's bin.
    fn absorb(&mut self, other: &Self, shift_us: i64);
}

impl Cell for u64 {
    fn absorb(&mut self, other: &Self, _: i64) {
        *self = self.saturating_add(*other);
    }
}

/// Rows of `columns` cells per bin.
#[derive(Debug, Clone)]
pub struct Grid<C> {
    ladder_us: &'static [i64],
    level: u32,
    width_us: i64,
    page_us: i64,
    columns: usize,
    bins_per_page: usize,
    pages_max: usize,
    index: NumberMap<i64, u32>,
    starts_us: Vec<i64>,
    cells: Vec<C>,
    /// Start of the page of the last look-up, and its first cell.
    page_start_us: i64,
    page_cell: usize,
    /// The same of the bin, because neighbouring look-ups are mostly of one bin and a division costs more than everything else here.
    bin_start_us: i64,
    bin_cell: usize,
}

impl<C: Cell> Grid<C> {
    /// An empty grid. `ladder_us` are the successive widths of bins, each a divisor of the next; beyond its end widths double.
    ///
    /// # Panics
    /// If the ladder is empty, there are no columns or bins, or fewer than eight pages (they are constants of the program).
    pub fn new(ladder_us: &'static [i64], columns: usize, bins_per_page: usize, pages_max: usize) -> Self {
        assert!(
            !ladder_us.is_empty() && columns > 0 && bins_per_page > 0 && pages_max >= 8,
            "a grid has columns, bins and at least eight pages"
        );
        let mut grid = Self {
            ladder_us,
            level: 0,
            width_us: 0,
            page_us: 0,
            columns,
            bins_per_page,
            pages_max,
            index: NumberMap::default(),
            starts_us: Vec::new(),
            cells: Vec::new(),
            page_start_us: i64::MAX,
            page_cell: 0,
            bin_start_us: i64::MAX,
            bin_cell: 0,
        };
        grid.set_level(0);
        grid
    }

    /// Width of a bin, µs.
    pub fn width_us(&self) -> i64 {
        self.width_us
    }

    /// The row of the bin that contains `time_us`, created if necessary, and the time's offset in the bin, µs. Times beyond ± 30,000 years
    /// count as the ends of that range.
    #[inline]
    pub fn row_mut(&mut self, time_us: i64) -> (&mut [C], i64) {
        let time_us = time_us.clamp(-LIMIT_US, LIMIT_US);
        if !(0..self.width_us).contains(&time_us.wrapping_sub(self.bin_start_us)) {
            self.select_bin(time_us);
        }
        (&mut self.cells[self.bin_cell..self.bin_cell + self.columns], time_us - self.bin_start_us)
    }

    /// Adds the content of another grid with the same parameters.
    pub fn merge(&mut self, mut other: Self) {
        while self.level < other.level {
            self.widen();
        }
        while other.level < self.level {
            other.widen();
        }
        for (start_us, added) in other.rows() {
            // Adding a page can widen this grid's bins, so that the other's may be narrower.
            let (row, shift) = self.row_mut(start_us);
            for (cell, added) in row.iter_mut().zip(added) {
                cell.absorb(added, shift);
            }
        }
    }

    /// All bins of all pages by time, as (start of the bin, row). Bins between pages are left out.
    pub fn rows(&self) -> impl Iterator<Item = (i64, &[C])> {
        self.rows_of(self.pages_by_time())
    }

    /// The bins of existing pages that start in `start_us..end_us`, by time.
    pub fn rows_between(&self, start_us: i64, end_us: i64) -> impl Iterator<Item = (i64, &[C])> {
        let order = self.pages_by_time();
        let first = order.partition_point(|&page| self.starts_us[page as usize] + self.page_us <= start_us);
        let last = order.partition_point(|&page| self.starts_us[page as usize] < end_us).max(first);
        self.rows_of(order[first..last].to_vec()).filter(move |(start, _)| (start_us..end_us).contains(start))
    }

    fn pages_by_time(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..).take(self.starts_us.len()).collect();
        order.sort_unstable_by_key(|&page| self.starts_us[page as usize]);
        order
    }

    fn rows_of(&self, pages: Vec<u32>) -> impl Iterator<Item = (i64, &[C])> {
        pages.into_iter().flat_map(move |page| {
            let page = page as usize;
            let cells = self.bins_per_page * self.columns;
            let rows = self.cells[page * cells..(page + 1) * cells].chunks_exact(self.columns);
            rows.zip(0i64..).map(move |(row, bin)| (self.starts_us[page] + bin * self.width_us, row))
        })
    }

    #[expect(clippy::cast_possible_truncation, reason = "a bin of a page, whose size is a usize")]
    fn select_bin(&mut self, time_us: i64) {
        if !(0..self.page_us).contains(&time_us.wrapping_sub(self.page_start_us)) {
            self.select_page(time_us);
        }
        let bin = (time_us - self.page_start_us) / self.width_us;
        self.bin_start_us = self.page_start_us + bin * self.width_us;
        self.bin_cell = self.page_cell + bin.cast_unsigned() as usize * self.columns;
    }

    #[cold]
    fn select_page(&mut self, time_us: i64) {
        loop {
            let key = time_us.div_euclid(self.page_us);
            let page = match self.index.get(&key) {
                Some(&page) => page as usize,
                None if self.starts_us.len() < self.pages_max => self.add_page(key),
                None => {
                    self.widen();
                    continue;
                }
            };
            self.page_start_us = self.starts_us[page];
            self.page_cell = page * self.bins_per_page * self.columns;
            return;
        }
    }

    fn add_page(&mut self, key: i64) -> usize {
        let page = self.starts_us.len();
        self.index.insert(key, u32::try_from(page).unwrap_or(u32::MAX));
        self.starts_us.push(key * self.page_us);
        self.cells.resize(self.cells.len() + self.bins_per_page * self.columns, C::default());
        page
    }

    fn widen(&mut self) {
        let mut wider = Self::new(self.ladder_us, self.columns, self.bins_per_page, self.pages_max);
        wider.set_level(self.level + 1);
        for (start_us, row) in self.rows() {
            let (target, shift) = wider.row_mut(start_us);
            for (cell, narrow) in target.iter_mut().zip(row) {
                cell.absorb(narrow, shift);
            }
        }
        *self = wider;
    }

    fn set_level(&mut self, level: u32) {
        let steps = self.ladder_us;
        let last = steps.len() - 1;
        self.level = level;
        let bins = i64::try_from(self.bins_per_page).unwrap_or(1);
        self.width_us = steps.get(level as usize).copied().unwrap_or(steps[last]);
        for _ in last..level as usize {
            // At most five pages of half the range or more, which always fit.
            if self.width_us * bins <= LIMIT_US / 2 {
                self.width_us *= 2;
            }
        }
        self.page_us = self.width_us * bins;
    }
}

/// About 30,000 years: far beyond any time stamp, and far from overflow.
const LIMIT_US: i64 = 1 << 60;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LADDER: &[i64] = &[1, 5, 15, 60];

    fn filled(times: &[i64]) -> Grid<u64> {
        let mut grid = Grid::new(LADDER, 1, 4, 8);
        for &time in times {
            grid.row_mut(time).0[0] += 1;
        }
        grid
    }

    fn content(grid: &Grid<u64>) -> (i64, Vec<(i64, u64)>) {
        (grid.width_us(), grid.rows().filter(|(_, row)| row[0] > 0).map(|(start, row)| (start, row[0])).collect())
    }

    #[test]
    fn a_row_comes_with_the_offset_of_the_time_in_its_bin() {
        let mut grid = Grid::<u64>::new(&[10], 1, 4, 8);
        assert_eq!(grid.row_mut(-3).1, 7);
        assert_eq!(grid.row_mut(10).1, 0);
    }

    #[test]
    fn bins_widen_when_the_pages_run_out() {
        let grid = filled(&(0..100).collect::<Vec<_>>());
        assert_eq!(grid.width_us(), 5);
        assert_eq!(grid.rows().map(|(_, row)| row[0]).sum::<u64>(), 100);
    }

    #[test]
    fn times_far_apart_need_wide_bins() {
        let times: Vec<i64> = (0..1000).map(|i| (i - 500) * (LIMIT_US / 500)).collect();
        let grid = filled(&times);
        assert_eq!(grid.rows().map(|(_, row)| row[0]).sum::<u64>(), 1000);
    }

    #[test]
    fn the_extreme_times_are_accepted() {
        let grid = filled(&[i64::MIN, i64::MAX, 0, -1, 1]);
        assert_eq!(grid.width_us(), 1);
        assert_eq!(grid.rows().map(|(_, row)| row[0]).sum::<u64>(), 5);
    }

    proptest! {
        #[test]
        fn order_and_split_do_not_matter(mut times in prop::collection::vec(-500i64..2000, 0..80), cut in 0usize..80) {
            let whole = filled(&times);
            let cut = cut.min(times.len());
            let mut merged = filled(&times[..cut]);
            merged.merge(filled(&times[cut..]));
            prop_assert_eq!(content(&merged), content(&whole));
            times.sort_unstable();
            prop_assert_eq!(content(&filled(&times)), content(&whole));
        }
    }
}
