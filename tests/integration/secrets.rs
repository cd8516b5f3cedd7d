//! No secret of a log is in anything that wsim writes: every kind of secret, in every field of every log format, in every encoding, looked for
//! in every byte of every output, also in decoded Parquet.
//!
//! ```text
//! KINDS × Field × Encoding ─▶ cells, one log line each ─▶ commands ─▶ outputs ─▶ the cells whose secret came through: none
//! ```
//!
//! `cargo test -p wsim --test integration secrets -- --nocapture` prints the table of counts.

mod cells;
mod outputs;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cells::{Cell, ENCODINGS, KINDS, Planter, malformed_lines, planted_log};
use outputs::Outputs;

use crate::planted::{Field, LOG_FORMATS, LogFormat};
use crate::support::run_in;

/// Lines of each format that a replay sends, which takes real time.
const REPLAYED_LINES: usize = 400;

#[test]
fn no_secret_of_a_log_is_in_any_output() {
    let folder = tempfile::tempdir().unwrap();
    let mut planter = Planter::default();
    let mut logs = Outputs::default();
    for format in &LOG_FORMATS {
        let log = planted_log(format, &mut planter) + &malformed_lines(&mut planter, format.file);
        fs::write(folder.path().join(format.file), &log).unwrap();
        logs.add(format.file, log);
    }
    assert_eq!(logs.find(&planter.cells).len(), planter.cells.len(), "every secret is found where it was planted");
    let mut outputs = Outputs::default();
    analyse_every_format(folder.path(), &mut outputs);
    simulate_replay_and_compare(folder.path(), &mut outputs);
    export(folder.path(), &mut outputs);
    outputs.add_folder(&folder.path().join("reports"));
    outputs.add_folder(&folder.path().join("schedule"));

    let through = outputs.find(&planter.cells);
    print_table(&planter.cells, &through, &outputs);
    assert!(planter.cells.len() > 30_000 && outputs.bytes() > 1_000_000, "{} cells, {} bytes", planter.cells.len(), outputs.bytes());
    assert!(through.is_empty(), "{}", list(&through));
}

#[test]
fn no_secret_in_the_name_of_a_file_is_in_any_output() {
    let mut planter = Planter::default();
    let mut outputs = Outputs::default();
    let line = r#"203.0.113.9 - - [20/Nov/2026:16:00:01 +0000] "GET /_matrix/client/v3/sync HTTP/1.1" 200 523 "-" "Element/1.11.70"
"#;
    let kinds = || KINDS.iter().filter(|kind| !kind.holds_slashes);
    let encodings = || ENCODINGS.iter().filter(|encoding| encoding.fits_file_names);
    // All of them in one folder, in one report.
    let folder = tempfile::tempdir().unwrap();
    for (kind, encoding) in kinds().flat_map(|kind| encodings().map(move |encoding| (kind, encoding))) {
        let name = planter.plant(kind, encoding, "file name", "nginx-combined.log") + ".log";
        fs::write(folder.path().join(name), line).unwrap();
    }
    let reports = tempfile::tempdir().unwrap();
    let (logs, out) = (folder.path().display().to_string(), reports.path().display().to_string());
    outputs.run(folder.path(), &["analyse", &logs, "--out", &out, "--name", "all"]);
    outputs.run(folder.path(), &["analyse", &logs, "--out", &out, "--name", "json", "--json"]);
    // Each alone: the run is named after it, and errors name it.
    for (kind, encoding) in kinds().zip(encodings().cycle()) {
        let name = planter.plant(kind, encoding, "file name", "nginx-combined.log") + ".log";
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(&name), line).unwrap();
        fs::write(folder.path().join(format!("no-{name}")), b"\x89PNG\r\n\x1a\n\0\0\0").unwrap();
        outputs.run(folder.path(), &["analyse", &name, "--out", &out]);
        outputs.run(folder.path(), &["analyse", &format!("missing-{name}")]);
        outputs.run(folder.path(), &["analyse", &format!("no-{name}")]);
    }
    outputs.add_folder(reports.path());
    let through = outputs.find(&planter.cells);
    print_table(&planter.cells, &through, &outputs);
    assert!(outputs.bytes() > 1_000_000, "{} bytes", outputs.bytes());
    assert!(through.is_empty(), "{}", list(&through));
}

