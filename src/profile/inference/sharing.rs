//! Demand from response times: separates a request's own work from the time it waited for other requests.
//!
//! A process shares one core among the requests in progress that want it. If a request of class k in progress wants the core
//! with probability β_k, and `B(t)` is the sum of β over all requests in progress on its server, its demand is
//!
//! ```text
//! D = β_k ∫ dt / max(1, B(t))      from the arrival (a long poll's wake-up) to the end of the request
//! ```
//!
//! β follows from the share c_k of its time that a request of the class spends on the core of an idle server (prior table). The
//! rest of its time, waiting for the database, does not grow with load, while the time on the core is stretched by a factor S:
//! `β = S / (S + (1 - c) / c)`. S is the class's mean stretch in the previous round; three rounds are enough. With c = 1 this
//! is the exact inverse of processor sharing. (The often used β = demand / response time mistakes time in the queue for time
//! off the core, and loses work as load grows.)
//!
//! A CPU limit that is told is taken into account: while its budget is used up, the server has the limit's share of a core and no more. The result
//! is too high where something else slows requests down with load (a busy database, a limit that nobody told: on two logs of a
//! cluster with known CPU it was twice the true value), and the prior table is wrong by the speed of the machine. Each is
//! accurate to a factor of two, so their geometric mean is taken (on those logs 1.4 and 1.6 times the true value), never above the
//! mean response time. A proxy's log does not show the work of long polls: they get the prior times the speed factor of the others.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use wsim_endpoints::Endpoint;
use wsim_stats::hashing::NumberMap;
use wsim_trace::{NameId, Request, flag};

use super::super::cpu_limit::{CpuLimit, server_of};
use super::super::model::DemandMethod;
use super::super::prior::prior;
use super::{InferredDemand, RANGE, work_start_us};

/// Inverts processor sharing per server (upstream, else process, else one server for all); `None` without durations.
pub fn invert<I>(requests: impl Fn() -> I, endpoints: &[Endpoint], limits: &HashMap<NameId, CpuLimit>) -> Option<InferredDemand>
where
    I: Iterator<Item = Request>,
{
    let priors: Vec<_> = endpoints.iter().map(prior).collect();
    let mut wants: Vec<f64> = priors.iter().map(|p| p.cpu_share.clamp(SHARE_MIN, 1.0)).collect();
    let idle_ratio: Vec<f64> = wants.iter().map(|c| (1.0 - c) / c).collect();
    let mut sums = Vec::new();
    for _ in 0..ROUNDS {
        sums = sweep(requests(), &wants, limits);
        for ((want, idle), class) in wants.iter_mut().zip(&idle_ratio).zip(&sums) {
            if class.shared_us > 0.0 {
                let stretch = class.response_us / class.shared_us;
                *want = stretch / (stretch + idle);
            }
        }
    }
    let usable: u64 = sums.iter().map(|s| s.requests).sum();
    if usable < REQUESTS_MIN {
        return None;
    }
    // Found demand divided by prior demand, over all classes: the speed of this machine.
    let found: f64 = sums.iter().zip(&wants).map(|(s, want)| s.shared_us * want).sum();
    let expected: f64 = sums.iter().zip(&priors).map(|(s, p)| s.requests as f64 * f64::from(p.cpu_us)).sum();
    let speed = if expected > 0.0 { factor(found / expected) } else { 1.0 };
    let demand = |class: usize| {
        let (sum, typical) = (&sums[class], f64::from(priors[class].cpu_us));
        if sum.requests < CLASS_MIN || sum.long_polls > sum.requests || typical == 0.0 {
            return typical * speed;
        }
        let n = sum.requests as f64;
        (typical * factor(sum.shared_us * wants[class] / n / typical)).min(sum.response_us / n)
    };
    Some(InferredDemand {
        method: DemandMethod::ProcessorSharing,
        note: format!(
            "calculated from the response times and the number in progress of {usable} requests, averaged with what they cost \
             on a reference cluster ({speed:.1} times that in total); half to double is possible"
        ),
        per_endpoint_cpu_us: (0..endpoints.len()).map(demand).collect(),
        like_logged: Vec::new(),
        range: RANGE,
    })
}

