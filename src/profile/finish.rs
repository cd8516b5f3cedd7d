//! From counters to the [`Profile`].

use std::collections::BTreeMap;

use wsim_stats::{DurationHistogram, Interval};

use super::classes::destination;
use super::costed::CostedCounters;
use super::coverage::coverage;
use super::database::{database_load, database_profile};
use super::deployment::{DeploymentFacts, deployment};
use super::model::{
    DestinationProfile, EndpointProfile, EventRate, GroupProfile, Outcomes, Peak, Peaks, ProcessProfile, Profile, Quantiles, Window,
};
use super::peaks::{Load, Loads, concurrency, dispersion};
use super::profiler::{Columns, DemandCell, ProfileInputs, Profiler};
use super::series::series;
use super::sums::ClassSums;
use super::window::LogTime;

impl Profiler<'_> {
    /// The profile of all requests counted so far.
    ///
    /// Requests without logged CPU get the inferred demand of their class, if `inputs` has one.
    pub fn finish(mut self, inputs: &ProfileInputs) -> Profile {
        self.processes.merge_by_name();
        let LogTime { window, observed, strays: stray_times } = self.extents.log_time();
        let costed = CostedCounters::new(&self, observed, inputs.inferred.as_ref());
        let observed = &costed.observed;
        let groups = costed.groups();
        // Of one whole with the peaks: CPU of all requests, but rates of those of clients and servers.
        let shown_groups: Vec<usize> = groups.iter().filter(|(_, g)| costed.has_cpu() || !g.internal).map(|(index, _)| *index).collect();
        let peaks = costed.peaks();
        let (endpoints, between_processes) = costed.endpoints(peaks.five_minutes.window);
        let coverage = coverage(&self.processes.sums(), inputs.process_cpu.as_ref(), observed, costed.method());
        Profile {
            window,
            gaps: observed.gaps().map(|(start_us, end_us)| Window { start_us, end_us }).collect(),
            requests: self.requests,
            internal_requests: self.internal_requests,
            destinations: costed.destinations(),
            endpoints,
            between_processes,
            processes: costed.processes(inputs),
            database: database_profile(&self.processes.sums(), observed, inputs.process_cpu.as_ref()),
            memory: inputs.process_cpu.as_ref().map(|counters| counters.memory_within(observed)).unwrap_or_default(),
            deployment: deployment(&DeploymentFacts {
                costed: &costed,
                peak: peaks.five_minutes.window,
                process_cpu: inputs.process_cpu.as_ref(),
                foreign: inputs.foreign.as_ref(),
            }),
            dispersion: dispersion(&self.timeline, observed, costed.work_of_bins().as_ref()),
            concurrency: concurrency(&self.timeline, observed),
            heavy_hitters: self.hitters.finish(costed.scale(), inputs.user_key.as_deref()),
            outcomes: Outcomes {
                by_status: (0..=u16::MAX).zip(self.by_status.iter().copied()).filter(|(_, n)| *n > 0).collect(),
                aborted: self.aborted,
                retried: self.retried,
                stray_times,
            },
            demand: costed.demand(),
            coverage,
            events_per_second: costed.events(peaks.five_minutes.window),
            series: series(&costed, &shown_groups),
            peaks,
            work_ms: costed.work_ms(),
            groups: groups.into_iter().map(|(_, group)| group).collect(),
        }
    }
}

impl<'a> CostedCounters<'a> {
    /// Groups with their index in the profiler, most CPU first.
    fn groups(&self) -> Vec<(usize, GroupProfile)> {
        let count = self.profiler.classes.groups.len();
        let mut groups: Vec<(usize, GroupProfile)> = (0..count).filter_map(|g| Some((g, self.group(g)?))).collect();
        groups.sort_by(|(_, a), (_, b)| {
            let cpu = |g: &GroupProfile| g.cpu_seconds.unwrap_or(0.0);
            cpu(b).total_cmp(&cpu(a)).then(b.requests.cmp(&a.requests)).then_with(|| a.id.cmp(&b.id))
        });
        groups
    }

