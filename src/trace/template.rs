//! Path templates: what a request was, without the people and rooms it was about.
//!
//! A template consists of the words of known paths and of placeholders for everything else ([`super::paths`]):
//! `/_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}`. Of the query it keeps only parameters that change the work, and of those
//! only values that clients choose from a few. Invariant: no text of a log is in a template, and a template is classified like the path it
//! was made from.

use super::names::Names;
use super::paths::write_template;
use super::query::{Parameter, Query};
use super::request::NameId;
use wsim_stats::hashing::NumberMap;

/// The templates of all paths so far, and a cache of their names: most requests repeat a recent path and query.
#[derive(Default)]
pub(super) struct Templates {
    /// Path templates.
    texts: Vec<Vec<u8>>,
    /// Hash of a path template -> its index in `texts`.
    indices: NumberMap<u64, u32>,
    /// Hash of the kept query, seeded with the path template's index -> the name of the whole template.
    names: NumberMap<u64, NameId>,
    scratch: Vec<u8>,
}

impl Templates {
    /// The name of the template of a target. `index`: that of its path, see [`Self::index`].
    pub(super) fn name(&mut self, index: u32, query: &Query<'_>, names: &mut Names) -> NameId {
        self.scratch.clear();
        let matrix = self.texts[index as usize].first() == Some(&b'/');
        if matrix {
            write_key(query, &mut self.scratch);
        }
        let key = xxhash_rust::xxh3::xxh3_64_with_seed(&self.scratch, u64::from(index));
        if let Some(&known) = self.names.get(&key) {
            return known;
        }
        let mut text = self.texts[index as usize].clone();
        if matrix {
            write_query(query, &mut text);
        }
        let name = names.intern(&text);
        self.names.insert(key, name);
        name
    }

    /// Drops all templates; to be called when the names are dropped.
    pub(super) fn forget(&mut self) {
        self.texts.clear();
        self.indices.clear();
        self.names.clear();
    }

