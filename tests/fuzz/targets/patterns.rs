//! Fuzz target: regular expressions of proxies, and paths through them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::{parts, text};
use wsim_fuzz::read::pattern::Pattern;

fuzz_target!(|data: &[u8]| {
    let [pattern, path] = parts(data);
    let path = text(path);
    if let Ok(pattern) = Pattern::new(text(pattern), data.len() % 2 == 0) {
        assert_eq!(pattern.matches(path), pattern.captures(path).is_some());
    }
});
