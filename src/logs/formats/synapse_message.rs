//! The message by which Synapse reports a finished request, in every form since 0.16.0:
//!
//! ```text
//! IP - TAG - {WHO} Processed request: PROC/SEND ru=(UTIME, STIME) db=(SCHED/TXN/COUNT) BYTESB CODE "METHOD URI PROTO" "AGENT" [EVENTS dbevts]
//! ```
//!
//! Owns the grammar of that message; knows nothing of the log configuration's prefix. Nothing in the message is escaped, so that both
//! ends are read first: the text before ` Processed request: ` from right to left, and the end of the user agent at the last quote.
//! Only the middle is read from left to right.
//!
//! Source: the format strings of `synapse/http/site.py`, releases 0.16.0 to 1.157.1.

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_till};
use nom::combinator::opt;
use nom::error::{ErrorKind, ParseError};
use nom::sequence::{delimited, preceded, separated_pair, terminated};

use super::request_line;
use super::synapse_status::STATUS_NAMES;
use crate::{Cost, Malformed, Record};

/// The text that every access message contains.
pub(super) const PROCESSED: &[u8] = b" Processed request: ";

/// A parsed message.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// The request, without a stamp, request ID or process.
    pub(super) record: Record<'a>,
    /// Index of the client address, where the log configuration's prefix ends.
    pub(super) start: usize,
}

/// The reason why a text is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) malformed: Malformed,
    /// `IP - TAG - {WHO}` is complete, so that this is part of an access message.
    pub(super) has_client: bool,
}

/// Reads the message in `text` whose [`PROCESSED`] is at index `processed`.
pub(super) fn read(text: &[u8], processed: usize) -> Result<Message<'_>, Broken> {
    let client = Client::before(text, processed).map_err(|malformed| Broken { malformed, has_client: false })?;
    let broken = |malformed| Broken { malformed, has_client: true };
    let is_quoted = client.start > 0 && text[client.start - 1] == b'"';
    let end = End::of(if is_quoted { without_end_of_quotes(text) } else { text }).map_err(broken)?;
    let middle = text.get(processed + PROCESSED.len()..end.quote).unwrap_or_default();
    let at = |wanted: Expected| broken(Malformed { expected: wanted.expected, column: end.quote.saturating_sub(wanted.left) });

    let (quoted, numbers) = numbers(middle).map_err(|error| match error {
        nom::Err::Error(wanted) | nom::Err::Failure(wanted) => at(wanted),
        nom::Err::Incomplete(_) => at(Expected { expected: "a whole message", left: 0 }),
    })?;
    // People who publish lines cut off the user agent and what follows: the request is complete without them.
    let is_cut = end.events.is_none() && memchr::memchr(b'"', quoted).is_none() && ends_with_protocol(quoted);
    if numbers.send_us.is_some() && end.events.is_none() && !is_cut {
        return Err(broken(Malformed { expected: "the count of events in brackets", column: text.len() }));
    }
    let parts = if is_cut { Some((quoted, &b"-"[..])) } else { split_quoted(quoted) };
    let (request, agent) = parts.ok_or_else(|| at(Expected { expected: "a quoted user agent", left: 0 }))?;
    let (method, target) = request_line::split(request.strip_suffix(NO_PROTOCOL).map_or(request, <[u8]>::trim_ascii_end));
    let no_agent = agent == b"-" || (numbers.send_us.is_none() && agent == b"None");
    Ok(Message {
        record: Record {
            method,
            target: target.into(),
            status: numbers.status,
            aborted: numbers.aborted,
            wall_us: Some(numbers.wall_us),
            send_us: numbers.send_us,
            bytes_sent: Some(numbers.bytes),
            address: Some(client.address),
            user: controlled_user(client.who).map(Into::into),
            agent: (!no_agent).then(|| agent.into()),
            site: Some(client.tag),
            cost: Some(Cost { events: end.events.unwrap_or(0), ..numbers.cost }),
            ..Record::default()
        },
        start: client.start,
    })
}

