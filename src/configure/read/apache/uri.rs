//! What Apache makes of a path: decoded for its rules, and encoded again where it is passed on.
//!
//! Sources: `server/util.c` (`ap_normalize_path`, `ap_unescape_url`), `modules/proxy/proxy_util.c` (`ap_proxy_canonenc_ex`).

use std::fmt::Write as _;

use wsim_http::percent;

/// `AllowEncodedSlashes`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slashes {
    /// A path with `%2F` gets 404.
    Refused,
    Decoded,
    /// `%2F` stays as it is.
    Kept,
}

/// The decoded path, by which rules match. `Err` is the status with which Apache refuses the path.
pub(super) fn decoded(path: &str, slashes: Slashes, merges: bool) -> Result<String, u16> {
    let lower = path.to_ascii_lowercase();
    if lower.contains("%00") {
        return Err(404);
    }
    let has_slash = lower.contains("%2f");
    let text = match slashes {
        Slashes::Refused if has_slash => return Err(404),
        // Percent signs before the letters of a slash are hidden from decoding, and shown again.
        Slashes::Kept if has_slash => {
            let parts: Vec<String> = split_slashes(path).into_iter().map(|part| percent::decode_text(part).into_owned()).collect();
            parts.join("%2F")
        }
        _ => percent::decode_text(path).into_owned(),
    };
    Ok(normalised(&text, merges))
}

/// The parts of a path between its encoded slashes.
fn split_slashes(path: &str) -> Vec<&str> {
    let lower = path.to_ascii_lowercase();
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in lower.match_indices("%2f") {
        parts.extend(path.get(start..at));
        start = at + 3;
    }
    parts.extend(path.get(start..));
    parts
}

/// A path without `.` and `..`, and with one slash where it has several.
fn normalised(path: &str, merges: bool) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let ends_in_folder = path.ends_with("/.") || path.ends_with("/..");
    for segment in path.trim_start_matches('/').split('/') {
        match segment {
            "." => {}
            ".." => {
                segments.pop();
            }
            "" if merges => {}
            segment => segments.push(segment),
        }
    }
    let joined = segments.join("/");
    let ends = (path.ends_with('/') || ends_in_folder) && !joined.is_empty() && !joined.ends_with('/');
    format!("/{joined}{}", if ends { "/" } else { "" })
}

/// A decoded path as mod_proxy encodes it.
pub(super) fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"~$-_.+!*'(),;:@&=/%".contains(&byte);
        if is_plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Whether a path has characters that some clients send encoded: mod_proxy then passes on another spelling.
pub(super) fn has_spellings(path: &str) -> bool {
    path.bytes().any(|byte| !(byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_as_apache_decodes_them() {
        let refused = |path: &str| decoded(path, Slashes::Refused, true);
        assert_eq!(refused("/a%20b//c/./d/../e"), Ok("/a b/c/e".to_owned()));
        assert_eq!([refused("/a%2Fb"), refused("/a%00")], [Err(404), Err(404)]);
        assert_eq!(decoded("/%41%2fb", Slashes::Kept, true), Ok("/A%2Fb".to_owned()));
        assert_eq!(decoded("/%41%2fb", Slashes::Decoded, true), Ok("/A/b".to_owned()));
        assert_eq!(
            [refused("/"), refused("/a/"), refused("/a/.."), refused("/..")],
            ["/", "/a/", "/", "/"].map(|path| Ok(path.to_owned()))
        );
    }

    #[test]
    fn identifiers_are_encoded_in_another_way_than_clients_do() {
        assert_eq!(encoded("/!r:example.org/#a b"), "/!r:example.org/%23a%20b");
        assert!(has_spellings("/!r") && has_spellings("/%21r") && !has_spellings("/_matrix/client/v3/sync"));
    }
}
