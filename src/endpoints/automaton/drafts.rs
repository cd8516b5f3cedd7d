//! The states of an automaton under construction, each once.

use std::collections::HashMap;

use super::build::cell;
use super::{Outcome, PatternError, STATES_MAX};

/// The states under construction. Each is the outcome so far and the NFA states that may still change it, sorted.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    pub(super) outcomes: Vec<Outcome>,
    /// The NFA states of all drafts, one draft after the other.
    threads: Vec<u32>,
    /// Where the NFA states of each draft end.
    ends: Vec<usize>,
    /// The latest draft with a hash.
    by_hash: HashMap<u64, u32>,
    /// For each draft the one before it with the same hash.
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

    /// The number of a draft, which is a new one if there is none like it.
    pub(super) fn number(&mut self, outcome: Outcome, threads: &[u32]) -> Result<u32, PatternError> {
        let hash = hash_of(outcome, threads);
        let mut candidate = self.by_hash.get(&hash).copied();
        let before = candidate;
        while let Some(number) = candidate {
            if self.outcomes[number as usize] == outcome && self.threads(number as usize) == threads {
                return Ok(number);
            }
            candidate = self.before[number as usize];
        }
        if self.len() >= STATES_MAX {
            return Err(PatternError::TooLarge);
        }
        let number = cell(self.len());
        self.outcomes.push(outcome);
        self.threads.extend_from_slice(threads);
        self.ends.push(self.threads.len());
        self.before.push(before);
        self.by_hash.insert(hash, number);
        Ok(number)
    }
}

/// The hash of rustc's own tables: a multiplication for each number.
fn hash_of(outcome: Outcome, threads: &[u32]) -> u64 {
    let start = [outcome.first, outcome.workers, u32::from(outcome.unstreamed)];
    let numbers = start.into_iter().chain(threads.iter().copied());
    numbers.fold(0, |hash: u64, number| (hash.rotate_left(5) ^ u64::from(number)).wrapping_mul(0x517c_c1b7_2722_0a95))
}
