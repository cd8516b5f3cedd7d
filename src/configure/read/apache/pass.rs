//! `ProxyPass`, `ProxyPassMatch` and the sections `Location` and `LocationMatch`: which paths they take, and where they send them.
//!
//! Sources: `modules/proxy/mod_proxy.c` (`alias_match`, `ap_proxy_trans_match`), `server/request.c` (`ap_location_walk`).

use super::super::model::SourceLocation;
use super::super::pattern::Pattern;
use super::lines::Directive;

/// The paths that a directive or section takes.
#[derive(Debug, Clone)]
pub(super) enum Paths {
    /// Whole segments from the beginning.
    Prefix(String),
    Pattern(Result<Pattern, String>),
}

/// A `ProxyPass` or `ProxyPassMatch`.
#[derive(Debug, Clone)]
pub(super) struct Alias {
    pub(super) paths: Paths,
    /// The address; `None` for `!`, which excludes the paths.
    pub(super) target: Option<String>,
    /// Whether the path is passed on as it was sent.
    pub(super) nocanon: bool,
    /// Whether variables in the address are filled in.
    pub(super) interpolates: bool,
    pub(super) timeout_ms: Option<u64>,
    /// A file that is not there, and may have such a directive.
    pub(super) missing: Option<String>,
    /// A parameter that is not evaluated.
    pub(super) unknown: Option<String>,
    pub(super) at: SourceLocation,
}

impl Alias {
    /// Reads the directive; `paths` are those of the section in which it has no path of its own.
    pub(super) fn new(directive: &Directive, paths: Option<&Paths>) -> Option<Self> {
        let is_pattern = directive.name == "proxypassmatch";
        let words = directive.arguments.as_slice();
        let (paths, target, options) = match (paths, words) {
            (Some(paths), [target, options @ ..]) => (paths.clone(), target, options),
            (None, [path, target, options @ ..]) => {
                let paths = if is_pattern { Paths::Pattern(Pattern::new(path, false)) } else { Paths::Prefix(path.clone()) };
                (paths, target, options)
            }
            _ => return None,
        };
        let option = |name: &str| options.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='));
        let has = |name: &str| options.iter().any(|option| option.eq_ignore_ascii_case(name));
        Some(Self {
            paths,
            target: Some(target.clone()).filter(|target| target != "!"),
            nocanon: has("nocanon"),
            interpolates: has("interpolate"),
            timeout_ms: option("timeout").and_then(milliseconds),
            missing: None,
            unknown: option("mapping").map(|value| format!("mapping={value}")),
            at: directive.at.clone(),
        })
    }

    /// Stands for a file that is not there.
    pub(super) fn missing(directive: &Directive) -> Self {
        Self {
            paths: Paths::Prefix("/".to_owned()),
            target: None,
            nocanon: false,
            interpolates: false,
            timeout_ms: None,
            missing: Some(directive.argument(0).to_owned()),
            unknown: None,
            at: directive.at.clone(),
        }
    }

    /// Where a path goes: the address with the path behind it. `sent` is the path as it was sent, which `nocanon` passes on.
    ///
    /// # Errors
    /// The expression cannot be evaluated.
    pub(super) fn applied(&self, uri: &str, sent: &str) -> Result<Option<Passed>, String> {
        let target = self.target.clone().unwrap_or_default();
        match &self.paths {
            Paths::Prefix(prefix) => {
                let Some(length) = matched(uri, prefix) else { return Ok(None) };
                // A path that is spelled differently within the prefix is passed on decoded in spite of nocanon.
                let keeps = self.nocanon && matched(sent, prefix) == Some(length);
                let rest = if keeps { sent.get(length..) } else { uri.get(length..) }.unwrap_or_default();
                Ok(Some(Passed { url: format!("{target}{rest}"), is_as_sent: keeps }))
            }
            Paths::Pattern(pattern) => {
                let pattern = pattern.as_ref().map_err(Clone::clone)?;
                let Some(captures) = pattern.captures(uri) else { return Ok(None) };
                let source = if self.nocanon { pattern.captures(sent) } else { None };
                let is_as_sent = source.is_some();
                let path = if is_as_sent { sent } else { uri };
                let groups = source.unwrap_or(captures);
                let url = if target.contains('$') { filled(&target, &groups.groups) } else { format!("{target}{path}") };
                Ok(Some(Passed { url, is_as_sent }))
            }
        }
    }
}

