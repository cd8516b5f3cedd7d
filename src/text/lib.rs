//! Numbers, ranges, times and lists as people read them, the same in every sentence, table and chart.
//!
//! ```text
//! number   separators, significant digits, per cent, milliseconds, bytes
//! range    a value with its range: `84 % (61–120 %)`, `212 ms (205–219 ms)`, `0.22 (0.18–0.29)`
//! prose    the same with fewer digits, for sentences
//! time     instants, spans and durations
//! parse    durations and memory as typed
//! file     files that are read whole, up to a limit
//! words    plural, lists, quotation, capital letters
//! ```
//!
//! Tables and charts show three significant digits ([`number`](mod@number), [`range`](mod@range)); sentences show whole per cents
//! and two digits ([`prose`]). A range is always written in brackets after its value, with an en dash and its unit.
//!
//! Knows nothing of what is formatted. Invariant: a number that is not finite is [`UNKNOWN`], never `NaN` or `inf`.

pub mod file;
pub mod hidden;
pub mod number;
mod parse;
pub mod prose;
pub mod range;
pub mod time;
pub mod words;

pub use file::{read_file, read_regular_file, read_text, size_limit};
pub use number::{UNKNOWN, bytes, count, milliseconds, number, percent, percent_number, tick};
pub use parse::{parse_bytes, parse_duration};
pub use range::{milliseconds_range, percent_range, percent_range_number, range};
pub use time::{date_time, duration, minute, rfc3339, strftime, time_span, weekday_minute};
pub use words::{capital, list, plural, quoted};
