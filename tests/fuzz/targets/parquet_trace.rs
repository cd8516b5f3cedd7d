//! Fuzz target: trace files.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::parquet;

fuzz_target!(|data: &[u8]| {
    if let Ok((trace, header)) = parquet::read_from(Cursor::new(data), "trace.parquet") {
        for request in trace.requests() {
            assert!(usize::from(request.endpoint.0) < header.endpoints.len(), "the endpoint is in the header");
        }
    }
});
