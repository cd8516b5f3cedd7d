//! The special functions behind Student's t: the logarithm of Γ and the regularised incomplete beta function.
//!
//! Why not statrs: these are the only two of its functions that wsim needs, they are held to closed forms and printed tables, and a
//! report's figures must not change with a new release of a library.

/// ln Γ(x) for x > 0, to about 1e-13 relative (Lanczos' approximation with g = 7 and nine terms; Godfrey's coefficients).
pub(super) fn ln_gamma(x: f64) -> f64 {
    let x = x - 1.0;
    let mut sum = LANCZOS[0];
    for (index, coefficient) in LANCZOS.iter().enumerate().skip(1) {
        sum += coefficient / (x + index as f64);
    }
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// I_x(a, b) for a, b > 0 and x in 0 to 1, by its continued fraction (Abramowitz and Stegun 26.5.8, evaluated by Lentz's method).
pub(super) fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast only below the mean; above it the mirrored one is used.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp() / a;
    let not_zero = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / not_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..TERMS_MAX {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / not_zero(1.0 + even * d);
        c = not_zero(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / not_zero(1.0 + odd * d);
        c = not_zero(1.0 + odd / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    (front * fraction).clamp(0.0, 1.0)
}

const LANCZOS: [f64; 9] = [
    0.999_999_999_999_809_9,
    676.520_368_121_885_1,
    -1_259.139_216_722_402_8,
    771.323_428_777_653_1,
    -176.615_029_162_140_6,
    12.507_343_278_686_905,
    -0.138_571_095_265_720_12,
    9.984_369_578_019_572e-6,
    1.505_632_735_149_311_6e-7,
];
const TINY: f64 = 1e-300;
const TERMS_MAX: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gamma_gives_factorials_and_the_root_of_pi() {
        assert!((ln_gamma(11.0) - 3_628_800f64.ln()).abs() < 1e-11);
        assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-11);
    }

    #[test]
    fn the_incomplete_beta_function_agrees_with_closed_forms() {
        for x in [0.001, 0.1, 0.37, 0.5, 0.9, 0.999] {
            assert!((incomplete_beta(x, 1.0, 1.0) - x).abs() < 1e-12);
            assert!((incomplete_beta(x, 3.0, 1.0) - x.powi(3)).abs() < 1e-12);
            // P(Binomial(5, x) >= 2)
            let tail = 1.0 - (1.0 - x).powi(5) - 5.0 * x * (1.0 - x).powi(4);
            assert!((incomplete_beta(x, 2.0, 4.0) - tail).abs() < 1e-12);
        }
    }
}
