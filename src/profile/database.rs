//! How busy a process's database connections are: the time of its transactions, and its requests' waits for connections; and how busy the
//! database is with the transactions of all processes.
//!
//! Knows nothing of how many connections a process has: no log says so.

use super::ceiling::{TransactionBin, ceiling};
use super::model::{DatabaseLoad, DatabaseProfile};
use super::peaks::{Load, Loads};
use super::process_cpu::{ProcessCpu, Software};
use super::processes::ProcessSums;
use wsim_stats::{Grid, ObservedTime};

/// The busiest five minutes of a process by transaction time; `None` where its log shows no transactions.
pub(super) fn database_load(sums: &ProcessSums, observed: &ObservedTime) -> Option<DatabaseLoad> {
    if sums.db_us == 0 {
        return None;
    }
    let over_time = &sums.cpu_over_time;
    let width_us = over_time.width_us();
    let peak = in_transactions(over_time, observed).peak(observed, PEAK_US, true);
    let window = peak.window;
    // A bin that starts before the window may hold its first requests, as in the peak itself.
    let waited: u64 = over_time.rows_between(window.start_us - width_us + 1, window.end_us).map(|(_, row)| row[2]).sum();
    Some(DatabaseLoad {
        window,
        busy: peak.cores?,
        waiting: waited as f64 / 1e6 / window.seconds(),
        transaction_ms: sums.db_us as f64 / 1e3 / sums.transactions.max(1) as f64,
    })
}

/// Time in transactions, in the place of CPU.
fn in_transactions(over_time: &Grid<u64>, observed: &ObservedTime) -> Loads {
    let width_us = over_time.width_us();
    let load = |(start_us, row): (i64, &[u64])| Load { start_us, requests: row[4], cpu_us: row[1] as f64 };
    let inside = |start_us: i64| observed.overlaps(start_us, start_us + width_us);
    Loads { width_us, bins: over_time.rows().filter(|(start_us, row)| row[1] > 0 && inside(*start_us)).map(load).collect() }
}

/// The database as all processes together use it; `None` where no log shows transactions.
pub(super) fn database_profile(
    processes: &[&ProcessSums],
    observed: &ObservedTime,
    counters: Option<&ProcessCpu>,
) -> Option<DatabaseProfile> {
    let seen = || processes.iter().filter(|sums| sums.db_us > 0);
    let all = seen().map(|sums| sums.cpu_over_time.clone()).reduce(|mut all, other| {
        all.merge(other);
        all
    })?;
    let loads = in_transactions(&all, observed);
    let peak = loads.peak(observed, PEAK_US, true);
    let bin_seconds = loads.width_us as f64 / 1e6;
    let bins: Vec<TransactionBin> =
        loads.bins.iter().map(|bin| TransactionBin { transactions: bin.requests as f64, seconds: bin.cpu_us / 1e6 }).collect();
    // Where a process is busy its threads wait for the interpreter, and a log counts that as time of a transaction.
    let busiest = seen().map(|sums| sums.cores_within(peak.window, 0.0)).fold(0.0, f64::max);
    let ceiling = if busiest < BUSY_PROCESS { ceiling(&bins, bin_seconds) } else { None };
    let seconds = observed.seconds().max(1e-6).min(bin_seconds);
    Some(DatabaseProfile {
        window: peak.window,
        busy: peak.cores?,
        largest: bins.iter().map(|bin| bin.seconds / seconds).fold(peak.cores?, f64::max),
        per_second: peak.requests_per_second,
        ceiling_per_second: ceiling,
        cpu_cores: counters.and_then(|counters| database_cores(counters, peak.window.start_us, peak.window.end_us)),
    })
}

/// CPU of PostgreSQL in a span, cores; `None` where its counters do not cover most of it.
fn database_cores(counters: &ProcessCpu, start_us: i64, end_us: i64) -> Option<f64> {
    let of_database = || counters.counters().iter().filter(|counter| counter.software() == Software::Database);
    let covered = |(first, last): (i64, i64)| (last.min(end_us) - first.max(start_us)).max(0) as f64 / (end_us - start_us).max(1) as f64;
    let covers = of_database().map(|counter| covered(counter.span_us())).fold(0.0, f64::max);
    let seconds: f64 = of_database().map(|counter| counter.seconds_between(start_us, end_us)).sum();
    (covers >= COVERED).then(|| seconds / (covers * (end_us - start_us).max(1) as f64 / 1e6))
}

const PEAK_US: i64 = 300_000_000;
/// Cores of a process from which times of transactions are not only the database's.
const BUSY_PROCESS: f64 = 0.5;
/// Share of a span that counters must cover.
const COVERED: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Classes;
    use crate::processes::Processes;
    use crate::testing::{costed, table};
    use wsim_trace::{Names, Request};

    #[test]
    fn busy_connections_are_the_time_of_transactions_per_second_of_the_busiest_five_minutes() {
        let mut names = Names::new();
        let process = names.intern(b"main");
        let mut processes = Processes::new();
        // An hour with one transaction of 1 s every second; in its last five minutes of 3 s each, after a wait of 1 s.
        for second in 0..3600_u32 {
            let busy = second >= 3300;
            let (db_txn_us, db_sched_us) = if busy { (3_000_000, 1_000_000) } else { (1_000_000, 0) };
            let at = i64::from(second) * 1_000_000;
            let request = Request { db_txn_us, db_sched_us, db_count: 1, ..costed(at, 0, 1000) };
            processes.observe(&request, process, Classes::new(&table()).traits[0], at, &names);
        }
        let load = database_load(processes.sums()[0], &ObservedTime::single(0, 3_600_000_000)).unwrap();
        assert_eq!((load.window.start_us, load.busy, load.waiting), (3_300_000_000, 3.0, 1.0));
        assert!((load.transaction_ms - 4200.0 / 3.6).abs() < 1e-9, "{load:?}");
    }

    #[test]
    fn the_database_has_the_transactions_of_all_processes_and_the_cpu_of_its_counter() {
        let mut names = Names::new();
        let mut processes = Processes::new();
        for name in ["main", "worker1"] {
            let process = names.intern(name.as_bytes());
            for second in 0..600_i64 {
                let request = Request { db_txn_us: 500_000, db_count: 2, ..costed(second * 1_000_000, 0, 1000) };
                processes.observe(&request, process, Classes::new(&table()).traits[0], second * 1_000_000, &names);
            }
        }
        let counters = ProcessCpu::parse(b"0,postgres: main,0\n600,postgres: main,150\n0,worker1,0\n600,worker1,300\n").unwrap();
        let observed = ObservedTime::single(0, 600_000_000);
        let database = database_profile(&processes.sums(), &observed, Some(&counters)).unwrap();
        assert!((database.busy - 1.0).abs() < 1e-9 && (database.per_second - 4.0).abs() < 1e-9, "{database:?}");
        assert_eq!((database.cpu_cores, database.ceiling_per_second), (Some(0.25), None));
        assert_eq!(database_profile(&processes.sums(), &observed, None).unwrap().cpu_cores, None);
        assert_eq!(database_profile(&[], &observed, None), None);
    }
}
