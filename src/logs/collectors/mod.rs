//! What collectors put around the lines of a program: colours, the names of containers, syslog, the journal, JSON objects.
//!
//! ```text
//! line -> Wrapper (one kind of dress) -> … -> Wrapper -> the program's own line -> parser of a format
//!                \___ process, stamp ___/
//! ```
//!
//! Owns the recognition of each dress and what it says of the process and the time. Knows no access format: which wrappers a file has
//! is decided by trial in `detect`, and a line that lacks one of them is taken as it is. Dresses of several lines (the journal's export
//! format, JSON documents, UTF-16) are made lines before, in `records`. docs/logs.md lists the collectors and the sources.
//!
//! Invariants: a wrapper never panics and removes only from a line's ends, colours and alignment apart; unwrapping takes linear time.

mod clock;
mod collected;
mod containers;
mod decoration;
mod fluent;
mod logfmt;
mod object;
mod process;
mod syslog;

use std::borrow::Cow;

pub use clock::Clock;
pub use collected::Collected;

use crate::Stamp;

/// One kind of dress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wrapper {
    /// The byte order mark of UTF-8.
    Mark,
    /// Escape sequences of terminals.
    Colour,
    /// Blanks before the text, `> ` of a quotation.
    Indent,
    /// The whole line in quotes.
    Quotes,
    /// `data: ` (server-sent events), the record separator of JSON text sequences.
    Event,
    /// The number of a line: `grep -n`, `cat -n`, `nl`.
    Number,
    /// `file.log:`, as `grep` writes before a match.
    File,
    /// A JSON object with the line in one of its members.
    Object,
    /// A JSON object behind a tag and a time: Fluentd and Fluent Bit.
    Fluent,
    /// Pairs with the line in one of them.
    Logfmt,
    /// RFC 5424.
    Syslog5424,
    /// A clock, mostly a host, and a program: RFC 3164, the journal, rsyslog.
    Syslog,
    /// A program with a colon, without a clock: `nginx: `; a priority alone: `<6>`.
    Program,
    /// `[pod/NAME/CONTAINER] `, kubetail's `[NAME CONTAINER] `
    Kubectl,
    /// `POD CONTAINER `
    Stern,
    /// `name  | `
    Compose,
    /// `2026-01-02T15:04:05.123456789Z stdout F `
    Cri,
    /// `{container="synapse"} `
    Labels,
    /// The name of a stream of CloudWatch: `prefix/name/id `, and its events as text; Papertrail's archives.
    Stream,
    /// A clock alone: `docker logs -t`, exports.
    Time,
    /// Blanks by which columns are aligned.
    Aligned,
}

impl Wrapper {
    /// In the order in which they are tried on a text; the strict ones come first.
    pub(super) const ALL: [Self; 21] = [
        Self::Mark,
        Self::Colour,
        Self::Event,
        Self::Object,
        Self::Indent,
        Self::Quotes,
        Self::Syslog5424,
        Self::Kubectl,
        Self::Cri,
        Self::Compose,
        Self::Number,
        Self::File,
        Self::Fluent,
        Self::Logfmt,
        Self::Labels,
        Self::Syslog,
        Self::Time,
        Self::Program,
        Self::Stern,
        Self::Stream,
        Self::Aligned,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mark => "a byte order mark",
            Self::Colour => "colours",
            Self::Indent => "indentation",
            Self::Quotes => "quotes",
            Self::Event => "server-sent events",
            Self::Number => "line numbers",
            Self::File => "file names",
            Self::Object => "JSON objects of a collector",
            Self::Fluent => "Fluentd or Fluent Bit",
            Self::Logfmt => "logfmt of a collector",
            Self::Syslog5424 => "syslog (RFC 5424)",
            Self::Syslog => "syslog or the journal",
            Self::Program => "a program's name",
            Self::Kubectl => "kubectl --prefix",
            Self::Stern => "stern",
            Self::Compose => "names of containers",
            Self::Cri => "a container runtime",
            Self::Labels => "labels of Loki",
            Self::Stream => "a stream's name",
            Self::Time => "a time",
            Self::Aligned => "aligned columns",
        }
    }

    /// Takes this dress off. `None` if the text does not wear it.
    pub fn unwrap<'a>(self, text: &'a [u8], clock: &mut Clock) -> Option<Unwrapped<'a>> {
        match self {
            Self::Mark => text.strip_prefix(b"\xef\xbb\xbf").map(Unwrapped::of),
            Self::Colour => decoration::without_colours(text).map(|text| Unwrapped { text: Cow::Owned(text), ..Unwrapped::of(b"") }),
            Self::Indent => decoration::without_indent(text).map(Unwrapped::of),
            Self::Quotes => decoration::without_quotes(text),
            Self::Event => text.strip_prefix(b"\x1e").or_else(|| text.strip_prefix(b"data: {").map(|_| &text[6..])).map(Unwrapped::of),
            Self::Number => containers::number(text).map(Unwrapped::of),
            Self::File => containers::file(text),
            Self::Logfmt => logfmt::unwrap(text, clock),
            Self::Object => object::unwrap(text, clock),
            Self::Fluent => fluent::unwrap(text, clock),
            Self::Syslog5424 => syslog::rfc5424(text, clock),
            Self::Syslog => syslog::rfc3164(text, clock),
            Self::Program => syslog::program(text).or_else(|| syslog::priority(text)),
            Self::Kubectl => containers::kubectl(text).or_else(|| containers::kubetail(text)),
            Self::Stern => containers::stern(text),
            Self::Compose => containers::compose(text),
            Self::Cri => containers::cri(text, clock),
            Self::Labels => containers::labels(text),
            Self::Stream => {
                containers::stream(text).or_else(|| containers::events(text, clock)).or_else(|| containers::papertrail(text, clock))
            }
            Self::Time => {
                let (stamp, len) = clock.read(text)?;
                Some(Unwrapped { stamp, ..Unwrapped::of(text.get(len..)?.trim_ascii_start()) })
            }
            Self::Aligned => decoration::without_alignment(text).map(|text| Unwrapped { text: Cow::Owned(text), ..Unwrapped::of(b"") }),
        }
    }
}

