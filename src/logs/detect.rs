//! Detects the format of a file: the one the user named, or the one that fits a sample of its lines.
//!
//! ```text
//! --format, --log-format, --nginx-config   ->   that parser
//! otherwise a sample of lines              ->   the candidate that reads most requests in it
//! otherwise combined with further fields   ->   a format inferred from the names of the fields
//! ```
//!
//! A parser is judged only by how many sampled lines it reads. Invariant: the reason states both numbers.

use std::cmp::Reverse;
use std::path::PathBuf;
use std::sync::Arc;

use memchr::{memchr_iter, memmem};

use super::binary;
use super::formats::apache;
use super::formats::caddy::Caddy;
use super::formats::error::FormatError;
use super::formats::haproxy::{self, Haproxy};
use super::formats::inferred::{Family, Inferred, infer};
use super::formats::nginx;
use super::formats::nginx_config::NginxConfig;
use super::formats::nginx_json::NginxJson;
use super::formats::no_requests::NoRequests;
use super::formats::prefix;
use super::formats::restamped::Restamped;
use super::formats::synapse::Synapse;
use super::formats::synapse_json::SynapseJson;
use super::formats::traefik;
use super::formats::traefik_json::TraefikJson;
use super::{Line, Parser, StampMeaning, StampReader, Zone, redact};

/// A value of `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    NginxCombined,
    /// combined with `X-Forwarded-For`.
    NginxMain,
    /// combined after the virtual host, with or without port.
    NginxVhost,
    /// A JSON object per line, with keys of common names.
    NginxJson,
    ApacheCommon,
    ApacheCombined,
    /// Debian's `vhost_combined`.
    ApacheVhost,
    /// `option httplog`, with or without `clf`.
    Haproxy,
    Caddy,
    Traefik,
    TraefikJson,
    Synapse,
    SynapseJson,
}

/// The values of `--format`, except for the default `auto`.
pub const FORMATS: [(&str, Format); 13] = [
    ("nginx-combined", Format::NginxCombined),
    ("nginx-main", Format::NginxMain),
    ("nginx-vhost", Format::NginxVhost),
    ("nginx-json", Format::NginxJson),
    ("apache-common", Format::ApacheCommon),
    ("apache-combined", Format::ApacheCombined),
    ("apache-vhost", Format::ApacheVhost),
    ("haproxy", Format::Haproxy),
    ("caddy", Format::Caddy),
    ("traefik", Format::Traefik),
    ("traefik-json", Format::TraefikJson),
    ("synapse", Format::Synapse),
    ("synapse-json", Format::SynapseJson),
];

impl Format {
    pub fn from_name(name: &str) -> Option<Self> {
        FORMATS.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }
}

/// The user's statements about a file.
#[derive(Debug, Clone)]
pub struct DetectConfig {
    /// `--format`; `None` is `auto`.
    pub format: Option<Format>,
    /// `--log-format`: an nginx `log_format` or an Apache `LogFormat`.
    pub log_format: Option<String>,
    /// The content of `--nginx-config`.
    pub nginx_config: Option<Arc<NginxConfig>>,
    /// The file's path, by which its format is found in the nginx configuration.
    pub log: Option<PathBuf>,
    /// `--tz`.
    pub zone: Zone,
    /// `--stamp`.
    pub stamp: Option<StampMeaning>,
}

impl Default for DetectConfig {
    fn default() -> Self {
        Self { format: None, log_format: None, nginx_config: None, log: None, zone: Zone::utc(), stamp: None }
    }
}

/// A parser and the reason for choosing it.
pub struct Detection {
    pub parser: Box<dyn Parser>,
    pub name: String,
    /// `nginx combined: 200 of 200 sampled lines`
    pub reason: String,
    /// What was assumed about the meaning of time stamps, and how to correct it; `None` if nothing had to be assumed.
    pub stamp_note: Option<String>,
}

