//! The data of a trend over several analyses, and what all formats derive from it.
//!
//! Knows nothing of formats.

use serde::Serialize;

use super::fit::{Fit, Form};
use wsim_stats::Interval;
use wsim_text as text;

/// An analysis, reduced to what a trend needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrendRun {
    /// Folder of the run, as given.
    pub name: String,
    /// Begin and end of the log, µs since the epoch.
    #[serde(skip)]
    pub start_us: i64,
    #[serde(skip)]
    pub end_us: i64,
    /// RFC 3339.
    pub start: String,
    pub end: String,
    /// Time over which rates are computed, seconds.
    pub seconds: f64,
    pub partial: bool,
    pub objective: String,
    /// Share of the first limit that the load used, 1 where the objective breaks; `None` if no limit is known.
    pub used: Option<f64>,
    /// That limit: `cpu of main`.
    pub limit: Option<String>,
    pub groups: Vec<TrendRunGroup>,
}

/// An endpoint group of a run; client and federation traffic only.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrendRunGroup {
    pub id: String,
    pub requests: u64,
    /// Requests per second.
    pub rate: f64,
    /// CPU of the requests, cores.
    pub cores: Option<f64>,
}

impl TrendRun {
    /// The middle of the log, weeks since the epoch.
    fn week(&self) -> f64 {
        (self.start_us as f64 + (self.end_us - self.start_us) as f64 / 2.0) / WEEK_US
    }
}

/// What is measured of each group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Unit {
    #[serde(rename = "cores")]
    Cores,
    #[serde(rename = "requests/s")]
    RequestsPerSecond,
}

impl Unit {
    pub fn name(self) -> &'static str {
        match self {
            Self::Cores => "cores",
            Self::RequestsPerSecond => "requests/s",
        }
    }
}

/// The trend of one figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trend {
    /// Group id; `all`: all groups together.
    pub id: String,
    /// One for each run; `None` where the run does not know it.
    pub values: Vec<Option<f64>>,
    /// `None` with fewer than three values.
    pub form: Option<Form>,
    /// Growth a week, as a share of the value at the last run.
    pub growth_per_week: Option<Interval>,
    /// What to expect, nearest first.
    pub forecasts: Vec<Forecast>,
    #[serde(skip)]
    pub(super) fit: Option<Fit>,
}

/// A value to expect.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Forecast {
    /// After the middle of the last run.
    pub weeks_ahead: u32,
    /// With its 95 % prediction interval.
    pub value: Interval,
}

/// When the load reaches the first limit, as Mondays of weeks; `None`: not within a year of the last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Break {
    /// The upper end of the prediction interval reaches the limit.
    pub earliest: Option<String>,
    /// The best estimate does.
    pub expected: Option<String>,
    /// The lower end does.
    pub latest: Option<String>,
    /// The last run is over the limit already.
    pub already: bool,
}

/// Growth over several analyses.
#[derive(Debug, Clone, PartialEq)]
pub struct TrendReport {
    /// Version of wsim.
    pub wsim: String,
    /// RFC 3339.
    pub created: String,
    /// As typed.
    pub command: String,
    /// Oldest first; at least three.
    pub runs: Vec<TrendRun>,
    pub unit: Unit,
    /// All groups together.
    pub all: Trend,
    /// Largest in the last run first.
    pub groups: Vec<Trend>,
    /// Share of the first limit that is used; `None` if a run knows no limit.
    pub used: Option<Trend>,
    /// `None` without `used`.
    pub breaks: Option<Break>,
}

