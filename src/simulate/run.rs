//! Replications: one scenario, many seeds, intervals.
//!
//! 1. The warm-up is found once, on a pilot: MSER-5 on the work in system, and never less than the caches need.
//! 2. Replication r of every candidate runs on schedule r: the same users, arrivals, demands and news (common random numbers).
//! 3. Ten replications are run, then more, a few at a time, until every candidate's intervals are narrow enough or the
//!    cap is reached; the result says which.
//! 4. Each figure is the mean over replications with Student's t; candidates are compared by paired differences.

use super::cluster::Run;
use super::random::{Purpose, draw};
use super::result::RunResult;
use super::router::Routers;
use super::schedule::{Population, Schedule};
use super::station::Measuring;
use super::time::{Span, Time};
use super::topology::{Costs, Topology, TopologyError};
use super::workload::Workload;
use wsim_stats::{Interval, mser, student_t};

/// What all candidates have in common.
#[derive(Clone, Copy)]
pub struct Scenario<'a> {
    /// The requests.
    pub workload: &'a Workload,
    /// Users per observed user.
    pub growth: f64,
    /// What no request line shows.
    pub costs: &'a Costs,
    /// Everything random hangs on it.
    pub seed: u64,
    /// How often, and how sure.
    pub plan: ReplicationPlan,
}

/// A topology with its balancing rules.
#[derive(Clone, Copy)]
pub struct Candidate<'a> {
    /// Processes and pools.
    pub topology: &'a Topology,
    /// Balancing rules.
    pub routers: &'a dyn Routers,
}

/// How many replications, and when to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplicationPlan {
    /// Replications before the first look.
    pub first: u32,
    /// Replications at most.
    pub most: u32,
    /// Wanted half-width of the mean latency, as a share of it.
    pub mean_within: f64,
    /// Wanted half-width of the 95th percentile, as a share of it.
    pub p95_within: f64,
    /// Of the intervals.
    pub confidence: f64,
    /// Draw users with replacement in every replication but the first.
    pub resample: bool,
    /// Least warm-up; the pilot may find that more is needed. At most half of the workload is ever removed.
    pub warm_up: Span,
    /// Bins of the timelines.
    pub bins: u64,
    /// Measure response times as Synapse logs them, too: for comparing with a log.
    pub as_logged: bool,
    /// Threads.
    pub threads: usize,
}

impl Default for ReplicationPlan {
    /// Ten to a hundred replications, 5 % of the mean and 10 % of the 95th percentile; five minutes of warm-up.
    fn default() -> Self {
        Self {
            first: 10,
            most: 100,
            mean_within: 0.05,
            p95_within: 0.10,
            confidence: 0.95,
            resample: true,
            warm_up: Span::from_millis(300_000),
            bins: 240,
            as_logged: false,
            threads: 1,
        }
    }
}

/// A candidate's runs.
#[derive(Debug, Clone)]
pub struct Replicated {
    /// One result per replication, in order of replication: pairs of candidates share their traffic.
    pub runs: Vec<RunResult>,
    /// Warm-up removed.
    pub warm_up: Span,
    /// Whether the cap and not the intervals ended it.
    pub capped: bool,
    /// Of the intervals.
    pub confidence: f64,
}

impl Replicated {
    /// A figure of the runs: its mean over replications with the interval. A figure that some run does not have is `None`.
    pub fn figure(&self, value: impl Fn(&RunResult) -> Option<f64>) -> Option<Interval> {
        let values: Option<Vec<f64>> = self.runs.iter().map(value).collect();
        let values = values.filter(|values| !values.is_empty())?;
        Some(student_t::mean_interval(&values, self.confidence))
    }

    /// The same figure here less there, over replications that share their traffic. With several comparisons pass their number:
    /// the confidence is shared out among them (Bonferroni).
    pub fn difference(&self, other: &Self, value: impl Fn(&RunResult) -> f64, comparisons: usize) -> Interval {
        let ours: Vec<f64> = self.runs.iter().map(&value).collect();
        let theirs: Vec<f64> = other.runs.iter().map(&value).collect();
        let confidence = 1.0 - (1.0 - self.confidence) / comparisons.max(1) as f64;
        student_t::paired_difference(&ours, &theirs, confidence)
    }
}

