//! Least squares with non-negative coefficients, and priors of the coefficients (ridge).
//!
//! Small problems (tens of unknowns) by the active-set method on the normal equations (Lawson and Hanson, Solving Least
//! Squares Problems, 1974, chapter 23).

/// Minimises `Σ_t (y_t - Σ_k a_tk x_k)² + Σ_k r_k (x_k - p_k)²` over `x >= 0`.
#[derive(Debug, Clone)]
pub struct NonNegativeLeastSquares {
    unknowns: usize,
    /// `AᵀA + diag(r)`, row by row.
    gram: Vec<f64>,
    /// `Aᵀy + r p`.
    target: Vec<f64>,
}

impl NonNegativeLeastSquares {
    pub fn new(unknowns: usize) -> Self {
        Self { unknowns, gram: vec![0.0; unknowns * unknowns], target: vec![0.0; unknowns] }
    }

    /// Adds an observation: `value` should be `Σ_k coefficients_k x_k`. Missing coefficients are 0.
    pub fn observe(&mut self, coefficients: &[f64], value: f64) {
        for (i, &a) in coefficients.iter().take(self.unknowns).enumerate().filter(|(_, a)| **a != 0.0) {
            self.target[i] += a * value;
            for (j, &b) in coefficients.iter().take(self.unknowns).enumerate() {
                self.gram[i * self.unknowns + j] += a * b;
            }
        }
    }

    /// Adds a prior of an unknown, with the weight of `strength` observations of it (ridge).
    pub fn add_prior(&mut self, unknown: usize, prior: f64, strength: f64) {
        self.gram[unknown * self.unknowns + unknown] += strength;
        self.target[unknown] += strength * prior;
    }

    /// The coefficients; an unknown without observation and prior is 0.
    pub fn solve(&self) -> Vec<f64> {
        let n = self.unknowns;
        let mut x = vec![0.0; n];
        // Unknowns that may be positive; the others are 0.
        let mut free: Vec<usize> = Vec::new();
        for _ in 0..STEPS_PER_UNKNOWN * n {
            let Some(entering) = self.steepest(&x, &free) else { break };
            free.push(entering);
            loop {
                let wanted = self.solve_free(&free);
                let blocking = |(&k, &w): (&usize, &f64)| (w <= 0.0).then(|| (x[k] / (x[k] - w).max(f64::MIN_POSITIVE)).min(1.0));
                let Some(part) = free.iter().zip(&wanted).filter_map(blocking).reduce(f64::min) else {
                    free.iter().zip(&wanted).for_each(|(&k, &w)| x[k] = w);
                    break;
                };
                for (&k, &w) in free.iter().zip(&wanted) {
                    x[k] += part * (w - x[k]);
                    if w <= 0.0 && x[k] <= f64::EPSILON * w.abs() {
                        x[k] = 0.0;
                    }
                }
                let before = free.len();
                free.retain(|&k| x[k] > 0.0);
                if free.len() == before || free.is_empty() {
                    break;
                }
            }
        }
        x
    }

    /// The unknown at 0 whose increase, in its own scale, lowers the objective most; `None` if none does.
    fn steepest(&self, x: &[f64], free: &[usize]) -> Option<usize> {
        let descent = |k: usize| {
            let row = &self.gram[k * self.unknowns..(k + 1) * self.unknowns];
            let diagonal = row[k];
            let gradient = self.target[k] - row.iter().zip(x).map(|(a, x)| a * x).sum::<f64>();
            (diagonal > 0.0).then(|| gradient / diagonal.sqrt())
        };
        let scale = (0..self.unknowns)
            .map(|k| self.target[k].abs() / self.gram[k * self.unknowns + k].sqrt().max(f64::MIN_POSITIVE))
            .fold(0.0, f64::max);
        (0..self.unknowns)
            .filter(|k| !free.contains(k))
            .filter_map(|k| Some((k, descent(k)?)))
            .filter(|(_, d)| *d > TOLERANCE * scale)
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(k, _)| k)
    }

    /// The unconstrained minimum over some unknowns, by Cholesky's method on normalised columns.
    fn solve_free(&self, free: &[usize]) -> Vec<f64> {
        let m = free.len();
        let length: Vec<f64> = free.iter().map(|&k| self.gram[k * self.unknowns + k].sqrt().max(f64::MIN_POSITIVE)).collect();
        let mut lower = vec![0.0; m * m];
        let mut y = vec![0.0; m];
        for i in 0..m {
            for j in 0..=i {
                let entry = self.gram[free[i] * self.unknowns + free[j]] / (length[i] * length[j]);
                let rest = entry - (0..j).map(|k| lower[i * m + k] * lower[j * m + k]).sum::<f64>();
                // Linearly dependent columns get a small positive pivot.
                lower[i * m + j] = if i == j { rest.max(PIVOT_MIN).sqrt() } else { rest / lower[j * m + j] };
            }
            let known: f64 = (0..i).map(|k| lower[i * m + k] * y[k]).sum();
            y[i] = (self.target[free[i]] / length[i] - known) / lower[i * m + i];
        }
        for i in (0..m).rev() {
            let known: f64 = (i + 1..m).map(|k| lower[k * m + i] * y[k]).sum();
            y[i] = (y[i] - known) / lower[i * m + i];
        }
        y.iter().zip(&length).map(|(y, length)| y / length).collect()
    }
}

const STEPS_PER_UNKNOWN: usize = 3;
const TOLERANCE: f64 = 1e-10;
const PIVOT_MIN: f64 = 1e-13;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_negative_coefficient_becomes_zero() {
        let mut problem = NonNegativeLeastSquares::new(2);
        problem.observe(&[1.0, 0.0], -3.0);
        problem.observe(&[0.0, 2.0], 4.0);
        assert_eq!(problem.solve(), [0.0, 2.0]);
    }

    #[test]
    fn collinear_unknowns_keep_the_proportions_of_their_priors() {
        let mut problem = NonNegativeLeastSquares::new(2);
        (0..100).for_each(|_| problem.observe(&[1.0, 1.0], 6.0));
        problem.add_prior(0, 1.0, 1e-3);
        problem.add_prior(1, 3.0, 1e-3);
        let x = problem.solve();
        assert!((x[0] - 2.0).abs() < 1e-3 && (x[1] - 4.0).abs() < 1e-3, "{x:?}");
    }

    proptest! {
        #[test]
        fn true_coefficients_are_found_again(truth in prop::collection::vec(0.0f64..5.0, 3), rows in prop::collection::vec(prop::collection::vec(0.0f64..10.0, 3), 12..20)) {
            let mut problem = NonNegativeLeastSquares::new(3);
            for row in &rows {
                problem.observe(row, row.iter().zip(&truth).map(|(a, x)| a * x).sum());
            }
            for (found, x) in problem.solve().iter().zip(&truth) {
                prop_assert!((found - x).abs() < 1e-3, "{found} for {x}");
            }
        }
    }
}
