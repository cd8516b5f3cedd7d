//! `--anonymise`: a text planted in any field of any log format comes out nowhere.

use std::path::{Path, PathBuf};

use wsim::matrix::provision::{self, WorldConfig};
use wsim::matrix::{Manifest, Survey};
use wsim::trace::{Request, Trace};

use crate::planted::{Field, LOG_FORMATS, LogFormat};
use crate::support::{run_in, sample};

/// In every planted text but addresses; no hash and no word of wsim contains it.
const MARK: &str = "qzxplanted";
/// The network of planted addresses.
const NETWORK: &str = "198.51.100.";

/// The text planted in a field: one of a kind.
fn planted(field: Field) -> String {
    let number = field as usize;
    match field {
        Field::Address => format!("{NETWORK}{number}"),
        Field::Agent => format!("{MARK}-{number} like a client/1.0"),
        Field::Referer => format!("https://{MARK}-{number}.example/"),
        Field::Upstream => format!("{MARK}-{number}:8083"),
        _ => format!("{MARK}-{number}"),
    }
}

/// A folder with a planted log of each format, whose own names are planted too.
struct Planted {
    folder: tempfile::TempDir,
}

impl Planted {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("out")).unwrap();
        Self { folder }
    }

    /// Writes a log and returns the arguments that read it.
    fn log(&self, format: &LogFormat) -> Vec<String> {
        let path = format!("{MARK}-log-{}", format.file);
        std::fs::write(self.folder.path().join(&path), format.log(1, planted)).unwrap();
        let options = format.options.iter().map(|option| (*option).to_owned());
        options.chain([path]).collect()
    }

    /// Runs the program into `out/`; returns everything that it printed.
    fn run(&self, arguments: &[String]) -> String {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (status, stdout, stderr) = run_in(self.folder.path(), &arguments);
        assert!(status == 0 || status == 3, "{arguments:?}: {status}\n{stdout}{stderr}");
        format!("{stdout}\n{stderr}")
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn report(&self, run: &str) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.out().join(run).join("report.json")).unwrap()).unwrap()
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Every place where a planted text stands in a text.
fn found_in(what: &str, text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let at = |needle: &str| lower.match_indices(needle).map(|(at, _)| at).collect::<Vec<_>>();
    let around = |at: usize| format!("{what}: …{}", String::from_utf8_lossy(&lower.as_bytes()[at..lower.len().min(at + 60)]));
    at(MARK).into_iter().chain(at(NETWORK)).map(around).collect()
}

/// Every place where a planted text stands in a file below a folder, decoded if it is Parquet. The names of the files count too.
fn found_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(found_below(&path));
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        found.extend(found_in(&name, &String::from_utf8_lossy(&bytes)));
        if name == "trace.parquet" {
            let (trace, header) = wsim::parquet::read(&path).unwrap();
            assert!(!trace.is_empty());
            found.extend(found_in("header of trace.parquet", &serde_json::to_string(&header).unwrap()));
            found.extend(found_in("columns of trace.parquet", &names_of(&trace)));
        }
    }
    found
}

/// All names of a trace, one a line.
fn names_of(trace: &Trace) -> String {
    let ids = |r: Request| [r.user, r.room, r.peer, r.template, r.agent, r.process, r.upstream];
    let mut names: Vec<&str> = trace.requests().flat_map(ids).map(|id| trace.names.text(id)).collect();
    names.sort_unstable();
    names.dedup();
    names.join("\n")
}

fn assert_nothing(found: &[String]) {
    assert!(found.is_empty(), "{} places:\n{}", found.len(), found[..found.len().min(20)].join("\n"));
}

/// Analyses logs of all formats that need the same options.
fn no_planted_text_comes_out_of_an_analysis(options: &[&str]) {
    let planted = Planted::new();
    let mut arguments = words(&["analyse", "--anonymise", "--out", "out", "--name", &format!("{MARK}-run")]);
    arguments.extend(words(options));
    let formats = LOG_FORMATS.iter().filter(|format| format.options == options);
    arguments.extend(formats.flat_map(|format| planted.log(format).pop()));
    let printed = planted.run(&arguments);
    let run = planted.out().join(format!("{MARK}-run"));
    let report = planted.report(&format!("{MARK}-run"));
    for input in report["inputs"].as_array().unwrap() {
        assert_eq!((&input["requests"], &input["lines"]), (&input["lines"], &serde_json::json!(52)), "{input}");
    }
    assert_nothing(&found_below(&run));
    assert_nothing(&found_in("terminal", &printed));
}

#[test]
fn no_planted_text_comes_out_of_an_analysis_of_detected_formats() {
    no_planted_text_comes_out_of_an_analysis(&[]);
}

