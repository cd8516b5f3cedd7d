//! One JSON object per line: a zero-copy walk over its members, as tolerant as access logs need.
//!
//! Owns only the syntax; the formats own the meaning of members. Tolerated beyond RFC 8259, because proxies write it: bytes in
//! strings that are not UTF-8 (nginx `escape=json` leaves them raw), raw control characters,
//! `\xHH` (nginx's default escape in a hand-made JSON format), a missing value (`"urt":,`), an unquoted list
//! (`"urt":0.001, 0.002`), a comma before the closing brace. Not tolerated: an object that is not closed, because that
//! is a truncated line.
//!
//! Why not a JSON crate: none accepts these deviations and reports the column. A property test holds valid documents to
//! serde_json. Invariant: no input panics, and the position never goes back, so that a walk takes linear time.

use memchr::memchr2;

use crate::Malformed;

mod text;

pub use text::{texts, unescape};

/// A member's value. Text and numbers borrow from the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A string.
    Text {
        /// The bytes between the quotes, escapes not undone.
        raw: &'a [u8],
        /// Whether they contain a backslash.
        escaped: bool,
    },
    /// A number, `true`, `false`, `null`, or any other text without quotes. May be empty.
    Bare(&'a [u8]),
    /// An object: either [`Walker::enter`] it, or it is skipped by asking for the next member.
    Object,
    /// An array: either [`Walker::enter`] it and read it by [`Walker::element`], or it is skipped by asking for the next member.
    Array,
}

/// A member's name without its quotes, escapes not undone. No name that a format looks for needs an escape.
pub type Key<'a> = &'a [u8];

/// Walks one object. `None` from [`Walker::member`] or [`Walker::element`] closes the innermost container entered.
#[derive(Debug, Clone)]
pub struct Walker<'a> {
    line: &'a [u8],
    at: usize,
    /// Number of containers entered and not yet closed.
    depth: u32,
    /// The last value is a container that starts at `at` and has not been entered.
    pending: bool,
    /// A value precedes `at`, so that the next one needs a comma.
    after_value: bool,
}

/// Finds the object of a line, at its start or after a collector's prefix. Returns the walker and the object's index; `None` if the
/// line is not JSON: a blank line, a traceback, another program's text.
///
/// # Errors
/// The line is the rest of an object whose start is missing.
pub fn open(line: &[u8]) -> Result<Option<(Walker<'_>, usize)>, Malformed> {
    let blank = line.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let start = if line.get(blank) == Some(&b'{') {
        blank
    } else {
        let behind = memchr::memchr_iter(b'{', line).find(|brace| line[brace + 1..].trim_ascii_start().first() == Some(&b'"'));
        let foreign = &line[..behind.unwrap_or(line.len())];
        if memchr::memmem::find(foreign, b"\":").is_some() {
            return Err(Malformed { expected: "a JSON object", column: 0 });
        }
        let Some(start) = behind else { return Ok(None) };
        start
    };
    Walker::new(line, start).map(|walker| Some((walker, start)))
}

impl<'a> Walker<'a> {
    /// A walker of the object whose `{` is at `start`.
    pub fn new(line: &'a [u8], start: usize) -> Result<Self, Malformed> {
        if line.get(start) != Some(&b'{') {
            return Err(Malformed { expected: "a JSON object", column: start.min(line.len()) });
        }
        Ok(Self { line, at: start + 1, depth: 1, pending: false, after_value: false })
    }

