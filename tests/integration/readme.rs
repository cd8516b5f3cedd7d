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
