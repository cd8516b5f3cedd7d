//! What the program is given to read: damaged files, pipes, files with several names, and hours that clocks double or skip.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use wsim::trace::Trace;

use crate::support::{BackgroundProcess, Run, sample, wsim};

/// A log that gives a recommendation, so that the exit status is 0.
fn whole_log() -> Vec<u8> {
    std::fs::read(sample("nginx-combined.log")).unwrap()
}

fn lines_of(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(text).unwrap();
    writer.finish().unwrap()
}

fn xz(text: &[u8]) -> Vec<u8> {
    let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 1);
    writer.write_all(text).unwrap();
    writer.finish().unwrap()
}

fn bzip2(text: &[u8]) -> Vec<u8> {
    let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    writer.write_all(text).unwrap();
    writer.finish().unwrap()
}

/// Two copies of the log, each a member, of which the first has a wrong checksum.
fn wrong_checksum(folder: &Path) -> PathBuf {
    let mut first = gzip(&whole_log());
    let end = first.len();
    first[end - 6] ^= 0x10;
    let path = folder.join("access.log.gz");
    std::fs::write(&path, [first, gzip(&whole_log())].concat()).unwrap();
    path
}

#[test]
fn a_wrong_checksum_is_told_everywhere_and_later_members_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let plain = Run::analyse(&[sample("nginx-combined.log")]);
    let (status, lines) = (plain.status(), plain.json()["inputs"][0]["lines"].as_u64().unwrap());
    assert_eq!(status, Some(0), "{}", plain.stderr());
    let run = Run::analyse(&["--quiet".into(), wrong_checksum(folder.path())]);
    assert_eq!(run.status(), Some(3));
    let told = run.stderr();
    assert_eq!(told.lines().count(), 1, "{told}");
    for part in ["error: ", "access.log.gz: wrong checksum", "at byte ", &format!("after line {lines}")] {
        assert!(told.contains(part), "{told}");
    }
    let report = run.json();
    assert_eq!(report["inputs"][0]["lines"], 2 * lines);
    assert_eq!(report["inputs"][0]["requests"], 2 * plain.json()["inputs"][0]["requests"].as_u64().unwrap());
    assert!(report["inputs"][0]["time_note"].as_str().unwrap().contains("wrong checksum"), "{}", report["inputs"]);
    assert_eq!(report["confidence"]["level"], "low");
    assert!(report["confidence"]["why"].as_str().unwrap().contains("damaged"), "{}", report["confidence"]);
    for name in ["report.md", "report.html"] {
        assert!(run.read(name).contains("wrong checksum"), "{name}");
    }
}

#[test]
fn a_report_made_from_the_trace_of_a_damaged_log_tells_of_the_damage_too() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::analyse(&[wrong_checksum(folder.path())]);
    let again = Run::analyse(&[run.folder().join("trace.parquet")]);
    assert_eq!(again.status(), Some(3), "{}", again.stderr());
    assert!(again.stderr().contains("wrong checksum"), "{}", again.stderr());
}

#[test]
fn files_that_end_in_the_middle_keep_their_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let log = whole_log();
    let compressed = [("gz", gzip(&log)), ("zst", zstd::encode_all(&log[..], 1).unwrap()), ("xz", xz(&log)), ("bz2", bzip2(&log))];
    for (ending, bytes) in compressed {
        let path = folder.path().join(format!("access.log.{ending}"));
        std::fs::write(&path, &bytes[..bytes.len() - bytes.len() / 8]).unwrap();
        let other = sample("nginx-rich.log");
        let run = Run::analyse(&[path.display().to_string(), other]);
        assert_eq!(run.status(), Some(3), "{ending}: {}", run.stderr());
        assert!(run.stderr().contains("reading ended early"), "{ending}: {}", run.stderr());
        let report = run.json();
        let input = &report["inputs"][0];
        let lines = input["lines"].as_u64().unwrap();
        // The log is a single block of bzip2 or zstd.
        let one_block = ["bz2", "zst"].contains(&ending);
        assert!(lines < lines_of(&log) && (one_block || lines > 0), "{ending}: {lines} lines");
        assert_eq!(input["malformed"], 0, "{ending}: the line that is cut off is not read as another");
        let place = if lines == 0 { "before the first line".to_owned() } else { format!("after line {lines}") };
        assert!(run.stderr().contains(&place), "{ending}: {}", run.stderr());
    }
}

