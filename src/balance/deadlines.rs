//! Earliest deadline first: the distance between two turns of a server is one over its weight.

/// A binary heap of servers by deadline with the swaps of Go's `container/heap`, which decide the order of equal deadlines.
/// `std::collections::BinaryHeap` swaps differently, so its ties would come out in another order than Traefik's.
#[derive(Debug, Clone)]
pub(super) struct Deadlines {
    /// Deadline, distance between two turns (one over the weight), server.
    heap: Vec<(f64, f64, usize)>,
}

impl Deadlines {
    /// Adds servers in order of their index; the first deadline of each is one over its weight.
    pub(super) fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let mut deadlines = Self { heap: Vec::new() };
        for (server, weight) in weights.into_iter().enumerate() {
            let step = 1.0 / f64::from(weight.max(1));
            deadlines.heap.push((step, step, server));
            deadlines.sift_up(deadlines.heap.len() - 1);
        }
        deadlines
    }

    /// The server with the earliest deadline that is free; each busy server before it moves to its next deadline as well.
    pub(super) fn pick(&mut self, is_free: impl Fn(usize) -> bool) -> Option<usize> {
        if !self.heap.iter().any(|&(_, _, server)| is_free(server)) {
            return None;
        }
        loop {
            let server = self.pop_and_reschedule()?;
            if is_free(server) {
                return Some(server);
            }
        }
    }

    /// Takes the server with the earliest deadline and puts it back with its next one.
    fn pop_and_reschedule(&mut self) -> Option<usize> {
        let last = self.heap.len().checked_sub(1)?;
        self.heap.swap(0, last);
        self.sift_down(last);
        let (deadline, step, server) = self.heap[last];
        self.heap[last] = (deadline + step, step, server);
        self.sift_up(last);
        Some(server)
    }

    fn sift_up(&mut self, mut child: usize) {
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
    fn sift_down(&mut self, length: usize) {
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
