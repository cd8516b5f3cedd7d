//! Fuzz target: request targets through the newest endpoint table.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::endpoints::{Classifier, ClassifierConfig, Method, table_for};

static CLASSIFIER: LazyLock<Classifier> = LazyLock::new(|| {
    Classifier::new(&table_for(None).expect("there is a table").table, &ClassifierConfig::default()).expect("it compiles")
});

fuzz_target!(
    // Compiling takes longer than an input may take.
    init: {
        LazyLock::force(&CLASSIFIER);
    },
    |data: (u8, &[u8])| {
        let id = CLASSIFIER.classify(Method::from_number(data.0 % 8), data.1);
        assert!(CLASSIFIER.endpoints().get(usize::from(id.0)).is_some());
    }
);
