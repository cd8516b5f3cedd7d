//! The construction of an automaton: a Thompson NFA of all patterns made deterministic.
//!
//! An NFA state's bytes mostly lead to one place (`[^/]` leaves at one byte, a literal goes on at one byte), so a state of the automaton has few successors:
//! one for nearly all bytes, and one for each byte that is an exception for one of its NFA states ([`Step`]). Only these are worked out.

use regex_automata::nfa::thompson::State;
use regex_automata::util::alphabet::ByteClasses;
use regex_automata::util::primitives::StateID;

use super::drafts::Drafts;
use super::nfa::PatternNfa;
use super::{Automaton, Outcome, PatternError, PrefixStates, Rule};

/// What bytes do to an NFA state: all lead to `usual`, except those of some columns.
#[derive(Debug, Clone, Default)]
struct Step {
    usual: Option<u32>,
    except: Box<[(u8, Option<u32>)]>,
}

impl Step {
    fn of(state: &State, classes: &ByteClasses) -> Self {
        let columns = classes.alphabet_len() - 1; // the last one is the end of the path
        let mut targets: Vec<Option<u32>> = vec![None; columns];
        let mut lead = |first: u8, last: u8, next: StateID| {
            let columns = usize::from(classes.get(first))..=usize::from(classes.get(last));
            targets[columns].fill(Some(next.as_u32()));
        };
        match state {
            State::ByteRange { trans } => lead(trans.start, trans.end, trans.next),
            State::Sparse(sparse) => sparse.transitions.iter().for_each(|trans| lead(trans.start, trans.end, trans.next)),
            State::Dense(dense) => {
                for (byte, next) in (0..=255).zip(dense.transitions.iter()) {
                    if *next != StateID::ZERO {
                        lead(byte, byte, *next);
                    }
                }
            }
            _ => return Self::default(),
        }
        // Either one byte leads on, or all but few do.
        let leading = targets.iter().flatten().count();
        let usual = if 2 * leading > columns { targets.iter().flatten().next().copied() } else { None };
        let except = (0_u8..=255).zip(targets).filter(|(_, target)| *target != usual).collect();
        Self { usual, except }
    }

    fn after(&self, column: u8) -> Option<u32> {
        self.except.iter().find(|(other, _)| *other == column).map_or(self.usual, |(_, next)| *next)
    }
}

pub(super) struct Builder<'r> {
    rules: &'r [Rule],
    first_only: bool,
    nfa: PatternNfa,
    /// The rule that each NFA state belongs to.
    owner: Vec<u32>,
    steps: Vec<Step>,
    /// Cached epsilon closure of each NFA state that a byte can lead to.
    closures: Vec<Option<Box<[u32]>>>,
    drafts: Drafts,
    /// Steps that were made: the outcome before them, and the NFA states that the byte leads to. Most states have steps in common.
    known: Drafts,
    /// The drafts that those steps lead to.
    after: Vec<u32>,
    /// The NFA states of the draft that is being made.
    threads: Vec<u32>,
}

impl<'r> Builder<'r> {
    pub(super) fn new(rules: &'r [Rule], first_only: bool) -> Result<Self, PatternError> {
        let nfa = PatternNfa::new(rules)?;
        let classes = *nfa.byte_classes();
        let states = nfa.states();
        Ok(Self {
            rules,
            first_only,
            owner: nfa.owners(),
            steps: states.iter().map(|state| Step::of(state, &classes)).collect(),
            closures: vec![None; states.len()],
            drafts: Drafts::default(),
            known: Drafts::default(),
            after: Vec::new(),
            threads: Vec::new(),
            nfa,
        })
    }

    /// Adds the matches among `reached` to the outcome, and keeps the threads that can still change it, in `self.threads`.
    fn draft_of(&mut self, mut outcome: Outcome, reached: &[u32]) -> Outcome {
        for &id in reached {
            if matches!(self.nfa.states()[id as usize], State::Match { .. }) {
                outcome = self.with(outcome, self.owner[id as usize]);
            }
        }
        self.threads.clear();
        self.threads.extend_from_slice(reached);
        self.finish_draft(outcome)
    }

