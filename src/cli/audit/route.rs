//! `wsim audit --route`: where requests go, one line each.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::path::Path;

use anyhow::Context;

use super::super::{Exit, UsageError};
use wsim_configure::audit::route::RouteAnswer;
use wsim_configure::read::{Files, SourceLocation};
use wsim_report::escape;

/// The requests of the command line; `-` stands for the lines of standard input.
pub(super) fn requests(arguments: &[String], stdin: &mut dyn BufRead) -> anyhow::Result<Vec<String>> {
    let mut requests = Vec::new();
    for argument in arguments {
        if argument == "-" {
            for line in stdin.lines() {
                let line = line.context("standard input")?;
                if !line.trim().is_empty() {
                    requests.push(checked(line.trim())?);
                }
                if requests.len() > REQUESTS_MAX {
                    return Err(UsageError(format!("--route: more than {REQUESTS_MAX} requests; split them")).into());
                }
            }
        } else {
            requests.push(checked(argument.trim())?);
        }
    }
    Ok(requests)
}

fn checked(text: &str) -> Result<String, UsageError> {
    let is_request =
        text.split_once(' ').is_some_and(|(method, target)| !method.is_empty() && target.starts_with('/') && !target.contains(' '));
    if is_request {
        return Ok(text.to_owned());
    }
    Err(UsageError(format!("--route: {text:?} is not METHOD PATH, such as 'GET /_matrix/client/v3/sync'")))
}

/// Writes the answers: one line each, or JSON.
pub(super) fn print(out: &mut dyn Write, answers: &[RouteAnswer], files: &dyn Files, json: bool) -> anyhow::Result<Exit> {
    if json {
        let report = serde_json::json!({ "schema": "wsim.routes/1", "wsim": env!("CARGO_PKG_VERSION"), "routes": answers });
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        lines(out, answers, files)?;
    }
    let is_unknown = answers.iter().all(|answer| answer.to == "unknown");
    Ok(if is_unknown { Exit::Missed } else { Exit::Done })
}

fn lines(out: &mut dyn Write, answers: &[RouteAnswer], files: &dyn Files) -> io::Result<()> {
    let mut texts = Texts { files, lines: HashMap::new() };
    for answer in answers {
        let destination = match answer.to {
            "pool" if answer.servers.as_slice() == [answer.destination.clone()] => answer.destination.clone(),
            "pool" => format!("{} ({})", answer.destination, answer.servers.join(", ")),
            "proxy" => format!("no server: {}", answer.destination),
            "unknown" => format!("unknown: {}", answer.destination),
            _ => answer.destination.clone(),
        };
        let rule = answer.rule.as_ref().map_or_else(|| "no rule".to_owned(), |at| texts.rule(at));
        let host = answer.host.as_ref().map_or_else(String::new, |host| format!(" as {host}"));
        let columns = [
            answer.request.clone(),
            destination,
            rule,
            format!("site {}{host}", answer.site),
            format!("may be served by {}", answer.served_by),
        ];
        let columns: Vec<String> = columns.iter().map(|column| escape::visible(column).into_owned()).collect();
        writeln!(out, "{}", columns.join("\t"))?;
    }
    Ok(())
}

/// The lines of files, each read once.
struct Texts<'f> {
    files: &'f dyn Files,
    lines: HashMap<String, Vec<String>>,
}

impl Texts<'_> {
    /// `nginx.conf:4: location ~ ^/_matrix/`
    fn rule(&mut self, at: &SourceLocation) -> String {
        let read = |file: &str| self.files.read(Path::new(file)).map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default();
        let lines = self.lines.entry(at.file.to_string()).or_insert_with(|| read(&at.file));
        let line = at.line.checked_sub(1).and_then(|index| lines.get(index)).map_or("", |line| line.trim());
        let short: String = line.chars().take(LINE_MAX).collect();
        let more = if short.len() < line.len() { "…" } else { "" };
        if line.is_empty() { at.to_string() } else { format!("{at}: {short}{more}") }
    }
}

const REQUESTS_MAX: usize = 100_000;
const LINE_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_from_arguments_and_standard_input() {
        let read = |arguments: &[&str], stdin: &str| {
            let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
            requests(&arguments, &mut stdin.as_bytes()).map_err(|error| error.to_string())
        };
        assert_eq!(read(&["GET /a", "-"], "PUT /b\n\n POST /c?d \n").unwrap(), ["GET /a", "PUT /b", "POST /c?d"]);
        for wrong in ["/a", "GET a", "GET", "GET /a b"] {
            assert!(read(&[wrong], "").unwrap_err().contains("is not METHOD PATH"), "{wrong}");
        }
    }
}
