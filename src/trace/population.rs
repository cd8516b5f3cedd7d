//! Populations other than the observed one: more or fewer users, a resample, shards. Used by simulations and by replays, so that a
//! prediction and the replay that checks it have the same users.
//!
//! Growth clones users and never compresses time: a clone repeats its original's requests at other instants ([`shift_us`]). An *actor* is the
//! user behind requests, with all of them. Invariant: every choice is a function of the seed, the actor and the copy alone.

use super::NameId;
use wsim_stats::hashing::NumberMap;
use wsim_stats::random::{Purpose, below, draw, unit};

/// The actor of a request: its user, else its peer, else the request itself (`index`). 34 bits.
#[inline]
pub fn actor(user: NameId, peer: NameId, index: u32) -> u64 {
    if user.is_some() {
        u64::from(user.0)
    } else if peer.is_some() {
        u64::from(peer.0) | 1 << 32
    } else {
        u64::from(index) | 1 << 33
    }
}

/// How many copies of each actor a population has. Copy 0 is the original, others are clones.
#[derive(Debug, Clone)]
pub struct CopyCounts {
    growth: f64,
    seed: u64,
    /// `None` unless actors are resampled.
    resampled: Option<NumberMap<u64, u32>>,
}

impl CopyCounts {
    /// `growth` users per observed user; below 1 whole users are left out.
    #[inline]
    pub fn grown(growth: f64, seed: u64) -> Self {
        Self { growth: growth.max(0.0), seed, resampled: None }
    }

    /// As many draws with replacement as there are actors, each drawn user with all requests (a block), because the requests of one user
    /// depend on each other; then grown. `actors` may repeat.
    #[inline]
    pub fn resampled(mut actors: Vec<u64>, growth: f64, seed: u64) -> Self {
        let mut counts = Self::grown(growth, seed);
        actors.sort_unstable();
        actors.dedup();
        let mut resampled = NumberMap::default();
        for draw_number in 0..actors.len() {
            let chosen = actors[below(draw(seed, Purpose::Users, draw_number as u64 | 1 << 63), actors.len())];
            *resampled.entry(chosen).or_insert(0) += counts.grow(chosen, draw_number as u64 + 1);
        }
        counts.resampled = Some(resampled);
        counts
    }

    /// Copies of an actor; 0 if it is left out.
    #[inline]
    pub fn of(&self, actor: u64) -> u32 {
        match &self.resampled {
            Some(resampled) => resampled.get(&actor).copied().unwrap_or(0),
            None => self.grow(actor, 0),
        }
    }

    /// The growth factor, rounded up or down at random so that it is right on average.
    fn grow(&self, actor: u64, draw_number: u64) -> u32 {
        let whole = self.growth.floor();
        let extra = unit(draw(self.seed, Purpose::Users, actor ^ draw_number << 34 ^ 1 << 62)) <= self.growth - whole;
        #[expect(clippy::cast_possible_truncation, reason = "saturates at a growth that no memory would hold")]
        #[expect(clippy::cast_sign_loss, reason = "not negative")]
        let whole = whole as u32;
        whole.saturating_add(u32::from(extra && self.growth.fract() > 0.0))
    }
}

/// The time shift of copy number `copy` of all actors in a window of `span_us`, µs: within ten minutes either way, so that a clone meets the
/// same time of day, or within the window if it is shorter than twenty minutes; 0 for the originals. Actors of one copy are shifted alike, so
/// that what one of them writes is news for the others.
///
/// Multiples of a noble number are spread evenly over a circle: `n` of them and 0 are at least `1 / 7n` of it apart
/// (the best rational approximations of `[0; a, b, 1, 1, …]` have denominators that grow by at most `a + 1`; Khinchin, Continued Fractions,
/// section 2). So no copy falls on the instants of its original or of another copy. The seed chooses the number.
#[inline]
pub fn shift_us(copy: u32, seed: u64, span_us: i64) -> i64 {
    if copy == 0 {
        return 0;
    }
    let chosen = below(draw(seed, Purpose::Users, 1 << 61), 32) as f64;
    let (first, second) = (2.0 + (chosen / 2.0).floor() % 4.0, 1.0 + (chosen / 8.0).floor());
    let noble = 1.0 / (first + 1.0 / (second + GOLDEN_RATIO));
    let turn = f64::from(copy) * noble % 1.0;
    let turn = if chosen % 2.0 == 0.0 { turn } else { 1.0 - turn };
    let range = span_us.clamp(1, SHIFT_RANGE_US) as f64;
    #[expect(clippy::cast_possible_truncation, reason = "at most ten minutes")]
    let shift = (if turn < 0.5 { turn } else { turn - 1.0 } * range) as i64;
    // In a window of a few µs there is no other instant.
    if shift == 0 { 1 } else { shift }
}

/// `[0; 1, 1, 1, …]`
const GOLDEN_RATIO: f64 = 0.618_033_988_749_894_9;
/// Twenty minutes.
const SHIFT_RANGE_US: i64 = 1_200_000_000;