    fn with(&self, outcome: Outcome, rule: u32) -> Outcome {
        if self.first_only {
            let best = outcome.first.min(rule);
            Outcome::NONE.with(best, &self.rules[best as usize])
        } else {
            outcome.with(rule, &self.rules[rule as usize])
        }
    }

    /// Leaves the threads in `self.threads` that can still change the outcome, sorted.
    fn finish_draft(&mut self, outcome: Outcome) -> Outcome {
        let mut threads = std::mem::take(&mut self.threads);
        threads.retain(|&id| {
            self.can_change(outcome, self.owner[id as usize]) && !matches!(self.nfa.states()[id as usize], State::Match { .. })
        });
        threads.sort_unstable();
        threads.dedup();
        self.threads = threads;
        outcome
    }

    fn can_change(&self, outcome: Outcome, rule: u32) -> bool {
        rule < outcome.first || (!self.first_only && outcome.with(rule, &self.rules[rule as usize]) != outcome)
    }

    /// The state after one byte whose transitions lead to `roots`.
    fn step(&mut self, outcome: Outcome, roots: &[u32]) -> Result<u32, PatternError> {
        let step = self.known.number(outcome, roots) as usize;
        if step == self.after.len() {
            let number = self.new_step(outcome, roots)?;
            self.after.push(number);
        }
        Ok(self.after[step])
    }

    fn new_step(&mut self, mut outcome: Outcome, roots: &[u32]) -> Result<u32, PatternError> {
        self.threads.clear();
        for &root in roots {
            let closure = &mut self.closures[root as usize];
            let reached =
                closure.get_or_insert_with(|| self.nfa.closure(StateID::new_unchecked(root as usize), false, false).into_boxed_slice());
            self.threads.extend_from_slice(reached);
        }
        for index in 0..self.threads.len() {
            let id = self.threads[index] as usize;
            if matches!(self.nfa.states()[id], State::Match { .. }) {
                outcome = self.with(outcome, self.owner[id]);
            }
        }
        self.finish_draft(outcome);
        self.number(outcome)
    }

    /// The draft of the threads in `self.threads`.
    fn number(&mut self, outcome: Outcome) -> Result<u32, PatternError> {
        let number = self.drafts.number(outcome, &self.threads);
        if self.drafts.len() > STATES_MAX { Err(PatternError::TooLarge) } else { Ok(number) }
    }

    pub(super) fn build(mut self) -> Result<Automaton, PatternError> {
        let classes = *self.nfa.byte_classes();
        let samples: Vec<u8> = classes.representatives(..).filter_map(|unit| unit.as_u8()).collect();
        let start = self.nfa.start(false);
        let start = self.draft_of(Outcome::NONE, &start);
        self.number(start)?;

        let mut next: Vec<u32> = Vec::new();
        let mut last: Vec<Outcome> = Vec::new();
        let mut is_exception = vec![false; samples.len()];
        let mut exceptions: Vec<u8> = Vec::new();
        let mut roots: Vec<u32> = Vec::new();
        let mut state = 0;
        while state < self.drafts.len() {
            let outcome = self.drafts.outcomes[state];
            roots.clear();
            for &id in self.drafts.threads(state) {
                let step = &self.steps[id as usize];
                roots.extend(step.usual);
                for (column, _) in &step.except {
                    if !std::mem::replace(&mut is_exception[usize::from(*column)], true) {
                        exceptions.push(*column);
                    }
                }
            }
            // Most bytes lead to the same state: they are no exception for any thread.
            let usual = if exceptions.len() < samples.len() { self.step(outcome, &roots)? } else { 0 };
            let first = next.len();
            next.resize(first + samples.len(), usual);
            // In their order, so that the states have the same numbers however they are found.
            exceptions.sort_unstable();
            for column in exceptions.drain(..) {
                is_exception[usize::from(column)] = false;
                roots.clear();
                roots.extend(self.drafts.threads(state).iter().filter_map(|&id| self.steps[id as usize].after(column)));
                next[first + usize::from(column)] = self.step(outcome, &roots)?;
            }
            last.push(self.at_end(outcome, state));
            state += 1;
        }
        let mut columns = Box::new([0_u8; 256]);
        for byte in 0..=255 {
            columns[usize::from(byte)] = classes.get(byte);
        }
        Ok(assemble(&self.drafts, &samples, &next, &last, columns))
    }

