//! The shape of a distribution of times around its mean, small enough to be copied with the costs of a run.

/// Sixteen equally likely factors with a mean of 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread([f32; FACTORS]);

impl Spread {
    /// All times are equal.
    pub const CONSTANT: Self = Self([1.0; FACTORS]);

    /// The shape of observed times, negative ones counted as zero: the mean of each sixteenth of them over the mean of all.
    /// Fewer times than factors say nothing about a shape.
    pub fn from_times(times: &[f64]) -> Self {
        let mut sorted: Vec<f64> = times.iter().map(|time| time.max(0.0)).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let mean = sorted.iter().sum::<f64>() / sorted.len().max(1) as f64;
        if sorted.len() < FACTORS || mean <= 0.0 {
            return Self::CONSTANT;
        }
        let mut factors = [0.0; FACTORS];
        for (number, factor) in factors.iter_mut().enumerate() {
            *factor = mean_between(&sorted, number as f64 / FACTORS as f64, (number + 1) as f64 / FACTORS as f64) / mean;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a factor needs no more than seven digits")]
        Self(factors.map(|factor| factor as f32))
    }

    /// The factor that belongs to a number above 0 and up to 1.
    #[inline]
    pub fn factor(&self, unit: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the number of factors")]
        let index = (unit * FACTORS as f64) as usize;
        f64::from(self.0[index.min(FACTORS - 1)])
    }

    pub fn is_constant(&self) -> bool {
        *self == Self::CONSTANT
    }

    /// Variance over the square of the mean.
    pub fn squared_variation(&self) -> f64 {
        self.0.iter().map(|factor| (f64::from(*factor) - 1.0).powi(2)).sum::<f64>() / FACTORS as f64
    }
}

/// Mean of the part of a sorted sample between two of its quantiles; a value at an end counts with the part of it that is inside.
fn mean_between(sorted: &[f64], from: f64, until: f64) -> f64 {
    let (from, until) = (from * sorted.len() as f64, until * sorted.len() as f64);
    let inside = |index: usize| ((index as f64 + 1.0).min(until) - (index as f64).max(from)).max(0.0);
    let sum: f64 = sorted.iter().enumerate().map(|(index, value)| value * inside(index)).sum();
    sum / (until - from)
}

const FACTORS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_has_the_mean_and_nearly_the_variation_of_its_sample() {
        // Exponential: a squared variation of 1, of which sixteenths keep all but the spread within the last.
        let sample: Vec<f64> = (0..1000).map(|number| -0.03 * (1.0 - (f64::from(number) + 0.5) / 1000.0).ln()).collect();
        let spread = Spread::from_times(&sample);
        let factors: Vec<f64> = (0..16).map(|number| spread.factor((f64::from(number) + 0.5) / 16.0)).collect();
        assert!((factors.iter().sum::<f64>() / 16.0 - 1.0).abs() < 1e-6 && factors.is_sorted());
        assert!((0.8..1.0).contains(&spread.squared_variation()), "{}", spread.squared_variation());
        assert_eq!((spread.factor(1e-12), spread.factor(1.0)), (factors[0], factors[15]));
    }

    #[test]
    fn too_few_times_have_no_shape() {
        assert!(Spread::from_times(&[1.0; 15]).is_constant() && Spread::from_times(&[]).is_constant());
        assert!(Spread::from_times(&[-1.0; 40]).is_constant(), "there is no mean to scale");
        assert!(Spread::from_times(&[0.02; 40]).is_constant());
    }
}
