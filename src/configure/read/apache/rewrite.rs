//! mod_rewrite: rules of a server, in order.
//!
//! Source: `modules/mappers/mod_rewrite.c` of httpd (`apply_rewrite_list`, `apply_rewrite_rule`, `apply_rewrite_cond`, `do_expand`).
//! Knows nothing of servers behind the proxy.

use super::super::model::{Request, SourceLocation, Unknown};
use super::super::pattern::{Captures, Pattern};
use super::expand::{Found, expanded, variable};
use super::expression::Expression;
use super::lines::Directive;

/// A `RewriteRule` with its conditions.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pattern: Result<Pattern, String>,
    negated: bool,
    substitution: String,
    flags: Flags,
    conditions: Vec<Condition>,
    at: SourceLocation,
}

#[derive(Debug, Clone, Default)]
struct Flags {
    proxy: bool,
    last: bool,
    chain: bool,
    pass_through: bool,
    no_escape: bool,
    appends_query: bool,
    drops_query: bool,
    skip: usize,
    status: Option<u16>,
    environment: Vec<String>,
    /// A flag that is not evaluated.
    unknown: Option<String>,
}

/// A `RewriteCond`.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    text: String,
    test: Test,
    negated: bool,
    or_next: bool,
    at: SourceLocation,
}

#[derive(Debug, Clone)]
enum Test {
    Matches(Result<Pattern, String>),
    Equals(String, bool),
    /// `-f` and similar tests: nothing below `/_matrix` is a file.
    File,
    /// `expr`
    Holds(Expression),
    Unknown,
}

/// What rules make of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rewritten {
    /// No rule decided; the path may be another one.
    Continue,
    /// `[P]`: the address, and whether the path in it is passed on without encoding.
    Proxy {
        url: String,
        no_escape: bool,
        at: SourceLocation,
    },
    Local {
        what: String,
        at: SourceLocation,
    },
}

/// A request while rules change it.
#[derive(Debug, Clone)]
pub(super) struct State<'r> {
    pub(super) request: &'r Request,
    /// The decoded path as it was asked for.
    pub(super) path: String,
    /// What the rules match and change.
    pub(super) uri: String,
    pub(super) query: Option<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) is_tls: bool,
    pub(super) server_name: &'r str,
    pub(super) port: u16,
}

impl Rule {
    /// Reads a rule; its conditions are those since the last rule.
    pub(super) fn new(directive: &Directive, conditions: Vec<Condition>) -> Self {
        let words = words(&directive.rest);
        let word = |index: usize| words.get(index).map_or("", String::as_str);
        let flags = Flags::of(word(2));
        let (negated, pattern) = word(0).strip_prefix('!').map_or((false, word(0)), |rest| (true, rest));
        let ignores_case = has_flag(word(2), &["nc", "nocase"]);
        let pattern = Pattern::new(pattern, ignores_case);
        Self { pattern, negated, substitution: word(1).to_owned(), flags, conditions, at: directive.at.clone() }
    }
}

impl Flags {
    fn of(word: &str) -> Self {
        let mut flags = Self::default();
        for flag in each_flag(word) {
            let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
            match name.to_ascii_lowercase().as_str() {
                "p" | "proxy" => flags.proxy = true,
                "l" | "last" | "end" => flags.last = true,
                "c" | "chain" => flags.chain = true,
                "pt" | "passthrough" => flags.pass_through = true,
                "ne" | "noescape" => flags.no_escape = true,
                "qsa" | "qsappend" => flags.appends_query = true,
                "qsd" | "qsdiscard" => flags.drops_query = true,
                "s" | "skip" => flags.skip = value.parse().unwrap_or(0),
                "f" | "forbidden" => flags.status = Some(403),
                "g" | "gone" => flags.status = Some(410),
                "r" | "redirect" => flags.status = Some(value.parse().unwrap_or(302)),
                "e" | "env" => flags.environment.push(value.to_owned()),
                "" | "nc" | "nocase" | "ns" | "nosubreq" | "co" | "cookie" | "t" | "type" | "b" | "bnp" | "bctls" | "bne" | "dpi"
                | "discardpath" | "qsl" => {}
                other => flags.unknown = Some(other.to_owned()),
            }
        }
        flags
    }
}

impl Condition {
    /// Reads a condition.
    pub(super) fn new(directive: &Directive) -> Self {
        let words = words(&directive.rest);
        let word = |index: usize| words.get(index).map_or("", String::as_str);
        let (negated, pattern) = word(1).strip_prefix('!').map_or((false, word(1)), |rest| (true, rest));
        let ignores_case = has_flag(word(2), &["nc", "nocase"]);
        let test = match pattern {
            "-f" | "-d" | "-s" | "-l" | "-L" | "-h" | "-x" | "-F" | "-U" => Test::File,
            text if word(0).eq_ignore_ascii_case("expr") => Test::Holds(Expression::read(text)),
            text if text.starts_with('=') => Test::Equals(text[1..].trim_matches('"').to_owned(), ignores_case),
            text if text.starts_with(['<', '>'])
                || ["-eq", "-ne", "-lt", "-le", "-gt", "-ge"].iter().any(|start| text.starts_with(start)) =>
            {
                Test::Unknown
            }
            text => Test::Matches(Pattern::new(text, ignores_case)),
        };
        Self { text: word(0).to_owned(), test, negated, or_next: has_flag(word(2), &["or", "ornext"]), at: directive.at.clone() }
    }
}

