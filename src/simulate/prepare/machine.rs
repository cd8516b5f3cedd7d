//! The machine that all processes share: what the database and others take of it.

use super::super::topology::Machine;
use wsim_profile::process_cpu::Role;
use wsim_profile::{ProcessCpu, Window};
use wsim_trace::Trace;

/// Fitted to the counters of PostgreSQL and of what is no Synapse process, where they are given; and in words.
pub(super) fn of(cores: f64, trace: &Trace, window: Window, counters: Option<&ProcessCpu>) -> (Machine, String) {
    let inside = |at_us: i64| (window.start_us..window.end_us).contains(&at_us);
    let in_transactions: f64 =
        trace.requests().filter(|request| inside(request.arrival_us)).map(|request| f64::from(request.db_txn_us) / 1e6).sum();
    let seconds = |role: Role| -> f64 {
        let counters = counters.into_iter().flat_map(ProcessCpu::counters).filter(|counter| counter.role() == role);
        counters.map(|counter| counter.seconds_between(window.start_us, window.end_us)).sum()
    };
    let measured = Some(seconds(Role::Database)).filter(|seconds| *seconds > 0.0 && in_transactions > 0.0);
    let database = measured.map_or(SHARE, |seconds| (seconds / in_transactions).clamp(SHARE_MIN, 1.0));
    let machine = Machine { cores, database, others: seconds(Role::Other) / window.seconds().max(1.0) };
    let how = if measured.is_some() { "measured" } else { "assumed" };
    let note = format!(
        "processes and database share {cores} cores; the database computes in {:.0} % of the time of a transaction ({how}), others use {:.2} cores",
        database * 100.0,
        machine.others
    );
    (machine, note)
}

/// Without a counter of the database: measured on one cluster of this kind, 0.25 to 0.35.
const SHARE: f64 = 0.3;
const SHARE_MIN: f64 = 0.02;
