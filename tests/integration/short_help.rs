//! Short help fits a screen of 80 columns and 24 lines, and names every option; `--help` explains all of them.

use crate::support::wsim;

/// Screens of more lines: commands whose options do not fit into 24, even by name.
const LONGER: [(&str, usize); 2] = [("simulate", 30), ("replay", 34)];

fn help(words: &[&str]) -> String {
    let output = wsim().args(words).env("COLUMNS", "80").output().unwrap();
    assert!(output.status.success(), "{words:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn commands() -> Vec<String> {
    let program = wsim::cli::command();
    program.get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

#[test]
fn short_help_of_every_command_fits_a_screen() {
    for command in commands() {
        let text = help(&[&command, "-h"]);
        let most = LONGER.iter().find(|(name, _)| *name == command).map_or(24, |(_, lines)| *lines);
        assert!(text.lines().count() <= most, "{command}: {} lines\n{text}", text.lines().count());
        assert!(text.lines().all(|line| line.chars().count() <= 80 || line.contains("Example")), "{command}\n{text}");
    }
    let text = help(&["-h"]);
    assert!(text.lines().count() <= 24, "{} lines\n{text}", text.lines().count());
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for command in commands() {
        assert!(text.contains(&format!("{command} ")), "{command}\n{text}");
    }
}

#[test]
fn long_help_explains_every_option_and_names_what_people_need() {
    let program = wsim::cli::command();
    for command in program.get_subcommands() {
        let text = help(&[command.get_name(), "--help"]);
        for option in command.get_arguments().filter(|option| !option.is_hide_set()).filter_map(|option| option.get_long()) {
            assert!(text.contains(&format!("--{option}")), "{} --{option}\n{text}", command.get_name());
        }
    }
    let text = help(&["--help"]);
    for what in ["completions", "manual pages", "--version", "Exit status", "Example"] {
        assert!(text.contains(what), "{what}\n{text}");
    }
    assert!(help(&["analyse", "--help"]).contains("--settings"), "a file of settings");
}
