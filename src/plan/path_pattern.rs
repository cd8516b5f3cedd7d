//! Whether a pattern matches a path of which some segments are not known.
//!
//! A trace keeps templates instead of paths: `/_matrix/client/v3/rooms/{room}/send/{type}/{txn}`. The pattern's automaton reads the known
//! text, and at a placeholder every text that could stand there. Invariant: the answer is exact; where it depends on the unknown text,
//! there is none.

use std::collections::BTreeSet;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};

/// A regular expression that is searched in a path.
#[derive(Debug, Clone)]
pub(super) struct PathPattern {
    automaton: dense::DFA<Vec<u32>>,
}

/// A part of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    /// One segment, not empty.
    Segment,
    /// Any text, also none, over several segments.
    Rest,
}

impl PathPattern {
    /// # Errors
    /// The pattern is too large, or needs more than the bytes of ASCII.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        let automaton = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Unanchored)
                    .dfa_size_limit(Some(SIZE_MAX))
                    .determinize_size_limit(Some(SIZE_MAX)),
            )
            .syntax(syntax::Config::new().unicode(false).utf8(false).nest_limit(NEST_MAX))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(SIZE_MAX)))
            .build(pattern);
        automaton.map(|automaton| Self { automaton }).map_err(|error| error.to_string())
    }

    /// Whether the pattern is found in the path; `None` if that depends on what is not known.
    pub(super) fn matches<'a>(&self, pieces: impl IntoIterator<Item = Piece<'a>>) -> Option<bool> {
        let Ok(first) = self.automaton.start_state(&start::Config::new()) else { return None };
        let mut search = Search { automaton: &self.automaton, states: BTreeSet::from([first]), found: false, failed: false };
        for piece in pieces {
            match piece {
                Piece::Text(text) => text.bytes().for_each(|byte| search.step(byte)),
                Piece::Segment => search.any(|byte| !matches!(byte, b'/' | b'?' | b'#'), false),
                Piece::Rest => search.any(|byte| !matches!(byte, b'?' | b'#'), true),
            }
        }
        search.finish()
    }
}

/// All states that the automaton could be in.
struct Search<'d> {
    automaton: &'d dense::DFA<Vec<u32>>,
    states: BTreeSet<StateID>,
    /// Some text leads to a match.
    found: bool,
    /// Some text leads to none.
    failed: bool,
}

impl Search<'_> {
    fn add(&mut self, state: StateID, states: &mut BTreeSet<StateID>) -> bool {
        if self.automaton.is_match_state(state) {
            self.found = true;
        } else if self.automaton.is_dead_state(state) || self.automaton.is_quit_state(state) {
            self.failed = true;
        } else {
            return states.insert(state);
        }
        false
    }

    fn step(&mut self, byte: u8) {
        let mut after = BTreeSet::new();
        for state in std::mem::take(&mut self.states) {
            let next = self.automaton.next_state(state, byte);
            self.add(next, &mut after);
        }
        self.states = after;
    }

    /// Reads any text of the allowed bytes.
    fn any(&mut self, allowed: fn(u8) -> bool, may_be_empty: bool) {
        let mut reached = if may_be_empty { self.states.clone() } else { BTreeSet::new() };
        let mut next: Vec<StateID> = self.states.iter().copied().collect();
        while let Some(state) = next.pop() {
            for byte in (0..=u8::MAX).filter(|byte| allowed(*byte)) {
                let after = self.automaton.next_state(state, byte);
                if self.add(after, &mut reached) {
                    next.push(after);
                }
            }
        }
        self.states = reached;
    }

    fn finish(mut self) -> Option<bool> {
        for state in std::mem::take(&mut self.states) {
            let end = self.automaton.next_eoi_state(state);
            if self.automaton.is_match_state(end) { self.found = true } else { self.failed = true }
        }
        match (self.found, self.failed) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }
}

/// Memory for one automaton, bytes: a pattern of plan files needs a few thousand.
const SIZE_MAX: usize = 4 << 20;
const NEST_MAX: u32 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, template: &str) -> Option<bool> {
        let mut pieces = Vec::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').unwrap();
            pieces.push(Piece::Text(before));
            pieces.push(if name == "rest" { Piece::Rest } else { Piece::Segment });
            rest = behind;
        }
        pieces.push(Piece::Text(rest));
        PathPattern::new(pattern).unwrap().matches(pieces)
    }

    #[test]
    fn the_answer_is_exact_or_absent() {
        for (pattern, path, expected) in [
            ("^/a/b$", "/a/b", Some(true)),
            ("^/a/b$", "/a/bc", Some(false)),
            ("b", "/a/b", Some(true)),
            ("^/rooms/[^/]+/send/", "/rooms/{room}/send/x", Some(true)),
            ("^/rooms/!b", "/rooms/{room}/send/x", None),
            ("^/rooms/!b", "/rooms/!broom:x/send/{type}", Some(true)),
            ("^/rooms/!b", "/rooms/!room:x/send/{type}", Some(false)),
            ("^/rooms/[^/]*/send", "/rooms/{room}", Some(false)),
            ("/send/m\\.", "/rooms/{room}/send/{type}/{txn}", None),
            ("/send/[^/]+/", "/rooms/{room}/send/{type}/{txn}", Some(true)),
            ("^/a/.*/c$", "/a/{rest}", None),
            ("^/a/", "/a/{rest}", Some(true)),
            ("^/profile/[^/]+$", "/profile/{user}", Some(true)),
            ("^/profile/@bot", "/profile/{user}", None),
            ("(?i)^/A/", "/a/x", Some(true)),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} in {path}");
        }
    }

    #[test]
    fn a_pattern_that_grows_without_end_is_refused() {
        assert!(PathPattern::new("(a|b)*a(a|b){200}(a|b){200}").is_err());
    }
}