#[test]
fn a_name_that_promises_compression_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("plain.log.gz"), whole_log()).unwrap();
    std::fs::write(path("nothing.log.xz"), b"").unwrap();
    std::fs::write(path("twice.log.gz"), gzip(&gzip(&whole_log()))).unwrap();
    let plain = Run::analyse(&[path("plain.log.gz")]);
    assert_eq!((plain.status(), plain.json()["inputs"][0]["lines"].as_u64()), (Some(3), Some(lines_of(&whole_log()))));
    assert!(plain.stderr().contains("not gzip, although the name promises it"), "{}", plain.stderr());
    let nothing = Run::analyse(&[path("nothing.log.xz")]);
    assert_eq!(nothing.status(), Some(1));
    assert!(nothing.stderr().contains("nothing.log.xz: empty, although the name promises xz"), "{}", nothing.stderr());
    let twice = Run::analyse(&[path("twice.log.gz")]);
    assert_eq!(twice.status(), Some(1));
    assert!(twice.stderr().contains("gzip within a compressed file"), "{}", twice.stderr());
}

fn trace_of(run: &Run) -> Trace {
    let path = run.folder().join("trace.parquet");
    wsim::parquet::read(&path).unwrap_or_else(|error| panic!("{error}: {}", run.stderr())).0
}

/// Arrivals with addresses, of which a lost byte changes the first.
fn requests(run: &Run) -> Vec<(i64, String)> {
    let trace = trace_of(run);
    trace.requests().map(|request| (request.arrival_us, trace.names.text(request.peer).to_owned())).collect()
}

