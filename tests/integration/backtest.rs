//! The model compared with real processes: their traffic is simulated, and the result compared with what they logged. Run with
//! `--no-capture` to see the table of errors.

use std::collections::BTreeMap;
use std::path::Path;

use wsim::profile::process_cpu::ProcessCpu;
use wsim::profile::{Profile, ProfileInputs, Profiler, ProfilerConfig};
use wsim::simulate::backtest::{Backtest, BacktestConfig, Figure, backtest};
use wsim::simulate::prepare::PrepareConfig;
use wsim::simulate::station::{Cpu, Quota};
use wsim::simulate::time::Span;
use wsim::trace::Trace;

use crate::support::{Run, sample};

struct Logs {
    trace: Trace,
    endpoints: Vec<wsim::endpoints::Endpoint>,
    profile: Profile,
    cpu: Option<ProcessCpu>,
}

impl Logs {
    fn read(folder: &str) -> Self {
        let run = Run::analyse(&[folder]);
        let (trace, header) = wsim::parquet::read(&run.folder().join("trace.parquet")).unwrap();
        let mut profiler = Profiler::new(&ProfilerConfig::new(header.endpoints.clone()));
        trace.requests().for_each(|request| profiler.observe(&request, &trace.names));
        profiler.forget(&trace.names);
        let counters = Path::new(folder).join("process-cpu.csv");
        let cpu = counters.exists().then(|| ProcessCpu::read(&counters).unwrap());
        let profile = profiler.finish(&ProfileInputs { process_cpu: cpu.clone(), ..ProfileInputs::default() });
        Self { trace, endpoints: header.endpoints, profile, cpu }
    }

    /// Logs with CPU counters are those of the single worker, which was limited to 5 ms of every 20 ms and started up for the first 15 s.
    fn backtest(&self) -> Backtest {
        let quota = Quota { budget: Span::from_millis(5), period: Span::from_millis(20) };
        let limits = match self.cpu {
            Some(_) => BTreeMap::from([("generic_worker1".to_owned(), Cpu { quota: Some(quota), ..Cpu::CORE })]),
            None => BTreeMap::new(),
        };
        let prepare = PrepareConfig { process_cpu: self.cpu.clone(), limits, ..PrepareConfig::default() };
        let config = BacktestConfig { skip: Some(Span::from_millis(15_000)), ..BacktestConfig::default() };
        backtest(&self.trace, &self.endpoints, &self.profile, &prepare, &config).unwrap()
    }
}

/// Prints the table that `docs/accuracy.md` shows.
fn print_errors(result: &Backtest) {
    for comparison in result.processes.iter().chain(&result.groups).chain([&result.throughput]) {
        eprintln!(
            "| {} | {:?} | {} | {:.3} | {:.3} | {:+.0} % |{}",
            comparison.name,
            comparison.figure,
            comparison.requests,
            comparison.observed,
            comparison.predicted.value,
            comparison.error * 100.0,
            if comparison.counts { "" } else { " too few, or no limit" }
        );
    }
    eprintln!("{}", result.notes.join("\n"));
}

fn error_of(result: &Backtest, name: &str, figure: Figure) -> f64 {
    let all = || result.processes.iter().chain(&result.groups);
    all()
        .find(|comparison| comparison.name == name && comparison.figure == figure)
        .unwrap_or_else(|| panic!("no {figure:?} of {name}"))
        .error
        .abs()
}

#[test]
fn one_worker_is_reproduced_in_a_period_without_calibration() {
    let result = Logs::read(&sample("one-worker")).backtest();
    print_errors(&result);
    assert!(result.passed);
    for process in ["generic_worker1", "event_persister1", "main", "stream_writer1"] {
        assert!(error_of(&result, process, Figure::Utilisation) <= 0.05, "{process}");
    }
    assert!(result.throughput.error.abs() <= 0.01);
    let counted = result.groups.iter().filter(|comparison| comparison.counts).count();
    assert_eq!(counted, 8, "p50 and p95 of client, event_sending, initial_sync and pagination");
    for group in ["client", "event_sending", "pagination"] {
        assert!(error_of(&result, group, Figure::WorkP50) <= 0.25, "{group}");
        assert!(error_of(&result, group, Figure::WorkP95) <= 0.28, "{group}");
        assert!(error_of(&result, group, Figure::WaitP95) <= 0.30, "{group}");
    }
    assert!(error_of(&result, "initial_sync", Figure::WorkP50) <= 0.30);
    assert!(error_of(&result, "initial_sync", Figure::WorkP95) <= 0.15);
}

/// Fourteen processes on two cores. The model does not know that they share a machine, so the published limits do not apply here.
#[test]
fn a_crowded_machine_is_reproduced_less_well() {
    let logs = Logs::read(&sample("cluster"));
    let result = logs.backtest();
    print_errors(&result);
    let errors: Vec<f64> = result.groups.iter().filter(|comparison| comparison.counts).map(|comparison| comparison.error.abs()).collect();
    let within = errors.iter().filter(|error| **error <= 0.30).count();
    assert!(within * 2 >= errors.len(), "{within} of {}", errors.len());
}
