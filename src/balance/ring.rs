//! A hash ring: points with a position, each of which belongs to a server.

/// Points in the order of their positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ring<P> {
    points: Vec<(P, u32)>,
}

impl<P: Copy + Ord> Ring<P> {
    /// Sorts the points; points with equal positions keep the order in which they were given.
    pub(super) fn new(points: impl IntoIterator<Item = (P, usize)>) -> Self {
        let narrow = |(position, server)| (position, u32::try_from(server).unwrap_or(u32::MAX));
        let mut points: Vec<(P, u32)> = points.into_iter().map(narrow).collect();
        points.sort_by_key(|(position, _)| *position);
        Self { points }
    }

    /// Keeps only the first of several points with equal positions.
    pub(super) fn without_equal_points(mut self) -> Self {
        self.points.dedup_by_key(|(position, _)| *position);
        self
    }

    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    /// Index of the first point at or after a position; past the last point the ring begins again at index 0.
    pub(super) fn at_or_after(&self, position: P) -> usize {
        let index = self.points.partition_point(|(point, _)| *point < position);
        if index == self.points.len() { 0 } else { index }
    }

    /// Index of the next point around the ring.
    pub(super) fn next(&self, index: usize) -> usize {
        if index + 1 >= self.points.len() { 0 } else { index + 1 }
    }

    /// Index of the previous point around the ring.
    pub(super) fn previous(&self, index: usize) -> usize {
        if index == 0 { self.points.len().saturating_sub(1) } else { index - 1 }
    }

    /// Position and server of a point; `None` if the ring is empty.
    pub(super) fn point(&self, index: usize) -> Option<(P, usize)> {
        self.points.get(index).map(|&(position, server)| (position, server as usize))
    }

    #[cfg(test)]
    pub(super) fn points(&self) -> &[(P, u32)] {
        &self.points
    }
}
