//! Fuzz target: request targets through the newest endpoint table.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::endpoints::{Classifier, Method, ClassifierConfig, table_for};

fuzz_target!(|data: (u8, &[u8])| {
    use std::sync::LazyLock;
    static CLASSIFIER: LazyLock<Classifier> =
        LazyLock::new(|| Classifier::new(&table_for(None).expect("there is a table").table, &ClassifierConfig::default()).expect("it compiles"));
    let id = CLASSIFIER.classify(Method::from_number(data.0 % 8), data.1);
    assert!(CLASSIFIER.endpoints().get(usize::from(id.0)).is_some());
});
