//! What a route matches: path, headers, query parameters.
//!
//! Source: `source/common/router/config_impl.cc`, `source/common/http/header_utility.cc`: expressions match the whole text.

use super::super::model::Request;
use super::super::pattern::Pattern;
use super::super::tree::Node;

/// The `match` of a route.
#[derive(Debug)]
pub(super) struct Match {
    path: Paths,
    headers: Vec<Field>,
    parameters: Vec<Field>,
    /// A condition that is not evaluated.
    unknown: Option<String>,
}

#[derive(Debug)]
enum Paths {
    Prefix(String, bool),
    /// A prefix of whole segments.
    Segments(String),
    Exact(String, bool),
    Pattern(Result<Pattern, String>),
}

/// A header or query parameter, and what it has to be.
#[derive(Debug)]
struct Field {
    name: String,
    test: Test,
    inverted: bool,
}

#[derive(Debug)]
enum Test {
    Present(bool),
    Text(Text),
    Unknown,
}

#[derive(Debug)]
enum Text {
    Exact(String, bool),
    Prefix(String, bool),
    Suffix(String, bool),
    Contains(String, bool),
    Pattern(Result<Pattern, String>),
}

impl Match {
    pub(super) fn new(node: &Node) -> Self {
        let text = |key: &str| node.get(key).and_then(Node::text);
        let is_exact = node.get("case_sensitive").and_then(Node::truth) != Some(false);
        let pattern = || node.at(&["safe_regex", "regex"]).and_then(Node::text);
        let (path, mut unknown) = if let Some(prefix) = text("prefix") {
            (Paths::Prefix(prefix, is_exact), None)
        } else if let Some(path) = text("path") {
            (Paths::Exact(path, is_exact), None)
        } else if let Some(prefix) = text("path_separated_prefix") {
            (Paths::Segments(prefix), None)
        } else if let Some(pattern) = pattern() {
            (Paths::Pattern(whole(&pattern)), None)
        } else {
            (Paths::Prefix(String::new(), true), Some("a match without a path".to_owned()))
        };
        for key in ["runtime_fraction", "grpc", "tls_context", "dynamic_metadata", "filter_state", "connect_matcher", "path_match_policy"] {
            if node.get(key).is_some() {
                unknown = Some(format!("{key} in a match"));
            }
        }
        let fields = |key: &str| node.get(key).map(Node::items).unwrap_or_default().iter().map(Field::new).collect();
        Self { path, headers: fields("headers"), parameters: fields("query_parameters"), unknown }
    }

    /// The length of the prefix that is matched; 0 for other kinds of paths.
    pub(super) fn prefix(&self) -> Option<&str> {
        match &self.path {
            Paths::Prefix(prefix, _) | Paths::Segments(prefix) => Some(prefix),
            Paths::Exact(path, _) => Some(path),
            Paths::Pattern(_) => None,
        }
    }

    /// Whether a request is matched.
    ///
    /// # Errors
    /// A condition that could decide is not evaluated.
    pub(super) fn matches(&self, request: &Request) -> Result<bool, String> {
        let path = request.path.as_str();
        let is_path = match &self.path {
            Paths::Prefix(prefix, exact) => starts(path, prefix, *exact),
            Paths::Segments(prefix) => path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            Paths::Exact(own, exact) => {
                if *exact {
                    path == own
                } else {
                    path.eq_ignore_ascii_case(own)
                }
            }
            Paths::Pattern(pattern) => pattern.as_ref().map_err(Clone::clone)?.matches(path),
        };
        if !is_path {
            return Ok(false);
        }
        for field in &self.headers {
            let value = match field.name.as_str() {
                ":method" => Some(request.method.as_str()),
                ":path" => Some(request.path.as_str()),
                ":authority" => request.header("Host"),
                name => request.header(name),
            };
            if !field.holds(value)? {
                return Ok(false);
            }
        }
        for field in &self.parameters {
            if !field.holds(request.parameter(&field.name))? {
                return Ok(false);
            }
        }
        self.unknown.as_ref().map_or(Ok(true), |what| Err(format!("{what} is not evaluated")))
    }
}

impl Field {
    fn new(node: &Node) -> Self {
        let name = node.get("name").and_then(Node::text).unwrap_or_default().to_ascii_lowercase();
        let inverted = node.get("invert_match").and_then(Node::truth) == Some(true);
        let old = |key: &str| node.get(key).and_then(Node::text);
        let test = if let Some(matcher) = node.get("string_match") {
            Text::new(matcher).map_or(Test::Unknown, Test::Text)
        } else if let Some(value) = old("exact_match") {
            Test::Text(Text::Exact(value, true))
        } else if let Some(value) = old("prefix_match") {
            Test::Text(Text::Prefix(value, true))
        } else if let Some(value) = old("suffix_match") {
            Test::Text(Text::Suffix(value, true))
        } else if let Some(value) = old("contains_match") {
            Test::Text(Text::Contains(value, true))
        } else if let Some(value) = node.at(&["safe_regex_match", "regex"]).and_then(Node::text) {
            Test::Text(Text::Pattern(whole(&value)))
        } else if node.get("range_match").is_some() {
            Test::Unknown
        } else {
            Test::Present(node.get("present_match").and_then(Node::truth) != Some(false))
        };
        Self { name, test, inverted }
    }

    fn holds(&self, value: Option<&str>) -> Result<bool, String> {
        let holds = match (&self.test, value) {
            (Test::Unknown, _) => return Err(format!("the condition on {} is not evaluated", self.name.escape_debug())),
            (Test::Present(wanted), value) => value.is_some() == *wanted,
            // A header that is not there matches nothing, and its inversion does not match either.
            (Test::Text(_), None) => return Ok(false),
            (Test::Text(text), Some(value)) => text.holds(value)?,
        };
        Ok(holds != self.inverted)
    }
}

impl Text {
    fn new(node: &Node) -> Option<Self> {
        let exact = node.get("ignore_case").and_then(Node::truth) != Some(true);
        let text = |key: &str| node.get(key).and_then(Node::text);
        if let Some(value) = text("exact") {
            return Some(Self::Exact(value, exact));
        }
        if let Some(value) = text("prefix") {
            return Some(Self::Prefix(value, exact));
        }
        if let Some(value) = text("suffix") {
            return Some(Self::Suffix(value, exact));
        }
        if let Some(value) = text("contains") {
            return Some(Self::Contains(value, exact));
        }
        node.at(&["safe_regex", "regex"]).and_then(Node::text).map(|regex| Self::Pattern(whole(&regex)))
    }

    fn holds(&self, value: &str) -> Result<bool, String> {
        let cased = |text: &str, exact: bool| if exact { text.to_owned() } else { text.to_ascii_lowercase() };
        Ok(match self {
            Self::Exact(own, exact) => cased(value, *exact) == cased(own, *exact),
            Self::Prefix(own, exact) => cased(value, *exact).starts_with(&cased(own, *exact)),
            Self::Suffix(own, exact) => cased(value, *exact).ends_with(&cased(own, *exact)),
            Self::Contains(own, exact) => cased(value, *exact).contains(&cased(own, *exact)),
            Self::Pattern(pattern) => pattern.as_ref().map_err(Clone::clone)?.matches(value),
        })
    }
}

fn starts(path: &str, prefix: &str, exact: bool) -> bool {
    if exact { path.starts_with(prefix) } else { path.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)) }
}

/// Envoy matches expressions with the whole text.
fn whole(regex: &str) -> Result<Pattern, String> {
    Pattern::new(&format!("^(?:{regex})$"), false)
}
