//! One automaton for a whole table: it finds in a single pass which row comes first, and the workers of all rows that match.
//!
//! Owns the compilation of patterns and the hot loop. Knows nothing of methods, queries and group names; of Matrix it knows only the
//! prefixes that most paths have ([`PrefixStates`]), which make it faster but change no result. Invariant: for every path the outcome
//! equals that of trying each pattern alone with a regex engine (dot matches any byte, `$` is the end of the path) and combining the
//! matches. `benches/classify.rs` compares its speed with that of a `RegexSet` of the same rows.
//!
//! How it works: the patterns become one Thompson NFA (regex-automata), which is made deterministic here instead of there, because the
//! usual searches return either the first pattern or, at the cost of a set per search, all of them. Routing needs something in between:
//! the first row, the workers of all rows, and whether one of them has no stream. That outcome is part of a state, and a thread whose row
//! can no longer change it is dropped, which keeps the automaton small (about 8,000 states for the newest table) and lets most searches
//! stop long before the end of the path.

use std::collections::HashMap;

use regex_automata::nfa::thompson::{self, NFA, State, WhichCaptures};
use regex_automata::util::look::Look;
use regex_automata::util::primitives::StateID;
use regex_syntax::hir::{self, Hir, HirKind, Look as Assertion};

/// A row of the table. Its index in the list is its priority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// The pattern, parsed by [`parse_regex`] or [`parse_prefix`].
    pub(super) pattern: Hir,
    /// Bit of the worker type, none for the main process. Rules of the same worker share a bit.
    pub(super) worker: u32,
    /// The row names a stream.
    pub(super) stream: bool,
}

/// The combination of the rows that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Outcome {
    /// Index of the first rule that matched; [`Outcome::NONE`] has none.
    pub(super) first: u32,
    /// Bits of the workers of all rules that matched.
    pub(super) workers: u32,
    /// A rule without a stream matched.
    pub(super) unstreamed: bool,
}

impl Outcome {
    pub(super) const NONE: Self = Self { first: u32::MAX, workers: 0, unstreamed: false };

    fn with(self, index: u32, rule: &Rule) -> Self {
        Self { first: self.first.min(index), workers: self.workers | rule.worker, unstreamed: self.unstreamed | !rule.stream }
    }
}

/// Patterns that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The pattern is not a regular expression that wsim reads.
    #[error("not a regular expression that can be matched ({0})")]
    Syntax(String),
    /// An assertion other than `^` and `$`.
    #[error("assertions other than ^ and $ (such as \\b) are not supported")]
    Assertion,
    /// The patterns together need too many states.
    #[error("the patterns together need more than {STATES_MAX} states: too many or too complex")]
    TooLarge,
}

/// Parses a regular expression as Synapse's document means it: searched in the bytes of a path.
pub(super) fn parse_regex(pattern: &str) -> Result<Hir, PatternError> {
    let hir = regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .dot_matches_new_line(true)
        .nest_limit(50)
        .build()
        .parse(pattern)
        .map_err(|error| PatternError::Syntax(one_line(&error)))?;
    let looks = hir.properties().look_set();
    if looks.iter().any(|look| !matches!(look, Assertion::Start | Assertion::End)) {
        return Err(PatternError::Assertion);
    }
    let anchored = hir.properties().look_set_prefix().contains(Assertion::Start);
    let hir = without_open_end(hir);
    Ok(if anchored { hir } else { Hir::concat(vec![any_bytes(), hir]) })
}

/// A literal path prefix.
pub(super) fn parse_prefix(prefix: &str) -> Hir {
    Hir::concat(vec![Hir::look(Assertion::Start), Hir::literal(prefix.as_bytes())])
}

fn one_line(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        _ => "unknown syntax".to_owned(),
    }
}

fn any_bytes() -> Hir {
    Hir::repetition(hir::Repetition { min: 0, max: None, greedy: false, sub: Box::new(Hir::dot(hir::Dot::AnyByte)) })
}