/// A text without its dress, and what that said.
#[derive(Debug, Clone, PartialEq)]
pub struct Unwrapped<'a> {
    pub text: Cow<'a, [u8]>,
    /// The process that wrote the line, if the dress names one.
    pub process: Option<Cow<'a, [u8]>>,
    pub stamp: Option<Stamp>,
}

impl<'a> Unwrapped<'a> {
    /// A text of which nothing else is known.
    pub fn of(text: &'a [u8]) -> Self {
        Self { text: Cow::Borrowed(text), process: None, stamp: None }
    }

    fn into_owned<'b>(self) -> Unwrapped<'b> {
        Unwrapped { text: Cow::Owned(self.text.into_owned()), process: self.process.map(own), stamp: self.stamp }
    }
}

fn own<'b>(text: Cow<'_, [u8]>) -> Cow<'b, [u8]> {
    Cow::Owned(text.into_owned())
}

/// The wrappers of a file, the outermost first. A line may lack any of them.
pub type Chain = Vec<Wrapper>;

/// Takes off what a line wears of a chain. The innermost process and stamp count, because they are nearest to the program.
pub fn unwrap<'a>(chain: &[Wrapper], line: &'a [u8], clock: &mut Clock) -> Unwrapped<'a> {
    unwrap_whole(chain, line, clock).0
}

/// [`unwrap`], and whether the line wears the innermost of the chain.
pub fn unwrap_whole<'a>(chain: &[Wrapper], line: &'a [u8], clock: &mut Clock) -> (Unwrapped<'a>, bool) {
    let mut all = Unwrapped::of(line);
    let mut wears = false;
    for wrapper in chain {
        wears = step(*wrapper, &mut all, clock);
    }
    (all, wears)
}

/// The wrappers that a line wears.
pub fn chain_of(line: &[u8], clock: &mut Clock) -> Chain {
    let mut chain = Chain::new();
    let mut all = Unwrapped::of(line);
    while chain.len() < CHAIN_MAX {
        let Some(wrapper) = Wrapper::ALL.into_iter().find(|wrapper| step(*wrapper, &mut all, clock)) else { break };
        chain.push(wrapper);
    }
    chain
}

/// Takes one dress off; whether there was one.
fn step<'a>(wrapper: Wrapper, all: &mut Unwrapped<'a>, clock: &mut Clock) -> bool {
    let inner: Option<Unwrapped<'a>> = match &all.text {
        Cow::Borrowed(text) => wrapper.unwrap(text, clock),
        Cow::Owned(text) => wrapper.unwrap(text, clock).map(Unwrapped::into_owned),
    };
    let Some(inner) = inner else { return false };
    if inner.process.is_some() {
        all.process = inner.process;
    }
    all.stamp = inner.stamp.or(all.stamp);
    all.text = inner.text;
    true
}

/// No line wears more; hostile ones might.
const CHAIN_MAX: usize = 8;

/// What a collector's reader tells of a line, for tests: the process, the text, and the time.
#[cfg(test)]
fn told_by(unwrap: for<'a> fn(&'a [u8], &mut Clock) -> Option<Unwrapped<'a>>, line: &str) -> Option<(String, String, Option<i64>)> {
    let mut clock = Clock::new(crate::StampReader::new(crate::Zone::utc()), 1_782_907_200_000_000);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    unwrap(line.as_bytes(), &mut clock).map(|found| {
        (found.process.map_or_else(String::new, |process| text(&process)), text(&found.text), found.stamp.map(|stamp| stamp.micros))
    })
}
