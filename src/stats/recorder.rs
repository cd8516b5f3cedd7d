//! Batched recording into a histogram, for callers that record all the time.

use super::DurationHistogram;

/// Records durations in µs into a histogram, in batches: a bucket is rarely in the processor's cache, and the buckets of a batch are
/// fetched in parallel rather than one after another.
#[derive(Debug, Clone, Default)]
pub struct DurationRecorder {
    histogram: DurationHistogram,
    waiting: Vec<u32>,
}

impl DurationRecorder {
    /// Adds one duration.
    #[inline]
    pub fn record(&mut self, us: u32) {
        self.waiting.push(us);
        if self.waiting.len() >= BATCH {
            self.write();
        }
    }

    /// Adds one duration of any length.
    #[inline]
    pub fn record_long(&mut self, us: u64) {
        match u32::try_from(us) {
            Ok(us) => self.record(us),
            Err(_) => self.histogram.record_long(us),
        }
    }

    /// The histogram of all durations.
    pub fn finish(mut self) -> DurationHistogram {
        self.write();
        self.histogram
    }

    fn write(&mut self) {
        self.waiting.drain(..).for_each(|us| self.histogram.record(us));
    }
}

/// 1 kB: many recorders fit into the first cache.
const BATCH: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_the_batch_are_counted_too() {
        for count in [0, 1, 255, 256, 257, 1000] {
            let (mut recorder, mut histogram) = (DurationRecorder::default(), DurationHistogram::default());
            for us in 0..count {
                recorder.record(us * 7 % 1000);
                histogram.record(us * 7 % 1000);
            }
            assert_eq!(format!("{:?}", recorder.finish()), format!("{histogram:?}"));
        }
    }
}
