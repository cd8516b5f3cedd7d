//! The report model of `wsim report`: which runs are compared, and the reasons to doubt the figures.
//!
//! Knows nothing of formats.

use super::model::{PairKind, Run, RunPair};
use super::pair;
use wsim_text as text;

/// A comparison of the first run with each of the others.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonReport {
    /// Version of wsim.
    pub wsim: String,
    /// When the report was created, RFC 3339.
    pub created: String,
    /// The command line, as typed.
    pub command: String,
    /// Every run, the baseline first.
    pub runs: Vec<Run>,
    /// The baseline with each of the others, in order.
    pub pairs: Vec<RunPair>,
}

impl ComparisonReport {
    /// Compares the first of `runs` with each of the others.
    pub fn new(wsim: String, created: String, command: String, runs: Vec<Run>) -> Self {
        let pairs = (1..runs.len()).map(|index| pair::compare(&runs, index)).collect();
        Self { wsim, created, command, runs, pairs }
    }

    /// The first sentence.
    pub fn verdict(&self) -> String {
        self.pairs.iter().map(|pair| pair.verdict.as_str()).collect::<Vec<_>>().join("; ")
    }

    /// Reasons to doubt the figures, one sentence each.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        for run in &self.runs {
            if let Some(reason) = run.void.first() {
                doubts.push(format!("{} is void and says nothing about its target: {reason}", run.name));
            }
            if run.partial {
                doubts.push(format!("{} was interrupted: its figures cover only a part", run.name));
            }
        }
        if self.runs.iter().any(|run| run.void.is_empty() && run.load != self.runs[0].load) {
            doubts.push(
                "The runs had different loads (--load, --speed, --growth), which is one reason for different response times".to_owned(),
            );
        }
        for pair in self.pairs.iter().filter(|pair| pair.kind == PairKind::Prediction) {
            doubts.extend(self.length_doubt(pair));
        }
        doubts
    }

    /// A doubt if the two runs of a prediction cover different lengths of traffic.
    fn length_doubt(&self, pair: &RunPair) -> Option<String> {
        let (measured, simulated) = (&self.runs[pair.from], &self.runs[pair.to]);
        if (1.0 / LENGTH_RATIO_MAX..=LENGTH_RATIO_MAX).contains(&(measured.seconds / simulated.seconds)) {
            return None;
        }
        Some(format!(
            "{} covers {} and {} covers {}, so their rates and busy shares are of different parts of the traffic: give both the same --from and --to",
            measured.name,
            text::duration(measured.seconds),
            simulated.name,
            text::duration(simulated.seconds)
        ))
    }
}

/// Largest ratio of the lengths of the two runs of a prediction. It is above 1 because a simulation does not measure its warm-up.
const LENGTH_RATIO_MAX: f64 = 1.5;
