//! `-h` on one screen: the options that are used most, each on one line, and the names of all others by group. `--help` explains every one.
//!
//! clap prints the help; this module writes the overview that short help has in place of clap's list.

use std::ffi::OsString;

use clap::{Arg, Command};

use super::terminal_width;

/// The command line with help for these words: short help fits a screen, long help is clap's own, but for the list of commands.
pub(super) fn with_help(program: Command, words: &[OsString]) -> Command {
    let columns = terminal_width().clamp(60, 100);
    if wants_long_help(words) {
        let summary = program_summary(&program, columns, Extent::Long);
        return program.help_template(format!("{{about}}\n\n{{usage-heading}} {{usage}}\n\n{summary}"));
    }
    let summary = program_summary(&program, columns, Extent::Short);
    let names: Vec<String> = program.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let program = names.iter().fold(program, |program, name| program.mut_subcommand(name, |command| shortened(command, columns)));
    program.help_template(format!("{{about}}\nwsim COMMAND -h: its options on one screen; --help: in full, exit statuses\n{summary}"))
}

/// `--help`, also abbreviated, and `wsim help`.
fn wants_long_help(words: &[OsString]) -> bool {
    let is_long = |word: &str| word.len() >= 3 && "--help".starts_with(word);
    words.get(1).is_some_and(|word| word == "help") || words.iter().any(|word| word.to_str().is_some_and(is_long))
}

/// A command whose short help is an overview. A command with commands of its own stays as it is.
fn shortened(command: Command, columns: usize) -> Command {
    if command.has_subcommands() {
        return command;
    }
    let overview = overview(&command, columns);
    command.help_template(format!("{{about}}\n\n{{usage-heading}} {{usage}}\n\n{overview}"))
}

/// What short help says below the usage.
fn overview(command: &Command, columns: usize) -> String {
    let often = often_used(command.get_name());
    let shown =
        |argument: &&Arg| argument.is_positional() || often.is_empty() || argument.get_long().is_some_and(|long| often.contains(&long));
    let all = || command.get_arguments().filter(|argument| !argument.is_hide_set());
    let mut first: Vec<&Arg> = all().filter(shown).collect();
    // In the order of the list, which is that of importance; arguments without a name first.
    first.sort_by_key(|argument| {
        argument.get_long().and_then(|long| often.iter().position(|often| *often == long)).map_or(0, |index| index + 1)
    });
    let mut lines = explained(&first, columns);
    let rest: Vec<&Arg> = all().filter(|argument| !shown(argument)).collect();
    if !rest.is_empty() {
        lines.push(String::new());
        lines.push(heading(&format!("More options (wsim {} --help explains all)", command.get_name())));
        lines.extend(by_group(&rest, columns));
    }
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let all = examples.lines().map(str::trim).filter(|line| line.contains("wsim ") && !line.starts_with('#'));
    let example = all.min_by_key(|line| line.len());
    lines.extend(example.map(|example| format!("{} {example}", heading("Example"))));
    lines.join("\n")
}

/// Each argument on a line of its own; what does not fit is in the long help.
fn explained(arguments: &[&Arg], columns: usize) -> Vec<String> {
    let names: Vec<String> = arguments.iter().map(|argument| name(argument)).collect();
    let wide = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let line = |(name, argument): (&String, &&Arg)| {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let pad = " ".repeat(wide - name.chars().count());
        format!("  {}{pad}  {}", literal(name), fitting(&help, columns.saturating_sub(wide + 4)))
    };
    names.iter().zip(arguments).map(line).collect()
}

/// The names of options, a paragraph for each group.
fn by_group(arguments: &[&Arg], columns: usize) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for argument in arguments {
        let Some(long) = argument.get_long() else { continue };
        let group = argument.get_help_heading().unwrap_or("Options");
        let name = argument.get_short().map_or_else(|| format!("--{long}"), |short| format!("-{short}, --{long}"));
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, names)) => names.push(name),
            None => groups.push((group, vec![name])),
        }
    }
    let wide = groups.iter().map(|(group, _)| group.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (group, names) in groups {
        let mut used = usize::MAX;
        let mut label = format!("{group:wide$}");
        for name in names {
            if used == usize::MAX || used + 2 + name.len() > columns {
                lines.push(format!("  {label}  {}", literal(&name)));
                label = " ".repeat(wide);
                used = wide + 4 + name.len();
            } else if let Some(line) = lines.last_mut() {
                line.push_str("  ");
                line.push_str(&literal(&name));
                used += 2 + name.len();
            }
        }
    }
    lines
}

/// `--objective <TEXT>`, `-v, --verbose`, `<LOG>`.
fn name(argument: &Arg) -> String {
    let values = argument.get_value_names().map(|names| names.iter().map(|name| format!("<{name}>")).collect::<Vec<_>>().join(" "));
    let Some(long) = argument.get_long() else { return values.unwrap_or_else(|| format!("<{}>", argument.get_id())) };
    let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let value = values.filter(|_| argument.get_action().takes_values()).map(|values| format!(" {values}")).unwrap_or_default();
    format!("{short}--{long}{value}")
}

/// The longest beginning of a sentence that ends where a thought does and fits.
fn fitting(text: &str, columns: usize) -> &str {
    let fits = |text: &str| text.chars().count() <= columns;
    if fits(text) {
        return text;
    }
    // A list that is cut says less than nothing, so commas come last.
    let longest = |marks: &[&str]| {
        let ends = marks.iter().flat_map(|mark| text.match_indices(mark)).map(|(at, _)| at);
        ends.filter(|at| fits(&text[..*at])).max().map(|at| &text[..at])
    };
    let at_a_word = || text.char_indices().nth(columns).map_or(text, |(at, _)| text[..at].rsplit_once(' ').map_or(text, |(head, _)| head));
    longest(&[" [", ": ", "; "]).or_else(|| longest(&[", "])).unwrap_or_else(at_a_word)
}

