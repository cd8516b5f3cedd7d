//! Demand from process CPU: `U(t) = U0 + Σ_k D_k X_k(t)` over windows of time, with no negative demand.
//!
//! U is the CPU of all Synapse processes together, X the arrivals of each group. The load of groups tends to rise and fall
//! together, so the data alone cannot separate them. Each demand is therefore pulled towards the prior table times the one speed
//! factor that fits best (ridge regression, equal to a normal prior with a standard deviation of 70 % of its mean), and U0 towards
//! 3 % of a core per process. Windows with a process above 90 % busy are left out, because their work spills into later windows.

use std::collections::BTreeMap;

use crate::process_cpu::{CpuCounter, ProcessCpu};
use crate::window::observed_time;
use wsim_endpoints::Endpoint;
use wsim_stats::ObservedTime;
use wsim_stats::least_squares::NonNegativeLeastSquares;
use wsim_trace::Request;

use super::super::model::DemandMethod;
use super::super::prior::prior;
use super::{InferredDemand, RANGE, work_start_us};

/// Fits demand per group; `None` with fewer than three usable windows or without any request in them.
pub fn regress<I>(requests: impl Fn() -> I, endpoints: &[Endpoint], cpu: &ProcessCpu) -> Option<InferredDemand>
where
    I: Iterator<Item = Request>,
{
    let counters: Vec<&CpuCounter> = cpu.synapse().collect();
    let groups = Groups::new(endpoints);
    let windows = windows(requests(), &observed_time(requests()), &groups, &counters)?;
    let idle = IDLE_CORES * counters.len() as f64;

    // First one speed factor for all groups: its residuals estimate the noise of the windows.
    let mut noise = (0.1 * mean(windows.iter().map(|w| w.cores))).powi(2).max(NOISE_MIN);
    let mut speed = 1.0;
    for _ in 0..3 {
        let mut problem = NonNegativeLeastSquares::new(2);
        for window in &windows {
            problem.observe(&[1.0, window.expected.iter().sum()], window.cores);
        }
        problem.add_prior(0, idle, noise / idle.powi(2));
        problem.add_prior(1, 1.0, noise / SPEED_DEVIATION.powi(2));
        let fit = problem.solve();
        speed = fit[1].max(SPEED_MIN);
        noise = mean(windows.iter().map(|w| (w.cores - fit[0] - speed * w.expected.iter().sum::<f64>()).powi(2))).max(NOISE_MIN);
    }

    let mut problem = NonNegativeLeastSquares::new(1 + groups.count);
    problem.add_prior(0, idle, noise / idle.powi(2));
    for group in 0..groups.count {
        problem.add_prior(1 + group, speed, noise / (GROUP_DEVIATION * speed).powi(2));
    }
    for window in &windows {
        let coefficients: Vec<f64> = std::iter::once(1.0).chain(window.expected.iter().copied()).collect();
        problem.observe(&coefficients, window.cores);
    }
    let fit = problem.solve();
    let factor_of = |endpoint: usize| fit[1 + groups.of_endpoint[endpoint]];
    Some(InferredDemand {
        method: DemandMethod::Regression,
        note: format!(
            "fitted to the CPU of {} Synapse processes over {} windows (R² {:.2}), so it includes background work; \
             the server is {:.1} times as costly as the reference cluster",
            counters.len(),
            windows.len(),
            explained(&windows, &fit),
            speed
        ),
        per_endpoint_cpu_us: groups.prior_us.iter().enumerate().map(|(e, us)| us * factor_of(e)).collect(),
        like_logged: Vec::new(),
        range: RANGE,
    })
}

/// The group of each endpoint class, as an index.
struct Groups {
    of_endpoint: Vec<usize>,
    prior_us: Vec<f64>,
    count: usize,
}

impl Groups {
    fn new(endpoints: &[Endpoint]) -> Self {
        let mut names: Vec<&str> = Vec::new();
        let mut of_endpoint = Vec::with_capacity(endpoints.len());
        for endpoint in endpoints {
            let known = names.iter().position(|&name| name == endpoint.group);
            of_endpoint.push(known.unwrap_or_else(|| {
                names.push(&endpoint.group);
                names.len() - 1
            }));
        }
        Self { of_endpoint, prior_us: endpoints.iter().map(|e| f64::from(prior(e).cpu_us)).collect(), count: names.len() }
    }
}