/// Why there is no parser for a file.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    #[error("--log-format: {0}")]
    LogFormat(#[from] FormatError),
    #[error("--nginx-config: log_format {name}: {source}")]
    NginxConfig { name: String, source: FormatError },
    /// The nginx configuration does not state the format of this log.
    #[error("--nginx-config: no access_log has a declared log_format, so the format of this log is unknown")]
    NoAccessLog,
    /// No candidate reads enough of the sample.
    #[error("no known log format fits the sampled lines{}; name it with --format or describe it with --log-format", tried_text(*.sampled, .tried))]
    NothingFits {
        /// Number of sampled lines.
        sampled: usize,
        /// Candidates, with how many lines each reads as requests.
        tried: Vec<(String, usize)>,
    },
    /// A binary file, of this kind if it is known.
    #[error("not a text log{}", kind.map_or_else(String::new, |kind| format!(" (looks like {kind})")))]
    NotText { kind: Option<&'static str> },
}

/// Chooses the parser of a file from a sample of its lines (without terminators; blank lines are ignored).
///
/// # Errors
/// The user's expression cannot be read, or no format fits.
pub fn detect(sample: &[&[u8]], config: &DetectConfig) -> Result<Detection, DetectError> {
    let lines: Vec<&[u8]> = sample.iter().copied().filter(|line| !line.trim_ascii().is_empty()).collect();
    let detector = Detector { lines, config };
    let mut detection = detector.choose().map_err(|error| match (error, binary::kind(sample)) {
        (DetectError::NothingFits { .. }, Some(kind)) => DetectError::NotText { kind },
        (error, _) => error,
    })?;
    // An inferred format repeats the keys of the lines.
    detection.reason = redact::scrubbed(detection.reason);
    if let Some(meaning) = config.stamp {
        detection.parser = Box::new(Restamped::new(detection.parser, meaning));
        let word = if meaning == StampMeaning::Start { "start" } else { "end" };
        detection.stamp_note = Some(format!("time stamps mark the {word} of a request, as --stamp says"));
    }
    Ok(detection)
}

struct Detector<'d> {
    lines: Vec<&'d [u8]>,
    config: &'d DetectConfig,
}

/// A parser and how many sampled lines it reads.
struct Trial {
    parser: Box<dyn Parser>,
    requests: usize,
    not_requests: usize,
}

impl Trial {
    fn name(&self) -> &str {
        self.parser.name()
    }

    /// Whether the parser reads at least half of the sample, and at least one request.
    fn fits(&self, sampled: usize) -> bool {
        self.requests > 0 && (self.requests + self.not_requests) * 2 >= sampled
    }
}