/// `x.*` and `x.*$` match the same paths as `x`, which needs a smaller automaton and matches earlier.
fn without_open_end(pattern: Hir) -> Hir {
    let HirKind::Concat(parts) = pattern.kind() else { return pattern };
    let open = |part: &Hir| match part.kind() {
        HirKind::Repetition(repetition) => {
            repetition.min == 0 && repetition.max.is_none() && *repetition.sub == Hir::dot(hir::Dot::AnyByte)
        }
        _ => false,
    };
    let end = |part: &Hir| matches!(part.kind(), HirKind::Look(Assertion::End));
    match parts.as_slice() {
        [head @ .., last] if open(last) => Hir::concat(head.to_vec()),
        [head @ .., before, last] if open(before) && end(last) => Hir::concat(head.to_vec()),
        _ => pattern,
    }
}

/// The automaton of one list of rules.
///
/// States are ordered by what the loop does with them: first those in which the outcome is final, then those that only one byte leaves
/// (the search jumps to that byte), then the others. A state is the index of its row in `table`.
#[derive(Debug)]
pub(super) struct Automaton {
    /// Column of each byte.
    columns: Box<[u8; 256]>,
    /// For each state one cell per column (the next state) and a last one (the outcome if the path ends here).
    table: Box<[u32]>,
    width: u32,
    start: u32,
    /// States below are final.
    finals: u32,
    /// States from `finals` to here can be skipped through; see `exits`.
    skips: u32,
    /// The byte that leaves each state of that range.
    exits: Box<[u8]>,
    prefixes: PrefixStates,
    outcomes: Vec<Outcome>,
}

/// The states after the prefixes that nearly all paths have, so that the loop need not walk through them. The prefixes are constants,
/// because only comparisons with constants are faster than the loop.
#[derive(Debug, Clone, Copy, Default)]
struct PrefixStates {
    client: u32,
    v3: u32,
    r0: u32,
    unstable: u32,
    federation: u32,
    v1: u32,
}

impl Automaton {
    /// Compiles the rules; the first has the highest priority. With `first_only` the outcome of a path is that of its first rule alone, as
    /// in a proxy's map.
    pub(super) fn new(rules: &[Rule], first_only: bool) -> Result<Self, PatternError> {
        Builder::new(rules, first_only)?.build()
    }

    /// [`Self::new`] with some of the rules, which keep their indices in the outcomes.
    pub(super) fn of_selection(rules: &[Rule], selection: &[usize], first_only: bool) -> Result<Self, PatternError> {
        let selected: Vec<Rule> = selection.iter().map(|&rule| rules[rule].clone()).collect();
        let mut automaton = Self::new(&selected, first_only)?;
        for outcome in &mut automaton.outcomes {
            if let Some(&rule) = selection.get(outcome.first as usize) {
                outcome.first = cell(rule);
            }
        }
        Ok(automaton)
    }

    /// All outcomes; [`Self::search`] returns an index of them.
    pub(super) fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// Index of the outcome for a path.
    #[inline]
    pub(super) fn search(&self, path: &[u8]) -> usize {
        let (mut state, mut at) = self.skip_prefix(path);
        while let Some(&byte) = path.get(at) {
            state = self.table[state as usize + usize::from(self.columns[usize::from(byte)])];
            at += 1;
            if state < self.skips {
                if state < self.finals {
                    break;
                }
                let exit = self.exits[((state - self.finals) / self.width) as usize];
                match memchr::memchr(exit, &path[at..]) {
                    Some(skipped) => at += skipped,
                    None => break,
                }
            }
        }
        self.table[(state + self.width - 1) as usize] as usize
    }

    /// The state after the path's frequent prefix, and the length of that prefix.
    #[inline]
    fn skip_prefix(&self, path: &[u8]) -> (u32, usize) {
        if let Some((head, tail)) = path.split_first_chunk::<16>()
            && head == b"/_matrix/client/"
        {
            return match tail {
                [b'v', b'3', b'/', ..] => (self.prefixes.v3, 19),
                [b'r', b'0', b'/', ..] => (self.prefixes.r0, 19),
                _ if tail.starts_with(b"unstable/") => (self.prefixes.unstable, 25),
                _ => (self.prefixes.client, 16),
            };
        }
        if let Some((head, tail)) = path.split_first_chunk::<20>()
            && head == b"/_matrix/federation/"
        {
            return match tail {
                [b'v', b'1', b'/', ..] => (self.prefixes.v1, 23),
                _ => (self.prefixes.federation, 20),
            };
        }
        (self.start, 0)
    }

