//! HAProxy's sample expressions, a fetch and its converters (`path,lower,map_reg(file,default)`): read from text, and evaluated for
//! one request. An error is the reason why a value is unknown.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::super::pattern::{Pattern, bounded};
use super::maps::{self, MapFile, Way};
use wsim_nginx::Files;

/// A fetch with converters.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) fetch: Fetch,
    converters: Vec<Converter>,
}

/// The part of a request that a sample fetches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fetch {
    Path,
    PathAndQuery,
    Url,
    Query,
    Base,
    Method,
    /// A header, and whether its value is split at commas.
    Header {
        name: String,
        split: bool,
        last: bool,
    },
    HeaderCount(String),
    Parameter(String),
    Cookie(String),
    Source,
    Variable(String),
    Constant(String),
    Tls,
    /// The name of the TLS handshake, which is the host without its port.
    ServerName,
    /// `nbsrv(backend)`: the number of its servers, of which all are taken as up.
    Servers(String),
    /// The reason why the fetch is not evaluated.
    Unknown(String),
}

#[derive(Debug, Clone)]
enum Converter {
    Lower,
    Upper,
    Field(i64, String),
    Word(i64, String),
    Regsub {
        pattern: Pattern,
        replacement: String,
        all: bool,
    },
    Map {
        file: MapOrReason,
        way: Way,
        default: Option<String>,
    },
    Concat(Vec<String>),
    UrlDecode,
    Base64,
    Bytes {
        from: usize,
        length: Option<usize>,
    },
    Length,
    /// `nbsrv`: the number of servers of the backend that the value names.
    Servers,
    Unknown(String),
}

/// The request as a fetch sees it.
pub(super) struct RequestView<'s> {
    pub(super) method: &'s str,
    pub(super) path: &'s str,
    pub(super) query: Option<&'s str>,
    pub(super) headers: &'s [(String, String)],
    pub(super) address: &'s str,
    pub(super) variables: &'s HashMap<String, String>,
    /// Variables (`name`) and headers (`name:` in lower case) whose value is unknown, and the reason.
    pub(super) unknown: &'s HashMap<String, String>,
    /// The number of servers of every backend.
    pub(super) servers: &'s HashMap<String, usize>,
    /// Comparisons with values that this request may still cost.
    pub(super) comparisons: &'s Cell<usize>,
}

impl RequestView<'_> {
    /// Takes account of comparisons with so many values.
    pub(super) fn spend(&self, comparisons: usize) -> Result<(), String> {
        let left = self.comparisons.get().checked_sub(comparisons);
        self.comparisons.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or_else(|| format!("more than {COMPARISONS_MAX} comparisons for one request"))
    }

    /// An error if a header's value is unknown.
    fn known_header(&self, name: &str) -> Result<(), String> {
        if self.unknown.is_empty() {
            return Ok(());
        }
        self.unknown.get(&format!("{}:", name.to_ascii_lowercase())).map_or(Ok(()), |why| Err(why.clone()))
    }

    /// The value of a variable, or the reason why it is unknown.
    fn variable(&self, name: &str) -> Result<Option<&'_ String>, String> {
        match self.unknown.get(name) {
            Some(why) => Err(why.clone()),
            None => Ok(self.variables.get(name)),
        }
    }

    /// The number of servers of a backend, as HAProxy's `nbsrv` gives it while all are up.
    fn servers_of(&self, backend: &str) -> usize {
        self.servers.get(backend).copied().unwrap_or(0)
    }
}

/// A map, or the reason why it cannot be read.
type MapOrReason = Result<Arc<MapFile>, String>;

/// A parser of samples, with access to the files of maps.
pub(super) struct SampleReader<'r> {
    config_path: &'r Path,
    files: &'r dyn Files,
    /// Maps by file and comparison: a map that many rules use is read once.
    maps: RefCell<HashMap<(String, Way), MapOrReason>>,
}

