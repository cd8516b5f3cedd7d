//! Simulated time: instants and spans are different types, both whole nanoseconds.
//!
//! Invariant: arithmetic never wraps; it saturates at zero and at [`Time::NEVER`] (584 years).

use std::ops::{Add, AddAssign, Sub};

/// An instant, ns since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

/// A duration, ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(u64);

impl Time {
    /// The start of the run.
    pub const ZERO: Self = Self(0);
    /// Later than every event.
    pub const NEVER: Self = Self(u64::MAX);

    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1000))
    }

    pub const fn nanos(self) -> u64 {
        self.0
    }

    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl Span {
    pub const ZERO: Self = Self(0);

    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1000))
    }

    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// From seconds, rounded to ns; zero for negative numbers and NaN.
    pub fn from_seconds(seconds: f64) -> Self {
        Self::from_nanos_f64(seconds * 1e9)
    }

    /// From ns, rounded; zero for negative numbers and NaN.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest integer of the range; saturating is wanted")]
    #[expect(clippy::cast_sign_loss, reason = "negative numbers become zero, as documented")]
    pub fn from_nanos_f64(nanos: f64) -> Self {
        Self((nanos + 0.5) as u64)
    }

    pub const fn nanos(self) -> u64 {
        self.0
    }

    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// In µs, rounded.
    pub const fn micros(self) -> u64 {
        self.0.saturating_add(500) / 1000
    }

    /// In µs, rounded, at most 2^32 - 1 (71 minutes).
    pub fn micros_u32(self) -> u32 {
        u32::try_from(self.micros()).unwrap_or(u32::MAX)
    }

    /// The span times a non-negative factor.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        // Most factors are 1, and beyond 2^53 ns the multiplication would round.
        if factor == 1.0 { self } else { Self::from_nanos_f64(self.0 as f64 * factor) }
    }

    /// One of `parts` equal parts.
    #[must_use]
    pub fn divided_by(self, parts: u64) -> Self {
        Self(self.0 / parts.max(1))
    }

    #[must_use]
    pub fn saturating_mul(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add<Span> for Time {
    type Output = Self;

    #[inline]
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub for Time {
    type Output = Span;

    /// The span from `earlier`; zero if it is not earlier.
    #[inline]
    fn sub(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add for Span {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_spans_saturate_at_the_ends_of_time() {
        assert_eq!(Time::NEVER + Span::from_millis(1), Time::NEVER);
        assert_eq!(Time::ZERO - Time::from_nanos(5), Span::ZERO);
        assert_eq!(Span::from_seconds(-1.0), Span::ZERO);
        assert_eq!(Span::from_seconds(f64::NAN), Span::ZERO);
        assert_eq!(Span::from_seconds(1e30).nanos(), u64::MAX);
    }

    #[test]
    fn units_agree() {
        assert_eq!(Span::from_millis(5), Span::from_seconds(0.005));
        assert_eq!((Time::from_micros(7) - Time::from_nanos(500)).nanos(), 6_500);
        assert_eq!(Span::from_nanos(1_500).micros_u32(), 2);
        assert_eq!(Span::from_millis(10).divided_by(4), Span::from_micros(2_500));
    }
}
