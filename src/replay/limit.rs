//! The search for the largest load at which an objective holds.
//!
//! ```text
//! 1. up by half from run to run until the objective breaks, or down by a third until it holds
//! 2. the gap between the largest load that held and the smallest that broke is halved (by ratio) until it is narrow
//! 3. a load at the edge of the gap is run again until two runs more say the same than the contrary, or three were made;
//!    if that moves the edge, the search goes on from there
//! ```
//!
//! A run that is far from its limit is clear and needs no repetition. Each run meets what the one before left behind: caches, backlog. Knows
//! nothing of objectives: the caller runs a load and says whether it held.

/// Runs at most.
const RUNS_MAX: usize = 40;
/// Load grows by this factor from run to run, and falls by it.
const GROWTH: f64 = 1.5;
/// A gap below this ratio is not halved any more.
const GAP_MIN: f64 = 1.06;
/// Loads beyond these are not tried.
const LOADS: std::ops::RangeInclusive<f64> = 0.01..=1000.0;
/// Runs of one load at most.
const SAME_LOAD_MAX: u32 = 3;

/// One run of the search.
#[derive(Debug)]
pub struct Trial<R> {
    pub run: R,
    /// The objective held.
    pub holds: bool,
    /// By so much, or missed by so much, that a repetition would not change it.
    pub is_clear: bool,
    /// The search ends with this run: it was stopped early.
    pub is_last: bool,
}

/// Result of a search.
#[derive(Debug)]
pub struct Limit<R, E> {
    /// A run at the largest load that held; if none did, the one at the smallest load that was tried.
    pub run: R,
    /// Load of that run.
    pub load: f64,
    /// The largest load that held in most of its runs; `None` if none did.
    pub value: Option<f64>,
    /// Every run at this load and below held; `None` if there is no such load.
    pub low: Option<f64>,
    /// Every run at this load and above broke; `None` if there is no such load.
    pub high: Option<f64>,
    /// The smallest load that broke in most of its runs.
    pub broke: Option<f64>,
    /// A larger load, or where none held a smaller one, that could not be made, and why.
    pub beyond: Option<(f64, E)>,
}

/// The runs of one load.
#[derive(Debug, Clone, Copy)]
struct Point {
    load: f64,
    held: u32,
    broke: u32,
    is_clear: bool,
}

impl Point {
    fn holds(&self) -> Option<bool> {
        (self.held != self.broke).then_some(self.held > self.broke)
    }

    fn is_decided(&self) -> bool {
        self.is_clear && self.held.min(self.broke) == 0 || self.held.abs_diff(self.broke) >= 2 || self.held + self.broke >= SAME_LOAD_MAX
    }
}

/// What is known so far, in the order of loads.
#[derive(Debug, Default)]
struct Search {
    points: Vec<Point>,
    /// Nothing larger can be made.
    is_bounded: bool,
    /// Nor anything smaller.
    is_bounded_below: bool,
}

impl Search {
    fn add(&mut self, load: f64, holds: bool, is_clear: bool) {
        let place = self.points.partition_point(|point| point.load < load);
        if self.points.get(place).is_none_or(|point| point.load > load) {
            self.points.insert(place, Point { load, held: 0, broke: 0, is_clear: false });
        }
        if let Some(point) = self.points.get_mut(place) {
            point.held += u32::from(holds);
            point.broke += u32::from(!holds);
            point.is_clear |= is_clear;
        }
    }

    /// The smallest load that broke, and the largest below it that held.
    fn edges(&self) -> (Option<Point>, Option<Point>) {
        let broke = self.points.iter().position(|point| point.holds() == Some(false));
        let below = broke.map_or(&self.points[..], |at| &self.points[..at]);
        let held = below.iter().rev().find(|point| point.holds() == Some(true));
        (held.copied(), broke.map(|at| self.points[at]))
    }

    /// The load to run next; `None` when the answer is decided.
    fn next(&self) -> Option<f64> {
        // A load whose runs contradict each other decides which way to go.
        if let Some(tie) = self.points.iter().find(|point| point.holds().is_none()) {
            return Some(tie.load);
        }
        let new = match self.edges() {
            (None, None) => None,
            (None, Some(broke)) if !self.is_bounded_below => Some(broke.load / GROWTH),
            (Some(held), None) if !self.is_bounded => Some(held.load * GROWTH),
            (Some(held), Some(broke)) if broke.load / held.load > GAP_MIN => Some(f64::sqrt(held.load * broke.load)),
            _ => None,
        };
        if let Some(load) = new.filter(|load| LOADS.contains(load)) {
            return Some(load);
        }
        let (held, broke) = self.edges();
        held.into_iter().chain(broke).find(|point| !point.is_decided()).map(|point| point.load)
    }
}

