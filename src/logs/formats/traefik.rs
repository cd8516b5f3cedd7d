//! Traefik's `common` access log, which is combined with further fields, and `genericCLF`, which is plain combined.
//!
//! ```text
//! host - user [start] "method path proto" status size "referer" "agent" count "router" "service URL" Nms
//! ```
//!
//! The stamp is the start in UTC. Path and user name are not escaped: a request line that contains a quote ends where the rest of the
//! line fits.
//!
//! Source: Traefik v3 documentation, "Access logs"; `pkg/middlewares/accesslog/logger_formatters.go`.

use super::pattern::{Pattern, Piece, TextParser};
use super::variable::{Clock, Unit, Variable};
use crate::escape::Escape;
use crate::{StampMeaning, StampReader};

/// The parser of Traefik's `common` format.
pub fn common(stamps: StampReader) -> TextParser {
    let tail = [
        ("\" ", Variable::IgnoredWord),
        (" \"", Variable::Ignored),
        ("\" \"", Variable::UpstreamAddress),
        ("\" ", Variable::Wall(Unit::Millis)),
    ];
    parser("traefik", &tail, "ms", stamps)
}

/// The parser of Traefik's `genericCLF` format.
pub fn generic(stamps: StampReader) -> TextParser {
    parser("traefik generic", &[], "\"", stamps)
}

fn parser(name: &str, tail: &[(&str, Variable)], last: &str, stamps: StampReader) -> TextParser {
    let head = [
        ("", Variable::Address),
        (" - ", Variable::User),
        (" [", Variable::Time(Clock::Common, StampMeaning::Start)),
        ("] \"", Variable::RequestLine),
        ("\" ", Variable::Status),
        (" ", Variable::BytesSent),
        (" \"", Variable::Referrer),
        ("\" \"", Variable::Agent),
    ];
    let mut pieces: Vec<Piece> = Vec::new();
    for (text, field) in head.iter().chain(tail) {
        pieces.extend([Piece::Literal(text.as_bytes().to_vec()), Piece::Field(*field, 0)]);
    }
    pieces.push(Piece::Literal(last.as_bytes().to_vec()));
    #[expect(clippy::expect_used, reason = "a constant, compiled by a test")]
    let pattern = Pattern::compile(&pieces, Escape::Traefik).expect("the fields of a predefined format do not touch");
    TextParser::new(name, pattern, stamps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::testing::{malformed, request, stamps, text};

    const SYNC: &str = r#"203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "GET /_matrix/client/v3/sync?since=s1_2 HTTP/2.0" 200 412 "-" "-" 48213 "matrix@docker" "http://172.18.0.5:8083" 30001ms"#;

    #[test]
    fn a_common_line_starts_at_its_stamp_and_lasts_milliseconds() {
        let mut parser = common(stamps());
        let record = request(&mut parser, SYNC);
        assert_eq!((record.arrival_us(), record.wall_us), (Some(1_767_366_245_000_000), Some(30_001_000)));
        assert_eq!(text(&record.upstream.unwrap()), "172.18.0.5:8083");
        assert_eq!((record.agent, record.upstream_tries), (None, 1));
    }

    #[test]
    fn a_missing_service_is_no_upstream_and_499_is_an_abort() {
        let mut parser = common(stamps());
        let record =
            request(&mut parser, r#"203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "GET / HTTP/2.0" 499 0 "-" "a \"b\"" 1 "-" "-" 0ms"#);
        assert_eq!((record.upstream, record.aborted), (None, true));
        assert_eq!(text(&record.agent.unwrap()), "a \"b\"");
    }

    #[test]
    fn a_raw_quote_in_the_path_does_not_end_the_request_line() {
        let mut parser = common(stamps());
        for path in [r#"/a"b"#, r#"/a" b"#, r#"/a" 200 b"#, r#"/a"#] {
            let line = SYNC.replace("/_matrix/client/v3/sync?since=s1_2", path);
            let record = request(&mut parser, &line);
            assert_eq!((text(&record.target), record.status), (path.to_owned(), 200));
        }
    }

    #[test]
    fn a_line_without_one_of_its_quotes_is_malformed() {
        let mut parser = common(stamps());
        for (at, _) in SYNC.match_indices('"') {
            let mut broken = SYNC.to_owned();
            broken.remove(at);
            malformed(&mut parser, &broken);
        }
    }

    #[test]
    fn a_line_truncated_anywhere_is_malformed() {
        let mut parser = common(stamps());
        for cut in 1..SYNC.len() {
            malformed(&mut parser, &SYNC[..cut]);
        }
    }

    #[test]
    fn the_generic_form_is_combined_with_a_start() {
        let mut parser = generic(stamps());
        let record = request(&mut parser, r#"203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "GET / HTTP/2.0" 200 412 "-" "-""#);
        assert_eq!(record.stamp.unwrap().meaning, StampMeaning::Start);
    }
}
