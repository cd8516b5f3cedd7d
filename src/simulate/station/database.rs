//! The database that all processes share.
//!
//! By default transactions take as long as they were seen to take (an infinite server). With a fitted slowdown the time of a
//! transaction depends on how many run: T(X) = T0 · (1 + a · max(0, X - X0)), X read when it starts, itself included.

use super::super::time::Span;

/// How transactions slow each other down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slowdown {
    /// a: relative increase per transaction beyond X0.
    pub per_transaction: f64,
    /// X0: transactions that run at once without harm.
    pub threshold: f64,
    /// Largest X the fit has seen; beyond it the answer is an extrapolation, which is counted.
    pub largest_seen: f64,
}

/// The database.
#[derive(Debug, Clone, Default)]
pub struct Database {
    slowdown: Option<Slowdown>,
    running: u32,
    started: u64,
    beyond: u64,
}

impl Database {
    /// An idle database; `None`: transactions take as long as observed.
    pub fn new(slowdown: Option<Slowdown>) -> Self {
        Self { slowdown, ..Self::default() }
    }

    /// A transaction that takes `unloaded` alone starts: how long it takes now.
    #[inline]
    pub fn begin(&mut self, unloaded: Span) -> Span {
        self.running += 1;
        self.started += 1;
        let Some(slowdown) = self.slowdown else { return unloaded };
        let concurrency = f64::from(self.running);
        self.beyond += u64::from(concurrency > slowdown.largest_seen);
        unloaded.scaled(1.0 + slowdown.per_transaction * (concurrency - slowdown.threshold).max(0.0))
    }

    /// A transaction has ended.
    #[inline]
    pub fn end(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// Transactions under way.
    pub fn running(&self) -> u32 {
        self.running
    }

    /// Share of transactions that started at a concurrency beyond what the fit has seen.
    pub fn extrapolated_share(&self) -> f64 {
        self.beyond as f64 / self.started.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_beyond_the_threshold_slow_each_other_down() {
        let slowdown = Slowdown { per_transaction: 0.5, threshold: 2.0, largest_seen: 3.0 };
        let mut database = Database::new(Some(slowdown));
        let times: Vec<u64> = (0..4).map(|_| database.begin(Span::from_nanos(100)).nanos()).collect();
        assert_eq!(times, [100, 100, 150, 200]);
        assert_eq!(database.extrapolated_share(), 0.25);
        database.end();
        database.end();
        assert_eq!(database.begin(Span::from_nanos(100)).nanos(), 150);
    }

    #[test]
    fn without_a_fit_times_are_as_observed() {
        let mut database = Database::default();
        assert!((0..100).all(|_| database.begin(Span::from_nanos(7)).nanos() == 7));
    }
}
