//! Fuzz target: request targets: path, query, percent-encoding, sync tokens, and what they say about the sender.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::http::{Target, identity, percent, query, target};
use wsim_fuzz::trace::causes::TokenTable;

fuzz_target!(|data: &[u8]| {
    if let Some(split) = target::split(data) {
        let _ = query::is_initial_sync(split.query);
        let _: Target<'_> = split;
    }
    assert!(query::parameters(data).count() <= data.len() + 1);
    assert!(percent::decode(data).len() <= data.len(), "decoding never lengthens");
    assert!(target::as_nginx_matches(data).len() <= data.len() + 1);
    for name in [identity::matrix_origin(data), identity::token_user(data), identity::room_segment(data)].into_iter().flatten() {
        assert!(name.len() <= data.len());
    }
    let _ = identity::token_localpart(data);
    let mut tokens = TokenTable::default();
    let number = tokens.number(data);
    assert_eq!(number, tokens.number(data), "equal tokens have one number");
});