impl Scenario<'_> {
    /// Simulates candidates on common traffic.
    ///
    /// # Errors
    /// A topology names what does not exist.
    pub fn replicate(&self, candidates: &[Candidate<'_>]) -> Result<Vec<Replicated>, TopologyError> {
        candidates.iter().try_for_each(|candidate| candidate.topology.check())?;
        let warm_up = candidates.first().map_or(Ok(Span::ZERO), |pilot| self.find_warm_up(*pilot))?;
        let empty = Replicated { runs: Vec::new(), warm_up, capped: false, confidence: self.plan.confidence };
        let mut results = vec![empty; candidates.len()];
        let most = self.plan.most.max(1);
        let mut done = 0;
        while done < most {
            let batch = if done == 0 { self.plan.first.clamp(1, most) } else { (done / 2).clamp(1, most - done) };
            let open: Vec<usize> = (0..candidates.len()).filter(|&i| !self.is_narrow(&results[i])).collect();
            if open.is_empty() {
                break;
            }
            // Candidates stay in step, so that every pair of them is compared on all replications.
            for (candidate, run) in self.run_each(candidates, done..done + batch, warm_up, |_, run| run)? {
                results[candidate].runs.push(run);
            }
            done += batch;
        }
        for result in &mut results {
            result.capped = !self.is_narrow(result);
        }
        Ok(results)
    }

    /// One replication of one candidate.
    ///
    /// # Errors
    /// The topology names what does not exist.
    pub fn once(&self, candidate: Candidate<'_>, replication: u32, warm_up: Span) -> Result<RunResult, TopologyError> {
        self.run_on(candidate, &self.schedule(replication), replication, self.measuring(warm_up, self.plan.bins))
    }

    /// The traffic of a replication, the same for every candidate. The first one is as observed.
    pub fn schedule(&self, replication: u32) -> Schedule {
        let varied = replication > 0;
        let population = Population { growth: self.growth, resample: self.plan.resample && varied, redraw: varied };
        Schedule::draw(self.workload, population, self.replication_seed(replication))
    }

    /// Warm-up by MSER-5 on the work in system of a pilot run, second by second; at least what was asked for.
    ///
    /// # Errors
    /// The topology names what does not exist.
    pub fn find_warm_up(&self, candidate: Candidate<'_>) -> Result<Span, TopologyError> {
        let half = self.workload.span.divided(2);
        let seconds = (self.workload.span.nanos() / 1_000_000_000).clamp(1, PILOT_BINS_MAX);
        let pilot = self.run_on(candidate, &self.schedule(0), 0, self.measuring(Span::ZERO, seconds))?;
        let cut = mser::warm_up(&pilot.working_over_time()).unwrap_or(0);
        let found = Span::from_seconds(cut as f64 * pilot.bin_seconds);
        Ok(found.max(self.plan.warm_up).min(half))
    }

    /// Runs these replications of every candidate on all threads and keeps of each run what `keep` makes of it (it gets the replication's
    /// number). In order of replications, then of candidates; each with the index of its candidate.
    ///
    /// # Errors
    /// A topology names what does not exist.
    pub fn run_each<T: Send>(
        &self,
        candidates: &[Candidate<'_>],
        replications: std::ops::Range<u32>,
        warm_up: Span,
        keep: impl Fn(u32, RunResult) -> T + Sync,
    ) -> Result<Vec<(usize, T)>, TopologyError> {
        let measuring = self.measuring(warm_up, self.plan.bins);
        let numbers: Vec<u32> = replications.collect();
        // A thread takes a replication with all its candidates: the schedule is drawn once.
        let one = |replication: u32| -> Result<Vec<T>, TopologyError> {
            let schedule = self.schedule(replication);
            let run = |candidate: &Candidate<'_>| Ok(keep(replication, self.run_on(*candidate, &schedule, replication, measuring)?));
            candidates.iter().map(run).collect()
        };
        let mut results = Vec::new();
        for runs in in_parallel(&numbers, self.plan.threads, one) {
            results.extend(runs?.into_iter().enumerate());
        }
        Ok(results)
    }

    fn run_on(
        &self,
        candidate: Candidate<'_>,
        schedule: &Schedule,
        replication: u32,
        measuring: Measuring,
    ) -> Result<RunResult, TopologyError> {
        let run = Run {
            workload: self.workload,
            schedule,
            topology: candidate.topology,
            routers: candidate.routers,
            costs: self.costs,
            measuring,
            seed: self.replication_seed(replication),
            as_logged: self.plan.as_logged,
        };
        run.simulate()
    }

    fn measuring(&self, warm_up: Span, bins: u64) -> Measuring {
        Measuring::over(Time::ZERO + warm_up, Time::ZERO + self.workload.span, bins)
    }

    fn replication_seed(&self, replication: u32) -> u64 {
        draw(self.seed, Purpose::Replication, u64::from(replication))
    }

    fn is_narrow(&self, result: &Replicated) -> bool {
        if result.runs.len() < 2 {
            return false;
        }
        let within = |share: f64, value: fn(&RunResult) -> f64| {
            result.figure(|run| Some(value(run))).is_some_and(|i| i.high - i.value <= share * i.value)
        };
        within(self.plan.mean_within, |run| run.overall().mean_ms()) && within(self.plan.p95_within, |run| run.overall().quantile_ms(0.95))
    }
}

/// Runs `work` on every item on so many threads; results in the order of the items whatever the threads do.
fn in_parallel<T: Copy + Sync, R: Send>(items: &[T], threads: usize, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let worker = || {
        let mut mine = Vec::new();
        loop {
            let place = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let Some(item) = items.get(place) else { return mine };
            mine.push((place, work(*item)));
        }
    };
    let mut all: Vec<(usize, R)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(items.len()).max(1)).map(|_| scope.spawn(worker)).collect();
        let mut all = worker();
        for other in others {
            match other.join() {
                Ok(results) => all.extend(results),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_unstable_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, result)| result).collect()
}

