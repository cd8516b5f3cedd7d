//! The conditions of `<If>`, `<ElseIf>` and `RewriteCond expr`, for one request. What cannot be evaluated is unknown, and matters only where
//! the rest does not decide.
//!
//! Source: `server/util_expr_parse.y`, `util_expr_scan.l` and `util_expr_eval.c` of httpd.

use super::super::pattern::Pattern;
use wsim_plan::Network;

/// An expression.
#[derive(Debug, Clone)]
pub(super) enum Expression {
    Known(bool),
    Not(Box<Self>),
    /// All must hold.
    All(Vec<Self>),
    /// One must hold.
    Any(Vec<Self>),
    Matches {
        left: Text,
        pattern: Result<Pattern, String>,
        negated: bool,
    },
    Compare {
        left: Text,
        operator: String,
        right: Text,
    },
    OneOf(Text, Vec<Text>),
    Empty(Text, bool),
    /// `-R`: the client's address; `-ipmatch` of another text.
    Address(Option<Text>, Option<Network>),
    Unknown(String),
}

/// Pieces of a text.
#[derive(Debug, Clone)]
pub(super) struct Text(Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    Plain(String),
    /// `%{NAME}`
    Variable(String),
    Unknown(String),
}

/// Whether an expression holds, and why this is not known.
pub(super) type Holds = Result<bool, String>;

impl Expression {
    /// Reads an expression.
    pub(super) fn read(text: &str) -> Self {
        let mut reader = Reader { rest: text.trim(), depth: 0 };
        let expression = reader.any();
        if reader.rest.trim().is_empty() { expression } else { unreadable(reader.rest) }
    }

    /// Whether it holds; `variable` gives the value of a variable, `None` if it is not known.
    ///
    /// # Errors
    /// The reason why it is not known, as a phrase.
    pub(super) fn holds(&self, variable: &dyn Fn(&str) -> Option<String>) -> Holds {
        let text = |text: &Text| text.value(variable);
        match self {
            Self::Known(holds) => Ok(*holds),
            Self::Not(inner) => inner.holds(variable).map(|holds| !holds),
            Self::All(parts) => decided(parts.iter().map(|part| part.holds(variable)), false),
            Self::Any(parts) => decided(parts.iter().map(|part| part.holds(variable)), true),
            Self::Matches { left, pattern, negated } => {
                let pattern = pattern.as_ref().map_err(Clone::clone)?;
                Ok(pattern.matches(&text(left)?) != *negated)
            }
            Self::Compare { left, operator, right } => compared(&text(left)?, operator, &text(right)?),
            Self::OneOf(left, list) => {
                let left = text(left)?;
                decided(list.iter().map(|word| Ok(text(word)? == left)), true)
            }
            Self::Empty(of, wanted) => Ok(text(of)?.is_empty() == *wanted),
            Self::Address(of, network) => {
                let address = match of {
                    Some(of) => text(of)?,
                    None => variable("REMOTE_ADDR").unwrap_or_default(),
                };
                let network = network.as_ref().ok_or("a network that is not evaluated")?;
                Ok(address.parse().is_ok_and(|address| network.contains(address)))
            }
            Self::Unknown(why) => Err(why.clone()),
        }
    }
}

/// The first part that decides; without one an unknown part, or else the opposite.
fn decided(parts: impl Iterator<Item = Holds>, by: bool) -> Holds {
    let mut unknown = None;
    for part in parts {
        match part {
            Ok(holds) if holds == by => return Ok(by),
            Ok(_) => {}
            Err(why) => unknown = unknown.or(Some(why)),
        }
    }
    unknown.map_or(Ok(!by), Err)
}

fn compared(left: &str, operator: &str, right: &str) -> Holds {
    let numbers = || left.trim().parse::<i64>().unwrap_or(0).cmp(&right.trim().parse().unwrap_or(0));
    Ok(match operator {
        "==" | "=" => left == right,
        "!=" => left != right,
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        ">=" => left >= right,
        "-eq" | "eq" => numbers().is_eq(),
        "-ne" | "ne" => numbers().is_ne(),
        "-lt" | "lt" => numbers().is_lt(),
        "-le" | "le" => numbers().is_le(),
        "-gt" | "gt" => numbers().is_gt(),
        "-ge" | "ge" => numbers().is_ge(),
        "-strmatch" | "-fnmatch" | "-strcmatch" => wildcards(right, operator == "-strcmatch")?.matches(left),
        other => return Err(format!("the operator {} is not evaluated", other.escape_debug())),
    })
}

impl Text {
    fn value(&self, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Plain(text) => out.push_str(text),
                Piece::Variable(name) => {
                    out.push_str(&variable(name).ok_or_else(|| format!("%{{{}}} is not evaluated", name.escape_debug()))?);
                }
                Piece::Unknown(what) => return Err(format!("{} is not evaluated", what.escape_debug())),
            }
        }
        Ok(out)
    }

    /// A text in quotes, with variables.
    fn quoted(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("%{") {
            let Some((name, end)) = after.split_once('}') else { break };
            pieces.push(Piece::Plain(before.to_owned()));
            // `%{func:argument}` is a function of the expression, apart from headers, which are a function, too.
            pieces.push(Piece::Variable(name.to_owned()));
            rest = end;
        }
        pieces.push(Piece::Plain(rest.to_owned()));
        Self(pieces)
    }
}

