//! The log formats and access logs of an nginx configuration.
//!
//! `wsim-nginx` owns the grammar and the included files; only `log_format` and `access_log` are read here.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wsim_nginx::{Directive, IncludeError};

use super::error::FormatError;
use super::nginx::{COMBINED, Escaping, LogFormat};

/// The log formats and access logs of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NginxConfig {
    /// Name and format of every `log_format`, in order.
    pub log_formats: Vec<(String, LogFormat)>,
    /// Path and format name of every `access_log` to a file, in order.
    pub access_logs: Vec<(String, String)>,
    /// Included files that do not exist: the configuration was copied without them.
    pub missing: Vec<PathBuf>,
}

/// Why a configuration cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be opened or is no nginx configuration.
    #[error(transparent)]
    Include(#[from] IncludeError),
    /// A `log_format` that cannot be read.
    #[error("{file}:{line}: log_format {name}: {source}")]
    Format {
        file: Arc<str>,
        /// Counted from 1.
        line: usize,
        name: String,
        source: FormatError,
    },
}

impl NginxConfig {
    /// Reads a configuration file and the files it includes.
    ///
    /// # Errors
    /// A file cannot be opened or breaks nginx's grammar, or a `log_format` cannot be read.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let tree = wsim_nginx::read_file(path)?;
        let root = path.parent().unwrap_or(Path::new(""));
        let missing = tree.missing.iter().map(|include| root.join(&include.pattern)).collect();
        let mut config = Self { missing, ..Self::default() };
        config.collect(&tree.directives)?;
        Ok(config)
    }

    /// The name and the format of a log file, by the file's name (also a rotated one: `access.log.2.gz`). If no `access_log` has that
    /// name, the format that most of them use; `None` if the configuration names no access log.
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

    /// A format by its name; `combined` needs no declaration.
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
        // The first of equals.
        self.access_logs.iter().map(|(_, format)| format).find(|format| uses.get(format) == Some(&most))
    }

    fn collect(&mut self, directives: &[Directive]) -> Result<(), ConfigError> {
        for directive in directives {
            match (directive.name.as_str(), directive.arguments.as_slice()) {
                ("log_format", [name, pieces @ ..]) if !pieces.is_empty() => {
                    let format = log_format(pieces).map_err(|source| ConfigError::Format {
                        file: Arc::clone(&directive.file),
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
                self.collect(block)?;
            }
        }
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(config.format("jsonl").unwrap().is_json());
        assert_eq!(config.format("jsonl").unwrap().json_fields().unwrap().len(), 2);
        assert_eq!(config.access_logs.len(), 4);
    }

    #[test]
    fn a_log_has_the_format_of_its_name_or_the_most_used_one() {
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
    fn included_files_are_read_and_missing_ones_listed() {
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
    fn errors_name_the_line() {
        for (text, line) in [("http {\n a b\n}", 3), ("http {\n\n", 3), ("\n}", 2), ("a \"b", 1), ("\nlog_format x '$';", 2)] {
            let folder = tempfile::tempdir().unwrap();
            let error = NginxConfig::read(&write(folder.path(), "nginx.conf", text)).unwrap_err().to_string();
            assert!(error.contains(&format!("nginx.conf:{line}: ")), "{text:?}: {error}");
        }
        assert!(NginxConfig::read(Path::new("/nonexistent/nginx.conf")).unwrap_err().to_string().starts_with("/nonexistent/nginx.conf: "));
    }
}
