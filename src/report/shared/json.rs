//! What the JSON files of all reports share.
//!
//! Each report has serialised types apart from its model, so that the model can change while the file format stays. The schemas
//! are in `schema/`; tests check real output against them.

use serde::Serialize;

use super::{escape, vocabulary};
use wsim_profile::Window;
use wsim_text as text;
use wsim_trace::ingest::LineTally;

/// Returns `report` as indented JSON with a final newline. Log text stays as it is, except that invisible characters are
/// written as `\uXXXX`; a program that prints a value must escape it for its output.
///
/// # Errors
/// Those of `serde_json`; no value of a report causes one.
pub(crate) fn write(report: &impl Serialize) -> serde_json::Result<String> {
    let mut text = escape::json(&serde_json::to_string_pretty(report)?);
    text.push('\n');
    Ok(text)
}

/// A window of time as JSON: RFC 3339 instants and the length in seconds.
#[derive(Serialize)]
pub(crate) struct Span {
    start: String,
    end: String,
    seconds: f64,
}

impl From<Window> for Span {
    fn from(window: Window) -> Self {
        Self { start: text::rfc3339(window.start_us), end: text::rfc3339(window.end_us), seconds: window.seconds() }
    }
}

/// An input with its line counts as JSON.
#[derive(Serialize)]
pub(crate) struct WireInput<'a> {
    path: &'a str,
    format: &'a str,
    format_reason: &'a str,
    bytes: u64,
    lines: u64,
    requests: u64,
    not_requests: u64,
    malformed: u64,
    duplicates: u64,
    first: Option<String>,
    last: Option<String>,
    time_note: String,
}

impl<'a> From<&'a LineTally> for WireInput<'a> {
    fn from(input: &'a LineTally) -> Self {
        Self {
            path: &input.path,
            format: &input.format,
            format_reason: &input.reason,
            bytes: input.bytes,
            lines: input.lines,
            requests: input.requests,
            not_requests: input.not_requests,
            malformed: input.malformed,
            duplicates: input.duplicates,
            first: input.first_us.map(text::rfc3339),
            last: input.last_us.map(text::rfc3339),
            time_note: vocabulary::input_note(input),
        }
    }
}
