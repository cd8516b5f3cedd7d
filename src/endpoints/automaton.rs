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

mod build;
mod drafts;
mod nfa;

use regex_syntax::hir::{self, Hir, HirKind, Look as Assertion};

use build::{Builder, STATES_MAX, cell};
pub(super) use nfa::matching;

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

    /// With a further rule that matches.
    pub(super) fn with_rule(self, index: usize, rule: &Rule) -> Self {
        self.with(cell(index), rule)
    }

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
    fn the_patterns_that_match_one_path_are_found_without_an_automaton() {
        let rules = [rule("^/a/.*/c$", 1, true), rule("^/a/", 2, false), rule("/c$", 1, false), rule("^$", 1, false), rule("", 1, false)];
        for (path, expected) in [("/a/x/c", &[0, 1, 2, 4][..]), ("/a/", &[1, 4]), ("/c", &[2, 4]), ("", &[3, 4]), ("/a", &[4])] {
            assert_eq!(matching(&rules, path.as_bytes()).unwrap(), expected, "{path}");
        }
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