    /// The next member of the innermost object entered; `None` at its end. Only white space may follow the outermost object.
    ///
    /// # Errors
    /// The line is truncated or is not JSON, with the column.
    pub fn member(&mut self) -> Result<Option<(Key<'a>, Value<'a>)>, Malformed> {
        if !self.next_item(b'}')? {
            return Ok(None);
        }
        if self.peek() != Some(b'"') {
            return Err(self.error("a member's name in quotes"));
        }
        let (key, _) = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.error("a colon after a member's name"));
        }
        self.at += 1;
        self.skip_space();
        self.value(true).map(|value| Some((key, value)))
    }

    /// The next element of the innermost array entered; `None` at its end.
    ///
    /// # Errors
    /// As [`Walker::member`].
    pub fn element(&mut self) -> Result<Option<Value<'a>>, Malformed> {
        if !self.next_item(b']')? {
            return Ok(None);
        }
        self.value(false).map(Some)
    }

    /// Enters the object or array that was returned last; does nothing after another value.
    pub fn enter(&mut self) {
        if self.pending {
            self.pending = false;
            self.after_value = false;
            self.at += 1;
            self.depth += 1;
        }
    }

    /// The position in the line, from 0.
    pub fn column(&self) -> usize {
        self.at
    }

    /// Skips a container that was not entered and moves to the next item; `false` if the innermost container ends instead.
    #[inline]
    fn next_item(&mut self, close: u8) -> Result<bool, Malformed> {
        if self.pending {
            self.skip_container()?;
        }
        if self.depth == 0 {
            return Ok(false);
        }
        self.skip_space();
        if self.after_value && self.peek() == Some(b',') {
            self.at += 1;
            self.skip_space();
            self.after_value = false;
        }
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth -= 1;
                self.after_value = true;
                self.finished()?;
                Ok(false)
            }
            Some(_) if self.after_value => Err(self.error("a comma or the closing bracket")),
            Some(_) => Ok(true),
            None => Err(self.error("the closing bracket")),
        }
    }

    fn finished(&mut self) -> Result<(), Malformed> {
        if self.depth > 0 {
            return Ok(());
        }
        self.skip_space();
        if self.at == self.line.len() { Ok(()) } else { Err(self.error("nothing after the JSON object")) }
    }

    #[inline]
    fn value(&mut self, in_object: bool) -> Result<Value<'a>, Malformed> {
        let value = match self.peek() {
            Some(b'"') => {
                let (raw, escaped) = self.string()?;
                Value::Text { raw, escaped }
            }
            Some(b'{') => {
                self.pending = true;
                Value::Object
            }
            Some(b'[') => {
                self.pending = true;
                Value::Array
            }
            Some(_) => Value::Bare(self.bare(in_object)),
            None => return Err(self.error("a value")),
        };
        self.after_value = true;
        Ok(value)
    }

    /// Reads from the opening quote to the closing one.
    fn string(&mut self) -> Result<(&'a [u8], bool), Malformed> {
        let start = self.at + 1;
        let mut from = start;
        let mut escaped = false;
        loop {
            let rest = self.line.get(from..).unwrap_or_default();
            match memchr2(b'"', b'\\', rest) {
                Some(offset) if rest[offset] == b'"' => {
                    self.at = from + offset + 1;
                    return Ok((&self.line[start..from + offset], escaped));
                }
                Some(offset) => {
                    escaped = true;
                    from += offset + 2;
                }
                None => return Err(Malformed { expected: "a closing quote", column: self.line.len() }),
            }
        }
    }

    /// Reads up to the comma or bracket at its end. In an object a comma before a digit or a dash belongs to an unquoted list.
    fn bare(&mut self, in_object: bool) -> &'a [u8] {
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b'}' | b']' | b'"' | b'{' | b'[' => break,
                b',' if !(in_object && self.list_continues()) => break,
                _ => self.at += 1,
            }
        }
        self.line[start..self.at].trim_ascii_end()
    }

    fn list_continues(&self) -> bool {
        let rest = self.line[self.at + 1..].trim_ascii_start();
        rest.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-')
    }

    /// Skips from an opening bracket to the closing one.
    fn skip_container(&mut self) -> Result<(), Malformed> {
        self.pending = false;
        // One bit per open bracket, 1 for an object. The number of bits limits the depth.
        let mut kinds = 0u64;
        let mut depth = 0u32;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' if depth == u64::BITS => return Err(self.error("fewer than 65 nested brackets")),
                b'{' | b'[' => {
                    kinds = kinds << 1 | u64::from(byte == b'{');
                    depth += 1;
                }
                b'}' | b']' => {
                    if (byte == b'}') != (kinds & 1 == 1) {
                        return Err(self.error("the bracket that matches"));
                    }
                    kinds >>= 1;
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return Ok(());
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        Err(self.error("the closing bracket"))
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn error(&self, expected: &'static str) -> Malformed {
        Malformed { expected, column: self.at.min(self.line.len()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn members(line: &[u8]) -> Result<Vec<(Vec<u8>, Value<'_>)>, Malformed> {
        let mut walker = Walker::new(line, 0)?;
        let mut found = Vec::new();
        while let Some((key, value)) = walker.member()? {
            found.push((key.to_vec(), value));
        }
        Ok(found)
    }

    fn text(raw: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        unescape(raw, &mut out);
        out
    }

    /// Rebuilds a document from a walk, for comparison with serde_json's.
    fn rebuild(walker: &mut Walker<'_>, value: Value<'_>) -> serde_json::Value {
        match value {
            Value::Text { raw, .. } => serde_json::Value::String(String::from_utf8(text(raw)).unwrap()),
            Value::Bare(raw) => serde_json::from_slice(raw).unwrap(),
            Value::Object => {
                walker.enter();
                let mut map = serde_json::Map::new();
                while let Some((key, value)) = walker.member().unwrap() {
                    let value = rebuild(walker, value);
                    map.insert(String::from_utf8(text(key)).unwrap(), value);
                }
                serde_json::Value::Object(map)
            }
            Value::Array => {
                walker.enter();
                let mut items = Vec::new();
                while let Some(value) = walker.element().unwrap() {
                    items.push(rebuild(walker, value));
                }
                serde_json::Value::Array(items)
            }
        }
    }

    fn documents() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<i32>().prop_map(|eighths| (f64::from(eighths) / 8.0).into()),
            any::<String>().prop_map(Into::into),
        ];
        let tree = leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        });
        prop::collection::btree_map(any::<String>(), tree, 0..8).prop_map(|map| serde_json::Value::Object(map.into_iter().collect()))
    }

    #[test]
    fn nginxs_deviations_from_the_standard_are_read() {
        assert_eq!(
            members(b"{\"urt\":,\"a\":\"\xff\x01\",\"us\":0.001, 0.002 : 0.003,\"n\":-,\"end\":}"),
            Ok(vec![
                (b"urt".to_vec(), Value::Bare(b"")),
                (b"a".to_vec(), Value::Text { raw: b"\xff\x01", escaped: false }),
                (b"us".to_vec(), Value::Bare(b"0.001, 0.002 : 0.003")),
                (b"n".to_vec(), Value::Bare(b"-")),
                (b"end".to_vec(), Value::Bare(b"")),
            ])
        );
        assert_eq!(members(b"{\"a\":1,}").map(|found| found.len()), Ok(1));
    }

    #[test]
    fn a_container_that_is_not_entered_is_skipped() {
        let line = br#"{"a":{"x":[1,"]}\"",{}]},"b":["}"],"c":3}"#;
        let found = members(line).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(found[2], (b"c".to_vec(), Value::Bare(b"3")));
    }

    #[test]
    fn a_line_cut_anywhere_is_an_error_with_its_column() {
        let line = br#"{"a":{"x":[1,"]"]},"b" : "t\"x","c":null}"#;
        for end in 0..line.len() {
            let error = members(&line[..end]).expect_err("a cut object");
            assert!(error.column <= end, "{error:?} of {end}");
        }
        assert_eq!(members(b"{\"a\":1} x"), Err(Malformed { expected: "nothing after the JSON object", column: 8 }));
        assert_eq!(members(b"{\"a\":1 \"b\":2}").unwrap_err().column, 7);
        assert_eq!(members(b"{\"a\":[}]}").unwrap_err().column, 6);
        assert!(members(format!("{{\"a\":{}", "[".repeat(100)).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn valid_objects_are_read_as_serde_json_reads_them(document in documents(), pretty: bool) {
            let line = if pretty { serde_json::to_vec_pretty(&document) } else { serde_json::to_vec(&document) }.unwrap();
            let mut walker = Walker::new(&line, 0).unwrap();
            walker.at = 0;
            walker.depth = 0;
            walker.pending = true;
            let skipped = members(&line).unwrap();
            prop_assert_eq!(skipped.len(), document.as_object().unwrap().len());
            prop_assert_eq!(rebuild(&mut walker, Value::Object), document);
        }

        #[test]
        fn no_bytes_make_it_panic(line in prop::collection::vec(any::<u8>(), 0..200), structural in "[{}\\[\\]\",:\\\\u0-9a -]{0,200}") {
            for line in [&line[..], structural.as_bytes()] {
                let mut braced = b"{".to_vec();
                braced.extend_from_slice(line);
                for line in [line, &braced] {
                    if let Ok(mut walker) = Walker::new(line, 0) {
                        while let Ok(Some((key, _))) = walker.member() {
                            text(key);
                            walker.enter();
                            while let Ok(Some(_)) = walker.element() {}
                        }
                    }
                }
            }
        }
    }
}