const PILOT_BINS_MAX: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::super::router::{AtRandom, Router, ShortestBusyQueue};
    use super::super::synthetic::Synthetic;
    use super::*;
    use wsim_trace::NameId;

    fn random(_: usize, _: usize, _: u64) -> Box<dyn Router> {
        Box::new(AtRandom)
    }

    fn shortest(_: usize, _: usize, _: u64) -> Box<dyn Router> {
        Box::new(ShortestBusyQueue)
    }

    /// Ten minutes of Poisson traffic by 200 users.
    fn workload(rate: u32) -> Workload {
        let synthetic: Synthetic = format!("poisson rate={rate} service=exp:20ms").parse().unwrap();
        let mut workload = synthetic.workload(Span::from_millis(600_000), 1);
        workload.records.iter_mut().zip(0u32..).for_each(|(record, i)| record.user = NameId(1 + i % 200));
        workload
    }

    fn plan() -> ReplicationPlan {
        ReplicationPlan { warm_up: Span::from_millis(60_000), most: 40, ..ReplicationPlan::default() }
    }

    fn mean(run: &RunResult) -> f64 {
        run.overall().mean_ms()
    }

    #[test]
    fn candidates_are_compared_on_common_traffic_and_the_threads_do_not_matter() {
        let (workload, two) = (workload(60), Topology::one_pool(2));
        let candidates = [Candidate { topology: &two, routers: &random }, Candidate { topology: &two, routers: &shortest }];
        let scenario = Scenario { workload: &workload, growth: 1.0, costs: &Costs::LOGGED, seed: 5, plan: plan() };
        let one = scenario.replicate(&candidates).unwrap();
        let threads = Scenario { plan: ReplicationPlan { threads: 3, ..plan() }, ..scenario };
        assert_eq!(format!("{one:?}"), format!("{:?}", threads.replicate(&candidates).unwrap()));
        let [by_chance, by_queue] = &one[..] else { panic!("two candidates") };
        assert_eq!(by_chance.runs.len(), by_queue.runs.len());
        assert!(by_chance.runs.len() >= 10 && !by_chance.capped && by_chance.warm_up >= Span::from_millis(60_000));
        let difference = by_chance.difference(by_queue, mean, 1);
        assert!(difference.low > 5.0, "{difference:?}");
        let strict = by_chance.difference(by_queue, mean, 10);
        assert!(strict.low < difference.low && strict.high > difference.high, "Bonferroni widens");
        let utilisation = by_chance.figure(|run| run.processes.first().map(|p| p.utilisation)).unwrap();
        assert!(utilisation.low < 0.6 && 0.6 < utilisation.high + 0.03, "{utilisation:?}");
        assert_eq!(by_chance.figure(|run| run.processes.get(7).map(|p| p.cores)), None);
    }

    #[test]
    fn what_varies_too_much_is_replicated_up_to_the_cap_and_says_so() {
        let (workload, one) = (workload(46), Topology::one_pool(1));
        let most = ReplicationPlan { most: 12, mean_within: 0.001, ..plan() };
        let scenario = Scenario { workload: &workload, growth: 1.0, costs: &Costs::LOGGED, seed: 5, plan: most };
        let results = scenario.replicate(&[Candidate { topology: &one, routers: &random }]).unwrap();
        assert!(results[0].capped);
        assert_eq!(results[0].runs.len(), 12);
    }

    #[test]
    fn growth_brings_more_users_and_more_load() {
        let (workload, four) = (workload(40), Topology::one_pool(4));
        let cores = |growth: f64| {
            let scenario = Scenario { workload: &workload, growth, costs: &Costs::LOGGED, seed: 5, plan: plan() };
            let run = scenario.once(Candidate { topology: &four, routers: &random }, 0, Span::ZERO).unwrap();
            run.processes.iter().map(|process| process.cores).sum::<f64>()
        };
        assert!((cores(2.0) / cores(1.0) - 2.0).abs() < 0.05);
    }

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..100).collect();
        assert_eq!(in_parallel(&items, 3, |i| i * i), items.iter().map(|i| i * i).collect::<Vec<_>>());
        assert_eq!(in_parallel(&[], 2, |i: u64| i), Vec::<u64>::new());
    }
}
