//! Formulae of queueing theory for synthetic workloads. Times in seconds.
//!
//! Sources: Kleinrock, Queueing Systems I (1975); Gross, Shortle, Thompson and Harris, Fundamentals of Queueing Theory (2008);
//! insensitivity of processor sharing: Sakata, Noguchi and Oizumi (1969).

use super::arrivals::{ArrivalLaw, BatchSize};
use super::law::ServiceLaw;
use super::spec::{Balance, Discipline, Synthetic};

/// The stationary response time by formula.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exact {
    /// The station in Kendall's notation.
    pub formula: &'static str,
    /// Mean response time.
    pub mean: f64,
    /// 95th percentile, where the distribution is known.
    pub p95: Option<f64>,
    /// 99th percentile, where the distribution is known.
    pub p99: Option<f64>,
}

impl Exact {
    /// The formula for a workload; `None` if there is none here, or the servers are overloaded.
    pub fn of(synthetic: &Synthetic) -> Option<Self> {
        if synthetic.utilisation() >= 1.0 {
            return None;
        }
        let (servers, service) = (synthetic.servers.max(1), synthetic.service);
        let rate = synthetic.arrivals.rate();
        let rate_per_server = rate / f64::from(servers);
        let (poisson, exponential) =
            (matches!(synthetic.arrivals, ArrivalLaw::Poisson { .. }), matches!(service, ServiceLaw::Exponential { .. }));
        let is_single = servers == 1;
        // Independent random choices split a Poisson process into Poisson processes.
        let thinned = poisson && (is_single || synthetic.balance == Balance::Random);
        match (synthetic.discipline, synthetic.balance) {
            (Discipline::ProcessorSharing, _) if thinned => {
                Some(Self::mean_only("M/G/1-PS", service.mean() / (1.0 - rate_per_server * service.mean())))
            }
            (Discipline::ProcessorSharing, _) => None,
            _ if thinned && exponential => Some(Self::exponential("M/M/1", service.mean() / (1.0 - rate_per_server * service.mean()))),
            _ if thinned => Self::pollaczek_khinchine(rate_per_server, service),
            (_, Balance::Central) if poisson && exponential => Some(Self::mmc(rate, service.mean(), servers)),
            (_, Balance::RoundRobin) if poisson && exponential => {
                // Each server gets every N-th arrival of a Poisson process: its gaps are Erlang with N stages.
                Some(Self::gim1("E_N/M/1", |s| erlang_transform(servers, rate, s), service.mean()))
            }
            _ if is_single && exponential => Self::one_server(synthetic.arrivals, service.mean()),
            _ => None,
        }
    }

    fn one_server(arrivals: ArrivalLaw, service: f64) -> Option<Self> {
        match arrivals {
            ArrivalLaw::Deterministic { rate } => Some(Self::gim1("D/M/1", |s| (-s / rate).exp(), service)),
            ArrivalLaw::Erlang { shape, rate } => {
                Some(Self::gim1("E_k/M/1", |s| erlang_transform(shape, rate * f64::from(shape.max(1)), s), service))
            }
            ArrivalLaw::Batch { rate, size } => {
                let mean = size.mean();
                let second = match size {
                    BatchSize::Fixed(_) => mean * mean,
                    BatchSize::Geometric(_) => mean * (2.0 * mean - 1.0),
                };
                let load = rate * service;
                Some(Self::mean_only("M^X/M/1", load * (second + mean) / (2.0 * mean * (1.0 - load)) / rate))
            }
            ArrivalLaw::Poisson { .. } | ArrivalLaw::Mmpp { .. } => None,
        }
    }

    fn pollaczek_khinchine(rate: f64, service: ServiceLaw) -> Option<Self> {
        let (mean, scv) = (service.mean(), service.scv());
        let name = if matches!(service, ServiceLaw::Deterministic { .. }) { "M/D/1" } else { "M/G/1" };
        let load = rate * mean;
        scv.is_finite().then(|| Self::mean_only(name, mean + load * mean * (1.0 + scv) / (2.0 * (1.0 - load))))
    }

    fn mmc(rate: f64, service: f64, servers: u32) -> Self {
        let wait = erlang_c(servers, rate * service);
        let (mu, drain) = (1.0 / service, f64::from(servers) / service - rate);
        let tail = |t: f64| {
            if (drain - mu).abs() < 1e-9 * mu {
                return (1.0 + wait * mu * t) * (-mu * t).exp();
            }
            (1.0 - wait) * (-mu * t).exp() + wait * (drain * (-mu * t).exp() - mu * (-drain * t).exp()) / (drain - mu)
        };
        let mean = service + wait / drain;
        Self { formula: "M/M/c", mean, p95: Some(quantile(tail, mean, 0.95)), p99: Some(quantile(tail, mean, 0.99)) }
    }