struct Reader<'t> {
    rest: &'t str,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn any(&mut self) -> Expression {
        let mut parts = vec![self.all()];
        while self.takes("||") {
            parts.push(self.all());
        }
        single(parts, Expression::Any)
    }

    fn all(&mut self) -> Expression {
        let mut parts = vec![self.one()];
        while self.takes("&&") {
            parts.push(self.one());
        }
        single(parts, Expression::All)
    }

    fn one(&mut self) -> Expression {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return unreadable(std::mem::take(&mut self.rest));
        }
        let expression = self.term();
        self.depth -= 1;
        expression
    }

    fn term(&mut self) -> Expression {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('!') && !self.rest.starts_with("!=") && !self.rest.starts_with("!~") {
            self.rest = &self.rest[1..];
            return Expression::Not(Box::new(self.one()));
        }
        if self.takes("(") {
            let inner = self.any();
            return if self.takes(")") { inner } else { unreadable(self.rest) };
        }
        for (word, holds) in [("true", true), ("false", false)] {
            if self.word() == word {
                self.rest = &self.rest[word.len()..];
                return Expression::Known(holds);
            }
        }
        if self.rest.starts_with('-') {
            return self.unary();
        }
        let Some(left) = self.text() else { return unreadable(self.rest) };
        self.binary(left)
    }

    /// `-n TEXT`, `-R "10.0.0.0/8"`, `-f FILE`
    fn unary(&mut self) -> Expression {
        let operator = self.word();
        self.rest = &self.rest[operator.len()..];
        let Some(text) = self.text() else { return unreadable(operator) };
        match operator {
            "-n" => Expression::Empty(text, false),
            "-z" => Expression::Empty(text, true),
            "-R" => Expression::Address(None, network(&text)),
            // Nothing below `/_matrix` is a file.
            "-f" | "-d" | "-e" | "-s" | "-L" | "-h" | "-F" => Expression::Known(false),
            other => Expression::Unknown(format!("{} is not evaluated", other.escape_debug())),
        }
    }

    fn binary(&mut self, left: Text) -> Expression {
        self.rest = self.rest.trim_start();
        for (operator, negated) in [("=~", false), ("!~", true)] {
            if self.takes(operator) {
                return match self.pattern() {
                    Some(pattern) => Expression::Matches { left, pattern, negated },
                    None => unreadable(self.rest),
                };
            }
        }
        if self.word() == "in" || self.word() == "-in" {
            self.rest = &self.rest[self.word().len()..];
            let mut list = Vec::new();
            if !self.takes("{") {
                return unreadable(self.rest);
            }
            while !self.takes("}") {
                let Some(word) = self.text().filter(|_| list.len() < WORDS_MAX) else { return unreadable(self.rest) };
                list.push(word);
                self.takes(",");
            }
            return Expression::OneOf(left, list);
        }
        let signs = ["==", "!=", "<=", ">=", "<", ">", "="];
        let operator = match signs.iter().find(|sign| self.rest.starts_with(**sign)) {
            Some(sign) => *sign,
            None if self.rest.starts_with('-') || ["eq", "ne", "lt", "le", "gt", "ge"].contains(&self.word()) => self.word(),
            // A text alone is true unless it is empty.
            None => return Expression::Empty(left, false),
        };
        self.rest = &self.rest[operator.len()..];
        let Some(right) = self.text() else { return unreadable(operator) };
        if operator == "-ipmatch" {
            return Expression::Address(Some(left), network(&right));
        }
        Expression::Compare { left, operator: operator.to_owned(), right }
    }

    /// `'text'`, `"text"`, `%{VARIABLE}`, `req('Host')`, `12`
    fn text(&mut self) -> Option<Text> {
        self.rest = self.rest.trim_start();
        let first = self.rest.chars().next()?;
        if first == '\'' || first == '"' {
            let (inner, end) = self.rest[1..].split_once(first)?;
            self.rest = end;
            return Some(Text::quoted(inner));
        }
        if let Some(after) = self.rest.strip_prefix("%{") {
            let (name, end) = after.split_once('}')?;
            self.rest = end;
            return Some(Text(vec![Piece::Variable(name.to_owned())]));
        }
        let word = self.word();
        self.rest = &self.rest[word.len()..];
        if word.is_empty() {
            return None;
        }
        if self.takes("(") {
            let argument = self.text()?;
            self.takes(")").then_some(())?;
            let name = match argument.0.as_slice() {
                [Piece::Plain(name)] => name.clone(),
                _ => String::new(),
            };
            let piece = match word {
                "req" | "http" | "req_novary" if !name.is_empty() => Piece::Variable(format!("HTTP:{name}")),
                "reqenv" | "env" if !name.is_empty() => Piece::Variable(format!("ENV:{name}")),
                other => Piece::Unknown(format!("{other}()")),
            };
            return Some(Text(vec![piece]));
        }
        Some(Text(vec![Piece::Plain(word.to_owned())]))
    }

    /// `/expression/i`, `m#expression#i`
    fn pattern(&mut self) -> Option<Result<Pattern, String>> {
        self.rest = self.rest.trim_start();
        let after = self.rest.strip_prefix('m').filter(|rest| !rest.starts_with(|c: char| c.is_alphanumeric())).unwrap_or(self.rest);
        let mark = after.chars().next().filter(|mark| mark.is_ascii_punctuation())?;
        let (inner, end) = after[1..].split_once(mark)?;
        let flags = end.len() - end.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
        self.rest = &end[flags..];
        Some(Pattern::new(inner, end[..flags].contains('i')))
    }

    /// A word of letters, digits and what operators begin with.
    fn word(&self) -> &'t str {
        let rest = self.rest.trim_start();
        let is_part = |(at, c): &(usize, char)| !(c.is_ascii_alphanumeric() || "_.:".contains(*c) || (*c == '-' && *at == 0));
        rest.char_indices().find(is_part).map_or(rest, |(end, _)| &rest[..end])
    }

    fn takes(&mut self, sign: &str) -> bool {
        let rest = self.rest.trim_start();
        let found = rest.strip_prefix(sign);
        self.rest = found.unwrap_or(rest);
        found.is_some()
    }
}

