//! Log files: bytes in, one [`Line`] per physical line out.
//!
//! ```text
//! paths -> source (order) -> input, compression (bytes) -> records (one a line) -> blocks (whole lines)
//!       -> collectors (what was put around a line) -> parser (one per format) -> Line
//! ```
//!
//! Owns files, compression, formats, stamps and zones, redaction of secrets. Knows nothing of endpoints or workers.
//! Invariant: every physical line yields exactly one [`Line`].

mod binary;
pub mod blocks;
pub mod collectors;
pub mod compression;
pub mod detect;
pub mod escape;
pub mod formats;
pub mod input;
pub mod json;
pub mod range;
pub mod record;
pub mod records;
pub mod redact;
pub mod source;
pub mod streams;
pub mod time;
mod wildcard;

pub use record::{Cost, Line, Malformed, Record, Stamp, StampMeaning};
pub use time::{Ambiguity, StampReader, Zone};

/// Reads lines of one format. Every thread has its own, which may hold caches (the last second's stamp, a buffer for escapes).
pub trait Parser: Send {
    /// The format's name in reports: `nginx combined`, `synapse`, `caddy json`.
    fn name(&self) -> &str;

    /// Reads one line, given without its line terminator (`\n` or `\r\n`). Any bytes; never panics.
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Line<'a>;

    /// What a line that is no request says of the news of a stream, for the causes of long polls' wake-ups. Any bytes; never panics.
    fn update(&mut self, _line: &[u8]) -> Option<streams::StreamUpdate> {
        None
    }

    /// Looks at lines of the file before they are read, for what a single line does not show, such as the unit of a duration. The
    /// lines are as [`Self::parse`] gets them.
    fn study(&mut self, _sample: &[&[u8]]) {}

    /// How values were read that could have been read otherwise, for reports: `duration in milliseconds`. Keys only, never values.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// An independent parser of the same format, for another thread.
    fn fork(&self) -> Box<dyn Parser>;
}