/// The address to which a request is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) url: String,
    /// Whether the path in it is spelled as it was sent.
    pub(super) is_as_sent: bool,
}

impl Paths {
    /// The paths of a `Location` or `LocationMatch`.
    pub(super) fn of_section(section: &Directive) -> Self {
        match (section.name.as_str(), section.argument(0), section.argument(1)) {
            ("locationmatch" | "directorymatch", pattern, _) | (_, "~", pattern) => Self::Pattern(Pattern::new(pattern, false)),
            (_, path, _) if path.contains(['*', '?', '[']) => Self::Pattern(Pattern::new(&of_wildcards(path), false)),
            (_, path, _) => Self::Prefix(path.to_owned()),
        }
    }

    /// Whether a section applies to a path.
    ///
    /// # Errors
    /// The expression cannot be evaluated.
    pub(super) fn apply(&self, uri: &str) -> Result<bool, String> {
        match self {
            Self::Prefix(prefix) => {
                let rest = uri.strip_prefix(prefix.as_str());
                Ok(rest.is_some_and(|rest| prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/')))
            }
            Self::Pattern(pattern) => Ok(pattern.as_ref().map_err(Clone::clone)?.matches(uri)),
        }
    }
}

/// A path with wildcards, which do not match slashes, as an expression.
fn of_wildcards(path: &str) -> String {
    let mut out = "^".to_owned();
    for c in path.chars() {
        match c {
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' | ']' | '-' | '/' => out.push(c),
            c if c.is_ascii_punctuation() => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out + "(?:/|$)"
}

/// How many bytes of a path a prefix takes: whole segments, of which any number of slashes stands for one.
fn matched(uri: &str, prefix: &str) -> Option<usize> {
    let (own, wanted) = (uri.as_bytes(), prefix.as_bytes());
    let (mut at, mut of) = (0, 0);
    while of < wanted.len() && at < own.len() {
        if wanted[of] == b'/' {
            if own[at] != b'/' {
                return None;
            }
            while wanted.get(of) == Some(&b'/') {
                of += 1;
            }
            while own.get(at) == Some(&b'/') {
                at += 1;
            }
        } else {
            if own[at] != wanted[of] {
                return None;
            }
            (at, of) = (at + 1, of + 1);
        }
    }
    let is_whole = of == wanted.len() && (wanted.last() == Some(&b'/') || matches!(own.get(at), None | Some(b'/')));
    is_whole.then_some(at)
}

/// An address with its groups (`$1`).
fn filled(text: &str, groups: &[String]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        match after.chars().next().and_then(|next| next.to_digit(10)) {
            Some(digit) => {
                out.push_str(groups.get(digit as usize).map_or("", String::as_str));
                rest = &after[1..];
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out + rest
}

/// `600`, `600s`, `500ms`, `10min`
pub(super) fn milliseconds(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text.get(..end)?.parse().ok()?;
    let factor = match text.get(end..)?.to_ascii_lowercase().as_str() {
        "ms" => 1,
        "" | "s" => 1000,
        "mi" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_takes_whole_segments() {
        let cases = [("/a/b", "/a", Some(2)), ("/ab", "/a", None), ("/a", "/a/", None), ("/a//b", "/a/", Some(4))];
        for (uri, prefix, length) in cases {
            assert_eq!(matched(uri, prefix), length, "{uri} {prefix}");
        }
        assert_eq!([matched("/", "/"), matched("/x", "/"), matched("//a", "/a")], [Some(1), Some(1), Some(3)]);
    }

    #[test]
    fn times_have_units() {
        assert_eq!(["60", "60s", "500ms", "2min", "x"].map(milliseconds), [Some(60_000), Some(60_000), Some(500), Some(120_000), None]);
        let wild = Pattern::new(&of_wildcards("/_matrix/*/v1"), false).unwrap();
        assert!(wild.matches("/_matrix/key/v1") && !wild.matches("/_matrix/a/b/v1"));
        assert_eq!(filled("http://a/$1?$x$", &[String::new(), "b".to_owned()]), "http://a/b?$x$");
    }
}
