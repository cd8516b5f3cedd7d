//! The verdict of a comparison in a few words: faster, slower or the same, and whether a prediction was right.
//!
//! Knows nothing of formats. The counts by group are in the sentence of the pair.

use super::model::{PairKind, RunPair, Summary};
use super::pair::{ALL, P50_LIMIT, P95_LIMIT};
use super::report::ComparisonReport;
use crate::shared::REQUESTS_FOR_ERRORS;
use crate::shared::change::Change;
use crate::shared::table::Tone;
use wsim_text as text;

/// A few words, and their colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Headline {
    pub(super) text: String,
    pub(super) tone: Tone,
}

impl ComparisonReport {
    /// The headline: that of the only other run, or of the first with how many more there are.
    pub(super) fn headline(&self) -> Headline {
        let headlines: Vec<Headline> = self.pairs.iter().map(|pair| self.headline_of(pair)).collect();
        match &headlines[..] {
            [] => Headline { text: "Nothing to compare".to_owned(), tone: Tone::Warn },
            [one] => one.clone(),
            several => {
                let texts = several
                    .iter()
                    .zip(&self.pairs)
                    .map(|(headline, pair)| format!("{} → {}: {}", pair.from + 1, pair.to + 1, headline.text));
                let tone = if several.iter().any(|headline| headline.tone == Tone::Bad) { Tone::Bad } else { Tone::Plain };
                Headline { text: texts.collect::<Vec<_>>().join("; "), tone }
            }
        }
    }

    fn headline_of(&self, pair: &RunPair) -> Headline {
        if [pair.from, pair.to].iter().any(|&index| !self.runs[index].void.is_empty()) {
            return Headline { text: "No verdict: a run is void".to_owned(), tone: Tone::Warn };
        }
        match pair.kind {
            PairKind::Prediction => prediction(&pair.summary),
            PairKind::Change => change(pair),
        }
    }
}

fn change(pair: &RunPair) -> Headline {
    let all = pair.groups.iter().find(|group| group.id == ALL);
    if let Some((from, to)) = all.and_then(|all| Some((all.p95.from?, all.p95.to?)))
        && let Some(change) = Change::between(from, to)
    {
        let (before, after) = (text::milliseconds(from.value), text::milliseconds(to.value));
        let words = format!("{}: p95 {before} → {after}, {}", change.word(), change.words());
        return Headline { text: words, tone: change.tone() };
    }
    // Logs have no p95 of all requests that long polls leave alone.
    let counted = pair.groups.iter().filter(|group| group.counts);
    let parts: Vec<(f64, Change)> = counted
        .filter_map(|group| {
            let weight = group.requests.from?.value.min(group.requests.to?.value);
            Some((weight, Change::between(group.p95_bounds.from?, group.p95_bounds.to?)?))
        })
        .collect();
    match Change::mean(&parts) {
        Some(change) => {
            let groups = text::plural(parts.len() as u64, "endpoint group", "endpoint groups");
            let words = format!("{}: p95 {} on average over {groups}", change.word(), change.words());
            Headline { text: words, tone: change.tone() }
        }
        None => {
            let why = format!("No verdict: no endpoint group has {REQUESTS_FOR_ERRORS} requests in both runs");
            Headline { text: why, tone: Tone::Warn }
        }
    }
}

fn prediction(summary: &Summary) -> Headline {
    let Summary { groups, p50_within, p95_within, .. } = *summary;
    if groups == 0 {
        let why = format!("No verdict: no endpoint group has {REQUESTS_FOR_ERRORS} requests in both runs");
        return Headline { text: why, tone: Tone::Warn };
    }
    let share = (p50_within + p95_within) as f64 / (2 * groups) as f64;
    let (word, tone) = match share {
        share if share >= 0.8 => ("Prediction right", Tone::Good),
        share if share >= 0.5 => ("Prediction partly right", Tone::Warn),
        _ => ("Prediction off", Tone::Bad),
    };
    let limits = [P50_LIMIT, P95_LIMIT].map(text::percent);
    let text = format!("{word}: p50 within {} in {p50_within} of {groups} groups, p95 within {} in {p95_within}", limits[0], limits[1]);
    Headline { text, tone }
}

#[cfg(test)]
mod tests {
    use crate::comparison::fixture;

    #[test]
    fn a_comparison_starts_with_faster_slower_or_the_same() {
        let headline = fixture::change().headline();
        assert!(headline.text.starts_with("Slower: p95 +") && headline.text.contains(" to +"), "{headline:?}");
        let same = fixture::several();
        let first = same.headline_of(&same.pairs[0]);
        assert!(first.text.starts_with("Same: p95 "), "{first:?}");
        assert_eq!(same.headline_of(&same.pairs[1]).text, "No verdict: a run is void");
        assert!(same.headline().text.starts_with("1 → 2: Same"), "{:?}", same.headline());
    }

    #[test]
    fn a_prediction_starts_with_whether_it_was_right() {
        let headline = fixture::prediction().headline();
        assert_eq!(headline.text, "Prediction partly right: p50 within 20 % in 0 of 1 groups, p95 within 30 % in 1");
    }
}
