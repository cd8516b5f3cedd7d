//! A HAProxy path map: `PATTERN BACKEND` per line, `#` starts a comment.
//!
//! As in `map_reg`, the first pattern that matches decides; a plain path that does not start with `^` is a literal prefix, as in
//! `map_beg`. A backend is the worker of its name if Synapse has such a worker (`media_repository`, also written `media-repository`), the
//! main process if its name contains `main`, and generic workers otherwise: the applications that were merged into the generic worker are
//! still used as names of backends. A backend serves a stream if its name contains that of the pattern's stream in Synapse's document.

use super::{Found, Known, row};
use crate::table::{Row, Syntax};

/// Whether the text is such a map: only comments and pairs, with at least one Matrix path.
pub(super) fn looks_like(text: &str) -> bool {
    let mut pairs = entries(text).peekable();
    pairs.peek().is_some()
        && entries(text).any(|(_, line)| line.contains("/_matrix") || line.contains("/_synapse"))
        && pairs.all(|(_, line)| matches!(line.as_bytes().first(), Some(b'^' | b'/' | b'(' | b'.')))
}

/// Reads all pairs.
pub(super) fn read(text: &str, known: &Known) -> Found {
    entries(text)
        .map(|(number, line)| {
            let mut words = line.split_ascii_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some(pattern), Some(backend), None) => Ok((number, entry(pattern, backend, known))),
                (_, None, _) => Err((number, "no backend after the pattern".to_owned())),
                _ => Err((number, "more than a pattern and a backend".to_owned())),
            }
        })
        .collect()
}

/// Lines that are neither empty nor comments, with their number.
fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn entry(pattern: &str, backend: &str, known: &Known) -> Row {
    let name = backend.replace('-', "_");
    let worker = match name.as_str() {
        "media_repository" | "media" => "media_repository",
        "user_dir" => "user_dir",
        _ if name.split('_').any(|word| matches!(word, "main" | "master" | "monolith")) => Row::MAIN,
        _ => "generic_worker",
    };
    let mut row = row(pattern, worker);
    let plain = !pattern.contains(['(', '[', '*', '+', '?', '$', '|', '\\']);
    row.syntax = if pattern.starts_with('/') && plain { Syntax::Prefix } else { Syntax::Regex };
    row.section = Some(backend.to_owned());
    let known_rows = known.rows(pattern);
    if let Some(writer) = known_rows.iter().find(|row| row.stream.as_ref().is_some_and(|stream| name.contains(stream.as_str()))) {
        row.stream = writer.stream.clone();
        row.condition = writer.condition.clone();
        row.notes = writer.notes.clone();
    } else if let Some(same) = known_rows.iter().find(|known| known.stream.is_none()) {
        row.condition = same.condition.clone();
    }
    row.group = known.group(&row);
    row
}

#[cfg(test)]
mod tests {
    use super::super::{OwnTableKind, detect, read_own_table};
    use crate::{Classifier, ClassifierConfig, Method, Table};

    const MAP: &str = "\
# path_regexp backend_name
^/_matrix/client/(r0|v3)/sync$             synchrotron
^/_matrix/client/(api/v1|r0|v3|unstable)/rooms/.*/typing typing-writer

^/_matrix/federation/v1/send/ federation-inbound
^/_matrix/federation/ main
/_matrix/media/ media-repository
";

    fn read(text: &str) -> Table {
        read_own_table("path.map", text.as_bytes()).unwrap()
    }

    #[test]
    fn backends_become_workers_streams_and_the_main_process() {
        assert_eq!(detect(MAP), Some(OwnTableKind::HaproxyMap));
        let table = read(MAP);
        let rows: Vec<_> = table.rows.iter().map(|row| (row.group.as_str(), row.worker.as_str(), row.stream.as_deref())).collect();
        assert_eq!(
            rows,
            [
                ("sync", "generic_worker", None),
                ("typing", "generic_worker", Some("typing")),
                ("federation_send", "generic_worker", None),
                ("federation", "main", None),
                ("media", "media_repository", None),
            ]
        );
        assert_eq!(table.rows[0].section.as_deref(), Some("synchrotron"));
    }

    #[test]
    fn the_first_line_that_matches_decides_alone() {
        let classifier = Classifier::new(&read(MAP), &ClassifierConfig::default()).unwrap();
        let of = |path: &str| classifier.endpoint(classifier.classify(Method::Get, path.as_bytes())).clone();
        assert_eq!(of("/_matrix/federation/v1/send/1").workers, ["generic_worker"]);
        assert!(of("/_matrix/federation/v1/event/x").workers.is_empty(), "the main process");
        assert_eq!(of("/_matrix/client/v3/sync").group, "initial_sync");
    }

    #[test]
    fn a_line_that_is_no_pair_is_an_error_with_its_number() {
        let error = |text: &str| read_own_table("m", text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error("^/_matrix/a b\n\n^/_matrix/c\n"), "m:3: no backend after the pattern");
        assert_eq!(error("^/_matrix/a b c\n"), "m:1: more than a pattern and a backend");
        assert!(error("^/_matrix/(a b\n").starts_with("m:1: pattern ^/_matrix/(a: "));
    }

    #[test]
    fn a_file_of_another_kind_is_no_table() {
        for text in ["", "hello world\n", "server {\n listen 80;\n}\n", "# only a comment\n", "/var/log/x y\n"] {
            let error = read_own_table("m", text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("is not an endpoint table"), "{text:?}: {error}");
        }
    }
}
