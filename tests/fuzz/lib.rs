//! The modules that read bytes from outside, compiled alone.
#![allow(missing_docs, dead_code)]

#[path = "../../src/endpoints/mod.rs"]
pub mod endpoints;
#[path = "../../src/logs/mod.rs"]
pub mod logs;

use logs::{Line, Parser, StampReader, Zone};

/// Every line of `data` through a parser: exactly one of three, never a panic, and a fork says the same.
pub fn lines(parser: &mut dyn Parser, data: &[u8]) {
    let mut fork = parser.fork();
    for line in logs::blocks::lines(data) {
        let one = format!("{:?}", parser.parse(line));
        assert_eq!(one, format!("{:?}", fork.parse(line)));
        if let Line::Malformed(why) = parser.parse(line) {
            assert!(why.column <= line.len(), "the column lies in the line");
        }
    }
}

/// A reader of stamps in UTC.
pub fn stamps() -> StampReader {
    StampReader::new(Zone::utc())
}
