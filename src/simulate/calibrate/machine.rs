//! The machine that all processes share: CPU of the database and of other programs.

use crate::synapse::topology::Machine;
use wsim_profile::ProcessCpu;
use wsim_profile::process_cpu::Software;
use wsim_stats::ObservedTime;
use wsim_trace::Trace;

/// The machine, from the CPU counters of PostgreSQL and of other programs where they are given, and a note about its sources.
pub(super) fn fit_machine(cores: f64, trace: &Trace, time: &ObservedTime, counters: Option<&ProcessCpu>) -> (Machine, String) {
    let in_transactions: f64 =
        trace.requests().filter(|request| time.contains(request.arrival_us)).map(|request| f64::from(request.db_txn_us) / 1e6).sum();
    let seconds = |software: Software| -> f64 {
        let counters = counters.into_iter().flat_map(ProcessCpu::counters).filter(|counter| counter.software() == software);
        counters.map(|counter| counter.seconds_within(time)).sum()
    };
    let measured = Some(seconds(Software::Database)).filter(|seconds| *seconds > 0.0 && in_transactions > 0.0);
    let database = measured.map_or(DATABASE_SHARE, |seconds| (seconds / in_transactions).clamp(DATABASE_SHARE_MIN, 1.0));
    let machine = Machine { cores, database, others: seconds(Software::Other) / time.seconds().max(1.0) };
    let source = if measured.is_some() { "measured" } else { "assumed" };
    let note = format!(
        "processes and database share {cores} cores; the database computes in {:.0} % of the time of a transaction ({source}), others use {:.2} cores",
        database * 100.0,
        machine.others
    );
    (machine, note)
}

/// Share of a transaction's time in which the database uses CPU, for logs without a counter of the database. Measured on one cluster: 0.25
/// to 0.35.
const DATABASE_SHARE: f64 = 0.3;
const DATABASE_SHARE_MIN: f64 = 0.02;