    fn walk(&self, from: u32, bytes: &[u8]) -> u32 {
        bytes.iter().fold(from, |state, &byte| self.table[state as usize + usize::from(self.columns[usize::from(byte)])])
    }
}

/// A state under construction: the outcome so far, and the NFA states that may still change it, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Draft {
    outcome: Outcome,
    threads: Box<[u32]>,
}

struct Builder<'r> {
    rules: &'r [Rule],
    first_only: bool,
    nfa: NFA,
    /// The rule that each NFA state belongs to.
    owner: Vec<u32>,
    /// Cached epsilon closure of each NFA state that a byte can lead to.
    closures: Vec<Option<Box<[u32]>>>,
    /// For each NFA state the last round in which a closure reached it.
    seen: Vec<u32>,
    round: u32,
    drafts: Vec<Draft>,
    numbers: HashMap<Draft, u32>,
}

impl<'r> Builder<'r> {
    fn new(rules: &'r [Rule], first_only: bool) -> Result<Self, PatternError> {
        let patterns: Vec<&Hir> = rules.iter().map(|rule| &rule.pattern).collect();
        let nfa = thompson::Compiler::new()
            .configure(thompson::Config::new().utf8(false).which_captures(WhichCaptures::None).nfa_size_limit(Some(NFA_BYTES_MAX)))
            .build_many_from_hir(&patterns)
            .map_err(|_| PatternError::TooLarge)?;
        let states = nfa.states().len();
        let mut builder = Self {
            rules,
            first_only,
            owner: vec![0; states],
            closures: vec![None; states],
            seen: vec![0; states],
            round: 0,
            drafts: Vec::new(),
            numbers: HashMap::new(),
            nfa,
        };
        builder.find_owners();
        Ok(builder)
    }

