//! Synapse's request log as text, of every release since 0.16.0 and under any log configuration.
//!
//! Owns the prefix: stamp, logger, request id, process name. The message itself is `synapse_message`'s. The prefix is the
//! administrator's, so nothing in it is required: a line is a request if it holds a whole access message and no other logger
//! claims it.
//!
//! Invariant: a line that the access logger wrote and that is not whole is malformed; a line of any other logger, a
//! continuation or a banner is no request, whatever text it quotes.

use memchr::memmem::{self, Finder};

use super::synapse_message::{self, Broken, Message, PROCESSED};
use crate::logs::{Line, Malformed, Parser, Stamp, StampMeaning, StampReader};

/// Reads Synapse's text log. Its stamps have no zone, so it needs the one Synapse ran in.
///
/// - [`Record::user`](crate::logs::Record::user) is the user on whose behalf the request ran: of `{@admin:server|@user:server}`
///   the second name; a federation request's is the server name.
/// - [`Record::request_id`](crate::logs::Record::request_id) is what follows the method in `GET-48213`: the process's own
///   counter, or any text a proxy sent.
/// - [`Record::process`](crate::logs::Record::process) is as the prefix says, `synapse_` of the Docker image's supervisor included.
#[derive(Debug, Clone)]
pub struct Synapse {
    stamps: StampReader,
    processed: Finder<'static>,
    access_logger: Finder<'static>,
}

impl Synapse {
    /// For a log whose process ran in the zone of `stamps`.
    pub fn new(stamps: StampReader) -> Self {
        Self { stamps, processed: Finder::new(PROCESSED), access_logger: Finder::new(ACCESS_LOGGER) }
    }

    /// Reads a text that `logger` wrote; [`Logger::Unknown`] leaves that to what the text itself says.
    pub(super) fn read<'a>(&mut self, text: &'a [u8], logger: Logger) -> Line<'a> {
        let mut broken: Option<Broken> = None;
        let mut from = 0;
        // More than one only where a client forged the text in its address, user agent or path.
        for _ in 0..ATTEMPTS_MAX {
            let Some(offset) = self.processed.find(&text[from..]) else { break };
            match synapse_message::read(text, from + offset) {
                Ok(message) => return self.request(text, message),
                Err(error) if broken.is_none_or(|known| error.shaped && !known.shaped) => broken = Some(error),
                Err(_) => {}
            }
            from += offset + PROCESSED.len() - 1;
        }
        self.no_request(text, logger, broken)
    }

    fn request<'a>(&mut self, line: &'a [u8], message: Message<'a>) -> Line<'a> {
        let head = &line[..message.start];
        let clock = Clock::find(head);
        let after_clock = clock.map_or(0, |clock| clock.end);
        if logger(head, after_clock) == Logger::Other {
            return Line::NotRequest;
        }
        let mut record = message.record;
        record.stamp = clock.and_then(|clock| clock.stamp(head, &mut self.stamps));
        record.request_id = request_id(&head[after_clock..], record.method);
        record.process = process(clock.map_or(head, |clock| &head[..clock.start]));
        Line::Request(record)
    }

    /// A line with no whole access message: the access logger's and cut, or somebody else's.
    fn no_request(&self, line: &[u8], said: Logger, broken: Option<Broken>) -> Line<'static> {
        let whole_tail = line.ends_with(b" dbevts]");
        if said == Logger::Unknown && broken.is_none() && !whole_tail && self.access_logger.find(line).is_none() {
            return Line::NotRequest;
        }
        let found = || logger(line, Clock::find(line).map_or(0, |clock| clock.end));
        let logger = if said == Logger::Unknown { found() } else { said };
        let malformed = match (logger, broken) {
            (Logger::Other, _) => return Line::NotRequest,
            (Logger::Access, Some(broken)) | (Logger::Unknown, Some(broken @ Broken { shaped: true, .. })) => broken.malformed,
            (Logger::Access, None) if is_arrival(line) => return Line::NotRequest,
            (Logger::Access, None) => Malformed { expected: "`Processed request:` and what follows it", column: line.len() },
            (Logger::Unknown, _) if whole_tail => Malformed { expected: "the beginning of the access message", column: 0 },
            (Logger::Unknown, _) => return Line::NotRequest,
        };
        Line::Malformed(malformed)
    }
}

