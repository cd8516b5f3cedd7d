//! Acls and conditions: `if is_sync !{ urlp(since) -m found } or TRUE`.

use std::collections::HashMap;

use super::maps::{self, Wanted, Way};
use super::sample::{Fetch, RequestView, Sample, SampleReader};

/// A criterion and the values that it compares with.
#[derive(Debug, Clone)]
pub(super) struct Criterion {
    sample: Sample,
    way: Way,
    ignore_case: bool,
    wanted: Vec<Wanted>,
    /// The reason why the criterion cannot be evaluated.
    problem: Option<String>,
}

/// Acls by name; several acls with one name are alternatives.
pub(super) type Acls = HashMap<String, Vec<Criterion>>;

/// `if` or `unless` with terms.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    unless: bool,
    /// Alternatives; within each, all terms must hold.
    alternatives: Vec<Vec<Term>>,
}

#[derive(Debug, Clone)]
struct Term {
    negated: bool,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Named(String),
    Inline(Box<Criterion>),
}

impl Criterion {
    /// Parses the words after the name of an acl, or the words in braces.
    pub(super) fn read(words: &[String], reader: &SampleReader<'_>) -> Self {
        let first = words.first().map_or("", String::as_str);
        let (fetch, mut way) = matching(first);
        let sample = reader.read(&fetch);
        let (mut ignore_case, mut problem, mut values) = (false, None, Vec::new());
        let mut keys_only = false;
        let mut rest = words.get(1..).unwrap_or_default().iter();
        let mut flags = true;
        while let Some(word) = rest.next() {
            match (flags, word.as_str()) {
                (true, "-i") => ignore_case = true,
                (true, "-n" | "-u") => {}
                // The files after `-M` are maps, of which the keys are compared.
                (true, "-M") => keys_only = true,
                (true, "-m") => match rest.next().and_then(|word| Way::of(word)) {
                    Some(found) => way = Some(found),
                    None => problem = Some("this way of matching is not evaluated".to_owned()),
                },
                (true, "-f") => {
                    let name = rest.next().map_or("", String::as_str);
                    match reader.text(name) {
                        Ok(text) => {
                            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
                            let key = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
                            values.extend(lines.map(|line| if keys_only { key(line) } else { line.to_owned() }));
                        }
                        Err(why) => problem = Some(why),
                    }
                }
                (true, "--") => flags = false,
                _ => {
                    flags = false;
                    values.push(word.clone());
                }
            }
        }
        let way = way.unwrap_or_else(|| natural(&sample, &values));
        if matches!(way, Way::Int | Way::Len) {
            values = ranges(values);
        }
        let wanted = values.iter().map(|value| Wanted::new(value, way, ignore_case)).collect();
        Self { sample, way, ignore_case, wanted, problem }
    }

    /// Whether the condition holds.
    pub(super) fn holds(&self, view: &RequestView<'_>) -> Result<bool, String> {
        if let Some(problem) = &self.problem {
            return Err(problem.clone());
        }
        let values = self.sample.values(view)?;
        if self.way == Way::Found {
            return Ok(!values.is_empty());
        }
        if self.wanted.is_empty() {
            return Ok(values.iter().any(|value| maps::truth(value)));
        }
        view.spend(values.len().saturating_mul(self.wanted.len()))?;
        let pairs = values.iter().flat_map(|value| self.wanted.iter().map(move |wanted| (value, wanted)));
        any(pairs.map(|(value, wanted)| wanted.holds(value, self.way, self.ignore_case)))
    }

    /// Whether the criterion depends on what no request shows: counters, stick tables, the state of servers.
    pub(super) fn depends_on_state(&self) -> bool {
        self.sample.is_unknown()
    }
}

/// Whether one of several things holds. Where one holds it does not matter that another is unknown.
fn any(things: impl Iterator<Item = Result<bool, String>>) -> Result<bool, String> {
    let mut unknown = None;
    for thing in things {
        match thing {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(why) => unknown = unknown.or(Some(why)),
        }
    }
    unknown.map_or(Ok(false), Err)
}

