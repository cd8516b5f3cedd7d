//! The model against a real worker: samples/one-worker, with the CPU of every process.

use std::collections::BTreeMap;

use wsim::profile::process_cpu::ProcessCpu;
use wsim::profile::{Extras, Profile, Profiler, Settings};
use wsim::simulate::backtest::{Backtest, BacktestSettings, backtest};
use wsim::simulate::prepare::PrepareSettings;
use wsim::simulate::station::{Cpu, Quota};
use wsim::simulate::time::Span;
use wsim::trace::{self, Trace};

use crate::support::{Run, sample};

struct Logs {
    trace: Trace,
    endpoints: Vec<wsim::endpoints::Endpoint>,
    profile: Profile,
    cpu: ProcessCpu,
}

impl Logs {
    fn one_worker() -> Self {
        let run = Run::analyse(&[std::env::var("LOGS").unwrap_or_else(|_| sample("one-worker"))]);
        let (trace, header) = trace::parquet::read(&run.folder().join("trace.parquet")).unwrap();
        let mut profiler = Profiler::new(&Settings::new(header.endpoints.clone()));
        trace.requests().for_each(|request| profiler.observe(&request, &trace.names));
        let cpu = ProcessCpu::read(std::path::Path::new(&sample("one-worker/process-cpu.csv"))).unwrap();
        let profile = profiler.finish(&Extras { process_cpu: Some(cpu.clone()), inferred: None, user_key: None });
        Self { trace, endpoints: header.endpoints, profile, cpu }
    }

    /// The worker was held to 5 ms of every 20 ms; the first 15 s are start-up.
    fn backtest(&self) -> Backtest {
        let quota = Quota { budget: Span::from_millis(5), period: Span::from_millis(20) };
        let limits = BTreeMap::from([("generic_worker1".to_owned(), Cpu { quota: Some(quota), ..Cpu::CORE })]);
        let settings = PrepareSettings { process_cpu: Some(self.cpu.clone()), limits, ..PrepareSettings::default() };
        let how = BacktestSettings { skip: Span::from_millis(15_000), ..BacktestSettings::default() };
        backtest(&self.trace, &self.endpoints, &self.profile, &settings, &how).unwrap()
    }
}

#[test]
fn one_worker_is_reproduced() {
    let logs = Logs::one_worker();
    let result = logs.backtest();
    let all = || result.processes.iter().chain(&result.groups).chain([&result.throughput]);
    for one in all() {
        eprintln!(
            "{:20} {:12} n={:4} observed {:8.3} predicted {:8.3} ({:.3} to {:.3}) error {:+.0} % {}",
            one.name,
            format!("{:?}", one.figure),
            one.requests,
            one.observed,
            one.predicted.value,
            one.predicted.low,
            one.predicted.high,
            one.error * 100.0,
            if one.counts { "" } else { "(does not count)" }
        );
    }
    eprintln!("{:#?} {}", result.notes, result.passed);
    assert!(result.passed);
}