/// The user on whose behalf a request ran; `None` if no user was authenticated.
///
/// If the authenticated user controls another one, that is the second name: `@admin:server|@user:server` (1.43.0 on), with a full
/// stop (1.32.0 to 1.42.x) or a comma (1.23.0 to 1.31.x) in place of the bar. A server name is never followed by another name.
pub(super) fn controlled_user(who: &[u8]) -> Option<&[u8]> {
    if who == b"None" {
        return None;
    }
    if let Some(bar) = memchr::memrchr(b'|', who) {
        return Some(&who[bar + 1..]);
    }
    if who.first() == Some(&b'@')
        && let Some(second) = memchr::memrchr(b'@', &who[1..])
        && matches!(who[second], b'.' | b',')
    {
        return Some(&who[second + 1..]);
    }
    Some(who)
}

/// The text before [`PROCESSED`].
struct Client<'a> {
    start: usize,
    address: &'a [u8],
    tag: &'a [u8],
    who: &'a [u8],
}

impl<'a> Client<'a> {
    /// Reads `IP - TAG - {WHO}` from right to left. A tag may contain spaces, an address may not.
    fn before(text: &'a [u8], processed: usize) -> Result<Self, Malformed> {
        let head = &text[..processed];
        let expected = |expected, column| Malformed { expected, column };
        let Some((b'}', inner)) = head.split_last() else {
            return Err(expected("a requester in braces", processed));
        };
        let open = memchr::memrchr(b'{', inner).ok_or(expected("a requester in braces", 0))?;
        let before_who = inner[..open].strip_suffix(b" - ").ok_or(expected("a dash before the requester", open))?;
        let dash = before_who.windows(3).rposition(|window| window == b" - ").ok_or(expected("an address and a listener tag", 0))?;
        let before_tag = &before_who[..dash];
        let start = memchr::memrchr(b' ', before_tag).map_or(0, |space| space + 1);
        let start = start + behind_logger(&before_tag[start..]);
        // `msg="127.0.0.1 - …"`: a format has put the message into quotes.
        let start = start + memchr::memrchr(b'"', &before_tag[start..]).map_or(0, |quote| quote + 1);
        let address = &before_tag[start..];
        if address.is_empty() {
            return Err(expected("a client address", start));
        }
        Ok(Self { start, address, tag: &before_who[dash + 3..], who: &inner[open + 1..] })
    }
}

/// The length of `INFO:synapse.access.http.8008:`, which Python's `basicConfig` writes before the message without a blank.
fn behind_logger(word: &[u8]) -> usize {
    const LOGGER: &[u8] = b"synapse.access.";
    if word.len() <= LOGGER.len() {
        return 0;
    }
    let Some(logger) = memchr::memmem::find(word, LOGGER) else { return 0 };
    let name = &word[logger..];
    memchr::memchr(b':', name).map_or(0, |colon| logger + colon + 1)
}

/// Without what a format writes behind a message that it has put into quotes, which the message's own quotes make unreadable as JSON or
/// logfmt: `"`, `"}`, `", "process": 12}`.
fn without_end_of_quotes(text: &[u8]) -> &[u8] {
    let end = memchr::memmem::rfind(text, b" dbevts]\"").map(|at| at + b" dbevts]".len());
    end.map_or(text, |end| &text[..end])
}

/// The text after the user agent.
struct End {
    /// Index of the quote that closes the user agent.
    quote: usize,
    /// `[N dbevts]`, from 0.32.0 on.
    events: Option<u32>,
}

