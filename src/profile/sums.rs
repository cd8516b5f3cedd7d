//! Plain sums over the requests of one endpoint class.

use wsim_endpoints::Method;
use wsim_stats::Interval;
use wsim_trace::{Request, flag};

#[derive(Debug, Clone, Default)]
pub(super) struct ClassSums {
    pub(super) requests: u64,
    pub(super) long_polls: u64,
    pub(super) errors: u64,
    pub(super) aborted: u64,
    pub(super) bytes_sent: u64,
    /// Requests with logged CPU.
    pub(super) costed: u64,
    /// Requests without logged CPU, except those of negligible cost.
    pub(super) uncosted: u64,
    pub(super) cpu_us: u64,
    /// Time of transactions.
    pub(super) db_us: u64,
    cpu_us_squared: u128,
    cpu_zero: u64,
}

impl ClassSums {
    pub(super) fn observe(&mut self, r: &Request) {
        self.requests += 1;
        self.long_polls += u64::from(r.has(flag::LONG_POLL));
        self.errors += u64::from(r.status >= 500 || r.status == 0);
        self.aborted += u64::from(r.has(flag::ABORTED));
        self.bytes_sent += u64::from(r.bytes_sent);
        if r.has(flag::COST) {
            self.costed += 1;
            self.cpu_us += u64::from(r.cpu_us);
            self.db_us += u64::from(r.db_txn_us);
            self.cpu_us_squared += u128::from(u64::from(r.cpu_us).pow(2));
            self.cpu_zero += u64::from(r.cpu_us == 0);
        } else {
            self.uncosted += u64::from(is_uncosted(r));
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.long_polls += other.long_polls;
        self.errors += other.errors;
        self.aborted += other.aborted;
        self.bytes_sent += other.bytes_sent;
        self.costed += other.costed;
        self.uncosted += other.uncosted;
        self.cpu_us += other.cpu_us;
        self.db_us += other.db_us;
        self.cpu_us_squared += other.cpu_us_squared;
        self.cpu_zero += other.cpu_zero;
    }

    /// Mean logged CPU per request, ms, with the uncertainty from sampling (normal, 95 %) and from rounding to 1 ms; `None` if none is
    /// logged.
    ///
    /// User and system time are each printed with an error of ± 0.5 ms, a standard deviation of 0.29 ms. Where more than a third of
    /// all values are printed as zero, rounding errors need not cancel out, which may bias the mean by 0.5 ms. A single value says
    /// nothing of the spread, which is then assumed to be as large as the value.
    pub(super) fn cpu_ms(&self) -> Option<Interval> {
        if self.costed == 0 {
            return None;
        }
        let n = self.costed as f64;
        let mean = self.cpu_us as f64 / n / 1e3;
        let variance =
            if self.costed == 1 { mean * mean } else { ((self.cpu_us_squared as f64 / 1e6 - mean * mean * n) / (n - 1.0)).max(0.0) };
        let rounding = 2.0 * ROUNDING_MS * ROUNDING_MS;
        let bias = if self.cpu_zero * 3 > self.costed { BIAS_MS } else { 0.0 };
        let half = NORMAL_95 * ((variance + rounding) / n).sqrt() + bias;
        Some(Interval::new(mean, (mean - half).max(0.0), mean + half))
    }
}

/// Whether a request's demand is unknown. Synapse does not log OPTIONS, whose cost is negligible, and foreign requests never reach it.
pub(super) fn is_uncosted(r: &Request) -> bool {
    !r.has(flag::COST | flag::FOREIGN) && r.method != Method::Options
}

const NORMAL_95: f64 = 1.96;
/// Standard deviation of a rounding error that is uniform over 1 ms.
const ROUNDING_MS: f64 = 0.29;
const BIAS_MS: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::request;

    fn sums(cpu_us: &[u32]) -> ClassSums {
        let mut sums = ClassSums::default();
        for &cpu_us in cpu_us {
            sums.observe(&Request { cpu_us, flags: flag::COST, ..request(0) });
        }
        sums
    }

    #[test]
    fn the_interval_of_the_mean_narrows_with_the_square_root_of_the_count() {
        let few = sums(&[8000, 12_000].repeat(50)).cpu_ms().unwrap();
        let many = sums(&[8000, 12_000].repeat(5000)).cpu_ms().unwrap();
        assert_eq!((few.value, many.value), (10.0, 10.0));
        let ratio = (few.high - few.low) / (many.high - many.low);
        assert!((ratio - 10.0).abs() < 0.1, "{ratio}");
    }

    #[test]
    fn values_mostly_printed_as_zero_may_be_biased_by_half_a_millisecond() {
        let interval = sums(&[0, 0, 1000].repeat(100_000)).cpu_ms().unwrap();
        assert!((interval.high - interval.value - 0.5).abs() < 0.01, "{interval:?}");
        assert_eq!(interval.low, 0.0);
    }

    #[test]
    fn without_logged_cpu_there_is_no_mean() {
        let mut sums = ClassSums::default();
        sums.observe(&request(0));
        assert_eq!((sums.cpu_ms(), sums.uncosted), (None, 1));
    }
}
