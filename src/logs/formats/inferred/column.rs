//! The meaning of one place of a format, by its label and by the values that the sample has there.
//!
//! A label says the meaning, and the values must fit. Without a label only values that can be nothing else have a meaning. A time since
//! 1970 is never a duration. The result is a variable of a `log_format`.

use super::token::Form;
use crate::formats::json_names::Dialect;
use crate::formats::json_units::{self, Observation};
use crate::formats::value::{entries, host_and_path, ip, looks_like_agent, looks_like_host};
use crate::formats::variable::{Unit, Variable};

/// A column of the sample.
pub(super) struct Column<'c, 'a> {
    /// Labels, the best first: `request_time`, or the words before the value.
    pub(super) labels: &'c [String],
    pub(super) form: Form,
    pub(super) values: &'c [&'a [u8]],
    /// Of each value's line: whether the request waits for news, and how long at most, ms. Empty if it does not matter.
    pub(super) polls: &'c [(bool, Option<u64>)],
}

/// Whether a word names a value, so that it is a label before one.
pub(super) fn is_name(word: &[u8]) -> bool {
    is_own_label(word) || word.len() > 1 && Dialect::Any.meaning(&[word]).is_some()
}

impl Column<'_, '_> {
    /// The variable by the column's label; `None` if no label is known.
    pub(super) fn by_label(&self) -> Option<&'static str> {
        self.labels.iter().find_map(|label| self.of_label(label))
    }

    fn of_label(&self, label: &str) -> Option<&'static str> {
        let lower = label.to_ascii_lowercase();
        match lower.as_str() {
            // Some use `ua` for the user agent, others for the upstream's address.
            "ua" | "to" | "upstream" | "proxy" | "backend" if self.all(is_address) => return Some("upstream_addr"),
            "ua" => return Some("http_user_agent"),
            "in" | "took" if self.all(is_times) => return Some("request_time"),
            "t" => return Some(self.time().unwrap_or(OTHER)),
            "uid" | "user" => return Some("user_key"),
            "to" | "in" | "proxy" | "backend" => return Some(OTHER),
            _ => {}
        }
        let meaning = Dialect::Any.meaning(&[lower.as_bytes()])?;
        Some(match meaning.variable {
            Variable::Time(..) => self.time().or_else(|| self.duration("request_time", "rt")).unwrap_or(OTHER),
            Variable::Wall(unit) if !meaning.open => duration_name("request_time", unit),
            Variable::UpstreamTime(unit) if !meaning.open => duration_name("upstream_response_time", unit),
            Variable::Wall(_) => self.duration("request_time", &lower).unwrap_or(OTHER),
            Variable::UpstreamTime(_) => self.duration("upstream_response_time", &lower).unwrap_or(OTHER),
            Variable::RequestLine if self.all(|value| value.starts_with(b"/")) => "request_uri",
            Variable::RequestLine => "request",
            Variable::Method => "request_method",
            Variable::Target | Variable::Path => "request_uri",
            Variable::Query => "args",
            Variable::Status if self.all(is_status) => "status",
            Variable::BytesSent if self.all(is_count) => "body_bytes_sent",
            Variable::BytesReceived if self.all(is_count) => "request_length",
            Variable::UpstreamAddress if self.all(is_address) => "upstream_addr",
            Variable::UpstreamStatus => "upstream_status",
            Variable::Agent => "http_user_agent",
            Variable::Referrer => "http_referer",
            // Labeled Tab-separated Values call the client's address `host` and the virtual host `vhost`.
            Variable::Peer | Variable::Site if self.all(|value| missing(value) || ip(value).is_some()) => "remote_addr",
            Variable::Peer if self.all(is_address) => "remote_peer",
            Variable::ForwardedFor => "http_x_forwarded_for",
            Variable::Site => "host",
            Variable::User | Variable::UserKey => "user_key",
            Variable::RequestIdText => "http_x_request_id",
            Variable::Authorization => "http_authorization",
            _ => OTHER,
        })
    }

    /// The variable that the values alone show.
    pub(super) fn by_values(&self) -> Option<&'static str> {
        if let Some(time) = self.time() {
            return Some(time);
        }
        match self.form {
            Form::Request => return Some("request"),
            Form::Quoted | Form::Bracketed if self.most(is_request) => return Some("request"),
            Form::Quoted if self.most(|value| value.starts_with(b"/")) => return Some("request_uri"),
            Form::Quoted if self.all(is_addresses) => return Some("http_x_forwarded_for"),
            Form::Quoted if self.most(looks_like_agent) => return Some("http_user_agent"),
            Form::Quoted if self.most(|value| value.starts_with(b"http://") || value.starts_with(b"https://")) => {
                return Some("http_referer");
            }
            _ => {}
        }
        if self.all(missing) {
            None
        } else if self.all(|value| METHODS.contains(&value)) {
            Some("request_method")
        } else if self.all(|value| value.starts_with(b"/") || value.starts_with(b"http://") || value.starts_with(b"https://")) {
            Some("request_uri")
        } else if self.all(|value| host_and_path(value).is_some()) {
            Some("request_host_uri")
        } else if self.all(|value| value.starts_with(b"HTTP/")) {
            Some("server_protocol")
        } else if self.all(is_status) {
            Some("status")
        } else if self.all(is_times) {
            Some("request_time")
        } else if self.all(|value| missing(value) || ip(value).is_some()) {
            Some("remote_addr")
        } else if self.all(is_address) {
            Some("upstream_addr")
        } else if self.all(|value| value.len() == 32 && value.iter().all(u8::is_ascii_hexdigit)) {
            Some("request_id")
        } else if self.all(is_written) {
            Some("request_time_unit")
        } else if self.form == Form::Bare && self.all(|value| looks_like_host(value) && value.iter().any(u8::is_ascii_alphabetic)) {
            Some("host")
        } else {
            None
        }
    }

    fn time(&self) -> Option<&'static str> {
        let digits =
            |value: &[u8], count: usize| value.len() == count && value.iter().all(u8::is_ascii_digit) && matches!(value[0], b'1' | b'2');
        let date =
            |value: &[u8]| value.len() >= 19 && matches!((value[4], value[7]), (b'-', b'-') | (b'/', b'/')) && value[0].is_ascii_digit();
        if self.all(|value| value.len() == 26 && value[2] == b'/' && value[11] == b':') {
            Some("time_local")
        } else if self.all(|value| date(value) && matches!(value[10], b'T' | b't') && value[4] == b'-') {
            Some("time_iso8601")
        } else if self.all(|value| date(value) || (value.len() >= 20 && value[2] == b'/' && value[11] == b':')) {
            Some("time")
        } else if self.all(|value| value.get(10) == Some(&b'.') && digits(&value[..10], 10) && value.len() == 14) {
            Some("msec")
        } else if self.all(|value| digits(value, 10)) {
            Some("time_s")
        } else if self.all(|value| digits(value, 13)) {
            Some("time_ms")
        } else {
            None
        }
    }

    /// A labelled duration in the unit that its values have.
    fn duration(&self, base: &'static str, label: &str) -> Option<&'static str> {
        if self.all(is_times) {
            return Some(base);
        }
        let observations = self.observations();
        if observations.is_empty() {
            return Some(base);
        }
        json_units::unit(&observations, None, matches!(label, "request_time" | "upstream_response_time"))
            .map(|unit| duration_name(base, unit))
    }

    fn observations(&self) -> Vec<Observation> {
        let polls = self.polls.iter().copied().chain(std::iter::repeat((false, None)));
        let observation = |(value, (long_poll, timeout_ms)): (&&[u8], (bool, Option<u64>))| {
            let text = entries(value).find(|item| !missing(item))?.to_vec();
            Some(Observation { text, timeout_ms, long_poll, ..Observation::default() })
        };
        self.values.iter().zip(polls).filter_map(observation).collect()
    }

    /// The unit of numbers without a label that can be nothing but durations. Numbers with four and more decimals each are seconds or
    /// milliseconds of a clock. Whole numbers are durations if long polls have there what their `timeout` is in one unit, and no request
    /// has what it cannot last.
    pub(super) fn unit_by_evidence(&self) -> Option<Unit> {
        let observations = self.observations();
        let texts = || observations.iter().map(|one| one.text.as_slice());
        let decimals = |text: &[u8]| memchr::memchr(b'.', text).map_or(0, |dot| text.len() - dot - 1);
        let is_number =
            |text: &[u8]| text.first().is_some_and(u8::is_ascii_digit) && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
        if observations.is_empty() || !texts().all(is_number) {
            return None;
        }
        if texts().all(|text| decimals(text) >= 4) {
            return json_units::unit(&observations, None, false);
        }
        if !texts().all(|text| decimals(text) == 0) {
            return None;
        }
        [Unit::Micros, Unit::Millis, Unit::Seconds].into_iter().find(|unit| {
            let (mut fit, mut beyond, mut plain) = (0, 0, 0);
            for one in &observations {
                let Some(lasted) = crate::formats::value::duration(&one.text, *unit) else { return false };
                beyond += usize::from(lasted > LONGEST_US);
                match one.timeout_ms.filter(|timeout| *timeout >= TIMEOUT_MIN_MS) {
                    Some(timeout) => {
                        fit += usize::from((timeout * 1000..timeout * 1050 + 1_000_000).contains(&lasted));
                        beyond += usize::from(lasted > timeout * 2000 + 60_000_000);
                    }
                    None => plain += usize::from(lasted > PLAIN_MAX_US),
                }
            }
            // Whole seconds are small numbers, which much else is too.
            let needed = if *unit == Unit::Seconds { 2 } else { 1 };
            fit >= needed && beyond == 0 && plain * 10 <= observations.len()
        })
    }

    fn all(&self, is: impl Fn(&[u8]) -> bool) -> bool {
        self.values.iter().all(|value| is(value))
    }

    /// At least half of the values that are there.
    fn most(&self, is: impl Fn(&[u8]) -> bool) -> bool {
        let present = self.values.iter().filter(|value| !missing(value)).count();
        present > 0 && self.values.iter().filter(|value| is(value)).count() * 2 >= present
    }
}