/// A shifted time within a window of this span, in any unit: what leaves the window at one end enters it at the other.
#[inline]
pub fn wrap(at: i64, span: i64) -> i64 {
    // The common case avoids the division.
    if (0..span).contains(&at) { at } else { at.rem_euclid(span) }
}

/// The shard of an actor's copy, below `shards`.
#[inline]
pub fn shard_of(actor: u64, copy: u32, seed: u64, shards: u32) -> u32 {
    let shard = below(draw(seed, Purpose::Shard, clone_of(actor, copy)), shards.max(1) as usize);
    u32::try_from(shard).unwrap_or(0)
}

/// When an actor's copy joins a run that ramps up: above 0 and up to 1, uniform over the ramp.
#[inline]
pub fn joining_point(actor: u64, copy: u32, seed: u64) -> f64 {
    unit(draw(seed, Purpose::Ramp, clone_of(actor, copy)))
}

/// A number that identifies one copy of an actor.
#[inline]
fn clone_of(actor: u64, copy: u32) -> u64 {
    actor ^ u64::from(copy) << 40
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Actors of two kinds: 700 users and 300 peers.
    fn actors() -> Vec<u64> {
        let user = |id| actor(NameId(id), NameId::NONE, 0);
        let peer = |id| actor(NameId::NONE, NameId(id), 0);
        (1..=700).map(user).chain((1..=300).map(peer)).collect()
    }

    #[test]
    fn users_peers_and_single_requests_are_different_actors() {
        let all = [actor(NameId(7), NameId(7), 7), actor(NameId::NONE, NameId(7), 7), actor(NameId::NONE, NameId::NONE, 7)];
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
        assert_eq!(all[0], actor(NameId(7), NameId(8), 9), "the user alone counts");
    }

    #[test]
    fn growth_is_right_on_average_and_keeps_every_original_above_one() {
        let actors = actors();
        let total = |growth| actors.iter().map(|&actor| CopyCounts::grown(growth, 1).of(actor)).sum::<u32>();
        assert_eq!((total(1.0), total(2.0), total(0.0)), (1000, 2000, 0));
        assert!((430..=570).contains(&total(0.5)) && (2430..=2570).contains(&total(2.5)), "{} {}", total(0.5), total(2.5));
        assert!(actors.iter().all(|&actor| (2..=3).contains(&CopyCounts::grown(2.5, 1).of(actor))));
    }

    #[test]
    fn a_resample_draws_as_many_users_as_there_are() {
        let actors = actors();
        let counts = CopyCounts::resampled(actors.clone(), 1.0, 3);
        assert_eq!(actors.iter().map(|&actor| counts.of(actor)).sum::<u32>(), 1000);
        let absent = actors.iter().filter(|&&actor| counts.of(actor) == 0).count();
        assert!((320..=420).contains(&absent), "about 37 % are not drawn: {absent}");
    }

    #[test]
    fn clones_are_apart_from_their_originals_and_from_each_other() {
        for (seed, span_us) in (0..50).flat_map(|seed| [20_000_000, 60_000_000, 600_000_000, 86_400_000_000].map(|span| (seed, span))) {
            assert_eq!(shift_us(0, seed, span_us), 0);
            let range = span_us.min(SHIFT_RANGE_US);
            let mut places: Vec<i64> = (0..40).map(|copy| shift_us(copy, seed, span_us)).collect();
            assert!(places.iter().all(|shift| shift.abs() <= range / 2), "{places:?}");
            places.iter_mut().for_each(|shift| *shift = wrap(*shift, range));
            places.sort_unstable();
            places.push(places[0] + range);
            let nearest = places.windows(2).map(|pair| pair[1] - pair[0]).min();
            assert!(nearest >= Some(range / 290), "{nearest:?} of {range} with seed {seed}");
        }
        let first: std::collections::BTreeSet<i64> = (0..50).map(|seed| shift_us(1, seed, 60_000_000)).collect();
        assert!(first.len() > 15, "the seed chooses: {first:?}");
        assert_ne!(wrap(5 + shift_us(3, 1, 2), 2), wrap(5, 2));
    }

    #[test]
    fn what_leaves_a_window_at_one_end_enters_it_at_the_other() {
        assert_eq!((wrap(-1, 10), wrap(3, 10), wrap(10, 10), wrap(25, 10)), (9, 3, 0, 5));
    }

    #[test]
    fn shards_have_equal_shares_and_a_ramp_is_uniform() {
        let actors = actors();
        for shard in 0..4 {
            let count = actors.iter().filter(|&&actor| shard_of(actor, 0, 1, 4) == shard).count();
            assert!((200..=300).contains(&count), "{count}");
        }
        let mean = actors.iter().map(|&actor| joining_point(actor, 1, 1)).sum::<f64>() / 1000.0;
        assert!((mean - 0.5).abs() < 0.05, "{mean}");
    }
}