/// A text with `*` and `?`, which match slashes, too.
fn wildcards(text: &str, ignore_case: bool) -> Result<Pattern, String> {
    let mut out = "^".to_owned();
    for c in text.chars() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            c if c.is_ascii_punctuation() => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    Pattern::new(&(out + "$"), ignore_case)
}

fn single(mut parts: Vec<Expression>, several: fn(Vec<Expression>) -> Expression) -> Expression {
    if parts.len() > 1 { several(parts) } else { parts.pop().unwrap_or(Expression::Known(false)) }
}

fn network(text: &Text) -> Option<Network> {
    match text.0.as_slice() {
        [Piece::Plain(text)] => Network::parse(text).ok(),
        _ => None,
    }
}

fn unreadable(rest: &str) -> Expression {
    let shown: String = rest.chars().take(40).collect();
    Expression::Unknown(format!("the expression at {:?} is not evaluated", shown))
}

const DEPTH_MAX: usize = 40;
const WORDS_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str) -> Holds {
        Expression::read(text).holds(&|name| match name {
            "REQUEST_METHOD" => Some("PUT".to_owned()),
            "REQUEST_URI" => Some("/_matrix/client/v3/sync".to_owned()),
            "HTTP_HOST" | "HTTP:Host" => Some("m.example".to_owned()),
            "REMOTE_ADDR" => Some("10.1.2.3".to_owned()),
            "QUERY_STRING" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn expressions_are_evaluated_as_httpd_does() {
        for text in [
            "%{REQUEST_METHOD} == 'PUT'",
            "%{REQUEST_URI} =~ m#^/_matrix/.*/SYNC$#i && !(%{REQUEST_METHOD} == 'GET')",
            "req('Host') == \"m.example\" || false",
            "'x%{REQUEST_METHOD}y' = 'xPUTy'",
            "%{REQUEST_METHOD} in { 'GET', 'PUT' }",
            "-z %{QUERY_STRING}",
            "-R '10.0.0.0/8' && %{REMOTE_ADDR} -ipmatch '10.1.0.0/16'",
            "%{HTTP_HOST} -strmatch '*.example'",
            "10 -gt 9 and_more_is_unknown || true",
            "%{REQUEST_URI} !~ /login/",
            "%{REQUEST_METHOD}",
        ] {
            // Trailing text that is no part of an expression is unknown, not ignored.
            let expected = if text.contains("and_more") { None } else { Some(true) };
            assert_eq!(holds(text).ok(), expected, "{text}");
        }
        assert_eq!([holds("false"), holds("%{REQUEST_METHOD} != 'PUT'"), holds("-n %{QUERY_STRING}")], [Ok(false), Ok(false), Ok(false)]);
    }

    #[test]
    fn what_is_unknown_matters_only_where_the_rest_does_not_decide() {
        assert_eq!(holds("%{SSL_CLIENT_VERIFY} == 'x' || %{REQUEST_METHOD} == 'PUT'"), Ok(true));
        assert_eq!(holds("file('/a') == 'x' && %{REQUEST_METHOD} == 'GET'"), Ok(false));
        assert!(holds("%{SSL_CLIENT_VERIFY} == 'x' && %{REQUEST_METHOD} == 'PUT'").unwrap_err().contains("SSL_CLIENT_VERIFY"));
        for text in ["", "(", "a ==", "'", "%{", "m#", "x =~ ", "! ", "-R", "a in {", &"(".repeat(1000), &"!".repeat(1000)] {
            assert!(holds(text).is_err() || text.len() < 4, "{text}");
        }
    }
}
