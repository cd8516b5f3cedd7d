//! Earliest deadline first: each server's next turn is one over its weight after its last.

/// A binary heap of servers by deadline, as Go's `container/heap` keeps it: ties leave in the order that its swaps give.
#[derive(Debug, Clone)]
pub(super) struct Deadlines {
    /// Deadline, one over the weight, server.
    heap: Vec<(f64, f64, usize)>,
}

impl Deadlines {
    /// Servers in the order in which they are added, with their weights; the first deadlines are one over the weight.
    pub(super) fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let mut deadlines = Self { heap: Vec::new() };
        for (server, weight) in weights.into_iter().enumerate() {
            let step = 1.0 / f64::from(weight.max(1));
            deadlines.heap.push((step, step, server));
            deadlines.up(deadlines.heap.len() - 1);
        }
        deadlines
    }

    /// Takes the earliest, and gives every server that is passed over its next deadline too.
    pub(super) fn pick(&mut self, is_free: impl Fn(usize) -> bool) -> Option<usize> {
        if !self.heap.iter().any(|&(_, _, server)| is_free(server)) {
            return None;
        }
        loop {
            let server = self.turn()?;
            if is_free(server) {
                return Some(server);
            }
        }
    }

    /// Pops the earliest and pushes it back later.
    fn turn(&mut self) -> Option<usize> {
        let last = self.heap.len().checked_sub(1)?;
        self.heap.swap(0, last);
        self.down(last);
        let (deadline, step, server) = self.heap[last];
        self.heap[last] = (deadline + step, step, server);
        self.up(last);
        Some(server)
    }

    fn up(&mut self, mut child: usize) {
        while child > 0 {
            let parent = (child - 1) / 2;
            if self.heap[child].0 >= self.heap[parent].0 {
                break;
            }
            self.heap.swap(parent, child);
            child = parent;
        }
    }

    /// Restores the heap of the first `length` entries from its root.
    fn down(&mut self, length: usize) {
        let mut parent = 0;
        loop {
            let left = 2 * parent + 1;
            if left >= length {
                break;
            }
            let right = left + 1;
            let least = if right < length && self.heap[right].0 < self.heap[left].0 { right } else { left };
            if self.heap[least].0 >= self.heap[parent].0 {
                break;
            }
            self.heap.swap(parent, least);
            parent = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_weights_rotate() {
        let mut deadlines = Deadlines::new([1; 4]);
        for round in 0..3 {
            let mut servers: Vec<_> = (0..4).map(|_| deadlines.pick(|_| true).unwrap()).collect();
            servers.sort_unstable();
            assert_eq!(servers, [0, 1, 2, 3], "round {round}");
        }
    }

    #[test]
    fn a_heavy_server_has_its_share_in_every_round() {
        let mut deadlines = Deadlines::new([3, 1]);
        let picks: Vec<_> = (0..400).map(|_| deadlines.pick(|_| true).unwrap()).collect();
        let heavy = picks.iter().filter(|server| **server == 0).count();
        assert!((299..=301).contains(&heavy), "{heavy}");
    }
}
