//! The meanings of a log format's fields, and the record made from their values.
//!
//! nginx's variables and Apache's directives are both compiled to [`Variable`]; a [`Draft`] collects their values into a [`Record`].
//! Knows meanings and units, not how a format delimits or escapes its fields.
//! Invariant: a value that a format cannot have written is an error, a missing one (`-`, empty) is not.

use std::borrow::Cow;
use std::net::IpAddr;

use memchr::{memchr, memmem};

use super::request_line;
use crate::time::{decimal, duration_us, epoch_seconds};
use crate::{Ambiguity, Record, Stamp, StampMeaning, StampReader};

/// The meaning of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// The complete time stamp.
    Time(Clock, StampMeaning),
    /// Apache `%{msec_frac}t`, `%{usec_frac}t`: the part of the stamp below a second.
    Fraction(Unit),
    /// Apache `%{%z}t`: the zone of a stamp written without it.
    ZoneOffset,
    /// `METHOD target PROTOCOL`.
    RequestLine,
    Method,
    /// Path and query as sent.
    Target,
    /// The path, decoded and normalised by the server (nginx `$uri`, Apache `%U`): used if nothing better is logged.
    Path,
    /// The query alone, with or without its `?`.
    Query,
    Status,
    /// Bytes sent to the client.
    BytesSent,
    /// Bytes of the request.
    BytesReceived,
    Wall(Unit),
    /// Upstreams tried: `a, b : c`.
    UpstreamAddress,
    /// The upstreams' statuses: used if [`Variable::Status`] is not logged.
    UpstreamStatus,
    /// The upstreams' times.
    UpstreamTime(Unit),
    /// The client's address.
    Address,
    /// `X-Forwarded-For`: the client's address if the peer is a proxy of the same installation.
    ForwardedFor,
    /// The user of basic authentication.
    User,
    /// A key that identifies the user: a hash, a localpart, or the whole header if the administrator's map has no match.
    UserKey,
    /// An `Authorization` header or an access token: secret.
    Authorization,
    Agent,
    /// The virtual host.
    Site,
    /// nginx `$request_id`: 32 hexadecimal digits.
    RequestId,
    /// A request ID from a header or another server: any text.
    RequestIdText,
    /// Apache `%X`: `X` aborted, `+` may be kept alive, `-` closed.
    ConnectionState,
    /// `Referer`.
    Referrer,
    /// An ignored field that never contains a space (`$connection`, `$server_port`).
    IgnoredWord,
    /// An ignored field.
    Ignored,
}

/// The notation of a time stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// `02/Jan/2026:15:04:05 +0000`
    Common,
    /// `02/Jan/2026:15:04:05` in the reader's zone, or in that of a [`Variable::ZoneOffset`].
    CommonLocal,
    /// `2026-01-02T15:04:05+00:00` and similar notations.
    Iso,
    /// `2026-01-02 15:04:05`: the same with a space in place of the `T`.
    IsoSpaced,
    /// A number since 1970 in this unit.
    Epoch(Unit),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds, with or without a fraction.
    Seconds,
    /// Seconds with exactly three decimals, as nginx writes them: fewer mean that the line is truncated.
    SecondsMillis,
    Millis,
    Micros,
}

impl Variable {
    /// Whether a value may contain spaces. Otherwise the first space ends it.
    pub fn may_contain_spaces(self) -> bool {
        match self {
            Self::Time(Clock::Common | Clock::IsoSpaced, _)
            | Self::RequestLine
            | Self::Path
            | Self::Query
            | Self::Target
            | Self::UpstreamAddress
            | Self::UpstreamStatus
            | Self::UpstreamTime(_)
            | Self::ForwardedFor
            | Self::User
            | Self::UserKey
            | Self::Authorization
            | Self::Agent
            | Self::Referrer
            | Self::RequestIdText
            | Self::Ignored => true,
            Self::Time(..)
            | Self::Fraction(_)
            | Self::ZoneOffset
            | Self::Method
            | Self::Status
            | Self::BytesSent
            | Self::BytesReceived
            | Self::Wall(_)
            | Self::Address
            | Self::Site
            | Self::RequestId
            | Self::ConnectionState
            | Self::IgnoredWord => false,
        }
    }

    /// Whether a value is a list over several upstreams, `a, b : c`.
    pub fn is_list(self) -> bool {
        matches!(self, Self::UpstreamAddress | Self::UpstreamStatus | Self::UpstreamTime(_))
    }

