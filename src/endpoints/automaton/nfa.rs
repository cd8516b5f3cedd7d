//! The NFA of a list of patterns: its epsilon closures, and all patterns that match one path.

use std::ops::Deref;

use regex_automata::nfa::thompson::{self, NFA, State, WhichCaptures};
use regex_automata::util::look::Look;
use regex_automata::util::primitives::StateID;
use regex_syntax::hir::Hir;

use super::{PatternError, Rule};

/// A Thompson NFA (regex-automata's), with what its closures need.
pub(super) struct PatternNfa {
    nfa: NFA,
    /// For each state the last round in which a closure reached it.
    seen: Vec<u32>,
    round: u32,
}

impl Deref for PatternNfa {
    type Target = NFA;

    fn deref(&self) -> &NFA {
        &self.nfa
    }
}

impl PatternNfa {
    pub(super) fn new(rules: &[Rule]) -> Result<Self, PatternError> {
        let patterns: Vec<&Hir> = rules.iter().map(|rule| &rule.pattern).collect();
        let nfa = thompson::Compiler::new()
            .configure(thompson::Config::new().utf8(false).which_captures(WhichCaptures::None).nfa_size_limit(Some(NFA_BYTES_MAX)))
            .build_many_from_hir(&patterns)
            .map_err(|_| PatternError::TooLarge)?;
        Ok(Self { seen: vec![0; nfa.states().len()], round: 0, nfa })
    }

    /// The closure of the start.
    pub(super) fn start(&mut self, at_end: bool) -> Vec<u32> {
        self.closure(self.nfa.start_anchored(), true, at_end)
    }

    /// Every NFA state leads to the match of exactly one pattern, which is its owner.
    pub(super) fn owners(&self) -> Vec<u32> {
        let nfa = &self.nfa;
        let mut owner = vec![0; nfa.states().len()];
        let mut seen = vec![false; nfa.states().len()];
        for pattern in nfa.patterns() {
            let Some(start) = nfa.start_pattern(pattern) else { continue };
            let mut stack = vec![start];
            while let Some(id) = stack.pop() {
                if std::mem::replace(&mut seen[id], true) {
                    continue;
                }
                owner[id] = pattern.as_u32();
                match nfa.state(id) {
                    State::ByteRange { trans } => stack.push(trans.next),
                    State::Sparse(sparse) => stack.extend(sparse.transitions.iter().map(|trans| trans.next)),
                    State::Dense(dense) => stack.extend(dense.transitions.iter().copied()),
                    State::Look { next, .. } | State::Capture { next, .. } => stack.push(*next),
                    State::Union { alternates } => stack.extend(alternates.iter().copied()),
                    State::BinaryUnion { alt1, alt2 } => stack.extend([*alt1, *alt2]),
                    State::Match { .. } | State::Fail => {}
                }
            }
        }
        owner
    }

    fn next_round(&mut self) -> u32 {
        self.round += 1;
        self.round
    }

    /// The NFA states that consume a byte, wait for the end or match, reachable from `root` without a byte.
    pub(super) fn closure(&mut self, root: StateID, at_start: bool, at_end: bool) -> Vec<u32> {
        let mark = self.next_round();
        let (mut stack, mut reached) = (vec![root], Vec::new());
        while let Some(id) = stack.pop() {
            if std::mem::replace(&mut self.seen[id], mark) == mark {
                continue;
            }
            match self.nfa.state(id) {
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) | State::Match { .. } => {
                    reached.push(id.as_u32());
                }
                State::Look { look, next } => match look {
                    Look::Start if at_start => stack.push(*next),
                    Look::End if at_end => stack.push(*next),
                    Look::End => reached.push(id.as_u32()),
                    _ => {}
                },
                State::Capture { next, .. } => stack.push(*next),
                State::Union { alternates } => stack.extend(alternates.iter().copied()),
                State::BinaryUnion { alt1, alt2 } => stack.extend([*alt1, *alt2]),
                State::Fail => {}
            }
        }
        reached
    }
}

/// Indices of all rules whose pattern matches a path, without an automaton: for single paths, for which making one takes too long.
///
/// # Errors
/// The patterns together are too large.
pub(in super::super) fn matching(rules: &[Rule], path: &[u8]) -> Result<Vec<usize>, PatternError> {
    let mut nfa = PatternNfa::new(rules)?;
    let mut matched = vec![false; rules.len()];
    let mut threads = nfa.start(path.is_empty());
    let mut note = |nfa: &NFA, threads: &[u32]| {
        for &id in threads {
            if let State::Match { pattern_id } = nfa.states()[id as usize] {
                matched[pattern_id.as_usize()] = true;
            }
        }
    };
    note(&nfa, &threads);
    for (index, &byte) in path.iter().enumerate() {
        let at_end = index + 1 == path.len();
        let mut roots: Vec<StateID> = threads.iter().filter_map(|&id| after_byte(&nfa.states()[id as usize], byte)).collect();
        roots.sort_unstable();
        roots.dedup();
        threads = roots.into_iter().flat_map(|root| nfa.closure(root, false, at_end)).collect();
        threads.sort_unstable();
        threads.dedup();
        note(&nfa, &threads);
    }
    Ok((0..rules.len()).filter(|&rule| matched[rule]).collect())
}

fn after_byte(state: &State, byte: u8) -> Option<StateID> {
    match state {
        State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
        State::Sparse(sparse) => sparse.matches_byte(byte),
        State::Dense(dense) => dense.matches_byte(byte),
        _ => None,
    }
}

/// Bytes of an NFA: a user's own table with more is rejected before it exhausts the memory.
const NFA_BYTES_MAX: usize = 16 << 20;
