//! Sums per process (by the name that Synapse gives itself) or, in a proxy's log, per upstream. Requests that never reached Synapse are
//! in none.
//!
//! Names come from logs and may be many. Of more than 512 those with the smallest hashes are kept and all others counted together: a rule
//! that depends neither on the order of the requests nor on how they were split.

use std::collections::BTreeMap;

use super::classes::ClassTraits;
use super::model::{Peak, Window};
use super::peaks::{Load, Loads};
use super::sums::is_uncosted;
use wsim_stats::hashing::NumberMap;
use wsim_stats::{Grid, ObservedTime};
use wsim_trace::{NameId, Names, Request, flag};

/// All processes seen, by hash of the name.
#[derive(Debug, Clone)]
pub(super) struct Processes {
    index: NumberMap<u64, u32>,
    sums: Vec<ProcessSums>,
    /// Small cache of `index` by the low bits of the hash.
    recent: [(u64, u32); RECENT],
    /// Names with this hash or a greater one are counted together.
    limit: u64,
}

#[derive(Debug, Clone)]
pub(super) struct ProcessSums {
    hash: u64,
    pub(super) name: String,
    /// Client and federation requests.
    pub(super) requests: u64,
    pub(super) internal_requests: u64,
    /// Requests with logged CPU.
    pub(super) costed: u64,
    pub(super) cpu_us: u64,
    /// The part of `cpu_us` in client and federation requests.
    pub(super) client_cpu_us: u64,
    pub(super) db_us: u64,
    pub(super) transactions: u64,
    /// Whether its own log is among the inputs; otherwise a proxy's log names it as an upstream.
    pub(super) logged: bool,
    /// Successful requests that only the main process serves.
    pub(super) main_only: u64,
    /// `/sync` in any form.
    pub(super) syncs: u64,
    /// Requests of other processes that hand over events to persist.
    pub(super) persists: u64,
    /// Logged CPU, time of transactions, waits for connections, and the prior demand of requests without logged CPU, over time, µs; then the
    /// number of transactions.
    pub(super) cpu_over_time: Grid<u64>,
}

impl Processes {
    pub(super) fn new() -> Self {
        Self { index: NumberMap::default(), sums: Vec::new(), recent: [(0, 0); RECENT], limit: OTHERS_HASH }
    }