#[test]
fn no_secret_in_an_argument_or_a_key_is_in_any_output() {
    let folder = tempfile::tempdir().unwrap();
    let mut planter = Planter::default();
    let mut outputs = Outputs::default();
    let line = r#"203.0.113.9 - - [20/Nov/2026:16:00:01 +0000] "GET /_matrix/client/v3/sync HTTP/1.1" 200 523 "-" "Element/1.11.70""#;
    fs::write(folder.path().join("access.log"), format!("{line}\n")).unwrap();
    fs::create_dir(folder.path().join("keyed")).unwrap();
    for kind in &KINDS {
        let mut plant = |field| planter.plant(kind, &ENCODINGS[0], field, "access.log");
        let target = format!("/_matrix/client/v3/rooms/{}/messages?{}", plant("argument"), plant("argument"));
        let json: &[&str] = if target.len() % 2 == 0 { &["--json"] } else { &[] };
        outputs.run(folder.path(), &[&["endpoints", "GET", &target], json].concat());
        outputs.run(folder.path(), &["analyse", "access.log", &format!("--{}", plant("option"))]);
        outputs.run(folder.path(), &["analyse", "access.log", "--from", &plant("value")]);
        outputs.run(folder.path(), &["analyse", "access.log", "--log-format", &format!("$remote_addr {} $oops", plant("format"))]);
        // An inferred format repeats the keys of the lines.
        let key: String = plant("key").chars().take(32).collect();
        if !key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
            continue;
        }
        let keyed: String = (0..30).map(|_| format!("{line} rt=0.003 {key}=1 urt=0.003\n")).collect();
        fs::write(folder.path().join("keyed").join(format!("{}.log", kind.name.replace(' ', "-"))), keyed).unwrap();
    }
    outputs.run(folder.path(), &["analyse", "keyed", "--name", "keyed"]);
    outputs.add_folder(&folder.path().join("reports"));
    let through = outputs.find(&planter.cells);
    assert!(through.is_empty(), "{}", list(&through));
}

/// Names that look like tokens, and everything else that routing, skew and a replay depend on, come through as they are.
#[test]
fn what_is_no_secret_stays() {
    let folder = tempfile::tempdir().unwrap();
    let user = ["carol", "_discord_123456789012345678", "mat_thompson", "Zx8kQ2mPq9LrT4vW", "6f1f2d3a-8b7c-4d5e-9f60-718293a4b5c6"];
    let room = ["NPhsp-jxd9SUPO1jeLRVoMIANmMlGMLFGa2jz5PbSpw", "OGEhHVWSdvArJzumhm"];
    let agent =
        ["Element/1.11.70", "mautrix-whatsapp/0.12 git-6c8f0a3b5d7e9f1a2b3c4d5e6f708192a3b4c5d6", "SchildiChatNext/1.6", "Synapse/1.163.2"];
    let upstream = ["127.0.0.1:8083", "synapse-generic-worker-7d9f8b6c5d-x2x4z:8083"];
    let worker = LOG_FORMATS.iter().find(|format| format.file == "synapse-generic_worker1.log").unwrap();
    let proxy = LOG_FORMATS.iter().find(|format| format.file == "nginx.json.log").unwrap();
    for format in [worker, proxy] {
        let mut number = 0;
        let log = format.log(6, |field| {
            number += 1;
            let pick = |list: &[&str]| list[number % list.len()].to_owned();
            match field {
                Field::User if format.file == proxy.file => format!("@{}:hs.example", pick(&user)),
                Field::User => pick(&user),
                Field::Room => pick(&room),
                Field::Agent => pick(&agent),
                Field::Upstream => pick(&upstream),
                _ => field.usual().to_owned(),
            }
        });
        fs::write(folder.path().join(format.file), log).unwrap();
    }
    let (status, _, stderr) = run_in(folder.path(), &["analyse", worker.file, proxy.file, "--name", "run"]);
    assert!(matches!(status, 0 | 3), "{stderr}");
    let (trace, _) = wsim::parquet::read(&folder.path().join("reports/run/trace.parquet")).unwrap();
    let names: Vec<&str> = (0..trace.names.len()).map(|id| trace.names.text(wsim::trace::NameId(u32::try_from(id).unwrap()))).collect();
    assert!(!names.iter().any(|name| name.contains("<redacted>") || name.contains("token:")), "{names:?}");
    let families = ["Element", "mautrix-whatsapp", "SchildiChatNext", "Synapse"].map(str::to_owned);
    let paths = [
        "/_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}",
        "/_matrix/client/v3/sync?since={since}&filter={filter}&timeout=30000",
    ];
    let expected = (user.iter().map(|user| format!("@{user}:hs.example")))
        .chain(room.iter().map(|room| format!("!{room}:hs.example")))
        .chain(upstream.iter().map(|upstream| (*upstream).to_owned()))
        .chain(families)
        .chain(["203.0.113.9".to_owned(), "generic_worker1".to_owned()]);
    for name in expected {
        assert!(names.contains(&name.as_str()), "{name} is not in {names:?}");
    }
    assert!(paths.iter().any(|path| names.contains(path)), "{names:?}");
}