impl Condition {
    /// Parses the words from `if` or `unless` on; `None` if the line has neither.
    pub(super) fn read(words: &[String], reader: &SampleReader<'_>) -> Option<Self> {
        let start = words.iter().position(|word| word == "if" || word == "unless")?;
        let mut alternatives = vec![Vec::new()];
        let mut rest = words[start + 1..].iter();
        let mut negated = false;
        while let Some(word) = rest.next() {
            let mut word = word.as_str();
            while let Some(inner) = word.strip_prefix('!') {
                negated = !negated;
                word = inner;
            }
            let what = match word {
                "" => continue,
                "or" | "OR" | "||" => {
                    alternatives.push(Vec::new());
                    continue;
                }
                "{" => {
                    let inner: Vec<String> = rest.by_ref().take_while(|word| *word != "}").cloned().collect();
                    What::Inline(Box::new(Criterion::read(&inner, reader)))
                }
                name => What::Named(name.to_owned()),
            };
            if let Some(last) = alternatives.last_mut() {
                last.push(Term { negated: std::mem::take(&mut negated), what });
            }
        }
        Some(Self { unless: words[start] == "unless", alternatives })
    }

    /// Whether the condition holds. A term that is unknown matters only where the others do not decide.
    pub(super) fn holds(&self, acls: &Acls, view: &RequestView<'_>) -> Result<bool, String> {
        let all = |terms: &Vec<Term>| {
            let mut unknown = None;
            for term in terms {
                let holds = match &term.what {
                    What::Inline(criterion) => criterion.holds(view),
                    What::Named(name) => named(name, acls, view),
                };
                match holds {
                    Ok(holds) if holds == term.negated => return Ok(false),
                    Ok(_) => {}
                    Err(why) => unknown = unknown.or(Some(why)),
                }
            }
            unknown.map_or(Ok(true), Err)
        };
        Ok(any(self.alternatives.iter().map(all))? != self.unless)
    }

    /// Whether some term depends on what no request shows.
    pub(super) fn depends_on_state(&self, acls: &Acls) -> bool {
        self.alternatives.iter().flatten().any(|term| match &term.what {
            What::Inline(criterion) => criterion.depends_on_state(),
            What::Named(name) => acls.get(name).is_some_and(|criteria| criteria.iter().any(Criterion::depends_on_state)),
        })
    }
}

fn named(name: &str, acls: &Acls, view: &RequestView<'_>) -> Result<bool, String> {
    if let Some(criteria) = acls.get(name) {
        return any(criteria.iter().map(|criterion| criterion.holds(view)));
    }
    Ok(match name {
        "TRUE" | "HTTP" | "HTTP_1.1" | "HTTP_URL_SLASH" => true,
        "FALSE" | "HTTP_1.0" | "HTTP_URL_ABS" | "HTTP_URL_STAR" => false,
        "METH_GET" => matches!(view.method, "GET" | "HEAD"),
        _ => match name.strip_prefix("METH_") {
            Some(method) => view.method == method,
            None => return Err(format!("there is no acl {}", name.escape_debug())),
        },
    })
}

/// The first word of a criterion: the expression, and the kind of match at the end of its name.
fn matching(word: &str) -> (String, Option<Way>) {
    let end = word.find(['(', ',']).unwrap_or(word.len());
    let (name, rest) = word.split_at(end);
    if let Some((fetch, way)) = name.rsplit_once('_').and_then(|(fetch, way)| Some((fetch, Way::of(way)?)))
        && ["path", "url", "base", "hdr", "req.hdr", "req.fhdr", "urlp", "url_param", "cook", "req.cook", "shdr"].contains(&fetch)
    {
        return (format!("{fetch}{rest}"), Some(way));
    }
    (word.to_owned(), None)
}

fn natural(sample: &Sample, values: &[String]) -> Way {
    match &sample.fetch {
        _ if sample.is_number() => Way::Int,
        Fetch::Source => Way::Ip,
        Fetch::Constant(_) | Fetch::Tls if values.is_empty() => Way::Bool,
        _ => Way::Str,
    }
}

/// `gt 0` and similar comparisons as ranges.
fn ranges(values: Vec<String>) -> Vec<String> {
    let mut operator = "eq".to_owned();
    let mut ranges = Vec::new();
    for value in values {
        match (value.as_str(), value.parse::<i64>()) {
            ("eq" | "gt" | "ge" | "lt" | "le", _) => operator = value,
            (_, Ok(number)) => ranges.push(match operator.as_str() {
                "gt" => format!("{}:", number.saturating_add(1)),
                "ge" => format!("{number}:"),
                "lt" => format!(":{}", number.saturating_sub(1)),
                "le" => format!(":{number}"),
                _ => value,
            }),
            _ => ranges.push(value),
        }
    }
    ranges
}