impl Detector<'_> {
    fn choose(&self) -> Result<Detection, DetectError> {
        if let Some(expression) = &self.config.log_format {
            return self.by_log_format(expression);
        }
        if let Some(format) = self.config.format {
            return Ok(self.by_name(format));
        }
        if self.lines.is_empty() {
            return Ok(without_requests("empty", "the file has no text".to_owned()));
        }
        if let Some(detection) = self.error_log() {
            return Ok(detection);
        }
        if let Some(config) = &self.config.nginx_config {
            return self.by_nginx_config(config);
        }
        if self.count(opens_json) * 2 > self.lines.len() { self.detect_json() } else { self.detect_text() }
    }

    fn by_log_format(&self, expression: &str) -> Result<Detection, DetectError> {
        let is_nginx = expression.contains('$') || expression.contains("log_format");
        let parser: Box<dyn Parser> = if is_nginx {
            nginx_parser(&nginx::LogFormat::parse(expression)?, "nginx log_format", self.stamps())?
        } else {
            Box::new(apache::LogFormat::parse(expression)?.parser("apache LogFormat", self.stamps())?)
        };
        Ok(self.fixed(parser, "as --log-format says"))
    }

    fn by_nginx_config(&self, config: &NginxConfig) -> Result<Detection, DetectError> {
        let log = self.config.log.clone().unwrap_or_default();
        let (name, format) = config.format_for(&log).ok_or(DetectError::NoAccessLog)?;
        let parser = nginx_parser(&format, &format!("nginx log_format {name}"), self.stamps())
            .map_err(|source| DetectError::NginxConfig { name: name.to_owned(), source })?;
        Ok(self.fixed(parser, "as --nginx-config says"))
    }

    fn by_name(&self, format: Format) -> Detection {
        let trials = self.candidates(format).into_iter().map(|parser| self.try_parser(parser));
        let Some(best) = trials.reduce(|best, next| if next.requests > best.requests { next } else { best }) else {
            return without_requests("no format", "the format has no parser".to_owned());
        };
        let family = match format {
            Format::NginxCombined | Format::NginxVhost => Some(Family::Nginx),
            Format::ApacheCombined | Format::ApacheVhost => Some(Family::Apache),
            _ => None,
        };
        let wider = family.filter(|_| !best.fits(self.lines.len())).and_then(|family| self.inferred(Some(family)));
        match wider {
            Some((trial, inferred)) if trial.requests > best.requests => {
                let how = format!("as --format says, with further fields read as {}", inferred.text);
                self.fixed(trial.parser, &how)
            }
            _ => self.fixed(best.parser, "as --format says"),
        }
    }

    /// The parsers of a format's name, the usual one first.
    fn candidates(&self, format: Format) -> Vec<Box<dyn Parser>> {
        let stamps = || self.stamps();
        match format {
            Format::NginxCombined => vec![Box::new(nginx::combined(stamps()))],
            Format::NginxMain => vec![Box::new(nginx::main(stamps()))],
            Format::NginxVhost => vec![Box::new(nginx::vhost_port(stamps())), Box::new(nginx::vhost(stamps()))],
            Format::NginxJson => vec![Box::new(NginxJson::guessed(stamps()))],
            Format::ApacheCommon => vec![Box::new(apache::common(stamps()))],
            Format::ApacheCombined => vec![Box::new(apache::combined(stamps()))],
            Format::ApacheVhost => vec![Box::new(apache::vhost_combined(stamps()))],
            Format::Haproxy => vec![Box::new(Haproxy::new(stamps())), Box::new(haproxy::clf(stamps()))],
            Format::Caddy => vec![Box::new(Caddy::new(stamps()))],
            Format::Traefik => vec![Box::new(traefik::common(stamps())), Box::new(traefik::generic(stamps()))],
            Format::TraefikJson => vec![Box::new(TraefikJson::new(stamps()))],
            Format::Synapse => vec![Box::new(Synapse::new(stamps()))],
            Format::SynapseJson => vec![Box::new(SynapseJson::new(stamps()))],
        }
    }

    fn error_log(&self) -> Option<Detection> {
        let nginx = ("nginx error log", self.count(prefix::is_nginx_error));
        let apache = ("apache error log", self.count(prefix::is_apache_error));
        let all = self.lines.len();
        let (name, count) = [nginx, apache].into_iter().find(|(_, count)| count * 2 > all)?;
        Some(without_requests(name, format!("{name}: {count} of {all} sampled lines; it reports no requests")))
    }

    /// Caddy, Traefik and Synapse have fixed keys; nginx's are the administrator's, so that it is tried last.
    fn detect_json(&self) -> Result<Detection, DetectError> {
        let own = [Format::Caddy, Format::TraefikJson, Format::SynapseJson];
        let trials = own.into_iter().flat_map(|format| self.candidates(format)).map(|parser| self.try_parser(parser)).collect();
        let tried = match self.best(trials) {
            Ok(trial) if trial.name().starts_with("synapse") => return Ok(self.synapse(trial)),
            Ok(trial) => return Ok(self.found(trial, None)),
            Err(tried) => tried,
        };
        if self.count(is_synapse_json) * 2 > self.lines.len() {
            return Ok(self.synapse(self.try_parser(Box::new(SynapseJson::new(self.stamps())))));
        }
        let trial = self.try_parser(Box::new(NginxJson::guessed(self.stamps())));
        match self.best(vec![trial]) {
            Ok(trial) => Ok(self.found(trial, None)),
            Err(nginx) => Err(DetectError::NothingFits { sampled: self.lines.len(), tried: [tried, nginx].concat() }),
        }
    }

    fn detect_text(&self) -> Result<Detection, DetectError> {
        if self.any(|line| contains(line, b" Processed request: ")) || self.count(is_synapse_line) * 2 > self.lines.len() {
            return Ok(self.synapse(self.try_parser(Box::new(Synapse::new(self.stamps())))));
        }
        let formats =
            [Format::Traefik, Format::Haproxy, Format::NginxCombined, Format::NginxMain, Format::NginxVhost, Format::ApacheCommon];
        let parsers = formats.into_iter().flat_map(|format| self.candidates(format)).filter(|parser| parser.name() != "traefik generic");
        match self.best(parsers.map(|parser| self.try_parser(parser)).collect()) {
            Ok(trial) => Ok(self.choose_family(trial)),
            Err(_) if self.any(|line| contains(line, b"haproxy[")) => {
                let parser = Box::new(Haproxy::new(self.stamps()));
                Ok(self.found(self.try_parser(parser), None))
            }
            Err(mut tried) => match self.inferred(self.escapes().family()) {
                Some((trial, inferred)) if trial.fits(self.lines.len()) => Ok(self.found_inferred(trial, &inferred)),
                other => {
                    tried.extend(other.map(|(trial, _)| ("combined with further fields".to_owned(), trial.requests)));
                    Err(DetectError::NothingFits { sampled: self.lines.len(), tried })
                }
            },
        }
    }

    /// Decides between nginx's and Apache's combined, which differ only in escapes and in the meaning of the stamp.
    fn choose_family(&self, trial: Trial) -> Detection {
        let escapes = self.escapes();
        let (is_vhost_port, other): (bool, Box<dyn Parser>) = match trial.name() {
            "nginx combined" => (false, Box::new(apache::combined(self.stamps()))),
            "nginx vhost combined" if self.is_host_port() => (true, Box::new(apache::vhost_combined(self.stamps()))),
            "nginx vhost combined" => (false, trial.parser.fork()),
            _ => return self.found(trial, None),
        };
        // Debian's Apache has a format with host and port in front, nginx has none.
        let default = if is_vhost_port { Family::Apache } else { Family::Nginx };
        let family = escapes.family().unwrap_or(default);
        let trial = if family == Family::Apache { self.try_parser(other) } else { trial };
        self.found(trial, Some(stamp_note(family, &escapes)))
    }

    fn found(&self, trial: Trial, stamp_note: Option<String>) -> Detection {
        let name = trial.name().to_owned();
        let reason = format!("{name}: {}", self.share(&trial));
        Detection { parser: trial.parser, name, reason, stamp_note }
    }

    fn found_inferred(&self, trial: Trial, inferred: &Inferred) -> Detection {
        let name = trial.name().to_owned();
        let reason = format!(
            "{name} with further fields ({}), read as {}: {}; --log-format or --nginx-config states their meaning",
            inferred.keys.join(", "),
            inferred.text,
            self.share(&trial),
        );
        Detection { parser: trial.parser, name, reason, stamp_note: Some(stamp_note(inferred.family, &self.escapes())) }
    }

    fn synapse(&self, trial: Trial) -> Detection {
        let name = trial.name().to_owned();
        let reason = format!("{name}: requests in {} of {} sampled lines of a Synapse log", trial.requests, self.lines.len());
        Detection { parser: trial.parser, name, reason, stamp_note: None }
    }

    fn fixed(&self, parser: Box<dyn Parser>, how: &str) -> Detection {
        let trial = self.try_parser(parser);
        let name = trial.name().to_owned();
        let reason = format!("{name}, {how}: {}", self.share(&trial));
        Detection { parser: trial.parser, name, reason, stamp_note: None }
    }

    fn share(&self, trial: &Trial) -> String {
        let all = self.lines.len();
        if trial.not_requests == 0 || all == 0 {
            format!("{} of {all} sampled lines", trial.requests)
        } else {
            format!("{} of {all} sampled lines, and {} that report no request", trial.requests, trial.not_requests)
        }
    }

    fn inferred(&self, family: Option<Family>) -> Option<(Trial, Inferred)> {
        let inferred = infer(&self.lines, family)?;
        let parser = match inferred.family {
            Family::Nginx => nginx::LogFormat::parse(&inferred.text).and_then(|format| format.parser("nginx combined", self.stamps())),
            Family::Apache => apache::LogFormat::parse(&inferred.text).and_then(|format| format.parser("apache combined", self.stamps())),
        };
        Some((self.try_parser(Box::new(parser.ok()?)), inferred))
    }

    /// The candidate with most requests, the first of equals; otherwise the number of requests of each candidate.
    fn best(&self, trials: Vec<Trial>) -> Result<Trial, Vec<(String, usize)>> {
        let tried = trials.iter().map(|trial| (trial.name().to_owned(), trial.requests)).collect();
        trials
            .into_iter()
            .filter(|trial| trial.fits(self.lines.len()))
            .reduce(|best, next| if next.requests > best.requests { next } else { best })
            .ok_or(tried)
    }

    fn try_parser(&self, mut parser: Box<dyn Parser>) -> Trial {
        let (mut requests, mut not_requests) = (0, 0);
        for line in &self.lines {
            match parser.parse(line) {
                Line::Request(_) => requests += 1,
                Line::NotRequest => not_requests += 1,
                Line::Malformed(_) => {}
            }
        }
        Trial { parser, requests, not_requests }
    }

    fn escapes(&self) -> Escapes {
        let mut escapes = Escapes::default();
        for line in &self.lines {
            escapes.count_line(line);
        }
        escapes
    }

    fn is_host_port(&self) -> bool {
        self.try_parser(Box::new(nginx::vhost_port(self.stamps()))).requests * 2 >= self.lines.len()
    }

    fn stamps(&self) -> StampReader {
        StampReader::new(self.config.zone.clone())
    }

    fn count(&self, is: impl Fn(&[u8]) -> bool) -> usize {
        self.lines.iter().filter(|line| is(line)).count()
    }

    fn any(&self, is: impl Fn(&[u8]) -> bool) -> bool {
        self.lines.iter().any(|line| is(line))
    }
}