    fn group(&self, group: usize) -> Option<GroupProfile> {
        let p = self.profiler;
        let mut sums = ClassSums::default();
        let (mut cpu_seconds, mut workers, mut stream) = (0.0, Vec::new(), None);
        for (class, _) in p.classes.traits.iter().enumerate().filter(|(_, t)| usize::from(t.group) == group) {
            if p.sums[class].requests == 0 {
                continue;
            }
            sums.merge(&p.sums[class]);
            cpu_seconds += self.class_cpu_seconds(class);
            if let Some(endpoint) = p.endpoints.get(class) {
                workers.extend(endpoint.workers.iter().cloned());
                stream = stream.or_else(|| endpoint.stream.clone());
            }
        }
        if sums.requests == 0 {
            return None;
        }
        workers.sort_unstable();
        workers.dedup();
        let traits = &p.classes.groups[group];
        let known = sums.costed > 0 || (self.has_cpu() && !traits.internal);
        let inferred_ms = || {
            let range = self.inferred.filter(|_| sums.uncosted > 0)?.range;
            let mean = cpu_seconds * 1e3 / sums.uncosted as f64;
            Some(Interval::new(mean, mean * range.low, mean * range.high))
        };
        Some(GroupProfile {
            id: traits.id.clone(),
            internal: traits.internal,
            requests: sums.requests,
            cpu_seconds: known.then_some(cpu_seconds),
            cpu_ms: sums.cpu_ms().or_else(inferred_ms),
            latency_ms: quantiles(&p.latencies[group]),
            waiting_ms: quantiles(&p.waits[group]),
            long_polls: sums.long_polls,
            errors: sums.errors,
            aborted: sums.aborted,
            bytes_sent: sums.bytes_sent,
            workers,
            stream,
        })
    }

    /// Response times of all client and federation requests.
    fn work_ms(&self) -> Option<Quantiles> {
        let p = self.profiler;
        let mut all = DurationHistogram::default();
        p.latencies.iter().zip(&p.classes.groups).filter(|(_, group)| !group.internal).for_each(|(times, _)| all.merge(times));
        quantiles(&all)
    }

    /// The endpoint classes of clients and servers, and those between processes.
    fn endpoints(&self, peak: Window) -> (Vec<EndpointProfile>, Vec<EndpointProfile>) {
        let classes = self.profiler.classes.traits.len();
        let (mut peak_cpu_us, mut peak_requests) = (vec![0.0; classes], vec![0u64; classes]);
        let heat = self.profiler.columns().heat;
        for (_, row) in self.rows_within(peak) {
            for (class, cell) in row[..heat].iter().enumerate() {
                peak_cpu_us[class] += self.cell_cpu_us(class, cell);
                peak_requests[class] += u64::from(cell.requests);
            }
        }
        let profile = |class: usize| {
            let endpoint = self.profiler.endpoints.get(class);
            EndpointProfile {
                group: self.profiler.classes.groups[usize::from(self.profiler.classes.traits[class].group)].id.clone(),
                pattern: endpoint.and_then(|e| e.pattern.clone()),
                workers: endpoint.map_or_else(Vec::new, |e| e.workers.clone()),
                stream: endpoint.and_then(|e| e.stream.clone()),
                any_worker: endpoint.is_some_and(|e| e.any_worker),
                condition: endpoint.and_then(|e| e.condition.clone()),
                requests: self.profiler.sums[class].requests,
                cpu_seconds: self.class_cpu_seconds(class),
                peak_cpu_seconds: peak_cpu_us[class] / 1e6,
                peak_requests: peak_requests[class],
                db_seconds: self.profiler.sums[class].db_us as f64 / 1e6,
            }
        };
        let sorted = |mut endpoints: Vec<EndpointProfile>| {
            endpoints.sort_by(|a, b| b.cpu_seconds.total_cmp(&a.cpu_seconds).then(b.requests.cmp(&a.requests)));
            endpoints
        };
        let internal = (0..classes).filter(|&class| self.profiler.classes.traits[class].internal && self.profiler.sums[class].requests > 0);
        (sorted(self.client_classes().map(profile).collect()), sorted(internal.map(profile).collect()))
    }

    fn destinations(&self) -> Vec<DestinationProfile> {
        let mut sums: BTreeMap<String, (u64, f64)> = BTreeMap::new();
        for class in self.client_classes() {
            let id = self.profiler.endpoints.get(class).map_or_else(|| "main".to_owned(), destination);
            let sum = sums.entry(id).or_default();
            sum.0 += self.profiler.sums[class].requests;
            sum.1 += self.class_cpu_seconds(class);
        }
        let mut all: Vec<DestinationProfile> = sums
            .into_iter()
            .map(|(id, (requests, cpu))| DestinationProfile { id, requests, cpu_seconds: self.has_cpu().then_some(cpu) })
            .collect();
        all.sort_by(|a, b| {
            b.cpu_seconds
                .unwrap_or(0.0)
                .total_cmp(&a.cpu_seconds.unwrap_or(0.0))
                .then(b.requests.cmp(&a.requests))
                .then_with(|| a.id.cmp(&b.id))
        });
        all
    }