/// One window: cores used, and the cores that each group would use by the prior table.
struct Observed {
    cores: f64,
    expected: Vec<f64>,
}

fn windows(
    requests: impl Iterator<Item = Request>,
    covered: &ObservedTime,
    groups: &Groups,
    counters: &[&CpuCounter],
) -> Option<Vec<Observed>> {
    let (start, end) = common_span(counters)?;
    let step = counters.iter().map(|c| c.step_us()).max()?;
    // Counters may go on where there is no log.
    let common = covered.within(start, end);
    let gaps: i64 = common.gaps().map(|(from, to)| to - from).sum();
    let width = step.max((end - start - gaps) / WINDOWS_MAX);
    let count = (end - start) / width;
    let seconds = width as f64 / 1e6;
    let of_span = |(from, to): (i64, i64)| (from - start).div_euclid(width)..(to - start + width - 1).div_euclid(width).min(count);
    let windows: Vec<i64> = if gaps == 0 { (0..count).collect() } else { common.spans().flat_map(of_span).collect() };
    let mut expected: BTreeMap<i64, Vec<f64>> = windows.into_iter().map(|window| (window, vec![0.0; groups.count])).collect();
    // The part of the counters' time that the log covers.
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    for request in requests {
        let start_of_work = work_start_us(&request);
        let window = start_of_work.saturating_sub(start).div_euclid(width);
        let endpoint = usize::from(request.endpoint.0);
        if (start..=end).contains(&start_of_work) {
            (first, last) = (first.min(start_of_work), last.max(start_of_work));
        }
        if let (Some(row), Some(&group)) = (expected.get_mut(&window), groups.of_endpoint.get(endpoint)) {
            row[group] += groups.prior_us[endpoint] / 1e6 / seconds;
        }
    }
    let slack = width / 10;
    let is_in_gap = |from: i64| common.gaps().any(|(gap_from, gap_to)| from < gap_to - slack && from + width > gap_from + slack);
    let observed: Vec<Observed> = expected
        .into_iter()
        .filter(|(window, _)| !is_in_gap(start + window * width))
        .filter_map(|(window, expected)| {
            let from = start + window * width;
            if from < first.saturating_sub(slack) || from + width > last.saturating_add(slack) {
                return None;
            }
            let rates: Vec<f64> = counters.iter().map(|c| c.seconds_between(from, from + width) / seconds).collect();
            rates.iter().all(|&rate| rate <= BUSY_MAX).then(|| Observed { cores: rates.iter().sum(), expected })
        })
        .collect();
    let any = observed.iter().any(|w| w.expected.iter().any(|&e| e > 0.0));
    (observed.len() >= WINDOWS_MIN && any).then_some(observed)
}

/// The time that all counters cover; counters with less than a twentieth of the CPU are ignored.
fn common_span(counters: &[&CpuCounter]) -> Option<(i64, i64)> {
    let used = |c: &CpuCounter| c.seconds_between(i64::MIN, i64::MAX);
    let total: f64 = counters.iter().map(|c| used(c)).sum();
    let spans = counters.iter().filter(|c| used(c) * 20.0 >= total).map(|c| c.span_us());
    let (start, end) = spans.reduce(|a, b| (a.0.max(b.0), a.1.min(b.1)))?;
    (end > start).then_some((start, end))
}

