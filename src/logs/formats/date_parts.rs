//! Dates in any notation that a `strftime` pattern describes (Apache and lighttpd `%{…}t`, Envoy `%START_TIME(…)%`).
//!
//! A pattern becomes one field for each number or name in it, with the pattern's other text between them, so that dates may contain
//! blanks. The fields of a line are put together once all of them are known.

use super::pattern::Piece;
use super::variable::{Clock, Unit, Variable};
use crate::time::{decimal, fraction_us, month_number, zone_offset};
use crate::{Ambiguity, Stamp, StampMeaning, StampReader};

/// One number or name of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatePart {
    Year,
    /// `26`: of this century.
    ShortYear,
    Month,
    /// `Jan` or `January`.
    MonthName,
    /// May begin with a blank.
    Day,
    /// May begin with a blank.
    Hour,
    /// 1 to 12, may begin with a blank.
    Hour12,
    /// `AM` or `PM`.
    HalfDay,
    Minute,
    Second,
    /// The digits behind the second: three, six or nine.
    Fraction(u8),
    /// `+0000`, `+00:00` or `Z`.
    Offset,
    /// `UTC`; a name that says nothing exact, such as `CET`, leaves the date in the reader's zone.
    ZoneName,
}

impl DatePart {
    /// The number of bytes, where that is always the same.
    pub(super) fn width(self) -> Option<u8> {
        match self {
            Self::Year => Some(4),
            Self::ShortYear | Self::Month | Self::Day | Self::Hour | Self::Hour12 | Self::HalfDay | Self::Minute | Self::Second => Some(2),
            Self::Fraction(digits) => Some(digits),
            Self::MonthName | Self::Offset | Self::ZoneName => None,
        }
    }
}

/// Translates a `strftime` pattern. `at` is its place in the expression for errors.
///
/// # Errors
/// The name of a conversion that cannot be read.
pub(super) fn pieces(pattern: &str, meaning: StampMeaning, at: usize) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = Vec::new();
    let expanded = expand(pattern);
    let mut rest = expanded.as_str();
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        let after_clock = matches!(pieces.last(), Some(Piece::Field(Variable::Date(DatePart::Second | DatePart::Fraction(_), _), _)));
        if character == 'Z' && after_clock && literal.is_empty() {
            pieces.push(Piece::Field(Variable::Date(DatePart::Offset, meaning), at));
            continue;
        }
        if character != '%' {
            literal.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letter = rest[digits..].chars().next().ok_or("a `%` at the end")?;
        let conversion = &rest[..digits + letter.len_utf8()];
        rest = &rest[conversion.len()..];
        if letter == '%' {
            literal.push(b'%');
            continue;
        }
        let variable = variable(letter, conversion[..digits].parse().ok(), meaning).ok_or_else(|| format!("`%{conversion}` in a date"))?;
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Field(variable, at));
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// Conversions that stand for several others.
fn expand(pattern: &str) -> String {
    let mut pattern = pattern.replace("%c", "%a %b %e %H:%M:%S %Y").replace("%r", "%I:%M:%S %p");
    for (short, long) in [
        ("%T", "%H:%M:%S"),
        ("%X", "%H:%M:%S"),
        ("%F", "%Y-%m-%d"),
        ("%D", "%m/%d/%y"),
        ("%x", "%m/%d/%y"),
        ("%R", "%H:%M"),
        ("%n", "\n"),
        ("%t", "\t"),
    ] {
        pattern = pattern.replace(short, long);
    }
    // Alternative digits and padding do not change what a number means.
    ["%E", "%O", "%-", "%_"].iter().fold(pattern, |pattern, modifier| pattern.replace(modifier, "%"))
}

