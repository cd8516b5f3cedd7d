//! `report.json` of an analysis as comparisons and trends read it: the fields that they use, in one place.

use serde::Deserialize;

use wsim_profile::{GroupProfile, ProcessProfile};

/// The schema that a `report.json` names; `None` if it names none. Whatever else it is, is not taken into memory.
///
/// # Errors
/// The text is not JSON.
pub(crate) fn schema(text: &str) -> Result<Option<String>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Schema<'t> {
        #[serde(borrow)]
        schema: Option<&'t serde_json::value::RawValue>,
    }
    let file: Schema<'_> = serde_json::from_str(text)?;
    Ok(file.schema.and_then(|schema| serde_json::from_str(schema.get()).ok()))
}

/// The schema of an analysis.
pub(crate) const ANALYSIS: &str = "wsim.analysis/1";

#[derive(Deserialize)]
pub(crate) struct AnalysisFile {
    pub(crate) wsim: String,
    pub(crate) created: String,
    pub(crate) command: String,
    pub(crate) partial: bool,
    pub(crate) window: WindowFile,
    #[serde(default)]
    pub(crate) gaps: Vec<SpanFile>,
    /// Not in files of older versions.
    #[serde(default)]
    pub(crate) objective: String,
    pub(crate) groups: Vec<GroupProfile>,
    pub(crate) processes: Vec<ProcessProfile>,
    #[serde(default)]
    pub(crate) deployment: DeploymentFile,
}

impl AnalysisFile {
    /// Length of the log without its gaps, seconds; never 0.
    pub(crate) fn observed_seconds(&self) -> f64 {
        (self.window.seconds - self.gaps.iter().map(|gap| gap.seconds).sum::<f64>()).max(1e-6)
    }
}

#[derive(Deserialize)]
pub(crate) struct WindowFile {
    /// RFC 3339.
    #[serde(default)]
    pub(crate) start: String,
    #[serde(default)]
    pub(crate) end: String,
    pub(crate) seconds: f64,
}

#[derive(Deserialize)]
pub(crate) struct SpanFile {
    pub(crate) seconds: f64,
}

#[derive(Deserialize, Default)]
pub(crate) struct DeploymentFile {
    /// The first limit first.
    #[serde(default)]
    pub(crate) limits: Vec<LimitFile>,
}

#[derive(Deserialize)]
pub(crate) struct LimitFile {
    pub(crate) kind: String,
    #[serde(rename = "where")]
    pub(crate) place: String,
    pub(crate) headroom: HeadroomFile,
}

#[derive(Deserialize)]
pub(crate) struct HeadroomFile {
    /// Load as a multiple of that in the log.
    pub(crate) value: Option<f64>,
}
