//! A proxy's regular expression: matching with captures.
//!
//! nginx and HAProxy use PCRE, Caddy and Traefik use Go's engine. Matching here is bounded in time, so look-around and back
//! references, which only PCRE has, are not supported; [`Pattern::new`] returns an error for them.

use std::cell::Cell;
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

thread_local! {
    /// How many more expressions may be compiled, and how many bytes they may take; `None` outside of a [`PatternBudget`].
    static LEFT: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
}

/// Bounds the expressions of one configuration: while it lives, this thread compiles [`PATTERNS_MAX`] of them, and every further one is an
/// error with this reason. Expressions are compiled in a dozen places of five readers, and a single one that was forgotten would leave
/// memory unbounded, so the bound is here and not handed around.
#[derive(Debug)]
pub struct PatternBudget {
    before: Option<(usize, usize)>,
}

impl PatternBudget {
    /// A budget for the configuration that is read next.
    pub fn start() -> Self {
        Self { before: LEFT.replace(Some((PATTERNS_MAX, PATTERN_BYTES_MAX))) }
    }
}

impl Drop for PatternBudget {
    fn drop(&mut self) {
        LEFT.set(self.before);
    }
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
        if LEFT.get().is_some_and(|(patterns, bytes)| patterns == 0 || bytes == 0) {
            return Err(format!(
                "not evaluated, because the configuration has more than {PATTERNS_MAX} regular expressions, or very large ones"
            ));
        }
        // PCRE's older syntax of named groups.
        let text = text.replace("(?'", "(?<").replace("\\Z", "\\z");
        // Automata that are built while matching are faster on long texts, and larger than all else here. Paths are short.
        let limits = Config::new().nfa_size_limit(Some(SIZE_MAX)).onepass(false).hybrid(false).dfa(false);
        let syntax = syntax::Config::new().unicode(false).utf8(false).case_insensitive(ignore_case).nest_limit(NESTING_MAX);
        match Regex::builder().configure(limits).syntax(syntax).build(&text) {
            Ok(regex) => {
                let left = |(patterns, bytes): (usize, usize)| (patterns.saturating_sub(1), bytes.saturating_sub(regex.memory_usage()));
                LEFT.set(LEFT.get().map(left));
                Ok(Self { regex: Arc::new(regex) })
            }
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

    /// The text with the first match (or all matches) replaced. In the replacement `\1` is a group, and `\0` the whole match.
    ///
    /// # Errors
    /// The text grew beyond [`TEXT_MAX`].
    pub fn replaced(&self, text: &str, all: bool, replacement: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        for _ in 0..REPLACEMENTS_MAX {
            let Some(span) = self.regex.find(rest) else { break };
            let Some(captures) = self.captures(rest) else { break };
            let (Some(before), Some(after)) = (rest.get(..span.start()), rest.get(span.end()..)) else { break };
            out.push_str(before);
            expand(replacement, &captures, &mut out)?;
            rest = after;
            if !all || span.is_empty() {
                break;
            }
        }
        bounded(out + rest)
    }
}

impl Captures {
    /// A replacement, in which `\1` is a group and `\0` the whole match.
    ///
    /// # Errors
    /// The text grew beyond [`TEXT_MAX`].
    pub fn expanded(&self, replacement: &str) -> Result<String, String> {
        let mut out = String::new();
        expand(replacement, self, &mut out)?;
        bounded(out)
    }
}

/// Appends a replacement with its groups.
fn expand(replacement: &str, captures: &Captures, out: &mut String) -> Result<(), String> {
    let mut rest = replacement;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        match after.as_bytes().first() {
            Some(digit @ b'0'..=b'9') => {
                out.push_str(captures.groups.get(usize::from(digit - b'0')).map_or("", String::as_str));
                rest = &after[1..];
            }
            _ => {
                out.push('\\');
                rest = after;
            }
        }
        if out.len() > TEXT_MAX {
            return Err(GROWS.to_owned());
        }
    }
    out.push_str(rest);
    Ok(())
}

/// A text that a rule made, or an error if rules make it longer and longer.
///
/// # Errors
/// The text is longer than [`TEXT_MAX`].
pub fn bounded(text: String) -> Result<String, String> {
    if text.len() > TEXT_MAX { Err(GROWS.to_owned()) } else { Ok(text) }
}

/// The longest text that rules may make of a request, bytes. No proxy sends on a path of that length.
pub const TEXT_MAX: usize = 100_000;
const GROWS: &str = "a text that grows beyond 100 kB";

const LENGTH_MAX: usize = 20_000;
const SIZE_MAX: usize = 4 << 20;
const NESTING_MAX: u32 = 60;
const REPLACEMENTS_MAX: usize = 1000;
/// Of one configuration, maps and lists included. A release's endpoint table has a hundred.
const PATTERNS_MAX: usize = 2000;
const PATTERN_BYTES_MAX: usize = 48 << 20;

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
        let replaced = |pattern: &str, text: &str, all, by: &str| Pattern::new(pattern, false).unwrap().replaced(text, all, by);
        assert_eq!(replaced("a*", "bbb", true, "x").unwrap(), "xbbb");
        assert_eq!(replaced("/r0/", "/a/r0/b/r0/c", true, "/v3/").unwrap(), "/a/v3/b/v3/c");
        assert_eq!(replaced("/r0/", "/a/r0/b/r0/c", false, "/v3/").unwrap(), "/a/v3/b/r0/c");
        assert_eq!(replaced("^/(a)/(.*)$", "/a/\\1", false, "\\2-\\1-\\9\\x\\").unwrap(), "\\1-a-\\x\\", "a group is not expanded again");
        let whole = "\\0".repeat(5000);
        assert!(replaced("^.*$", &"x".repeat(1000), false, &whole).unwrap_err().contains("grows beyond 100 kB"));
    }

    #[test]
    fn a_configuration_has_so_many_expressions_at_most() {
        let compile = |count: usize| (0..count).filter(|n| Pattern::new(&format!("^/{n}"), false).is_ok()).count();
        let budget = PatternBudget::start();
        assert_eq!(compile(PATTERNS_MAX + 10), PATTERNS_MAX);
        assert!(Pattern::new("a", false).unwrap_err().contains("more than 2000 regular expressions"));
        drop(budget);
        assert_eq!(compile(10), 10);
        let _budget = PatternBudget::start();
        let large = (0..PATTERNS_MAX).filter(|n| Pattern::new(&format!("[a-z]{{9000}}{n}"), false).is_ok()).count();
        assert!((10..PATTERNS_MAX / 2).contains(&large), "{large} large expressions");
    }
}
