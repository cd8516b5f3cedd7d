//! Rules: ``Host(`a`) && (PathPrefix(`/x`) || !Method(`GET`))``.

use super::super::model::Request;
use super::super::pattern::Pattern;
use super::syntax::Call;

/// A rule.
#[derive(Debug, Clone)]
pub(super) enum Rule {
    All(Vec<Rule>),
    Any(Vec<Rule>),
    Not(Box<Rule>),
    Host(Vec<String>),
    HostPattern(Result<Pattern, String>),
    Path(Vec<String>),
    Prefix(Vec<String>),
    PathPattern(Pattern),
    Method(Vec<String>),
    Query(Vec<(String, Option<String>)>),
    QueryPattern(String, Pattern),
    Header(String, String),
    HeaderPattern(String, Pattern),
    Unknown(String),
}

impl Rule {
    /// Parses a rule, and names its matchers. The error is the reason why the rule cannot be evaluated.
    pub(super) fn parse(text: &str) -> (Result<Self, String>, Vec<Call>) {
        let mut parser = Parser { rest: text, depth: 0, calls: Vec::new() };
        let rule = parser.any().and_then(|rule| {
            parser.space();
            if parser.rest.is_empty() { Ok(rule) } else { Err("a rule with something left over at its end".to_owned()) }
        });
        (rule, parser.calls)
    }

    /// Whether the rule holds, or the reason why this is unknown.
    pub(super) fn holds(&self, request: &Request, path: &str) -> Result<bool, String> {
        Ok(match self {
            Self::All(rules) => {
                let mut unknown = None;
                for rule in rules {
                    match rule.holds(request, path) {
                        Ok(false) => return Ok(false),
                        Ok(true) => {}
                        Err(why) => unknown = Some(why),
                    }
                }
                return unknown.map_or(Ok(true), Err);
            }
            Self::Any(rules) => {
                let mut unknown = None;
                for rule in rules {
                    match rule.holds(request, path) {
                        Ok(true) => return Ok(true),
                        Ok(false) => {}
                        Err(why) => unknown = Some(why),
                    }
                }
                return unknown.map_or(Ok(false), Err);
            }
            Self::Not(rule) => !rule.holds(request, path)?,
            // Without a host in the request, the host is assumed to match.
            Self::Host(hosts) => host_of(request).is_none_or(|host| hosts.iter().any(|own| own.eq_ignore_ascii_case(host))),
            Self::HostPattern(pattern) => match host_of(request) {
                Some(host) => pattern.as_ref().map_err(Clone::clone)?.matches(&host.to_ascii_lowercase()),
                None => true,
            },
            Self::Path(paths) => paths.iter().any(|wanted| wanted == path),
            Self::Prefix(paths) => paths.iter().any(|wanted| path.starts_with(wanted.as_str())),
            Self::PathPattern(pattern) => pattern.matches(path),
            Self::Method(methods) => methods.iter().any(|method| method.eq_ignore_ascii_case(&request.method)),
            Self::Query(pairs) => pairs.iter().all(|(name, value)| match (request.parameter(name), value) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(found), Some(value)) => found == value,
            }),
            Self::QueryPattern(name, pattern) => request.parameter(name).is_some_and(|value| pattern.matches(value)),
            Self::Header(name, value) => request.header(name) == Some(value.as_str()),
            Self::HeaderPattern(name, pattern) => request.header(name).is_some_and(|value| pattern.matches(value)),
            Self::Unknown(why) => return Err(why.clone()),
        })
    }
}

