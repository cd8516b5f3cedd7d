//! Every format of a comparison: it conforms to its schema, the figures are right, hostile text is inert.

use serde_json::Value;

use super::{ComparisonReport, Latencies, PairKind, ReadError, Run, fixture, read};
use crate::exporter::Report;
use crate::exporter::printed;
use crate::shared::schema_check;
use wsim_stats::Interval;

#[test]
fn real_output_fits_the_schema() {
    let schema: Value = serde_json::from_str(super::SCHEMA).unwrap();
    for report in [fixture::change(), fixture::prediction(), fixture::several()] {
        let mut value: Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        let problems = schema_check::problems(&schema, &value);
        assert!(problems.is_empty(), "{problems:#?}");
        value["pairs"][0]["kind"] = "guess".into();
        value["runs"][0]["groups"][0].as_object_mut().unwrap().remove("cpu_ms");
        assert_eq!(schema_check::problems(&schema, &value).len(), 2);
    }
}

#[test]
fn formats_are_as_reviewed() {
    insta::assert_snapshot!("change", printed(&fixture::change(), 100));
    insta::assert_snapshot!("prediction", printed(&fixture::prediction(), 100));
    insta::assert_snapshot!("markdown", fixture::prediction().markdown());
}

#[test]
fn a_prediction_is_compared_with_the_measurement_in_either_order() {
    let report = fixture::prediction();
    let pair = &report.pairs[0];
    assert_eq!((pair.kind, pair.from, pair.to), (PairKind::Prediction, 1, 0));
    let sync = pair.groups.iter().find(|group| group.id == "sync").unwrap();
    assert!((sync.p50.relative.unwrap() - 0.3).abs() < 1e-9, "{:?}", sync.p50);
    let summary = pair.summary;
    assert_eq!((summary.groups, summary.p50_within, summary.p95_within), (1, 0, 1));
    assert_eq!((summary.p50_covered, summary.p95_covered), (0, 1));
    let reversed = ComparisonReport::new(String::new(), String::new(), String::new(), report.runs.iter().rev().cloned().collect());
    assert_eq!((reversed.pairs[0].from, reversed.pairs[0].to), (0, 1));
    assert_eq!(reversed.pairs[0].summary, summary);
    assert_eq!(report.charts().len(), 1);
}

#[test]
fn a_homeservers_log_is_compared_with_times_as_logged_if_they_were_simulated() {
    let mut simulated = fixture::simulated("a");
    let sync = simulated.groups.iter_mut().find(|group| group.id == "sync").unwrap();
    sync.logged_ms = Some(Latencies { p50: Some(Interval::exact(1.25)), ..sync.service_ms });
    let predicted = |measured: Run| {
        let report = ComparisonReport::new(String::new(), String::new(), String::new(), vec![simulated.clone(), measured]);
        let pair = &report.pairs[0];
        pair.groups.iter().find(|group| group.id == "sync").and_then(|group| group.p50.to).map(|p50| p50.value)
    };
    assert_eq!(predicted(fixture::change().runs.remove(0)), Some(1.25));
    assert_ne!(predicted(fixture::replayed("b")), Some(1.25), "a replay measures from the first byte sent");
}

#[test]
fn a_change_is_counted_and_the_same_run_is_indistinguishable() {
    let report = fixture::change();
    let summary = report.pairs[0].summary;
    assert_eq!((summary.slower, summary.faster, summary.indistinguishable), (1, 0, 0));
    let rate = report.pairs[0].groups.iter().find(|group| group.id == "sync").unwrap().rate;
    assert!((rate.relative.unwrap() + 0.5).abs() < 1e-3, "{rate:?}");
    let same = &fixture::several().pairs[0];
    assert!(same.groups.iter().all(|group| group.p95.indistinguishable != Some(false)));
    assert!(same.groups.iter().any(|group| group.p95.indistinguishable == Some(true)), "a replay's histograms have intervals");
    let text = printed(&fixture::several(), 100);
    assert!(text.contains("reports/void is void") && text.contains("1 → 3  sync"), "{text}");
}

#[test]
fn every_row_has_a_cell_per_column() {
    for report in [fixture::change(), fixture::prediction(), fixture::several()] {
        for table in report.tables() {
            assert!(table.rows.iter().all(|row| row.len() == table.columns.len()), "{}", table.id);
        }
    }
}

#[test]
fn hostile_names_are_inert() {
    for report in [fixture::change(), fixture::prediction(), fixture::several()] {
        let text = printed(&report, 100);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
        let page = report.html().unwrap();
        assert!(!page.contains("<script>alert") && !page.contains("<b>tuesday") && !page.contains('\u{202e}'));
        for table in report.tables() {
            let csv = table.csv();
            assert!(!csv.contains('\u{1b}') && !csv.contains('\u{202e}'));
        }
    }
}

#[test]
fn text_that_is_not_a_report_is_rejected() {
    assert!(matches!(read("x", "no JSON", None), Err(ReadError::NotJson(_))));
    assert!(matches!(read("x", "{}", None), Err(ReadError::NoSchema)));
    assert!(matches!(read("x", r#"{"schema": 7}"#, None), Err(ReadError::NoSchema)));
    let error = read("x", r#"{"schema": "wsim.analysis/2"}"#, None).unwrap_err();
    assert!(error.to_string().contains("wsim.analysis/2") && error.to_string().contains("wsim.replay/1"), "{error}");
    assert!(matches!(read("x", r#"{"schema": "wsim.analysis/1"}"#, None), Err(ReadError::Damaged { .. })));
    let text = crate::simulation::fixture::report().json().unwrap();
    let error = read("x", &text, Some("nonsense")).unwrap_err();
    assert!(matches!(&error, ReadError::NoSuchPlan(_, plans) if plans.contains("monolith") || plans.contains(' ')), "{error}");
}