    /// Whether the record keeps the text of this value, so that its escapes must be undone.
    pub fn keeps_text(self) -> bool {
        matches!(
            self,
            Self::Target
                | Self::Path
                | Self::Query
                | Self::User
                | Self::UserKey
                | Self::Authorization
                | Self::Agent
                | Self::Referrer
                | Self::UpstreamAddress
                | Self::RequestIdText
        )
    }

    /// The variable with another meaning of its stamp.
    pub fn with_meaning(self, meaning: StampMeaning) -> Self {
        if let Self::Time(clock, _) = self { Self::Time(clock, meaning) } else { self }
    }

    /// The name of the value in a [`crate::Malformed`].
    pub fn expected(self) -> &'static str {
        match self {
            Self::Time(Clock::Common | Clock::CommonLocal, _) => "a time such as 02/Jan/2026:15:04:05 +0000",
            Self::Time(Clock::Iso | Clock::IsoSpaced, _) => "a time such as 2026-01-02T15:04:05+00:00",
            Self::Time(Clock::Epoch(_), _) => "a time in seconds since 1970",
            Self::Fraction(_) => "a fraction of a second",
            Self::ZoneOffset => "an offset such as +0000",
            Self::RequestLine => "a request line",
            Self::Method => "a method",
            Self::Target | Self::Path | Self::Query => "a request target",
            Self::Status => "a status of three digits",
            Self::BytesSent | Self::BytesReceived => "a number of bytes",
            Self::Wall(_) => "a duration",
            Self::UpstreamAddress => "an upstream's address",
            Self::UpstreamStatus => "an upstream's status",
            Self::UpstreamTime(_) => "an upstream's time",
            Self::Address => "a client address",
            Self::ForwardedFor => "a forwarded address",
            Self::User | Self::UserKey | Self::Authorization => "a user",
            Self::Agent => "a user agent",
            Self::Referrer => "a referrer",
            Self::Site => "a host name",
            Self::RequestId => "a request ID of 32 hexadecimal digits",
            Self::RequestIdText => "a request ID",
            Self::ConnectionState => "a connection state",
            Self::IgnoredWord | Self::Ignored => "a field",
        }
    }
}

/// An incomplete record. It is filled in place, because moving a record costs as much as reading several fields.
#[derive(Debug)]
pub struct Draft<'r, 'a> {
    pub record: &'r mut Record<'a>,
    wall_is_fine: bool,
    /// Boxed, because few formats need it and every line would pay for its size.
    parts: Option<Box<Parts<'a>>>,
}

/// Values that are combined when all of them are known.
#[derive(Debug, Default)]
struct Parts<'a> {
    path: Option<Cow<'a, [u8]>>,
    query: Option<Cow<'a, [u8]>>,
    forwarded: Option<Cow<'a, [u8]>>,
    fraction: Option<(i64, u32)>,
    local: Option<(&'a [u8], StampMeaning)>,
    zone: Option<&'a [u8]>,
}

impl<'r, 'a> Draft<'r, 'a> {
    /// Fills an empty record.
    #[inline]
    pub fn new(record: &'r mut Record<'a>) -> Self {
        Self { record, wall_is_fine: false, parts: None }
    }

