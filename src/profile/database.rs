//! How busy a process's database connections are: the time of its transactions, and its requests' waits for connections.
//!
//! Knows nothing of how many connections a process has: no log says so.

use super::model::DatabaseLoad;
use super::peaks::{Load, Loads};
use super::processes::ProcessSums;
use wsim_stats::ObservedTime;

/// The busiest five minutes of a process by transaction time; `None` where its log shows no transactions.
pub(super) fn database_load(sums: &ProcessSums, observed: &ObservedTime) -> Option<DatabaseLoad> {
    if sums.db_us == 0 {
        return None;
    }
    let over_time = &sums.cpu_over_time;
    let width_us = over_time.width_us();
    let load = |(start_us, row): (i64, &[u64])| Load { start_us, requests: 1, cpu_us: row[1] as f64 };
    let inside = |start_us: i64| observed.overlaps(start_us, start_us + width_us);
    let bins = over_time.rows().filter(|(start_us, row)| row[1] > 0 && inside(*start_us)).map(load).collect();
    let peak = Loads { width_us, bins }.peak(observed, PEAK_US, true);
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

const PEAK_US: i64 = 300_000_000;

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
}
