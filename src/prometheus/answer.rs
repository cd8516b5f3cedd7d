//! The answer of Prometheus' HTTP API to a query: series over time.
//!
//! Source: Prometheus' `docs/querying/api` (2.0 and later); Thanos, Mimir and VictoriaMetrics answer alike.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Series;

#[derive(Deserialize)]
struct Answer {
    status: String,
    #[serde(default)]
    error: String,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: String,
    #[serde(default)]
    result: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    value: Option<(f64, String)>,
}

/// Reads an answer.
///
/// # Errors
/// `Err(true, words)` if Prometheus refused the query, in its own words; `Err(false, words)` if the text is no such answer.
pub fn parse_answer(bytes: &[u8]) -> Result<Vec<Series>, (bool, String)> {
    let answer: Answer = serde_json::from_slice(bytes).map_err(|error| (false, error.to_string()))?;
    if answer.status != "success" {
        return Err((true, answer.error));
    }
    let data = answer.data.ok_or_else(|| (false, "there is no data".to_owned()))?;
    if !matches!(data.result_type.as_str(), "matrix" | "vector") {
        return Err((false, "the result is neither a matrix nor a vector".to_owned()));
    }
    Ok(data.result.into_iter().map(series).collect())
}

fn series(found: Found) -> Series {
    let mut labels = found.metric;
    let name = labels.remove("__name__").unwrap_or_default();
    let values = found.values.into_iter().chain(found.value);
    let samples = values.filter_map(|(time, value)| Some((time, value.parse().ok()?)));
    Series { name: super::files::base_name(&name).to_owned(), labels, samples: samples.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_a_vector_and_a_refusal_are_read() {
        let matrix = br#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"x_total","job":"a"},"values":[[1764000000.5,"1.5"],[1764000015.5,"NaN"],[1764000030.5,"3"]]}]}}"#;
        let series = &parse_answer(matrix).unwrap()[0];
        assert_eq!((series.name.as_str(), series.labels["job"].as_str(), series.samples.len()), ("x", "a", 3));
        let vector = br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2"]}]}}"#;
        assert_eq!(parse_answer(vector).unwrap()[0].samples, [(1.0, 2.0)]);
        let refused = br#"{"status":"error","errorType":"bad_data","error":"exceeded maximum resolution"}"#;
        assert_eq!(parse_answer(refused).unwrap_err(), (true, "exceeded maximum resolution".to_owned()));
        for text in [&b"<html>"[..], b"{}", b"[]", br#"{"status":"success"}"#, br#"{"status":"success","data":{"resultType":"scalar"}}"#] {
            assert!(!parse_answer(text).unwrap_err().0);
        }
    }
}