impl Parser for Synapse {
    fn name(&self) -> &str {
        "synapse"
    }

    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
        self.read(line, Logger::Unknown)
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(self.clone())
    }
}

/// Where a prefix states the time.
#[derive(Debug, Clone, Copy)]
struct Clock {
    start: usize,
    end: usize,
    /// `2026-07-01 09:15:42,118`, as Python's asctime writes it.
    asctime: bool,
}

impl Clock {
    /// The first asctime; without one the first stamp of a collector (`2026-07-01T09:15:42.118Z`).
    fn find(head: &[u8]) -> Option<Self> {
        if is_asctime(head) {
            return Some(Self { start: 0, end: ASCTIME_LENGTH, asctime: true });
        }
        let mut collector = None;
        for colon in memchr::memchr_iter(b':', head) {
            let Some(start) = colon.checked_sub(13) else { continue };
            let text = &head[start..];
            if is_asctime(text) {
                return Some(Self { start, end: start + ASCTIME_LENGTH, asctime: true });
            }
            if collector.is_none() && is_civil(text) {
                let length = text[19..].iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'.' | b',' | b':' | b'+' | b'-' | b'Z')).count();
                let digits = text[..19 + length].iter().rev().skip_while(|byte| matches!(byte, b'.' | b',' | b':' | b'-' | b'+')).count();
                collector = Some(Self { start, end: start + digits, asctime: false });
            }
        }
        collector
    }

    fn stamp(self, head: &[u8], stamps: &mut StampReader) -> Option<Stamp> {
        let text = &head[self.start..self.end];
        let (micros, resolution_us) =
            if self.asctime { stamps.asctime(text).map(|micros| (micros, 1000)) } else { stamps.iso(text) }?;
        Some(Stamp { micros, resolution_us, meaning: StampMeaning::End })
    }
}

/// `2026-07-01 09:15:42,118`, digits not looked at.
fn is_asctime(text: &[u8]) -> bool {
    text.len() >= ASCTIME_LENGTH && text[19] == b',' && text[10] == b' ' && is_civil(text)
}

fn is_civil(text: &[u8]) -> bool {
    text.len() >= 19
        && text[4] == b'-'
        && text[7] == b'-'
        && matches!(text[10], b' ' | b'T' | b't')
        && text[13] == b':'
        && text[16] == b':'
        && text[0].is_ascii_digit()
        && text[18].is_ascii_digit()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logger {
    /// `synapse.access.*`.
    Access,
    /// The prefix names another logger.
    Other,
    /// The prefix names none that we recognise.
    Unknown,
}

/// Who wrote a line whose stamp ends at `after_clock`: from the parts between dashes (the default format and its relatives),
/// else from a word such as `synapse.access.http.8008:` (the format for the systemd journal in Synapse's `contrib`).
fn logger(head: &[u8], after_clock: usize) -> Logger {
    let text = &head[after_clock..];
    if let Some(dashed) = text.strip_prefix(b" - ") {
        if dashed.starts_with(ACCESS_LOGGER) {
            return Logger::Access;
        }
        let mut parts = Dashed(dashed);
        let parts: [&[u8]; 3] = std::array::from_fn(|_| parts.next().unwrap_or_default());
        if parts.iter().any(|part| part.starts_with(ACCESS_LOGGER)) {
            return Logger::Access;
        }
        let default = parts[1].iter().all(u8::is_ascii_digit) && LEVELS.contains(&parts[2]);
        if default || parts.iter().any(|part| part.starts_with(b"synapse.")) {
            return Logger::Other;
        }
    }
    for word in text.split(|byte| *byte == b' ') {
        if word.starts_with(ACCESS_LOGGER) {
            return Logger::Access;
        }
        if word.starts_with(b"synapse.") && word.ends_with(b":") {
            return Logger::Other;
        }
    }
    Logger::Unknown
}

/// The parts of a text between ` - `.
struct Dashed<'a>(&'a [u8]);

impl<'a> Iterator for Dashed<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = std::mem::take(&mut self.0);
        let end = memmem::find(text, b" - ");
        self.0 = end.map_or(&[][..], |end| &text[end + 3..]);
        (!text.is_empty()).then(|| &text[..end.unwrap_or(text.len())])
    }
}

