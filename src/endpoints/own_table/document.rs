//! Synapse's `docs/workers.md` (and the older `docs/workers.rst`), as a file, as a web page, or as copied from one.
//!
//! A row is a line of only a pattern, below a heading that names a worker application. Its meaning comes from the heading, from the
//! `# Title` line in its block, and from the sentences before it. Indentation is not needed, because front ends lose it; lines of a
//! single `|`, which they add, are skipped.

use std::borrow::Cow;

use super::{Found, Known, Sentences, html, is_pattern, row};
use crate::Method;
use crate::table::Row;

/// Whether the text is such a document: it has a line with only the name of a worker application, and it lists patterns.
pub(super) fn looks_like(text: &str) -> bool {
    let lines = lines(text);
    lines.iter().any(|(_, line)| application(line).is_some())
        && lines.iter().any(|(_, line)| line.split_ascii_whitespace().next().is_some_and(is_pattern))
}

/// The lines of the document with their numbers, from 1.
fn lines(text: &str) -> Vec<(usize, Cow<'_, str>)> {
    if html::looks_like(text) {
        let of_page = html::lines(text).into_iter();
        return of_page.map(|(number, line)| (number, Cow::Owned(line.trim().to_owned()))).collect();
    }
    text.lines().enumerate().map(|(index, line)| (index + 1, Cow::Borrowed(line.trim()))).collect()
}

/// Reads all rows.
pub(super) fn read(text: &str, known: &Known) -> Found {
    let mut reader = Reader::new(known);
    for (number, line) in lines(text) {
        reader.line(number, &line);
    }
    Ok(reader.finish())
}

struct Reader<'k> {
    known: &'k Known,
    worker: Option<String>,
    heading: Option<String>,
    title: Option<String>,
    stream: Option<String>,
    sentences: Sentences,
    /// The last line was a row, so that the next sentence starts a new paragraph.
    after_row: bool,
    /// In a fenced block with a language: an example, not a list.
    example: bool,
    /// The next row is for GET only.
    get_only: bool,
    /// Patterns that need `worker_main_http_uri` by a remark in the list.
    need_main_uri: Vec<String>,
    single_process: bool,
    rows: Vec<(usize, Row)>,
}

impl<'k> Reader<'k> {
    fn new(known: &'k Known) -> Self {
        Self {
            known,
            worker: None,
            heading: None,
            title: None,
            stream: None,
            sentences: Sentences::default(),
            after_row: false,
            example: false,
            get_only: false,
            need_main_uri: Vec::new(),
            single_process: false,
            rows: Vec::new(),
        }
    }

    fn line(&mut self, number: usize, line: &str) {
        if let Some(language) = line.strip_prefix("```") {
            self.example = !self.example && !language.is_empty();
        } else if self.example || line.is_empty() || line == "|" {
        } else if let Some(worker) = application(line) {
            self.worker = Some(worker.to_owned());
            self.start_section(None);
        } else if line.starts_with('#') {
            self.hash(line);
        } else if line.split_ascii_whitespace().next().is_some_and(is_pattern) && self.is_row(line) {
            self.row(number, line);
        } else {
            self.sentence(line);
        }
    }

    /// `## Heading` or, inside a list, `# Title`. A list may have lost its indentation, so that only the number of hashes
    /// distinguishes them.
    fn hash(&mut self, line: &str) {
        let text = line.trim_start_matches('#').trim();
        match line.len() - line.trim_start_matches('#').len() {
            1 => self.title(text),
            2 => {
                self.worker = None;
                self.start_section(None);
            }
            _ => self.start_section(Some(text.replace('`', ""))),
        }
    }

    fn title(&mut self, text: &str) {
        let lower = text.to_lowercase();
        if lower.contains("worker_main_http_uri") {
            self.need_main_uri.extend(text.split_ascii_whitespace().filter(|word| is_pattern(word)).map(str::to_owned));
        } else if lower.contains("get") && (lower.contains("only") || lower.contains("method")) {
            self.get_only = true;
        } else {
            self.title = Some(text.trim_end_matches('.').to_owned());
        }
    }

    fn start_section(&mut self, heading: Option<String>) {
        self.stream = heading.as_deref().and_then(|heading| heading.strip_prefix("The ")?.strip_suffix(" stream")).map(str::to_owned);
        self.heading = heading;
        self.title = None;
        self.sentences.clear();
        self.after_row = false;
        self.get_only = false;
    }

    fn sentence(&mut self, line: &str) {
        if std::mem::take(&mut self.after_row) {
            self.sentences.clear();
            self.title = None;
        }
        self.sentences.push(line);
        self.single_process |= self.sentences.mention("all sso logins go to a single process");
    }