/// Searches from `start_load`. `try_load` runs a load.
///
/// # Errors
/// The error of `try_load`, unless it came on the way up, after a load that held, or on the way down.
pub fn find_limit<R, E>(start_load: f64, mut try_load: impl FnMut(f64) -> Result<Trial<R>, E>) -> Result<Limit<R, E>, E> {
    let mut search = Search::default();
    let first = try_load(start_load)?;
    search.add(start_load, first.holds, first.is_clear);
    let mut best = (start_load, first.holds, first.run);
    let (mut is_last, mut beyond) = (first.is_last, None);
    for _ in 1..RUNS_MAX {
        let Some(load) = search.next().filter(|_| !is_last) else { break };
        let trial = match try_load(load) {
            Ok(trial) => trial,
            Err(error) => match search.edges() {
                (Some(_), None) => {
                    beyond = Some((load, error));
                    search.is_bounded = true;
                    continue;
                }
                (None, Some(_)) => {
                    beyond = Some((load, error));
                    search.is_bounded_below = true;
                    continue;
                }
                _ => return Err(error),
            },
        };
        is_last = trial.is_last;
        search.add(load, trial.holds, trial.is_clear);
        let (held, _) = search.edges();
        // The run to show: the latest at the edge, else the smallest load.
        let is_better = match held {
            Some(held) => trial.holds && load == held.load,
            None => load <= best.0,
        };
        if is_better || (held.is_some() && !best.1 && trial.holds) {
            best = (load, trial.holds, trial.run);
        }
    }
    let (held, broke) = search.edges();
    let low = search.points.iter().take_while(|point| point.broke == 0).last().map(|point| point.load);
    let high = search.points.iter().rev().take_while(|point| point.held == 0).last().map(|point| point.load);
    Ok(Limit { run: best.2, load: best.0, value: held.map(|point| point.load), low, high, broke: broke.map(|point| point.load), beyond })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found = Result<Limit<f64, &'static str>, &'static str>;

    /// Searches with a limit at `breaks_from` and copies for loads up to `made_up_to`; all loads tried.
    fn search(start: f64, breaks_from: f64, made_up_to: f64) -> (Found, Vec<f64>) {
        search_unclear(start, made_up_to, |load, _| (load < breaks_from, !(0.8..1.25).contains(&(load / breaks_from))))
    }

    fn search_unclear(start: f64, made_up_to: f64, runs: impl Fn(f64, usize) -> (bool, bool)) -> (Found, Vec<f64>) {
        let mut loads = Vec::new();
        let found = find_limit(start, |load| {
            let before = loads.iter().filter(|tried| **tried == load).count();
            loads.push(load);
            let (holds, is_clear) = runs(load, before);
            if load > made_up_to { Err("no copies") } else { Ok(Trial { run: load, holds, is_clear, is_last: false }) }
        });
        (found, loads)
    }

    #[test]
    fn load_grows_until_it_breaks_and_the_gap_is_halved_and_its_edges_are_repeated() {
        let (found, loads) = search(1.0, 3.0, 100.0);
        let found = found.unwrap();
        assert_eq!(loads[..4], [1.0, 1.5, 2.25, 3.375]);
        let (value, high) = (found.value.unwrap(), found.high.unwrap());
        assert!(value < 3.0 && high >= 3.0 && high / value <= GAP_MIN, "{found:?} of {loads:?}");
        assert_eq!((found.low, found.load, found.run, found.broke), (Some(value), value, value, Some(high)));
        assert!(loads.iter().filter(|load| **load == value).count() == 2 && loads.len() <= 10, "{loads:?}");
    }

    #[test]
    fn load_falls_until_it_holds() {
        let (found, loads) = search(1.0, 0.3, 100.0);
        let found = found.unwrap();
        assert!((0.28..0.3).contains(&found.value.unwrap()) && found.run == found.load, "{found:?} of {loads:?}");
        let (nothing, loads) = search(1.0, 0.0, 100.0);
        let nothing = nothing.unwrap();
        assert!(nothing.value.is_none() && nothing.low.is_none() && nothing.load < 0.02 && loads.len() < 20, "{nothing:?}");
    }

    #[test]
    fn chance_at_the_edge_is_outvoted() {
        // The limit is 3, but the first run just below it breaks.
        let (found, loads) =
            search_unclear(1.0, 100.0, |load, before| (load < 3.0 && !(load > 2.85 && before == 0), !(2.0..4.0).contains(&load)));
        let found = found.unwrap();
        assert!((2.7..3.0).contains(&found.value.unwrap()), "{found:?} of {loads:?}");
        assert!(found.high.unwrap() >= found.value.unwrap() && found.low.unwrap() <= found.value.unwrap(), "{found:?}");
        // Runs that contradict each other for ever end all the same.
        let (found, loads) = search_unclear(1.0, 100.0, |_, before| (before % 2 == 0, false));
        assert!(found.is_ok() && loads.len() <= RUNS_MAX, "{loads:?}");
    }

    #[test]
    fn a_load_that_cannot_be_made_ends_the_search_on_the_way_up() {
        let found = search(1.0, 100.0, 2.0).0.unwrap();
        assert_eq!((found.load, found.value, found.high, found.beyond), (1.5, Some(1.5), None, Some((2.25, "no copies"))));
        assert_eq!(search(3.0, 100.0, 2.0).0.unwrap_err(), "no copies");
    }

    #[test]
    fn a_stopped_run_ends_the_search() {
        let mut runs = 0;
        let found = find_limit(1.0, |load| {
            runs += 1;
            Ok::<_, ()>(Trial { run: load, holds: true, is_clear: true, is_last: runs == 2 })
        });
        assert_eq!((found.unwrap().load, runs), (1.5, 2));
    }
}
