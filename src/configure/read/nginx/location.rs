//! Finds the location of a path.
//!
//! Source: `ngx_http_core_find_location`. An exact name decides at once; else the longest prefix is selected, and the same search
//! repeats within it. Unless that prefix (or a nested one) is final, regular expressions are tried in the order of the file.

use super::super::model::{SourceLocation, Unknown};

use super::super::pattern::{Captures, Pattern};
use super::scope::Scope;

/// A location with its nested locations.
#[derive(Debug, Clone)]
pub(super) struct Location {
    pub(super) name: Name,
    pub(super) inner: Vec<Location>,
    pub(super) scope: Scope,
    pub(super) at: SourceLocation,
}

/// The name of a location.
#[derive(Debug, Clone)]
pub(super) enum Name {
    Exact(String),
    Prefix {
        text: String,
        no_regex: bool,
    },
    Regex(Result<Pattern, String>),
    Named(String),
    /// The place of an included file that is not there and may have locations.
    Missing(String),
}

impl Name {
    /// Parses `= /x`, `^~ /x`, `~* ^/x`, `@x` and `/x`, also without the space.
    pub(super) fn of(arguments: &[String]) -> Self {
        let joined = |text: &str| -> (String, String) {
            let length = ["~*", "^~", "~", "="].iter().find(|sign| text.starts_with(**sign)).map_or(0, |sign| sign.len());
            (text[..length].to_owned(), text[length..].to_owned())
        };
        let (sign, text) = match arguments {
            [sign, text, ..] => (sign.clone(), text.clone()),
            [text] => joined(text),
            [] => (String::new(), "/".to_owned()),
        };
        match sign.as_str() {
            "=" => Self::Exact(text),
            "~" => Self::Regex(Pattern::new(&text, false)),
            "~*" => Self::Regex(Pattern::new(&text, true)),
            "^~" => Self::Prefix { text, no_regex: true },
            _ if text.starts_with('@') => Self::Named(text),
            _ => Self::Prefix { text, no_regex: false },
        }
    }
}

/// The result of a search.
#[derive(Debug)]
pub(super) enum Found<'l> {
    Location(&'l Location, Option<Captures>),
    /// The path lacks the slash at the end of a proxied prefix: nginx redirects.
    Redirect(&'l Location),
    Nothing,
}

enum Search<'l> {
    /// The result is final.
    Done(Found<'l>),
    /// A prefix; a regular expression may still take precedence.
    Prefix(&'l Location),
    Nothing,
}

/// Finds the location of a path.
pub(super) fn find<'l>(locations: &'l [Location], uri: &str) -> Result<Found<'l>, Unknown> {
    Ok(match search(locations, uri)? {
        Search::Done(found) => found,
        Search::Prefix(location) => Found::Location(location, None),
        Search::Nothing => Found::Nothing,
    })
}

/// The named location `@name`.
pub(super) fn named<'l>(locations: &'l [Location], name: &str) -> Option<&'l Location> {
    locations.iter().find(|location| matches!(&location.name, Name::Named(own) if own == name))
}

fn search<'l>(locations: &'l [Location], uri: &str) -> Result<Search<'l>, Unknown> {
    let exact = locations.iter().find(|location| matches!(&location.name, Name::Exact(own) if own == uri));
    if let Some(location) = exact {
        return Ok(Search::Done(Found::Location(location, None)));
    }
    let without_slash = |location: &&Location| match &location.name {
        Name::Prefix { text, .. } => {
            text.strip_suffix('/') == Some(uri) && matches!(location.scope.content, Some(super::scope::Content::Proxy { .. }))
        }
        _ => false,
    };
    if let Some(location) = locations.iter().find(without_slash).filter(|_| !has_prefix(locations, uri)) {
        return Ok(Search::Done(Found::Redirect(location)));
    }
    let mut found = Search::Nothing;
    let mut settled = false;
    if let Some((location, no_regex)) = longest(locations, uri) {
        settled = no_regex;
        found = match search(&location.inner, uri)? {
            Search::Done(inner) => return Ok(Search::Done(inner)),
            Search::Prefix(inner) => Search::Prefix(inner),
            Search::Nothing => Search::Prefix(location),
        };
    }
    if settled {
        return Ok(found);
    }
    for location in locations {
        let pattern = match &location.name {
            Name::Regex(pattern) => pattern,
            Name::Missing(file) => {
                let why = format!("the included file {} is not there, and could take these requests", file.escape_debug());
                return Err(Unknown::new(why, &location.at));
            }
            _ => continue,
        };
        let pattern = pattern.as_ref().map_err(|why| Unknown::new(why.clone(), &location.at))?;
        if let Some(captures) = pattern.captures(uri) {
            return Ok(Search::Done(match search(&location.inner, uri)? {
                Search::Done(inner) => inner,
                Search::Prefix(inner) => Found::Location(inner, Some(captures)),
                Search::Nothing => Found::Location(location, Some(captures)),
            }));
        }
    }
    Ok(found)
}

fn has_prefix(locations: &[Location], uri: &str) -> bool {
    locations.iter().any(|location| matches!(&location.name, Name::Prefix { text, .. } if text == uri))
}

fn longest<'l>(locations: &'l [Location], uri: &str) -> Option<(&'l Location, bool)> {
    locations
        .iter()
        .filter_map(|location| match &location.name {
            Name::Prefix { text, no_regex } if uri.starts_with(text.as_str()) => Some((text.len(), location, *no_regex)),
            _ => None,
        })
        .max_by_key(|(length, ..)| *length)
        .map(|(_, location, no_regex)| (location, no_regex))
}
