//! A synthetic workload as requests for the model of a deployment.

use super::super::random::{Purpose, stream};
use super::super::record::Record;
use super::super::time::Span;
use super::super::workload::{Class, Workload};
use super::arrivals::Arrivals;
use super::spec::Synthetic;

impl Synthetic {
    /// So much time of this traffic, for [`cluster`](super::super::cluster): arrivals and CPU by its laws, to the µs, in one class
    /// without transactions. `servers`, `balance` and `discipline` play no part there: topology and routers take their place.
    pub fn workload(&self, span: Span, seed: u64) -> Workload {
        let mut arrivals = Arrivals::new(self.arrivals, stream(seed, Purpose::Arrival, 0));
        let mut service = stream(seed, Purpose::Service, 0);
        let mut records = Vec::new();
        while arrivals.next().nanos() < span.nanos() && records.len() < REQUESTS_MAX {
            let mut record = Record::at(arrivals.next().nanos() / 1000);
            record.cpu_us = self.service.draw(&mut service).micros_u32();
            records.push(record);
            arrivals.advance();
        }
        Workload { records, classes: vec![Class::plain(0)], origin_us: 0, span }
    }
}

/// Beyond it 7 GB of memory.
const REQUESTS_MAX: usize = 1 << 27;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_at_the_rate_and_cost_what_the_law_says() {
        let synthetic: Synthetic = "poisson rate=100 service=exp:5ms".parse().unwrap();
        let workload = synthetic.workload(Span::from_millis(1_000_000), 3);
        let count = workload.records.len() as f64;
        assert!((count / 1e5 - 1.0).abs() < 0.02, "{count}");
        let mean = workload.records.iter().map(|r| f64::from(r.cpu_us)).sum::<f64>() / count;
        assert!((mean / 5_000.0 - 1.0).abs() < 0.02, "{mean}");
        assert!(workload.records.is_sorted_by_key(Record::arrival_us));
    }
}
