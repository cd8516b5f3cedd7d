//! Fuzz target: compressed streams of every kind, damaged ones too.
#![no_main]

use std::io::{Cursor, Read};

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::logs::compression;

fuzz_target!(|data: &[u8]| {
    let Ok((_, mut stream)) = compression::open(Cursor::new(data.to_vec())) else { return };
    let mut buffer = [0; 4096];
    // A stream may be long, and is read block by block: a part of it says as much as the whole.
    for _ in 0..64 {
        match stream.read(&mut buffer) {
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
    }
});
