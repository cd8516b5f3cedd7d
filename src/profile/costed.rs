//! The counters of a profiler with a cost for every request: logged where the log shows it, inferred otherwise.

use wsim_stats::ObservedTime;

use super::hitters::Scale;
use super::inference::InferredDemand;
use super::model::{Demand, DemandMethod, Window};
use super::profiler::{DemandCell, Profiler};
use wsim_stats::Interval;
use wsim_text::prose::percent;

pub(super) struct CostedCounters<'a> {
    pub(super) profiler: &'a Profiler<'a>,
    pub(super) observed: ObservedTime,
    /// Inferred demand of a request without logged CPU, by class.
    uncosted_us: Vec<f64>,
    pub(super) inferred: Option<&'a InferredDemand>,
    /// Whether any client or federation request has logged CPU.
    logged: bool,
}

/// The demand of clients and servers by where it comes from.
struct DemandParts {
    /// Requests with logged CPU, and without.
    costed: u64,
    uncosted: u64,
    logged_us: f64,
    /// Assumed to be like logged requests of the same class.
    like_logged_us: f64,
    other_us: f64,
    /// Factor on all of it.
    range: Interval,
}

impl DemandParts {
    /// Shares of logged demand, demand like logged, other demand.
    fn shares(&self) -> (f64, f64, f64) {
        let all = (self.logged_us + self.like_logged_us + self.other_us).max(f64::MIN_POSITIVE);
        (self.logged_us / all, self.like_logged_us / all, self.other_us / all)
    }
}

impl<'a> CostedCounters<'a> {
    pub(super) fn new(profiler: &'a Profiler<'a>, observed: ObservedTime, inferred: Option<&'a InferredDemand>) -> Self {
        let of_class = |class: usize| inferred.and_then(|i| i.per_endpoint_cpu_us.get(class)).copied().unwrap_or(0.0);
        let uncosted_us = profiler.classes.traits.iter().enumerate().map(|(c, t)| if t.internal { 0.0 } else { of_class(c) }).collect();
        Self { profiler, observed, uncosted_us, inferred, logged: profiler.has_logged_cpu() }
    }

    pub(super) fn has_cpu(&self) -> bool {
        self.logged || self.inferred.is_some()
    }

    /// CPU of a class in one bin, µs.
    pub(super) fn cell_cpu_us(&self, class: usize, cell: &DemandCell) -> f64 {
        cell.cpu_us as f64 + f64::from(cell.uncosted) * self.uncosted_us[class]
    }

    /// Bins of demand that overlap the observed time.
    pub(super) fn demand_rows(&self) -> impl Iterator<Item = (i64, &'a [DemandCell])> {
        let width = self.profiler.demand.width_us();
        self.profiler.demand.rows().filter(move |(start, _)| self.observed.overlaps(*start, *start + width))
    }

    pub(super) fn method(&self) -> DemandMethod {
        if self.logged { DemandMethod::Logged } else { self.inferred.map_or(DemandMethod::None, |i| i.method) }
    }

    /// How the demand was found. Each part keeps the range of its own method: logged CPU is exact, the rest is as uncertain as what it was
    /// inferred from, and the range of the whole is that of the parts by their CPU.
    pub(super) fn demand(&self) -> Demand {
        let parts = self.parts();
        let DemandParts { costed, uncosted, .. } = parts;
        let Some(inferred) = self.inferred else {
            let note = match (self.logged, uncosted) {
                (false, _) => "no CPU is logged and none was inferred, so everything is ranked by number of requests".to_owned(),
                (true, 0) => format!("CPU is logged for {costed} requests"),
                (true, _) => {
                    format!("CPU is logged for {costed} requests; {uncosted} more are in a proxy's log only and count as zero")
                }
            };
            return Demand { method: self.method(), note, range: Interval::exact(1.0) };
        };
        if !self.logged {
            return Demand { method: inferred.method, note: inferred.note.clone(), range: inferred.range };
        }
        let (logged, like_logged, other) = parts.shares();
        let method = match inferred.method {
            _ if other <= 0.5 => DemandMethod::Logged,
            DemandMethod::Logged => DemandMethod::Prior,
            method => method,
        };
        let mut note = format!("CPU is logged for {costed} requests");
        if uncosted > 0 && like_logged + other > 0.0 {
            let mut rest = Vec::new();
            if like_logged > 0.0 {
                rest.push(format!("{} to cost what the same class costs where Synapse logged it", percent(like_logged)));
            }
            if other > 0.0 {
                let how = if inferred.method == DemandMethod::Logged {
                    "reference values at the speed of the logged classes, half to double is possible"
                } else {
                    inferred.note.as_str()
                };
                rest.push(format!("{} from {how}", percent(other)));
            }
            note = format!(
                "{note}, {} of the demand, and inferred for the rest ({uncosted} in a proxy's log only): {}",
                percent(logged),
                rest.join(", ")
            );
        }
        Demand { method, note, range: parts.range }
    }