impl Rule {
    /// The host names that the rule asks for.
    pub(super) fn host_names(&self) -> Vec<&str> {
        match self {
            Self::All(rules) | Self::Any(rules) => rules.iter().flat_map(Self::host_names).collect(),
            Self::Host(hosts) => hosts.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The same expressions, compared with the host instead of the path.
    fn hosts(self) -> Self {
        match self {
            Self::Any(rules) => Self::Any(rules.into_iter().map(Self::hosts).collect()),
            Self::PathPattern(pattern) => Self::HostPattern(Ok(pattern)),
            other => other,
        }
    }
}

/// The host of a request without its port.
fn host_of(request: &Request) -> Option<&str> {
    let host = request.header("host")?;
    Some(host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(host, _)| host))
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
    /// The matchers so far.
    calls: Vec<Call>,
}

impl Parser<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn taken(&mut self, sign: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn any(&mut self) -> Result<Rule, String> {
        let mut rules = vec![self.all()?];
        while self.taken("||") {
            rules.push(self.all()?);
        }
        Ok(if rules.len() == 1 { rules.swap_remove(0) } else { Rule::Any(rules) })
    }

    fn all(&mut self) -> Result<Rule, String> {
        let mut rules = vec![self.one()?];
        while self.taken("&&") {
            rules.push(self.one()?);
        }
        Ok(if rules.len() == 1 { rules.swap_remove(0) } else { Rule::All(rules) })
    }

    fn one(&mut self) -> Result<Rule, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("a rule with too many brackets inside each other".to_owned());
        }
        let rule = if self.taken("!") {
            Rule::Not(Box::new(self.one()?))
        } else if self.taken("(") {
            let inner = self.any()?;
            if !self.taken(")") {
                return Err("a rule whose bracket is not closed".to_owned());
            }
            inner
        } else {
            self.call()?
        };
        self.depth -= 1;
        Ok(rule)
    }

    fn call(&mut self) -> Result<Rule, String> {
        self.space();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let name = &self.rest[..end];
        self.rest = &self.rest[end..];
        if name.is_empty() || !self.taken("(") {
            return Err("a rule that is not understood".to_owned());
        }
        let mut arguments = Vec::new();
        while !self.taken(")") {
            self.space();
            let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '`' | '"' | '\'')) else {
                return Err("a matcher whose text is not in quotes".to_owned());
            };
            let Some((text, rest)) = self.rest[1..].split_once(quote) else { return Err("a quote that is not closed".to_owned()) };
            arguments.push(if quote == '"' { text.replace("\\\\", "\\") } else { text.to_owned() });
            self.rest = rest;
            self.taken(",");
        }
        self.calls.push((name.to_owned(), arguments.len()));
        Ok(matcher(&name.to_ascii_lowercase(), arguments))
    }
}

fn matcher(name: &str, arguments: Vec<String>) -> Rule {
    let argument = |index: usize| arguments.get(index).cloned().unwrap_or_default();
    let templated = arguments.iter().any(|argument| argument.contains('{'));
    match name {
        "host" | "hostheader" => Rule::Host(arguments),
        // Traefik 2 has templates here: {sub:[a-z]+}.example.org
        "hostregexp" if templated => of_templates(&arguments, true).hosts(),
        "hostregexp" => Rule::HostPattern(Pattern::new(&argument(0), true)),
        "path" if templated => of_templates(&arguments, true),
        "pathprefix" if templated => of_templates(&arguments, false),
        "path" => Rule::Path(arguments),
        "pathprefix" => Rule::Prefix(arguments),
        "pathregexp" => Pattern::new(&argument(0), false).map_or_else(Rule::Unknown, Rule::PathPattern),
        "method" => Rule::Method(arguments),
        "query" if arguments.len() == 2 && !argument(0).contains('=') => Rule::Query(vec![(argument(0), Some(argument(1)))]),
        "query" => {
            let pairs = arguments
                .iter()
                .map(|pair| pair.split_once('=').map_or((pair.clone(), None), |(name, value)| (name.to_owned(), Some(value.to_owned()))));
            Rule::Query(pairs.collect())
        }
        "queryregexp" if arguments.len() == 2 => {
            let name = argument(0);
            Pattern::new(&argument(1), false).map_or_else(Rule::Unknown, |pattern| Rule::QueryPattern(name, pattern))
        }
        "header" | "headers" => Rule::Header(argument(0), argument(1)),
        "headerregexp" | "headersregexp" => {
            let name = argument(0);
            Pattern::new(&argument(1), false).map_or_else(Rule::Unknown, |pattern| Rule::HeaderPattern(name, pattern))
        }
        other => Rule::Unknown(format!("the matcher {} is not evaluated", other.escape_debug())),
    }
}

/// Traefik 2's `/a/{name:[a-z]+}` as an expression.
fn of_templates(arguments: &[String], whole: bool) -> Rule {
    let mut patterns = Vec::new();
    for argument in arguments {
        let mut expression = String::from("^");
        let mut rest = argument.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            expression.push_str(&regex_syntax::escape(before));
            let mut depth = 1usize;
            let Some(end) = after.find(|c| {
                depth = if c == '{' {
                    depth + 1
                } else if c == '}' {
                    depth - 1
                } else {
                    depth
                };
                depth == 0
            }) else {
                return Rule::Unknown("a brace that is not closed".to_owned());
            };
            let inner = after[..end].split_once(':').map_or("[^/]+", |(_, expression)| expression);
            expression.push_str(&format!("(?:{inner})"));
            rest = &after[end + 1..];
        }
        expression.push_str(&regex_syntax::escape(rest));
        if whole {
            expression.push('$');
        }
        match Pattern::new(&expression, false) {
            Ok(pattern) => patterns.push(Rule::PathPattern(pattern)),
            Err(why) => return Rule::Unknown(why),
        }
    }
    Rule::Any(patterns)
}

const DEPTH_MAX: usize = 64;