    /// The index of a path's template. Writes the whole template, so callers should cache the result.
    pub(super) fn index(&mut self, path: &[u8]) -> u32 {
        self.scratch.clear();
        write_template(path, &mut self.scratch);
        let template = xxhash_rust::xxh3::xxh3_64(&self.scratch);
        *self.indices.entry(template).or_insert_with(|| {
            self.texts.push(self.scratch.clone());
            u32::try_from(self.texts.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

/// A template without text of a log, for one from a file that another version or program wrote. One of this version stays as it is.
pub(super) fn without_text(template: &str) -> String {
    let (path, query) = template.split_once('?').unwrap_or((template, ""));
    let mut clean = Vec::new();
    write_template(path.as_bytes(), &mut clean);
    if clean.starts_with(b"/") {
        write_query(&Query::read(query.as_bytes()), &mut clean);
    }
    String::from_utf8_lossy(&clean).into_owned()
}

/// Appends a few bytes that are equal exactly if the templates of two queries are.
fn write_key(query: &Query<'_>, out: &mut Vec<u8>) {
    for (parameter, value) in query.all() {
        match shown(parameter, value) {
            Shown::Nothing => {}
            Shown::Placeholder(_) => out.push(parameter as u8),
            Shown::Other => out.extend([parameter as u8, 0xff]),
            Shown::Value(value) => {
                out.push(parameter as u8);
                out.extend_from_slice(value);
            }
        }
    }
}

/// Appends the allow-listed part of a query, in a fixed order, so that equal requests have equal templates.
fn write_query(query: &Query<'_>, out: &mut Vec<u8>) {
    let mut separator = b'?';
    for (parameter, value) in query.all() {
        let text = match shown(parameter, value) {
            Shown::Nothing => continue,
            Shown::Placeholder(text) => text,
            Shown::Other => b"{other}",
            Shown::Value(value) => value,
        };
        out.push(separator);
        separator = b'&';
        out.extend_from_slice(parameter.name().as_bytes());
        out.push(b'=');
        out.extend_from_slice(text);
    }
}

/// The part of a parameter that a template shows.
enum Shown<'q> {
    Nothing,
    Placeholder(&'static [u8]),
    Value(&'q [u8]),
    /// `{other}`, for a value that might be a secret.
    Other,
}

/// Only parameters that change how much work a request is (client-server and federation API).
fn shown(parameter: Parameter, value: &[u8]) -> Shown<'_> {
    let up_to = |most: u32| std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).is_some_and(|number: u32| number <= most);
    let is_usual = match parameter {
        Parameter::Since => return Shown::Placeholder(b"{since}"),
        Parameter::Pos => return Shown::Placeholder(b"{pos}"),
        Parameter::From => return Shown::Placeholder(b"{from}"),
        Parameter::To => return Shown::Placeholder(b"{to}"),
        Parameter::Filter => return Shown::Placeholder(b"{filter}"),
        Parameter::UserId => return Shown::Placeholder(b"{user}"),
        Parameter::AccessToken => return Shown::Nothing,
        Parameter::Timeout => up_to(TIMEOUT_MAX_MS),
        Parameter::Limit => up_to(LIMIT_MAX),
        Parameter::Width | Parameter::Height => up_to(PIXELS_MAX),
        Parameter::FullState => [&b"true"[..], b"false"].contains(&value),
        Parameter::Dir => [&b"b"[..], b"f"].contains(&value),
    };
    // A sign or zeros before a number would be text of the log.
    let plain = !matches!(value, [b'+' | b'-', ..] | [b'0', _, ..]);
    if is_usual && plain { Shown::Value(value) } else { Shown::Other }
}

/// Larger numbers than clients send could be anything.
const TIMEOUT_MAX_MS: u32 = 600_000;
const LIMIT_MAX: u32 = 1_000;
const PIXELS_MAX: u32 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_has_one_name_for_all_its_requests() {
        let (mut templates, mut names) = (Templates::default(), Names::new());
        let mut name = |path: &str, query: &str| {
            let index = templates.index(path.as_bytes());
            let id = templates.name(index, &Query::read(query.as_bytes()), &mut names);
            names.text(id).to_owned()
        };
        for round in 0..3 {
            assert_eq!(
                name(&format!("/_matrix/client/v3/rooms/!{round}:x/messages"), "dir=b"),
                "/_matrix/client/v3/rooms/{room}/messages?dir=b"
            );
            assert_eq!(
                name("/_matrix/client/v3/sync", &format!("timeout=30000&since=s{round}")),
                "/_matrix/client/v3/sync?since={since}&timeout=30000"
            );
            assert_eq!(name("/_matrix/client/v3/sync", ""), "/_matrix/client/v3/sync");
            assert_eq!(name("/index.php", "dir=b"), "(other)");
        }
    }

    #[test]
    fn a_template_of_another_version_loses_its_text() {
        for (old, clean) in [
            ("/_synapse/admin/v1/registration_tokens/secret", "/_synapse/admin/v1/registration_tokens/{token}"),
            ("/_matrix/client/v3/join/{alias}", "/_matrix/client/v3/join/{alias}"),
            (
                "/_matrix/client/v3/sync?since={since}&timeout=30000&dir=acme",
                "/_matrix/client/v3/sync?since={since}&timeout=30000&dir={other}",
            ),
            ("/_matrix/client/v3/rooms/{room}/messages?limit={other}", "/_matrix/client/v3/rooms/{room}/messages?limit={other}"),
            ("/_matrix/client/v3/{id}/{room}", "/_matrix/client/v3/{id}/{room}"),
            ("/_matrix/client/v3/{acme}", "/_matrix/client/v3/{id}"),
            ("acme?dir=b", "(other)"),
            ("(other)", "(other)"),
        ] {
            assert_eq!(without_text(old), clean);
            assert_eq!(without_text(clean), clean);
        }
    }

    #[test]
    fn only_harmless_values_of_a_query_are_kept() {
        let mut out = b"/x".to_vec();
        let query = Query::read(b"limit=syt_secret&since=s72594_4483_1934&timeout=30000&dir=b&access_token=syt_x");
        write_query(&query, &mut out);
        assert_eq!(out, b"/x?since={since}&timeout=30000&dir=b&limit={other}");
        for hidden in
            ["dir=acme", "full_state=acme", "limit=0049151", "limit=+5", "timeout=491511234", "width=99999", "height=-1", "limit="]
        {
            let mut out = Vec::new();
            write_query(&Query::read(hidden.as_bytes()), &mut out);
            assert!(out.ends_with(b"={other}"), "{hidden} became {}", String::from_utf8_lossy(&out));
        }
    }
}