    /// Counts a request of the process `name`, with the traits of its class.
    #[expect(clippy::cast_possible_truncation, reason = "only the low bits of a hash are wanted")]
    pub(super) fn observe(&mut self, r: &Request, name: NameId, traits: ClassTraits, start_us: i64, names: &Names) {
        let internal = traits.internal;
        let hash = names.hash(name);
        if hash == 0 {
            return;
        }
        let slot = hash as usize % RECENT;
        if self.recent[slot].0 != hash {
            self.recent[slot] = (hash, self.find(hash, names.text(name)));
        }
        let sums = &mut self.sums[self.recent[slot].1 as usize];
        *(if internal { &mut sums.internal_requests } else { &mut sums.requests }) += 1;
        sums.logged |= r.has(flag::SYNAPSE);
        sums.main_only += u64::from(traits.main_only && (200..400).contains(&r.status));
        sums.syncs += u64::from(traits.sync);
        sums.persists += u64::from(traits.hands_over_events);
        if r.has(flag::COST) {
            let cpu_us = u64::from(r.cpu_us);
            sums.costed += 1;
            sums.cpu_us += cpu_us;
            sums.client_cpu_us += if internal { 0 } else { cpu_us };
            sums.db_us += u64::from(r.db_txn_us);
            sums.transactions += u64::from(r.db_count);
            let (row, _) = sums.cpu_over_time.row_mut(start_us);
            row[0] += cpu_us;
            row[1] += u64::from(r.db_txn_us);
            row[2] += u64::from(r.db_sched_us);
            row[4] += u64::from(r.db_count);
        } else if traits.nominal_us > 0 && is_uncosted(r) {
            sums.cpu_over_time.row_mut(start_us).0[3] += u64::from(traits.nominal_us);
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        if other.limit < self.limit {
            self.count_together(other.limit);
        }
        for added in other.sums {
            let index = self.find(added.hash, &added.name);
            self.sums[index as usize].merge(added);
        }
    }

    /// Counts upstreams that are named after a process (`backend/generic_worker1`) with that process.
    pub(super) fn merge_by_name(&mut self) {
        let logged: BTreeMap<String, usize> =
            self.sums.iter().enumerate().filter(|(_, sums)| sums.logged).map(|(index, sums)| (sums.name.clone(), index)).collect();
        let process_of = |sums: &ProcessSums| {
            let name = sums.name.rsplit('/').next().filter(|_| !sums.logged)?;
            logged.get(name).copied()
        };
        let of: Vec<Option<usize>> = self.sums.iter().map(process_of).collect();
        for (upstream, process) in of.iter().enumerate().filter_map(|(upstream, process)| Some((upstream, (*process)?))) {
            let sums = self.sums[upstream].clone();
            self.sums[process].merge(sums);
        }
        let mut of = of.into_iter();
        self.sums.retain(|_| of.next().flatten().is_none());
        self.recent = [(0, 0); RECENT];
        self.index = (0..).zip(&self.sums).map(|(index, sums)| (sums.hash, index)).collect();
    }

    /// All sums by name, an order that does not depend on that of the requests.
    pub(super) fn sums(&self) -> Vec<&ProcessSums> {
        let mut all: Vec<&ProcessSums> = self.sums.iter().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn find(&mut self, hash: u64, name: &str) -> u32 {
        let full = self.sums.len() >= PROCESSES_MAX + usize::from(self.limit < OTHERS_HASH);
        if full && hash < self.limit && !self.index.contains_key(&hash) {
            let greatest = self.sums.iter().map(|sums| sums.hash).filter(|&held| held != OTHERS_HASH).max();
            self.count_together(greatest.unwrap_or(hash).max(hash));
        }
        let (hash, name) = if hash >= self.limit { (OTHERS_HASH, OTHERS) } else { (hash, name) };
        let index = *self.index.entry(hash).or_insert_with(|| u32::try_from(self.sums.len()).unwrap_or(u32::MAX));
        if index as usize == self.sums.len() {
            self.sums.push(ProcessSums::new(hash, name));
        }
        index
    }

    /// Counts names with the hash `limit` or a greater one together, from now on and so far.
    fn count_together(&mut self, limit: u64) {
        self.limit = limit;
        let (kept, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.sums).into_iter().partition(|sums| sums.hash < limit);
        self.sums = kept;
        self.recent = [(0, 0); RECENT];
        let mut together = ProcessSums::new(OTHERS_HASH, OTHERS);
        others.into_iter().for_each(|sums| together.merge(sums));
        self.sums.push(together);
        self.index = (0..).zip(&self.sums).map(|(index, sums)| (sums.hash, index)).collect();
    }
}

impl ProcessSums {
    /// CPU of the requests in a window, cores; `factor` turns prior demand into CPU.
    pub(super) fn cores_within(&self, window: Window, factor: f64) -> f64 {
        let width = self.cpu_over_time.width_us();
        let overlap = |start: i64| (window.end_us.min(start + width) - window.start_us.max(start)).max(0) as f64 / width as f64;
        let rows = self.cpu_over_time.rows_between(window.start_us.saturating_sub(width - 1), window.end_us);
        let cpu_us: f64 = rows.map(|(start, row)| (row[0] as f64 + row[3] as f64 * factor) * overlap(start)).sum();
        cpu_us / 1e6 / window.seconds()
    }

    /// The five minutes in which its requests take most CPU; `factor` turns prior demand into CPU.
    pub(super) fn own_peak(&self, observed: &ObservedTime, factor: f64) -> Peak {
        let width_us = self.cpu_over_time.width_us();
        let load = |(start_us, row): (i64, &[u64])| Load { start_us, requests: 1, cpu_us: row[0] as f64 + row[3] as f64 * factor };
        let inside = |start_us: i64| observed.overlaps(start_us, start_us + width_us);
        let bins = self.cpu_over_time.rows().map(load).filter(|load| load.cpu_us > 0.0 && inside(load.start_us)).collect();
        Loads { width_us, bins }.peak(observed, PEAK_US, true)
    }

    fn new(hash: u64, name: &str) -> Self {
        Self {
            hash,
            name: name.to_owned(),
            requests: 0,
            internal_requests: 0,
            costed: 0,
            cpu_us: 0,
            client_cpu_us: 0,
            db_us: 0,
            transactions: 0,
            logged: false,
            main_only: 0,
            syncs: 0,
            persists: 0,
            cpu_over_time: Grid::new(LADDER_US, 5, 16, 256),
        }
    }

    fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.internal_requests += other.internal_requests;
        self.costed += other.costed;
        self.cpu_us += other.cpu_us;
        self.client_cpu_us += other.client_cpu_us;
        self.db_us += other.db_us;
        self.transactions += other.transactions;
        self.logged |= other.logged;
        self.main_only += other.main_only;
        self.syncs += other.syncs;
        self.persists += other.persists;
        self.cpu_over_time.merge(other.cpu_over_time);
    }
}

/// 5 s for six hours, 60 s for three days, 300 s for two weeks.
const LADDER_US: &[i64] = &[5_000_000, 15_000_000, 60_000_000, 300_000_000, 900_000_000, 3_600_000_000];
const PEAK_US: i64 = 300_000_000;
const RECENT: usize = 32;
const PROCESSES_MAX: usize = 512;
const OTHERS: &str = "(others)";
const OTHERS_HASH: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Classes;
    use crate::testing::{costed, table};

    #[test]
    fn of_very_many_processes_the_same_are_kept_whatever_the_order_and_the_split() {
        let mut names = Names::new();
        let upstreams: Vec<_> = (0..3000).map(|n| names.intern(format!("10.0.{}.{}:80", n / 250, n % 250).as_bytes())).collect();
        let counted = |order: &mut dyn Iterator<Item = usize>| {
            let mut processes = Processes::new();
            for number in order {
                processes.observe(&costed(0, 0, 1000), upstreams[number % 3000], Classes::new(&table()).traits[0], 0, &names);
            }
            processes
        };
        let content = |processes: &Processes| processes.sums().iter().map(|s| (s.name.clone(), s.requests, s.cpu_us)).collect::<Vec<_>>();
        let whole = content(&counted(&mut (0..6000)));
        assert_eq!((whole.len(), whole.iter().map(|s| s.1).sum::<u64>()), (513, 6000));
        assert_eq!(whole[0], (OTHERS.to_owned(), 2 * (3000 - 512), 2000 * (3000 - 512)));
        assert_eq!(content(&counted(&mut (0..6000).rev())), whole);
        let mut parts = counted(&mut (0..2500));
        parts.merge(counted(&mut (2500..6000)));
        assert_eq!(content(&parts), whole);
        let mut parts = counted(&mut (100..200));
        parts.merge(counted(&mut (0..100).chain(200..6000)));
        assert_eq!(content(&parts), whole);
    }
}
