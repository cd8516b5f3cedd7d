//! The directives of a server, a location or an `if`: rewriting, and the module that responds.

use std::sync::Arc;

use super::super::model::SourceLocation;
use super::super::pattern::Pattern;
use super::location_of;
use super::passing::Around;
use wsim_nginx::Directive;

/// A directive of the rewrite module, in order.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Set { name: String, value: String, at: SourceLocation },
    Return { code: u16, at: SourceLocation },
    Rewrite { pattern: Result<Pattern, String>, replacement: String, flag: Flag, at: SourceLocation },
    Break { at: SourceLocation },
    If { condition: Condition, scope: Box<Scope>, at: SourceLocation },
}

impl Step {
    pub(super) fn location(&self) -> &SourceLocation {
        match self {
            Self::Set { at, .. } | Self::Return { at, .. } | Self::Rewrite { at, .. } | Self::Break { at } | Self::If { at, .. } => at,
        }
    }
}

/// The step after a rewrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    /// Continue with the next directive, then search the locations again.
    None,
    /// Search the locations again at once.
    Last,
    /// Stay in this location.
    Break,
    /// Redirect the client.
    Redirect,
}

/// The condition of an `if`.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    /// True if the text is neither empty nor `0`.
    True(String),
    Equal {
        left: String,
        right: String,
        negated: bool,
    },
    Matches {
        left: String,
        pattern: Result<Pattern, String>,
        negated: bool,
    },
    /// `-f` and similar tests: no file exists, because nothing below `/_matrix` is a file.
    File {
        negated: bool,
    },
    Unreadable,
}

/// The module that responds.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Proxy {
        /// The argument of `proxy_pass`.
        address: String,
        at: SourceLocation,
    },
    /// Another module: `fastcgi_pass`, `root`, `stub_status`.
    Other { what: String, at: SourceLocation },
    /// A program whose behaviour is unknown.
    Program { what: String, at: SourceLocation },
}

/// `error_page 418 = @name`
#[derive(Debug, Clone)]
pub(super) struct ErrorPage {
    pub(super) codes: Vec<u16>,
    pub(super) target: String,
    pub(super) at: SourceLocation,
}

/// Directives of a block, without its locations.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub(super) steps: Vec<Step>,
    pub(super) content: Option<Content>,
    pub(super) try_files: Option<(Vec<String>, SourceLocation)>,
    /// The block's own settings, or else those of the surrounding block.
    pub(super) around: Around,
    /// An included file that is not there.
    pub(super) missing: Option<(String, SourceLocation)>,
    /// The allowed methods, and the scope for the others.
    pub(super) limit_except: Option<(Vec<String>, Box<Scope>)>,
    /// `deny all` without any `allow`.
    pub(super) denied: Option<SourceLocation>,
    pub(super) internal: bool,
}

impl Scope {
    /// Collects the directives of a block.
    pub(super) fn of(directives: &[Directive], around: &Around) -> Self {
        let own: Vec<ErrorPage> = directives.iter().filter(|directive| directive.name == "error_page").filter_map(error_page).collect();
        let error_pages = if own.is_empty() { Arc::clone(&around.error_pages) } else { own.into() };
        let mut scope = Self { around: around.within(directives, error_pages), ..Self::default() };
        for directive in directives {
            scope.take(directive);
        }
        let allowed = directives.iter().any(|directive| directive.name == "allow");
        let denied = directives.iter().find(|directive| directive.name == "deny" && directive.argument(0) == "all");
        scope.denied = denied.filter(|_| !allowed).map(location_of);
        scope
    }

