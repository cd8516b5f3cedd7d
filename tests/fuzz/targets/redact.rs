//! Fuzz target: cutting secrets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::logs::redact::scrub;

fuzz_target!(|text: &str| {
    let token = "syt_YWxpY2U_hSsyFQHqpjzBtuMmKRvL_3VVZyc";
    // The fuzzer learns the needle from the comparison below.
    if text.contains("hSsy") {
        return;
    }
    let hidden = scrub(&format!("{text}?access_token={token}&x={text}")).into_owned();
    assert!(!hidden.contains("hSsyFQHqpjzBtuMmKRvL"), "{hidden}");
});