impl<'r> SampleReader<'r> {
    pub(super) fn new(config_path: &'r Path, files: &'r dyn Files) -> Self {
        Self { config_path, files, maps: RefCell::default() }
    }

    /// The text of a map or list, or the reason why there is none.
    pub(super) fn text(&self, name: &str) -> Result<Arc<str>, String> {
        maps::text(name, self.config_path, self.files)
    }

    fn map(&self, name: &str, way: Way) -> MapOrReason {
        let mut maps = self.maps.borrow_mut();
        let read = || self.text(name).map(|text| Arc::new(MapFile::new(&text, way)));
        maps.entry((name.to_owned(), way)).or_insert_with(read).clone()
    }
    /// Parses an expression.
    pub(super) fn read(&self, text: &str) -> Sample {
        let mut parts = split(text, ',').into_iter();
        let fetch = fetch(&parts.next().unwrap_or_default());
        Sample { fetch, converters: parts.map(|part| self.converter(&part)).collect() }
    }

    fn converter(&self, text: &str) -> Converter {
        let (name, arguments) = call(text);
        let argument = |index: usize| arguments.get(index).map_or("", String::as_str);
        let unknown = || Converter::Unknown(format!("the converter {}", name.escape_debug()));
        match name {
            "lower" => Converter::Lower,
            "upper" => Converter::Upper,
            "field" => Converter::Field(argument(0).parse().unwrap_or(1), argument(1).to_owned()),
            "word" => Converter::Word(argument(0).parse().unwrap_or(1), argument(1).to_owned()),
            "regsub" => {
                let flags = argument(2);
                match Pattern::new(argument(0), flags.contains('i')) {
                    Ok(pattern) => Converter::Regsub { pattern, replacement: argument(1).to_owned(), all: flags.contains('g') },
                    Err(why) => Converter::Unknown(why),
                }
            }
            "concat" => Converter::Concat(arguments),
            "url_dec" => Converter::UrlDecode,
            "base64" => Converter::Base64,
            "bytes" => Converter::Bytes { from: argument(0).parse().unwrap_or(0), length: argument(1).parse().ok() },
            "length" => Converter::Length,
            "nbsrv" => Converter::Servers,
            _ if name == "map" || name.starts_with("map_") => {
                let way = if name == "map" { Some(Way::Str) } else { name.split('_').nth(1).and_then(Way::of) };
                let Some(way) = way else { return unknown() };
                Converter::Map { file: self.map(argument(0), way), way, default: arguments.get(1).cloned() }
            }
            _ => unknown(),
        }
    }
}

