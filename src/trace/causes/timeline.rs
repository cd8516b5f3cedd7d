//! When the positions of one stream came about.

use wsim_logs::streams::{Stream, StreamUpdate};

use super::lookup::Lookup;
use super::polls::{AHEAD, Poll};
use super::token::{TokenTable, beyond};

/// A stream reached a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Update {
    pub position: u32,
    pub at_us: i64,
    /// Orders the updates of all streams, whatever the clocks: the least sum of the positions of a token that has this one. Of two tokens the
    /// later one has no smaller position.
    pub order: u64,
    /// A writer logged the instant; otherwise it is the first wake-up of a poll that had the position, and perhaps late.
    pub is_logged: bool,
}

/// The updates of one stream.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// (end, start, instant) of logged updates, by end.
    logged: Vec<(u32, u32, i64)>,
    /// Instants by position, until they are arranged.
    wakeups: Vec<(u32, i64)>,
    /// Instant and order by position.
    estimated: Lookup<(i64, u64)>,
    orders: Orders,
}

impl Timeline {
    /// One for each stream, in the order of [`Stream::ALL`].
    pub(super) fn of_all_streams(polls: &[Poll], tokens: &TokenTable, updates: Vec<StreamUpdate>) -> Vec<Self> {
        let mut timelines: Vec<Self> = Stream::ALL.iter().map(|_| Self::default()).collect();
        for update in updates {
            #[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
            let (from, to) = (update.from as u32, update.to as u32);
            timelines[update.stream as usize].logged.push((to, from, update.at_us));
        }
        for (at, poll) in polls.iter().enumerate() {
            if let Some(later) = polls.get(at + AHEAD) {
                later.prefetch_steps(tokens);
            }
            for (timeline, (old, new)) in timelines.iter_mut().zip(poll.steps(tokens)) {
                if beyond(old, new).is_some() {
                    timeline.wakeups.push((new, poll.wakeup_us()));
                }
            }
        }
        for positions in tokens.all() {
            let sum = positions.iter().map(|position| u64::from(*position)).sum();
            for (timeline, position) in timelines.iter_mut().zip(positions) {
                timeline.orders.add(*position, sum);
            }
        }
        for timeline in &mut timelines {
            timeline.arrange();
        }
        timelines
    }

    fn arrange(&mut self) {
        self.logged.sort_unstable();
        self.logged.dedup_by_key(|(to, ..)| *to);
        let mut wakeups = std::mem::take(&mut self.wakeups);
        keep_least_of_each(&mut wakeups);
        keep_least(&mut wakeups);
        self.orders.arrange();
        self.estimated = Lookup::new(self.orders.beside(wakeups));
    }

    /// The last update beyond `old` and up to `new`; `None` if the stream did not move on.
    pub(super) fn last_within(&self, old: u32, new: u32) -> Option<Update> {
        beyond(old, new)?;
        // Positions rarely pass the end of 32 bits in a log; an update there is estimated.
        let at = self.logged.partition_point(|(to, ..)| *to < new);
        let covering = self.logged.get(at).filter(|(_, from, _)| *from < new);
        let before = || at.checked_sub(1).and_then(|at| self.logged.get(at)).filter(|(to, ..)| *to > old);
        if let Some(&(to, _, at_us)) = covering.or_else(before) {
            return Some(Update { position: to, at_us, order: self.orders.of(to.min(new)), is_logged: true });
        }
        let (position, (at_us, order)) = self.estimated.first_from(new)?;
        Some(Update { position, at_us, order, is_logged: false })
    }
}

/// For every position of a stream the least sum of the positions of a token that has it or a later one.
///
/// Kept is only what says something: the sums of ascending positions ascend too. Tokens come nearly in that order, so that a new one
/// finds its place near the end.
#[derive(Debug, Default)]
struct Orders {
    /// (position, sum) by position.
    kept: Vec<(u32, u64)>,
    /// Those whose place is far from the end, to be sorted in later.
    far: Vec<(u32, u64)>,
}

impl Orders {
    fn add(&mut self, position: u32, sum: u64) {
        let kept = &mut self.kept;
        let later = kept.iter().rev().take(NEAR_MAX).take_while(|(known, _)| *known > position).count();
        let at = kept.len() - later;
        if later == NEAR_MAX && at > 0 {
            self.far.push((position, sum));
            return;
        }
        let says_nothing = |known: Option<&(u32, u64)>| known.is_some_and(|(known, least)| *known >= position && *least <= sum);
        if says_nothing(kept.get(at)) || says_nothing(at.checked_sub(1).and_then(|before| kept.get(before))) {
            return;
        }
        // What is earlier and has no smaller sum says nothing beside the new one.
        let first = at - kept[..at].iter().rev().take_while(|(_, least)| *least >= sum).count();
        drop(kept.splice(first..at, [(position, sum)]));
    }

    fn arrange(&mut self) {
        if !self.far.is_empty() {
            self.kept.append(&mut self.far);
            keep_least(&mut self.kept);
        }
    }