    /// Assigns one value, with its escapes undone. `-` and the empty string mean missing. Times, numbers and addresses are parsed from
    /// borrowed text only; a value that needed unescaping cannot be one.
    ///
    /// The error is the name of the value that was expected.
    pub fn assign(&mut self, variable: Variable, value: Cow<'a, [u8]>, stamps: &mut StampReader) -> Result<(), &'static str> {
        match (variable, value) {
            (_, Cow::Borrowed(value)) => return self.assign_borrowed(variable, value, stamps),
            (Variable::RequestLine, Cow::Owned(line)) => {
                let (method, target) = request_line::split(&line);
                (self.record.method, self.record.target) = (request_line::known_method(method), Cow::Owned(target.to_vec()));
            }
            // Two lines written into one would otherwise be read as one line with an odd user.
            (Variable::User, value) if memmem::find(&value, b" - ").is_some() => return Err(variable.expected()),
            (Variable::User, value) => self.record.user = present(value),
            (Variable::Agent, value) => self.record.agent = present(value),
            (Variable::Referrer, value) => self.record.referrer = present(value),
            (other, value) => self.assign_rare(other, value, stamps)?,
        }
        Ok(())
    }

    /// [`Self::assign`] for a value without escapes, with the fields of the common formats first.
    #[inline]
    pub fn assign_borrowed(&mut self, variable: Variable, value: &'a [u8], stamps: &mut StampReader) -> Result<(), &'static str> {
        let record = &mut *self.record;
        match variable {
            Variable::Ignored | Variable::IgnoredWord => {}
            Variable::RequestLine => {
                let (method, target) = request_line::split(value);
                (record.method, record.target) = (method, Cow::Borrowed(target));
            }
            Variable::Time(Clock::Common, meaning) => {
                let micros = stamps.common(value).ok_or_else(|| variable.expected())?;
                record.stamp = Some(Stamp { micros, resolution_us: 1_000_000, meaning, ambiguity: Ambiguity::None });
            }
            Variable::Address => record.address = Some(value).filter(is_present),
            Variable::Status => record.status = status(value).ok_or_else(|| variable.expected())?,
            Variable::BytesSent => record.bytes_sent = count(value).ok_or_else(|| variable.expected())?,
            Variable::BytesReceived => record.bytes_received = count(value).ok_or_else(|| variable.expected())?,
            Variable::User if !is_present(&value) => record.user = None,
            // Two lines written into one would otherwise be read as one line with an odd user.
            Variable::User if memmem::find(value, b" - ").is_some() => return Err(variable.expected()),
            Variable::User => record.user = Some(Cow::Borrowed(value)),
            Variable::Agent => record.agent = Some(value).filter(is_present).map(Cow::Borrowed),
            Variable::Referrer => record.referrer = Some(value).filter(is_present).map(Cow::Borrowed),
            other => self.assign_rare(other, Cow::Borrowed(value), stamps)?,
        }
        Ok(())
    }

    fn assign_rare(&mut self, variable: Variable, value: Cow<'a, [u8]>, stamps: &mut StampReader) -> Result<(), &'static str> {
        let error = variable.expected();
        let record = &mut *self.record;
        match variable {
            Variable::Time(Clock::CommonLocal, meaning) => {
                let text = borrowed(&value).ok_or(error)?;
                let micros = stamps.haproxy(text).ok_or(error)?;
                let resolution_us = if text.len() > 20 { 1000 } else { 1_000_000 };
                record.stamp = Some(Stamp { micros, resolution_us, meaning, ambiguity: stamps.ambiguity() });
                self.parts().local = Some((text, meaning));
            }
            Variable::Time(Clock::Iso | Clock::IsoSpaced, meaning) => {
                let (micros, resolution_us) = stamps.iso(&value).ok_or(error)?;
                record.stamp = Some(Stamp { micros, resolution_us, meaning, ambiguity: stamps.ambiguity() });
            }
            Variable::Time(Clock::Epoch(unit), meaning) => {
                let (micros, resolution_us) = epoch(&value, unit).ok_or(error)?;
                record.stamp = Some(Stamp { micros, resolution_us, meaning, ambiguity: Ambiguity::None });
            }
            Variable::Fraction(unit) => self.parts().fraction = Some(fraction(&value, unit).ok_or(error)?),
            Variable::ZoneOffset => self.parts().zone = borrowed(&value),
            Variable::Method => {
                record.method = match value {
                    Cow::Borrowed(method) if method != b"-" => method,
                    Cow::Borrowed(_) => b"",
                    Cow::Owned(method) => request_line::known_method(&method),
                }
            }
            Variable::Target => record.target = present(value).unwrap_or_default(),
            Variable::Path => self.parts().path = present(value),
            Variable::Query => self.parts().query = present(value),
            Variable::Wall(unit) => self.assign_wall(&value, unit).ok_or(error)?,
            Variable::UpstreamAddress => (record.upstream, record.upstream_tries) = upstreams(&value),
            Variable::UpstreamStatus if record.status == 0 => {
                record.status = entries(&value).last().and_then(status).unwrap_or(0);
            }
            Variable::UpstreamTime(unit) => record.upstream_us = sum_of_times(&value, unit).ok_or(error)?,
            Variable::ForwardedFor => {
                if let Some(list) = present(value) {
                    self.parts().forwarded = Some(list);
                }
            }
            Variable::UserKey => match present(value) {
                Some(header) if is_credential(&header) => record.authorization = Some(header),
                key => record.user = key.or(record.user.take()),
            },
            Variable::Authorization => record.authorization = present(value).or(record.authorization.take()),
            Variable::Site => record.site = borrowed(&value).filter(is_present).filter(|site| *site != b"_").or(record.site),
            Variable::RequestId => {
                let id = borrowed(&value).ok_or(error)?;
                if is_present(&id) && !(id.len() == 32 && id.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(error);
                }
                record.request_id = Some(id).filter(is_present);
            }
            Variable::RequestIdText => record.request_id = borrowed(&value).filter(is_present),
            Variable::ConnectionState => record.aborted |= &*value == b"X",
            // The frequent variables are assigned by the caller; an upstream's status is ignored if the proxy's own is known.
            _ => {}
        }
        Ok(())
    }

    /// Completes the record after the last value.
    #[inline]
    pub fn finish(mut self, stamps: &mut StampReader) {
        if self.record.status == 499 {
            self.record.aborted = true;
        }
        if let Some(parts) = self.parts.take() {
            parts.complete(self.record, stamps);
        }
    }

    fn parts(&mut self) -> &mut Parts<'a> {
        self.parts.get_or_insert_default()
    }

    /// Whole seconds do not replace a finer value.
    fn assign_wall(&mut self, value: &[u8], unit: Unit) -> Option<()> {
        let fine = unit != Unit::Seconds || memchr(b'.', value).is_some();
        let Some(wall) = optional(value, |value| duration(value, unit))? else { return Some(()) };
        if fine || !self.wall_is_fine {
            self.record.wall_us = Some(wall);
            self.wall_is_fine = fine;
        }
        Some(())
    }
}

impl<'a> Parts<'a> {
    fn complete(mut self, record: &mut Record<'a>, stamps: &mut StampReader) {
        if let (true, Some(path)) = (record.target.is_empty(), self.path.take()) {
            record.target = Cow::Owned(target_of(&path, self.query.as_deref()));
        }
        if let (Some(Cow::Borrowed(list)), true) = (self.forwarded.take(), record.address.is_none_or(is_our_own)) {
            let first = list.split(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
            record.address = Some(first).filter(is_present).or(record.address);
        }
        if let (Some(zone), Some((local, meaning))) = (self.zone, self.local)
            && let (Some(clock), 5) = (local.get(..20), zone.len())
            && let Some(micros) = stamps.common(&[clock, b" ", zone].concat())
        {
            let below_a_second = record.stamp.map_or(0, |stamp| stamp.micros.rem_euclid(1_000_000));
            let resolution_us = if local.len() > 20 { 1000 } else { 1_000_000 };
            record.stamp = Some(Stamp { micros: micros + below_a_second, resolution_us, meaning, ambiguity: Ambiguity::None });
        }
        if let (Some((micros, resolution_us)), Some(stamp)) = (self.fraction, &mut record.stamp) {
            (stamp.micros, stamp.resolution_us) = (stamp.micros.saturating_add(micros), resolution_us);
        }
    }
}

/// The items of an upstream list, separated by `, ` or ` : `.
pub fn entries(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = memchr::memchr_iter(b' ', text).find_map(|at| {
            let comma = at > 0 && text[at - 1] == b',';
            let group = text[at..].starts_with(b" : ");
            (comma || group).then_some(if comma { (at - 1, at + 1) } else { (at, at + 3) })
        });
        let (item, next) = end.map_or((text, None), |(end, next)| (&text[..end], Some(&text[next..])));
        rest = next;
        Some(item)
    })
}

/// Whether a text is a credential rather than a name: an nginx map without a match often yields the whole header.
pub fn is_credential(text: &[u8]) -> bool {
    const SCHEMES: [&[u8]; 5] = [b"Bearer ", b"X-Matrix ", b"Basic ", b"Digest ", b"Negotiate "];
    const TOKENS: [&[u8]; 5] = [b"syt_", b"mct_", b"mat_", b"mpt_", b"mcr_"];
    let starts = |start: &&[u8]| text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start));
    SCHEMES.iter().any(starts) || TOKENS.iter().any(starts)
}