impl End {
    fn of(text: &[u8]) -> Result<Self, Malformed> {
        let text = text.trim_ascii_end();
        let (closed, events) = match text.strip_suffix(b" dbevts]") {
            Some(counted) => {
                let digits = counted.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
                let (before, number) = counted.split_at(counted.len() - digits);
                let before = before.strip_suffix(b" [");
                let Some((before, events)) = before.zip(whole(number)) else {
                    return Err(Malformed { expected: "the count of events in brackets", column: counted.len() - digits });
                };
                (before, Some(u32::try_from(events).unwrap_or(u32::MAX)))
            }
            None => (text, None),
        };
        match closed.split_last() {
            Some((b'"', inner)) => Ok(Self { quote: inner.len(), events }),
            _ => Err(Malformed { expected: "a quoted user agent and the count of events at the end", column: text.len() }),
        }
    }
}

/// The middle, including the quote that opens the request line.
struct Numbers {
    wall_us: u64,
    send_us: Option<i64>,
    cost: Cost,
    bytes: u64,
    status: u16,
    aborted: bool,
}

fn numbers(input: &[u8]) -> Parsed<'_, Numbers> {
    let (rest, (wall, send)) = (duration, opt(preceded(tag("/"), duration))).parse(input)?;
    let (rest, (user, system)) = labelled(
        "the CPU times in brackets",
        delimited((tag(" "), opt(tag("ru=")), tag("(")), separated_pair(duration, tag(", "), duration), tag(")")),
    )
    .parse(rest)?;
    let (rest, (first, second, count)) = labelled(
        "the database times in brackets",
        delimited(
            (tag(" "), opt(tag("db=")), tag("(")),
            (terminated(duration, tag("/")), opt(terminated(duration, tag("/"))), number),
            tag(")"),
        ),
    )
    .parse(rest)?;
    let (rest, bytes) = labelled("a number of bytes", delimited(tag(" "), number, tag("B "))).parse(rest)?;
    let (rest, (status, aborted)) = labelled("a status and a quoted request", terminated(status, tag(" \""))).parse(rest)?;
    // Up to 0.26.x the wait for a connection was not logged, so that there is only one time.
    let (sched, txn) = second.map_or((0, first), |second| (first, second));
    let cost = Cost {
        cpu_user_us: positive(user),
        cpu_system_us: positive(system),
        db_sched_us: positive(sched),
        db_txn_us: positive(txn),
        db_count: u32::try_from(count).unwrap_or(u32::MAX),
        events: 0,
    };
    Ok((rest, Numbers { wall_us: positive(wall), send_us: send, cost, bytes, status, aborted }))
}

/// `30.004sec` or `131ms`, in µs. Negative if the clock was set back.
fn duration(input: &[u8]) -> Parsed<'_, i64> {
    let error = || nom::Err::Error(Expected { expected: "a duration", left: input.len() });
    let (negative, unsigned) = match input.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, input),
    };
    let (mut rest, whole) = number(unsigned).map_err(|_: nom::Err<Expected>| error())?;
    let mut micros = i64::try_from(whole).ok().and_then(|whole| whole.checked_mul(1_000_000)).ok_or_else(error)?;
    if let Some((b'.', fraction)) = rest.split_first() {
        let mut scale = 100_000;
        let mut length = 0;
        while let Some(digit) = fraction.get(length).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
            micros += i64::from(digit) * scale;
            scale /= 10;
            length += 1;
        }
        rest = &fraction[length..];
    }
    if let Some(after) = rest.strip_prefix(b"sec") {
        rest = after;
    } else if let Some(after) = rest.strip_prefix(b"ms") {
        rest = after;
        micros /= 1000;
    } else {
        return Err(error());
    }
    Ok((rest, if negative { -micros } else { micros }))
}

/// Digits, at most 12 of them.
fn number(input: &[u8]) -> Parsed<'_, u64> {
    let mut value = 0;
    let mut length = 0;
    while let Some(digit) = input.get(length).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        value = value * 10 + u64::from(digit);
        length += 1;
        if length > 12 {
            return Err(nom::Err::Error(Expected { expected: "a number of at most 12 digits", left: input.len() }));
        }
    }
    if length == 0 {
        return Err(nom::Err::Error(Expected { expected: "a number", left: input.len() }));
    }
    Ok((&input[length..], value))
}

