//! The time to classify one request, compared with matching the same patterns with a `RegexSet`.
//!
//! `cargo bench --bench classify`. One iteration is one path; the paths alternate, so that a branch predictor cannot learn a single one. The mix
//! is that of a busy homeserver: mostly syncs and event sending, long room ids. The comparison favours `RegexSet`, which only says which patterns
//! match, while the classifier also decides the endpoint group, the workers and the stream.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use wsim::endpoints::{Classifier, ClassifierConfig, Method, Syntax, Table, table_for};

/// The mix of requests; `{n}` becomes many different rooms, users and positions.
const REQUEST_TEMPLATES: [(Method, &str); 20] = [
    (Method::Get, "/_matrix/client/v3/sync?filter=2&timeout=30000&since=s{n}_4483_1934_72_11_5&set_presence=online"),
    (Method::Get, "/_matrix/client/v3/sync?filter=2&timeout=30000&since=s{n}_4484_1934_72_11_5"),
    (Method::Get, "/_matrix/client/r0/sync?since=s{n}_4484_1934_72_11_5&timeout=30000&_cacheBuster=1700000{n}"),
    (Method::Get, "/_matrix/client/v3/sync?filter=%7B%22room%22%3A%7B%22timeline%22%3A%7B%22limit%22%3A20%7D%7D%7D&timeout=0"),
    (Method::Post, "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?pos={n}&timeout=30000"),
    (Method::Put, "/_matrix/client/v3/rooms/!kQpWzXvBn{n}TyUiOpAsDf%3Aexample.org/send/m.room.message/m17{n}.4"),
    (Method::Put, "/_matrix/client/v3/rooms/!NPhsp-jxd9SUPO1jeLRVoMIANmMlGMLFGa2jz5{n}/send/m.reaction/m17{n}.5"),
    (Method::Put, "/_matrix/client/v3/rooms/!kQpWzXvBn{n}TyUiOpAsDf:example.org/typing/@user{n}:example.org"),
    (Method::Post, "/_matrix/client/v3/rooms/!kQpWzXvBn{n}TyUiOpAsDf:example.org/receipt/m.read/$Zk3x{n}QwErTyUiOpAsDfGhJk"),
    (Method::Post, "/_matrix/client/v3/rooms/!kQpWzXvBn{n}TyUiOpAsDf:example.org/read_markers"),
    (Method::Get, "/_matrix/client/v3/rooms/!kQpWzXvBn{n}TyUiOpAsDf:example.org/messages?dir=b&limit=30&from=t{n}"),
    (Method::Get, "/_matrix/client/v3/rooms/!kQpWzXvBn{n}TyUiOpAsDf:example.org/members?at=s{n}&not_membership=leave"),
    (Method::Get, "/_matrix/client/v3/profile/@user{n}:example.org"),
    (Method::Post, "/_matrix/client/v3/keys/query"),
    (Method::Put, "/_matrix/client/v3/sendToDevice/m.room.encrypted/m17{n}.6"),
    (Method::Get, "/_matrix/client/v1/media/thumbnail/example.org/abc{n}?width=96&height=96&method=crop"),
    (Method::Put, "/_matrix/federation/v1/send/17000000{n}"),
    (Method::Get, "/_matrix/federation/v1/event/$Zk3x{n}QwErTyUiOpAsDfGhJkLzXcVbNm0123456789_-"),
    (Method::Get, "/_matrix/federation/v1/state_ids/!kQpWzXvBn{n}TyUiOpAsDf:example.org?event_id=$x{n}"),
    (Method::Get, "/wp-content/plugins/file-manager/{n}/readme.txt"),
];

fn requests() -> Vec<(Method, Vec<u8>)> {
    (0..100)
        .flat_map(|n| {
            REQUEST_TEMPLATES.map(|(method, template)| (method, template.replace("{n}", &(n * 7919 + 10_007).to_string()).into_bytes()))
        })
        .collect()
}

/// The patterns of the table as a `RegexSet`: one for GET and one for all other methods.
fn regex_sets(table: &Table) -> [regex::bytes::RegexSet; 2] {
    [Method::Get, Method::Put].map(|method| {
        let patterns = table.rows.iter().filter(|row| row.applies_to(method)).map(|row| match row.syntax {
            Syntax::Prefix => format!("(?s-u)^{}", regex::escape(row.effective_pattern())),
            Syntax::Regex => format!("(?s-u){}", row.effective_pattern()),
        });
        regex::bytes::RegexSet::new(patterns).unwrap_or_else(|_| regex::bytes::RegexSet::empty())
    })
}

fn classify(criterion: &mut Criterion) {
    let requests = requests();
    for release in ["1.157", "1.76", "1.12"] {
        let Ok(choice) = table_for(Some(release)) else { continue };
        let Ok(classifier) = Classifier::new(&choice.table, &ClassifierConfig::default()) else { continue };
        let sets = regex_sets(&choice.table);
        let mut group = criterion.benchmark_group(format!("one path, Synapse {release}"));
        group.bench_function("wsim", |bencher| {
            let mut next = requests.iter().cycle();
            bencher.iter(|| next.next().map(|(method, target)| classifier.classify(*method, black_box(target))));
        });
        group.bench_function("RegexSet, matching alone", |bencher| {
            let mut next = requests.iter().cycle();
            bencher.iter(|| {
                next.next().map(|(method, target)| {
                    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
                    sets[usize::from(*method != Method::Get)].matches(black_box(path))
                })
            });
        });
        group.finish();
    }
}

fn build(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("once per run");
    group.sample_size(10);
    group.bench_function("read the embedded tables", |bencher| bencher.iter(|| table_for(None)));
    if let Ok(choice) = table_for(None) {
        group.bench_function("build the classifier", |bencher| {
            bencher.iter(|| Classifier::new(&choice.table, &ClassifierConfig::default()));
        });
    }
    group.finish();
}

criterion_group!(benches, classify, build);
criterion_main!(benches);
