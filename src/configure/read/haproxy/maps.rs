//! Map and list files: `key value` lines.

use std::path::Path;
use std::sync::Arc;

use super::super::pattern::Pattern;
use wsim_nginx::Files;

/// The way in which a key or the value of an acl is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Way {
    Str,
    Beg,
    End,
    Sub,
    Reg,
    Dir,
    Dom,
    Len,
    Int,
    Ip,
    Found,
    Bool,
}

impl Way {
    /// The word after `-m`, or after the last `_` of a fetch.
    pub(super) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "str" => Self::Str,
            "beg" => Self::Beg,
            "end" => Self::End,
            "sub" => Self::Sub,
            "reg" => Self::Reg,
            "dir" => Self::Dir,
            "dom" => Self::Dom,
            "len" => Self::Len,
            "int" => Self::Int,
            "ip" => Self::Ip,
            "found" => Self::Found,
            "bool" => Self::Bool,
            _ => return None,
        })
    }
}

/// A value to compare with.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    Text(String),
    Pattern(Pattern),
    Unreadable(String),
}

impl Wanted {
    pub(super) fn new(text: &str, way: Way, ignore_case: bool) -> Self {
        if way == Way::Reg {
            return Pattern::new(text, ignore_case).map_or_else(Self::Unreadable, Self::Pattern);
        }
        Self::Text(if ignore_case { text.to_lowercase() } else { text.to_owned() })
    }

    /// Whether a text matches the value, or the reason why this is unknown.
    pub(super) fn holds(&self, text: &str, way: Way, ignore_case: bool) -> Result<bool, String> {
        let lower;
        let text = if ignore_case && way != Way::Reg {
            lower = text.to_lowercase();
            lower.as_str()
        } else {
            text
        };
        let wanted = match self {
            Self::Pattern(pattern) => return Ok(pattern.matches(text)),
            Self::Unreadable(why) => return Err(why.clone()),
            Self::Text(wanted) => wanted.as_str(),
        };
        Ok(match way {
            Way::Str => text == wanted,
            Way::Beg => text.starts_with(wanted),
            Way::End => text.ends_with(wanted),
            Way::Sub => text.contains(wanted),
            Way::Dir => within(text, wanted.trim_matches('/'), &['/', '?']),
            Way::Dom => within(text, wanted.trim_matches('.'), &['/', '?', '.', ':']),
            Way::Len => compare(&text.len().to_string(), wanted).ok_or("a comparison of lengths that is not evaluated")?,
            Way::Int => compare(text, wanted).ok_or("a comparison of numbers that is not evaluated")?,
            Way::Ip => address(text, wanted).ok_or("an address that is not evaluated")?,
            Way::Bool => matches!(wanted, "1" | "true") == truth(text),
            Way::Found => true,
            Way::Reg => return Err("a pattern".to_owned()),
        })
    }
}

/// Whether a sample counts as true.
pub(super) fn truth(text: &str) -> bool {
    !text.is_empty() && text != "0" && text != "false"
}

fn within(text: &str, wanted: &str, separators: &[char]) -> bool {
    let bounded = |at: usize| {
        let before = text[..at].chars().next_back().is_none_or(|c| separators.contains(&c));
        let after = text[at + wanted.len()..].chars().next().is_none_or(|c| separators.contains(&c));
        before && after
    };
    !wanted.is_empty() && text.match_indices(wanted).any(|(at, _)| bounded(at))
}

/// `5`, `1:5`, `:5`
fn compare(text: &str, wanted: &str) -> Option<bool> {
    let number: i64 = text.parse().ok()?;
    match wanted.split_once(':') {
        None => Some(number == wanted.parse::<i64>().ok()?),
        Some((low, high)) => {
            let low = if low.is_empty() { i64::MIN } else { low.parse().ok()? };
            let high = if high.is_empty() { i64::MAX } else { high.parse().ok()? };
            Some((low..=high).contains(&number))
        }
    }
}

fn address(text: &str, wanted: &str) -> Option<bool> {
    let address: std::net::IpAddr = text.parse().ok()?;
    let (network, bits) = wanted.split_once('/').map_or((wanted, None), |(network, bits)| (network, bits.parse::<u32>().ok()));
    match (address, network.parse().ok()?) {
        (std::net::IpAddr::V4(a), std::net::IpAddr::V4(b)) => {
            let shift = 32 - bits.unwrap_or(32).min(32);
            Some(u64::from(a.to_bits()) >> shift == u64::from(b.to_bits()) >> shift)
        }
        (std::net::IpAddr::V6(a), std::net::IpAddr::V6(b)) => {
            let shift = 128 - bits.unwrap_or(128).min(128);
            Some(a.to_bits().checked_shr(shift) == b.to_bits().checked_shr(shift))
        }
        _ => Some(false),
    }
}

/// A map file.
#[derive(Debug, Clone)]
pub(super) struct MapFile {
    /// The key as written, its comparison, and the value.
    entries: Vec<(Wanted, usize, String)>,
}

impl MapFile {
    /// Parses the text of a map.
    pub(super) fn new(text: &str, way: Way) -> Self {
        let entries = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
            let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            (Wanted::new(key, way, false), key.len(), value.trim().to_owned())
        });
        Self { entries: entries.collect() }
    }

    /// Number of lines with a key.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The value of a text: the value of the longest prefix for `map_beg`, else of the first matching line.
    pub(super) fn value(&self, text: &str, way: Way) -> Result<Option<&str>, String> {
        let mut best: Option<(usize, &str)> = None;
        for (wanted, length, value) in &self.entries {
            if wanted.holds(text, way, false)? {
                if way != Way::Beg {
                    return Ok(Some(value));
                }
                if best.is_none_or(|(longest, _)| *length > longest) {
                    best = Some((*length, value));
                }
            }
        }
        Ok(best.map(|(_, value)| value))
    }
}

/// Reads a file at its path, or by its name in the folder of the configuration. The error is the reason why it cannot be read, as a phrase.
pub(super) fn text(named: &str, config: &Path, files: &dyn Files) -> Result<Arc<str>, String> {
    let beside = config.parent().unwrap_or(Path::new(""));
    let path = Path::new(named);
    let places = [Some(path.to_owned()), Some(beside.join(path)), path.file_name().map(|name| beside.join(name))];
    let mut reason = None;
    for place in places.into_iter().flatten() {
        match files.read(&place) {
            Ok(text) if text.lines().count() > LINES_MAX => reason = Some(format!("has more than {LINES_MAX} lines")),
            Ok(text) => return Ok(text.into()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => reason = Some(format!("cannot be read: {error}")),
        }
    }
    let reason = reason.unwrap_or_else(|| "does not exist".to_owned());
    Err(format!("the file {} {reason}", named.escape_debug()))
}

/// Of a map or list.
const LINES_MAX: usize = 200_000;
