//! Demand over time in at most 240 bins, for charts.

use super::costed::CostedCounters;
use super::model::{LATENCY_BUCKETS_MS, Series};
use super::profiler::HOURS_PER_WEEK;

/// Series per group, the week, and the heat map of response times. `groups` are indices into the profiler's groups, in the order to show.
pub(super) fn series(costed: &CostedCounters<'_>, groups: &[usize]) -> Series {
    let profiler = costed.profiler;
    let columns = profiler.columns();
    let width_us = bin_width_us(profiler.demand.width_us(), costed.window.start_us, costed.window.end_us);
    let start_us = costed.window.start_us.div_euclid(width_us) * width_us;
    let count = usize::try_from((costed.window.end_us - 1 - start_us).max(0) / width_us + 1).unwrap_or(1);

    let mut requests = vec![vec![0u64; count]; groups.len()];
    let mut cpu_seconds = vec![vec![0f64; count]; if costed.has_cpu() { groups.len() } else { 0 }];
    let mut latency_heat = vec![vec![0u64; count]; LATENCY_BUCKETS_MS.len()];
    let shown_index: Vec<Option<usize>> = (0..profiler.classes.groups.len()).map(|g| groups.iter().position(|&shown| shown == g)).collect();
    for (bin_start, row) in costed.demand_rows() {
        let bin = usize::try_from((bin_start - start_us).div_euclid(width_us)).unwrap_or(0).min(count - 1);
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
        start_us,
        bin_seconds: width_us as f64 / 1e6,
        groups: groups.iter().map(|&g| profiler.classes.groups[g].id.clone()).collect(),
        requests,
        cpu_seconds,
        week: profiler.week.chunks(HOURS_PER_WEEK / 7).map(<[u64]>::to_vec).collect(),
        latency_heat,
    }
}

/// The narrowest round multiple of the grid's width with which the window has at most 240 bins.
fn bin_width_us(grid_us: i64, start_us: i64, end_us: i64) -> i64 {
    let fits = |width: i64| (end_us - 1).div_euclid(width) - start_us.div_euclid(width) < BINS_MAX;
    let round = ROUND_SECONDS.iter().map(|s| s * 1_000_000).filter(|w| w % grid_us == 0).find(|&w| fits(w));
    round.unwrap_or_else(|| {
        let mut width = grid_us;
        while !fits(width) {
            width *= 2;
        }
        width
    })
}

const BINS_MAX: i64 = 240;
const ROUND_SECONDS: &[i64] =
    &[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_round_multiples_of_the_grid_and_at_most_240() {
        const SECOND: i64 = 1_000_000;
        assert_eq!(bin_width_us(SECOND, 0, 240 * SECOND), SECOND);
        assert_eq!(bin_width_us(SECOND, 0, 241 * SECOND), 2 * SECOND);
        assert_eq!(bin_width_us(15 * SECOND, 0, 241 * SECOND), 15 * SECOND);
        assert_eq!(bin_width_us(300 * SECOND, 0, 86_400 * SECOND), 600 * SECOND);
        assert_eq!(bin_width_us(SECOND, 0, 1 << 60).count_ones(), (SECOND).count_ones());
    }
}