fn variable(letter: char, digits: Option<u8>, meaning: StampMeaning) -> Option<Variable> {
    let part = match letter {
        'Y' => DatePart::Year,
        'y' => DatePart::ShortYear,
        'm' => DatePart::Month,
        'b' | 'B' | 'h' => DatePart::MonthName,
        'd' | 'e' => DatePart::Day,
        'H' | 'k' => DatePart::Hour,
        'I' | 'l' => DatePart::Hour12,
        'p' | 'P' => DatePart::HalfDay,
        'M' => DatePart::Minute,
        'S' => DatePart::Second,
        'f' | 'N' => DatePart::Fraction(digits.filter(|digits| (1..=9).contains(digits)).unwrap_or(9)),
        'L' => DatePart::Fraction(3),
        'z' => DatePart::Offset,
        'Z' => DatePart::ZoneName,
        's' => return Some(Variable::Time(Clock::Epoch(Unit::Seconds), meaning)),
        'a' | 'A' => return Some(Variable::IgnoredWord),
        _ => return None,
    };
    Some(Variable::Date(part, meaning))
}

/// Checks that the parts of a format's dates, which may be in several places, are a whole date and time of day.
///
/// # Errors
/// What is missing.
pub(super) fn check(pieces: &[Piece]) -> Result<(), String> {
    let has =
        |wanted: &[DatePart]| pieces.iter().any(|piece| matches!(piece, Piece::Field(Variable::Date(part, _), _) if wanted.contains(part)));
    let complete = pieces.iter().any(|piece| matches!(piece, Piece::Field(Variable::Time(..), _)));
    let dated = pieces.iter().any(|piece| matches!(piece, Piece::Field(Variable::Date(..), _)));
    let hour = has(&[DatePart::Hour]) || (has(&[DatePart::Hour12]) && has(&[DatePart::HalfDay]));
    let missing = [
        (has(&[DatePart::Year, DatePart::ShortYear]), "year"),
        (has(&[DatePart::Month, DatePart::MonthName]), "month"),
        (has(&[DatePart::Day]), "day"),
        (hour, "hour"),
        (has(&[DatePart::Minute]), "minute"),
    ];
    match missing.iter().find(|(present, _)| !present) {
        Some((_, name)) if dated && !complete => Err(format!("a date without {name}")),
        _ => Ok(()),
    }
}

/// The numbers of one date.
#[derive(Debug, Default)]
pub(super) struct DateParts {
    date: [i64; 3],
    clock: [i64; 3],
    afternoon: Option<bool>,
    micros: i64,
    resolution_us: Option<u32>,
    offset: Option<i64>,
    meaning: Option<StampMeaning>,
}

impl DateParts {
    /// Adds a number or name; `None` if the text cannot be one.
    pub(super) fn set(&mut self, part: DatePart, text: &[u8], meaning: StampMeaning) -> Option<()> {
        let number = || decimal(text.trim_ascii_start());
        self.meaning = Some(meaning);
        match part {
            DatePart::Year => self.date[0] = number()?,
            DatePart::ShortYear => self.date[0] = 2000 + number()?,
            DatePart::Month => self.date[1] = number()?,
            DatePart::MonthName => self.date[1] = month_number(text.get(..3)?)?,
            DatePart::Day => self.date[2] = number()?,
            DatePart::Hour | DatePart::Hour12 => self.clock[0] = number()?,
            DatePart::HalfDay => self.afternoon = Some(text.eq_ignore_ascii_case(b"PM")),
            DatePart::Minute => self.clock[1] = number()?,
            DatePart::Second => self.clock[2] = number()?,
            DatePart::Fraction(digits) => {
                let mut dotted = [b'.'; 10];
                let dotted = dotted.get_mut(..=text.len())?;
                dotted[1..].copy_from_slice(text);
                self.micros = fraction_us(dotted, b".")?;
                self.resolution_us = Some(10u32.pow(6 - u32::from(digits.min(6))));
            }
            DatePart::Offset => self.offset = Some(if text == b"Z" { 0 } else { zone_offset(text)? }),
            DatePart::ZoneName => self.offset = matches!(text, b"UTC" | b"GMT" | b"Z").then_some(0).or(self.offset),
        }
        Some(())
    }

