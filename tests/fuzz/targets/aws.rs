//! Fuzz target: AWS's load balancers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{
    drivers::{lines, stamps},
    logs::formats::aws::Aws,
};

fuzz_target!(|data: &[u8]| lines(|| Box::new(Aws::new(stamps())), data));
