//! The endpoint lists of matrix-docker-ansible-deploy (`roles/*/matrix-synapse/vars/*.yml`), read word by word.
//!
//! Not a YAML parser: a list is a key that ends in `_endpoints:` and the `- ^/…` items after it. This also reads a file that has lost all
//! newlines, in which comments have no end. An item that is commented out (`# ^/…`, `# - ^/…`) is disabled, as in the playbook.

use super::{Found, Known, Sentences, is_pattern, row};
use crate::words;

/// Whether the text contains such a list.
pub(super) fn looks_like(text: &str) -> bool {
    text.split_ascii_whitespace().any(|word| list_name(word).is_some())
}

/// Reads all lists.
pub(super) fn read(text: &str, known: &Known) -> Found {
    let flat = is_flat(text);
    let mut found = Vec::new();
    let mut list: Option<List> = None;
    let mut sentences = Sentences::default();
    let mut section: Option<String> = None;
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split_ascii_whitespace().peekable();
        let mut before = "";
        let mut comment = String::new();
        let mut in_comment = false;
        while let Some(word) = words.next() {
            if let Some(name) = (flat || !in_comment).then(|| list_name(word)).flatten() {
                list = Some(name);
                (sentences, section) = (Sentences::default(), None);
                (in_comment, comment) = (false, String::new());
            } else if is_key(word) && (flat || !in_comment) {
                list = None;
            } else if word == "#" || (!in_comment && word.starts_with('#')) {
                end_comment(&mut comment, &mut section, &mut sentences);
                in_comment = true;
            } else if word == "-" && before != "#" && (flat || !in_comment) {
                end_comment(&mut comment, &mut section, &mut sentences);
                let pattern = words.peek().map(|next| next.trim_matches(['\'', '"'])).filter(|next| is_pattern(next));
                if let (Some(pattern), Some(list)) = (pattern, &list) {
                    let mut row = row(pattern, &list.worker);
                    row.section = section.clone();
                    sentences.apply(&mut row);
                    row.stream = list.stream.clone().or(row.stream);
                    row.group = known.group(&row);
                    found.push((number + 1, row));
                    words.next();
                    in_comment = false;
                } else if in_comment {
                    comment.push_str("- ");
                }
            } else if in_comment {
                comment.push_str(word);
                comment.push(' ');
            }
            before = word;
        }
        end_comment(&mut comment, &mut section, &mut sentences);
    }
    Ok(found)
}

/// Handles a complete comment: a short one that names requests is a section, any other one a sentence.
fn end_comment(comment: &mut String, section: &mut Option<String>, sentences: &mut Sentences) {
    let text = std::mem::take(comment);
    let title = text.trim().trim_end_matches('.');
    if title.is_empty() {
        return;
    }
    let is_title = (title.ends_with("requests") || title.ends_with("request") || title.ends_with("SSO providers"))
        && title.split(' ').count() <= TITLE_WORDS_MAX;
    if is_title {
        *section = Some(title.to_owned());
        return;
    }
    // A capital letter after the end of a sentence: the text before it is about another list.
    if sentences.text.trim_end().ends_with(['.', ':', ')']) {
        sentences.clear();
    }
    sentences.push(&text);
}

struct List {
    worker: String,
    stream: Option<String>,
}

/// `matrix_synapse_workers_generic_worker_endpoints:` and the names of the playbook's stream writers.
fn list_name(word: &str) -> Option<List> {
    let name = word.strip_prefix("matrix_synapse_workers_")?.strip_suffix("_endpoints:")?;
    if let Some(stream) = name.strip_prefix("stream_writer_") {
        let (stream, _) = stream.split_once("_stream")?;
        return Some(List { worker: "generic_worker".to_owned(), stream: Some(stream.to_owned()) });
    }
    let name = name.strip_suffix("_client_server").or_else(|| name.strip_suffix("_federation")).unwrap_or(name);
    let known = |name: &str| words::worker(name).is_some().then(|| name.to_owned());
    let worker = known(name).or_else(|| name.strip_suffix("_worker").and_then(known)).unwrap_or_else(|| name.to_owned());
    Some(List { worker, stream: None })
}

/// Whether a word is the key of another variable of the playbook.
fn is_key(word: &str) -> bool {
    word.starts_with("matrix_") && word.ends_with(':')
}

