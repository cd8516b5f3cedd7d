//! MSER-5: how many values at the start of a simulation are warm-up.
//!
//! White, "An effective truncation heuristic for bias reduction in simulation output", Simulation 69 (1997); batches of five as
//! in White, Cobb and Spratt (Winter Simulation Conference 2000): the cut that minimises the standard error of the remaining values.

/// Number of values to delete from the start of a series: a multiple of 5, at most half. `None` if the smallest error is at the end of
/// the range, which means that the series is too short to have settled, or if there are fewer than 20 values.
pub fn warm_up(series: &[f64]) -> Option<usize> {
    let batches: Vec<f64> = series.chunks_exact(BATCH).map(|b| b.iter().sum::<f64>() / BATCH as f64).collect();
    if batches.len() < 4 {
        return None;
    }
    let last = batches.len() / 2;
    let (mut sum, mut squares, mut kept) = (0.0, 0.0, 0.0);
    let mut best = (f64::INFINITY, 0);
    for (cut, value) in batches.iter().enumerate().rev() {
        sum += value;
        squares += value * value;
        kept += 1.0;
        let error = (squares - sum * sum / kept).max(0.0) / (kept * kept);
        // Of equal errors the smaller cut, which keeps more values.
        if cut <= last && error <= best.0 {
            best = (error, cut);
        }
    }
    (best.1 < last).then_some(best.1 * BATCH)
}

const BATCH: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(i: usize) -> f64 {
        ((i * 7919) % 101) as f64 / 101.0
    }

    #[test]
    fn a_start_from_empty_is_cut_where_it_ends() {
        let series: Vec<f64> = (0..1000).map(|i| noise(i) + if i < 100 { -10.0 + i as f64 / 10.0 } else { 0.0 }).collect();
        let cut = warm_up(&series).unwrap();
        assert!((80..=120).contains(&cut), "{cut}");
    }

    #[test]
    fn a_settled_series_is_kept_whole() {
        let series: Vec<f64> = (0..1000).map(noise).collect();
        assert!(warm_up(&series).unwrap() <= 50);
        assert_eq!(warm_up(&[3.0; 100]), Some(0));
    }

    #[test]
    fn a_series_that_still_grows_has_not_settled() {
        let series: Vec<f64> = (0..1000).map(|i| i as f64).collect();
        assert_eq!(warm_up(&series), None);
        assert_eq!(warm_up(&series[..10]), None);
    }
}