/// Geometric mean of the found demand (in units of the prior) and the prior, within a factor of four of the prior.
fn factor(found: f64) -> f64 {
    found.sqrt().clamp(1.0 / BOUND, BOUND)
}

/// Sums of one sweep over a class.
#[derive(Debug, Clone, Copy, Default)]
struct ClassTimes {
    requests: u64,
    long_polls: u64,
    response_us: f64,
    /// ∫ dt / max(1, B): response time without the stretch.
    shared_us: f64,
}

/// A server during the sweep: how many requests want the core, and the integral of 1 / max(1, B) so far; under a CPU limit that of the limit's
/// share instead of 1 while its budget is used up.
#[derive(Default)]
struct Server {
    quota: Option<Quota>,
    now_us: i64,
    runnable: f64,
    integral_us: f64,
    /// End, class, and the integral at its arrival (as bits, so that the heap can order it).
    open: BinaryHeap<Reverse<(i64, u16, u64)>>,
}

/// A CPU limit as a bucket that fills evenly: what a period does not use is lost, as in the kernel, but when a period begins does not matter.
#[derive(Debug, Clone, Copy)]
struct Quota {
    /// Cores in the long run.
    cores: f64,
    /// CPU of a full bucket, and what is in it, µs.
    budget_us: f64,
    left_us: f64,
}

impl Quota {
    fn of(limit: &CpuLimit) -> Self {
        let budget_us = limit.cores.value * limit.period_ms * 1e3;
        Self { cores: limit.cores.value, budget_us, left_us: budget_us }
    }

    /// The integral of the CPU that a request which wants the core gets, while `runnable` requests want it for `span_us`.
    fn serve(&mut self, span_us: f64, runnable: f64) -> f64 {
        let wanted = runnable.min(1.0);
        let free_us = if wanted > self.cores { (self.left_us / (wanted - self.cores)).min(span_us) } else { span_us };
        self.left_us = (self.left_us + free_us * (self.cores - wanted)).clamp(0.0, self.budget_us);
        // The server takes the limit's share while its budget is used up.
        free_us / runnable.max(1.0) + (span_us - free_us) * self.cores / runnable.max(self.cores)
    }
}

impl Server {
    fn new(now_us: i64, limit: Option<&CpuLimit>) -> Self {
        Self { now_us, quota: limit.filter(|limit| !limit.is_whole_core()).map(Quota::of), ..Self::default() }
    }

    fn advance(&mut self, to_us: i64) {
        if to_us > self.now_us {
            let span_us = (to_us - self.now_us) as f64;
            self.integral_us += match &mut self.quota {
                Some(quota) => quota.serve(span_us, self.runnable),
                None => span_us / self.runnable.max(1.0),
            };
            self.now_us = to_us;
        }
    }

    fn finish_until(&mut self, time_us: i64, wants: &[f64], sums: &mut [ClassTimes]) {
        while let Some(&Reverse((end, class, integral_before))) = self.open.peek().filter(|o| o.0.0 <= time_us) {
            self.advance(end);
            self.open.pop();
            self.runnable = if self.open.is_empty() { 0.0 } else { (self.runnable - wants[usize::from(class)]).max(0.0) };
            sums[usize::from(class)].shared_us += self.integral_us - f64::from_bits(integral_before);
        }
    }
}

