//! Shards of one replay joined: exactly the run that one machine would have measured.

use super::ReplayReport;

/// Why runs are not the shards of one replay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// Fewer than one.
    #[error("there is nothing to join")]
    Nothing,
    /// A run of its own.
    #[error("{0} is no shard: it was not run with --shard")]
    Whole(String),
    /// Something that must be the same is not.
    #[error("{0} and {1} are of different replays: {2} differs")]
    Differ(String, String, &'static str),
    /// The same shard twice.
    #[error("{0} and {1} are both shard {2}")]
    Twice(String, String, u32),
}

/// Joins shards, each with the name that errors call it by. Shards that are missing make the result void.
///
/// # Errors
/// See [`JoinError`].
pub fn join(shards: &[(String, ReplayReport)]) -> Result<ReplayReport, JoinError> {
    let ((first_name, first), rest) = shards.split_first().ok_or(JoinError::Nothing)?;
    let (part, of) = first.shard.ok_or_else(|| JoinError::Whole(first_name.clone()))?;
    let mut joined = ReplayReport { shard: None, void_reasons: Vec::new(), ..first.clone() };
    let mut seen = vec![(part, first_name)];
    for (name, shard) in rest {
        let (part, _) = shard.shard.ok_or_else(|| JoinError::Whole(name.clone()))?;
        if let Some(what) = difference(first, shard) {
            return Err(JoinError::Differ(first_name.clone(), name.clone(), what));
        }
        if let Some((_, other)) = seen.iter().find(|(known, _)| *known == part) {
            return Err(JoinError::Twice((*other).clone(), name.clone(), part));
        }
        seen.push((part, name));
        joined.measured.add(&shard.measured);
        joined.took_seconds = joined.took_seconds.max(shard.took_seconds);
        joined.facts.partial |= shard.facts.partial;
    }
    for (name, shard) in shards {
        joined.void_reasons.extend(shard.void_reasons.iter().map(|reason| format!("{name}: {reason}")));
    }
    let missing: Vec<String> =
        (0..of).filter(|part| seen.iter().all(|(known, _)| known != part)).map(|part| format!("{part}/{of}")).collect();
    if !missing.is_empty() {
        joined.void_reasons.push(format!("shards are missing: {}", missing.join(", ")));
    }
    Ok(joined)
}

fn difference(a: &ReplayReport, b: &ReplayReport) -> Option<&'static str> {
    let same = [
        ("the number of shards", a.shard.map(|(_, of)| of) == b.shard.map(|(_, of)| of)),
        ("the target", a.target == b.target),
        ("the part of the log", a.window == b.window),
        ("--speed", a.speed == b.speed),
        ("--load", a.load == b.load),
        ("--seed", a.facts.seed == b.facts.seed),
        ("what is allowed", a.allowed == b.allowed),
        ("the version of wsim", a.facts.wsim == b.facts.wsim),
    ];
    same.into_iter().find(|(_, same)| !same).map(|(what, _)| what)
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn shard(part: u32, of: u32) -> (String, ReplayReport) {
        (format!("run-{part}"), ReplayReport { shard: Some((part, of)), ..fixture::report() })
    }

    #[test]
    fn joined_shards_are_added_up() {
        let joined = join(&[shard(0, 2), shard(1, 2)]).unwrap();
        assert_eq!(joined.measured.account.scheduled(), 2 * fixture::report().measured.account.scheduled());
        assert_eq!((joined.shard, joined.is_void()), (None, false));
        assert_eq!(joined.measured.lateness.count(), 2 * fixture::report().measured.lateness.count());
    }

    #[test]
    fn a_missing_or_void_shard_makes_all_void() {
        let reasons = join(&[shard(0, 3), shard(2, 3)]).unwrap().void_reasons;
        assert_eq!(reasons, ["shards are missing: 1/3"]);
        let void = ("late".to_owned(), ReplayReport { shard: Some((1, 2)), ..fixture::void() });
        assert!(join(&[shard(0, 2), void]).unwrap().void_reasons[0].starts_with("late: the generator"));
    }

    #[test]
    fn strangers_are_refused() {
        assert_eq!(join(&[]).unwrap_err(), JoinError::Nothing);
        assert!(matches!(join(&[("x".to_owned(), fixture::report())]).unwrap_err(), JoinError::Whole(_)));
        assert!(matches!(join(&[shard(0, 2), shard(0, 2)]).unwrap_err(), JoinError::Twice(_, _, 0)));
        let (name, other) = shard(1, 2);
        let faster = (name, ReplayReport { speed: 2.0, ..other });
        assert!(matches!(join(&[shard(0, 2), faster]).unwrap_err(), JoinError::Differ(_, _, "--speed")));
    }
}