    fn parts(&self) -> DemandParts {
        let mut parts =
            DemandParts { costed: 0, uncosted: 0, logged_us: 0.0, like_logged_us: 0.0, other_us: 0.0, range: Interval::exact(0.0) };
        for class in self.client_classes() {
            let sums = &self.profiler.sums[class];
            parts.costed += sums.costed;
            parts.uncosted += sums.uncosted;
            let (logged, inferred) = (sums.cpu_us as f64, sums.uncosted as f64 * self.uncosted_us[class]);
            parts.logged_us += logged;
            let like_logged = self.inferred.is_some_and(|demand| demand.is_like_logged(class));
            *(if like_logged { &mut parts.like_logged_us } else { &mut parts.other_us }) += inferred;
            let range = self.inferred.map_or(Interval::exact(1.0), |demand| demand.range_of(class));
            parts.range = parts.range.plus(Interval::exact(logged)).plus(range.scaled(inferred));
        }
        let all = parts.logged_us + parts.like_logged_us + parts.other_us;
        parts.range = if all > 0.0 { Interval { value: 1.0, ..parts.range.scaled(1.0 / all) } } else { Interval::exact(1.0) };
        parts
    }

    /// CPU seconds of a class over the whole log.
    pub(super) fn class_cpu_seconds(&self, class: usize) -> f64 {
        let sums = &self.profiler.sums[class];
        (sums.cpu_us as f64 + sums.uncosted as f64 * self.uncosted_us[class]) / 1e6
    }

    /// Client and federation classes with at least one request.
    pub(super) fn client_classes(&self) -> impl Iterator<Item = usize> {
        let traits = &self.profiler.classes.traits;
        (0..traits.len()).filter(|&class| !traits[class].internal && self.profiler.sums[class].requests > 0)
    }

    /// CPU in a bin of the timeline, µs, from logged work and prior demand.
    pub(super) fn work_of_bins(&self) -> Option<impl Fn(u64, u64) -> f64 + use<>> {
        let factor = self.scale().nominal?;
        Some(move |logged: u64, nominal: u64| logged as f64 + nominal as f64 * factor)
    }

    /// Converts tallies of heavy hitters into CPU and shares.
    pub(super) fn scale(&self) -> Scale {
        let (mut inferred, mut nominal, mut cpu_seconds) = (0.0, 0.0, 0.0);
        for class in self.client_classes() {
            let uncosted = self.profiler.sums[class].uncosted as f64;
            inferred += uncosted * self.uncosted_us[class];
            nominal += uncosted * f64::from(self.profiler.classes.traits[class].nominal_us);
        }
        // Shares are of all CPU, that of requests between processes included.
        for class in 0..self.profiler.classes.traits.len() {
            cpu_seconds += self.class_cpu_seconds(class);
        }
        let factor = if nominal > 0.0 { inferred / nominal } else { 0.0 };
        Scale { nominal: self.has_cpu().then_some(factor), cpu_seconds, requests: self.profiler.requests }
    }

    /// Bins of demand that start in a peak; if the peak is a whole span of the observed time, the bin before its start too.
    pub(super) fn rows_within(&self, peak: Window) -> impl Iterator<Item = (i64, &'a [DemandCell])> {
        let is_whole = self.observed.spans().any(|(start, _)| start == peak.start_us);
        let from_us = if is_whole { peak.start_us - self.profiler.demand.width_us() + 1 } else { peak.start_us };
        self.demand_rows().filter(move |(start, _)| (from_us..peak.end_us).contains(start))
    }
}