impl Sample {
    /// The value; `None` if the request has none. The error is the reason why the value is unknown.
    pub(super) fn value(&self, view: &RequestView<'_>) -> Result<Option<String>, String> {
        let mut value = match self.fetched(view)? {
            Some(value) => value,
            None => return Ok(None),
        };
        for converter in &self.converters {
            match converter.apply(&value, view)? {
                Some(next) => value = next,
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }

    /// All values: the parts of a header between commas.
    pub(super) fn values(&self, view: &RequestView<'_>) -> Result<Vec<String>, String> {
        if let Fetch::Header { name, split: true, .. } = &self.fetch {
            view.known_header(name)?;
            let headers = view.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
            let parts: Vec<String> = headers.flat_map(|(_, value)| value.split(',')).map(|part| part.trim().to_owned()).collect();
            let mut values = Vec::new();
            for part in parts {
                let mut value = Some(part);
                for converter in &self.converters {
                    if let Some(now) = value {
                        value = converter.apply(&now, view)?;
                    }
                }
                values.extend(value);
            }
            return Ok(values);
        }
        Ok(self.value(view)?.into_iter().collect())
    }

    /// Whether the value is a number.
    pub(super) fn is_number(&self) -> bool {
        match self.converters.last() {
            None => matches!(self.fetch, Fetch::HeaderCount(_) | Fetch::Servers(_)),
            Some(last) => matches!(last, Converter::Length | Converter::Servers),
        }
    }

    /// Whether the value is unknown for every request.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.fetch, Fetch::Unknown(_)) || self.converters.iter().any(|converter| matches!(converter, Converter::Unknown(_)))
    }

    fn fetched(&self, view: &RequestView<'_>) -> Result<Option<String>, String> {
        let with_query = || view.query.map_or_else(|| view.path.to_owned(), |query| format!("{}?{query}", view.path));
        if let Fetch::Header { name, .. } | Fetch::HeaderCount(name) = &self.fetch {
            view.known_header(name)?;
        }
        Ok(match &self.fetch {
            Fetch::Path => Some(view.path.to_owned()),
            Fetch::PathAndQuery | Fetch::Url => Some(with_query()),
            Fetch::Query => Some(view.query.unwrap_or_default().to_owned()),
            Fetch::Base => Some(format!("{}{}", headers(view, "host").next().unwrap_or_default(), view.path)),
            Fetch::Method => Some(view.method.to_owned()),
            Fetch::Header { name, split, last } => {
                let mut parts: Vec<String> = if *split {
                    headers(view, name).flat_map(|value| value.split(',')).map(|part| part.trim().to_owned()).collect()
                } else {
                    headers(view, name).map(str::to_owned).collect()
                };
                if *last { parts.pop() } else { parts.into_iter().next() }
            }
            Fetch::HeaderCount(name) => Some(headers(view, name).count().to_string()),
            Fetch::Parameter(name) => parameter(view.query.unwrap_or_default(), name),
            Fetch::Cookie(name) => {
                let pairs = headers(view, "cookie").flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
                pairs.filter(|(own, _)| own == name).map(|(_, value)| value.to_owned()).next()
            }
            Fetch::Source => Some(view.address.to_owned()),
            Fetch::Variable(name) => view.variable(name)?.cloned(),
            Fetch::Constant(text) => Some(text.clone()),
            Fetch::Tls => Some("1".to_owned()),
            Fetch::ServerName => {
                let host = headers(view, "host").next();
                host.map(|host| {
                    host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name).to_owned()
                })
            }
            Fetch::Servers(backend) => Some(view.servers_of(backend).to_string()),
            Fetch::Unknown(what) => return Err(format!("the sample {} is not evaluated", what.escape_debug())),
        })
    }
}

fn headers<'s>(view: &RequestView<'s>, name: &'s str) -> impl Iterator<Item = &'s str> {
    view.headers.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

impl Converter {
    fn apply(&self, value: &str, view: &RequestView<'_>) -> Result<Option<String>, String> {
        Ok(match self {
            Self::Lower => Some(value.to_ascii_lowercase()),
            Self::Upper => Some(value.to_ascii_uppercase()),
            Self::Field(index, delimiters) => pick(&value.split(|c| delimiters.contains(c)).collect::<Vec<_>>(), *index),
            Self::Word(index, delimiters) => {
                pick(&value.split(|c| delimiters.contains(c)).filter(|word| !word.is_empty()).collect::<Vec<_>>(), *index)
            }
            Self::Regsub { pattern, replacement, all } => Some(pattern.replaced(value, *all, replacement)?),
            Self::Map { file: Err(why), .. } => return Err(why.clone()),
            Self::Map { file: Ok(file), way, default } => {
                view.spend(file.len())?;
                file.value(value, *way)?.map(str::to_owned).or_else(|| default.clone())
            }
            Self::Concat(parts) => {
                let part = |index: usize| parts.get(index).map_or("", String::as_str);
                let variable = view.variable(part(1))?.map_or("", String::as_str);
                Some(bounded(format!("{value}{}{variable}{}", part(0), part(2)))?)
            }
            Self::UrlDecode => Some(wsim_http::percent::decode_text(value).into_owned()),
            // Any text can represent the bytes, if equal bytes have equal texts.
            Self::Base64 => Some(value.to_owned()),
            Self::Bytes { from, length } => {
                let bytes = value.as_bytes().get(*from..).unwrap_or_default();
                let end = length.map_or(bytes.len(), |length| length.min(bytes.len()));
                Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
            }
            Self::Length => Some(value.len().to_string()),
            Self::Servers => Some(view.servers_of(value).to_string()),
            Self::Unknown(what) => return Err(format!("{what} is not evaluated")),
        })
    }
}

fn pick(parts: &[&str], index: i64) -> Option<String> {
    let from_start = usize::try_from(index).ok().and_then(|index| index.checked_sub(1));
    let index = match from_start {
        Some(index) => index,
        None => parts.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
    };
    parts.get(index).map(|part| (*part).to_owned())
}

fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| match pair.split_once('=') {
        Some((own, value)) if own == name => Some(value.to_owned()),
        None if pair == name => Some(String::new()),
        _ => None,
    })
}

