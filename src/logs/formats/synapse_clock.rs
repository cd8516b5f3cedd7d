//! The dates that administrators of Synapse choose in place of Python's own (`datefmt`), and those of other programs' formats.
//!
//! Knows only notations of which nobody can doubt what is the day and what the month: `02/01/2026` is none of them.

use crate::{Stamp, StampMeaning, StampReader};

/// The first date with a time of day in a prefix, and the index behind it.
pub(super) fn find(head: &[u8], stamps: &mut StampReader) -> Option<(Stamp, usize)> {
    let starts = (0..head.len()).filter(|at| head[*at].is_ascii_alphanumeric() && (*at == 0 || !head[at - 1].is_ascii_alphanumeric()));
    starts.take(WORDS_MAX).find_map(|at| {
        let (stamp, len) = read(&head[at..], stamps)?;
        Some((stamp, at + len))
    })
}

/// The date at the start of a text, and its length.
fn read(text: &[u8], stamps: &mut StampReader) -> Option<(Stamp, usize)> {
    let notation = NOTATIONS.iter().find(|notation| notation.fits(text))?;
    let mut len = notation.form.len();
    let mut iso = Vec::with_capacity(ISO_MAX);
    let month = match notation.month {
        Month::Number(at) => [text[at], text[at + 1]],
        Month::Name(at) => two_digits(MONTHS.iter().position(|name| text[at..].starts_with(name.as_bytes()))? + 1),
    };
    iso.extend_from_slice(&text[notation.year..notation.year + 4]);
    iso.push(b'-');
    iso.extend_from_slice(&month);
    iso.push(b'-');
    // `Jan  2`
    iso.extend(text[notation.day..notation.day + 2].iter().map(|byte| if *byte == b' ' { b'0' } else { *byte }));
    iso.push(b'T');
    iso.extend_from_slice(&text[notation.time..notation.time + 8]);
    if let (true, [b'.' | b',', rest @ ..]) = (notation.time + 8 == len, &text[len..]) {
        let digits = rest.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 {
            iso.push(b'.');
            iso.extend_from_slice(&rest[..digits]);
            len += 1 + digits;
        }
    }
    if let [b' ', sign @ (b'+' | b'-'), zone @ ..] = &text[len..]
        && let Some(zone) = zone.get(..4).filter(|zone| zone.iter().all(u8::is_ascii_digit))
    {
        iso.push(*sign);
        iso.extend_from_slice(zone);
        len += 6;
    }
    let (micros, resolution_us) = stamps.iso(&iso)?;
    Some((Stamp { micros, resolution_us, meaning: StampMeaning::End, ambiguity: stamps.ambiguity() }, len))
}

/// A notation, and where its parts are. In the form `d` is a digit, `p` a digit or a blank, `a` a letter, and any other byte itself.
struct Notation {
    form: &'static [u8],
    year: usize,
    month: Month,
    day: usize,
    time: usize,
}

enum Month {
    Number(usize),
    Name(usize),
}

impl Notation {
    fn fits(&self, text: &[u8]) -> bool {
        let fits = |(form, byte): (&u8, &u8)| match form {
            b'd' => byte.is_ascii_digit(),
            b'p' => byte.is_ascii_digit() || *byte == b' ',
            b'a' => byte.is_ascii_alphabetic(),
            other => byte == other,
        };
        text.len() >= self.form.len() && self.form.iter().zip(text).all(fits)
    }
}

fn two_digits(number: usize) -> [u8; 2] {
    [number / 10, number % 10].map(|digit| b'0' + u8::try_from(digit).unwrap_or(0))
}

const NOTATIONS: [Notation; 6] = [
    // Apache's and nginx's.
    Notation { form: b"dd/aaa/dddd:dd:dd:dd", year: 7, month: Month::Name(3), day: 0, time: 12 },
    Notation { form: b"dd/aaa/dddd dd:dd:dd", year: 7, month: Month::Name(3), day: 0, time: 12 },
    Notation { form: b"dd-aaa-dddd dd:dd:dd", year: 7, month: Month::Name(3), day: 0, time: 12 },
    Notation { form: b"dddd/dd/dd dd:dd:dd", year: 0, month: Month::Number(5), day: 8, time: 11 },
    Notation { form: b"dd.dd.dddd dd:dd:dd", year: 6, month: Month::Number(3), day: 0, time: 11 },
    // C's `asctime`, Python's `%c`.
    Notation { form: b"aaa aaa pd dd:dd:dd dddd", year: 20, month: Month::Name(4), day: 8, time: 11 },
];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// `2026-01-02T15:04:05.123456789+0000`
const ISO_MAX: usize = 34;
/// Words at which a date may begin.
const WORDS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::testing::stamps;
    use proptest::prelude::*;

    #[test]
    fn one_instant_is_read_from_every_notation() {
        let second = 1_767_366_245_000_000;
        for (text, micros, behind) in [
            ("[02/Jan/2026:15:04:05 +0000] INFO", second, "] INFO"),
            ("[02/Jan/2026:16:04:05 +0100] INFO", second, "] INFO"),
            ("02/Jan/2026:15:04:05 INFO", second, " INFO"),
            ("02/Jan/2026 15:04:05,118 - x", second + 118_000, " - x"),
            ("host 02-Jan-2026 15:04:05.118 x", second + 118_000, " x"),
            ("2026/01/02 15:04:05 x", second, " x"),
            ("(02.01.2026 15:04:05,118) x", second + 118_000, ") x"),
            ("Fri Jan  2 15:04:05 2026 x", second, " x"),
            ("[Fri Jan 02 15:04:05 2026] x", second, "] x"),
        ] {
            let (stamp, end) = find(text.as_bytes(), &mut stamps()).unwrap();
            assert_eq!((stamp.micros, &text[end..]), (micros, behind), "{text}");
        }
    }

    #[test]
    fn what_may_be_two_days_or_none_is_no_date() {
        for text in ["", "02/01/2026 15:04:05", "02/Foo/2026:15:04:05", "99/Jan/2026:15:04:05", "2/Jan/2026:15:04:05", "INFO GET-1"] {
            assert_eq!(find(text.as_bytes(), &mut stamps()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(head in "[0-9 ,.:/+A-Za-z\\[-]{0,60}") {
            if let Some((_, end)) = find(head.as_bytes(), &mut stamps()) {
                prop_assert!(end <= head.len());
            }
        }
    }
}
