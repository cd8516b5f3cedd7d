//! Fuzz target: exports made into lines, and what collectors put around lines, as far as it goes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::logs::collectors::{self, Clock};
use wsim_fuzz::logs::{StampReader, Zone, blocks, records};

fuzz_target!(|data: &[u8]| {
    let text = records::rewrite(data);
    // A record is not longer than what it is made of, but for its names and escapes.
    assert!(text.len() <= data.len().saturating_mul(16) + 4096, "{} of {}", text.len(), data.len());
    let mut clock = Clock::new(StampReader::new(Zone::utc()), 1_782_907_200_000_000);
    for line in blocks::lines(&text).take(50) {
        let chain = collectors::chain_of(line, &mut clock);
        let inner = collectors::unwrap(&chain, line, &mut clock);
        assert!(inner.text.len() <= line.len().saturating_mul(2));
    }
});
