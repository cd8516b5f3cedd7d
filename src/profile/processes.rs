//! Sums per process (by the name that Synapse gives itself) or, in a proxy's log, per upstream.
//!
//! Names come from logs and may be many. Of more than 512 those with the smallest hashes are kept and all others counted together: a rule
//! that depends neither on the order of the requests nor on how they were split.

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
    /// Logged CPU over time, µs.
    pub(super) cpu_over_time: Grid<u64>,
}

impl Processes {
    pub(super) fn new() -> Self {
        Self { index: NumberMap::default(), sums: Vec::new(), recent: [(0, 0); RECENT], limit: OTHERS_HASH }
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
        if other.limit < self.limit {
            self.count_together(other.limit);
        }
        for added in other.sums {
            let index = self.find(added.hash, &added.name);
            self.sums[index as usize].merge(added);
        }
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

    fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.internal_requests += other.internal_requests;
        self.costed += other.costed;
        self.cpu_us += other.cpu_us;
        self.client_cpu_us += other.client_cpu_us;
        self.db_us += other.db_us;
        self.cpu_over_time.merge(other.cpu_over_time);
    }
}

/// 5 s for six hours, 60 s for three days, 300 s for two weeks.
const LADDER_US: &[i64] = &[5_000_000, 15_000_000, 60_000_000, 300_000_000, 900_000_000, 3_600_000_000];
const RECENT: usize = 32;
const PROCESSES_MAX: usize = 512;
const OTHERS: &str = "(others)";
const OTHERS_HASH: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::costed;

    #[test]
    fn of_very_many_processes_the_same_are_kept_whatever_the_order_and_the_split() {
        let mut names = Names::new();
        let upstreams: Vec<_> = (0..3000).map(|n| names.intern(format!("10.0.{}.{}:80", n / 250, n % 250).as_bytes())).collect();
        let counted = |order: &mut dyn Iterator<Item = usize>| {
            let mut processes = Processes::new();
            for number in order {
                processes.observe(&Request { upstream: upstreams[number % 3000], ..costed(0, 0, 1000) }, false, 0, &names);
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
