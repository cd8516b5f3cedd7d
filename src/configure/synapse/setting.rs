//! Settings of Synapse as values, and how they are written in YAML.
//!
//! Shared settings are built once and written by whoever needs them: in YAML for Synapse itself, in Nix for NixOS. Knows no setting.

use std::fmt::Write as _;

/// A setting with its explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Lines of a comment above the setting, each without `#`.
    pub(crate) why: Vec<String>,
    pub(crate) name: String,
    pub(crate) value: Value,
    /// Lines of a comment below the setting, each without `#`.
    pub(crate) more: Vec<String>,
}

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Flag(bool),
    Number(u64),
    Text(String),
    Names(Vec<String>),
    Map(Vec<(String, Value)>),
}

impl Setting {
    pub(crate) fn new(name: &str, value: Value) -> Self {
        Self { why: Vec::new(), name: name.to_owned(), value, more: Vec::new() }
    }

    /// The setting with a line of explanation.
    pub(crate) fn because(mut self, why: &str) -> Self {
        self.why.push(why.to_owned());
        self
    }

    /// The setting with a line below.
    pub(crate) fn followed_by(mut self, line: String) -> Self {
        self.more.push(line);
        self
    }
}

impl Value {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(crate) fn names(names: &[String]) -> Self {
        Self::Names(names.to_vec())
    }
}

/// The settings in YAML, each after an empty line.
pub(crate) fn yaml(settings: &[Setting]) -> String {
    let mut out = String::new();
    for setting in settings {
        out.push('\n');
        write_comment(&mut out, &setting.why);
        write_entry(&mut out, &setting.name, &setting.value, 0);
        write_comment(&mut out, &setting.more);
    }
    out
}

fn write_comment(out: &mut String, lines: &[String]) {
    for line in lines {
        let _ = writeln!(out, "# {line}");
    }
}

fn write_entry(out: &mut String, name: &str, value: &Value, indent: usize) {
    let blank = " ".repeat(indent);
    match value {
        Value::Flag(flag) => drop(writeln!(out, "{blank}{name}: {flag}")),
        Value::Number(number) => drop(writeln!(out, "{blank}{name}: {number}")),
        Value::Text(text) => drop(writeln!(out, "{blank}{name}: {}", scalar(text))),
        Value::Names(names) => {
            let names: Vec<String> = names.iter().map(|name| scalar(name)).collect();
            let _ = writeln!(out, "{blank}{name}: [{}]", names.join(", "));
        }
        Value::Map(entries) => {
            let _ = writeln!(out, "{blank}{}:", scalar(name));
            for (name, value) in entries {
                write_entry(out, name, value, indent + 2);
            }
        }
    }
}

/// A text as a scalar that YAML 1.1 and 1.2 read as this text, in quotes only where it needs them.
pub(crate) fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "/_-.".contains(c))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

/// Words that YAML 1.1 reads as a truth or as nothing.
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_become_yaml_with_their_explanations() {
        let address = Value::Map(vec![("host".to_owned(), Value::text("127.0.0.1")), ("port".to_owned(), Value::Number(9093))]);
        let settings = [
            Setting::new("instance_map", Value::Map(vec![("main".to_owned(), address), ("on".to_owned(), Value::Flag(true))]))
                .because("Where."),
            Setting::new("pusher_instances", Value::Names(vec!["p1".to_owned(), "2p".to_owned()])).followed_by("x: y".to_owned()),
        ];
        assert_eq!(
            yaml(&settings),
            "\n# Where.\ninstance_map:\n  main:\n    host: '127.0.0.1'\n    port: 9093\n  on: true\n\npusher_instances: [p1, '2p']\n# x: y\n"
        );
        assert_eq!(
            (scalar("no"), scalar("a'b"), scalar("/run/x.sock")),
            ("'no'".to_owned(), "'a''b'".to_owned(), "/run/x.sock".to_owned())
        );
    }
}
