//! Synthetic traffic as requests for the model of a deployment.

use super::arrivals::Arrivals;
use super::spec::Synthetic;
use crate::engine::random::{Purpose, stream};
use crate::engine::time::Span;
use crate::synapse::record::Record;
use crate::synapse::workload::{Class, Workload};

impl Synthetic {
    /// Traffic of length `span` for [`cluster`](crate::cluster): arrivals and CPU by the laws of this description, to the µs, in one class
    /// without transactions. `servers`, `balance` and `discipline` are not used: topology and routers replace them.
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
        Workload { records, classes: vec![Class::plain(0)], origin_us: 0, span, skips: Vec::new() }
    }
}

/// 7 GB of memory.
const REQUESTS_MAX: usize = 1 << 27;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_rate_and_the_costs_of_their_laws() {
        let synthetic: Synthetic = "poisson rate=100 service=exp:5ms".parse().unwrap();
        let workload = synthetic.workload(Span::from_millis(1_000_000), 3);
        let count = workload.records.len() as f64;
        assert!((count / 1e5 - 1.0).abs() < 0.02, "{count}");
        let mean = workload.records.iter().map(|r| f64::from(r.cpu_us)).sum::<f64>() / count;
        assert!((mean / 5_000.0 - 1.0).abs() < 0.02, "{mean}");
        assert!(workload.records.is_sorted_by_key(Record::arrival_us));
    }
}