fn sweep(requests: impl Iterator<Item = Request>, wants: &[f64], limits: &HashMap<NameId, CpuLimit>) -> Vec<ClassTimes> {
    let mut sums = vec![ClassTimes::default(); wants.len()];
    let mut servers: NumberMap<u64, Server> = NumberMap::default();
    for r in requests {
        let class = usize::from(r.endpoint.0);
        if !r.has(flag::WALL) || class >= wants.len() {
            continue;
        }
        if r.has(flag::LONG_POLL) {
            sums[class].long_polls += 1;
            continue;
        }
        let name = server_of(&r);
        let server = servers.entry(name.0.into()).or_insert_with(|| Server::new(work_start_us(&r), limits.get(&name)));
        let start_us = work_start_us(&r).max(server.now_us);
        server.finish_until(start_us, wants, &mut sums);
        server.advance(start_us);
        server.open.push(Reverse((start_us.saturating_add(r.wall_us.into()), r.endpoint.0, server.integral_us.to_bits())));
        server.runnable += wants[class];
        sums[class].requests += 1;
        sums[class].response_us += f64::from(r.wall_us);
    }
    for server in servers.values_mut() {
        server.finish_until(i64::MAX, wants, &mut sums);
    }
    sums
}

const ROUNDS: usize = 3;
const REQUESTS_MIN: u64 = 100;
const CLASS_MIN: u64 = 20;
const BOUND: f64 = 4.0;
const SHARE_MIN: f64 = 0.02;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{endpoint, timed};
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;
    use wsim_endpoints::EndpointId;

    /// Arrivals of a Poisson process with the given demands by class, all served by one core that shares evenly.
    #[expect(clippy::cast_possible_truncation, reason = "microseconds of a few minutes")]
    fn processor_sharing(rate_per_second: f64, demand_us: &[f64], count: usize) -> Vec<Request> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(11);
        let mut arrivals = Vec::new();
        let mut time = 0.0;
        for _ in 0..count {
            time += -(1.0 - random.random::<f64>()).ln() / rate_per_second * 1e6;
            arrivals.push((time, random.random_range(0..demand_us.len())));
        }
        let mut open: Vec<(f64, usize)> = Vec::new();
        let mut ends = vec![0.0; count];
        let (mut now, mut next) = (0.0, 0);
        while next < count || !open.is_empty() {
            let least = open.iter().map(|o| o.0).fold(f64::INFINITY, f64::min);
            let finish = now + least * open.len() as f64;
            let until = if next < count { finish.min(arrivals[next].0) } else { finish };
            let served = if open.is_empty() { 0.0 } else { (until - now) / open.len() as f64 };
            now = until;
            open.iter_mut().for_each(|o| o.0 -= served);
            open.retain(|o| {
                if o.0 <= 1e-6 {
                    ends[o.1] = now;
                }
                o.0 > 1e-6
            });
            if next < count && arrivals[next].0 <= now {
                open.push((demand_us[arrivals[next].1], next));
                next += 1;
            }
        }
        let at = |i: usize| arrivals[i].0.round() as i64;
        (0..count)
            .map(|i| Request {
                endpoint: EndpointId(u16::try_from(arrivals[i].1).unwrap()),
                ..timed(at(i), u32::try_from(ends[i].round() as i64 - at(i)).unwrap())
            })
            .collect()
    }

    #[test]
    fn processor_sharing_is_inverted_exactly_for_work_without_delay() {
        // M/D/1-PS at 70 % with two classes: responses are stretched 3.3 times.
        let requests = processor_sharing(70.0, &[4000.0, 16_000.0], 20_000);
        let sums = sweep(requests.iter().copied(), &[1.0, 1.0], &HashMap::new());
        for (class, truth) in [(0, 4000.0), (1, 16_000.0)] {
            let n = sums[class].requests as f64;
            let (found, response) = (sums[class].shared_us / n, sums[class].response_us / n);
            assert!(response > 2.5 * truth, "the test needs queueing: {response}");
            assert!((found - truth).abs() < 0.01 * truth, "{found} for {truth}");
        }
    }

    #[test]
    fn on_a_quiet_server_demand_lies_between_the_typical_share_of_the_response_time_and_the_prior() {
        let table = [endpoint("client", &[], None)];
        let requests: Vec<Request> = (0..500).map(|i| timed(i * 1_000_000, 20_000)).collect();
        let demand = invert(|| requests.iter().copied(), &table, &HashMap::new()).unwrap();
        let expected = (20_000.0f64 * 0.38 * 3500.0).sqrt();
        assert!((demand.per_endpoint_cpu_us[0] - expected).abs() < 1.0, "{:?}", demand.per_endpoint_cpu_us);
    }

    #[test]
    fn queueing_is_not_mistaken_for_demand() {
        // Four times the load makes responses three times as long; the demand found must hardly change.
        let table = [endpoint("client", &[], None), endpoint("client", &[], None)];
        let [quiet, busy] = [17.5, 70.0].map(|rate| {
            let requests = processor_sharing(rate, &[4000.0, 16_000.0], 20_000);
            invert(|| requests.iter().copied(), &table, &HashMap::new()).unwrap().per_endpoint_cpu_us
        });
        for (quiet, busy) in quiet.iter().zip(&busy) {
            assert!((0.8..1.5).contains(&(busy / quiet)), "{busy} for {quiet}");
        }
    }

    #[test]
    fn a_told_limit_explains_what_would_be_taken_for_demand() {
        // A core shared evenly that is four times slower is what a limit of a quarter looks like from far away.
        let requests: Vec<Request> = processor_sharing(17.5, &[16_000.0], 20_000);
        let limit =
            CpuLimit { cores: wsim_stats::Interval::exact(0.25), period_ms: 1.0, source: crate::cpu_limit::LimitSource::Told, spells: 0 };
        let mean = |limits: &HashMap<NameId, CpuLimit>| {
            let sums = sweep(requests.iter().copied(), &[1.0], limits);
            sums[0].shared_us / sums[0].requests as f64
        };
        let (untold, told) = (mean(&HashMap::new()), mean(&HashMap::from([(NameId::NONE, limit)])));
        assert!((untold - 16_000.0).abs() < 200.0, "{untold}");
        assert!((told - 4000.0).abs() < 250.0, "{told}");
    }

    #[test]
    fn a_request_within_the_budget_runs_at_full_speed() {
        let mut quota = Quota { cores: 0.25, budget_us: 5000.0, left_us: 5000.0 };
        assert!((quota.serve(4000.0, 1.0) - 4000.0).abs() < 1e-9);
        assert!((quota.left_us - 2000.0).abs() < 1e-9);
        // 2 ms are left and 0.25 ms come each millisecond: 2.67 ms at full speed, the rest at a quarter.
        assert!((quota.serve(10_000.0, 1.0) - (8000.0 / 3.0 + (10_000.0 - 8000.0 / 3.0) * 0.25)).abs() < 1e-6);
        quota.serve(100_000.0, 0.0);
        assert!((quota.left_us - 5000.0).abs() < 1e-9, "what is not used is lost");
    }

    #[test]
    fn servers_do_not_disturb_one_another() {
        let alone: Vec<Request> = (0..500).map(|i| timed(i * 20_000, 10_000)).collect();
        let both: Vec<Request> =
            alone.iter().flat_map(|&r| [Request { upstream: NameId(1), ..r }, Request { upstream: NameId(2), ..r }]).collect();
        let [one, two] = [alone, both].map(|all| {
            let sums = sweep(all.iter().copied(), &[1.0], &HashMap::new());
            sums[0].shared_us / sums[0].requests as f64
        });
        assert!((one - two).abs() < 1e-6);
    }

    #[test]
    fn demand_never_exceeds_the_response_time() {
        let table = [endpoint("event_sending", &[], None)];
        let requests: Vec<Request> = (0..500).map(|i| timed(i * 1_000_000, 1000)).collect();
        let demand = invert(|| requests.iter().copied(), &table, &HashMap::new()).unwrap();
        assert!(demand.per_endpoint_cpu_us[0] <= 1000.0);
    }

    #[test]
    fn requests_out_of_order_do_no_harm() {
        let mut requests: Vec<Request> = (0..200).map(|i| timed(i * 5000, 20_000)).collect();
        requests.reverse();
        requests.push(timed(i64::MIN, u32::MAX));
        requests.push(timed(i64::MAX, u32::MAX));
        let sums = sweep(requests.iter().copied(), &[0.5], &HashMap::new());
        assert!(sums[0].shared_us.is_finite());
    }
}