    /// Every NFA state leads to the match of exactly one pattern, which is its owner.
    fn find_owners(&mut self) {
        let nfa = self.nfa.clone(); // a reference count
        for pattern in nfa.patterns() {
            let Some(start) = nfa.start_pattern(pattern) else { continue };
            let mark = self.next_round();
            let mut stack = vec![start];
            while let Some(id) = stack.pop() {
                if std::mem::replace(&mut self.seen[id], mark) == mark {
                    continue;
                }
                self.owner[id] = pattern.as_u32();
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
    }

    fn next_round(&mut self) -> u32 {
        self.round += 1;
        self.round
    }

    /// The NFA states that consume a byte, wait for the end or match, reachable from `root` without a byte.
    fn closure(&mut self, root: StateID, at_start: bool, at_end: bool) -> Vec<u32> {
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

    /// Adds the matches among `reached` to the outcome, and keeps the threads that can still change it.
    fn draft_of(&self, mut outcome: Outcome, reached: impl Iterator<Item = u32>) -> Draft {
        let mut threads = Vec::new();
        for id in reached {
            let owner = self.owner[id as usize];
            if matches!(self.nfa.states()[id as usize], State::Match { .. }) {
                outcome = if self.first_only {
                    let best = outcome.first.min(owner);
                    Outcome::NONE.with(best, &self.rules[best as usize])
                } else {
                    outcome.with(owner, &self.rules[owner as usize])
                };
            } else {
                threads.push(id);
            }
        }
        threads.retain(|&id| self.can_change(outcome, self.owner[id as usize]));
        threads.sort_unstable();
        threads.dedup();
        Draft { outcome, threads: threads.into_boxed_slice() }
    }

    fn can_change(&self, outcome: Outcome, rule: u32) -> bool {
        rule < outcome.first || (!self.first_only && outcome.with(rule, &self.rules[rule as usize]) != outcome)
    }

    fn number(&mut self, draft: Draft) -> Result<u32, PatternError> {
        if let Some(&number) = self.numbers.get(&draft) {
            return Ok(number);
        }
        if self.drafts.len() >= STATES_MAX {
            return Err(PatternError::TooLarge);
        }
        let number = u32::try_from(self.drafts.len()).map_err(|_| PatternError::TooLarge)?;
        self.drafts.push(draft.clone());
        self.numbers.insert(draft, number);
        Ok(number)
    }

    /// The state after one byte whose transitions lead to `roots`.
    fn step(&mut self, outcome: Outcome, roots: &[StateID]) -> Result<u32, PatternError> {
        for &root in roots {
            if self.closures[root].is_none() {
                self.closures[root] = Some(self.closure(root, false, false).into_boxed_slice());
            }
        }
        let reached = roots.iter().filter_map(|&root| self.closures[root].as_deref()).flatten().copied();
        let draft = self.draft_of(outcome, reached);
        self.number(draft)
    }

    fn build(mut self) -> Result<Automaton, PatternError> {
        let classes = *self.nfa.byte_classes();
        let samples: Vec<u8> = classes.representatives(..).filter_map(|unit| unit.as_u8()).collect();
        let start = self.closure(self.nfa.start_anchored(), true, false);
        let start = self.draft_of(Outcome::NONE, start.into_iter());
        self.number(start)?;

        let mut next: Vec<u32> = Vec::new();
        let mut last: Vec<Outcome> = Vec::new();
        // For each class of bytes the NFA states to which the threads go.
        let mut roots: Vec<Vec<StateID>> = vec![Vec::new(); samples.len()];
        let mut known: Vec<(usize, u32)> = Vec::new();
        let mut state = 0;
        while let Some(Draft { outcome, threads }) = self.drafts.get(state).cloned() {
            known.clear();
            roots.iter_mut().for_each(Vec::clear);
            for &id in &threads {
                for_each_step(&self.nfa.states()[id as usize], |first, last, to| {
                    let classes = usize::from(classes.get(first))..=usize::from(classes.get(last));
                    roots[classes].iter_mut().for_each(|roots| roots.push(to));
                });
            }
            for class in 0..samples.len() {
                let number = match known.iter().find(|(seen, _)| roots[*seen] == roots[class]) {
                    Some(&(_, number)) => number,
                    None => {
                        let number = self.step(outcome, &roots[class])?;
                        known.push((class, number));
                        number
                    }
                };
                next.push(number);
            }
            last.push(self.at_end(outcome, &threads));
            state += 1;
        }
        let mut columns = Box::new([0_u8; 256]);
        for byte in 0..=255 {
            columns[usize::from(byte)] = classes.get(byte);
        }
        Ok(assemble(&self.drafts, &samples, &next, &last, columns))
    }

    /// The outcome if the path ends in this state.
    fn at_end(&mut self, outcome: Outcome, threads: &[u32]) -> Outcome {
        let mut outcome = outcome;
        for &id in threads {
            if matches!(self.nfa.states()[id as usize], State::Look { .. }) {
                let reached = self.closure(StateID::new_unchecked(id as usize), false, true);
                outcome = self.draft_of(outcome, reached.into_iter()).outcome;
            }
        }
        outcome
    }
}

/// Calls `each` with every range of bytes that leads on from a state, and where it leads. The ranges are disjoint and their ends are those of
/// classes.
fn for_each_step(state: &State, mut each: impl FnMut(u8, u8, StateID)) {
    match state {
        State::ByteRange { trans } => each(trans.start, trans.end, trans.next),
        State::Sparse(sparse) => sparse.transitions.iter().for_each(|trans| each(trans.start, trans.end, trans.next)),
        State::Dense(dense) => {
            for (byte, next) in (0..=u8::MAX).zip(dense.transitions.iter()).filter(|(_, next)| **next != StateID::ZERO) {
                each(byte, byte, *next);
            }
        }
        _ => {}
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
fn assemble(drafts: &[Draft], samples: &[u8], next: &[u32], last: &[Outcome], columns: Box<[u8; 256]>) -> Automaton {
    let bytes_in = |column: usize| columns.iter().filter(|&&other| usize::from(other) == column).count();
    let single: Vec<bool> = (0..samples.len()).map(|column| bytes_in(column) == 1).collect();
    let kinds: Vec<Kind> = drafts
        .iter()
        .zip(next.chunks_exact(samples.len()))
        .enumerate()
        .map(|(state, (draft, cells))| {
            if draft.threads.is_empty() {
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
fn cell(value: usize) -> u32 {
    debug_assert!(value <= STATES_MAX * 257);
    value as u32
}

/// Several times as many states as any table of Synapse needs. A user's own table with more is rejected before it exhausts the memory.
const STATES_MAX: usize = 50_000;
/// The same limit for the NFA, in bytes.
const NFA_BYTES_MAX: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(pattern: &str, worker: u32, stream: bool) -> Rule {
        Rule { pattern: parse_regex(pattern).unwrap(), worker, stream }
    }

    fn outcome(automaton: &Automaton, path: &str) -> Outcome {
        automaton.outcomes()[automaton.search(path.as_bytes())]
    }

    #[test]
    fn the_first_rule_wins_and_the_workers_of_all_are_combined() {
        let rules = [rule("^/a/.*/c$", 1, true), rule("^/a/", 2, false), rule("^/a/b", 1, false)];
        let automaton = Automaton::new(&rules, false).unwrap();
        assert_eq!(outcome(&automaton, "/a/x/c"), Outcome { first: 0, workers: 3, unstreamed: true });
        assert_eq!(outcome(&automaton, "/a/bc"), Outcome { first: 1, workers: 3, unstreamed: true });
        assert_eq!(outcome(&automaton, "/a/d"), Outcome { first: 1, workers: 2, unstreamed: true });
        assert_eq!(outcome(&automaton, "/b"), Outcome::NONE);
        assert_eq!(outcome(&automaton, ""), Outcome::NONE);
    }

    #[test]
    fn a_map_stops_at_its_first_rule() {
        let rules = [rule("^/a/.*/c$", 1, false), rule("^/a/", 2, false)];
        let automaton = Automaton::new(&rules, true).unwrap();
        assert_eq!(outcome(&automaton, "/a/x/c"), Outcome { first: 0, workers: 1, unstreamed: true });
        assert_eq!(outcome(&automaton, "/a/x/d"), Outcome { first: 1, workers: 2, unstreamed: true });
    }

    #[test]
    fn a_pattern_without_a_caret_is_searched_everywhere() {
        let automaton = Automaton::new(&[rule("/sync$", 1, false)], false).unwrap();
        assert_eq!(outcome(&automaton, "/_matrix/client/v3/sync").first, 0);
        assert_eq!(outcome(&automaton, "/sync/sync").first, 0);
        assert_eq!(outcome(&automaton, "/sync/x"), Outcome::NONE);
    }

    #[test]
    fn an_open_end_changes_nothing() {
        for pattern in ["^/a/b", "^/a/b.*", "^/a/b.*$"] {
            let automaton = Automaton::new(&[rule(pattern, 1, false)], false).unwrap();
            assert_eq!(outcome(&automaton, "/a/b").first, 0, "{pattern}");
            assert_eq!(outcome(&automaton, "/a/b/c\nd").first, 0, "{pattern}");
            assert_eq!(outcome(&automaton, "/a/").first, u32::MAX, "{pattern}");
        }
    }

    #[test]
    fn a_loop_with_two_exits_is_not_skipped_through() {
        let automaton = Automaton::new(&[rule("^/.*b", 1, false), rule("^/.*cd$", 1, false)], false).unwrap();
        assert_eq!(outcome(&automaton, "/xxcd").first, 1);
        assert_eq!(outcome(&automaton, "/xxcxb").first, 0);
    }

    #[test]
    fn a_bad_pattern_is_an_error_of_one_line() {
        let error = parse_regex("^/a/(b").unwrap_err().to_string();
        assert!(error.contains("unclosed group") && !error.contains('\n'), "{error}");
        assert_eq!(parse_regex(r"^/a\b"), Err(PatternError::Assertion));
    }

    #[test]
    fn patterns_that_explode_are_rejected() {
        let rules = [rule("^/.*a.{24}$", 1, false)];
        assert_eq!(Automaton::new(&rules, false).err(), Some(PatternError::TooLarge));
    }
}
