//! Reads the texts of single fields: statuses, counts, durations in every unit, lists over several upstreams.
//!
//! Knows notations and units, not which field of a format has them. `-` and the empty text mean missing everywhere.

use std::borrow::Cow;
use std::net::IpAddr;

use memchr::memchr;

use super::variable::Unit;
use crate::time::{decimal, duration_us, epoch_seconds, fraction_us};

/// The items of an upstream list, separated by `, ` or ` : `.
pub(super) fn entries(list: &[u8]) -> impl Iterator<Item = &[u8]> {
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
pub(super) fn is_credential(text: &[u8]) -> bool {
    const SCHEMES: [&[u8]; 5] = [b"Bearer ", b"X-Matrix ", b"Basic ", b"Digest ", b"Negotiate "];
    const TOKENS: [&[u8]; 5] = [b"syt_", b"mct_", b"mat_", b"mpt_", b"mcr_"];
    let starts = |start: &&[u8]| text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start));
    SCHEMES.iter().any(starts) || TOKENS.iter().any(starts)
}

#[inline]
pub(super) fn is_present(value: &&[u8]) -> bool {
    !matches!(value, [] | [b'-'])
}

#[inline]
pub(super) fn present(value: Cow<'_, [u8]>) -> Option<Cow<'_, [u8]>> {
    is_present(&&*value).then_some(value)
}

/// The borrowed text; `None` for text that had to be copied, which is invalid in such values (an address with escapes).
#[inline]
pub(super) fn borrowed<'a>(value: &Cow<'a, [u8]>) -> Option<&'a [u8]> {
    if let Cow::Borrowed(value) = value { Some(value) } else { None }
}

/// `Some(None)` for `-` and the empty string, `None` for an unreadable value.
pub(super) fn optional<T>(value: &[u8], read: impl FnOnce(&[u8]) -> Option<T>) -> Option<Option<T>> {
    if is_present(&value) { read(value).map(Some) } else { Some(None) }
}