#[inline]
fn is_present(value: &&[u8]) -> bool {
    !matches!(value, [] | [b'-'])
}

#[inline]
fn present(value: Cow<'_, [u8]>) -> Option<Cow<'_, [u8]>> {
    is_present(&&*value).then_some(value)
}

/// The borrowed text; `None` for text that had to be copied, which is invalid in such values (an address with escapes).
#[inline]
fn borrowed<'a>(value: &Cow<'a, [u8]>) -> Option<&'a [u8]> {
    if let Cow::Borrowed(value) = value { Some(value) } else { None }
}

/// `Some(None)` for `-` and the empty string, `None` for an unreadable value.
fn optional<T>(value: &[u8], read: impl FnOnce(&[u8]) -> Option<T>) -> Option<Option<T>> {
    if is_present(&value) { read(value).map(Some) } else { Some(None) }
}

#[inline]
fn status(text: &[u8]) -> Option<u16> {
    match text {
        [a, b, c] if a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit() => {
            Some(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
        }
        b"-" | b"" | b"0" | b"-1" => Some(0),
        _ => None,
    }
}

#[inline]
fn count(text: &[u8]) -> Option<Option<u64>> {
    optional(text, |text| u64::try_from(decimal(text)?).ok())
}

fn duration(text: &[u8], unit: Unit) -> Option<u64> {
    match unit {
        Unit::Seconds => duration_us(text),
        Unit::SecondsMillis => (text.len() >= 5 && text[text.len() - 4] == b'.').then(|| duration_us(text)).flatten(),
        Unit::Millis => u64::try_from(decimal(text)?).ok()?.checked_mul(1000),
        Unit::Micros => u64::try_from(decimal(text)?).ok(),
    }
}

fn epoch(text: &[u8], unit: Unit) -> Option<(i64, u32)> {
    match unit {
        Unit::Seconds => epoch_seconds(text),
        Unit::SecondsMillis => (text.len() >= 5 && text[text.len() - 4] == b'.').then(|| epoch_seconds(text)).flatten(),
        Unit::Millis => Some((decimal(text)?.checked_mul(1000)?, 1000)),
        Unit::Micros => Some((decimal(text)?, 1)),
    }
}

fn fraction(text: &[u8], unit: Unit) -> Option<(i64, u32)> {
    match unit {
        Unit::Millis if text.len() == 3 => Some((decimal(text)? * 1000, 1000)),
        Unit::Micros if text.len() == 6 => Some((decimal(text)?, 1)),
        _ => None,
    }
}

/// The last upstream of a list, which responded, and the number of upstreams; `-` means that there was none.
fn upstreams<'a>(list: &Cow<'a, [u8]>) -> (Option<Cow<'a, [u8]>>, u8) {
    let (mut tries, mut last) = (0u8, 0..0);
    for item in entries(list) {
        if is_present(&item) {
            tries = tries.saturating_add(1);
            let start = item.as_ptr().addr() - list.as_ptr().addr();
            last = start..start + item.len();
        }
    }
    let upstream = (tries > 0).then(|| match list {
        Cow::Borrowed(list) => Cow::Borrowed(without_scheme(&list[last])),
        Cow::Owned(list) => Cow::Owned(without_scheme(&list[last]).to_vec()),
    });
    (upstream, tries)
}