/// How many lines have text that only one of the two servers writes.
#[derive(Debug, Default)]
struct Escapes {
    nginx: usize,
    apache: usize,
}

impl Escapes {
    fn count_line(&mut self, line: &[u8]) {
        let (mut nginx, mut apache) = (contains(line, b"\" 499 "), contains_missing_count(line));
        for at in memchr_iter(b'\\', line) {
            match line[at + 1..] {
                [b'x', b'2', b'2', ..] | [b'x', b'5', b'C', ..] => nginx = true,
                [b'x', high, low, ..] => {
                    nginx |= high.is_ascii_uppercase() || low.is_ascii_uppercase();
                    apache |= high.is_ascii_lowercase() || low.is_ascii_lowercase();
                }
                [b'"' | b'\\' | b't' | b'n' | b'r', ..] => apache = true,
                _ => {}
            }
        }
        self.nginx += usize::from(nginx);
        self.apache += usize::from(apache);
    }

    fn family(&self) -> Option<Family> {
        match self.nginx.cmp(&self.apache) {
            std::cmp::Ordering::Greater => Some(Family::Nginx),
            std::cmp::Ordering::Less => Some(Family::Apache),
            std::cmp::Ordering::Equal => None,
        }
    }
}

/// `" 304 - "`: Apache's `%b` has no zero.
fn contains_missing_count(line: &[u8]) -> bool {
    memmem::find_iter(line, b"\" ").any(|at| {
        let rest = &line[at + 2..];
        rest.len() >= 5 && rest[..3].iter().all(u8::is_ascii_digit) && rest[3..5] == *b" -"
    })
}

