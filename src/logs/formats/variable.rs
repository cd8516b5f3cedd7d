//! The meanings of a log format's fields.
//!
//! nginx's variables, Apache's directives, HAProxy's and Envoy's commands and the keys of JSON logs are all compiled to [`Variable`]; a
//! [`super::draft::Draft`] collects their values. Knows meanings and units, not how a format delimits or escapes its fields.

use super::date_parts::DatePart;
use crate::StampMeaning;

/// The meaning of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// The complete time stamp.
    Time(Clock, StampMeaning),
    /// A number or name of a date whose notation the format defines.
    Date(DatePart, StampMeaning),
    /// The end of the request in any notation, besides its start.
    EndTime,
    /// Apache `%{msec_frac}t`, `%{usec_frac}t`: the part of the stamp below a second.
    Fraction(Unit),
    /// Apache `%{%z}t`: the zone of a stamp written without it.
    ZoneOffset,
    /// `METHOD target PROTOCOL`.
    RequestLine,
    Method,
    /// Path and query as sent.
    Target,
    /// The virtual host with path and query behind it: `matrix.example.org/_matrix/…`.
    HostAndTarget,
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
    /// One of several steps that follow each other, in seconds; -1 is a step that was not reached.
    Step {
        /// The upstream was at work.
        of_upstream: bool,
    },
    /// One of HAProxy's timers, in milliseconds; -1 is a step that was not reached.
    Timer(Timer),
    /// HAProxy's backend and server, which together name the upstream.
    Backend,
    Server,
    /// HAProxy's termination state: the first letter says who ended the request.
    TerminationState,
    /// Envoy's response flags: `DC` is a client that left.
    ResponseFlags,
    /// HAProxy's captured headers, `a|b`, whose meanings only their forms show.
    Captures,
    /// The server that the configuration names, whether or not the request was sent there (Nginx Proxy Manager's `$server`).
    SentTo,
    /// Upstreams tried: `a, b : c`.
    UpstreamAddress,
    /// The upstreams' statuses: used if [`Variable::Status`] is not logged.
    UpstreamStatus,
    /// The upstreams' times.
    UpstreamTime(Unit),
    /// The client's address.
    Address,
    /// The client's address with its port: `203.0.113.7:51034`, `[2001:db8::1]:51034`.
    Peer,
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
    /// An ignored list over several upstreams.
    IgnoredList,
    /// An ignored field.
    Ignored,
}

/// HAProxy's timers (configuration manual, section 8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// `Th`: TLS and PROXY handshakes.
    Handshake,
    /// `Ti`: idle time before the request.
    Idle,
    /// `TR`: receiving the request's headers.
    Receive,
    /// `Tq`: the three above together.
    Request,
    /// `Tw`: in queues.
    Queue,
    /// `Tc`: connecting to the server.
    Connect,
    /// `Tr`: the server's response headers.
    Response,
    /// `Ta`: from the request's first byte to the response's last.
    Active,
    /// `Tt`: from the connection's acceptance to the response's last byte.
    Total,
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
    /// Any of the above, told by its form.
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds, with or without a fraction.
    Seconds,
    /// Seconds with exactly three decimals, as nginx writes them: fewer mean that the line is truncated.
    SecondsMillis,
    Millis,
    Micros,
    Nanos,
    /// The unit is behind each number: `1.2ms`, `0.25 s`.
    Written,
    /// Whole numbers are milliseconds, others seconds, of programs whose releases differ in that.
    SecondsOrMillis,
}

impl Unit {
    /// The unit in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seconds | Self::SecondsMillis => "seconds",
            Self::Millis => "milliseconds",
            Self::Micros => "microseconds",
            Self::Nanos => "nanoseconds",
            Self::Written => "the units written",
            Self::SecondsOrMillis => "seconds with a fraction, or whole milliseconds",
        }
    }
}