fn explained(windows: &[Observed], fit: &[f64]) -> f64 {
    let average = mean(windows.iter().map(|w| w.cores));
    let all: f64 = windows.iter().map(|w| (w.cores - average).powi(2)).sum();
    let left: f64 =
        windows.iter().map(|w| (w.cores - fit[0] - w.expected.iter().zip(&fit[1..]).map(|(e, x)| e * x).sum::<f64>()).powi(2)).sum();
    if all > 0.0 { (1.0 - left / all).max(0.0) } else { 0.0 }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), v| (sum + v, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

const WINDOWS_MIN: usize = 3;
const WINDOWS_MAX: i64 = 720;
const BUSY_MAX: f64 = 0.9;
const IDLE_CORES: f64 = 0.03;
const SPEED_DEVIATION: f64 = 2.0;
const SPEED_MIN: f64 = 0.02;
const GROUP_DEVIATION: f64 = 0.7;
/// A thousandth of a core, squared.
const NOISE_MIN: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{request, table};
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;
    use wsim_endpoints::EndpointId;

    /// An hour of syncs at 5 ms and sends at 30 ms whose rates vary independently, and the resulting CPU counter.
    fn hour() -> (Vec<Request>, ProcessCpu) {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        let mut requests = Vec::new();
        let mut total = 0.0;
        let mut csv = String::new();
        for window in 0..240i64 {
            csv.push_str(&format!("{},main,{total}\n", window * 15));
            let (syncs, sends) = (random.random_range(100..900i64), random.random_range(20..120i64));
            for (endpoint, count) in [(0, syncs), (1, sends)] {
                requests.extend(
                    (0..count).map(|i| Request { endpoint: EndpointId(endpoint), ..request(window * 15_000_000 + i * 15_000_000 / count) }),
                );
            }
            let noise = 0.9 + 0.2 * random.random::<f64>();
            total += (0.04 * 15.0 + syncs as f64 * 0.005 + sends as f64 * 0.030) * noise;
        }
        (requests, ProcessCpu::parse(csv.as_bytes()).unwrap())
    }

    #[test]
    fn true_demands_are_found_from_process_cpu() {
        let (requests, cpu) = hour();
        let demand = regress(|| requests.iter().copied(), &table(), &cpu).unwrap();
        let [sync, send] = [demand.per_endpoint_cpu_us[0], demand.per_endpoint_cpu_us[1]];
        assert!((sync - 5000.0).abs() < 300.0, "sync {sync}");
        assert!((send - 30_000.0).abs() < 1800.0, "send {send}");
    }

    #[test]
    fn a_group_without_requests_keeps_its_prior_times_the_speed_of_the_machine() {
        let (requests, cpu) = hour();
        let demand = regress(|| requests.iter().copied(), &table(), &cpu).unwrap();
        let media = demand.per_endpoint_cpu_us[5] / 2400.0;
        assert!((1.4..2.6).contains(&media), "{media}");
    }

    #[test]
    fn a_constant_load_is_divided_by_the_prior() {
        let requests: Vec<Request> =
            (0..6000i64).map(|i| Request { endpoint: EndpointId(u16::from(i % 10 == 0)), ..request(i * 100_000) }).collect();
        let csv: String = (0..=60).map(|i| format!("{},main,{}\n", i * 10, f64::from(i) * 10.0 * 0.08)).collect();
        let demand = regress(|| requests.iter().copied(), &table(), &ProcessCpu::parse(csv.as_bytes()).unwrap()).unwrap();
        let total = (9.0 * demand.per_endpoint_cpu_us[0] + demand.per_endpoint_cpu_us[1]) / 1e6;
        assert!((0.04..0.08).contains(&total), "{total} cores of 0.08, less an idle share");
        let ratio = demand.per_endpoint_cpu_us[1] / demand.per_endpoint_cpu_us[0];
        assert!((2.0..6.0).contains(&ratio), "{ratio}, the prior says 3.6");
    }

    #[test]
    fn cpu_before_and_after_the_log_is_ignored() {
        let (requests, cpu) = hour();
        let part = || requests.iter().copied().filter(|r| (1_200_000_000..2_400_000_000).contains(&r.arrival_us));
        let demand = regress(part, &table(), &cpu).unwrap();
        assert!((demand.per_endpoint_cpu_us[0] - 5000.0).abs() < 500.0, "{:?}", demand.per_endpoint_cpu_us);
    }

    #[test]
    fn too_little_to_fit_is_no_fit() {
        let cpu = ProcessCpu::parse(b"0,main,0\n10,main,1\n").unwrap();
        assert_eq!(regress(|| [request(0)].into_iter(), &table(), &cpu), None);
    }
}
