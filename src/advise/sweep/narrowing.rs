//! How much narrower more replications would make a plan's intervals.
//!
//! An interval has a part that replications narrow and a part that they do not: the range of the inputs and the error of the model. The parts join in
//! squares, of logarithms. Where the second part is most of the whole, as it is for a log that does not have the CPU of its requests, further replications
//! cost as much as any and change nothing that is shown.

use super::model::SimulatedPlan;
use super::run_summary::RunSummary;
use wsim_stats::{Interval, student_t};

/// A figure's spread between runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    /// Deviation of the logarithm; infinite of a single run.
    pub(super) deviation: f64,
    pub(super) runs: usize,
}

impl Spread {
    pub(super) fn of(logarithms: &[f64]) -> Self {
        let n = logarithms.len() as f64;
        let mean = logarithms.iter().sum::<f64>() / n.max(1.0);
        let squares: f64 = logarithms.iter().map(|one| (one - mean).powi(2)).sum();
        let deviation = if logarithms.len() > 1 { (squares / (n - 1.0)).sqrt() } else { f64::INFINITY };
        Self { deviation, runs: logarithms.len() }
    }

    /// Half-width, of logarithms, of what another run would show, known from so many.
    pub(super) fn half_width_of(self, runs: u32) -> f64 {
        let runs = f64::from(runs);
        self.deviation * student_t::quantile(0.975, runs - 1.0) * (1.0 + 1.0 / runs).sqrt()
    }

    /// The same from the runs that there are.
    pub(super) fn half_width(self) -> f64 {
        self.half_width_of(u32::try_from(self.runs).unwrap_or(u32::MAX))
    }

    /// The upper half-width, of logarithms, of a whole interval once there are so many runs.
    pub(super) fn whole_then(self, whole: f64, runs: u32) -> f64 {
        self.rest_of(whole).hypot(self.half_width_of(runs))
    }

    /// What of a whole half-width is not due to the spread between runs.
    fn rest_of(self, whole: f64) -> f64 {
        (whole * whole - self.half_width().powi(2)).max(0.0).sqrt()
    }
}

/// By what factor the widest part of a plan's intervals (busiest process, mean and 95th percentile of response times) is wider now than it would be with
/// `enough` runs. 1 where there are as many.
pub(super) fn gain(plan: &SimulatedPlan, runs: &[RunSummary], enough: u32) -> f64 {
    if runs.len() >= enough as usize {
        return 1.0;
    }
    let processes = plan.summary.processes.iter().enumerate();
    let busiest = processes.max_by(|(_, a), (_, b)| a.peak.value.total_cmp(&b.peak.value));
    let busy = busiest.map(|(index, process)| (process.peak, runs.iter().filter_map(|run| run.peak_of(index)).collect::<Vec<f64>>()));
    let of_time = |time: Interval, statistic: usize| (time, runs.iter().map(|run| run.overall_ms()[statistic]).collect::<Vec<f64>>());
    let figures = busy.into_iter().chain([of_time(plan.overall.mean, 0), of_time(plan.overall.p95, 2)]);
    figures.map(|(interval, values)| gain_of(interval, &values, enough)).fold(1.0, f64::max)
}

fn gain_of(interval: Interval, values: &[f64], enough: u32) -> f64 {
    let logarithms: Vec<f64> = values.iter().filter(|value| **value > 0.0).map(|value| value.ln()).collect();
    let spread = Spread::of(&logarithms);
    if interval.value <= 0.0 || !spread.deviation.is_finite() {
        return f64::INFINITY;
    }
    let whole = (interval.high / interval.value).ln().max(spread.half_width());
    let then = spread.whole_then(whole, enough);
    if then > 0.0 { whole / then } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten runs whose logarithms deviate by `deviation`.
    fn values(deviation: f64) -> Vec<f64> {
        let unit = (9.0f64 / 10.0).sqrt();
        (0..10).map(|run| (if run % 2 == 0 { deviation * unit } else { -deviation * unit }).exp()).collect()
    }

    #[test]
    fn more_runs_narrow_their_own_part_only() {
        let alone = gain_of(Interval::exact(1.0), &values(0.1), 16);
        // t(0.975, 9) √1.1 over t(0.975, 15) √1.0625.
        assert!((alone - 2.3725 / 2.1971).abs() < 1e-3, "{alone}");
        let wide = Interval { value: 1.0, low: 0.4, high: 2.5 };
        let beside_a_range = gain_of(wide, &values(0.1), 16);
        assert!(beside_a_range > 1.0 && beside_a_range < 1.01, "{beside_a_range}");
        assert!((gain_of(wide, &[1.0; 10], 16) - 1.0).abs() < 1e-12, "runs that do not differ");
        assert_eq!(gain_of(wide, &[1.0], 16), f64::INFINITY, "one run shows no spread");
    }
}
