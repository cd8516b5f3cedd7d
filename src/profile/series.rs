//! Demand over time in at most 240 bins, for charts. Bins that no log covers are left out.

use super::costed::CostedCounters;
use super::model::{LATENCY_BUCKETS_MS, Series, SeriesSkip};
use super::profiler::HOURS_PER_WEEK;
use wsim_stats::ObservedTime;

/// Series per group, the week, and the heat map of response times. `groups` are indices into the profiler's groups, in the order to show.
pub(super) fn series(costed: &CostedCounters<'_>, groups: &[usize]) -> Series {
    let profiler = costed.profiler;
    let columns = profiler.columns();
    let bins = Bins::new(profiler.demand.width_us(), &costed.observed);
    let (width_us, count) = (bins.width_us, bins.starts_us.len());

    let mut requests = vec![vec![0u64; count]; groups.len()];
    let mut cpu_seconds = vec![vec![0f64; count]; if costed.has_cpu() { groups.len() } else { 0 }];
    let mut latency_heat = vec![vec![0u64; count]; LATENCY_BUCKETS_MS.len()];
    let shown_index: Vec<Option<usize>> = (0..profiler.classes.groups.len()).map(|g| groups.iter().position(|&shown| shown == g)).collect();
    for (bin_start, row) in costed.demand_rows() {
        let bin = bins.index_of(bin_start);
        for (class, cell) in row[..columns.heat].iter().enumerate().filter(|(_, cell)| cell.requests > 0) {
            let Some(group) = shown_index[usize::from(profiler.classes.traits[class].group)] else { continue };
            requests[group][bin] += u64::from(cell.requests);
            if let Some(series) = cpu_seconds.get_mut(group) {
                series[bin] += costed.cell_cpu_us(class, cell) / 1e6;
            }
        }
        for (bucket, cell) in latency_heat.iter_mut().zip(&row[columns.heat..columns.events]) {
            bucket[bin] += u64::from(cell.requests);
        }
    }
    Series {
        start_us: bins.starts_us[0],
        bin_seconds: width_us as f64 / 1e6,
        skips: bins.skips(),
        groups: groups.iter().map(|&g| profiler.classes.groups[g].id.clone()).collect(),
        requests,
        cpu_seconds,
        week: profiler.week.chunks(HOURS_PER_WEEK / 7).map(<[u64]>::to_vec).collect(),
        latency_heat,
    }
}

/// The bins of a chart, at round instants.
struct Bins {
    width_us: i64,
    /// Never empty.
    starts_us: Vec<i64>,
}

impl Bins {
    /// The narrowest bins, in round multiples of the grid's width, of which at most 240 overlap the observed time.
    fn new(grid_us: i64, observed: &ObservedTime) -> Self {
        let ranges = |width: i64| observed.spans().map(move |(start, end)| (start.div_euclid(width), (end - 1).div_euclid(width)));
        let fits = |width: i64| ranges(width).map(|(first, last)| last - first + 1).fold(0, i64::saturating_add) <= BINS_MAX;
        let round = ROUND_SECONDS.iter().map(|s| s * 1_000_000).filter(|w| w % grid_us == 0).find(|&w| fits(w));
        // Many spans share wide bins.
        let few = |width: i64| observed.ends().is_none_or(|(start, end)| (end - 1).div_euclid(width) - start.div_euclid(width) < BINS_MAX);
        let width_us =
            round.unwrap_or_else(|| std::iter::successors(Some(grid_us), |width| Some(width * 2)).find(|&w| few(w)).unwrap_or(grid_us));
        let mut starts_us: Vec<i64> = ranges(width_us).flat_map(|(first, last)| (first..=last).map(move |bin| bin * width_us)).collect();
        starts_us.dedup();
        if starts_us.is_empty() {
            starts_us.push(0);
        }
        Self { width_us, starts_us }
    }

    /// The bin of an instant; the nearest one for an instant in none.
    fn index_of(&self, at_us: i64) -> usize {
        self.starts_us.partition_point(|&start| start <= at_us).saturating_sub(1)
    }

    fn skips(&self) -> Vec<SeriesSkip> {
        let pairs = self.starts_us.windows(2).enumerate();
        let skip = |(bin, pair): (usize, &[i64])| {
            let skipped_us = pair[1] - pair[0] - self.width_us;
            (skipped_us > 0).then(|| SeriesSkip { bin: bin + 1, seconds: skipped_us as f64 / 1e6 })
        };
        pairs.filter_map(skip).collect()
    }
}

const BINS_MAX: i64 = 240;
const ROUND_SECONDS: &[i64] =
    &[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800];

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn bins(grid_us: i64, end_us: i64) -> Bins {
        Bins::new(grid_us, &ObservedTime::single(0, end_us))
    }

    #[test]
    fn bins_are_round_multiples_of_the_grid_and_at_most_240() {
        assert_eq!(bins(SECOND, 240 * SECOND).width_us, SECOND);
        assert_eq!(bins(SECOND, 241 * SECOND).width_us, 2 * SECOND);
        assert_eq!(bins(15 * SECOND, 241 * SECOND).width_us, 15 * SECOND);
        assert_eq!(bins(300 * SECOND, 86_400 * SECOND).width_us, 600 * SECOND);
        assert_eq!(bins(SECOND, 1 << 60).width_us.count_ones(), (SECOND).count_ones());
    }

    #[test]
    fn two_logs_a_year_apart_have_as_narrow_bins_as_one_after_the_other() {
        const YEAR: i64 = 365 * 86_400 * SECOND;
        let observed = [(0, 100 * SECOND), (YEAR, YEAR + 100 * SECOND)].into_iter().collect();
        let bins = Bins::new(SECOND, &observed);
        assert_eq!((bins.width_us, bins.starts_us.len()), (SECOND, 200));
        assert_eq!(bins.skips(), [SeriesSkip { bin: 100, seconds: (365 * 86_400 - 100) as f64 }]);
        assert_eq!((bins.index_of(YEAR + 7 * SECOND), bins.index_of(99 * SECOND)), (107, 99));
        let many: ObservedTime = (0..500).map(|day| (day * 86_400 * SECOND, (day * 86_400 + 60) * SECOND)).collect();
        let bins = Bins::new(SECOND, &many);
        assert!(bins.starts_us.len() <= 240, "{}", bins.starts_us.len());
    }
}
