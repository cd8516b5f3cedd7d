//! The time that a log covers: spans in order with gaps between them, and a clock that runs in the spans only.
//!
//! Owns the map from instants to that clock. Knows nothing of requests, nor what makes a silence a gap. Invariants: spans are not empty, in
//! order and disjoint; the clock never goes back; two instants of one span are as far apart on the clock as they are in reality, and what
//! is left out of a gap is a whole number of seconds, so that parts of seconds stay as they were.

/// Spans of time, in µs since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObservedTime {
    spans: Vec<Span>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    /// Inclusive.
    start_us: i64,
    /// Exclusive.
    end_us: i64,
    /// Time left out of all gaps before this span.
    skipped_us: i64,
}

impl ObservedTime {
    /// Time without a gap; empty if the end is not after the start.
    pub fn single(start_us: i64, end_us: i64) -> Self {
        [(start_us, end_us)].into_iter().collect()
    }

    /// The spans, each from its start up to but not including its end.
    pub fn spans(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.spans.iter().map(|span| (span.start_us, span.end_us))
    }

    /// What lies between the spans.
    pub fn gaps(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.spans.windows(2).map(|pair| (pair[0].end_us, pair[1].start_us))
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// First and last instant; `None` if there is no time.
    pub fn ends(&self) -> Option<(i64, i64)> {
        Some((self.spans.first()?.start_us, self.spans.last()?.end_us))
    }

    /// Length of the spans, seconds.
    pub fn seconds(&self) -> f64 {
        self.micros() as f64 / 1e6
    }

    /// Length of the spans, µs.
    fn micros(&self) -> i64 {
        self.spans().fold(0, |sum, (start, end)| sum.saturating_add(end - start))
    }

    pub fn contains(&self, at_us: i64) -> bool {
        self.at_or_before(at_us).is_some_and(|span| at_us < span.end_us)
    }

    /// Whether a part of `start_us..end_us` is in a span.
    pub fn overlaps(&self, start_us: i64, end_us: i64) -> bool {
        self.contains(start_us) || self.at_or_before(end_us.saturating_sub(1)).is_some_and(|span| span.end_us > start_us)
    }

    /// The part of this time in `start_us..end_us`.
    #[must_use]
    pub fn within(&self, start_us: i64, end_us: i64) -> Self {
        self.spans().map(|(start, end)| (start.max(start_us), end.min(end_us))).collect()
    }

    /// This time with the first span beginning earlier.
    #[must_use]
    pub fn extended_before(&self, length_us: i64) -> Self {
        let mut extended = self.clone();
        if let Some(first) = extended.spans.first_mut() {
            first.start_us = first.start_us.saturating_sub(length_us);
        }
        extended
    }

    /// The instant at which half of the time is over.
    pub fn middle_us(&self) -> i64 {
        let mut left = self.micros() / 2;
        for (start, end) in self.spans() {
            if left < end - start {
                return start + left;
            }
            left -= end - start;
        }
        self.ends().map_or(0, |(_, end)| end)
    }

    /// The clock at an instant, µs since the first span began: of each gap only a short pause counts. Instants in a gap are never later on
    /// the clock than the span after it.
    pub fn offset_us(&self, at_us: i64) -> u64 {
        let Some(first) = self.spans.first() else { return 0 };
        let number = self.spans.partition_point(|span| span.start_us <= at_us);
        let span = number.checked_sub(1).map_or(first, |number| &self.spans[number]);
        let offset = |at: i64, span: &Span| at.saturating_sub(first.start_us).saturating_sub(span.skipped_us);
        let next = self.spans.get(number).map_or(i64::MAX, |next| offset(next.start_us, next));
        u64::try_from(offset(at_us, span).min(next)).unwrap_or(0)
    }

    /// The clock at the end of the last span.
    pub fn length_us(&self) -> u64 {
        self.ends().map_or(0, |(_, end)| self.offset_us(end))
    }

    /// Where the clock skips time: its reading at the beginning of each span but the first, and the time left out before it in all, µs.
    pub fn skips(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let skip = |span: &Span| (self.offset_us(span.start_us), span.skipped_us.unsigned_abs());
        self.spans.iter().skip(1).map(skip)
    }

    fn at_or_before(&self, at_us: i64) -> Option<&Span> {
        self.spans[..self.spans.partition_point(|span| span.start_us <= at_us)].last()
    }
}

impl FromIterator<(i64, i64)> for ObservedTime {
    /// From spans in order; empty ones are left out.
    fn from_iter<I: IntoIterator<Item = (i64, i64)>>(spans: I) -> Self {
        let mut time = Self::default();
        for (start_us, end_us) in spans.into_iter().filter(|(start, end)| start < end) {
            let skipped_us = time.spans.last().map_or(0, |last| {
                debug_assert!(last.end_us <= start_us, "spans are in order");
                let gap_us = start_us.saturating_sub(last.end_us);
                last.skipped_us + (gap_us - PAUSE_US).max(0) / SECOND_US * SECOND_US
            });
            time.spans.push(Span { start_us, end_us, skipped_us });
        }
        time
    }
}

/// What the clock keeps of a gap: time for requests under way to end.
pub const PAUSE_US: i64 = 10 * SECOND_US;
const SECOND_US: i64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const YEAR_US: i64 = 365 * 86_400 * SECOND_US;

