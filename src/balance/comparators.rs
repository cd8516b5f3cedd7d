//! Rules that no proxy has: they see how many requests use a processor at a server, without waiting long polls.
//!
//! They show how much a better choice could gain at most. Proxies cannot tell a waiting long poll from a request at work.

use super::choice::{PickContext, index_below};
use super::load::{Load, Member};
use super::rule::{Choose, Decision};

/// A rule that no proxy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparator {
    /// Join the shortest busy queue: fewest busy requests per weight, ties at random.
    ShortestBusyQueue,
    /// Two different servers drawn evenly, the one with fewer busy requests per weight; the first of equals.
    TwoBusyChoices,
}

/// The rule has no state of its own.
#[derive(Debug, Clone)]
pub(super) struct State(pub(super) Comparator);

impl Choose for State {
    fn choose(&mut self, load: &Load, context: &mut PickContext<'_>) -> Decision {
        match self.0 {
            Comparator::ShortestBusyQueue => shortest(load, context),
            Comparator::TwoBusyChoices => two(load, context),
        }
        .into()
    }
}

fn shortest(load: &Load, context: &mut PickContext<'_>) -> Option<usize> {
    let mut best: Option<(usize, &Member)> = None;
    let mut tied = 0;
    for (server, member) in load.free() {
        match best {
            Some((_, least)) if is_busier(member, least) => {}
            Some((_, least)) if !is_busier(least, member) => {
                tied += 1;
                if index_below(context.random, tied) == 0 {
                    best = Some((server, member));
                }
            }
            _ => (best, tied) = (Some((server, member)), 1),
        }
    }
    best.map(|(server, _)| server)
}

fn two(load: &Load, context: &mut PickContext<'_>) -> Option<usize> {
    let count = load.free().count();
    let nth = |index: usize| load.free().nth(index);
    if count < 2 {
        return nth(0).map(|(server, _)| server);
    }
    let first = index_below(context.random, count);
    let other = index_below(context.random, count - 1);
    let second = if other < first { other } else { other + 1 };
    let ((first, one), (second, two)) = (nth(first)?, nth(second)?);
    Some(if is_busier(one, two) { second } else { first })
}

fn is_busier(a: &Member, b: &Member) -> bool {
    u64::from(a.busy) * u64::from(b.weight) > u64::from(b.busy) * u64::from(a.weight)
}
