//! From lines to a proxy: acls, rules, backends.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::super::model::{Facts, Note, Proxy, ReadError, Site, UpstreamPool, Words};
use super::super::pattern::Pattern;
use super::condition::{Acls, Condition, Criterion};
use super::config::{Action, Backend, Balance, Choice, Config, Format, Frontend, Piece, Rule};
use super::hosts;
use super::sample::SampleReader;
use super::server::{server, server_template};
use super::words::Line;
use wsim_nginx::Files;
use wsim_plan::ProxyKind;

/// Builds the proxy from all lines.
pub(super) fn proxy(path: &Path, lines: &[Line], files: &dyn Files) -> Result<Proxy, ReadError> {
    let reader = SampleReader::new(path, files);
    let hosts = hosts::of(lines, &reader);
    let mut builder =
        Builder { reader, notes: Vec::new(), config: Config::default(), frontends: Vec::new(), hosts, defaults: Defaults::default() };
    let mut sections: Vec<(&Line, Vec<&Line>)> = Vec::new();
    for line in lines {
        if SECTIONS.contains(&line.word(0)) {
            sections.push((line, Vec::new()));
        } else if let Some((_, inner)) = sections.last_mut() {
            inner.push(line);
        } else if !line.word(0).starts_with('.') {
            return Err(ReadError::Syntax {
                at: line.at.clone(),
                message: "expected a section such as global, defaults, frontend".to_owned(),
            });
        }
    }
    for (head, inner) in &sections {
        builder.section(head, inner);
    }
    Ok(builder.finish())
}

struct Builder<'b> {
    reader: SampleReader<'b>,
    notes: Vec<Note>,
    config: Config,
    frontends: Vec<Frontend>,
    hosts: Vec<String>,
    defaults: Defaults,
}

/// The last `defaults` section, as far as it matters here.
#[derive(Debug, Default)]
struct Defaults {
    /// `balance`
    balance: Option<Vec<String>>,
    /// `hash-type`
    hash_type: Option<Vec<String>>,
    /// `mode tcp`
    is_tcp: bool,
    /// `option forwardfor`
    forwards: bool,
    /// `timeout server`
    server_timeout_ms: Option<u64>,
}

impl Defaults {
    fn of(lines: &[&Line]) -> Self {
        let words = |name: &str| lines.iter().rev().find(|line| line.word(0) == name).map(|line| line.words[1..].to_vec());
        Self {
            balance: words("balance"),
            hash_type: words("hash-type"),
            is_tcp: mode(lines) == Some("tcp"),
            forwards: forwards(lines),
            server_timeout_ms: server_timeout(lines),
        }
    }
}