#[test]
fn no_planted_text_comes_out_of_an_analysis_of_named_formats() {
    no_planted_text_comes_out_of_an_analysis(&["--format", "apache-combined"]);
    no_planted_text_comes_out_of_an_analysis(&["--format", "apache-vhost"]);
}

#[test]
fn every_format_is_analysed() {
    let named = ["apache-combined", "apache-vhost"].map(|name| vec!["--format", name]);
    assert!(LOG_FORMATS.iter().all(|format| format.options.is_empty() || named.iter().any(|options| options == format.options)));
}

#[test]
fn planted_texts_are_read_and_found_without_the_option() {
    let planted = Planted::new();
    let mut fields: Vec<Field> = LOG_FORMATS.iter().flat_map(LogFormat::fields).collect();
    fields.sort_unstable();
    fields.dedup();
    assert_eq!(fields, Field::ALL, "every field is in a format");
    let mut arguments = words(&["analyse", "--out", "out", "--name", "open"]);
    arguments.extend(planted.log(&LOG_FORMATS[1]));
    planted.run(&arguments);
    let trace = wsim::parquet::read(&planted.out().join("open/trace.parquet")).unwrap().0;
    let names = names_of(&trace);
    for field in [Field::User, Field::Address, Field::Agent, Field::Upstream, Field::Room] {
        let text = self::planted(field);
        let kept = text.split('/').next().unwrap();
        assert!(names.contains(kept), "{kept} is not in\n{names}");
    }
}

#[test]
fn templates_hold_no_text_of_a_log_even_without_the_option() {
    let planted = Planted::new();
    let mut arguments = words(&["analyse", "--out", "out", "--name", "open"]);
    arguments.extend(planted.log(&LOG_FORMATS[0]));
    planted.run(&arguments);
    let trace = wsim::parquet::read(&planted.out().join("open/trace.parquet")).unwrap().0;
    let templates: String = trace.requests().map(|request| trace.names.text(request.template).to_owned() + "\n").collect();
    assert_nothing(&found_in("templates", &templates));
    assert!(templates.contains("/_synapse/admin/v1/registration_tokens/{token}\n"), "{templates}");
    let token = self::planted(Field::RegistrationToken);
    let run = planted.out().join("open");
    assert_nothing(&found_below(&run).into_iter().filter(|found| found.ends_with(&token)).collect::<Vec<_>>());
}

#[test]
fn a_trace_is_anonymised_like_logs() {
    let planted = Planted::new();
    let mut arguments = words(&["analyse", "--out", "out", "--name", "open"]);
    arguments.extend(planted.log(&LOG_FORMATS[1]));
    planted.run(&arguments);
    std::fs::rename(planted.out().join("open"), planted.folder.path().join(format!("{MARK}-open"))).unwrap();
    let trace = format!("{MARK}-open/trace.parquet");
    let printed = planted.run(&words(&["analyse", &trace, "--anonymise", "--out", "out"]));
    assert_nothing(&found_below(&planted.out()));
    assert_nothing(&found_in("terminal", &printed));
    assert!(planted.out().join("anonymised/trace.parquet").is_file(), "the run is not named after its input");
}

#[test]
fn no_planted_text_comes_out_of_a_simulation_with_a_planted_plan() {
    let planted = Planted::new();
    let plan = format!(
        "name = \"{MARK} plan\"\nsynapse = \"1.157\"\n[[pool]]\nname = \"{MARK}-pool\"\nendpoints = [\"client\", \"sync\"]\nservers = \
         [\"{MARK}-host:8081\", \"{MARK}-host:8082\"]\n"
    );
    std::fs::write(planted.folder.path().join(format!("{MARK}-plan.toml")), plan).unwrap();
    std::fs::write(planted.folder.path().join(format!("{MARK}-cpu.csv")), format!("0,{MARK}-process,1\n9999999999,{MARK}-process,900\n"))
        .unwrap();
    let mut arguments = words(&["simulate", "--anonymise", "--out", "out", "--window", "all", "--replications", "2..2"]);
    arguments.extend(words(&["--no-backtest", "--plan", &format!("{MARK}-plan.toml"), "--process-cpu", &format!("{MARK}-cpu.csv")]));
    arguments.extend(planted.log(&LOG_FORMATS[10]));
    let printed = planted.run(&arguments);
    assert_nothing(&found_below(&planted.out()));
    assert_nothing(&found_in("terminal", &printed));
    let command = planted.report("anonymised-simulation")["command"].as_str().unwrap().to_owned();
    assert!(command.contains("--anonymise") && command.contains("--replications 2..2") && command.contains("--plan …"), "{command}");
}

