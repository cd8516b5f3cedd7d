//! nginx configuration files: the grammar, includes, and what an access log reader wants to know of them.
//!
//! ```text
//! file -> directives (a tree, includes put in their place) -> log_format and access_log
//! ```
//!
//! Owns the grammar; the meaning of directives other than `log_format` and `access_log` is for others.
//! Source: `ngx_conf_read_token` in nginx's `src/core/ngx_conf_file.c`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use nom::IResult;
use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{take_till, take_while1};
use nom::character::complete::{anychar, char, multispace1, satisfy};
use nom::combinator::{map, recognize, value, verify};
use nom::multi::{many0, many0_count, many1};
use nom::sequence::{delimited, preceded, terminated};

use super::error::FormatError;
use super::nginx::{COMBINED, Escaping, LogFormat, quoted};

/// One directive: `listen 443 ssl;` or `server { … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// The first word.
    pub name: String,
    /// The other words, quotes and their backslashes taken away.
    pub arguments: Vec<String>,
    /// What stands in braces; `None` if the directive ends with `;`.
    pub block: Option<Vec<Directive>>,
    /// Line in its file, counted from 1.
    pub line: usize,
}

/// What a configuration says about access logs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NginxConfig {
    /// Name and format of every `log_format`, in order.
    pub log_formats: Vec<(String, LogFormat)>,
    /// Path and format name of every `access_log` to a file, in order.
    pub access_logs: Vec<(String, String)>,
    /// Included files that are not there: the configuration was copied without them.
    pub missing: Vec<PathBuf>,
}

/// Why a configuration cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file or an included one cannot be opened.
    #[error("{path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is no nginx configuration.
    #[error("{path}:{line}: expected {expected}", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// A `log_format` that cannot be read.
    #[error("{path}:{line}: log_format {name}: {source}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// The format's name.
        name: String,
        /// What is wrong with it.
        source: FormatError,
    },
    /// Files include each other.
    #[error("{path}: files include each other, or more than {INCLUDES_MAX} files in all", path = path.display())]
    TooManyIncludes {
        /// Where reading stopped.
        path: PathBuf,
    },
}

impl NginxConfig {
    /// Reads a configuration file and those it includes; relative paths are relative to the main file, as nginx has it, or
    /// else to the including one.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let mut missing = Vec::new();
        let directives = read_tree(path, &mut missing)?;
        let mut config = Self { missing, ..Self::default() };
        config.collect(path, &directives)?;
        Ok(config)
    }

    /// The format of a log file, by the file's name (also rotated: `access.log.2.gz`); else the only format that is used,
    /// or the most used one. Gives its name and itself; `None` if the configuration names no access log.
    pub fn format_for(&self, log: &Path) -> Option<(&str, LogFormat)> {
        let file = log.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let by_name = self
            .access_logs
            .iter()
            .filter_map(|(path, format)| Some((Path::new(path).file_name()?.to_str()?, format)))
            .filter(|(name, _)| is_rotation_of(file, name))
            .max_by_key(|(name, _)| name.len())
            .map(|(_, format)| format);
        let name = by_name.or_else(|| self.most_used())?;
        Some((name, self.format(name)?))
    }

    /// A format by its name; `combined` need not be declared.
    pub fn format(&self, name: &str) -> Option<LogFormat> {
        let declared = self.log_formats.iter().find(|(declared, _)| declared == name).map(|(_, format)| format.clone());
        declared.or_else(|| (name == "combined").then(|| LogFormat::parse(COMBINED).ok()).flatten())
    }

    fn most_used(&self) -> Option<&String> {
        let mut uses: HashMap<&String, usize> = HashMap::new();
        for (_, format) in &self.access_logs {
            *uses.entry(format).or_default() += 1;
        }
        let most = uses.values().copied().max()?;
        // the first in the file among equals; without any access_log the only declared format
        self.access_logs.iter().map(|(_, format)| format).find(|format| uses.get(format) == Some(&most))
    }

    fn collect(&mut self, path: &Path, directives: &[Directive]) -> Result<(), ConfigError> {
        for directive in directives {
            match (directive.name.as_str(), directive.arguments.as_slice()) {
                ("log_format", [name, pieces @ ..]) if !pieces.is_empty() => {
                    let format = log_format(pieces).map_err(|source| ConfigError::Format {
                        path: path.to_owned(),
                        line: directive.line,
                        name: name.clone(),
                        source,
                    })?;
                    self.log_formats.retain(|(declared, _)| declared != name);
                    self.log_formats.push((name.clone(), format));
                }
                ("access_log", [target, rest @ ..]) if target != "off" && !target.starts_with("syslog:") => {
                    let format = rest.first().filter(|word| !word.contains('=')).map_or("combined", String::as_str);
                    self.access_logs.push((target.clone(), format.to_owned()));
                }
                _ => {}
            }
            if let Some(block) = &directive.block {
                self.collect(path, block)?;
            }
        }
        Ok(())
    }
}

