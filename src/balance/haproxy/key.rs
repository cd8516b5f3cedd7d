//! Which part of a request's key is hashed: HAProxy `doc/configuration.txt`, `balance uri` and `balance url_param`.

/// A part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyPart {
    /// All of it: `hdr(NAME)` and `hash EXPR`, where the key is the value already.
    Whole,
    /// `uri`: the key is a request's URI.
    Uri {
        /// `whole`: with the query.
        whole: bool,
        /// `depth N`: up to the slash after N parts, counting the one at the start.
        depth: Option<u32>,
        /// `len N`: at most so many bytes.
        length: Option<u32>,
    },
    /// `url_param NAME`: the key is a request's URI, the value of one parameter of its query is hashed.
    Parameter(String),
}

impl KeyPart {
    /// The bytes to hash; `None` if the URI does not have the parameter.
    pub(super) fn of<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        match self {
            Self::Whole => Some(key),
            Self::Uri { whole, depth, length } => Some(uri(key, *whole, *depth, *length)),
            Self::Parameter(name) => parameter(key, name.as_bytes()),
        }
    }
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
        String::from_utf8_lossy(KeyPart::Uri { whole, depth, length }.of(key).unwrap()).into_owned()
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
    fn a_parameter_is_found_by_its_whole_name() {
        let of = |uri: &'static str| KeyPart::Parameter("since".to_owned()).of(uri.as_bytes()).map(String::from_utf8_lossy);
        assert_eq!(of("/sync?asince=1&since=s2&since=s3").as_deref(), Some("s2"));
        assert_eq!(of("/sync?since=").as_deref(), Some(""));
        assert_eq!(of("/sync?since"), None);
        assert_eq!(of("/sync&since=1"), None);
    }
}
