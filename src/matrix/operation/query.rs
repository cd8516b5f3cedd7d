//! The query parameters that affect how much work a request is.

/// The query of a path template. Numbers are clamped to what clients send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Query {
    /// `since=` is present.
    pub since: bool,
    /// `pos=` is present.
    pub pos: bool,
    /// `from=` is present.
    pub from: bool,
    /// `filter=` is present.
    pub filter: bool,
    /// `full_state=true` is present.
    pub full_state: bool,
    /// `dir=f` is present; otherwise `dir=b` is meant.
    pub forwards: bool,
    /// `timeout`, ms, at most ten minutes.
    pub timeout_ms: Option<u32>,
    /// `limit`, at most 1000.
    pub limit: Option<u32>,
    /// `width`, pixels, at most 4096.
    pub width: Option<u32>,
    /// `height`, pixels, at most 4096.
    pub height: Option<u32>,
}

impl Query {
    /// Parses the part of a template after the question mark. Malformed parameters are ignored.
    pub fn read(text: &str) -> Self {
        let mut query = Self::default();
        for (name, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
            let number = |most: u32| value.parse::<u32>().ok().map(|number| number.min(most));
            match name {
                "since" => query.since = true,
                "pos" => query.pos = true,
                "from" => query.from = true,
                "filter" => query.filter = true,
                "full_state" => query.full_state = value == "true",
                "dir" => query.forwards = value == "f",
                "timeout" => query.timeout_ms = number(600_000),
                "limit" => query.limit = number(1_000),
                "width" => query.width = number(4_096),
                "height" => query.height = number(4_096),
                _ => {}
            }
        }
        query
    }
}