/// Reads a configuration text without following includes.
pub fn parse(path: &Path, text: &str) -> Result<Vec<Directive>, ConfigError> {
    let mut reader = Reader { path, text, at: 0 };
    reader.block(0)
}

/// Reads a file and everything it includes into one tree; files that are not there are listed in `missing`.
pub fn read_tree(path: &Path, missing: &mut Vec<PathBuf>) -> Result<Vec<Directive>, ConfigError> {
    let root = path.parent().unwrap_or(Path::new(""));
    Includer { root, missing, files: 0, nesting: 0 }.file(path)
}

struct Includer<'i> {
    root: &'i Path,
    missing: &'i mut Vec<PathBuf>,
    files: usize,
    nesting: usize,
}

impl Includer<'_> {
    fn file(&mut self, path: &Path) -> Result<Vec<Directive>, ConfigError> {
        self.files += 1;
        if self.files > INCLUDES_MAX || self.nesting > NESTING_MAX {
            return Err(ConfigError::TooManyIncludes { path: path.to_owned() });
        }
        self.nesting += 1;
        let bytes = std::fs::read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let directives = parse(path, &String::from_utf8_lossy(&bytes))?;
        let whole = self.with_includes(directives, path);
        self.nesting -= 1;
        whole
    }

    fn with_includes(&mut self, directives: Vec<Directive>, path: &Path) -> Result<Vec<Directive>, ConfigError> {
        let mut whole = Vec::with_capacity(directives.len());
        for mut directive in directives {
            if let (true, [pattern]) = (directive.name == "include", directive.arguments.as_slice()) {
                let found = included(pattern, path, self.root);
                if found.is_empty() && !pattern.contains('*') {
                    self.missing.push(self.root.join(pattern));
                }
                for file in found {
                    whole.append(&mut self.file(&file)?);
                }
                continue;
            }
            directive.block = directive.block.map(|block| self.with_includes(block, path)).transpose()?;
            whole.push(directive);
        }
        Ok(whole)
    }
}

/// The files that an include names, sorted as glob(3) does.
fn included(pattern: &str, path: &Path, root: &Path) -> Vec<PathBuf> {
    let beside = path.parent().unwrap_or(Path::new(""));
    [root, beside]
        .into_iter()
        .map(|folder| {
            let folder = glob::Pattern::escape(&folder.to_string_lossy());
            let full = if pattern.starts_with('/') || folder.is_empty() { pattern.to_owned() } else { format!("{folder}/{pattern}") };
            glob::glob(&full).map(|paths| paths.flatten().filter(|path| path.is_file()).collect()).unwrap_or_default()
        })
        .find(|files: &Vec<PathBuf>| !files.is_empty())
        .unwrap_or_default()
}

/// The arguments of `log_format` after its name.
fn log_format(pieces: &[String]) -> Result<LogFormat, FormatError> {
    let escape = match pieces[0].as_str() {
        "escape=json" => Some(Escaping::Json),
        "escape=none" => Some(Escaping::None),
        "escape=default" => Some(Escaping::Default),
        _ => None,
    };
    LogFormat::from_body(&pieces[usize::from(escape.is_some())..].concat(), escape.unwrap_or_default())
}

/// `access.log`, `access.log.1`, `access.log-20260102.gz`
fn is_rotation_of(file: &str, name: &str) -> bool {
    !name.is_empty() && file.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_']))
}

/// What ends a run of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Semicolon,
    Block,
}