    fn take(&mut self, directive: &Directive) {
        let at = location_of(directive);
        let block = directive.block.as_deref().unwrap_or_default();
        match directive.name.as_str() {
            "set" => {
                let name = directive.argument(0).trim_start_matches('$').to_ascii_lowercase();
                self.steps.push(Step::Set { name, value: directive.argument(1).to_owned(), at });
            }
            "return" => self.steps.push(Step::Return { code: directive.argument(0).parse().unwrap_or(302), at }),
            "rewrite" => self.steps.push(rewrite(directive)),
            "break" => self.steps.push(Step::Break { at }),
            "if" => {
                let scope = Box::new(Self::of(block, &self.around));
                self.steps.push(Step::If { condition: condition(&directive.arguments), scope, at });
            }
            "proxy_pass" => self.content = Some(Content::Proxy { address: directive.argument(0).to_owned(), at }),
            "try_files" => self.try_files = Some((directive.arguments.clone(), at)),
            "limit_except" => {
                self.limit_except = Some((directive.arguments.clone(), Box::new(Self::of(block, &self.around))));
            }
            "internal" => self.internal = true,
            // What is still an include here has no file.
            "include" if !super::routes_nothing(directive.argument(0)) => {
                self.missing = Some((directive.argument(0).to_owned(), at));
            }
            "fastcgi_pass" | "uwsgi_pass" | "scgi_pass" | "grpc_pass" | "memcached_pass" | "stub_status" | "empty_gif" => {
                self.content = Some(Content::Other { what: directive.name.clone(), at });
            }
            name if is_program(name) => self.content = Some(Content::Program { what: name.to_owned(), at }),
            _ => {}
        }
    }
}

/// Whether a directive runs a program that may respond. Programs that only write headers or logs route nothing.
fn is_program(name: &str) -> bool {
    let late = ["log_", "header_filter", "body_filter", "init_"].iter().any(|start| name.starts_with(start));
    (name.contains("_by_lua") && !late) || name == "js_content" || name == "perl"
}

fn error_page(directive: &Directive) -> Option<ErrorPage> {
    let (target, codes) = directive.arguments.split_last()?;
    let codes = codes.iter().filter_map(|code| code.parse().ok()).collect();
    Some(ErrorPage { codes, target: target.clone(), at: location_of(directive) })
}

fn rewrite(directive: &Directive) -> Step {
    let replacement = directive.argument(1).to_owned();
    let away = ["http://", "https://", "$scheme"].iter().any(|start| replacement.starts_with(start));
    let flag = match directive.argument(2) {
        "redirect" | "permanent" => Flag::Redirect,
        _ if away => Flag::Redirect,
        "last" => Flag::Last,
        "break" => Flag::Break,
        _ => Flag::None,
    };
    Step::Rewrite { pattern: Pattern::new(directive.argument(0), false), replacement, flag, at: location_of(directive) }
}

/// Parses `($request_method = POST)`, `($arg_since)`, `($uri !~* "x")`; the words include the brackets.
fn condition(words: &[String]) -> Condition {
    let mut words: Vec<String> = words.to_vec();
    if let Some(first) = words.first_mut() {
        *first = first.trim_start_matches('(').to_owned();
    }
    if let Some(last) = words.last_mut() {
        *last = last.strip_suffix(')').unwrap_or(last).to_owned();
    }
    words.retain({
        let mut at = 0;
        let count = words.len();
        move |word| {
            at += 1;
            !(word.is_empty() && (at == 1 || (at == count && count != 3)))
        }
    });
    match words.as_slice() {
        [one] => Condition::True(one.clone()),
        [left, operator, right] => {
            let (left, right) = (left.clone(), right.clone());
            match operator.as_str() {
                "=" | "!=" => Condition::Equal { left, right, negated: operator == "!=" },
                "~" | "!~" => Condition::Matches { left, pattern: Pattern::new(&right, false), negated: operator == "!~" },
                "~*" | "!~*" => Condition::Matches { left, pattern: Pattern::new(&right, true), negated: operator == "!~*" },
                _ => Condition::Unreadable,
            }
        }
        [test, _] if matches!(test.as_str(), "-f" | "-d" | "-e" | "-x") => Condition::File { negated: false },
        [test, _] if matches!(test.as_str(), "!-f" | "!-d" | "!-e" | "!-x") => Condition::File { negated: true },
        _ => Condition::Unreadable,
    }
}