#[test]
fn no_planted_text_comes_out_of_a_replay_and_its_recorded_requests() {
    let planted = Planted::new();
    let mut arguments = words(&["replay", "--anonymise", "--out", "out", "--target", "emulated", "--plan", "generic:2", "--speed", "300"]);
    arguments.extend(planted.log(&LOG_FORMATS[10]));
    let printed = planted.run(&arguments);
    assert!(planted.out().join("anonymised-replay/requests.parquet").is_file(), "{printed}");
    assert_nothing(&found_below(&planted.out()));
    assert_nothing(&found_in("terminal", &printed));
}

#[test]
fn an_export_finds_the_world_by_the_kept_key_and_holds_no_planted_text() {
    let planted = Planted::new();
    let log = planted.log(&LOG_FORMATS[10]);
    let mut arguments = words(&["analyse", "--anonymise-key", "key", "--out", "out", "--name", "kept"]);
    arguments.extend(log.clone());
    planted.run(&arguments);
    let trace = wsim::parquet::read(&planted.out().join("kept/trace.parquet")).unwrap().0;
    let mut world = Manifest::new("http://target.invalid", [7; 16]);
    provision::design(&mut world, &Survey::from_rows(&trace.names, trace.requests()), &trace.names, &WorldConfig::default());
    world.with_placeholder_ids().save(&planted.folder.path().join("world.json")).unwrap();
    let mut arguments = words(&["export", "--anonymise-key", "key", "--world", "world.json", "--out", &format!("out/{MARK}-export")]);
    arguments.extend(words(&["--allow-writes"]));
    arguments.extend(log.clone());
    let printed = planted.run(&arguments);
    let export = planted.out().join(format!("{MARK}-export"));
    assert!(std::fs::read_to_string(export.join("requests.jsonl")).unwrap().lines().count() > 10, "{printed}");
    assert_nothing(&found_below(&export));
    assert_nothing(&found_in("terminal", &printed));
    let mut random = words(&["export", "--anonymise", "--world", "world.json", "--out", "out/other"]);
    random.extend(log);
    let random: Vec<&str> = random.iter().map(String::as_str).collect();
    let (status, _, error) = run_in(planted.folder.path(), &random);
    assert!(status == 2 && error.contains("--anonymise-key FILE"), "{error}");
}

#[test]
fn a_kept_key_gives_the_same_pseudonyms_and_a_random_one_others() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("access.log"), LOG_FORMATS[1].log(1, planted)).unwrap();
    let users = |name: &str, options: &[&str]| {
        let arguments = [&["analyse", "access.log", "--out", "out", "--name", name], options].concat();
        let (status, _, error) = run_in(folder.path(), &arguments);
        assert!(status == 0 || status == 3, "{error}");
        let run = folder.path().join("out").join(name);
        let report: serde_json::Value = serde_json::from_slice(&std::fs::read(run.join("report.json")).unwrap()).unwrap();
        let trace = wsim::parquet::read(&run.join("trace.parquet")).unwrap().0;
        (names_of(&trace), error, report["assumptions"].to_string())
    };
    let (first, again) = (users("first", &["--anonymise-key", "key"]), users("again", &["--anonymise-key=key"]));
    let (random, other) = (users("random", &["--anonymise"]), users("other", &["--anonymise"]));
    assert_eq!(first.0, again.0);
    assert_ne!(first.0, random.0);
    assert_ne!(random.0, other.0);
    for (said, wanted) in [(&first, "made with the key of --anonymise-key"), (&random, "a random key, which is thrown away")] {
        assert!(said.1.contains(wanted), "terminal: {}", said.1);
        assert!(said.2.contains(wanted), "report: {}", said.2);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path().join("key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_key_that_is_none_is_refused_and_never_repeated() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty"), "").unwrap();
    std::fs::write(folder.path().join("short"), "secretword").unwrap();
    let log = sample("synapse-worker.log");
    let is_refused = |command: &[&str], option: &str, wanted: &str| {
        let (status, _, error) = run_in(folder.path(), &[command, &[log.as_str(), option]].concat());
        assert_eq!(status, 2, "{command:?} {option}: {error}");
        assert!(error.contains(wanted) && !error.contains("secretword"), "{command:?} {option}: {error}");
    };
    for (option, wanted) in [
        ("--anonymise=secretword", "put the key into a file and give --anonymise-key FILE"),
        ("--anonymise-key=empty", "empty is empty"),
        ("--anonymise-key=short", "short is too short for a key: 10 bytes instead of at least 32"),
    ] {
        is_refused(&["analyse"], option, wanted);
    }
    let wanted = "put the key into a file and give --anonymise-key FILE";
    is_refused(&["simulate"], "--anonymise=secretword", wanted);
    is_refused(&["replay", "--target", "emulated"], "--anonymise=secretword", wanted);
    assert!(!folder.path().join("reports").exists(), "nothing is left behind");
}