    fn of(&self, position: u32) -> u64 {
        let at = self.kept.partition_point(|(known, _)| *known < position);
        self.kept.get(at).map_or(u64::MAX, |(_, order)| *order)
    }

    /// Values of ascending positions, each with the order of its position.
    fn beside<T>(&self, values: Vec<(u32, T)>) -> Vec<(u32, (T, u64))> {
        let mut orders = self.kept.iter().peekable();
        let beside = values.into_iter().map(|(position, value)| {
            while orders.next_if(|(known, _)| *known < position).is_some() {}
            (position, (value, orders.peek().map_or(u64::MAX, |(_, order)| *order)))
        });
        beside.collect()
    }
}

/// The least value of each position, by position. Nothing is sorted, so that only positions that lie close together are looked at; others
/// stay as they are.
fn keep_least_of_each<T: Copy + Ord>(values: &mut Vec<(u32, T)>) {
    let positions = || values.iter().map(|(position, _)| *position);
    let (Some(first), Some(last)) = (positions().min(), positions().max()) else { return };
    let span = (last - first) as usize + 1;
    if span > values.len().saturating_mul(2) {
        return;
    }
    let mut least: Vec<Option<T>> = vec![None; span];
    for (position, value) in values.iter() {
        let least = &mut least[(position - first) as usize];
        *least = Some(least.map_or(*value, |least| least.min(*value)));
    }
    values.clear();
    values.extend((first..=last).zip(least).filter_map(|(position, value)| Some((position, value?))));
}

/// Sorts by position and gives each the least value of those from it on: who has a position has all before it.
fn keep_least<T: Copy + Ord>(values: &mut Vec<(u32, T)>) {
    values.sort_unstable();
    values.dedup_by_key(|(position, _)| *position);
    let mut least: Option<T> = None;
    for (_, value) in values.iter_mut().rev() {
        *value = least.map_or(*value, |least| least.min(*value));
        least = Some(*value);
    }
}

/// Later positions that are looked through for the place of a new one.
const NEAR_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_least_of_each_position_is_kept(values in prop::collection::vec((prop_oneof![9 => 0u32..80, 1 => any::<u32>()], 0i64..50), 0..200)) {
            let (mut sorted, mut kept) = (values.clone(), values);
            keep_least(&mut sorted);
            keep_least_of_each(&mut kept);
            keep_least(&mut kept);
            prop_assert_eq!(kept, sorted);
        }

        #[test]
        fn the_order_of_a_position_is_the_least_sum_from_it_on(
            tokens in prop::collection::vec((0u32..300, 0u64..50), 0..300),
            trend in 0u32..3,
        ) {
            let tokens: Vec<(u32, u64)> =
                tokens.into_iter().zip(0u32..).map(|((position, sum), at)| (position + at * trend * 5, sum + u64::from(at * trend))).collect();
            let mut orders = Orders::default();
            tokens.iter().for_each(|(position, sum)| orders.add(*position, *sum));
            orders.arrange();
            for position in 0..2000 {
                let least = tokens.iter().filter(|(known, _)| *known >= position).map(|(_, sum)| *sum).min();
                prop_assert_eq!(orders.of(position), least.unwrap_or(u64::MAX));
            }
            for (position, ((), order)) in orders.beside((0..2000).step_by(3).map(|position| (position, ())).collect()) {
                prop_assert_eq!(orders.of(position), order);
            }
        }
    }

    #[test]
    fn a_logged_update_counts_more_than_the_first_poll_that_has_it() {
        let mut tokens = TokenTable::default();
        let mut poll = |old: u32, new: u32, wakeup_us| {
            let mut number = |position| tokens.number(format!("s{position}_1").as_bytes());
            Poll::between(number(old), number(new), wakeup_us)
        };
        let polls = [poll(5, 7, 900), poll(5, 8, 1000), poll(7, 9, 800)];
        let lines = vec![
            StreamUpdate { stream: Stream::Events, from: 5, to: 7, at_us: 100 },
            StreamUpdate { stream: Stream::Events, from: 8, to: 12, at_us: 300 },
        ];
        let with_lines = &Timeline::of_all_streams(&polls, &tokens, lines)[0];
        let update = |position: u32, at_us, is_logged| {
            let order = u64::from(position.min(9)) + 1;
            Some(Update { position, at_us, order, is_logged })
        };
        assert_eq!(with_lines.last_within(5, 7), update(7, 100, true));
        assert_eq!(with_lines.last_within(5, 8), update(7, 100, true), "the line of 8 is missing");
        assert_eq!(with_lines.last_within(7, 8), update(8, 800, false), "a poll that has 9 has 8");
        assert_eq!(with_lines.last_within(8, 9), update(12, 300, true), "one update for several positions");
        assert_eq!(with_lines.last_within(7, 7), None);
        let without = &Timeline::of_all_streams(&polls, &tokens, Vec::new())[0];
        assert_eq!((without.last_within(5, 7), without.last_within(7, 9)), (update(7, 800, false), update(9, 800, false)));
    }
}
