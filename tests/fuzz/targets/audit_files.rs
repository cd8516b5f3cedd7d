//! Fuzz target: homeserver.yaml, a worker's file and a proxy's file, from the detection of their kinds to the findings.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::audit::{self, AuditConfig};
use wsim_fuzz::drivers::{parts, text};
use wsim_fuzz::endpoints::{Classifier, ClassifierConfig, SelectedTable, table_for};
use wsim_fuzz::read::{NoFiles, detect};

thread_local! {
    static TABLE: (SelectedTable, Classifier) = {
        let choice = table_for(Some("1.157")).expect("the release is embedded");
        let classifier = Classifier::new(&choice.table, &ClassifierConfig::default()).expect("an embedded table is classified");
        (choice, classifier)
    };
}

fuzz_target!(|data: &[u8]| {
    let texts: [&[u8]; 3] = parts(data);
    let names = ["homeserver.yaml", "w1.yaml", "proxy.conf"];
    let files: Vec<(&Path, &str)> = names.iter().map(Path::new).zip(texts.map(text)).collect();
    let sources: Vec<_> = files.iter().filter_map(|(path, text)| Some((detect(path, text).kind()?, *path, *text))).collect();
    let Ok(configuration) = audit::read(&sources, &NoFiles) else { return };
    TABLE.with(|(choice, classifier)| {
        let audited = audit::audit(&configuration, choice, classifier, &AuditConfig::default());
        assert!(audited.not_evaluated <= audited.tried);
    });
});