struct Reader<'t> {
    path: &'t Path,
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    /// Directives up to the closing brace, or the end of the file at depth 0.
    fn block(&mut self, depth: usize) -> Result<Vec<Directive>, ConfigError> {
        if depth > DEPTH_MAX {
            return Err(self.error("fewer blocks inside each other"));
        }
        let mut directives = Vec::new();
        loop {
            self.skip();
            let rest = &self.text[self.at..];
            match (rest.chars().next(), depth) {
                (None, 0) => return Ok(directives),
                (None, _) => return Err(self.error("a closing brace `}` before the end of the file")),
                (Some('}'), 0) => return Err(self.error("no closing brace here")),
                (Some('}'), _) => {
                    self.at += 1;
                    return Ok(directives);
                }
                _ => directives.push(self.directive(depth)?),
            }
        }
    }

    fn directive(&mut self, depth: usize) -> Result<Directive, ConfigError> {
        let line = self.line();
        let rest = &self.text[self.at..];
        let (after, words) = many1(terminated(word, space)).parse(rest).map_err(|_| self.error("the name of a directive"))?;
        self.at = self.text.len() - after.len();
        let ending: IResult<&str, Ending> = alt((value(Ending::Semicolon, char(';')), value(Ending::Block, char('{')))).parse(after);
        let (after, ending) = ending.map_err(|_| self.error("`;` or `{` after the words of a directive"))?;
        self.at = self.text.len() - after.len();
        let mut words = words.into_iter();
        let name = words.next().unwrap_or_default();
        let block = match ending {
            Ending::Semicolon => None,
            Ending::Block if name.ends_with("_by_lua_block") => {
                self.skip_foreign_block()?;
                Some(Vec::new())
            }
            Ending::Block => Some(self.block(depth + 1)?),
        };
        Ok(Directive { name, arguments: words.collect(), block, line })
    }

    /// A program in another language, up to the brace that closes it.
    fn skip_foreign_block(&mut self) -> Result<(), ConfigError> {
        let mut open = 1usize;
        for (offset, character) in self.text[self.at..].char_indices() {
            match character {
                '{' => open += 1,
                '}' => open -= 1,
                _ => {}
            }
            if open == 0 {
                self.at += offset + 1;
                return Ok(());
            }
        }
        Err(self.error("a closing brace `}` before the end of the file"))
    }

    fn skip(&mut self) {
        let rest = &self.text[self.at..];
        if let Ok((after, ())) = space(rest) {
            self.at = self.text.len() - after.len();
        }
    }

    fn line(&self) -> usize {
        self.text.as_bytes()[..self.at].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn error(&self, expected: &'static str) -> ConfigError {
        ConfigError::Syntax { path: self.path.to_owned(), line: self.line(), expected }
    }
}

/// White space and comments.
fn space(text: &str) -> IResult<&str, ()> {
    let comment = value((), (char('#'), take_till(|c| c == '\n')));
    value((), many0(alt((value((), multispace1), comment)))).parse(text)
}

/// A quoted or bare word. A brace after `$` belongs to a variable.
fn word(text: &str) -> IResult<&str, String> {
    let variable = value((), (char('$'), delimited(char('{'), take_while1(|c| c != '}'), char('}'))));
    let escape = value((), (char('\\'), anychar));
    let plain = value((), satisfy(|c| !c.is_whitespace() && !matches!(c, ';' | '{' | '}')));
    let bare = recognize(many0_count(alt((variable, escape, plain))));
    let bare = verify(bare, |word: &str| !word.is_empty());
    alt((quoted, preceded(nom::combinator::not(char('#')), map(bare, ToOwned::to_owned)))).parse(text)
}