/// Apache's workers and Traefik's services are URLs (`http://127.0.0.1:8081`, `unix:/path|http://host`): the address alone.
pub fn without_scheme(upstream: &[u8]) -> &[u8] {
    if upstream.starts_with(b"unix:") {
        return upstream.split(|byte| *byte == b'|').next().unwrap_or(upstream);
    }
    [&b"http://"[..], b"https://", b"h2c://"].into_iter().find_map(|scheme| upstream.strip_prefix(scheme)).unwrap_or(upstream)
}

/// The sum of all attempts; `-` is a step that was not reached.
fn sum_of_times(list: &[u8], unit: Unit) -> Option<Option<u64>> {
    let mut sum = None;
    for item in entries(list) {
        if let Some(time) = optional(item, |item| duration(item, unit))? {
            sum = Some(sum.unwrap_or(0u64).saturating_add(time));
        }
    }
    Some(sum)
}

/// The target of a decoded path and a raw query; bytes that would end the path are encoded again.
fn target_of(path: &[u8], query: Option<&[u8]>) -> Vec<u8> {
    let mut target = Vec::with_capacity(path.len() + query.map_or(0, <[u8]>::len) + 1);
    for &byte in path {
        match byte {
            b'%' | b'?' | b'#' | b' ' => target.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            _ => target.push(byte),
        }
    }
    if let Some(query) = query {
        target.push(b'?');
        target.extend_from_slice(query.strip_prefix(b"?").unwrap_or(query));
    }
    target
}

/// Whether a peer must be another proxy of the installation: a socket, a loopback or private address.
fn is_our_own(address: &[u8]) -> bool {
    if address.starts_with(b"unix:") {
        return true;
    }
    match std::str::from_utf8(address).ok().and_then(|text| text.parse().ok()) {
        Some(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_private(),
        Some(IpAddr::V6(v6)) => v6.is_loopback() || v6.is_unique_local(),
        None => false,
    }
}
