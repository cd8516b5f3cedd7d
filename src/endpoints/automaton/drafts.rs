//! The states of an automaton under construction, each once.

use wsim_stats::hashing::NumberMap;

use super::Outcome;
use super::build::cell;

/// Lists of numbers, each with an outcome, each pair once. A draft of a state is such a pair: the outcome so far and the NFA states that may still change
/// it, sorted.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    pub(super) outcomes: Vec<Outcome>,
    /// The numbers of all lists, one list after the other.
    threads: Vec<u32>,
    /// Where each list ends.
    ends: Vec<usize>,
    /// The latest list with each hash.
    by_hash: NumberMap<u64, u32>,
    /// For each list the one before it with the same hash.
    before: Vec<Option<u32>>,
}

impl Drafts {
    pub(super) fn len(&self) -> usize {
        self.outcomes.len()
    }

    pub(super) fn threads(&self, number: usize) -> &[u32] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.threads[start..self.ends[number]]
    }

    /// The number of a pair, which is a new one, the number of all before it, if there is none like it.
    pub(super) fn number(&mut self, outcome: Outcome, threads: &[u32]) -> u32 {
        let hash = hash_of(outcome, threads);
        let latest = self.by_hash.get(&hash).copied();
        let mut candidate = latest;
        while let Some(number) = candidate {
            if self.outcomes[number as usize] == outcome && self.threads(number as usize) == threads {
                return number;
            }
            candidate = self.before[number as usize];
        }
        let number = cell(self.len());
        self.outcomes.push(outcome);
        self.threads.extend_from_slice(threads);
        self.ends.push(self.threads.len());
        self.before.push(latest);
        self.by_hash.insert(hash, number);
        number
    }
}

/// The hash of rustc's own tables: a multiplication for each number.
fn hash_of(outcome: Outcome, threads: &[u32]) -> u64 {
    let start = [outcome.first, outcome.workers, u32::from(outcome.unstreamed)];
    let numbers = start.into_iter().chain(threads.iter().copied());
    numbers.fold(0, |hash: u64, number| (hash.rotate_left(5) ^ u64::from(number)).wrapping_mul(0x517c_c1b7_2722_0a95))
}