    fn processes(&self, inputs: &ProfileInputs) -> Vec<ProcessProfile> {
        let mut all: Vec<ProcessProfile> = self
            .profiler
            .processes
            .sums()
            .into_iter()
            .map(|sums| {
                let cpu_seconds = (sums.costed > 0).then_some(sums.cpu_us as f64 / 1e6);
                let counter = inputs.process_cpu.as_ref().and_then(|cpu| cpu.find(&sums.name));
                ProcessProfile {
                    name: sums.name.clone(),
                    requests: sums.requests,
                    internal_requests: sums.internal_requests,
                    cpu_seconds,
                    process_cpu_seconds: counter.map(|c| c.seconds_within(&self.observed)),
                    db_seconds: (sums.costed > 0).then_some(sums.db_us as f64 / 1e6),
                    database: database_load(sums, &self.observed),
                    utilisation: cpu_seconds.map(|cpu| cpu / self.observed.seconds().max(1e-6)),
                }
            })
            .collect();
        all.sort_by(|a, b| {
            b.cpu_seconds
                .unwrap_or(0.0)
                .total_cmp(&a.cpu_seconds.unwrap_or(0.0))
                .then(b.requests.cmp(&a.requests))
                .then_with(|| a.name.cmp(&b.name))
        });
        all
    }

    /// Five minutes and the busy hour come from the demand grid, so that they agree with the sums per endpoint; the minute comes
    /// from the timeline where the grid is too coarse.
    fn peaks(&self) -> Peaks {
        let p = self.profiler;
        let Columns { heat, .. } = p.columns();
        let of_clients = |(class, _): &(usize, &DemandCell)| !p.classes.traits[*class].internal;
        let grid = Loads {
            width_us: p.demand.width_us(),
            bins: self
                .demand_rows()
                .map(|(start_us, row)| Load {
                    start_us,
                    requests: row[..heat].iter().enumerate().filter(of_clients).map(|(_, cell)| u64::from(cell.requests)).sum(),
                    cpu_us: row[..heat].iter().enumerate().map(|(class, cell)| self.cell_cpu_us(class, cell)).sum(),
                })
                .filter(|load| load.requests > 0 || load.cpu_us > 0.0)
                .collect(),
        };
        let by_cpu = self.has_cpu();
        let peak = |span_us| grid.peak(&self.observed, span_us, by_cpu);
        let one_minute = if grid.width_us <= SECOND_US { peak(MINUTE_US) } else { self.peak_minute(by_cpu) };
        Peaks { one_minute, five_minutes: peak(5 * MINUTE_US), busy_hour: peak(60 * MINUTE_US), mean: grid.mean(&self.observed, by_cpu) }
    }

    fn peak_minute(&self, by_cpu: bool) -> Peak {
        let timeline = &self.profiler.timeline;
        let work = self.work_of_bins();
        let width_us = timeline.width_us();
        let inside = timeline.bins().filter(|b| self.observed.overlaps(b.start_us, b.start_us + width_us));
        let load = |b: wsim_stats::timeline::TimelineBin| Load {
            start_us: b.start_us,
            requests: b.arrivals,
            cpu_us: work.as_ref().map_or(0.0, |work| work(b.work_us, b.nominal_us)),
        };
        let bins = inside.filter(|b| b.arrivals > 0 || b.work_us > 0).map(load).collect();
        Loads { width_us, bins }.peak(&self.observed, MINUTE_US, by_cpu)
    }

    /// Events from the persisters' internal requests if these are more than the requests of clients and servers suggest. Events that
    /// a persister creates itself cause no internal request, and a monolith has none at all.
    fn events(&self, peak: Window) -> EventRate {
        let column = self.profiler.columns().events;
        let sum = |rows: &mut dyn Iterator<Item = (i64, &'a [DemandCell])>| {
            rows.fold((0.0, 0.0), |(expected, persisted), (_, row)| {
                (expected + row[column].cpu_us as f64 / 1e3, persisted + f64::from(row[column].requests))
            })
        };
        let (all, busiest) = (sum(&mut self.demand_rows()), sum(&mut self.rows_within(peak)));
        let pick = |(expected, persisted): (f64, f64)| if all.1 > all.0 { persisted } else { expected };
        EventRate { mean: pick(all) / self.observed.seconds().max(1e-6), peak: pick(busiest) / peak.seconds() }
    }
}

fn quantiles(histogram: &DurationHistogram) -> Option<Quantiles> {
    (histogram.count() > 0).then(|| Quantiles {
        p50: histogram.quantile_ms(0.5),
        p90: histogram.quantile_ms(0.9),
        p95: histogram.quantile_ms(0.95),
        p99: histogram.quantile_ms(0.99),
        p999: histogram.quantile_ms(0.999),
        max: histogram.max_ms(),
        mean: histogram.mean_ms(),
    })
}

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