/// `200`, `200!` as the code writes it, `!200` as in the documentation, or `HTTPStatus.NOT_FOUND`; and whether the client had left.
fn status(input: &[u8]) -> Parsed<'_, (u16, bool)> {
    let error = || nom::Err::Error(Expected { expected: "a status", left: input.len() });
    let named = preceded(tag("HTTPStatus."), take_till(|byte| byte == b' ' || byte == b'!'));
    let code = alt((
        number.map(|code| u16::try_from(code).ok().filter(|code| *code < 1000)),
        named.map(|name| STATUS_NAMES.iter().find(|(_, known)| known.as_bytes() == name).map(|(code, _)| *code)),
    ));
    let (rest, (before, code, after)) = (opt(tag("!")), code, opt(tag("!"))).parse(input)?;
    let code = code.ok_or_else(error)?;
    Ok((rest, (code, before.is_some() || after.is_some())))
}

/// Splits `METHOD URI PROTO" "AGENT` at the quotes between the two: the first ones after a protocol, otherwise the first. Quotes in
/// the URI or in the agent do not mislead it, because an accepted URI contains no space.
fn split_quoted(quoted: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut first = None;
    for quote in memchr::memchr_iter(b'"', quoted) {
        if quoted.get(quote + 1..quote + 3) == Some(b" \"") {
            let request = &quoted[..quote];
            let parts = (request, &quoted[quote + 3..]);
            if ends_with_protocol(request) || request.ends_with(NO_PROTOCOL) {
                return Some(parts);
            }
            first = first.or(Some(parts));
        }
    }
    first
}

/// `… HTTP/1.1`
fn ends_with_protocol(request: &[u8]) -> bool {
    request.len().checked_sub(8).is_some_and(|at| request[at..].starts_with(b"HTTP/"))
}

fn positive(micros: i64) -> u64 {
    u64::try_from(micros).unwrap_or(0)
}

fn whole(digits: &[u8]) -> Option<u64> {
    let (rest, value) = number(digits).ok()?;
    rest.is_empty().then_some(value)
}

/// What the grammar expected, and how many bytes were left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Expected {
    expected: &'static str,
    left: usize,
}

type Parsed<'a, T> = nom::IResult<&'a [u8], T, Expected>;

impl ParseError<&[u8]> for Expected {
    fn from_error_kind(input: &[u8], _: ErrorKind) -> Self {
        Self { expected: UNNAMED, left: input.len() }
    }

    fn append(_: &[u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// Names the expectation of `parser` in errors without a more specific name.
fn labelled<'a, T>(
    expected: &'static str,
    parser: impl Parser<&'a [u8], Output = T, Error = Expected>,
) -> impl Parser<&'a [u8], Output = T, Error = Expected> {
    let mut parser = parser;
    move |input: &'a [u8]| {
        parser
            .parse(input)
            .map_err(|error| error.map(|wanted| if wanted.expected == UNNAMED { Expected { expected, ..wanted } } else { wanted }))
    }
}

const UNNAMED: &str = "an access message";
const NO_PROTOCOL: &[u8] = b"(no clientproto yet)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requester_is_the_user_on_whose_behalf_the_request_ran() {
        for (who, user) in [
            ("@a:x|@b:x", "@b:x"),
            ("@a:x.@b:x", "@b:x"),
            ("@a:x,@b:x", "@b:x"),
            ("x.example.org:8448", "x.example.org:8448"),
            ("x.example.org|@b:x", "@b:x"),
            ("@odd.name:x.example.org", "@odd.name:x.example.org"),
        ] {
            assert_eq!(controlled_user(who.as_bytes()), Some(user.as_bytes()), "{who}");
        }
        assert_eq!(controlled_user(b"None"), None);
    }
}
