//! A plan's runs under another load or assumption, from a few that are paired with runs that there are.
//!
//! Replication r of a case and of the base have the same users, arrivals and parameters, so the ratio of their figures hardly depends on r, and
//! a few pairs tell it. The case's other replications are the base's times those ratios, each in turn: so the case has the spread between
//! replications that the base shows, and that of its ratios.

use super::run_summary::{Figures, GroupFigures, ProcessFigures, RunSummary};
use wsim_stats::Interval;

/// The runs of a case, as many as there are of the base: `paired` are its own, with the replications of the base's first. Empty without those.
pub(super) fn extended(base: &[RunSummary], paired: &[RunSummary]) -> Vec<RunSummary> {
    let pairs = paired.len().min(base.len());
    let own = paired.iter().cloned();
    if pairs == 0 {
        return own.collect();
    }
    let others = base.iter().enumerate().skip(pairs).map(|(number, run)| {
        let pair = number % pairs;
        run.scaled(&base[pair], &paired[pair])
    });
    own.chain(others).collect()
}

/// `value` times the ratio of `to` and `from`; `to` where there is none.
fn scaled(value: f64, from: f64, to: f64) -> f64 {
    if from > 0.0 && to > 0.0 { value * to / from } else { to }
}

fn scaled_count(value: u64, from: u64, to: u64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count times a ratio of counts")]
    let count = scaled(value as f64, from as f64, to as f64).round() as u64;
    count
}

fn scaled_interval(value: Interval, from: Interval, to: Interval) -> Interval {
    let middle = scaled(value.value, from.value, to.value);
    let bound = |of: fn(Interval) -> f64| scaled(of(value), of(from), of(to));
    Interval::new(middle, bound(|share| share.low).min(middle), bound(|share| share.high).max(middle))
}

impl Figures {
    fn scaled(self, from: Self, to: Self) -> Self {
        Self {
            mean: scaled(self.mean, from.mean, to.mean),
            p50: scaled(self.p50, from.p50, to.p50),
            p95: scaled(self.p95, from.p95, to.p95),
            p99: scaled(self.p99, from.p99, to.p99),
        }
    }
}

/// Without one of the three, those of the case.
fn scaled_figures(figures: Option<Figures>, from: Option<Figures>, to: Option<Figures>) -> Option<Figures> {
    match (figures, from, to) {
        (Some(figures), Some(from), Some(to)) => Some(figures.scaled(from, to)),
        (_, _, to) => to,
    }
}

impl GroupFigures {
    fn scaled(self, from: Self, to: Self) -> Self {
        Self {
            requests: scaled_count(self.requests, from.requests, to.requests),
            work: scaled_figures(Some(self.work).filter(|_| self.requests > 0), Some(from.work), Some(to.work)).unwrap_or(to.work),
            logged: scaled_figures(self.logged, from.logged, to.logged),
            waits: scaled_figures(self.waits, from.waits, to.waits),
        }
    }
}

impl ProcessFigures {
    fn scaled(self, from: Self, to: Self) -> Self {
        Self {
            utilisation: scaled(self.utilisation, from.utilisation, to.utilisation),
            peak: scaled(self.peak, from.peak, to.peak),
            cores: scaled(self.cores, from.cores, to.cores),
            requests: scaled_count(self.requests, from.requests, to.requests),
            connections: scaled_interval(self.connections, from.connections, to.connections),
        }
    }
}

impl RunSummary {
    /// This run of the base, times what a pair of the base and a case differ by. Where work piles up it piles up as in the case.
    fn scaled(&self, from: &Self, to: &Self) -> Self {
        let groups = self.groups.iter().zip(&from.groups).zip(&to.groups);
        let processes = self.processes.iter().zip(&from.processes).zip(&to.processes);
        Self {
            overall: self.overall.scaled(from.overall, to.overall),
            groups: groups.map(|((own, from), to)| own.scaled(*from, *to)).collect(),
            processes: processes.map(|((own, from), to)| own.scaled(*from, *to)).collect(),
            cores: scaled(self.cores, from.cores, to.cores),
            working: Vec::new(),
            bin_seconds: self.bin_seconds,
            rejected_share: scaled(self.rejected_share, from.rejected_share, to.rejected_share),
            extrapolated_share: scaled(self.extrapolated_share, from.extrapolated_share, to.extrapolated_share),
            instability: to.instability,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_simulate::replications::LatencyFigures;

    #[test]
    fn a_case_has_its_own_runs_and_the_spread_of_the_base() {
        let base: Vec<RunSummary> = [10.0, 12.0, 8.0, 11.0].map(|ms| RunSummary::with_times(ms, 4.0 * ms)).into();
        let paired = [RunSummary::with_times(20.0, 60.0), RunSummary::with_times(25.2, 72.0)];
        let case = extended(&base, &paired);
        let means: Vec<f64> = case.iter().map(LatencyFigures::mean_ms).collect();
        for (mean, expected) in means.iter().zip([20.0, 25.2, 16.0, 23.1]) {
            assert!((mean - expected).abs() < 1e-9, "{means:?}");
        }
        assert_eq!(case.len(), 4);
        assert!((case[3].p95_ms() - 66.0).abs() < 1e-9);
        assert_eq!(extended(&base, &[]).len(), 0);
    }

    #[test]
    fn what_the_base_does_not_have_is_the_case_s() {
        assert_eq!((scaled(3.0, 0.0, 2.0), scaled(3.0, 2.0, 0.0), scaled(0.0, 2.0, 4.0)), (2.0, 0.0, 0.0));
        assert_eq!((scaled_count(30, 20, 40), scaled_count(30, 0, 7)), (60, 7));
        let times = Figures { mean: 1.0, p50: 1.0, p95: 2.0, p99: 3.0 };
        assert!(scaled_figures(None, None, Some(times)).is_some() && scaled_figures(Some(times), Some(times), None).is_none());
    }
}
