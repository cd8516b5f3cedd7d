//! Fuzz target: histograms of response times, deflated.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::replay::record::LatencyHistogram;

fuzz_target!(|data: &[u8]| {
    if let Some(histogram) = LatencyHistogram::from_bytes(data, 1) {
        assert!(histogram.quantile_ns(0.5) <= histogram.max_ns());
        let again = LatencyHistogram::from_bytes(&histogram.to_bytes(), 1);
        assert_eq!(again.map(|again| again.count()), Some(histogram.count()));
    }
});
