//! Numerical response times of M/G/1 with any distribution of service times: the waiting time is a geometric sum of residual service times
//! (Pollaczek and Khinchine), whose distribution on a lattice follows from Panjer's recursion.

use super::exact::Response;

/// Response times of M/G/1, first come first served; `tail` is P(S > t) of the service time, `mean` its mean.
pub(super) fn mg1(rate: f64, mean: f64, tail: impl Fn(f64) -> f64 + 'static) -> Response {
    let (step, load) = (mean / STEPS_PER_MEAN, rate * mean);
    let residual = residual_masses(step, mean, &tail);
    let scale = 1.0 / (1.0 - load * residual[0]);
    let mut wait = vec![(1.0 - load) * scale];
    for j in 1..POINTS {
        let sum: f64 = (1..=j).map(|k| residual[k] * wait[j - k]).sum();
        wait.push(load * scale * sum);
    }
    let expected: f64 = wait.iter().enumerate().map(|(j, p)| p * j as f64 * step).sum();
    let remainder = 1.0 - wait.iter().sum::<f64>();
    let tail = move |t: f64| wait.iter().enumerate().map(|(j, p)| p * tail(t - j as f64 * step)).sum::<f64>() + remainder;
    Response { mean: expected + mean, tail: Box::new(tail) }
}

/// The probability mass of the residual service time within half a step of each lattice point; its density is P(S > t) / E S.
fn residual_masses(step: f64, mean: f64, tail: &impl Fn(f64) -> f64) -> Vec<f64> {
    let fine = 20;
    let part = step / f64::from(fine);
    let integral =
        |from: f64, parts: u32| -> f64 { (0..parts).map(|i| tail(from + (f64::from(i) + 0.5) * part)).sum::<f64>() * part / mean };
    (0..POINTS).map(|k| if k == 0 { integral(0.0, fine / 2) } else { integral((k as f64 - 0.5) * step, fine) }).collect()
}

/// P(S > t) of the tested distributions.
pub(super) mod tails {
    pub(in crate::theory) fn deterministic(mean: f64) -> impl Fn(f64) -> f64 {
        move |t| if t < mean { 1.0 } else { 0.0 }
    }

    pub(in crate::theory) fn erlang(shape: u32, mean: f64) -> impl Fn(f64) -> f64 {
        move |t| {
            let x = f64::from(shape) * t.max(0.0) / mean;
            let (mut term, mut sum) = (1.0, 0.0);
            for n in 0..shape {
                sum += term;
                term *= x / f64::from(n + 1);
            }
            sum * (-x).exp()
        }
    }

    pub(in crate::theory) fn hyperexponential(scv: f64, mean: f64) -> impl Fn(f64) -> f64 {
        let share = wsim::simulate::theory::balanced_share(scv);
        move |t| {
            let t = t.max(0.0);
            share * (-2.0 * share * t / mean).exp() + (1.0 - share) * (-2.0 * (1.0 - share) * t / mean).exp()
        }
    }

    pub(in crate::theory) fn lognormal(scv: f64, mean: f64) -> impl Fn(f64) -> f64 {
        let variance = scv.ln_1p();
        let centre = mean.ln() - variance / 2.0;
        move |t| if t <= 0.0 { 1.0 } else { 0.5 * erfc((t.ln() - centre) / (2.0 * variance).sqrt()) }
    }

    /// Complementary error function to 1.2e-7 (Press et al., Numerical Recipes, section 6.2).
    fn erfc(x: f64) -> f64 {
        let t = 1.0 / (1.0 + 0.5 * x.abs());
        let series = [
            -1.265_512_23,
            1.000_023_68,
            0.374_091_96,
            0.096_784_18,
            -0.186_288_06,
            0.278_868_07,
            -1.135_203_98,
            1.488_515_87,
            -0.822_152_23,
            0.170_872_77,
        ];
        let exponent = series.iter().rev().fold(0.0, |sum, c| sum * t + c) - x * x;
        let value = t * exponent.exp();
        if x >= 0.0 { value } else { 2.0 - value }
    }
}

const STEPS_PER_MEAN: f64 = 60.0;
const POINTS: usize = 5000;
