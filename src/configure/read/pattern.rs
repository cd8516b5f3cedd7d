//! A proxy's regular expression: matching with captures.
//!
//! nginx and HAProxy use PCRE, Caddy and Traefik use Go's engine. Matching here is bounded in time, so look-around and back
//! references, which only PCRE has, are not supported; [`Pattern::new`] returns an error for them.

use std::sync::Arc;

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Arc<Regex>,
}

/// The texts that an expression matched: the whole match and the groups, by number and by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captures {
    /// The whole match, then the groups; empty for a group that did not take part.
    pub groups: Vec<String>,
    /// Named groups.
    pub named: Vec<(String, String)>,
}

impl Pattern {
    /// Compiles an expression. The error is the reason why it cannot be evaluated, as a phrase.
    ///
    /// # Errors
    /// The text is not a regular expression, or only a backtracking engine can evaluate it.
    pub fn new(text: &str, ignore_case: bool) -> Result<Self, String> {
        if text.len() > LENGTH_MAX {
            return Err("a regular expression of more than 20 kB".to_owned());
        }
        // PCRE's older syntax of named groups.
        let text = text.replace("(?'", "(?<").replace("\\Z", "\\z");
        let limits = Config::new().nfa_size_limit(Some(SIZE_MAX)).onepass(false);
        let syntax = syntax::Config::new().unicode(false).utf8(false).case_insensitive(ignore_case).nest_limit(NESTING_MAX);
        match Regex::builder().configure(limits).syntax(syntax).build(&text) {
            Ok(regex) => Ok(Self { regex: Arc::new(regex) }),
            Err(_) if ["(?=", "(?!", "(?<=", "(?<!", "\\1"].iter().any(|mark| text.contains(mark)) => {
                Err("a regular expression with look-around or a back reference, which is not evaluated".to_owned())
            }
            Err(_) => Err("a regular expression that is not evaluated".to_owned()),
        }
    }

    /// Whether the expression matches anywhere in the text.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The first match in the text.
    pub fn captures(&self, text: &str) -> Option<Captures> {
        let mut found = self.regex.create_captures();
        self.regex.captures(text, &mut found);
        if !found.is_match() {
            return None;
        }
        let text_of = |span: Option<regex_automata::Span>| {
            span.map(|span| String::from_utf8_lossy(&text.as_bytes()[span.range()]).into_owned()).unwrap_or_default()
        };
        let groups = (0..found.group_len()).map(|group| text_of(found.get_group(group))).collect();
        let names = self.regex.group_info().pattern_names(regex_automata::PatternID::ZERO);
        let named = names.enumerate().filter_map(|(group, name)| Some((name?.to_owned(), text_of(found.get_group(group))))).collect();
        Some(Captures { groups, named })
    }

    /// The text with the first match (or all matches) replaced by the result of `replacement`.
    pub fn replaced(&self, text: &str, all: bool, replacement: impl Fn(&Captures) -> String) -> String {
        let mut out = String::new();
        let mut rest = text;
        for _ in 0..REPLACEMENTS_MAX {
            let Some(span) = self.regex.find(rest) else { break };
            let Some(captures) = self.captures(rest) else { break };
            let (Some(before), Some(after)) = (rest.get(..span.start()), rest.get(span.end()..)) else { break };
            out.push_str(before);
            out.push_str(&replacement(&captures));
            rest = after;
            if !all || span.is_empty() {
                break;
            }
        }
        out + rest
    }
}

const LENGTH_MAX: usize = 20_000;
const SIZE_MAX: usize = 4 << 20;
const NESTING_MAX: u32 = 60;
const REPLACEMENTS_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_number_and_name() {
        let pattern = Pattern::new("Bearer syt_(?<username>.*?)_.*", false).unwrap();
        let captures = pattern.captures("Bearer syt_YWxpY2U_x_y").unwrap();
        assert_eq!(captures.groups[1], "YWxpY2U");
        assert_eq!(captures.named, [("username".to_owned(), "YWxpY2U".to_owned())]);
        assert!(Pattern::new("^/_MATRIX/", true).unwrap().matches("/_matrix/x"));
    }

    #[test]
    fn look_around_is_an_error() {
        assert!(Pattern::new("^/(?!x)", false).unwrap_err().contains("look-around"));
        assert!(Pattern::new("(", false).is_err());
        assert!(Pattern::new("a{1000}{1000}{1000}", false).is_err());
    }

    #[test]
    fn replacing_is_bounded() {
        let pattern = Pattern::new("a*", false).unwrap();
        assert_eq!(pattern.replaced("bbb", true, |_| "x".to_owned()), "xbbb");
        let pattern = Pattern::new("/r0/", false).unwrap();
        assert_eq!(pattern.replaced("/a/r0/b/r0/c", true, |_| "/v3/".to_owned()), "/a/v3/b/v3/c");
        assert_eq!(pattern.replaced("/a/r0/b/r0/c", false, |_| "/v3/".to_owned()), "/a/v3/b/r0/c");
    }
}