/// Whether a key and the first item of its list are in one line, so that the newlines are lost.
fn is_flat(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_ascii_whitespace();
        words.any(|word| list_name(word).is_some()) && words.any(|word| word == "-")
    })
}

const TITLE_WORDS_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use super::super::{OwnTableKind, detect, read_own_table};
    use crate::{Method, Table};

    const LIST: &str = "\
---
matrix_synapse_workers_generic_worker_endpoints:
  # This worker can handle API requests matching the following regular
  # expressions:

  # Sync requests
  - ^/_matrix/client/(v2_alpha|r0)/sync$
  - '^/_matrix/client/(api/v1|v2_alpha|r0)/events$'

  # Inbound federation transaction request
  - ^/_matrix/federation/v1/send/

  # Additionally, the following REST endpoints can be handled for GET requests:

  # FIXME: ADDITIONAL CONDITIONS REQUIRED: to be enabled manually
  # ^/_matrix/federation/v1/groups/
  # - ^/_matrix/client/(api/v1|r0|unstable)/rooms/.*/messages$
  # ```yaml
  # worker_listeners:
  #   - type: http
  # ```

matrix_synapse_workers_media_repository_endpoints:
  # It can handle all endpoints starting with:
  - ^/_matrix/media/

matrix_synapse_workers_stream_writer_typing_stream_worker_client_server_endpoints:
  - ^/_matrix/client/(api/v1|r0|v3|unstable)/rooms/.*/typing

matrix_synapse_workers_avail_list:
  - appservice
";

    fn read(text: &str) -> Table {
        read_own_table("workers.yml", text.as_bytes()).unwrap()
    }

    fn summary(table: &Table) -> Vec<(&str, &str, &str, Option<&str>)> {
        table.rows.iter().map(|row| (row.worker.as_str(), row.group.as_str(), row.pattern.as_str(), row.stream.as_deref())).collect()
    }

    #[test]
    fn a_list_gives_workers_groups_and_streams() {
        assert_eq!(detect(LIST), Some(OwnTableKind::Ansible));
        assert_eq!(
            summary(&read(LIST)),
            [
                ("generic_worker", "sync", "^/_matrix/client/(v2_alpha|r0)/sync$", None),
                ("generic_worker", "sync", "^/_matrix/client/(api/v1|v2_alpha|r0)/events$", None),
                ("generic_worker", "federation_send", "^/_matrix/federation/v1/send/", None),
                ("media_repository", "media", "^/_matrix/media/", None),
                ("generic_worker", "typing", "^/_matrix/client/(api/v1|r0|v3|unstable)/rooms/.*/typing", Some("typing")),
            ]
        );
        assert_eq!(read(LIST).rows[0].section.as_deref(), Some("Sync requests"));
    }

    #[test]
    fn a_list_that_lost_its_newlines_is_the_same_list() {
        let flat = LIST.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(detect(&flat), Some(OwnTableKind::Ansible));
        assert_eq!(read(&flat).rows, read(LIST).rows);
    }

    #[test]
    fn rows_enabled_by_hand_keep_the_meaning_of_the_comment() {
        let list = "\
matrix_synapse_workers_generic_worker_endpoints:
  # Additionally, the following REST endpoints can be handled for GET requests:
  - ^/_matrix/federation/v1/groups/
  # Pagination requests can also be handled, but all requests for a given
  # room must be routed to the same instance:
  - ^/_matrix/client/(api/v1|r0|unstable)/rooms/.*/messages$
";
        let rows = read(list).rows;
        assert_eq!(rows[0].methods, [Method::Get]);
        assert_eq!(rows[1].condition.as_deref(), Some("same_room_same_instance"));
        assert!(rows[1].methods.is_empty());
    }

    #[test]
    fn a_pattern_that_does_not_compile_is_named_with_its_line() {
        let list = "matrix_synapse_workers_generic_worker_endpoints:\n  - ^/_matrix/client/(r0|v3/sync$\n";
        let error = read_own_table("w.yml", list.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("w.yml:2: pattern ^/_matrix/client/(r0|v3/sync$: "), "{error}");
    }

    #[test]
    fn a_list_without_an_item_is_an_error() {
        let error = read_own_table("w.yml", b"matrix_synapse_workers_generic_worker_endpoints: []").unwrap_err();
        assert!(error.to_string().contains("no endpoint pattern"), "{error}");
    }
}
