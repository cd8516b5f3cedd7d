//! How uncertain the parameters of a simulation are, and one draw of all of them for each replication.
//!
//! Users that are resampled show how much of a figure is chance. That the same server needs a little more or less CPU for the same requests on
//! another day, and that delays and the time of writing were estimated, they do not show. So each replication has parameters of its own, the
//! same for every candidate.

use crate::engine::random::{Purpose, draw, unit};
use crate::synapse::topology::Costs;

/// Deviations of the logarithms of parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Uncertainty {
    /// CPU of all requests.
    pub cpu: f64,
    /// Delays that do not depend on load, and the time of transactions.
    pub delays: f64,
    /// Time of a persister for a batch of events.
    pub writing: f64,
}

impl Uncertainty {
    /// All parameters are known.
    pub const NONE: Self = Self { cpu: 0.0, delays: 0.0, writing: 0.0 };

    /// Costs with parameters drawn around theirs; `seed` is the replication's.
    pub fn draw(&self, costs: &Costs, seed: u64) -> Costs {
        let factor = |deviation: f64, parameter: u64| if deviation > 0.0 { (deviation * normal(seed, parameter)).exp() } else { 1.0 };
        let writing = factor(self.writing, 2);
        Costs {
            cpu_factor: costs.cpu_factor * factor(self.cpu, 0),
            delay_factor: costs.delay_factor * factor(self.delays, 1),
            persist_cpu: costs.persist_cpu.scaled(writing),
            persist_db: costs.persist_db.scaled(writing),
            ..*costs
        }
    }
}

/// A number from the standard normal distribution (Box and Muller, 1958).
fn normal(seed: u64, parameter: u64) -> f64 {
    let of = |part: u64| unit(draw(seed, Purpose::Parameter, 2 * parameter + part));
    (-2.0 * of(0).ln()).sqrt() * (std::f64::consts::TAU * of(1)).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::time::Span;

    #[test]
    fn parameters_are_drawn_around_theirs_and_independently() {
        let uncertainty = Uncertainty { cpu: 0.1, delays: 0.2, writing: 0.0 };
        let costs = Costs { persist_db: Span::from_millis(20), cpu_factor: 2.0, ..Costs::LOGGED };
        let drawn: Vec<Costs> = (0..2000).map(|seed| uncertainty.draw(&costs, seed)).collect();
        let logarithms: Vec<(f64, f64)> = drawn.iter().map(|costs| ((costs.cpu_factor / 2.0).ln(), costs.delay_factor.ln())).collect();
        let n = logarithms.len() as f64;
        let mean = |of: &dyn Fn(&(f64, f64)) -> f64| logarithms.iter().map(of).sum::<f64>() / n;
        assert!(mean(&|pair| pair.0).abs() < 0.01 && (mean(&|pair| pair.0 * pair.0).sqrt() - 0.1).abs() < 0.005);
        assert!((mean(&|pair| pair.1 * pair.1).sqrt() - 0.2).abs() < 0.01 && mean(&|pair| pair.0 * pair.1).abs() < 0.002);
        assert!(drawn.iter().all(|drawn| drawn.persist_db == costs.persist_db), "what is known stays");
        assert_eq!(Uncertainty::NONE.draw(&costs, 7), costs);
    }
}