const DEPTH_MAX: usize = 32;
const INCLUDES_MAX: usize = 1000;
const NESTING_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONFIG: &str = r#"
        # log_format commented '$nothing';
        load_module modules/x.so;
        http {
            log_format rich '$remote_addr - $remote_user [$time_iso8601] "$request" '  # a comment
                '$status $body_bytes_sent '
                "rt=$request_time \"quoted\"";
            log_format jsonl escape=json '{"uri":"$request_uri",' '"status":$status}';
            map $http_authorization $user { default $http_authorization; "~Bearer syt_(?<u>.*?)_.*" $u; '' ${other}_x; }
            access_log /var/log/nginx/rich.log rich buffer=32k flush=1s;
            content_by_lua_block { if a { b } -- ;
            }
            server {
                access_log logs/json.log jsonl;
                access_log /var/log/nginx/plain.log;
                access_log /var/log/nginx/rich-too.log rich if=$loggable;
                location ~ ^/_matrix/client/(r0|v3)/sync$ { access_log off; }
                location /x { access_log syslog:server=[::1] jsonl; proxy_pass http://$upstream; }
            }
        }
    "#;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn config(text: &str) -> NginxConfig {
        let folder = tempfile::tempdir().unwrap();
        NginxConfig::read(&write(folder.path(), "nginx.conf", text)).unwrap()
    }

    #[test]
    fn formats_and_logs_are_found_in_nested_blocks() {
        let config = config(CONFIG);
        let names: Vec<&str> = config.log_formats.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["rich", "jsonl"]);
        assert_eq!(
            config.format("rich").unwrap().text(),
            r#"$remote_addr - $remote_user [$time_iso8601] "$request" $status $body_bytes_sent rt=$request_time "quoted""#
        );
        assert_eq!(config.format("jsonl").unwrap().escaping(), Escaping::Json);
        assert_eq!(config.format("jsonl").unwrap().json_fields().unwrap().len(), 2);
        assert_eq!(config.access_logs.len(), 4);
    }

    #[test]
    fn a_log_gets_its_format_by_its_name_or_by_custom() {
        let config = config(CONFIG);
        let format = |log: &str| config.format_for(Path::new(log)).unwrap().0.to_owned();
        assert_eq!(format("/tmp/json.log"), "jsonl");
        assert_eq!(format("rich.log.3.gz"), "rich");
        assert_eq!(format("rich-too.log-20260102.zst"), "rich");
        assert_eq!(format("plain.log"), "combined");
        assert_eq!(format("unknown.log"), "rich");
        assert_eq!(NginxConfig::default().format_for(Path::new("x")), None);
    }

    #[test]
    fn includes_are_followed_and_missing_ones_told() {
        let folder = tempfile::tempdir().unwrap();
        let main = write(folder.path(), "nginx.conf", "include mime.types; http { include conf.d/*.conf; include sites/none/*; }");
        write(folder.path(), "conf.d/b.conf", "access_log /b.log; include inner.inc;");
        write(folder.path(), "conf.d/a.conf", "log_format own '$request';");
        write(folder.path(), "conf.d/inner.inc", "access_log /inner.log own;");
        let config = NginxConfig::read(&main).unwrap();
        assert_eq!(
            config.access_logs,
            [("/b.log".into(), "combined".into()), ("/inner.log".into(), "own".into())].map(|x: (String, String)| x)
        );
        assert_eq!(config.missing, [folder.path().join("mime.types")]);
    }

    #[test]
    fn a_configuration_that_includes_itself_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let main = write(folder.path(), "nginx.conf", "include nginx.conf;");
        assert!(matches!(NginxConfig::read(&main), Err(ConfigError::TooManyIncludes { .. })));
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line) in [("http {\n a b\n}", 3), ("http {\n\n", 3), ("\n}", 2), ("a \"b", 1), ("\nlog_format x '$';", 2)] {
            let folder = tempfile::tempdir().unwrap();
            let error = NginxConfig::read(&write(folder.path(), "nginx.conf", text)).unwrap_err().to_string();
            assert!(error.contains(&format!("nginx.conf:{line}: ")), "{text:?}: {error}");
        }
        assert!(NginxConfig::read(Path::new("/nonexistent/nginx.conf")).unwrap_err().to_string().starts_with("/nonexistent/nginx.conf: "));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r#"([a-z $;{}'"\\#\n]|\$\{)*"#) {
            let _ = parse(Path::new("x"), &text);
        }

        #[test]
        fn blocks_too_deep_are_refused(depth in 30usize..4000) {
            prop_assert_eq!(parse(Path::new("x"), &("a {".repeat(depth) + &"}".repeat(depth))).is_ok(), depth <= 32);
        }
    }
}
