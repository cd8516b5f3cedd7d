//! The heap of what happens soon.

/// Keys, the least at the root.
#[derive(Debug, Clone, Default)]
pub(super) struct Heap {
    keys: Vec<u128>,
    /// The root has been taken and not been replaced.
    open: bool,
}

impl Heap {
    #[inline]
    pub(super) fn push(&mut self, key: u128) {
        if self.open {
            self.open = false;
            self.sink(key);
        } else {
            self.rise(key);
        }
    }

    /// The least key.
    #[inline]
    pub(super) fn least(&mut self) -> Option<u128> {
        if self.open {
            self.settle();
        }
        self.keys.first().copied()
    }

    /// Takes the least key, which there must be.
    #[inline]
    pub(super) fn take(&mut self) {
        self.open = true;
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len() - usize::from(self.open)
    }

    fn settle(&mut self) {
        self.open = false;
        if let Some(last) = self.keys.pop()
            && !self.keys.is_empty()
        {
            self.sink(last);
        }
    }

    /// Puts a key into the open root and lets it sink.
    #[inline]
    fn sink(&mut self, key: u128) {
        let heap = self.keys.as_mut_slice();
        let mut at = 0;
        loop {
            let first = 4 * at + 1;
            let (child, least) = match heap.get(first..) {
                // A tournament without a branch: which child is the least is anybody's guess, the processor's too.
                Some(&[a, b, c, d, ..]) => {
                    let (left, l) = if b < a { (first + 1, b) } else { (first, a) };
                    let (right, r) = if d < c { (first + 3, d) } else { (first + 2, c) };
                    if r < l { (right, r) } else { (left, l) }
                }
                Some(rest) if !rest.is_empty() => {
                    let mut best = (first, rest[0]);
                    for (&other, i) in rest.iter().zip(first..) {
                        if other < best.1 {
                            best = (i, other);
                        }
                    }
                    best
                }
                _ => break,
            };
            if key <= least {
                break;
            }
            heap[at] = least;
            at = child;
        }
        heap[at] = key;
    }

    #[inline]
    fn rise(&mut self, key: u128) {
        let mut at = self.keys.len();
        self.keys.push(key);
        let heap = self.keys.as_mut_slice();
        while at > 0 {
            let parent = (at - 1) / 4;
            if heap[parent] <= key {
                break;
            }
            heap[at] = heap[parent];
            at = parent;
        }
        heap[at] = key;
    }
}