fn stamp_note(family: Family, escapes: &Escapes) -> String {
    let (server, point, lines, otherwise) = match family {
        Family::Nginx => ("nginx", "end", escapes.nginx, "--stamp start, --format apache-combined or --format traefik"),
        Family::Apache => ("Apache", "start", escapes.apache, "--stamp end or --format nginx-combined"),
    };
    let evidence = match (escapes.family(), lines) {
        (Some(other), _) if other != family => "by the names of its fields".to_owned(),
        (None, _) => "an assumption: nginx, which logs the end, and Apache, which logs the start, write the same format".to_owned(),
        (_, 1) => format!("one sampled line has text that only {server} writes"),
        (_, lines) => format!("{lines} sampled lines have text that only {server} writes"),
    };
    format!("time stamps mark the {point} of a request, as in {server} ({evidence}); if not: {otherwise}")
}

/// The parser of a text or JSON format.
fn nginx_parser(format: &nginx::LogFormat, name: &str, stamps: StampReader) -> Result<Box<dyn Parser>, FormatError> {
    if format.is_json() {
        return Ok(Box::new(NginxJson::from_fields(format.json_fields()?, stamps)));
    }
    Ok(Box::new(format.parser(name, stamps)?))
}

fn without_requests(name: &'static str, reason: String) -> Detection {
    Detection { parser: Box::new(NoRequests::new(name)), name: name.to_owned(), reason, stamp_note: None }
}

