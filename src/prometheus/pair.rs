//! Which target is which process of a log, where labels do not say: Synapse's counters of requests' CPU grow by what its request lines show.

/// The process of each target: `targets` and `logged` are the CPU of requests in seconds over the same time. A pair is as good as equal, and nothing else
/// comes near it.
#[must_use]
pub fn pair(targets: &[f64], logged: &[f64]) -> Vec<Option<usize>> {
    let near = |a: f64, b: f64, share: f64| a > CPU_SECONDS_MIN && b > CPU_SECONDS_MIN && (a - b).abs() <= share * a.max(b);
    let only = |value: f64, others: &[f64]| {
        let mut close = others.iter().enumerate().filter(|(_, other)| near(value, **other, SHARE_FAR));
        let (index, other) = close.next()?;
        (close.next().is_none() && near(value, *other, SHARE_NEAR)).then_some(index)
    };
    let both_ways = |(index, value): (usize, &f64)| only(*value, logged).filter(|found| only(logged[*found], targets) == Some(index));
    targets.iter().enumerate().map(both_ways).collect()
}

/// Less says nothing.
const CPU_SECONDS_MIN: f64 = 1.0;
/// Requests at the ends of the time are in one of the two only.
const SHARE_NEAR: f64 = 0.1;
const SHARE_FAR: f64 = 0.25;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_cpu_is_one_process_unless_another_comes_near() {
        assert_eq!(pair(&[100.0, 40.0, 9.0], &[41.0, 98.0]), [Some(1), Some(0), None]);
        assert_eq!(pair(&[100.0, 90.0], &[95.0]), [None, None]);
        assert_eq!(pair(&[100.0], &[95.0, 110.0]), [None]);
        assert_eq!(pair(&[0.1], &[0.1]), [None]);
        assert_eq!(pair(&[100.0], &[80.0]), [None]);
    }
}
