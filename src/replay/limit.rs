//! The search for the largest load at which an objective holds.
//!
//! Load grows by half from run to run until the objective breaks or a larger load cannot be made, then the gap between the largest load that
//! held and the smallest that broke is halved (by ratio) a few times. Each run meets what the one before left behind: caches, backlog.
//! Knows nothing of objectives: the caller runs a load and says whether it held.

/// Runs upwards at most.
const RUNS_UP_MAX: usize = 12;
/// Halvings of the gap.
const HALVINGS: usize = 3;
/// Load grows by this factor from run to run.
const GROWTH: f64 = 1.5;
/// A gap below this ratio is not halved any more.
const GAP_MIN: f64 = 1.05;

/// One run of the search.
#[derive(Debug)]
pub struct Trial<R> {
    pub run: R,
    /// The objective held.
    pub holds: bool,
    /// The search ends with this run: it was stopped early.
    pub is_last: bool,
}

/// Result of a search.
#[derive(Debug)]
pub struct Limit<R, E> {
    /// The run at the largest load that held; the first run if none did.
    pub run: R,
    /// Load of that run.
    pub load: f64,
    /// A larger load that could not be made, and why. The limit then lies beyond `load`.
    pub beyond: Option<(f64, E)>,
}

/// Searches from `start_load`. `try_load` runs a load.
///
/// # Errors
/// The error of `try_load`, unless it came on the way up, after a load that held.
pub fn find_limit<R, E>(start_load: f64, mut try_load: impl FnMut(f64) -> Result<Trial<R>, E>) -> Result<Limit<R, E>, E> {
    let first = try_load(start_load)?;
    let (mut held, mut broke) = if first.holds { (Some(start_load), None) } else { (None, Some(start_load)) };
    let (mut broken_runs, mut is_last) = (usize::from(!first.holds), first.is_last);
    let mut limit = Limit { run: first.run, load: start_load, beyond: None };
    for runs in 1..RUNS_UP_MAX + HALVINGS {
        if is_last {
            break;
        }
        let load = match (held, broke) {
            (Some(held), None) if runs <= RUNS_UP_MAX => held * GROWTH,
            (Some(held), Some(broke)) if broke / held > GAP_MIN => f64::sqrt(held * broke),
            _ => break,
        };
        if broken_runs + usize::from(broke.is_some()) > HALVINGS + 1 {
            break;
        }
        let trial = match try_load(load) {
            Ok(trial) => trial,
            Err(error) if broke.is_none() => {
                limit.beyond = Some((load, error));
                break;
            }
            Err(error) => return Err(error),
        };
        is_last = trial.is_last;
        if trial.holds {
            held = Some(load);
            (limit.run, limit.load) = (trial.run, load);
        } else {
            broke = Some(load);
            broken_runs += 1;
        }
    }
    Ok(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches with a limit at `breaks_from` and copies for loads up to `made_up_to`; all loads tried.
    fn search(start: f64, breaks_from: f64, made_up_to: f64) -> (Result<Limit<f64, &'static str>, &'static str>, Vec<f64>) {
        let mut loads = Vec::new();
        let found = find_limit(start, |load| {
            loads.push(load);
            if load > made_up_to { Err("no copies") } else { Ok(Trial { run: load, holds: load < breaks_from, is_last: false }) }
        });
        (found, loads)
    }

    #[test]
    fn load_grows_until_it_breaks_and_the_gap_is_halved() {
        let (found, loads) = search(1.0, 3.0, 100.0);
        let found = found.unwrap();
        assert_eq!(loads[..4], [1.0, 1.5, 2.25, 3.375]);
        assert!(found.load < 3.0 && found.load > 2.7 && found.run.to_bits() == found.load.to_bits(), "{found:?} of {loads:?}");
        assert!(loads.len() <= 5 + HALVINGS, "{loads:?}");
    }

    #[test]
    fn a_load_that_cannot_be_made_ends_the_search_on_the_way_up() {
        let found = search(1.0, 100.0, 2.0).0.unwrap();
        assert_eq!((found.load, found.beyond), (1.5, Some((2.25, "no copies"))));
        assert_eq!(search(3.0, 100.0, 2.0).0.unwrap_err(), "no copies");
    }

    #[test]
    fn without_a_load_that_holds_the_first_run_is_shown() {
        let (found, loads) = search(1.0, 0.5, 100.0);
        assert_eq!((found.unwrap().load, loads), (1.0, vec![1.0]));
    }

    #[test]
    fn a_stopped_run_ends_the_search() {
        let mut runs = 0;
        let found = find_limit(1.0, |load| {
            runs += 1;
            Ok::<_, ()>(Trial { run: load, holds: true, is_last: runs == 2 })
        });
        assert_eq!((found.unwrap().load, runs), (1.5, 2));
    }
}