#[inline]
pub(super) fn status(text: &[u8]) -> Option<u16> {
    match text {
        [a, b, c] if a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit() => {
            Some(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
        }
        b"-" | b"" | b"0" | b"-1" => Some(0),
        _ => None,
    }
}

#[inline]
pub(super) fn count(text: &[u8]) -> Option<Option<u64>> {
    optional(text, |text| u64::try_from(decimal(text)?).ok())
}

/// A duration in µs. A unit written behind the number counts more than `unit`, unless nginx's three decimals are required.
pub(super) fn duration(text: &[u8], unit: Unit) -> Option<u64> {
    if unit == Unit::SecondsMillis {
        return (text.len() >= 5 && text[text.len() - 4] == b'.').then(|| duration_us(text)).flatten();
    }
    if !text.last()?.is_ascii_digit() {
        return written(text);
    }
    match unit {
        Unit::Seconds | Unit::SecondsMillis => duration_us(text),
        Unit::Millis => scaled(text, 1_000_000),
        Unit::Micros => scaled(text, 1000),
        Unit::Nanos => scaled(text, 1),
        Unit::SecondsOrMillis if memchr(b'.', text).is_some() => duration_us(text),
        Unit::SecondsOrMillis => scaled(text, 1_000_000),
        Unit::Written => None,
    }
}

/// A decimal number of `unit_ns` nanoseconds each, in µs.
fn scaled(text: &[u8], unit_ns: u64) -> Option<u64> {
    let dot = memchr(b'.', text).unwrap_or(text.len());
    let whole = u64::try_from(decimal(&text[..dot])?).ok()?;
    let millionths = if dot < text.len() { u64::try_from(fraction_us(&text[dot..], b".")?).ok()? } else { 0 };
    let nanos = u128::from(whole) * u128::from(unit_ns) + u128::from(millionths) * u128::from(unit_ns) / 1_000_000;
    u64::try_from(nanos / 1000).ok()
}

/// A duration in µs with its units behind the numbers: Go's `1m2.5s`, `340µs`; `12 ms`, `0.25 seconds`.
pub(super) fn written(text: &[u8]) -> Option<u64> {
    let mut rest = text.trim_ascii();
    let mut micros = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        let (value, after) = rest.split_at(number);
        let after = after.trim_ascii_start();
        let unit = after.iter().take_while(|byte| !byte.is_ascii_digit()).count();
        let value: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
        micros += value * unit_us(after[..unit].trim_ascii_end())?;
        rest = &after[unit..];
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    (0.0..1e15).contains(&micros).then_some(micros.round() as u64)
}

/// Microseconds of a unit's name.
fn unit_us(name: &[u8]) -> Option<f64> {
    Some(match name {
        b"h" => 3.6e9,
        b"m" | b"min" => 6e7,
        b"s" | b"sec" | b"secs" | b"second" | b"seconds" => 1e6,
        b"ms" | b"msec" | b"msecs" | b"millis" | b"milliseconds" => 1e3,
        b"us" | b"usec" | b"usecs" | b"micros" | b"microseconds" | b"\xc2\xb5s" | b"\xce\xbcs" => 1.0,
        b"ns" | b"nsec" | b"nanos" | b"nanoseconds" => 1e-3,
        _ => return None,
    })
}

pub(super) fn epoch(text: &[u8], unit: Unit) -> Option<(i64, u32)> {
    match unit {
        Unit::Seconds => epoch_seconds(text),
        Unit::SecondsMillis => (text.len() >= 5 && text[text.len() - 4] == b'.').then(|| epoch_seconds(text)).flatten(),
        Unit::Millis => Some((decimal(text)?.checked_mul(1000)?, 1000)),
        Unit::Micros => Some((decimal(text)?, 1)),
        Unit::Nanos => {
            // 19 digits today, one more than a decimal has.
            let (all_but_last, last) = text.split_at_checked(text.len().checked_sub(1)?)?;
            last.iter().all(u8::is_ascii_digit).then_some((decimal(all_but_last)? / 100, 1))
        }
        Unit::Written | Unit::SecondsOrMillis => None,
    }
}

pub(super) fn fraction(text: &[u8], unit: Unit) -> Option<(i64, u32)> {
    match unit {
        Unit::Millis if text.len() == 3 => Some((decimal(text)? * 1000, 1000)),
        Unit::Micros if text.len() == 6 => Some((decimal(text)?, 1)),
        _ => None,
    }
}

/// The last upstream of a list, which responded, and the number of upstreams; `-` means that there was none.
pub(super) fn upstreams<'a>(list: &Cow<'a, [u8]>) -> (Option<Cow<'a, [u8]>>, u8) {
    let (mut tries, mut last) = (0u8, 0..0);
    for item in entries(list) {
        // HAProxy's `backend/<NOSRV>` is no server.
        if is_present(&item) && item.last() != Some(&b'>') {
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

/// Apache's workers, Traefik's services and old Envoy's hosts are URLs (`http://127.0.0.1:8081`, `unix:/path|http://host`): the address alone.
pub(super) fn without_scheme(upstream: &[u8]) -> &[u8] {
    if upstream.starts_with(b"unix:") {
        return upstream.split(|byte| *byte == b'|').next().unwrap_or(upstream);
    }
    [&b"http://"[..], b"https://", b"h2c://", b"tcp://"].into_iter().find_map(|scheme| upstream.strip_prefix(scheme)).unwrap_or(upstream)
}

/// The sum of all attempts; `-` is a step that was not reached.
pub(super) fn sum_of_times(list: &[u8], unit: Unit) -> Option<Option<u64>> {
    let mut sum = None;
    for item in entries(list) {
        if let Some(time) = optional(item, |item| duration(item, unit))? {
            sum = Some(sum.unwrap_or(0u64).saturating_add(time));
        }
    }
    Some(sum)
}

/// The target of a decoded path and a raw query; bytes that would end the path are encoded again.
pub(super) fn target_of(path: &[u8], query: Option<&[u8]>) -> Vec<u8> {
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

/// The host and the rest of a target without a scheme (`matrix.example.org/_matrix/…`), as HAProxy's `base` and ingress-nginx's
/// `$host$request_uri` give it; `None` for every other target.
pub(super) fn host_and_path(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = memchr(b'/', target).filter(|slash| *slash > 0)?;
    let (host, path) = target.split_at(slash);
    (!path.starts_with(b"//") && looks_like_host(host)).then_some((host, path))
}

/// `matrix.example.org`, `127.0.0.1:8448`, `[::1]:443`, `localhost`.
pub(super) fn looks_like_host(item: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(byte);
    item.iter().all(allowed) && (item == b"localhost" || item.contains(&b'.') || item.starts_with(b"["))
}

/// Whether a captured item looks like a user agent: `Name/1.2`, `Mozilla/5.0 (…`.
pub(super) fn looks_like_agent(item: &[u8]) -> bool {
    memchr::memchr_iter(b'/', item).any(|at| {
        let before = at > 0 && (item[at - 1].is_ascii_alphanumeric() || b"-_.".contains(&item[at - 1]));
        before && item.get(at + 1).is_some_and(|byte| byte.is_ascii_digit() || *byte == b'v')
    }) || item.windows(2).any(|pair| pair == b" (")
}

/// Whether a peer must be another proxy of the installation: a socket, a loopback or private address.
pub(super) fn is_our_own(address: &[u8]) -> bool {
    if address.starts_with(b"unix:") {
        return true;
    }
    match ip(address) {
        Some(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_private(),
        Some(IpAddr::V6(v6)) => v6.is_loopback() || v6.is_unique_local(),
        None => false,
    }
}

pub(super) fn ip(address: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(address).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_duration_in_every_unit() {
        for (text, unit) in [
            ("30.004", Unit::Seconds),
            ("30.004", Unit::SecondsMillis),
            ("30004", Unit::Millis),
            ("30004.0", Unit::Millis),
            ("30004000", Unit::Micros),
            ("30004000000", Unit::Nanos),
            ("30.004s", Unit::Written),
            ("30004ms", Unit::Seconds),
            ("30.004 s", Unit::Millis),
            ("0.5m4ms", Unit::Nanos),
        ] {
            assert_eq!(duration(text.as_bytes(), unit), Some(30_004_000), "{text} {unit:?}");
        }
        for (text, unit) in [
            ("30", Unit::SecondsMillis),
            ("30.04", Unit::SecondsMillis),
            ("-1", Unit::Millis),
            ("1x", Unit::Seconds),
            ("", Unit::Millis),
            ("9", Unit::Written),
            (".", Unit::Written),
        ] {
            assert_eq!(duration(text.as_bytes(), unit), None, "{text} {unit:?}");
        }
    }

    #[test]
    fn nanoseconds_since_1970_have_nineteen_digits() {
        assert_eq!(epoch(b"1767366245123456789", Unit::Nanos), Some((1_767_366_245_123_456, 1)));
        assert_eq!(epoch(b"x", Unit::Nanos), None);
        assert_eq!(epoch(b"", Unit::Nanos), None);
    }

    #[test]
    fn a_host_before_the_path_is_told_from_a_path() {
        assert_eq!(host_and_path(b"matrix.example.org/_matrix/x?a=/b"), Some((&b"matrix.example.org"[..], &b"/_matrix/x?a=/b"[..])));
        for target in ["/_matrix/x", "https://a.example/x", "*", "", "no-host/x", "a.example"] {
            assert_eq!(host_and_path(target.as_bytes()), None, "{target}");
        }
    }
}