/// Each format with a trace and without one, each alone with the options that it needs.
fn analyse_every_format(folder: &Path, outputs: &mut Outputs) {
    let detected: Vec<&str> = LOG_FORMATS.iter().filter(|format| format.options.is_empty()).map(|format| format.file).collect();
    let mut inputs: Vec<(Vec<&str>, Vec<&str>)> = vec![(detected.clone(), detected)];
    inputs.extend(
        LOG_FORMATS
            .iter()
            .filter(|format| !format.options.is_empty())
            .map(|format| (vec![format.file], [&[format.file], format.options].concat())),
    );
    for (number, (files, arguments)) in inputs.iter().enumerate() {
        let (kept, flat) = (format!("kept-{number}"), format!("flat-{number}"));
        outputs.run(folder, &[&["analyse"], arguments.as_slice(), &["--name", &kept]].concat());
        outputs.run(folder, &[&["analyse"], arguments.as_slice(), &["--name", &flat, "--no-trace", "--json"]].concat());
        let report: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(folder.join("reports").join(&kept).join("report.json")).unwrap()).unwrap();
        for input in report["inputs"].as_array().unwrap() {
            // Only lines that were read as requests say anything.
            let (lines, requests) = (input["lines"].as_u64().unwrap(), input["requests"].as_u64().unwrap());
            assert!(requests * 10 >= lines * 8, "{} of {lines} lines of {}", requests, input["path"]);
        }
        assert_eq!(report["inputs"].as_array().unwrap().len(), files.len());
    }
}