/// The words in lines of at most so many columns.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    text.split(' ').fold(vec![String::new()], |mut lines, word| {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
        lines
    })
}

fn heading(text: &str) -> String {
    let style = anstyle::Style::new().bold().underline();
    format!("{style}{text}:{style:#}")
}

fn literal(text: &str) -> String {
    let style = anstyle::Style::new().bold();
    format!("{style}{text}{style:#}")
}

/// How much help says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Short,
    Long,
}

/// All commands by what they are for.
fn program_summary(program: &Command, columns: usize, extent: Extent) -> String {
    let mut lines = Vec::new();
    for (group, commands) in COMMANDS {
        if extent == Extent::Long {
            lines.extend([String::new(), heading(group)]);
        }
        for (index, name) in commands.iter().enumerate() {
            let about = program.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string).unwrap_or_default();
            let label = if index == 0 && extent == Extent::Short { group } else { "" };
            let label = if extent == Extent::Short { format!("{label:GROUP_COLUMNS$}") } else { "  ".to_owned() };
            let indent = label.len() + NAME_COLUMNS;
            let about = if extent == Extent::Short {
                vec![fitting(&about, columns - indent).to_owned()]
            } else {
                wrapped(&about, columns - indent)
            };
            let about = about.join(&format!("\n{:indent$}", ""));
            lines.push(format!("{label}{}{}{about}", literal(name), " ".repeat(NAME_COLUMNS - name.len())));
        }
    }
    if extent == Extent::Long {
        lines.push(String::new());
        lines.push("wsim COMMAND -h shows the options of a command on one screen, --help explains all of them.".to_owned());
        lines.push("`wsim --version` prints the version.".to_owned());
        lines.push(String::new());
        lines.push(super::AFTER.to_owned());
    }
    lines.join("\n").trim_start().to_owned()
}

/// Columns of the longest name of a group and of a command, with a space.
const GROUP_COLUMNS: usize = 8;
const NAME_COLUMNS: usize = 11;

/// Every command, by the question that leads to it.
const COMMANDS: &[(&str, &[&str])] = &[
    ("Start", &["demo", "doctor", "analyse"]),
    ("Plan", &["simulate", "size", "presets", "changed", "restart", "whatif"]),
    ("Set up", &["configure", "audit", "route", "endpoints"]),
    ("Test", &["provision", "replay", "emulate", "merge", "export"]),
    ("Follow", &["watch", "record", "report"]),
    ("Shell", &["generate"]),
];

/// The options of a command that are used most, most important first; none: all of them fit.
fn often_used(command: &str) -> &'static [&'static str] {
    match command {
        "analyse" => &["process-cpu", "prometheus", "objective", "log-format", "from", "verbose"],
        "doctor" => &["log-format", "nginx-config", "process-cpu", "prometheus", "json"],
        "watch" => &["objective", "metrics", "once", "json", "log-format"],
        "simulate" => &["plan", "objective", "growth", "process-cpu", "verbose"],
        "size" => &["users", "rooms", "bridges", "like", "json"],
        "presets" => &["prices", "memory", "process-cpu", "json"],
        "changed" => &["good", "bad", "json"],
        "restart" => &["plan", "down", "pause", "json"],
        "whatif" => &["plan", "share", "json"],
        "provision" => &["target", "secret-file", "world", "purge"],
        "replay" => &["target", "world", "plan", "allow-writes", "expect"],
        "emulate" => &["plan", "listen", "secret-file"],
        "export" => &["for", "world", "out", "allow-writes"],
        "configure" => &["out", "for", "proxy", "from", "synapse-version", "metrics", "force"],
        "audit" => &["route", "host", "not-synapse", "plan-out", "json"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(name: Option<&str>) -> String {
        let program = super::super::command();
        let columns = 80;
        let styled = match name {
            None => program_summary(&program, columns, Extent::Short),
            Some(name) => overview(program.find_subcommand(name).unwrap(), columns),
        };
        anstream::adapter::strip_str(&styled).to_string()
    }

    #[test]
    fn every_command_has_a_place_in_the_overview() {
        let mut listed: Vec<&str> = COMMANDS.iter().flat_map(|(_, commands)| commands.iter().copied()).collect();
        let program = super::super::command();
        let mut all: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
        listed.sort_unstable();
        all.sort_unstable();
        assert_eq!(listed, all);
        assert!(short(None).lines().all(|line| line.chars().count() <= 80), "{}", short(None));
    }

    #[test]
    fn every_option_of_a_command_is_named_and_every_option_in_the_list_exists() {
        let program = super::super::command();
        for command in program.get_subcommands().filter(|command| !command.has_subcommands()) {
            let text = short(Some(command.get_name()));
            for option in command.get_arguments().filter_map(Arg::get_long) {
                assert!(text.contains(&format!("--{option}")), "{} --{option}\n{text}", command.get_name());
            }
            for often in often_used(command.get_name()) {
                assert!(command.get_arguments().any(|option| option.get_long() == Some(often)), "{} has no --{often}", command.get_name());
            }
        }
    }

    #[test]
    fn a_text_is_shortened_where_a_thought_ends() {
        assert_eq!(fitting("CPU of each process: CSV or JSON", 24), "CPU of each process");
        assert_eq!(fitting("Threads [default: all]", 10), "Threads");
        assert_eq!(fitting("Threads [default: all]", 22), "Threads [default: all]");
    }
}