    /// GI/M/1 by its root σ = A*(µ(1 - σ)), A* the Laplace transform of the gaps.
    fn gim1(formula: &'static str, transform: impl Fn(f64) -> f64, service: f64) -> Self {
        let root = (0..10_000).fold(0.5, |root, _| transform((1.0 - root) / service));
        Self::exponential(formula, service / (1.0 - root))
    }

    fn exponential(formula: &'static str, mean: f64) -> Self {
        Self { formula, mean, p95: Some(mean * 20f64.ln()), p99: Some(mean * 100f64.ln()) }
    }

    fn mean_only(formula: &'static str, mean: f64) -> Self {
        Self { formula, mean, p95: None, p99: None }
    }
}

/// Mean wait in an M/M/c queue, in service times, with `offered` erlangs at `servers` servers; infinite if they are overloaded.
pub fn waits_in_services(servers: u32, offered: f64) -> f64 {
    let spare = f64::from(servers) - offered;
    if spare <= 0.0 { f64::INFINITY } else { erlang_c(servers, offered) / spare }
}

/// Erlang's delay formula: the probability of having to wait with `offered` erlangs at `servers` servers.
fn erlang_c(servers: u32, offered: f64) -> f64 {
    let blocking = (1..=servers).fold(1.0, |b, n| offered * b / (f64::from(n) + offered * b));
    blocking / (1.0 - offered / f64::from(servers) * (1.0 - blocking))
}

/// Laplace transform of a sum of `stages` exponentials with this rate each.
fn erlang_transform(stages: u32, rate: f64, s: f64) -> f64 {
    (rate / (rate + s)).powi(i32::try_from(stages).unwrap_or(i32::MAX))
}

fn quantile(tail: impl Fn(f64) -> f64, mean: f64, quantile: f64) -> f64 {
    let (mut low, mut high) = (0.0, mean);
    while tail(high) > 1.0 - quantile {
        high *= 2.0;
    }
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if tail(middle) > 1.0 - quantile { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> Option<Exact> {
        Exact::of(&text.parse().unwrap())
    }

    fn mean_ms(text: &str) -> (&'static str, f64) {
        let exact = exact(text).unwrap();
        (exact.formula, (exact.mean * 1e6).round() / 1e3)
    }

    #[test]
    fn formulae_give_the_textbook_values() {
        assert_eq!(mean_ms("poisson rate=100 service=exp:5ms"), ("M/M/1", 10.0));
        assert_eq!(mean_ms("poisson rate=100 service=det:5ms"), ("M/D/1", 7.5));
        assert_eq!(mean_ms("poisson rate=100 service=hyperexp:3:5ms"), ("M/G/1", 15.0));
        assert_eq!(mean_ms("poisson rate=100 service=lognormal:9:5ms discipline=ps"), ("M/G/1-PS", 10.0));
        assert_eq!(mean_ms("poisson rate=200 service=exp:5ms servers=2 balance=random"), ("M/M/1", 10.0));
        // Two servers at half load: C(2, 1) = 1/3, so W = 5 + 5/3 · … = 6.667 ms.
        assert_eq!(mean_ms("poisson rate=200 service=exp:5ms servers=2"), ("M/M/c", 6.667));
        // Batches of two halve the customers' instants: L = ρ (4 + 2) / (2 · 2 (1 - ρ)).
        assert_eq!(mean_ms("batch rate=100 size=2 service=exp:5ms"), ("M^X/M/1", 15.0));
        let alternating = exact("poisson rate=200 service=exp:5ms servers=2 balance=round-robin").unwrap();
        assert!(alternating.formula == "E_N/M/1" && (0.006_67..0.01).contains(&alternating.mean), "{alternating:?}");
        let regular = exact("deterministic rate=100 service=exp:5ms").unwrap();
        // σ = exp(-2 (1 - σ)) = 0.20319.
        assert!((regular.mean - 0.005 / (1.0 - 0.203_188)).abs() < 1e-7);
    }

    #[test]
    fn percentiles_match_the_distribution() {
        let one = exact("poisson rate=100 service=exp:5ms").unwrap();
        assert!((one.p95.unwrap() - 0.029_957).abs() < 1e-6 && (one.p99.unwrap() - 0.046_052).abs() < 1e-6);
        let two = exact("poisson rate=200 service=exp:5ms servers=2").unwrap();
        assert!(two.p95.unwrap() > two.mean && two.p99 > two.p95);
    }

    #[test]
    fn some_workloads_have_no_formula() {
        assert_eq!(exact("poisson rate=200 service=exp:5ms"), None, "overloaded");
        assert_eq!(exact("poisson rate=200 service=exp:5ms servers=2 balance=jsq"), None);
        assert_eq!(exact("poisson rate=100 service=pareto:1.5:5ms"), None, "infinite variance");
        assert_eq!(exact("mmpp rates=40,400 leaves=1,5 service=exp:5ms"), None);
    }
}
