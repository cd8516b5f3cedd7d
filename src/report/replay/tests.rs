//! Every form of a run: it fits its schema, it adds up, hostile text is inert.

use serde_json::Value;

use super::{fixture, html, json, markdown, terminal};
use crate::{Style, schema_check};

#[test]
fn real_output_fits_the_schema_and_adds_up() {
    let schema: Value = serde_json::from_str(super::SCHEMA).unwrap();
    for report in [fixture::report(), fixture::void()] {
        let value: Value = serde_json::from_str(&json(&report).unwrap()).unwrap();
        let problems = schema_check::problems(&schema, &value);
        assert!(problems.is_empty(), "{problems:#?}");
        let count = |name: &str| value[name].as_u64().unwrap();
        let sum = |name: &str| value[name].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>();
        assert_eq!(count("scheduled"), count("sent") + sum("skipped"));
        assert_eq!(count("sent"), count("completed") + sum("failed"));
        let by_group: u64 = value["groups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| group["scheduled"].as_u64().unwrap() + group["long_polls"]["scheduled"].as_u64().unwrap())
            .sum();
        assert_eq!(by_group, count("scheduled"));
        assert_eq!(value["void"].as_bool().unwrap(), report.is_void());
    }
}

#[test]
fn forms_are_as_reviewed() {
    insta::assert_snapshot!("markdown", markdown(&fixture::report()));
    let mut out = Vec::new();
    terminal(&mut out, &fixture::report(), None, Style { colour: false, width: 120 }).unwrap();
    insta::assert_snapshot!("terminal", String::from_utf8(out).unwrap());
}

#[test]
fn a_void_run_says_so_first() {
    let mut out = Vec::new();
    terminal(&mut out, &fixture::void(), None, Style { colour: false, width: 100 }).unwrap();
    assert!(String::from_utf8(out).unwrap().lines().take(5).any(|line| line.starts_with("Void: the generator was late")));
    assert!(markdown(&fixture::void()).starts_with("# Void"));
    assert!(html(&fixture::void()).unwrap().contains("<strong>Void:</strong>"));
}

#[test]
fn hostile_names_are_inert() {
    let report = fixture::report();
    let mut out = Vec::new();
    terminal(&mut out, &report, None, Style { colour: false, width: 120 }).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    let page = html(&report).unwrap();
    assert!(!page.contains("<script>alert") && !page.contains('\u{202e}'));
    assert!(!markdown(&report).contains("<script>alert(1)</script>\u{1b}"));
    let csv = report.tables().into_iter().find(|table| table.id == "upstreams").unwrap().csv();
    assert!(!csv.contains('\u{1b}'));
}