/// Simulations of logs and of a trace, two shards of a replay, their merged report, and comparisons.
fn simulate_replay_and_compare(folder: &Path, outputs: &mut Outputs) {
    let fast = ["--workers", "2..2", "--plan", "generic", "--no-backtest", "--replications", "2..2"];
    outputs.run(folder, &[&["simulate", "reports/kept-1/trace.parquet", "--name", "simulated"], &fast[..]].concat());
    let log = fs::read_to_string(folder.join("nginx-rich.log")).unwrap();
    let every = log.lines().count() / REPLAYED_LINES;
    let few: String = log.lines().step_by(every.max(1)).map(|line| line.to_owned() + "\n").collect();
    fs::write(folder.join("few.log"), few).unwrap();
    outputs.run(folder, &[&["simulate", "few.log", "--name", "few", "--json"], &fast[..]].concat());
    let replay = ["replay", "few.log", "--target", "emulated", "--plan", "generic:2", "--speed", "1000", "--allow-writes"];
    // Shards that do not begin together are not merged.
    let begin = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(20);
    let begin = wsim::text::rfc3339(i64::try_from(begin.as_secs()).unwrap() * 1_000_000);
    let shard = |shard: &str| {
        let name = format!("shard-{}", &shard[..1]);
        run_in(folder, &[&replay[..], &["--shard", shard, "--name", &name, "--start-at", &begin]].concat())
    };
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| shard("0/2"));
        let second = shard("1/2");
        (first.join().unwrap(), second)
    });
    for (status, stdout, stderr) in [first, second] {
        assert!((0..=3).contains(&status), "{stderr}");
        outputs.add("standard output of a shard", stdout);
        outputs.add("standard error of a shard", stderr);
    }
    outputs.run(folder, &["replay", "few.log", "--target", "emulated", "--plan", "generic:2", "--dry-run"]);
    outputs.run(folder, &["merge", "reports/shard-0", "reports/shard-1", "--name", "merged"]);
    outputs.run(folder, &["report", "reports/few", "reports/shard-0", "--name", "compared"]);
    outputs.run(folder, &["report", "reports/kept-0", "reports/flat-0", "--name", "compared-logs", "--json"]);
    for name in ["simulated", "few", "shard-0", "shard-1", "merged", "compared", "compared-logs"] {
        assert!(folder.join("reports").join(name).join("report.json").is_file(), "{name}: {}", outputs.text_of(name));
    }
    assert!(folder.join("reports/shard-0/requests.parquet").is_file(), "the recorded requests are looked at too");
}

/// A schedule for Locust, for a world as `wsim provision` would make it.
fn export(folder: &Path, outputs: &mut Outputs) {
    use wsim::matrix::provision::{WorldConfig, design};
    use wsim::matrix::{Manifest, Survey};
    let (trace, _) = wsim::parquet::read(&folder.join("reports/kept-0/trace.parquet")).unwrap();
    let mut world = Manifest::new("http://127.0.0.1:8008", [7; 16]);
    design(&mut world, &Survey::from_rows(&trace.names, trace.requests()), &trace.names, &WorldConfig::default());
    for (number, user) in world.copies[0].users.iter_mut().enumerate() {
        user.user_id = Some(format!("@u{number}:test.invalid"));
        for device in &mut user.devices {
            (device.token, device.device_id) = (Some(format!("given{number}")), Some("D".to_owned()));
        }
    }
    for (number, room) in world.copies[0].rooms.iter_mut().enumerate() {
        room.room_id = Some(format!("!r{number}:test.invalid"));
    }
    world.save(&folder.join("world.json")).unwrap();
    outputs.run(
        folder,
        &["export", "reports/kept-0/trace.parquet", "--world", "world.json", "--out", "schedule", "--allow-writes", "--with-tokens"],
    );
    assert!(folder.join("schedule/requests.jsonl").is_file(), "{}", outputs.text_of("export"));
}

/// The table of counts by kind: cells, and how many came through.
fn print_table(cells: &[Cell], through: &[(&Cell, String)], outputs: &Outputs) {
    let mut rows: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for cell in cells {
        rows.entry(cell.kind).or_default().0 += 1;
    }
    for (cell, _) in through {
        rows.entry(cell.kind).or_default().1 += 1;
    }
    eprintln!("{:24} {:>8} {:>12}", "kind", "cells", "came through");
    for (kind, (cells, through)) in &rows {
        eprintln!("{kind:24} {cells:8} {through:12}");
    }
    eprintln!("{:24} {:8} {:12}   in {} bytes of {} outputs", "all", cells.len(), through.len(), outputs.bytes(), outputs.len());
}

/// The first cells that came through, with the outputs, for a failed test's message.
fn list(through: &[(&Cell, String)]) -> String {
    let lines: Vec<String> = through
        .iter()
        .take(40)
        .map(|(cell, output)| {
            format!("{} in {} of {}, {}: {:?} is in {output}", cell.kind, cell.field, cell.file, cell.encoding, cell.needle)
        })
        .collect();
    format!("{} secrets came through:\n{}", through.len(), lines.join("\n"))
}

/// The format's lines hold identifiers of users, so that text without the looks of a token cannot be told from a user there.
fn has_user_ids(format: &LogFormat) -> bool {
    format.file.starts_with("synapse")
}
