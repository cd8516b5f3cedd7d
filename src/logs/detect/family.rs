//! Tells nginx's combined from Apache's, which differ only in escapes and in the meaning of the stamp.

use memchr::{memchr_iter, memmem};

use crate::formats::inferred::Family;

/// How many lines have text that only one of the two servers writes.
#[derive(Debug, Default)]
pub(super) struct Escapes {
    nginx: usize,
    apache: usize,
}

impl Escapes {
    pub(super) fn of<'l>(lines: impl Iterator<Item = &'l [u8]>) -> Self {
        let mut escapes = Self::default();
        lines.for_each(|line| escapes.count_line(line));
        escapes
    }

    fn count_line(&mut self, line: &[u8]) {
        let (mut nginx, mut apache) = (memmem::find(line, b"\" 499 ").is_some(), contains_missing_count(line));
        for at in memchr_iter(b'\\', line) {
            match line[at + 1..] {
                [b'x', b'2', b'2', ..] | [b'x', b'5', b'C', ..] => nginx = true,
                [b'x', high, low, ..] => {
                    nginx |= high.is_ascii_uppercase() || low.is_ascii_uppercase();
                    apache |= high.is_ascii_lowercase() || low.is_ascii_lowercase();
                }
                [b'"' | b'\\' | b't' | b'n' | b'r', ..] => apache = true,
                _ => {}
            }
        }
        self.nginx += usize::from(nginx);
        self.apache += usize::from(apache);
    }

    pub(super) fn family(&self) -> Option<Family> {
        match self.nginx.cmp(&self.apache) {
            std::cmp::Ordering::Greater => Some(Family::Nginx),
            std::cmp::Ordering::Less => Some(Family::Apache),
            std::cmp::Ordering::Equal => None,
        }
    }
}

/// `" 304 - "`: Apache's `%b` has no zero.
fn contains_missing_count(line: &[u8]) -> bool {
    memmem::find_iter(line, b"\" ").any(|at| {
        let rest = &line[at + 2..];
        rest.len() >= 5 && rest[..3].iter().all(u8::is_ascii_digit) && rest[3..5] == *b" -"
    })
}

/// What is assumed of the stamps, and how to correct it.
pub(super) fn stamp_note(family: Family, escapes: &Escapes) -> String {
    let (server, point, lines, otherwise) = match family {
        Family::Nginx => ("nginx", "end", escapes.nginx, "--stamp start, --format apache-combined or --format traefik"),
        Family::Apache => ("Apache", "start", escapes.apache, "--stamp end or --format nginx-combined"),
    };
    let evidence = match (escapes.family(), lines) {
        (Some(other), _) if other != family => "by the names of its fields".to_owned(),
        (None, _) => "an assumption: nginx, which logs the end, and Apache, which logs the start, write the same format".to_owned(),
        (_, 1) => format!("one sampled line has text that only {server} writes"),
        (_, lines) => format!("{lines} sampled lines have text that only {server} writes"),
    };
    format!("time stamps mark the {point} of a request, as in {server} ({evidence}); if not: {otherwise}")
}