fn fetch(text: &str) -> Fetch {
    let (name, arguments) = call(text);
    let argument = |index: usize| arguments.get(index).map_or("", String::as_str).to_owned();
    let name = name.strip_prefix("req.").unwrap_or(name);
    match name {
        "path" | "capture.req.uri" => Fetch::Path,
        "pathq" => Fetch::PathAndQuery,
        "url" => Fetch::Url,
        "query" => Fetch::Query,
        "base" => Fetch::Base,
        "method" | "capture.req.method" => Fetch::Method,
        "hdr" | "shdr" => Fetch::Header { name: argument(0), split: true, last: argument(1).is_empty() || argument(1) == "-1" },
        "fhdr" => Fetch::Header { name: argument(0), split: false, last: argument(1).is_empty() || argument(1) == "-1" },
        "hdr_cnt" | "fhdr_cnt" => Fetch::HeaderCount(argument(0)),
        "urlp" | "url_param" => Fetch::Parameter(argument(0)),
        "cook" => Fetch::Cookie(argument(0)),
        "src" => Fetch::Source,
        "var" => Fetch::Variable(argument(0)),
        "str" | "bool" | "int" => Fetch::Constant(argument(0)),
        "nbsrv" if !argument(0).is_empty() => Fetch::Servers(argument(0)),
        "always_true" => Fetch::Constant("1".to_owned()),
        "always_false" => Fetch::Constant("0".to_owned()),
        "ssl_fc" => Fetch::Tls,
        "ssl_fc_sni" | "ssl_sni" => Fetch::ServerName,
        _ => Fetch::Unknown(text.to_owned()),
    }
}

/// `name(a,b)` → name and arguments.
pub(super) fn call(text: &str) -> (&str, Vec<String>) {
    match text.split_once('(') {
        Some((name, rest)) => (name, split(rest.strip_suffix(')').unwrap_or(rest), ',')),
        None => (text, Vec::new()),
    }
}

/// The parts between separators outside brackets and quotes, without the quotes and backslashes.
fn split(text: &str, separator: char) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut depth, mut quote) = (0usize, None);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            (_, Some(open)) if character == open => quote = None,
            ('\'' | '"', None) if depth == 0 || text.starts_with(character) => quote = Some(character),
            ('\\', None) if depth == 0 => match characters.next() {
                Some(next) if next == separator => part.push(next),
                Some(next) => part.extend(['\\', next]),
                None => part.push('\\'),
            },
            ('(', None) => {
                depth += 1;
                part.push(character);
            }
            (')', None) => {
                depth = depth.saturating_sub(1);
                part.push(character);
            }
            (_, None) if character == separator && depth == 0 => parts.push(std::mem::take(&mut part)),
            _ => part.push(character),
        }
    }
    parts.push(part);
    parts
}

/// Of one request with values of maps, lists and acls.
pub(super) const COMPARISONS_MAX: usize = 500_000;