    #[test]
    fn a_gap_of_any_length_is_a_pause_on_the_clock() {
        for gap in [3600 * SECOND_US, 10 * 86_400 * SECOND_US, 30 * YEAR_US + 123_456] {
            let time: ObservedTime = [(1_000, 61_000_000), (61_000_000 + gap, 61_000_000 + gap + 60 * SECOND_US)].into_iter().collect();
            let second_us = time.offset_us(61_000_000 + gap);
            assert!((70_999_000..71_999_000).contains(&second_us), "{second_us}");
            assert_eq!((gap - 10 * SECOND_US) / SECOND_US, time.skips().next().unwrap().1.cast_signed() / SECOND_US);
            assert_eq!(time.length_us(), second_us + 60_000_000);
            assert!((time.seconds() - 120.999).abs() < 1e-9);
            assert_eq!(time.offset_us(61_000_000 + gap / 2), second_us, "in the gap");
            assert!(!time.contains(61_000_000 + gap / 2) && time.contains(1_000) && !time.contains(999));
        }
    }

    #[test]
    fn the_middle_has_half_of_the_time_on_each_side() {
        let time: ObservedTime = [(0, 100), (1_000_000, 1_000_300)].into_iter().collect();
        assert_eq!(time.middle_us(), 1_000_100);
        assert_eq!(time.within(0, time.middle_us()).seconds(), time.within(time.middle_us(), i64::MAX).seconds());
        assert_eq!(time.within(50, 1_000_001).spans().collect::<Vec<_>>(), [(50, 100), (1_000_000, 1_000_001)]);
        assert!(
            time.within(200, 300).is_empty() && time.overlaps(90, 200) && time.overlaps(99, 2_000_000) && !time.overlaps(100, 1_000_000)
        );
    }

    proptest! {
        #[test]
        fn the_clock_never_goes_back_and_is_exact_within_a_span(
            lengths in prop::collection::vec((1i64..1_000_000_000, 0i64..1_000_000_000_000), 1..8),
            mut at in prop::collection::vec(-10i64..9_000_000_000_000, 2..40),
        ) {
            let mut start = 0;
            let spans: Vec<(i64, i64)> = lengths.iter().map(|(length, gap)| {
                let span = (start, start + length);
                start += length + gap;
                span
            }).collect();
            let time: ObservedTime = spans.iter().copied().collect();
            at.sort_unstable();
            for pair in at.windows(2) {
                prop_assert!(time.offset_us(pair[0]) <= time.offset_us(pair[1]));
            }
            for (start, end) in spans {
                prop_assert_eq!(time.offset_us(end - 1) - time.offset_us(start), (end - 1 - start).unsigned_abs());
                prop_assert_eq!((time.offset_us(start).cast_signed() - start) % SECOND_US, 0);
            }
        }
    }
}
