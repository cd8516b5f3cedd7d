//! "Did you mean …?": the most similar of a list of names.

/// The candidate most similar to `typed`, if the difference looks like a slip: at most a third of its letters differ.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&typed, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in characters. Text longer than [`LENGTH_MAX`] is infinitely far.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(LENGTH_MAX + 1).collect();
    if a.len() > LENGTH_MAX {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (i, letter) in b.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in a.iter().enumerate() {
            let changed = diagonal + usize::from(*other != letter);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[a.len()]
}

/// No name in a plan is longer.
const LENGTH_MAX: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        let groups = ["sync", "initial_sync", "federation", "federation_send"];
        assert_eq!(nearest("snyc", groups), None); // two of four letters
        assert_eq!(nearest("sinc", groups), Some("sync"));
        assert_eq!(nearest("Initial-Sync", groups), Some("initial_sync"));
        assert_eq!(nearest("federatoin", groups), Some("federation"));
        assert_eq!(nearest("elephant", groups), None);
        assert_eq!(nearest(&"s".repeat(10_000), groups), None);
    }
}