fn fifo(folder: &Path) -> PathBuf {
    let path = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn a_pipe_gives_what_the_file_gives() {
    let folder = tempfile::tempdir().unwrap();
    let expected = requests(&Run::analyse(&[sample("nginx-combined.log")]));
    let path = fifo(folder.path());
    for (argument, writer) in [(path.display().to_string(), Some(&path)), ("/dev/stdin".to_owned(), None), ("-".to_owned(), None)] {
        let out = tempfile::tempdir().unwrap();
        let writing = writer.map(|path| {
            let path = path.clone();
            std::thread::spawn(move || std::fs::write(path, whole_log()).unwrap())
        });
        let mut command = wsim();
        command.args(["analyse", &argument, "--quiet", "--name", "run", "--out"]).arg(out.path());
        if writer.is_none() {
            command.write_stdin(whole_log());
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{argument}: {}", String::from_utf8_lossy(&output.stderr));
        writing.into_iter().for_each(|thread| thread.join().unwrap());
        let trace = wsim::parquet::read(&out.path().join("run/trace.parquet")).unwrap().0;
        let found: Vec<_> = trace.requests().map(|r| (r.arrival_us, trace.names.text(r.peer).to_owned())).collect();
        assert!(found == expected, "{argument}: {:?} in place of {:?}", found.first(), expected.first());
    }
}

/// Waits until a thread of the program has this name.
#[cfg(target_os = "linux")]
fn wait_for_thread(program: u32, name: &str) {
    let began = Instant::now();
    let is_there = || {
        let tasks = std::fs::read_dir(format!("/proc/{program}/task")).unwrap();
        tasks.flatten().any(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name))
    };
    while !is_there() {
        assert!(began.elapsed() < Duration::from_secs(20), "no thread `{name}`");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_without_a_writer_ends_at_the_first_signal() {
    let folder = tempfile::tempdir().unwrap();
    let program = Command::new(assert_cmd::cargo::cargo_bin("wsim"))
        .args(["analyse", "--out"])
        .arg(folder.path())
        .arg(fifo(folder.path()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut program = BackgroundProcess(program);
    wait_for_thread(program.0.id(), "pipe");
    assert!(Command::new("kill").arg(program.0.id().to_string()).status().unwrap().success());
    let began = Instant::now();
    while program.0.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(20), "the program still waits for a writer");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut told = String::new();
    std::io::Read::read_to_string(program.0.stderr.as_mut().unwrap(), &mut told).unwrap();
    assert!(told.contains("interrupted"), "{told}");
}

#[test]
fn a_trace_through_a_pipe_and_pipes_that_are_named_twice_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::analyse(&[sample("nginx-combined.log")]);
    let trace = std::fs::read(run.folder().join("trace.parquet")).unwrap();
    let refused = |arguments: &[&str], input: &[u8], why: &str| {
        let output = wsim().arg("analyse").args(arguments).arg("--out").arg(folder.path()).write_stdin(input.to_vec()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(why), "{told}");
    };
    let log = whole_log();
    refused(&["-"], &trace, "a trace is read only alone and as a file");
    refused(&["/dev/stdin"], &trace, "a trace is read only alone and as a file");
    refused(&["-", "-"], &log, "can be read only once");
    refused(&["-", "/dev/stdin"], &log, "can be read only once");
    let pipe = fifo(folder.path()).display().to_string();
    refused(&[&pipe, &pipe], &log, "can be read only once");
    refused(&["/dev/null"], &log, "/dev/null is empty");
    refused(&["/dev/zero"], &log, "/dev/zero is not a text log");
    refused(&["-"], b"", "standard input is empty");
    let both = wsim()
        .args(["analyse", "-", &sample("nginx-rich.log"), "--json", "--out"])
        .arg(folder.path())
        .write_stdin(log.clone())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&both.stdout).unwrap();
    assert_eq!(report["inputs"][0]["lines"], lines_of(&log));
    assert!(report["inputs"][1]["lines"].as_u64().unwrap() > 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_as_standard_input_is_told_what_it_waits_for() {
    let folder = tempfile::tempdir().unwrap();
    let program = assert_cmd::cargo::cargo_bin("wsim");
    let command = format!("{} analyse - --out {}", program.display(), folder.path().display());
    let output = Command::new("script").args(["-qec", &command, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("reading lines from the terminal") && told.contains("Ctrl-D"), "{told}");
}

#[cfg(unix)]
#[test]
fn a_file_with_several_names_is_read_once_and_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::write(root.join("access.log"), whole_log()).unwrap();
    std::fs::hard_link(root.join("access.log"), root.join("hard.log")).unwrap();
    std::os::unix::fs::symlink("access.log", root.join("current.log")).unwrap();
    std::os::unix::fs::symlink(root, root.join("circle")).unwrap();
    fifo(root);
    for argument in ["", "*.log", "**/*.log"] {
        let run = Run::analyse(&[root.join(argument)]);
        let report = run.json();
        assert_eq!(report["inputs"].as_array().unwrap().len(), 1, "{argument}: {}", report["inputs"]);
        assert_eq!(report["requests"].as_u64(), Run::analyse(&[sample("nginx-combined.log")]).json()["requests"].as_u64());
        assert!(run.stderr().contains("current.log is the same file as"), "{argument}: {}", run.stderr());
        assert!(report["assumptions"].to_string().contains("hard.log is the same file as"), "{argument}");
        assert_eq!(run.stderr().contains("pipe is left out: a pipe"), argument.is_empty(), "{argument}: {}", run.stderr());
    }
}

/// A line of Synapse with a stamp without an offset.
fn synapse_line(stamp: &str) -> String {
    format!(
        "{stamp},000 - synapse.access.http.8008 - 12 - INFO - GET-1 - 127.0.0.1 - 8008 - {{None}} Processed request: 0.001sec/0.000sec (0.001sec, 0.000sec) (0.000sec/0.000sec/0) 12B 200 \"GET /_matrix/client/versions HTTP/1.1\" \"curl\" [0 dbevts]\n"
    )
}

/// Lines every two seconds from an instant in UTC, for this many seconds, with Berlin's local time, or with its offset too.
fn berlin_log(start: &str, seconds: i64) -> Vec<String> {
    let start: jiff::Timestamp = start.parse().unwrap();
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    (0..seconds / 2)
        .map(|step| {
            let at = start.checked_add(jiff::SignedDuration::from_secs(step * 2 + 1)).unwrap().to_zoned(zone.clone());
            synapse_line(&at.strftime("%Y-%m-%d %H:%M:%S").to_string())
        })
        .collect()
}

/// The minutes of a day in UTC, with their numbers of requests.
fn minutes(run: &Run) -> Vec<i64> {
    let mut minutes: Vec<i64> = trace_of(run).requests().map(|request| request.arrival_us.div_euclid(60_000_000) % 1440).collect();
    minutes.dedup();
    minutes
}

fn in_berlin(arguments: &[PathBuf]) -> Run {
    let options = ["--tz", "Europe/Berlin", "--quiet"].map(PathBuf::from);
    Run::analyse(&[&options[..], arguments].concat())
}

fn told_of_clocks(run: &Run) -> Vec<String> {
    let report = run.json();
    let all = report["assumptions"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned());
    all.filter(|text| text.contains("clocks")).collect()
}

#[test]
fn the_order_of_lines_tells_the_two_passes_of_a_doubled_hour_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // 01:30 in summer time to 03:30 in winter time: three hours, of which 02:00 to 03:00 comes twice.
    let lines = berlin_log("2026-10-24T23:30:00Z", 3 * 3600);
    let expected: Vec<i64> = (1410..1440).chain(0..150).collect();
    std::fs::write(path("homeserver.log"), lines.concat()).unwrap();
    let whole = in_berlin(&[path("homeserver.log")]);
    assert_eq!(minutes(&whole), expected);
    assert_eq!(told_of_clocks(&whole), Vec::<String>::new());
    let threads = in_berlin(&["--threads".into(), "3".into(), path("homeserver.log")]);
    assert_eq!(requests(&threads), requests(&whole));
    // Rotated in the first pass and in the second, and named newest first.
    for cut in [1800, 3600] {
        std::fs::write(path("rotated.log.1"), lines[..cut].concat()).unwrap();
        std::fs::write(path("rotated.log"), lines[cut..].concat()).unwrap();
        let rotated = in_berlin(&[path("rotated.log"), path("rotated.log.1")]);
        assert_eq!(minutes(&rotated), expected, "cut at line {cut}");
        assert_eq!(told_of_clocks(&rotated), Vec::<String>::new());
    }
    // The second half of the second pass alone: nothing tells, so that the first is assumed, which is said.
    std::fs::write(path("tail.log"), lines[3600..].concat()).unwrap();
    let tail = in_berlin(&[path("tail.log")]);
    assert_eq!(minutes(&tail), (30..60).chain(120..150).collect::<Vec<_>>());
    let told = told_of_clocks(&tail);
    assert!(told.len() == 1 && told[0].starts_with("900 requests are in the hour that came twice"), "{told:?}");
    assert!(tail.json()["inputs"][0]["time_note"].as_str().unwrap().contains("900 requests in the hour that came twice"));
}

#[test]
fn an_hour_that_clocks_skip_is_told_and_the_change_itself_is_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("spring.log"), berlin_log("2026-03-29T00:30:00Z", 3600).concat()).unwrap();
    let spring = in_berlin(&[path("spring.log")]);
    assert_eq!(minutes(&spring), (30..90).collect::<Vec<_>>());
    assert_eq!(told_of_clocks(&spring), Vec::<String>::new());
    let in_utc: String = (0..60).map(|minute| synapse_line(&format!("2026-03-29 02:{minute:02}:00"))).collect();
    std::fs::write(path("utc.log"), in_utc).unwrap();
    let wrong_zone = in_berlin(&[path("utc.log")]);
    let told = told_of_clocks(&wrong_zone);
    assert!(told.len() == 1 && told[0].starts_with("60 requests") && told[0].contains("check --tz"), "{told:?}");
}

#[test]
fn stamps_with_an_offset_are_unaffected_by_changes_of_clocks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let line =
        |stamp: &str| format!("203.0.113.7 - - [25/Oct/2026:{stamp}] \"GET /_matrix/client/versions HTTP/1.1\" 200 5 \"-\" \"curl\"\n");
    let log: String = (0..60).flat_map(|m| [line(&format!("02:{m:02}:00 +0100")), line(&format!("02:{m:02}:00 +0200"))]).collect();
    std::fs::write(&path, log).unwrap();
    let run = in_berlin(&[path]);
    assert_eq!(minutes(&run), (0..120).collect::<Vec<_>>());
    assert_eq!(told_of_clocks(&run), Vec::<String>::new());
}
