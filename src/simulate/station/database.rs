//! The database that all processes share: how long transactions take.
//!
//! By default transactions take as long as observed (an infinite server). With a fitted slowdown the time of a transaction depends on the
//! number X of running transactions at its start, itself included: T(X) = T0 · (1 + a · max(0, X - X0)).

use crate::engine::time::Span;

/// How concurrent transactions slow each other down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slowdown {
    /// a: relative increase per transaction above X0.
    pub per_transaction: f64,
    /// X0: transactions that run concurrently without slowdown.
    pub threshold: f64,
    /// Largest X in the data of the fit; transactions that start above it are counted as extrapolated.
    pub largest_seen: f64,
}

/// The running transactions.
#[derive(Debug, Clone, Default)]
pub struct Database {
    slowdown: Option<Slowdown>,
    running: u32,
    started: u64,
    extrapolated: u64,
}

impl Database {
    /// An idle database. Without `slowdown` transactions take as long as observed.
    pub fn new(slowdown: Option<Slowdown>) -> Self {
        Self { slowdown, ..Self::default() }
    }

    /// Starts a transaction that would take `unloaded` alone; returns how long it takes.
    #[inline]
    pub fn start_transaction(&mut self, unloaded: Span) -> Span {
        self.running += 1;
        self.started += 1;
        let Some(slowdown) = self.slowdown else { return unloaded };
        let concurrency = f64::from(self.running);
        self.extrapolated += u64::from(concurrency > slowdown.largest_seen);
        unloaded.scaled(1.0 + slowdown.per_transaction * (concurrency - slowdown.threshold).max(0.0))
    }

    /// Ends a transaction.
    #[inline]
    pub fn end_transaction(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// Number of running transactions.
    pub fn running(&self) -> u32 {
        self.running
    }

    /// Share of transactions that started at a concurrency above the largest in the data of the fit.
    pub fn extrapolated_share(&self) -> f64 {
        self.extrapolated as f64 / self.started.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_above_the_threshold_slow_each_other_down() {
        let slowdown = Slowdown { per_transaction: 0.5, threshold: 2.0, largest_seen: 3.0 };
        let mut database = Database::new(Some(slowdown));
        let times: Vec<u64> = (0..4).map(|_| database.start_transaction(Span::from_nanos(100)).nanos()).collect();
        assert_eq!(times, [100, 100, 150, 200]);
        assert_eq!(database.extrapolated_share(), 0.25);
        database.end_transaction();
        database.end_transaction();
        assert_eq!(database.start_transaction(Span::from_nanos(100)).nanos(), 150);
    }

    #[test]
    fn without_a_fit_times_are_as_observed() {
        let mut database = Database::default();
        assert!((0..100).all(|_| database.start_transaction(Span::from_nanos(7)).nanos() == 7));
    }
}