/// Applies the rules of a server.
///
/// # Errors
/// A rule that could decide cannot be evaluated.
pub(super) fn apply(rules: &[Rule], state: &mut State<'_>) -> Result<Rewritten, Unknown> {
    let mut changed: Option<SourceLocation> = None;
    let mut index = 0;
    while let Some(rule) = rules.get(index) {
        index += 1;
        let Some(found) = matched(rule, state)? else {
            // A chain is left with the first rule that does not match.
            let mut link = rule;
            while link.flags.chain {
                let Some(next) = rules.get(index) else { break };
                (link, index) = (next, index + 1);
            }
            continue;
        };
        if let Some(flag) = &rule.flags.unknown {
            return Err(Unknown::new(format!("the flag {} of a RewriteRule is not evaluated", flag.escape_debug()), &rule.at));
        }
        for assignment in &rule.flags.environment {
            assign(assignment, state, &found, &rule.at)?;
        }
        let is_kept = rule.substitution == "-";
        if !is_kept {
            let text = expanded(&rule.substitution, state, &found, &rule.at)?;
            let is_away = text.contains("://")
                && text.split("://").next().is_some_and(|scheme| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            let (path, query) = text.split_once('?').map_or((text.as_str(), None), |(path, query)| (path, Some(query)));
            state.query = match (query, rule.flags.drops_query) {
                (Some(new), false) if rule.flags.appends_query => Some([new, state.query.as_deref().unwrap_or_default()].join("&")),
                (Some(new), _) => Some(new.to_owned()).filter(|new| !new.is_empty()),
                (None, true) => None,
                (None, false) => state.query.take(),
            };
            path.clone_into(&mut state.uri);
            changed = Some(rule.at.clone());
            if is_away && !rule.flags.proxy && rule.flags.status.is_none() {
                return Ok(Rewritten::Local { what: "a redirect".to_owned(), at: rule.at.clone() });
            }
        }
        if let Some(status) = rule.flags.status {
            return Ok(Rewritten::Local { what: format!("status {status}"), at: rule.at.clone() });
        }
        if rule.flags.proxy {
            return Ok(Rewritten::Proxy { url: state.uri.clone(), no_escape: rule.flags.no_escape, at: rule.at.clone() });
        }
        if !is_kept && rule.flags.pass_through {
            return Ok(Rewritten::Continue);
        }
        if rule.flags.last {
            break;
        }
        index += rule.flags.skip;
    }
    // A path that was changed without PT is that of a file.
    Ok(changed.map_or(Rewritten::Continue, |at| Rewritten::Local { what: A_FILE.to_owned(), at }))
}

/// Whether a rule applies: first its pattern, then its conditions.
fn matched(rule: &Rule, state: &State<'_>) -> Result<Option<Found>, Unknown> {
    let pattern = rule.pattern.as_ref().map_err(|why| Unknown::new(why.clone(), &rule.at))?;
    let captures = pattern.captures(&state.uri);
    if captures.is_some() == rule.negated {
        return Ok(None);
    }
    let mut found = Found { rule: captures.unwrap_or_default(), condition: Captures::default() };
    let mut index = 0;
    while let Some(condition) = rule.conditions.get(index) {
        index += 1;
        let holds = holds(condition, state, &mut found)?;
        if condition.or_next && holds {
            // The rest of the alternatives is skipped, with the one that ends them.
            while rule.conditions.get(index - 1).is_some_and(|condition| condition.or_next) {
                index += 1;
            }
        } else if !holds && !condition.or_next {
            return Ok(None);
        }
    }
    Ok(Some(found))
}

fn holds(condition: &Condition, state: &State<'_>, found: &mut Found) -> Result<bool, Unknown> {
    let text = || expanded(&condition.text, state, found, &condition.at);
    let holds = match &condition.test {
        Test::File => false,
        Test::Holds(expression) => {
            let holds = expression.holds(&|name| variable(name, state));
            holds.map_err(|why| Unknown::new(why, &condition.at))?
        }
        Test::Unknown => return Err(Unknown::new("a RewriteCond of this kind is not evaluated", &condition.at)),
        Test::Equals(value, ignores_case) => {
            let text = text()?;
            if *ignores_case { text.eq_ignore_ascii_case(value) } else { text == *value }
        }
        Test::Matches(pattern) => {
            let pattern = pattern.as_ref().map_err(|why| Unknown::new(why.clone(), &condition.at))?;
            let captures = pattern.captures(&text()?);
            let is_match = captures.is_some();
            if let Some(captures) = captures.filter(|_| !condition.negated) {
                found.condition = captures;
            }
            is_match
        }
    };
    Ok(holds != condition.negated)
}

/// `NAME:value`, or `!NAME` to remove a variable.
fn assign(assignment: &str, state: &mut State<'_>, found: &Found, at: &SourceLocation) -> Result<(), Unknown> {
    let (name, value) = assignment.split_once(':').unwrap_or((assignment, ""));
    let bare = name.trim_start_matches('!');
    let value = expanded(value, state, found, at)?;
    state.environment.retain(|(own, _)| own != bare);
    if !name.starts_with('!') {
        state.environment.push((bare.to_owned(), value));
    }
    Ok(())
}

/// Where a path leads that nothing passes on.
pub(super) const A_FILE: &str = "a file, or status 404";

fn each_flag(word: &str) -> impl Iterator<Item = &str> {
    word.trim_start_matches('[').trim_end_matches(']').split(',').map(str::trim)
}

fn has_flag(word: &str, names: &[&str]) -> bool {
    each_flag(word).any(|flag| names.iter().any(|name| flag.eq_ignore_ascii_case(name)))
}

/// The words of a rule: in quotes, or up to a blank that no backslash hides. Other backslashes stay.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let quote = Some(first).filter(|first| *first == '"' || *first == '\'');
        let inner = rest.get(usize::from(quote.is_some())..).unwrap_or_default();
        let mut is_hidden = false;
        let end = inner.char_indices().find(|(_, c)| {
            let ends = !is_hidden && quote.map_or(c.is_ascii_whitespace(), |quote| *c == quote);
            is_hidden = *c == '\\' && !is_hidden;
            ends
        });
        let (word, after) = end.map_or((inner, ""), |(at, c)| (&inner[..at], &inner[at + c.len_utf8()..]));
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn backslashes_of_rules_stay() {
        assert_eq!(words(r#""^/a\.b$" http://c/$1\ d [P,L]"#), [r"^/a\.b$", r"http://c/$1\ d", "[P,L]"]);
        assert_eq!(words("'open"), ["open"]);
    }

    fn rules(text: &str) -> Vec<Rule> {
        let (mut rules, mut conditions) = (Vec::new(), Vec::new());
        for (index, line) in text.lines().enumerate() {
            let (name, rest) = line.split_once(' ').unwrap();
            let at = SourceLocation::new(&Arc::from("a.conf"), index + 1);
            let directive = Directive { name: name.to_owned(), arguments: Vec::new(), rest: rest.to_owned(), block: None, at };
            match name {
                "cond" => conditions.push(Condition::new(&directive)),
                _ => rules.push(Rule::new(&directive, std::mem::take(&mut conditions))),
            }
        }
        rules
    }

    fn outcome(text: &str, method: &str, target: &str) -> String {
        let request = Request::new(method, target).with_header("Host", "m.example");
        let mut state = State {
            request: &request,
            path: request.path.clone(),
            uri: request.path.clone(),
            query: request.query.clone(),
            environment: Vec::new(),
            is_tls: true,
            server_name: "m.example",
            port: 443,
        };
        match apply(&rules(text), &mut state) {
            Ok(Rewritten::Continue) => format!("on {} {:?}", state.uri, state.environment),
            Ok(Rewritten::Proxy { url, .. }) => format!("to {url}"),
            Ok(Rewritten::Local { what, .. }) => what,
            Err(unknown) => unknown.why,
        }
    }

    #[test]
    fn conditions_are_alternatives_chains_are_left_and_groups_are_filled_in() {
        let text = "cond %{REQUEST_METHOD} =PUT [OR]\ncond %{REQUEST_METHOD} ^POST$\ncond %{QUERY_STRING} (?:^|&)a=([^&]*)\nrule ^/x/(.*) http://s/$1/%1 [P]\n\
                    rule ^/chain - [C]\nrule never - [F]\nrule ^/chain - [G]\nrule ^/env - [E=A:b%{HTTP_HOST}]\nrule ^/skip - [S=1]\nrule ^/ - [E=B:c]\nrule !^/_matrix /other [PT]";
        assert_eq!(outcome(text, "PUT", "/x/y?a=1"), "to http://s/y/1");
        assert_eq!(outcome(text, "POST", "/x/y?b=2&a=1"), "to http://s/y/1");
        assert_eq!(outcome(text, "GET", "/x/y?a=1"), "on /other [(\"B\", \"c\")]");
        // The second rule of the chain does not match, and the third is not part of it.
        assert_eq!(outcome(text, "GET", "/chain"), "status 410");
        assert_eq!(outcome(text, "GET", "/skip"), "on /other []");
        assert_eq!(outcome("rule ^/a http://b/ [L]\nrule ^/f /file\n", "GET", "/a"), "a redirect");
        assert_eq!(outcome("rule ^/f /file", "GET", "/f"), "a file, or status 404");
        assert_eq!(outcome("rule ^/f ${map:$1} [P]", "GET", "/f"), "a RewriteMap is not evaluated");
        assert_eq!(outcome("cond %{LA-U:X} a\nrule ^ - [F]", "GET", "/f"), "%{LA-U:X} is not evaluated");
    }
}