    /// Whether a line is only a pattern, with or without a remark after it.
    fn is_row(&self, line: &str) -> bool {
        let rest = line.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim());
        self.worker.is_some() && (rest.is_empty() || rest.starts_with(['#', '(']))
    }

    fn row(&mut self, number: usize, line: &str) {
        let (pattern, remark) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let mut row = row(pattern, self.worker.as_deref().unwrap_or_default());
        self.sentences.apply(&mut row);
        if let Some(stream) = &self.stream {
            row.stream = Some(stream.clone());
            row.condition.get_or_insert_with(|| "single_writer".to_owned());
        }
        let by_heading = row.stream.is_some() || row.condition.as_deref() == Some("update_user_directory_from_worker");
        row.section = self.title.clone().or_else(|| self.heading.clone().filter(|_| by_heading));
        if std::mem::take(&mut self.get_only) || remark.contains("GET") {
            row.methods = vec![Method::Get];
            row.notes.push("get_only_by_comment".to_owned());
        }
        row.group = self.known.group(&row);
        self.rows.push((number, row));
        self.after_row = true;
    }

    fn finish(mut self) -> Vec<(usize, Row)> {
        for (_, row) in &mut self.rows {
            if self.need_main_uri.contains(&row.pattern) && row.condition.is_none() {
                row.condition = Some("requires_worker_main_http_uri".to_owned());
            }
            if self.single_process && row.condition.as_deref() == Some("sso_only") {
                row.notes.push("single_process".to_owned());
            }
        }
        self.rows
    }
}

/// The worker type of a heading such as ``### `synapse.app.generic_worker` ``, also as reStructuredText.
fn application(line: &str) -> Option<&str> {
    let name = line.trim_start_matches('#').trim().trim_matches('`').strip_prefix("synapse.app.")?;
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (plain && (line.starts_with('#') || line.starts_with("``"))).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::super::{OwnTableKind, detect, read_own_table};
    use crate::{Method, Table};

    /// A short version of the document.
    const DOCUMENT: &str = "\
# Scaling

 * if handling the `^/_matrix/client/v3/keys/upload` endpoint, the HTTP URI.

## Available worker applications

### `synapse.app.generic_worker`

This worker can handle API requests matching the following regular expressions.

    # Sync requests
    ^/_matrix/client/(r0|v3)/sync$

    # Encryption requests
    # Note that ^/_matrix/client/(r0|v3|unstable)/keys/upload/ requires `worker_main_http_uri`
    ^/_matrix/client/(r0|v3|unstable)/keys/upload/

Additionally, the following REST endpoints can be handled for GET requests:

    ^/_matrix/client/(api/v1|r0|v3|unstable)/pushrules/

Pagination requests can also be handled, but all requests for a given
room must be routed to the same instance:

    ^/_matrix/client/(api/v1|r0|v3|unstable)/rooms/.*/messages$

Additionally, the following endpoints should be included if Synapse is configured
to use SSO:

    # OpenID Connect requests.
    ^/_synapse/client/oidc/callback$

Ensure that all SSO logins go to a single process.

```nginx
# Sync initial/normal
location ~ ^/_matrix/client/(r0|v3)/sync$ {
```

##### The `typing` stream

The following endpoints should be routed directly to the worker configured as
the stream writer for the `typing` stream:

    ^/_matrix/client/(api/v1|r0|v3|unstable)/rooms/.*/typing

##### The `receipts` stream

The `receipts` stream supports multiple writers. The following endpoints
can be handled by any worker, but should be routed directly to one of the workers
configured as stream writer for the `receipts` stream:

    ^/_matrix/client/(r0|v3|unstable)/rooms/.*/receipt

### `synapse.app.media_repository`

It can handle all endpoints starting with:

    /_matrix/media/

... and the following regular expressions matching media-specific administration APIs:

    ^/_synapse/admin/v1/purge_media_cache$

## Migration from old config

    ^/_matrix/not/a/row
";

    fn read(text: &str) -> Table {
        read_own_table("workers.md", text.as_bytes()).unwrap()
    }

    #[test]
    fn the_document_determines_worker_section_methods_stream_and_condition_of_each_row() {
        assert_eq!(detect(DOCUMENT), Some(OwnTableKind::WorkersDocument));
        let table = read(DOCUMENT);
        let rows: Vec<_> = table
            .rows
            .iter()
            .map(|row| {
                (row.group.as_str(), row.section.as_deref(), row.methods.as_slice(), row.stream.as_deref(), row.condition.as_deref())
            })
            .collect();
        let get = &[Method::Get][..];
        assert_eq!(
            rows,
            [
                ("sync", Some("Sync requests"), &[][..], None, None),
                ("encryption", Some("Encryption requests"), &[], None, Some("requires_worker_main_http_uri")),
                ("push_rules", None, get, None, None),
                ("pagination", None, &[], None, Some("same_room_same_instance")),
                ("sso_oidc", Some("OpenID Connect requests"), &[], None, Some("sso_only")),
                ("typing", Some("The typing stream"), &[], Some("typing"), Some("single_writer")),
                ("receipts", Some("The receipts stream"), &[], Some("receipts"), Some("multi_writer")),
                ("media", None, &[], None, None),
                ("media_admin", None, &[], None, None),
            ]
        );
        assert_eq!(table.rows[4].notes, ["single_process"]);
        assert_eq!(table.rows[6].notes, ["any_worker"]);
        assert_eq!(table.rows[8].worker, "media_repository");
    }

    #[test]
    fn a_document_copied_from_a_web_page_is_the_same_document() {
        let copied: String = DOCUMENT.lines().flat_map(|line| [line.trim(), "\n|\n"]).collect();
        assert_eq!(read(&copied).rows, read(DOCUMENT).rows);
    }
}
