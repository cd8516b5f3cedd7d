//! Sums per process (by the name that Synapse gives itself) or, in a proxy's log, per upstream.

use wsim_stats::Grid;
use wsim_stats::hashing::NumberMap;
use wsim_trace::{Names, Request, flag};

/// All processes seen, by hash of the name.
#[derive(Debug, Clone)]
pub(super) struct Processes {
    index: NumberMap<u64, u32>,
    sums: Vec<ProcessSums>,
    /// Small cache of `index` by the low bits of the hash.
    recent: [(u64, u32); RECENT],
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
    /// Logged CPU over time, µs.
    pub(super) cpu_over_time: Grid<u64>,
}

impl Processes {
    pub(super) fn new() -> Self {
        Self { index: NumberMap::default(), sums: Vec::new(), recent: [(0, 0); RECENT] }
    }

    #[expect(clippy::cast_possible_truncation, reason = "only the low bits of a hash are wanted")]
    pub(super) fn observe(&mut self, r: &Request, internal: bool, start_us: i64, names: &Names) {
        let name = if r.process.is_some() { r.process } else { r.upstream };
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
        if r.has(flag::COST) {
            let cpu_us = u64::from(r.cpu_us);
            sums.costed += 1;
            sums.cpu_us += cpu_us;
            sums.client_cpu_us += if internal { 0 } else { cpu_us };
            sums.db_us += u64::from(r.db_txn_us);
            sums.cpu_over_time.row_mut(start_us).0[0] += cpu_us;
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        for added in other.sums {
            let index = self.find(added.hash, &added.name);
            let sums = &mut self.sums[index as usize];
            sums.requests += added.requests;
            sums.internal_requests += added.internal_requests;
            sums.costed += added.costed;
            sums.cpu_us += added.cpu_us;
            sums.client_cpu_us += added.client_cpu_us;
            sums.db_us += added.db_us;
            sums.cpu_over_time.merge(added.cpu_over_time);
        }
    }

    pub(super) fn sums(&self) -> &[ProcessSums] {
        &self.sums
    }

    fn find(&mut self, hash: u64, name: &str) -> u32 {
        // Names come from logs and may be many: new names beyond the limit are counted together.
        let full = self.sums.len() >= PROCESSES_MAX && !self.index.contains_key(&hash);
        let (hash, name) = if full { (OTHERS_HASH, OTHERS) } else { (hash, name) };
        let index = *self.index.entry(hash).or_insert_with(|| u32::try_from(self.sums.len()).unwrap_or(u32::MAX));
        if index as usize == self.sums.len() {
            self.sums.push(ProcessSums::new(hash, name));
        }
        index
    }
}

impl ProcessSums {
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
            cpu_over_time: Grid::new(LADDER_US, 1, 16, 256),
        }
    }
}

/// 5 s for six hours, 60 s for three days, 300 s for two weeks.
const LADDER_US: &[i64] = &[5_000_000, 15_000_000, 60_000_000, 300_000_000, 900_000_000, 3_600_000_000];
const RECENT: usize = 32;
const PROCESSES_MAX: usize = 512;
const OTHERS: &str = "(others)";
const OTHERS_HASH: u64 = u64::MAX;
