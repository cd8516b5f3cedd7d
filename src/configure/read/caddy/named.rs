//! Named matchers of a Caddyfile: `@name path /a /b`, or a block of matchers.

use super::super::pattern::Pattern;
use super::matcher::{Matcher, Range, Set};
use super::tokens::Segment;

/// `@name path /a /b`, or a block of matchers.
pub(super) fn named_set(segment: &Segment) -> Set {
    let mut set = Vec::new();
    if segment.words.len() > 1 {
        add(&mut set, &segment.words[1..], &[], 0);
    }
    for inner in segment.inner() {
        add(&mut set, &inner.words, inner.inner(), 0);
    }
    set
}

fn add(set: &mut Set, words: &[String], block: &[Segment], depth: usize) {
    let Some((kind, rest)) = words.split_first() else { return };
    let pair = || (rest.first().cloned().unwrap_or_default(), rest.get(1..).unwrap_or_default().to_vec());
    // Several lines of one kind are alternatives of one matcher.
    let matcher = match kind.as_str() {
        "path" => Matcher::Path(rest.to_vec()),
        "path_regexp" => Matcher::PathRegexp(Pattern::new(rest.last().map_or("", String::as_str), false)),
        "method" => Matcher::Method(rest.to_vec()),
        "host" => Matcher::Host(rest.to_vec()),
        "remote_ip" | "client_ip" => match rest.iter().map(|text| Range::parse(text)).collect::<Option<Vec<_>>>() {
            Some(ranges) => Matcher::Address(ranges.into_iter().flatten().collect()),
            None => Matcher::Unknown(format!("the matcher {kind} with these ranges is not evaluated")),
        },
        "vars" => match rest.split_first() {
            Some((text, wanted)) => Matcher::Variable(text.clone(), wanted.to_vec()),
            None => Matcher::Unknown("the matcher vars without a variable is not evaluated".to_owned()),
        },
        "header" => Matcher::Header(vec![pair()]),
        "header_regexp" => {
            let name = if rest.len() > 2 { &rest[1] } else { rest.first().unwrap_or(kind) };
            Matcher::HeaderRegexp(name.clone(), Pattern::new(rest.last().map_or("", String::as_str), false))
        }
        "query" => Matcher::Query(
            rest.iter()
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (name.to_owned(), vec![value.to_owned()]))
                .collect(),
        ),
        "not" if depth < DEPTH_MAX => {
            let mut sets = Vec::new();
            if !rest.is_empty() {
                let mut inner = Vec::new();
                add(&mut inner, rest, &[], depth + 1);
                sets.push(inner);
            }
            if !block.is_empty() {
                let mut inner = Vec::new();
                for segment in block {
                    add(&mut inner, &segment.words, segment.inner(), depth + 1);
                }
                sets.push(inner);
            }
            Matcher::Not(sets)
        }
        "protocol" if rest.first().is_some_and(|word| word.starts_with("http")) => return,
        other if OTHER_MATCHERS.contains(&other) => Matcher::Unknown(format!("the matcher {other} is not evaluated")),
        _ => Matcher::Unknown("this matcher is not evaluated".to_owned()),
    };
    for own in set.iter_mut() {
        match (own, &matcher) {
            (Matcher::Path(own), Matcher::Path(more))
            | (Matcher::Method(own), Matcher::Method(more))
            | (Matcher::Host(own), Matcher::Host(more)) => {
                own.extend(more.iter().cloned());
                return;
            }
            (Matcher::Query(own), Matcher::Query(more)) | (Matcher::Header(own), Matcher::Header(more)) => {
                for (name, values) in more {
                    match own.iter_mut().find(|(known, _)| known == name) {
                        Some((_, known)) => known.extend(values.iter().cloned()),
                        None => own.push((name.clone(), values.clone())),
                    }
                }
                return;
            }
            _ => {}
        }
    }
    set.push(matcher);
}

/// Matchers that are not evaluated.
const OTHER_MATCHERS: [&str; 6] = ["expression", "file", "not", "protocol", "tls", "vars_regexp"];
const DEPTH_MAX: usize = 32;
