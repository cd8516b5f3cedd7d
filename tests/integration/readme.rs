//! The README's summary, commands and log format match what the program does.

use std::path::Path;

use crate::support::wsim;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The contents of the fenced code blocks of one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_summary_in_the_readme_is_what_the_first_command_prints() {
    let shown = blocks(&readme(), "text").into_iter().find(|block| block.starts_with("wsim ")).expect("the README shows a summary");
    let out = tempfile::tempdir().unwrap();
    let output =
        wsim().current_dir(env!("CARGO_MANIFEST_DIR")).args(["analyse", "samples/cluster", "--out"]).arg(out.path()).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let shown = shown.trim_end().trim_end_matches('…').trim_end();
    assert!(printed.starts_with(shown), "the README shows\n{shown}\nand the program prints\n{printed}");
}

#[test]
fn the_commands_in_the_readme_succeed() {
    let commands: Vec<String> = blocks(&readme(), "console")
        .iter()
        .flat_map(|block| block.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(commands.iter().any(|command| command == "cargo run --release -- analyse samples/cluster"));
    assert!(commands.iter().any(|command| command == "tests/run"));
    let mut ran = 0;
    for command in &commands {
        // Commands on an administrator's own logs cannot run here; simulations are tested in simulate.rs.
        let Some(arguments) =
            command.strip_prefix("wsim ").filter(|arguments| !arguments.contains("/var/log") && !arguments.starts_with("simulate"))
        else {
            continue;
        };
        let words: Vec<String> = arguments.split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect();
        let output = wsim().current_dir(env!("CARGO_MANIFEST_DIR")).args(&words).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        ran += 1;
    }
    assert!(ran >= 2);
}

#[test]
fn wsim_reads_the_log_format_in_the_readme() {
    let format = blocks(&readme(), "nginx").pop().expect("the README shows a log_format");
    let line = r#"203.0.113.7 - - [2026-11-20T15:04:05+00:00] "GET /_matrix/client/versions HTTP/2.0" 200 5 "-" "curl" rt=0.003 urt=0.002 ua=127.0.0.1:8008 us=200 rl=90 rid=0123456789abcdef0123456789abcdef"#;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("access.log"), format!("{line}\n").repeat(30)).unwrap();
    let output =
        wsim().current_dir(folder.path()).args(["analyse", "access.log", "--json", "--log-format", format.trim()]).output().unwrap();
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!((&report["inputs"][0]["requests"], &report["inputs"][0]["malformed"]), (&30.into(), &0.into()));
    assert_eq!(report["processes"][0]["name"], "127.0.0.1:8008");
}

/// The commands of the table of questions, on `samples/cluster`.
#[test]
fn the_questions_in_the_readme_are_answered() {
    let text = readme();
    let section = text.split("## More questions").nth(1).expect("the README has a section of questions").split("\n## ").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let prices = folder.path().join("prices.toml");
    std::fs::write(&prices, "currency = \"EUR\"\ncore = 10.0\ngb = 3.0\nmiss = 100.0\n").unwrap();
    let mut ran = 0;
    for row in section.lines().filter(|line| line.starts_with("| ") && line.contains("`wsim ")) {
        let command = row.split('`').find_map(|span| span.strip_prefix("wsim ")).unwrap();
        // A recording needs an hour, and weeks need runs: they are tested where they are made.
        if command.starts_with("record") || command.contains("WEEK") {
            continue;
        }
        let words = command
            // Only a log that grows is watched: no compressed one.
            .replace("LOG…", if command.starts_with("watch") { "samples/synapse-main.log" } else { "samples/cluster" })
            .replace("prices.toml", prices.to_str().unwrap())
            .replace("2026-11-20T09:00..2026-11-20T12:00", "2026-11-20T16:53:34..2026-11-20T16:56:00")
            .replace("2026-11-20T14:00..2026-11-20T15:00", "2026-11-20T16:56:00..2026-11-20T16:58:30");
        let mut words: Vec<&str> = words.split_whitespace().collect();
        if command.starts_with("watch") {
            words.extend(["--once", "--no-state"]);
        }
        let output = wsim().current_dir(env!("CARGO_MANIFEST_DIR")).args(&words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty(), "{words:?} prints nothing");
        ran += 1;
    }
    assert!(ran >= 6, "only {ran} commands were run");
}
