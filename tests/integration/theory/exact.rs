//! Formulae of queueing theory. Times in seconds. Sources: Kleinrock, Queueing Systems I (1975); Gross, Shortle, Thompson and
//! Harris, Fundamentals of Queueing Theory (2008).

/// A distribution of response times: the mean and P(R > t).
pub(super) struct Response {
    pub(super) mean: f64,
    pub(super) tail: Box<dyn Fn(f64) -> f64>,
}

impl Response {
    /// Exponential response times.
    pub(super) fn exponential(mean: f64) -> Self {
        Self { mean, tail: Box::new(move |t| (-t / mean).exp()) }
    }

    /// The quantile, by bisection.
    pub(super) fn quantile(&self, quantile: f64) -> f64 {
        let (mut low, mut high) = (0.0, self.mean);
        while (self.tail)(high) > 1.0 - quantile {
            high *= 2.0;
        }
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if (self.tail)(middle) > 1.0 - quantile {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }
}

/// Erlang's delay formula: the probability of waiting with `offered` erlangs on `servers` servers.
pub(super) fn erlang_c(servers: u32, offered: f64) -> f64 {
    let blocking = (1..=servers).fold(1.0, |b, n| offered * b / (f64::from(n) + offered * b));
    let load = offered / f64::from(servers);
    blocking / (1.0 - load * (1.0 - blocking))
}

/// Response times of M/M/c.
pub(super) fn mmc(rate: f64, service: f64, servers: u32) -> Response {
    let wait = erlang_c(servers, rate * service);
    let (mu, drain) = (1.0 / service, f64::from(servers) / service - rate);
    let mean = service + wait / drain;
    let tail = move |t: f64| {
        // The service time alone, plus the convolution of the waiting time with the service time.
        (1.0 - wait) * (-mu * t).exp() + wait * (drain * (-mu * t).exp() - mu * (-drain * t).exp()) / (drain - mu)
    };
    Response { mean, tail: Box::new(tail) }
}

/// Response times of GI/M/1, which are exponential: σ is the root of σ = A*(µ(1 - σ)), where A* is the Laplace transform of the
/// interarrival times.
pub(super) fn gim1(transform: impl Fn(f64) -> f64, service: f64) -> Response {
    let mut sigma = 0.5;
    for _ in 0..10_000 {
        sigma = transform((1.0 - sigma) / service);
    }
    Response::exponential(service / (1.0 - sigma))
}

/// Mean response of M/G/1 (Pollaczek and Khinchine) with squared coefficient of variation `scv`.
pub(super) fn mg1_mean(rate: f64, service: f64, scv: f64) -> f64 {
    let load = rate * service;
    service + load * service * (1.0 + scv) / 2.0 / (1.0 - load)
}

/// A queue whose server takes all waiting customers as one batch, with an exponential service time of mean `batch`. With x = λ(λ+µ)/µ²,
/// P(busy) = x/(1+x). A customer who finds the server idle is served at once, others first wait for the rest of the current batch.
pub(super) fn merging(rate: f64, batch: f64) -> Response {
    let mu = 1.0 / batch;
    let x = rate * (rate + mu) / (mu * mu);
    let busy = x / (1.0 + x);
    Response { mean: (1.0 + busy) / mu, tail: Box::new(move |t| (-mu * t).exp() * (1.0 + busy * mu * t)) }
}

/// Response times at an exponential server where an arrival finds n customers with probability `present[n]`.
pub(super) fn erlang_mixture(present: Vec<f64>, service: f64) -> Response {
    let mean = present.iter().zip(1..).map(|(p, n)| p * f64::from(n) * service).sum();
    let tail = move |t: f64| {
        let (mut term, mut sum, mut tail) = ((-t / service).exp(), 0.0, 0.0);
        for (n, p) in present.iter().enumerate() {
            sum += term;
            tail += p * sum;
            term *= t / service / (n as f64 + 1.0);
        }
        tail
    };
    Response { mean, tail: Box::new(tail) }
}