impl TrendReport {
    /// The trend over `runs`, in any order.
    pub fn new(wsim: String, created: String, command: String, mut runs: Vec<TrendRun>) -> Self {
        runs.sort_by_key(|run| (run.start_us, run.end_us));
        let cores = runs.iter().all(|run| run.groups.iter().any(|group| group.cores.is_some()));
        let unit = if cores { Unit::Cores } else { Unit::RequestsPerSecond };
        let value = |group: &TrendRunGroup| if cores { group.cores.unwrap_or(0.0) } else { group.rate };
        let weeks: Vec<f64> = runs.iter().map(TrendRun::week).collect();
        let all = runs.iter().map(|run| Some(run.groups.iter().map(value).sum())).collect();
        let mut ids: Vec<&str> = runs.iter().flat_map(|run| &run.groups).map(|group| group.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        // A group without requests in a run had none.
        let of = |run: &TrendRun, id: &str| run.groups.iter().find(|group| group.id == id).map_or(0.0, value);
        let mut groups: Vec<Trend> =
            ids.iter().map(|id| Trend::new(id, &weeks, runs.iter().map(|run| Some(of(run, id))).collect())).collect();
        let last = |trend: &Trend| trend.values.last().copied().flatten().unwrap_or(0.0);
        groups.sort_by(|a, b| last(b).total_cmp(&last(a)).then_with(|| a.id.cmp(&b.id)));
        let known = runs.iter().all(|run| run.used.is_some());
        let used = known.then(|| Trend::new("used", &weeks, runs.iter().map(|run| run.used).collect()));
        let breaks = used.as_ref().and_then(|used| Break::of(used, weeks.last().copied()?));
        Self { wsim, created, command, unit, all: Trend::new("all", &weeks, all), groups, used, breaks, runs }
    }

    /// The first sentence: growth, and when the objective breaks.
    pub fn verdict(&self) -> String {
        let growth = match &self.all.growth_per_week {
            Some(growth) if growth.low > 0.0 => {
                format!("The load grows by {} a week", percent_a_week(*growth).trim_start_matches('+'))
            }
            Some(growth) if growth.high < 0.0 => format!("The load shrinks: {} a week", percent_a_week(*growth)),
            Some(growth) => format!("No growth beyond its uncertainty: {} a week", percent_a_week(*growth)),
            None => "The growth is unknown".to_owned(),
        };
        format!("{growth}; {}", self.break_sentence())
    }

    /// When the objective breaks.
    pub fn break_sentence(&self) -> String {
        let Some(breaks) = &self.breaks else {
            return "when the objective breaks is unknown, because not every run knows its first limit".to_owned();
        };
        let limit = self.runs.last().and_then(|run| run.limit.as_deref()).map_or_else(String::new, |limit| format!(" ({limit})"));
        if breaks.already {
            return format!("the objective is missed already{limit}");
        }
        let week = |week: &Option<String>| week.clone().unwrap_or_else(|| "not within a year".to_owned());
        match (&breaks.expected, &breaks.earliest) {
            (Some(expected), earliest) => {
                format!(
                    "the objective breaks in the week of {expected}{limit}, at the earliest {}, at the latest {}",
                    week(earliest),
                    week(&breaks.latest)
                )
            }
            (None, Some(earliest)) => {
                format!("the objective holds for a year by the best estimate{limit}; at the earliest it breaks in the week of {earliest}")
            }
            (None, None) => format!("the objective does not break within a year{limit}"),
        }
    }

    /// Reasons to doubt the trend, one sentence each.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        doubts.extend(
            self.runs.iter().filter(|run| run.partial).map(|run| format!("{} was interrupted: its figures cover only a part", run.name)),
        );
        let lengths = || self.runs.iter().map(|run| run.seconds);
        let (shortest, longest) = (lengths().fold(f64::INFINITY, f64::min), lengths().fold(0.0, f64::max));
        if longest > shortest * LENGTH_RATIO_MAX {
            doubts.push(format!(
                "The logs cover {} to {}: days and hours that only some of them contain look like growth",
                text::duration(shortest),
                text::duration(longest)
            ));
        }
        if shortest < 0.9 * WEEK_US / 1e6 {
            doubts.push("A log is shorter than a week: compare the same days and hours, because the days of a week differ".to_owned());
        }
        if self.runs.windows(2).any(|pair| pair[1].start_us < pair[0].end_us) {
            doubts.push("Logs overlap, so the runs are not independent".to_owned());
        }
        if self.runs.windows(2).any(|pair| pair[0].objective != pair[1].objective) {
            doubts.push("The runs had different objectives, so the shares of the limits that they use cannot be compared".to_owned());
        }
        let span = self.runs.last().map_or(0.0, TrendRun::week) - self.runs.first().map_or(0.0, TrendRun::week);
        doubts.push(format!(
            "{} over {}: a forecast further ahead than that is a guess",
            text::plural(self.runs.len() as u64, "run", "runs"),
            text::duration(span * WEEK_US / 1e6)
        ));
        doubts
    }
}

impl Trend {
    fn new(id: &str, weeks: &[f64], values: Vec<Option<f64>>) -> Self {
        let points: Vec<(f64, f64)> = weeks.iter().zip(&values).filter_map(|(week, value)| Some((*week, (*value)?))).collect();
        let last = weeks.last().copied().unwrap_or(0.0);
        let fit = Fit::of(&points);
        let forecasts = fit
            .iter()
            .flat_map(|fit| AHEAD_WEEKS.map(|weeks_ahead| Forecast { weeks_ahead, value: fit.at(last + f64::from(weeks_ahead)) }));
        Self {
            id: id.to_owned(),
            form: fit.map(|fit| fit.form),
            growth_per_week: fit.map(|fit| fit.growth_at(last)).filter(|growth| growth.value.is_finite() && growth.value.abs() < 1e3),
            forecasts: forecasts.collect(),
            fit,
            values,
        }
    }

    /// What to expect at an instant, µs since the epoch.
    pub(crate) fn expected_at(&self, at_us: i64) -> Option<Interval> {
        self.fit.map(|fit| fit.at(at_us as f64 / WEEK_US))
    }
}

impl Break {
    fn of(used: &Trend, last: f64) -> Option<Self> {
        let fit = used.fit?;
        let already = used.values.last().copied().flatten().is_some_and(|used| used >= 1.0);
        let first = |of: fn(Interval) -> f64| {
            (1..=DAYS_MAX).map(|day| last + f64::from(day) / 7.0).find(|&week| of(fit.at(week)) >= 1.0).map(monday)
        };
        Some(Self { earliest: first(|at| at.high), expected: first(|at| at.value), latest: first(|at| at.low), already })
    }
}

/// The Monday of the week of an instant, in weeks since the epoch.
#[expect(clippy::cast_possible_truncation, reason = "a date of this century in days")]
fn monday(week: f64) -> String {
    let day = (week * 7.0).floor() as i64;
    // The first of January 1970 was a Thursday.
    let monday = (day + 3).div_euclid(7) * 7 - 3;
    text::strftime(monday * 86_400_000_000, "%Y-%m-%d")
}

/// `+3.2 % (+1.1 to +5.3 %)`.
pub(super) fn percent_a_week(growth: Interval) -> String {
    let percent = |share: f64| format!("{:+.1}", share * 100.0);
    format!("{} % ({} to {} %)", percent(growth.value), percent(growth.low), percent(growth.high))
}

const WEEK_US: f64 = 7.0 * 86_400e6;
/// How far ahead the forecasts are.
pub(super) const AHEAD_WEEKS: [u32; 4] = [4, 13, 26, 52];
/// A year.
const DAYS_MAX: u32 = 365;
/// Largest ratio of the lengths of two logs that are alike.
const LENGTH_RATIO_MAX: f64 = 1.2;