/// The variable of a duration in a unit, whole or with a fraction.
pub(super) fn duration_name(base: &'static str, unit: Unit) -> &'static str {
    match (base, unit) {
        ("request_time", Unit::Seconds | Unit::SecondsMillis) => "request_time_s",
        ("request_time", Unit::Millis) => "request_time_ms",
        ("request_time", Unit::Micros) => "request_time_us",
        ("request_time", Unit::Nanos) => "request_time_ns",
        ("request_time", Unit::Written | Unit::SecondsOrMillis) => "request_time_unit",
        (_, Unit::Seconds | Unit::SecondsMillis) => "upstream_response_time_s",
        (_, Unit::Millis) => "upstream_response_time_ms",
        (_, Unit::Micros) => "upstream_response_time_us",
        (_, Unit::Nanos) => "upstream_response_time_ns",
        (_, Unit::Written | Unit::SecondsOrMillis) => "upstream_response_time_unit",
    }
}

fn is_own_label(word: &[u8]) -> bool {
    [&b"to"[..], b"in", b"uid"].iter().any(|label| word.eq_ignore_ascii_case(label))
}

pub(super) fn missing(value: &[u8]) -> bool {
    matches!(value, b"" | b"-")
}

/// nginx's `S.mmm`, which cannot be a time since 1970.
pub(super) fn is_seconds(value: &[u8]) -> bool {
    let Some((whole, fraction)) = value.len().checked_sub(4).and_then(|dot| value.split_at_checked(dot)) else { return false };
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    whole.len() < 10 && digits(whole) && fraction[0] == b'.' && digits(&fraction[1..])
}

pub(super) fn is_times(value: &[u8]) -> bool {
    entries(value).all(|item| missing(item) || is_seconds(item))
}

fn is_written(value: &[u8]) -> bool {
    value.first().is_some_and(u8::is_ascii_digit) && value.ends_with(b"s") && crate::formats::value::written(value).is_some()
}

fn is_address(value: &[u8]) -> bool {
    entries(value).all(|item| missing(item) || item.starts_with(b"unix:") || ends_with_port(item))
}

fn ends_with_port(item: &[u8]) -> bool {
    // A time of day.
    if let [_, _, b':', _, _, b':', _, _] = item {
        return false;
    }
    memchr::memrchr(b':', item).is_some_and(|colon| colon > 0 && colon + 1 < item.len() && item[colon + 1..].iter().all(u8::is_ascii_digit))
}

fn is_addresses(value: &[u8]) -> bool {
    value == b"-" || value.split(|byte| *byte == b',').all(|item| ip(item.trim_ascii()).is_some())
}

fn is_status(value: &[u8]) -> bool {
    value.len() == 3 && (b'1'..=b'5').contains(&value[0]) && value.iter().all(u8::is_ascii_digit) || value == b"000"
}

fn is_count(value: &[u8]) -> bool {
    missing(value) || value.iter().all(u8::is_ascii_digit)
}

fn is_request(value: &[u8]) -> bool {
    METHODS.iter().any(|method| {
        value.strip_prefix(*method).is_some_and(|rest| rest.starts_with(b" /") || rest.starts_with(b" http") || rest.starts_with(b" *"))
    })
}

/// A longer request is none.
const LONGEST_US: u64 = 3_600_000_000;
/// Few requests that wait for nothing take longer.
const PLAIN_MAX_US: u64 = 60_000_000;
/// A shorter `timeout` says little.
const TIMEOUT_MIN_MS: u64 = 5000;
/// A variable that is ignored.
pub(super) const OTHER: &str = "_";
const METHODS: [&[u8]; 7] = [b"GET", b"PUT", b"POST", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH"];