impl Builder<'_> {
    fn section(&mut self, head: &Line, lines: &[&Line]) {
        let kind = head.word(0);
        if kind == "defaults" {
            self.defaults = Defaults::of(lines);
        }
        if mode(lines).map_or(self.defaults.is_tcp, |mode| mode == "tcp") {
            return;
        }
        if kind == "backend" || kind == "listen" {
            let backend = self.backend(head, lines, kind == "listen");
            self.config.backends.push(backend);
        }
        if kind == "frontend" || kind == "listen" {
            let frontend = self.frontend(head, lines, kind == "listen");
            self.frontends.push(frontend);
        }
    }

    fn finish(self) -> Proxy {
        let servers = self.config.backends.iter().map(|backend| (backend.pool.name.clone(), backend.pool.servers.len())).collect();
        let config = Arc::new(Config { servers, ..self.config });
        let pools = config.backends.iter().map(|backend| backend.pool.clone()).collect();
        let sites =
            self.frontends.into_iter().map(|frontend| Box::new(Frontend { config: Arc::clone(&config), ..frontend }) as Box<dyn Site>);
        Proxy {
            kind: ProxyKind::Haproxy,
            words: Words::Haproxy,
            sites: sites.collect(),
            pools,
            processes: Some(1),
            processes_at: None,
            hosts: self.hosts,
            notes: self.notes,
            missing: Vec::new(),
        }
    }

    fn acls(&self, lines: &[&Line]) -> Acls {
        let mut acls = HashMap::new();
        for line in lines.iter().filter(|line| line.word(0) == "acl") {
            let criterion = Criterion::read(line.words.get(2..).unwrap_or_default(), &self.reader);
            acls.entry(line.word(1).to_owned()).or_insert_with(Vec::new).push(criterion);
        }
        acls
    }

    fn frontend(&mut self, head: &Line, lines: &[&Line], listen: bool) -> Frontend {
        let acls = self.acls(lines);
        let rules = self.rules(lines, &acls);
        let chosen = lines.iter().filter(|line| line.word(0) == "use_backend");
        let choices = chosen.map(|line| Choice {
            backend: self.format(line.word(1)),
            condition: Condition::read(&line.words, &self.reader),
            at: line.at.clone(),
        });
        let choices = choices.collect();
        let default = lines.iter().rev().find(|line| line.word(0) == "default_backend");
        let own = listen.then(|| (head.word(1).to_owned(), head.at.clone()));
        Frontend {
            config: Arc::default(),
            facts: Facts {
                name: head.word(1).to_owned(),
                at: head.at.clone(),
                hosts: Vec::new(),
                ports: lines.iter().filter(|line| line.word(0) == "bind").flat_map(|line| bound_ports(line.word(1))).collect(),
            },
            acls,
            rules,
            choices,
            default: default.map(|line| (line.word(1).to_owned(), line.at.clone())).or(own),
            forwards: forwards(lines) || self.defaults.forwards,
        }
    }

    fn backend(&mut self, head: &Line, lines: &[&Line], listen: bool) -> Backend {
        let balance_line = lines.iter().rev().find(|line| line.word(0) == "balance");
        let words = balance_line.map(|line| line.words[1..].to_vec()).or_else(|| self.defaults.balance.clone());
        let words = words.filter(|words| !words.is_empty()).unwrap_or_else(|| vec!["roundrobin".to_owned()]);
        let mut balance = words.join(" ");
        let own_hash_type = lines.iter().find(|line| line.word(0) == "hash-type").map(|line| line.words[1..].to_vec());
        let is_hashed = !matches!(self.hashed(&words), Balance::Nothing);
        if let Some(hash_type) = own_hash_type.or_else(|| self.defaults.hash_type.clone().filter(|_| is_hashed)) {
            balance = format!("{balance} hash-type {}", hash_type.join(" "));
        }
        let mut servers = Vec::new();
        for line in lines {
            match line.word(0) {
                "server" => servers.extend(server(line)),
                "server-template" => servers.extend(server_template(line)),
                "use-server" | "stick" | "dispatch" => self.note(line, &format!("{} is not evaluated", line.word(0))),
                _ => {}
            }
        }
        let acls = if listen { HashMap::new() } else { self.acls(lines) };
        Backend {
            balance: self.hashed(&words),
            pool: UpstreamPool { name: head.word(1).to_owned(), servers, balance, shared: true, at: head.at.clone() },
            rules: if listen { Vec::new() } else { self.rules(lines, &acls) },
            acls,
            is_statistics: lines.iter().any(|line| line.word(0) == "stats" && matches!(line.word(1), "enable" | "uri")),
            forwards: forwards(lines),
            server_timeout_ms: server_timeout(lines).or(self.defaults.server_timeout_ms),
        }
    }

    fn note(&mut self, line: &Line, text: &str) {
        self.notes.push(Note { at: line.at.clone(), text: text.to_owned() });
    }

    fn hashed(&self, words: &[String]) -> Balance {
        let first = words[0].as_str();
        let (name, arguments) = super::sample::call(first);
        match name {
            "roundrobin" | "static-rr" | "leastconn" | "first" | "random" => Balance::Nothing,
            "hdr" => Balance::Header(arguments.first().cloned().unwrap_or_default()),
            "source" => Balance::Source,
            "uri" => Balance::Uri { whole: words.iter().any(|word| word == "whole") },
            "url_param" => Balance::Parameter(words.get(1).cloned().unwrap_or_default()),
            "hash" => Balance::Sample(Box::new(self.reader.read(words.get(1).map_or("", String::as_str)))),
            _ => Balance::Unknown(format!("balance {}", first.escape_debug())),
        }
    }

    fn rules(&mut self, lines: &[&Line], acls: &Acls) -> Vec<Rule> {
        let rules = lines.iter().filter(|line| line.word(0) == "http-request" || matches!(line.word(0), "redirect" | "block"));
        let mut found = Vec::new();
        for line in rules {
            let words = if line.word(0) == "http-request" { &line.words[1..] } else { &line.words[..] };
            let Some(action) = self.action(words) else { continue };
            let condition = Condition::read(&line.words, &self.reader);
            let by_state = condition.as_ref().is_some_and(|condition| condition.depends_on_state(acls));
            if by_state && matches!(action, Action::Answers(_)) {
                self.note(line, "depends on counters or other state: it is taken to let every request through");
            }
            found.push(Rule { action, condition, by_state, at: line.at.clone() });
        }
        found
    }

    /// `None` for actions that route nothing.
    fn action(&self, words: &[String]) -> Option<Action> {
        let word = |index: usize| words.get(index).map_or("", String::as_str);
        let (name, arguments) = super::sample::call(word(0));
        let variable = || arguments.first().cloned().unwrap_or_default();
        Some(match name {
            "set-var" => Action::SetVariable(variable(), self.reader.read(word(1))),
            "set-var-fmt" => Action::SetVariableText(variable(), self.format(word(1))),
            "unset-var" => Action::UnsetVariable(variable()),
            "set-header" => Action::SetHeader(word(1).to_owned(), self.format(word(2)), true),
            "add-header" => Action::SetHeader(word(1).to_owned(), self.format(word(2)), false),
            "del-header" => Action::DeleteHeader(word(1).to_owned()),
            "set-path" => Action::SetPath(self.format(word(1))),
            "set-query" => Action::SetQuery(self.format(word(1))),
            "set-method" => Action::SetMethod(self.format(word(1))),
            "replace-path" | "replace-uri" | "replace-pathq" => match Pattern::new(word(1), false) {
                Ok(pattern) => Action::ReplacePath { pattern, replacement: self.format(word(2)), with_query: name != "replace-path" },
                Err(why) => Action::Unknown(why),
            },
            "replace-header" => match Pattern::new(word(2), false) {
                Ok(pattern) => Action::ReplaceHeader(word(1).to_owned(), pattern, self.format(word(3))),
                Err(why) => Action::Unknown(why),
            },
            "deny" | "reject" | "tarpit" | "block" | "silent-drop" => Action::Answers(format!("status 403 ({name})")),
            "redirect" => Action::Answers("a redirect".to_owned()),
            "return" => Action::Answers("a response of its own".to_owned()),
            "auth" | "use-service" => Action::Answers(name.to_owned()),
            "set-uri" | "set-pathq" | "normalize-uri" | "lua" | "send-spoe-group" | "replace-value" => {
                Action::Unknown(format!("http-request {name} is not evaluated"))
            }
            _ if name.starts_with("lua.") => Action::Unknown("a Lua program is not evaluated".to_owned()),
            _ => return None,
        })
    }

    fn format(&self, text: &str) -> Format {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("%[") {
            let (before, after) = (&rest[..start], &rest[start + 2..]);
            let Some(end) = closing(after) else { break };
            if !before.is_empty() {
                pieces.push(Piece::Literal(before.to_owned()));
            }
            pieces.push(Piece::Sample(Box::new(self.reader.read(&after[..end]))));
            rest = &after[end + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Format(pieces)
    }
}

/// The position of the bracket that closes an expression; brackets within regular expressions are balanced.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, character) in text.char_indices() {
        match character {
            '[' => depth += 1,
            ']' if depth == 0 => return Some(at),
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The ports of `bind *:443,[::]:8448`.
fn bound_ports(text: &str) -> Vec<u16> {
    text.split(',').filter_map(|address| address.rsplit_once(':')?.1.parse().ok()).collect()
}

fn mode<'l>(lines: &[&'l Line]) -> Option<&'l str> {
    lines.iter().rev().find(|line| line.word(0) == "mode").map(|line| line.word(1))
}

fn forwards(lines: &[&Line]) -> bool {
    lines.iter().any(|line| line.word(0) == "option" && line.word(1) == "forwardfor")
}

/// `timeout server`, milliseconds: `30s`, `5m`; a number without a unit is one of milliseconds.
fn server_timeout(lines: &[&Line]) -> Option<u64> {
    let line = lines.iter().rev().find(|line| line.word(0) == "timeout" && line.word(1) == "server")?;
    let text = line.word(2);
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor = match text.get(end..)? {
        "" | "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    text.get(..end)?.parse::<u64>().ok()?.checked_mul(factor)
}

const SECTIONS: [&str; 22] = [
    "global",
    "defaults",
    "frontend",
    "backend",
    "listen",
    "peers",
    "resolvers",
    "userlist",
    "mailers",
    "cache",
    "program",
    "http-errors",
    "ring",
    "log-forward",
    "fcgi-app",
    "crt-store",
    "traces",
    "log-profile",
    "acme",
    "dynamic-update",
    "mworker",
    "healthcheck",
];
