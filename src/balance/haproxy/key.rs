//! The part of a request's key that is hashed: HAProxy `src/backend.c`, and
//! `doc/configuration.txt`, `balance uri`, `balance url_param` and `balance hdr`.

/// A part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyPart {
    /// The whole key: `hash EXPR`, where the key is the expression's value.
    Whole,
    /// `hdr(NAME)`: the key is a header; of a list with commas HAProxy hashes the first value.
    FirstValue,
    /// `uri`: the key is a request's URI.
    Uri {
        /// `whole`: the query is part of the key.
        whole: bool,
        /// `depth N`: up to the slash after the first N segments of the path.
        depth: Option<u32>,
        /// `len N`: the first N bytes at most.
        length: Option<u32>,
    },
    /// `url_param NAME`: the key is a request's URI, of which the value of one query parameter is hashed.
    Parameter(String),
}

impl KeyPart {
    /// The bytes to hash; `None` if the URI does not have the parameter, or the header's first value is empty.
    pub(super) fn extract<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        match self {
            Self::Whole => Some(key),
            Self::FirstValue => Some(first_value(key)).filter(|value| !value.is_empty()),
            Self::Uri { whole, depth, length } => Some(uri(key, *whole, *depth, *length)),
            Self::Parameter(name) => parameter(key, name.as_bytes()),
        }
    }
}

/// The text before the first comma outside quotes, without surrounding blanks.
fn first_value(header: &[u8]) -> &[u8] {
    let mut is_quoted = false;
    let mut is_escaped = false;
    let end = header.iter().position(|byte| {
        let was_escaped = std::mem::replace(&mut is_escaped, false);
        match byte {
            b'\\' if is_quoted && !was_escaped => is_escaped = true,
            b'"' if !was_escaped => is_quoted = !is_quoted,
            b',' => return !is_quoted,
            _ => {}
        }
        false
    });
    header[..end.unwrap_or(header.len())].trim_ascii()
}

fn uri(uri: &[u8], whole: bool, depth: Option<u32>, length: Option<u32>) -> &[u8] {
    let cut = length.map_or(uri.len(), |length| uri.len().min(length as usize));
    let uri = &uri[..cut];
    let mut slashes = 0;
    let end = uri.iter().position(|byte| match byte {
        b'/' => {
            slashes += 1;
            depth.is_some_and(|depth| slashes == depth + 1)
        }
        b'?' => !whole,
        _ => false,
    });
    &uri[..end.unwrap_or(uri.len())]
}

fn parameter<'k>(uri: &'k [u8], name: &[u8]) -> Option<&'k [u8]> {
    let query = &uri[memchr::memchr(b'?', uri)? + 1..];
    let value = |pair: &'k [u8]| pair.strip_prefix(name)?.strip_prefix(b"=");
    query.split(|byte| *byte == b'&').find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(whole: bool, depth: Option<u32>, length: Option<u32>) -> String {
        let key = b"/_matrix/client/v3/rooms/!a:b/send?x=/1";
        String::from_utf8_lossy(KeyPart::Uri { whole, depth, length }.extract(key).unwrap()).into_owned()
    }

    #[test]
    fn a_uri_is_cut_at_its_query_depth_and_length() {
        assert_eq!(cut(false, None, None), "/_matrix/client/v3/rooms/!a:b/send");
        assert_eq!(cut(true, None, None), "/_matrix/client/v3/rooms/!a:b/send?x=/1");
        assert_eq!(cut(false, Some(1), None), "/_matrix");
        assert_eq!(cut(false, Some(5), None), "/_matrix/client/v3/rooms/!a:b");
        assert_eq!(cut(true, Some(6), None), "/_matrix/client/v3/rooms/!a:b/send?x=");
        assert_eq!(cut(false, None, Some(12)), "/_matrix/cli");
        assert_eq!(cut(false, Some(1), Some(5)), "/_mat");
        assert_eq!(cut(false, None, Some(0)), "");
    }

    #[test]
    fn the_first_value_of_a_list_is_hashed() {
        let of = |header: &'static str| KeyPart::FirstValue.extract(header.as_bytes()).map(String::from_utf8_lossy);
        assert_eq!(of("10.0.0.1 , 10.0.0.2").as_deref(), Some("10.0.0.1"));
        assert_eq!(of("\"a,b\\\",c\" x,d").as_deref(), Some("\"a,b\\\",c\" x"));
        assert_eq!(of("one").as_deref(), Some("one"));
        assert_eq!(of(" ,two"), None);
    }

    #[test]
    fn a_parameter_is_found_by_its_whole_name() {
        let of = |uri: &'static str| KeyPart::Parameter("since".to_owned()).extract(uri.as_bytes()).map(String::from_utf8_lossy);
        assert_eq!(of("/sync?asince=1&since=s2&since=s3").as_deref(), Some("s2"));
        assert_eq!(of("/sync?since=").as_deref(), Some(""));
        assert_eq!(of("/sync?since"), None);
        assert_eq!(of("/sync&since=1"), None);
    }
}
