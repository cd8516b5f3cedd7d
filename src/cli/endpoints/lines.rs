//! `wsim endpoints -`: `METHOD PATH` lines in, one JSON object per line out.

use std::io::{self, BufRead, BufWriter, Read, Write};

use anyhow::Context;
use serde::Serialize;

use wsim_endpoints::{Classifier, Method};
use wsim_logs::redact::scrub;

#[derive(Serialize)]
struct ClassifiedLine<'c> {
    method: &'c str,
    path: &'c str,
    group: &'c str,
    workers: &'c [String],
    stream: Option<&'c str>,
    pattern: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Classifies every line that is not blank. A line without a path is classified as invalid and says so.
pub(super) fn classify_lines(classifier: &Classifier, out: &mut dyn Write, input: &mut dyn BufRead) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if input.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).context("could not read standard input")? == 0 {
            break;
        }
        if line.len() as u64 == LINE_BYTES_MAX {
            anyhow::bail!("line {number} of standard input is longer than {}", wsim_text::size_limit(LINE_BYTES_MAX));
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let (method, target) = split(text);
        let endpoint = classifier.endpoint(classifier.classify(Method::from_bytes(method), target));
        let target_text = String::from_utf8_lossy(target);
        let classified = ClassifiedLine {
            method: &String::from_utf8_lossy(method),
            path: &scrub(&target_text),
            group: &endpoint.group,
            workers: &endpoint.workers,
            stream: endpoint.stream.as_deref(),
            pattern: endpoint.pattern.as_deref(),
            error: target.is_empty().then(|| format!("line {number}: expected METHOD PATH")),
        };
        // As an I/O error, so that a closed pipe is recognised.
        serde_json::to_writer(&mut out, &classified).map_err(io::Error::from)?;
        writeln!(out)?;
    }
    Ok(out.flush()?)
}

/// Method and target of a line; the line may be a whole request line with its protocol.
fn split(text: &[u8]) -> (&[u8], &[u8]) {
    let Some(space) = text.iter().position(u8::is_ascii_whitespace) else { return (text, b"") };
    let target = text[space..].trim_ascii();
    let target = memchr::memmem::rfind(target, b" HTTP/").map_or(target, |end| target[..end].trim_ascii_end());
    (&text[..space], target)
}

/// More than any request line that a server accepts.
const LINE_BYTES_MAX: u64 = 1_000_000;