/// What follows `METHOD-` at the end of a prefix: `GET-48213 - `, `GET-48213- ` (the documentation's sample), `[GET-48213] `.
/// A proxy's id may hold spaces and dashes; then the first `METHOD-` counts.
fn request_id<'a>(head: &'a [u8], method: &[u8]) -> Option<&'a [u8]> {
    let head = head.strip_suffix(b" - ").or_else(|| head.strip_suffix(b"- ")).unwrap_or_else(|| head.trim_ascii_end());
    let head = head.strip_suffix(b":").unwrap_or(head);
    let last = memchr::memrchr(b' ', head).map_or(head, |space| &head[space + 1..]);
    if let Some(id) = id_of(last, method) {
        return Some(id);
    }
    memchr::memchr_iter(b' ', head).find_map(|space| id_of(&head[space + 1..], method))
}

/// `METHOD-ID` or `[METHOD-ID]` to ID.
pub(super) fn id_of<'a>(text: &'a [u8], method: &[u8]) -> Option<&'a [u8]> {
    let text = text.strip_prefix(b"[").map_or(text, |inner| inner.strip_suffix(b"]").unwrap_or(inner));
    text.strip_prefix(method)?.strip_prefix(b"-").filter(|id| !id.is_empty())
}

/// `client_reader1` of `client_reader1 | ` (Docker), or the identifier of `host matrix-synapse[977]: ` (syslog, journal).
/// The interpreter's name says nothing, so `python3[977]: ` is nobody.
fn process(before: &[u8]) -> Option<&[u8]> {
    if before.is_empty() {
        return None;
    }
    let last_word = |text: &'_ [u8]| memchr::memrchr(b' ', text).map_or(0, |space| space + 1);
    if let Some(name) = before.strip_suffix(b" | ") {
        let name = name.trim_ascii_end();
        return Some(&name[last_word(name)..]).filter(|name| !name.is_empty());
    }
    let closing = memmem::find(before, b"]: ")?;
    let opening = memchr::memrchr(b'[', &before[..closing])?;
    let name = &before[last_word(&before[..opening])..opening];
    let is_process = before[opening + 1..closing].iter().all(u8::is_ascii_digit) && !name.is_empty() && !name.starts_with(b"python");
    is_process.then_some(name)
}

/// `... Received request: METHOD TARGET`, which the access logger writes when a request arrives.
fn is_arrival(line: &[u8]) -> bool {
    let Some(at) = memmem::find(line, RECEIVED) else { return false };
    let request = &line[at + RECEIVED.len()..];
    memchr::memchr(b' ', request).is_some_and(|space| space > 0 && space + 1 < request.len())
}