/// A line of Synapse's default format: `2026-… - synapse.…`, `… - twisted - …`.
fn is_synapse_line(line: &[u8]) -> bool {
    contains(line, b" - synapse.") || (contains(line, b" - twisted - ") && contains(line, b" - INFO - "))
}

/// Synapse's JSON formatters: Terse and plain, their predecessor, Google's.
fn is_synapse_json(line: &[u8]) -> bool {
    let keys = [&b"\"namespace\""[..], b"\"log_namespace\"", b"\"severity\""];
    keys.into_iter().any(|key| contains(line, key)) && (contains(line, b"\"synapse.") || contains(line, b"\"twisted"))
}

fn opens_json(line: &[u8]) -> bool {
    let start = prefix::len(line).unwrap_or(0);
    line.trim_ascii_start().starts_with(b"{") || line[start..].trim_ascii_start().starts_with(b"{")
}

fn contains(line: &[u8], text: &[u8]) -> bool {
    memmem::find(line, text).is_some()
}

/// How close the best candidates came: ` (nginx combined: requests in 12 of 200 lines; haproxy: 3)`; empty if none came close.
fn tried_text(sampled: usize, tried: &[(String, usize)]) -> String {
    let mut best: Vec<&(String, usize)> = tried.iter().filter(|(_, requests)| *requests > 0).collect();
    best.sort_by_key(|(_, requests)| Reverse(*requests));
    best.dedup_by_key(|(name, _)| name);
    let Some(((name, requests), others)) = best.split_first() else {
        return String::new();
    };
    let others: Vec<String> = others.iter().map(|(name, requests)| format!("; {name}: {requests}")).collect();
    format!(" ({name}: requests in {requests} of {sampled} lines{})", others.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NGINX: &[u8] = include_bytes!("../../samples/nginx-combined.log");
    const RICH: &[u8] = include_bytes!("../../samples/nginx-rich.log");
    const APACHE: &[u8] = include_bytes!("../../samples/apache-combined.log");
    const TIMED: &[u8] = include_bytes!("../../samples/apache-timed.log");
    const HAPROXY: &[u8] = include_bytes!("../../samples/haproxy.log");
    const TRAEFIK: &[u8] = include_bytes!("../../samples/traefik.log");
    const RICH_FORMAT: &str = r#"$remote_addr - $remote_user [$time_iso8601] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" rt=$request_time uct=$upstream_connect_time uht=$upstream_header_time urt=$upstream_response_time ua=$upstream_addr us=$upstream_status user=$uhash grp=$grp rl=$request_length conn=$connection/$connection_requests tls=$ssl_protocol rid=$request_id"#;

    fn lines(text: &[u8]) -> Vec<&[u8]> {
        text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect()
    }

    fn found(text: &[u8]) -> Detection {
        chosen(text, &DetectConfig::default())
    }

    fn chosen(text: &[u8], config: &DetectConfig) -> Detection {
        match detect(&lines(text), config) {
            Ok(detection) => detection,
            Err(error) => panic!("{error}"),
        }
    }

    fn rejected(text: &[u8], config: &DetectConfig) -> String {
        match detect(&lines(text), config) {
            Ok(detection) => panic!("{}", detection.reason),
            Err(error) => error.to_string(),
        }
    }

    /// Number of requests, and the meaning of their stamps.
    fn requests(detection: &mut Detection, text: &[u8]) -> (usize, Option<StampMeaning>) {
        let mut meaning = None;
        let mut requests = 0;
        for line in lines(text) {
            if let Line::Request(record) = detection.parser.parse(line) {
                meaning = record.stamp.map(|stamp| stamp.meaning);
                requests += 1;
            }
        }
        (requests, meaning)
    }

    #[test]
    fn every_sample_is_recognised_and_read_completely() {
        let (start, end) = (Some(StampMeaning::Start), Some(StampMeaning::End));
        for (text, name, meaning) in [
            (NGINX, "nginx combined", end),
            (RICH, "nginx combined", end),
            (APACHE, "apache combined", start),
            (TIMED, "apache combined", start),
            (HAPROXY, "haproxy", start),
            (TRAEFIK, "traefik", start),
        ] {
            let mut detection = found(text);
            let all = lines(text).len();
            assert_eq!(detection.name, name);
            assert!(detection.reason.contains(&format!("{all} of {all} sampled lines")), "{}", detection.reason);
            assert_eq!(requests(&mut detection, text), (all, meaning), "{name}");
        }
    }

    #[test]
    fn an_inferred_format_reads_what_the_real_one_reads() {
        let mut inferred = found(RICH);
        let mut real = chosen(RICH, &DetectConfig { log_format: Some(RICH_FORMAT.to_owned()), ..DetectConfig::default() });
        for line in lines(RICH) {
            assert_eq!(inferred.parser.parse(line), real.parser.parse(line));
        }
        assert!(inferred.reason.contains("rt=$request_time"), "{}", inferred.reason);
    }

    #[test]
    fn an_assumption_between_nginx_and_apache_is_stated() {
        let line = br#"203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "GET / HTTP/1.1" 200 412 "-" "curl""#;
        let detection = found(line);
        let note = detection.stamp_note.unwrap();
        assert!(note.contains("end of a request") && note.contains("assumption") && note.contains("--format apache-combined"), "{note}");
        let vhost = [b"matrix.example.org:443 ", &line[..]].concat();
        assert_eq!(found(&vhost).name, "apache vhost combined");
        let vhost = [b"matrix.example.org ", &line[..]].concat();
        assert_eq!(found(&vhost).name, "nginx vhost combined");
    }

    #[test]
    fn escapes_and_missing_counts_distinguish_nginx_from_apache() {
        let head = r#"203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "GET / HTTP/1.1""#;
        for (tail, name) in [
            (r#"200 412 "-" "\x22q\x22""#, "nginx combined"),
            (r#"200 412 "-" "caf\xC3\xA9""#, "nginx combined"),
            (r#"499 0 "-" "a""#, "nginx combined"),
            (r#"200 412 "-" "\"q\"""#, "apache combined"),
            (r#"200 412 "-" "caf\xc3\xa9""#, "apache combined"),
            (r#"304 - "-" "a""#, "apache combined"),
        ] {
            let line = format!("{head} {tail}");
            assert_eq!(found(line.as_bytes()).name, name, "{tail}");
        }
    }

    #[test]
    fn the_users_statement_counts_more_than_the_lines() {
        let mut stamped = chosen(NGINX, &DetectConfig { stamp: Some(StampMeaning::Start), ..DetectConfig::default() });
        assert_eq!(requests(&mut stamped, NGINX).1, Some(StampMeaning::Start));
        let mut apache = chosen(NGINX, &DetectConfig { format: Some(Format::ApacheCombined), ..DetectConfig::default() });
        assert_eq!(apache.name, "apache combined");
        assert_eq!(requests(&mut apache, NGINX).1, Some(StampMeaning::Start));
        let widened = chosen(RICH, &DetectConfig { format: Some(Format::NginxCombined), ..DetectConfig::default() });
        assert!(widened.reason.contains("50 of 50"), "{}", widened.reason);
        let wrong = chosen(NGINX, &DetectConfig { format: Some(Format::Haproxy), ..DetectConfig::default() });
        assert!(wrong.reason.contains("0 of 51 sampled lines"), "{}", wrong.reason);
    }

    #[test]
    fn an_expression_shows_its_server() {
        let choose = |expression: &str| DetectConfig { log_format: Some(expression.to_owned()), ..DetectConfig::default() };
        assert_eq!(chosen(NGINX, &choose(nginx::COMBINED)).name, "nginx log_format");
        assert_eq!(chosen(APACHE, &choose("combined")).name, "apache LogFormat");
        assert_eq!(chosen(b"{}", &choose(r#"{"u":"$request_uri"}"#)).name, "nginx json");
        assert!(rejected(NGINX, &choose("%h %")).starts_with("--log-format: "));
    }

    #[test]
    fn a_configuration_names_the_format_of_its_logs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nginx.conf");
        std::fs::write(&path, format!("http {{ log_format rich '{RICH_FORMAT}'; access_log /x/rich.log rich; access_log /x/a.log; }}"))
            .unwrap();
        let config = Arc::new(NginxConfig::read(&path).unwrap());
        let choose = |log: &str| DetectConfig { nginx_config: Some(Arc::clone(&config)), log: Some(log.into()), ..DetectConfig::default() };
        assert_eq!(chosen(RICH, &choose("/y/rich.log.1")).name, "nginx log_format rich");
        assert_eq!(chosen(NGINX, &choose("a.log")).name, "nginx log_format combined");
        let empty = DetectConfig { nginx_config: Some(Arc::default()), ..DetectConfig::default() };
        assert!(rejected(NGINX, &empty).starts_with("--nginx-config: "));
    }

    #[test]
    fn error_logs_and_empty_files_hold_no_requests() {
        for (text, name) in [
            (&b"2026/11/20 16:53:31 [notice] 20797#20797: nginx/1.22.1\n2026/11/20 16:53:31 [info] 1#1: x"[..], "nginx error log"),
            (b"[Fri Nov 20 16:53:32.557839 2026] [mpm_event:notice] [pid 1:tid 2] AH00489: x", "apache error log"),
            (b"", "empty"),
            (b"\n  \n", "empty"),
        ] {
            let mut detection = found(text);
            assert_eq!((detection.name.clone(), requests(&mut detection, text).0), (name.to_owned(), 0));
            assert!(detection.reason.contains("no"), "{}", detection.reason);
        }
    }

    #[test]
    fn a_synapse_log_is_recognised_by_few_or_no_requests() {
        let other = "2026-07-01 09:15:42,118 - synapse.storage.databases.main - 12 - INFO - main - x\n".repeat(50);
        assert_eq!(found(other.as_bytes()).name, "synapse");
        let request = r#"2026-07-01 09:15:42,118 - synapse.access.http.8008 - 12 - INFO - GET-1 - 127.0.0.1 - 8008 - {None} Processed request: 0.001sec/0.000sec (0.001sec, 0.000sec) (0.000sec/0.000sec/0) 12B 200 "GET /_matrix/client/versions HTTP/1.1" "curl" [0 dbevts]"#;
        let detection = found(format!("{other}{request}").as_bytes());
        assert_eq!(detection.reason, "synapse: requests in 1 of 51 sampled lines of a Synapse log");
    }

    #[test]
    fn json_is_recognised_by_its_keys() {
        let caddy = br#"{"level":"info","ts":1767366245.123456,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"203.0.113.7","proto":"HTTP/2.0","method":"GET","host":"matrix.example.org","uri":"/","headers":{}},"duration":30.000612,"size":412,"status":200}"#;
        let traefik = br#"{"ClientHost":"203.0.113.7","DownstreamStatus":200,"Duration":30001482113,"RequestMethod":"GET","RequestPath":"/","StartUTC":"2026-01-02T15:04:05.123456789Z"}"#;
        let nginx = br#"{"ts":"1795193615.628","remote_addr":"127.10.0.1","method":"GET","uri":"/","status":200,"request_time":0.003,"host":"synapse.example.org"}"#;
        let synapse =
            br#"{"log":"Server starting","namespace":"synapse.app.homeserver","level":"INFO","time":1767366245.12,"request":null}"#;
        for (line, name) in [(&caddy[..], "caddy"), (traefik, "traefik"), (nginx, "nginx"), (synapse, "synapse")] {
            assert!(found(line).name.starts_with(name), "{}: {}", name, found(line).name);
            assert!(found(line).name.contains("json"), "{}", found(line).name);
        }
    }

    #[test]
    fn lines_in_no_known_format_are_rejected() {
        let error = rejected(b"hello\nworld", &DetectConfig::default());
        assert!(error.contains("no known log format fits the sampled lines;") && error.contains("--format"), "{error}");
        assert!(!error.contains("hello"));
        assert_eq!(rejected(b"\x89PNG\r\n\x1a\n\0", &DetectConfig::default()), "not a text log (looks like PNG)");
    }

    #[test]
    fn every_name_is_a_format_with_a_parser() {
        for (name, format) in FORMATS {
            assert_eq!(Format::from_name(name), Some(format));
            let detection = chosen(b"x", &DetectConfig { format: Some(format), ..DetectConfig::default() });
            assert_eq!(detection.parser.fork().name(), detection.name);
        }
        assert_eq!(Format::from_name("auto"), None);
    }
}
