//! Tests of the names of keys.

use super::super::variable::Timer;
use super::*;

fn meaning(dialect: Dialect, path: &[&str]) -> Option<Meaning> {
    let path: Vec<&[u8]> = path.iter().map(|key| key.as_bytes()).collect();
    dialect.meaning(&path)
}

fn variable(path: &[&str]) -> Option<Variable> {
    meaning(Dialect::Any, path).map(|meaning| meaning.variable)
}

#[test]
fn one_name_is_read_in_every_spelling() {
    for path in [
        &["http_user_agent"][..],
        &["User-Agent"],
        &["userAgent"],
        &["request", "headers", "User-Agent"],
        &["user_agent.original"],
        &["user_agent", "original"],
    ] {
        assert_eq!(variable(path), Some(Variable::Agent), "{path:?}");
    }
    assert_eq!(variable(&["http", "request", "method"]), Some(Variable::Method));
    assert_eq!(variable(&["http.response.status_code"]), Some(Variable::Status));
    assert_eq!(variable(&["nginx_request_uri"]), Some(Variable::Target));
    assert_eq!(variable(&["kubernetes", "host"]), None);
    assert_eq!(variable(&["us"]), Some(Variable::UpstreamStatus));
    assert_eq!(variable(&[&"a".repeat(100)]), None);
}

#[test]
fn a_unit_in_the_key_is_certain() {
    for (key, unit) in [
        ("duration_ms", Unit::Millis),
        ("request_time_us", Unit::Micros),
        ("elapsed.seconds", Unit::Seconds),
        ("latencyInMillis", Unit::Millis),
        ("durationNanos", Unit::Nanos),
    ] {
        let found = meaning(Dialect::Any, &[key]).unwrap();
        assert_eq!((found.variable, found.open), (Variable::Wall(unit), false), "{key}");
    }
    assert!(meaning(Dialect::Any, &["duration"]).unwrap().open);
    let event = meaning(Dialect::Any, &["event", "duration"]).unwrap();
    assert_eq!((event.variable, event.open), (Variable::Wall(Unit::Nanos), false));
    assert_eq!(variable(&["status"]), Some(Variable::Status), "no statu in microseconds");
}

#[test]
fn a_dialect_has_units_and_meanings_of_its_own() {
    assert_eq!(meaning(Dialect::Envoy, &["duration"]).unwrap().variable, Variable::Wall(Unit::Millis));
    assert_eq!(meaning(Dialect::Envoy, &["start_time"]).unwrap().variable, Variable::Time(Clock::Any, StampMeaning::Start));
    assert_eq!(meaning(Dialect::Haproxy, &["haproxy", "time", "tt"]).unwrap().variable, Variable::Timer(Timer::Total));
    assert_eq!(meaning(Dialect::Cloudflare, &["OriginResponseTime"]).unwrap().variable, Variable::UpstreamTime(Unit::Nanos));
}