const ACCESS_LOGGER: &[u8] = b"synapse.access.";
const RECEIVED: &[u8] = b" - Received request: ";
const ASCTIME_LENGTH: usize = "2026-07-01 09:15:42,118".len();
const LEVELS: [&[u8]; 5] = [b"DEBUG", b"INFO", b"WARNING", b"ERROR", b"CRITICAL"];
/// How many times `Processed request:` is tried in one line; bounds the time that a forged line can take.
const ATTEMPTS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logs::Record;
    use crate::logs::formats::testing::stamps;

    fn parser() -> Synapse {
        Synapse::new(stamps())
    }

    /// A record in one line, so that a test shows all of it. Times in µs, stamp without its date.
    fn told(record: &Record<'_>) -> String {
        let text = |bytes: Option<&[u8]>| bytes.map_or("?".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned());
        let cost = record.cost.unwrap();
        format!(
            "{} {} {} {}{} {}+{} cpu {}+{} db {}/{}/{} {} events {} B from {} at {} for {} by {} in {}",
            record.stamp.map_or("?".to_owned(), |stamp| {
                let day = stamp.micros.rem_euclid(86_400_000_000) / 1000;
                format!("{:02}:{:02}:{:02}.{:03}", day / 3_600_000, day / 60_000 % 60, day / 1000 % 60, day % 1000)
            }),
            text(record.request_id),
            text(Some(record.method)),
            record.status,
            if record.aborted { "!" } else { "" },
            record.wall_us.unwrap(),
            record.send_us.map_or("?".to_owned(), |send| send.to_string()),
            cost.cpu_user_us,
            cost.cpu_system_us,
            cost.db_sched_us,
            cost.db_txn_us,
            cost.db_count,
            cost.events,
            record.bytes_sent.unwrap(),
            text(record.address),
            text(record.site),
            text(record.user.as_deref()),
            text(record.agent.as_deref()),
            text(record.process),
        )
    }

    fn outcome(line: &str) -> String {
        match parser().parse(line.as_bytes()) {
            Line::Request(record) => told(&record),
            Line::NotRequest => "not a request".to_owned(),
            Line::Malformed(malformed) => format!("malformed at {}: {}", malformed.column, malformed.expected),
        }
    }

    #[test]
    fn zz_print() {
        for line in EXAMPLES {
            println!("            {:?},", outcome(line));
        }
    }

    const EXAMPLES: [&str; 25] = [
        // ≥1.150.0, client /sync long poll, puppet-free user
        r#"2026-07-01 09:15:42,118 - synapse.access.http.8083 - 641 - INFO - GET-48213 - 203.0.113.7 - 8083 - {@alice:example.org} Processed request: 30.004sec/0.001sec ru=(0.004sec, 0.000sec) db=(0.000sec/0.006sec/3) 412B 200 "GET /_matrix/client/v3/sync?filter=0&timeout=30000&since=s72594_4483_1934 HTTP/1.1" "Element/1.11.99 (iPhone; iOS 17.5)" [0 dbevts]"#,
        // 1.43.0 to 1.149.x, same
        r#"2023-02-14 18:00:01,502 - synapse.access.http.8008 - 460 - INFO - GET-91 - 203.0.113.7 - 8008 - {@alice:example.org} Processed request: 0.087sec/0.002sec (0.021sec, 0.003sec) (0.001sec/0.034sec/9) 15320B 200 "GET /_matrix/client/v3/sync?timeout=0 HTTP/1.1" "matrix-js-sdk" [12 dbevts]"#,
        // unauthenticated: the literal word None
        r#"2023-02-14 18:00:01,640 - synapse.access.http.8008 - 460 - INFO - GET-92 - 198.51.100.20 - 8008 - {None} Processed request: 0.001sec/0.000sec (0.001sec, 0.000sec) (0.000sec/0.000sec/0) 1042B 200 "GET /_matrix/client/versions HTTP/1.1" "-" [0 dbevts]"#,
        // federation: origin server name
        r#"2023-02-14 18:00:02,007 - synapse.access.http.8448 - 460 - INFO - PUT-1000 - 192.0.2.10 - 8448 - {remote.example.net} Processed request: 0.103sec/-0.000sec (0.012sec, 0.001sec) (0.001sec/0.090sec/3) 11B 200 "PUT /_matrix/federation/v1/send/1600000000000 HTTP/1.1" "Synapse/1.76.0" [0 dbevts]"#,
        // puppet, 1.43.0 on: authenticator|controlled user
        r#"2024-05-02 10:00:00,001 - synapse.access.http.8008 - 465 - INFO - POST-7001 - 203.0.113.9 - 8008 - {@admin:example.org|@bob:example.org} Processed request: 0.054sec/0.001sec (0.010sec, 0.002sec) (0.000sec/0.022sec/6) 2B 200 "POST /_matrix/client/v3/rooms/!abc%3Aexample.org/leave HTTP/1.1" "curl/8.5.0" [1 dbevts]"#,
        // puppet, 1.32.0 to 1.42.x: a full stop between the two
        r#"2021-06-02 10:00:00,001 - synapse.access.http.8008 - 405 - INFO - POST-7001 - 203.0.113.9 - 8008 - {@admin:example.org.@bob:example.org} Processed request: 0.054sec/0.001sec (0.010sec, 0.002sec) (0.000sec/0.022sec/6) 2B 200 "POST /_matrix/client/r0/join/!abc%3Aexample.org HTTP/1.1" "curl/7.74.0" [1 dbevts]"#,
        // puppet, 1.23.0 to 1.31.x: a comma
        r#"2021-01-02 10:00:00,001 - synapse.access.http.8008 - 322 - INFO - POST-7001 - 203.0.113.9 - 8008 - {@admin:example.org,@bob:example.org} Processed request: 0.054sec/0.001sec (0.010sec, 0.002sec) (0.000sec/0.022sec/6) 2B 200 "POST /_matrix/client/r0/join/!abc%3Aexample.org HTTP/1.1" "curl/7.74.0" [1 dbevts]"#,
        // application service acting as one of its users (no second name)
        r#"2024-05-02 10:00:00,230 - synapse.access.http.8008 - 465 - INFO - PUT-7002 - 127.0.0.1 - 8008 - {@irc_carol:example.org} Processed request: 0.061sec/0.000sec (0.015sec, 0.001sec) (0.000sec/0.030sec/5) 59B 200 "PUT /_matrix/client/v3/rooms/!abc:example.org/send/m.room.message/1714644000230?user_id=%40irc_carol%3Aexample.org&access_token=<redacted> HTTP/1.1" "matrix-appservice-bridge" [0 dbevts]"#,
        // client went away before the response was sent: ! and a negative send time
        r#"2024-05-02 10:00:41,900 - synapse.access.http.8083 - 465 - INFO - GET-7003 - 203.0.113.7 - 8083 - {@alice:example.org} Processed request: 41.512sec/-11.004sec (0.300sec, 0.020sec) (0.010sec/2.400sec/120) 0B 200! "GET /_matrix/client/v3/sync HTTP/1.1" "Element" [0 dbevts]"#,
        // cancelled request (1.60.0 on)
        r#"2024-05-02 10:01:00,000 - synapse.access.http.8083 - 465 - INFO - GET-7004 - 203.0.113.7 - 8083 - {@alice:example.org} Processed request: 5.011sec/-0.001sec (0.100sec, 0.010sec) (0.000sec/1.200sec/14) 0B 499! "GET /_matrix/client/v3/rooms/!abc:example.org/members HTTP/1.1" "Element" [0 dbevts]"#,
        // media download, a long send time, IPv6
        r#"2024-05-02 10:02:00,000 - synapse.access.http.8085 - 465 - INFO - GET-310 - 2001:db8::25 - 8085 - {@alice:example.org} Processed request: 0.012sec/8.441sec (0.004sec, 0.001sec) (0.000sec/0.003sec/2) 10485760B 200 "GET /_matrix/client/v1/media/download/example.org/AbCdEf HTTP/1.1" "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0" [0 dbevts]"#,
        // secrets cut out of the query
        r#"2024-05-02 10:03:00,000 - synapse.access.http.8008 - 465 - INFO - GET-311 - 203.0.113.7 - 8008 - {None} Processed request: 0.020sec/0.000sec (0.004sec, 0.001sec) (0.000sec/0.003sec/2) 60B 400 "GET /_matrix/client/unstable/registration/email/submit_token?token=abc&client_secret=<redacted>&sid=xyz HTTP/1.1" "Mozilla/5.0" [0 dbevts]"#,
        // Unix socket listener without X-Forwarded-For (1.81.0 on): socket path for the IP, unix for the port
        r#"2024-05-02 10:04:00,000 - synapse.access.http.unix - 465 - INFO - GET-5 - /run/synapse/main_public.sock - unix - {None} Processed request: 0.001sec/0.000sec (0.000sec, 0.000sec) (0.000sec/0.000sec/0) 20B 404 "GET /_matrix/client/v3/nothing HTTP/1.0" "-" [0 dbevts]"#,
        // listener with a tag, request id taken from a proxy header (1.68.0 on)
        r#"2024-05-02 10:05:00,000 - synapse.access.http.client-main - 465 - INFO - GET-7f3c9e1a5b - 203.0.113.7 - client-main - {@alice:example.org} Processed request: 0.004sec/0.000sec (0.003sec, 0.000sec) (0.000sec/0.001sec/1) 44B 200 "GET /_matrix/client/v3/account/whoami HTTP/1.1" "Element" [0 dbevts]"#,
        // Docker workers image with the worker name in the line
        r#"client_reader1 | 2026-07-01 09:15:42,118 - synapse.access.http.18010 - 641 - INFO - POST-12 - 172.17.0.1 - 18010 - {@alice:example.org} Processed request: 0.033sec/0.000sec ru=(0.009sec, 0.001sec) db=(0.000sec/0.015sec/4) 31B 200 "POST /_matrix/client/v3/keys/upload HTTP/1.0" "Element" [0 dbevts]"#,
        // request between workers (replication listener)
        r#"2024-05-02 10:06:00,000 - synapse.access.http.9093 - 465 - INFO - POST-88 - 127.0.0.1 - 9093 - {@alice:example.org} Processed request: 0.019sec/0.000sec (0.006sec, 0.000sec) (0.000sec/0.008sec/3) 57B 200 "POST /_synapse/replication/fed_send_events/AbCdEfGhIj HTTP/1.1" "-" [1 dbevts]"#,
        // OPTIONS and /health: DEBUG only, from 1.19.0
        r#"2024-05-02 10:07:00,000 - synapse.access.http.8008 - 465 - DEBUG - OPTIONS-89 - 203.0.113.7 - 8008 - {None} Processed request: 0.000sec/0.000sec (0.000sec, 0.000sec) (0.000sec/0.000sec/0) 0B 204 "OPTIONS /_matrix/client/v3/sync HTTP/1.1" "Mozilla/5.0" [0 dbevts]"#,
        // arrival line: INFO up to 1.10.x, DEBUG from 1.11.0
        r#"2024-05-02 10:07:00,000 - synapse.access.http.8008 - 390 - DEBUG - GET-90 - 203.0.113.7 - 8008 - Received request: GET /_matrix/client/v3/sync?timeout=30000"#,
        // status printed by name: possible 0.33.3 to 1.51.x
        r#"2022-01-20 10:00:00,000 - synapse.access.http.8008 - 427 - INFO - GET-91 - 203.0.113.7 - 8008 - {@alice:example.org} Processed request: 0.003sec/0.000sec (0.001sec, 0.000sec) (0.000sec/0.001sec/1) 70B HTTPStatus.NOT_FOUND "GET /_matrix/client/v3/x HTTP/1.1" "curl" [0 dbevts]"#,
        // 0.33.3 to 1.22.x: as 1.43, never two names
        r#"2019-07-01 12:00:00,000 - synapse.access.http.8008 - 302 - INFO - GET-92 - 203.0.113.7 - 8008 - {@alice:example.org} Processed request: 0.003sec/0.000sec (0.001sec, 0.000sec) (0.000sec/0.001sec/1) 70B 200 "GET /_matrix/client/r0/sync HTTP/1.1" "Riot" [0 dbevts]"#,
        // 0.32.0 to 0.33.2: one time only
        r#"2018-07-20 12:00:00,000 - synapse.access.http.8008 - 122 - INFO - GET-93 - 203.0.113.7 - 8008 - {@alice:example.org} Processed request: 0.131sec (0.020sec, 0.004sec) (0.001sec/0.040sec/7) 2301B 200 "GET /_matrix/client/r0/sync HTTP/1.1" "Riot" [3 dbevts]"#,
        // 0.31.x: no dbevts
        r#"2018-06-20 12:00:00,000 - synapse.access.http.8008 - 115 - INFO - GET-94 - 203.0.113.7 - 8008 - {@alice:example.org} Processed request: 0.131sec (0.020sec, 0.004sec) (0.001sec/0.040sec/7) 2301B 200 "GET /_matrix/client/r0/sync HTTP/1.1" "Riot""#,
        // 0.27.0 to 0.30.x: whole milliseconds
        r#"2018-04-20 12:00:00,000 - synapse.access.http.8008 - 77 - INFO - GET-95 - 203.0.113.7 - 8008 - {@alice:example.org} Processed request: 131ms (20ms, 4ms) (1ms/40ms/7) 2301B 200 "GET /_matrix/client/r0/sync HTTP/1.1" "Riot""#,
        // 0.16.0 to 0.26.x: no waiting time for a connection
        r#"2017-04-20 12:00:00,000 - synapse.access.http.8008 - 76 - INFO - GET-96 - 203.0.113.7 - 8008 - {None} Processed request: 131ms (20ms, 4ms) (40ms/7) 2301B 200 "GET /_matrix/client/r0/sync HTTP/1.1" "None""#,
        // the official documentation's sample
        r#"2024-05-02 10:08:00,000 - synapse.access.http.8448 - 465 - INFO - PUT-1001- 192.0.2.10 - 8448 - {remote.example.net} Processed request: 0.120sec/-0.000sec (0.010sec, 0.001sec) (0.001sec/0.080sec/4) 11B !200 "PUT /_matrix/federation/v1/send/1714644480000 HTTP/1.1" "Synapse/1.105.0" [0 dbevts]"#,
    ];
}