    /// The stamp; `None` if there is no such date.
    pub(super) fn stamp(&self, stamps: &mut StampReader) -> Option<Stamp> {
        let mut clock = self.clock;
        if let Some(afternoon) = self.afternoon {
            clock[0] = clock[0] % 12 + if afternoon { 12 } else { 0 };
        }
        let micros = stamps.civil(self.date, clock, self.offset)?;
        let ambiguity = if self.offset.is_some() { Ambiguity::None } else { stamps.ambiguity() };
        let resolution_us = self.resolution_us.unwrap_or(1_000_000);
        Some(Stamp { micros: micros + self.micros, resolution_us, meaning: self.meaning?, ambiguity })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escape::Escape;
    use crate::formats::pattern::{Pattern, TextParser};
    use crate::formats::testing::{malformed, request, stamps};

    const AT: i64 = 1_767_366_245_000_000; // 2026-01-02T15:04:05Z

    fn read(pattern: &str, date: &str) -> Option<i64> {
        let mut all = vec![Piece::Field(Variable::RequestLine, 0), Piece::Literal(b" | ".to_vec())];
        all.extend(pieces(pattern, StampMeaning::End, 0).unwrap());
        all.push(Piece::Literal(b" |".to_vec()));
        let mut parser = TextParser::new("x", Pattern::compile(&all, Escape::Apache).unwrap(), stamps());
        let line = format!("GET / HTTP/1.1 | {date} |");
        request(&mut parser, &line).stamp.map(|stamp| stamp.micros)
    }

    #[test]
    fn dates_in_every_notation_are_one_instant() {
        for (pattern, date, micros) in [
            ("%d/%b/%Y:%H:%M:%S %z", "02/Jan/2026:15:04:05 +0000", AT),
            ("%d/%b/%Y %T", "02/Jan/2026 15:04:05", AT),
            ("%Y-%m-%d %H:%M:%S %z", "2026-01-02 16:04:05 +0100", AT),
            ("%F %T.%3f", "2026-01-02 15:04:05.123", AT + 123_000),
            ("%Y%m%d%H%M%S", "20260102150405", AT),
            ("%a, %d %B %Y %I:%M:%S %p %Z", "Fri, 02 January 2026 03:04:05 PM GMT", AT),
            ("%c", "Fri Jan  2 15:04:05 2026", AT),
            ("%Y-%m-%dT%H:%M:%S.%6fZ", "2026-01-02T15:04:05.123456Z", AT + 123_456),
            ("%d.%m.%y %R", "02.01.26 15:04", AT - 5_000_000),
            ("%s", "1767366245", AT),
            ("[%e/%b/%Y]100%%", "[ 2/Jan/2026]100%", 0),
        ] {
            if micros == 0 {
                assert_eq!(check(&pieces(pattern, StampMeaning::End, 0).unwrap()), Err("a date without hour".to_owned()));
            } else {
                assert_eq!(read(pattern, date), Some(micros), "{pattern}");
            }
        }
    }

    #[test]
    fn what_is_no_date_is_malformed() {
        let mut all = pieces("%Y-%m-%d %H:%M", StampMeaning::End, 0).unwrap();
        all.extend([Piece::Literal(b" ".to_vec()), Piece::Field(Variable::RequestLine, 0)]);
        let mut parser = TextParser::new("x", Pattern::compile(&all, Escape::Apache).unwrap(), stamps());
        for line in ["2026-13-02 15:04 GET / HTTP/1.1", "2026-01-0x 15:04 GET / HTTP/1.1", "2026-01-02 15:0", "26"] {
            assert!(malformed(&mut parser, line).column <= line.len());
        }
    }

    #[test]
    fn an_unknown_conversion_is_named() {
        assert_eq!(pieces("%Q", StampMeaning::End, 0), Err("`%Q` in a date".to_owned()));
        assert_eq!(pieces("%Y %", StampMeaning::End, 0), Err("a `%` at the end".to_owned()));
    }
}
