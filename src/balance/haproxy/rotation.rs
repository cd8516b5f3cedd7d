//! `roundrobin`, the fast weighted round robin: `src/lb_fwrr.c`.
//!
//! Each server waits in one of three queues. In `current` a server has a position, which a counter reaches in time; in `first`
//! (new servers, and those left over from the last round) and `next` the heaviest comes first. Weights 3:2:1:4 give
//! `d a d b a d c d a b`. A full server is passed over and loses its turn.

use super::{Load, WEIGHT_SCALE};

/// The rotation's state.
#[derive(Debug, Clone)]
pub(super) struct Rotation {
    members: Vec<Member>,
    /// The weight queue that is `first` in this round; the other is `next`.
    first: Queue,
    counter: u64,
    /// Sum of the weights: the length of a round.
    weight: u64,
    insertions: u64,
}

#[derive(Debug, Clone)]
struct Member {
    weight: u64,
    queue: Queue,
    /// Key in the queue (upper half) and number of the insertion (lower half): equal keys leave in the order of insertion.
    rank: u128,
    position: u64,
    remainder: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queue {
    None,
    Even,
    Odd,
    Current,
}

impl Rotation {
    pub(super) fn new(load: &Load) -> Self {
        let member = |member: &super::super::load::Member| Member {
            weight: u64::from(member.weight) * u64::from(WEIGHT_SCALE),
            queue: Queue::None,
            rank: 0,
            position: 0,
            remainder: 0,
        };
        let members: Vec<Member> = load.members.iter().map(member).collect();
        let weight = members.iter().map(|member| member.weight).sum();
        let mut rotation = Self { members, first: Queue::Even, counter: weight, weight, insertions: 0 };
        for server in 0..load.len() {
            rotation.insert_by_weight(server, Queue::Even);
        }
        rotation
    }

    /// The next server that is not full.
    pub(super) fn next(&mut self, load: &Load) -> Option<usize> {
        // The first candidate is almost always free, and then the list stays empty and allocates nothing.
        let mut passed_over = Vec::new();
        let mut switched = false;
        let chosen = loop {
            let Some(server) = self.candidate() else {
                if switched {
                    break None;
                }
                switched = true;
                self.first = self.next_queue();
                self.counter = self.weight;
                continue;
            };
            self.advance(server);
            self.members[server].queue = Queue::None;
            self.counter += 1;
            if load.is_free(server) {
                self.insert_by_position(server);
                break Some(server);
            }
            passed_over.push(server);
        };
        for server in passed_over.into_iter().rev() {
            if switched {
                self.insert_by_weight(server, self.first);
            } else {
                self.insert_by_position(server);
            }
        }
        chosen
    }

    /// The first of `current` if its position is reached, else the first of `first`, else the first of `current` after all.
    fn candidate(&mut self) -> Option<usize> {
        let (mut current, mut current_rank) = (0, u128::MAX);
        let (mut first, mut first_rank) = (0, u128::MAX);
        for (server, member) in self.members.iter().enumerate() {
            if member.queue == Queue::Current {
                if member.rank < current_rank {
                    (current, current_rank) = (server, member.rank);
                }
            } else if member.queue == self.first && member.rank < first_rank {
                (first, first_rank) = (server, member.rank);
            }
        }
        let has_current = current_rank < u128::MAX;
        if has_current && self.members[current].position <= self.counter {
            return Some(current);
        }
        if first_rank < u128::MAX {
            self.members[first].position = 0;
            self.members[first].remainder = 0;
            return Some(first);
        }
        has_current.then_some(current)
    }

    /// Sets the position of the server's next turn.
    fn advance(&mut self, server: usize) {
        let (round, counter) = (self.weight, self.counter);
        let member = &mut self.members[server];
        if member.position == 0 {
            member.position = counter;
        }
        member.position += round / member.weight;
        member.remainder += round % member.weight;
        if member.remainder >= member.weight {
            member.remainder -= member.weight;
            member.position += 1;
        }
    }

    fn insert_by_position(&mut self, server: usize) {
        if self.members[server].position >= 2 * self.weight {
            self.insert_by_weight(server, self.next_queue());
            return;
        }
        let member = &mut self.members[server];
        let fine = (WEIGHT_MAX + member.remainder).saturating_sub(member.weight) / u64::from(WEIGHT_SCALE);
        let key = POSITION_SCALE * member.position + fine;
        self.insert(server, Queue::Current, key);
    }

    fn insert_by_weight(&mut self, server: usize, queue: Queue) {
        self.insert(server, queue, WEIGHT_MAX.saturating_sub(self.members[server].weight));
    }

    fn insert(&mut self, server: usize, queue: Queue, key: u64) {
        self.insertions += 1;
        let member = &mut self.members[server];
        member.queue = queue;
        member.rank = u128::from(key) << 64 | u128::from(self.insertions);
    }

    fn next_queue(&self) -> Queue {
        if self.first == Queue::Even { Queue::Odd } else { Queue::Even }
    }
}

const WEIGHT_MAX: u64 = 256 * WEIGHT_SCALE as u64;
const POSITION_SCALE: u64 = 256;
