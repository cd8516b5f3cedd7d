//! Every format of a replay: it conforms to its schema, its counts add up, hostile text is inert.

use serde_json::Value;

use super::fixture;
use crate::exporter::Report;
use crate::exporter::printed;
use crate::shared::schema_check;

#[test]
fn real_output_fits_the_schema_and_adds_up() {
    let schema: Value = serde_json::from_str(super::SCHEMA).unwrap();
    for report in [fixture::report(), fixture::void(), fixture::refused()] {
        let value: Value = serde_json::from_str(&report.json().unwrap()).unwrap();
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
fn formats_are_as_reviewed() {
    insta::assert_snapshot!("markdown", fixture::report().markdown());
    insta::assert_snapshot!("terminal", printed(&fixture::report(), 120));
}

#[test]
fn a_void_run_is_announced_first() {
    assert!(printed(&fixture::void(), 100).lines().take(5).any(|line| line.starts_with("Void: the generator was late")));
    assert!(fixture::void().markdown().starts_with("# Void"));
    assert!(fixture::void().html().unwrap().contains("<strong>Void:</strong>"));
}

#[test]
fn a_run_in_which_every_request_was_refused_is_missed_and_says_why() {
    let report = fixture::refused();
    assert!(report.is_missed() && !report.is_void());
    let verdict = report.verdict();
    assert_eq!(verdict, "missed: errors < 5%, but measured 100 % (319 of 319 requests): 319× 401 instead of 200");
    let text = printed(&report, 120);
    assert!(text.lines().take(5).any(|line| line.starts_with("Missed: errors < 5%")), "{text}");
    let errors = report.tables().into_iter().find(|table| table.id == "errors").unwrap();
    assert_eq!(errors.rows.len(), 1);
    assert!(report.html().unwrap().contains("<h1 class=\"bad\">Fail: "));
}

#[test]
fn hostile_names_are_inert() {
    let report = fixture::report();
    let text = printed(&report, 120);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    let page = report.html().unwrap();
    assert!(!page.contains("<script>alert") && !page.contains('\u{202e}'));
    assert!(!report.markdown().contains("<script>alert(1)</script>\u{1b}"));
    let csv = report.tables().into_iter().find(|table| table.id == "upstreams").unwrap().csv();
    assert!(!csv.contains('\u{1b}'));
}
