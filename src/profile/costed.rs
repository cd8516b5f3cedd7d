//! The counters of a profiler with a cost for every request: logged where the log shows it, inferred otherwise.

use wsim_stats::ObservedTime;

use super::hitters::Scale;
use super::inference::InferredDemand;
use super::model::{DemandMethod, Window};
use super::profiler::{DemandCell, Profiler};

pub(super) struct CostedCounters<'a> {
    pub(super) profiler: &'a Profiler<'a>,
    pub(super) observed: ObservedTime,
    /// Inferred demand of a request without logged CPU, by class.
    uncosted_us: Vec<f64>,
    pub(super) inferred: Option<&'a InferredDemand>,
    /// Whether any client or federation request has logged CPU.
    logged: bool,
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