    /// The outcome if the path ends in this state.
    fn at_end(&mut self, mut outcome: Outcome, state: usize) -> Outcome {
        for index in 0..self.drafts.threads(state).len() {
            let id = self.drafts.threads(state)[index];
            if matches!(self.nfa.states()[id as usize], State::Look { .. }) {
                let reached = self.nfa.closure(StateID::new_unchecked(id as usize), false, true);
                outcome = self.draft_of(outcome, &reached);
            }
        }
        outcome
    }
}

/// What the loop may do with a state, in the order of the states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Final,
    Skip(u8),
    Plain,
}

/// Numbers the states and writes the table.
fn assemble(drafts: &Drafts, samples: &[u8], next: &[u32], last: &[Outcome], columns: Box<[u8; 256]>) -> Automaton {
    let bytes_in = |column: usize| columns.iter().filter(|&&other| usize::from(other) == column).count();
    let single: Vec<bool> = (0..samples.len()).map(|column| bytes_in(column) == 1).collect();
    let kinds: Vec<Kind> = next
        .chunks_exact(samples.len())
        .enumerate()
        .map(|(state, cells)| {
            if drafts.threads(state).is_empty() {
                return Kind::Final;
            }
            let mut leaving = (0..cells.len()).filter(|&column| cells[column] as usize != state);
            match (leaving.next(), leaving.next()) {
                (Some(column), None) if single[column] => Kind::Skip(samples[column]),
                _ => Kind::Plain,
            }
        })
        .collect();
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    order.sort_by_key(|&state| (kinds[state] == Kind::Plain, kinds[state] != Kind::Final, state));
    let width = samples.len() + 1;
    let mut index = vec![0_usize; drafts.len()];
    for (position, &state) in order.iter().enumerate() {
        index[state] = position * width;
    }
    let mut outcomes: Vec<Outcome> = last.to_vec();
    outcomes.push(Outcome::NONE);
    outcomes.sort_unstable();
    outcomes.dedup();

    let mut table = Vec::with_capacity(drafts.len() * width);
    for &state in &order {
        let cells = &next[state * samples.len()..(state + 1) * samples.len()];
        table.extend(cells.iter().map(|&target| cell(index[target as usize])));
        // Every outcome is in the list, which was made from `last`.
        table.push(cell(outcomes.binary_search(&last[state]).unwrap_or(0)));
    }
    let finals = kinds.iter().filter(|kind| **kind == Kind::Final).count();
    let exits: Box<[u8]> = order
        .iter()
        .filter_map(|&state| match kinds[state] {
            Kind::Skip(byte) => Some(byte),
            _ => None,
        })
        .collect();
    let mut automaton = Automaton {
        columns,
        table: table.into_boxed_slice(),
        width: cell(width),
        start: cell(index[0]),
        finals: cell(finals * width),
        skips: cell((finals + exits.len()) * width),
        exits,
        prefixes: PrefixStates::default(),
        outcomes,
    };
    let client = automaton.walk(automaton.start, b"/_matrix/client/");
    let federation = automaton.walk(automaton.start, b"/_matrix/federation/");
    automaton.prefixes = PrefixStates {
        client,
        v3: automaton.walk(client, b"v3/"),
        r0: automaton.walk(client, b"r0/"),
        unstable: automaton.walk(client, b"unstable/"),
        federation,
        v1: automaton.walk(federation, b"v1/"),
    };
    automaton
}

#[expect(clippy::cast_possible_truncation, reason = "at most STATES_MAX states of at most 257 cells")]
pub(super) fn cell(value: usize) -> u32 {
    debug_assert!(value <= STATES_MAX * 257);
    value as u32
}

/// Several times as many states as any table of Synapse needs. A user's own table with more is rejected before it exhausts the memory.
pub(super) const STATES_MAX: usize = 50_000;
