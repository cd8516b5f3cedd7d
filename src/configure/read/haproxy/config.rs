//! The parts of a configuration as they are evaluated: backends, frontends, rules.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::model::{Facts, SourceLocation, UpstreamPool};
use super::super::pattern::Pattern;
use super::condition::{Acls, Condition};
use super::sample::Sample;

/// The parts of a configuration that all frontends share.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) backends: Vec<Backend>,
    /// The number of servers of every backend.
    pub(super) servers: HashMap<String, usize>,
}

/// A backend, or the backend half of a `listen`.
#[derive(Debug)]
pub(super) struct Backend {
    pub(super) pool: UpstreamPool,
    pub(super) balance: Balance,
    pub(super) acls: Acls,
    pub(super) rules: Vec<Rule>,
    /// `stats enable` or `stats uri`
    pub(super) is_statistics: bool,
    /// `option forwardfor`
    pub(super) forwards: bool,
    /// `timeout server`
    pub(super) server_timeout_ms: Option<u64>,
}

/// The key of a balance rule.
#[derive(Debug, Clone)]
pub(super) enum Balance {
    Nothing,
    Header(String),
    Source,
    Uri { whole: bool },
    Parameter(String),
    Sample(Box<Sample>),
    Unknown(String),
}

/// A frontend.
#[derive(Debug)]
pub(super) struct Frontend {
    pub(super) config: Arc<Config>,
    pub(super) facts: Facts,
    pub(super) acls: Acls,
    pub(super) rules: Vec<Rule>,
    pub(super) choices: Vec<Choice>,
    pub(super) default: Option<(String, SourceLocation)>,
    /// `option forwardfor`
    pub(super) forwards: bool,
}

/// `use_backend`
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) backend: Format,
    pub(super) condition: Option<Condition>,
    pub(super) at: SourceLocation,
}

/// `http-request`
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) action: Action,
    pub(super) condition: Option<Condition>,
    /// Whether the condition depends on counters and other state of HAProxy, which no request shows.
    pub(super) by_state: bool,
    pub(super) at: SourceLocation,
}

/// The action of a rule, if it affects routing.
#[derive(Debug)]
pub(super) enum Action {
    SetVariable(String, Sample),
    SetVariableText(String, Format),
    UnsetVariable(String),
    SetHeader(String, Format, bool),
    DeleteHeader(String),
    SetPath(Format),
    SetQuery(Format),
    /// The path (or path and query) as a whole becomes the replacement where the expression matches.
    ReplacePath {
        pattern: Pattern,
        replacement: Format,
        with_query: bool,
    },
    ReplaceHeader(String, Pattern, Format),
    SetMethod(Format),
    Answers(String),
    Unknown(String),
}

/// Text with `%[expressions]`.
#[derive(Debug, Clone)]
pub(super) struct Format(pub(super) Vec<Piece>);

/// A piece of a [`Format`].
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Literal(String),
    Sample(Box<Sample>),
}
