//! Writes the seeds of all targets: `seeds -runs=0`, into the folder that `WSIM_FUZZ_SEEDS` names. Built like a target, because whatever is
//! built with coverage needs libFuzzer.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        let folder = std::env::var("WSIM_FUZZ_SEEDS").expect("WSIM_FUZZ_SEEDS names a folder");
        wsim_fuzz::seeds::write_all(Path::new(&folder)).expect("the seeds can be written");
    },
    |_data: &[u8]| {}
);
