//! The machine that all processes share: what the database and others take of it.

use super::super::topology::Machine;
use crate::profile::{ProcessCpu, Window};
use crate::trace::Trace;

/// Fitted to the counters of PostgreSQL and of what is no Synapse process, where they are given.
pub(super) fn of(cores: f64, trace: &Trace, window: Window, counters: Option<&ProcessCpu>) -> Machine {
    let inside = |at_us: i64| (window.start_us..window.end_us).contains(&at_us);
    let in_transactions: f64 =
        trace.requests().filter(|request| inside(request.arrival_us)).map(|request| f64::from(request.db_txn_us) / 1e6).sum();
    let seconds = |cpu: &crate::profile::process_cpu::CpuCounter| cpu.seconds_between(window.start_us, window.end_us);
    let database: f64 = counters.map_or(0.0, |counters| counters.database().map(seconds).sum());
    let share = if database > 0.0 && in_transactions > 0.0 { (database / in_transactions).clamp(SHARE_MIN, 1.0) } else { SHARE };
    let others = counters.map_or(0.0, |counters| {
        let (all, synapse): (f64, f64) = (counters.counters().iter().map(seconds).sum(), counters.synapse().map(seconds).sum());
        (all - synapse - database).max(0.0) / window.seconds().max(1.0)
    });
    Machine { cores, database: share, others }
}

/// In words.
pub(super) fn note(machine: &Machine, measured: bool) -> String {
    let how = if measured { "measured" } else { "assumed" };
    format!(
        "processes and database share {} cores; the database computes in {:.0} % of the time of a transaction ({how}), others use {:.2} cores",
        machine.cores,
        machine.database * 100.0,
        machine.others
    )
}

/// Without a counter of the database: measured on one cluster of this kind, 0.25 to 0.35.
const SHARE: f64 = 0.3;
const SHARE_MIN: f64 = 0.02;
