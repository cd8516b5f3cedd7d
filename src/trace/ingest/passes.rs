//! Which pass of a doubled hour a stamp without an offset belongs to, when clocks were put back.
//!
//! Lines are written in the order of time, so the order of a log's lines tells: once the stamps go back by about the doubled hour,
//! the second pass has begun. Owns that decision and its state, which the feed hands from block to block and from one rotated file to
//! the next. Invariant: the result depends on the order of lines only, not on threads.

use wsim_logs::blocks::lines;
use wsim_logs::record::{Line, Record, Stamp};
use wsim_logs::{Ambiguity, Parser, StampMeaning, Zone};

/// What the lines so far tell of the time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Passes {
    /// The latest instant at which a line was written, µs since the epoch.
    latest_us: Option<i64>,
}

/// How a stamp was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    Plain,
    First,
    Second,
    /// In an hour that no clock has shown.
    Missing,
}

impl Passes {
    /// Moves a stamp to the second pass if the lines before show that the first is over.
    pub(super) fn resolve(&mut self, record: &mut Record<'_>) -> Pass {
        let wall_us = record.wall_us.unwrap_or(0);
        let Some(stamp) = &mut record.stamp else { return Pass::Plain };
        let mut pass = match stamp.ambiguity {
            Ambiguity::None => Pass::Plain,
            Ambiguity::Doubled { .. } => Pass::First,
            Ambiguity::Missing => Pass::Missing,
        };
        if let (Ambiguity::Doubled { minutes }, Some(latest)) = (stamp.ambiguity, self.latest_us) {
            let earliest = latest.saturating_sub(OUT_OF_ORDER_US);
            let later = Stamp { micros: stamp.micros.saturating_add(i64::from(minutes) * 60_000_000), ..*stamp };
            if written_us(stamp, wall_us) < earliest && written_us(&later, wall_us) >= earliest {
                *stamp = later;
                pass = Pass::Second;
            }
        }
        let written = written_us(stamp, wall_us);
        self.latest_us = Some(self.latest_us.map_or(written, |latest| latest.max(written)));
        pass
    }
}

/// When a line with this stamp was written: a stamp of the start may be of long before.
fn written_us(stamp: &Stamp, wall_us: u64) -> i64 {
    match stamp.meaning {
        StampMeaning::Start => stamp.micros.saturating_add_unsigned(wall_us),
        StampMeaning::End => stamp.micros,
    }
}

/// Follows the time through the blocks of a log, in order.
pub(super) struct PassTracker {
    zone: Zone,
    parser: Box<dyn Parser>,
    passes: Passes,
}

impl PassTracker {
    /// `passes` is the state at the end of the log's earlier file.
    pub(super) fn new(zone: Zone, parser: Box<dyn Parser>, passes: Passes) -> Self {
        Self { zone, parser, passes }
    }

    pub(super) fn passes(&self) -> Passes {
        self.passes
    }

    /// The state before this block; the tracker is then behind it. Only blocks near a change of clocks are read line by line.
    pub(super) fn advance(&mut self, block: &[u8]) -> Passes {
        let before = self.passes;
        let parser = &mut self.parser;
        let mut end_of = |line: &[u8]| {
            let mut ends = Passes::default();
            if let Line::Request(record) = &mut parser.parse(line.strip_suffix(b"\r").unwrap_or(line)) {
                ends.resolve(record);
            }
            ends.latest_us
        };
        let first = lines(block).find_map(&mut end_of);
        let last = block.rsplit(|byte| *byte == b'\n').find_map(&mut end_of);
        let (Some(first), Some(last)) = (first, last) else { return before };
        if self.zone.changes_near(first.min(last), first.max(last), NEAR_US) {
            for line in lines(block) {
                if let Line::Request(record) = &mut self.parser.parse(line) {
                    self.passes.resolve(record);
                }
            }
        } else {
            self.passes.latest_us = self.passes.latest_us.max(Some(first.max(last)));
        }
        before
    }
}

/// Lines of buffered logs and of several processes may be this much out of order.
const OUT_OF_ORDER_US: i64 = 5 * 60 * 1_000_000;

/// A doubled hour and lines out of order are within this time of the change.
const NEAR_US: i64 = 4 * 3600 * 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_logs::StampReader;

    /// The passes of stamps in Berlin on 25 October 2026, written in this order; `wall_s` for stamps of the start.
    fn passes(clocks: &[(&str, u64)]) -> Vec<(Pass, String)> {
        let mut reader = StampReader::new(Zone::parse("Europe/Berlin").unwrap());
        let mut passes = Passes::default();
        clocks
            .iter()
            .map(|(clock, wall_s)| {
                let micros = reader.asctime(format!("2026-10-25 {clock},000").as_bytes()).unwrap();
                let meaning = if *wall_s > 0 { StampMeaning::Start } else { StampMeaning::End };
                let stamp = Some(Stamp { micros, resolution_us: 1000, meaning, ambiguity: reader.ambiguity() });
                let mut record = Record { stamp, wall_us: Some(wall_s * 1_000_000), ..Record::default() };
                let pass = passes.resolve(&mut record);
                let utc = record.stamp.unwrap().micros / 60_000_000 % 1440;
                (pass, format!("{:02}:{:02}", utc / 60, utc % 60))
            })
            .collect()
    }

    fn of(clocks: &[&str]) -> Vec<(Pass, String)> {
        passes(&clocks.iter().map(|clock| (*clock, 0)).collect::<Vec<_>>())
    }

    fn expected(list: &[(Pass, &str)]) -> Vec<(Pass, String)> {
        list.iter().map(|(pass, utc)| (*pass, (*utc).to_owned())).collect()
    }

    #[test]
    fn stamps_that_go_back_by_an_hour_begin_the_second_pass() {
        use Pass::{First, Plain, Second};
        let found = of(&["01:59:00", "02:10:00", "02:58:00", "02:01:00", "02:00:30", "02:20:00", "02:59:59", "03:00:00"]);
        let utc = [(Plain, "23:59"), (First, "00:10"), (First, "00:58"), (Second, "01:01"), (Second, "01:00"), (Second, "01:20")];
        assert_eq!(found, expected(&[&utc[..], &[(Second, "01:59"), (Plain, "02:00")]].concat()));
        // Few lines: going back by more than lines are out of order is enough.
        assert_eq!(of(&["02:10:00", "02:50:00", "02:30:00"]), expected(&[(First, "00:10"), (First, "00:50"), (Second, "01:30")]));
        // Nothing goes back: the first pass is assumed.
        assert_eq!(of(&["02:10:00", "02:08:00", "03:10:00"]), expected(&[(First, "00:10"), (First, "00:08"), (Plain, "02:10")]));
    }

    #[test]
    fn a_long_request_of_the_first_pass_that_ends_in_the_second_stays_in_the_first() {
        use Pass::{First, Second};
        let found = passes(&[("02:59:50", 1), ("02:00:20", 1), ("02:58:00", 150), ("02:00:40", 1)]);
        assert_eq!(found, expected(&[(First, "00:59"), (Second, "01:00"), (First, "00:58"), (Second, "01:00")]));
    }
}