impl Variable {
    /// Whether a value may contain spaces. Otherwise the first space ends it.
    pub fn may_contain_spaces(self) -> bool {
        match self {
            Self::Time(Clock::Common | Clock::IsoSpaced | Clock::Any, _)
            | Self::RequestLine
            | Self::Path
            | Self::Query
            | Self::Target
            | Self::HostAndTarget
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
            | Self::Captures
            | Self::IgnoredList
            | Self::Ignored => true,
            Self::Time(..)
            | Self::Date(..)
            | Self::EndTime
            | Self::Fraction(_)
            | Self::ZoneOffset
            | Self::Method
            | Self::Status
            | Self::BytesSent
            | Self::BytesReceived
            | Self::Wall(_)
            | Self::Step { .. }
            | Self::Timer(_)
            | Self::Backend
            | Self::Server
            | Self::TerminationState
            | Self::ResponseFlags
            | Self::SentTo
            | Self::Address
            | Self::Peer
            | Self::Site
            | Self::RequestId
            | Self::ConnectionState
            | Self::IgnoredWord => false,
        }
    }

    /// Whether a value is a list over several upstreams, `a, b : c`.
    pub fn is_list(self) -> bool {
        matches!(self, Self::UpstreamAddress | Self::UpstreamStatus | Self::UpstreamTime(_) | Self::IgnoredList)
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
                | Self::SentTo
        )
    }

    /// Whether the record has nothing of this value.
    pub fn is_ignored(self) -> bool {
        matches!(self, Self::Ignored | Self::IgnoredWord | Self::IgnoredList)
    }

    /// The variable with another meaning of its stamp.
    pub fn with_meaning(self, meaning: StampMeaning) -> Self {
        match self {
            Self::Time(clock, _) => Self::Time(clock, meaning),
            Self::Date(part, _) => Self::Date(part, meaning),
            other => other,
        }
    }

    /// The name of the value in a [`crate::Malformed`].
    pub fn expected(self) -> &'static str {
        match self {
            Self::Time(Clock::Common | Clock::CommonLocal, _) => "a time such as 02/Jan/2026:15:04:05 +0000",
            Self::Time(Clock::Iso | Clock::IsoSpaced, _) => "a time such as 2026-01-02T15:04:05+00:00",
            Self::Time(Clock::Epoch(_), _) => "a time in seconds since 1970",
            Self::Time(Clock::Any, _) | Self::EndTime => "a time",
            Self::Date(..) => "a date that exists, as the format writes it",
            Self::Fraction(_) => "a fraction of a second",
            Self::ZoneOffset => "an offset such as +0000",
            Self::RequestLine => "a request line",
            Self::Method => "a method",
            Self::Target | Self::HostAndTarget | Self::Path | Self::Query => "a request target",
            Self::Status => "a status of three digits",
            Self::BytesSent | Self::BytesReceived => "a number of bytes",
            Self::Wall(_) | Self::Step { .. } => "a duration",
            Self::Timer(_) => "a timer in milliseconds",
            Self::Backend => "a backend",
            Self::Server | Self::SentTo => "a server",
            Self::TerminationState => "a termination state such as ----",
            Self::ResponseFlags => "response flags",
            Self::Captures => "captured headers",
            Self::UpstreamAddress => "an upstream's address",
            Self::UpstreamStatus => "an upstream's status",
            Self::UpstreamTime(_) => "an upstream's time",
            Self::Address | Self::Peer => "a client address",
            Self::ForwardedFor => "a forwarded address",
            Self::User | Self::UserKey | Self::Authorization => "a user",
            Self::Agent => "a user agent",
            Self::Referrer => "a referrer",
            Self::Site => "a host name",
            Self::RequestId => "a request ID of 32 hexadecimal digits",
            Self::RequestIdText => "a request ID",
            Self::ConnectionState => "a connection state",
            Self::IgnoredWord | Self::IgnoredList | Self::Ignored => "a field",
        }
    }
}
