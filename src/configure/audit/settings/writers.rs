//! `stream_writers`: streams that the release has, writers that are in `instance_map`, and as many as the release allows.

use super::super::super::read::SourceLocation;
use super::super::super::read::synapse::SynapseFiles;
use super::super::super::read::tree::Value;
use super::super::finding::Severity;
use super::instances::known_instances;
use super::report::Report;
use super::{Process, Since, workers};

/// A stream with writers, by the releases of `synapse/config/workers.py`.
struct Stream {
    name: &'static str,
    /// The first release that knows the stream.
    since: &'static str,
    /// From which release on the number of writers is checked, and the first that allows several.
    one_from: Option<&'static str>,
    several_from: Option<&'static str>,
}

const fn stream(name: &'static str, since: &'static str, one_from: Option<&'static str>, several_from: Option<&'static str>) -> Stream {
    Stream { name, since, one_from, several_from }
}

const STREAMS: [Stream; 10] = [
    stream("events", "1.14", None, Some("1.22")),
    stream("typing", "1.18", Some("1.47"), None),
    stream("to_device", "1.26", Some("1.26"), None),
    stream("account_data", "1.26", Some("1.26"), None),
    stream("receipts", "1.26", Some("1.26"), Some("1.96")),
    stream("presence", "1.33", Some("1.33"), None),
    stream("push_rules", "1.105", Some("1.105"), None),
    stream("device_lists", "1.135", Some("1.135"), Some("1.135")),
    stream("thread_subscriptions", "1.135", Some("1.135"), Some("1.135")),
    stream("quarantined_media_changes", "1.152", Some("1.152"), Some("1.152")),
];

/// What the loader refuses.
pub(super) fn refused(process: &Process<'_>, release: &Since<'_>, report: &mut Report) {
    let Some((map, at)) = process.truthy("stream_writers") else { return };
    let known = known_instances(process, release);
    for (name, node) in map.entries() {
        let at = SourceLocation::new(&at.file, node.line);
        let shown = name.escape_debug();
        let Some(stream) = STREAMS.iter().find(|stream| stream.name == name).filter(|stream| release.is_at_least(stream.since)) else {
            let what = match STREAMS.iter().find(|stream| stream.name == name) {
                Some(stream) => format!("stream_writers names {shown}, which Synapse has since {}", stream.since),
                None => format!("stream_writers names the stream {shown}, which Synapse does not have"),
            };
            report.refuse(process.name(), "unknown-stream", &at, [what, "correct the name, or remove it".to_owned()]);
            continue;
        };
        if node.value == Value::Null {
            let words = [format!("stream_writers names no writer for {shown}"), "name one, or remove the line".to_owned()];
            report.refuse(process.name(), "no-writer", &at, words);
            continue;
        }
        let writers = node.texts();
        for writer in writers.iter().filter(|writer| *writer != "master" && !known.contains(writer)) {
            unmapped(process, &at, writer, name, report);
        }
        count(process, release, &at, stream, writers.len(), report);
    }
}

fn unmapped(process: &Process<'_>, at: &SourceLocation, writer: &str, stream: &str, report: &mut Report) {
    let (writer_shown, stream) = (writer.escape_debug(), stream.escape_debug());
    if writer == "main" {
        let what = format!("{stream} is written by main, which stream_writers calls master");
        report.refuse(process.name(), "main-is-master", at, [what, format!("remove {stream}, or write master")]);
        return;
    }
    let what = format!("{writer_shown} writes {stream} but is not in instance_map");
    // A partial configuration may have the map elsewhere.
    if process.get("instance_map").is_some() || process.files.is_complete() {
        let fix = "add it to instance_map with the host and port of its replication listener".to_owned();
        report.refuse(process.name(), "writer-not-mapped", at, [what, fix]);
    }
}

fn count(process: &Process<'_>, release: &Since<'_>, at: &SourceLocation, stream: &Stream, writers: usize, report: &mut Report) {
    let allows_several = stream.several_from.is_some_and(|since| release.is_at_least(since));
    let is_checked = stream.one_from.is_some_and(|since| release.is_at_least(since));
    if writers > 1 && !allows_several && is_checked {
        let since = stream.several_from.map_or(String::new(), |since| format!(" (several since Synapse {since})"));
        let what = format!("stream_writers names {writers} writers for {}, which has one{since}", stream.name);
        report.refuse(process.name(), "several-writers", at, [what, "keep one of them".to_owned()]);
    }
    let needs_one = is_checked || (stream.name == "events" && release.is_at_least("1.29"));
    if writers == 0 && needs_one {
        let words = [format!("stream_writers names no writer for {}", stream.name), "name one, or remove the line".to_owned()];
        report.refuse(process.name(), "no-writer", at, words);
    }
}

/// What starts and does not work.
pub(super) fn check(files: &SynapseFiles, release: &Since<'_>, report: &mut Report) {
    for (stream, names) in &files.writers {
        let known = STREAMS.iter().find(|own| own.name == stream);
        let is_checked = known.and_then(|own| own.one_from).is_some_and(|since| release.is_at_least(since));
        let allows_several = known.and_then(|own| own.several_from).is_some_and(|since| release.is_at_least(since));
        if names.names.len() > 1 && !is_checked && !allows_several && known.is_some_and(|own| release.is_at_least(own.since)) {
            report.add(
                "several-writers",
                Severity::Error,
                &names.at,
                [
                    format!("stream_writers names {} writers for {}, which has one", names.names.len(), stream.escape_debug()),
                    "this release does not check it, and the writers give out the same positions twice".to_owned(),
                    "keep one of them".to_owned(),
                ],
            );
        }
        for name in names.names.iter().filter(|name| *name != "main" && *name != "master") {
            writer_process(files, stream, name, &names.at, report);
        }
    }
}

fn writer_process(files: &SynapseFiles, stream: &str, name: &str, at: &SourceLocation, report: &mut Report) {
    let (name_shown, stream) = (name.escape_debug(), stream.escape_debug());
    let Some(process) = files.process(name) else {
        if !workers(files).is_empty() && files.instances.iter().any(|(own, ..)| own == name) {
            report.add(
                "writer-of-nobody",
                Severity::Warning,
                at,
                [
                    format!("{name_shown} writes {stream}, but no worker file has that name"),
                    "nobody writes the stream, unless that worker's file is missing here".to_owned(),
                    "correct the name, or add that worker's file to the audit".to_owned(),
                ],
            );
        }
        return;
    };
    if !process.listeners.iter().any(|listener| listener.has("replication")) {
        report.add(
            "missing-resource",
            Severity::Error,
            &process.at,
            [
                format!("{name_shown} writes {stream} but has no replication listener"),
                "the other processes cannot reach it: what they hand on to it fails".to_owned(),
                "add a listener of type http with resources: - names: [replication], on the port that instance_map names".to_owned(),
            ],
        );
    }
}
