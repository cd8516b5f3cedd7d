//! When each request is sent: at the log's own times, faster or slower, with more or fewer users.
//!
//! `speed` and `load` are different things. `speed` compresses the clock; requests that wait for others, or for new events, do not get faster
//! with it. `load` keeps the clock and changes the number of users, which is the question of capacity planning: above 1 it clones users with
//! all their requests (each clone has accounts of its own), below 1 it leaves users out. [`wsim_trace::population`] decides which, for
//! simulations too.
//!
//! Invariant: a schedule is a function of its rows and its [`TrafficConfig`] alone; the shards of a schedule are disjoint and together the
//! whole schedule.

use super::SkipReason;
use wsim_endpoints::EndpointId;
use wsim_trace::population::{self, CopyCounts};

/// What the engine knows of a logged request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Arrival, µs since the start of the window.
    pub arrival_us: u64,
    /// Wall time in the log, µs.
    pub original_us: u32,
    /// The user behind the request, see [`population::actor`]: load, shards and the ramp choose by it.
    pub actor: u64,
    /// Its lane; [`Row::NO_LANE`] for a request that waits for no other.
    pub lane: u32,
    pub endpoint: EndpointId,
    /// HTTP status in the log.
    pub original_status: u16,
    /// Concurrency limit: the number of the lane's earlier requests that were still in flight at this point in the log.
    pub overlap_max: u8,
    /// A sync: the next of its lane replaces it if it is still waiting.
    pub sync: bool,
    /// Waits for new events.
    pub long_poll: bool,
    /// How long it asks to wait for them, ms; 0 if it does not.
    pub poll_ms: u32,
    /// Why it is not sent, if known beforehand.
    pub skip: Option<SkipReason>,
}

impl Row {
    /// In place of a lane, for requests that wait for no other.
    pub const NO_LANE: u32 = u32::MAX;
}

/// One copy of a row, due at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// ns since the run began.
    pub intended_ns: u64,
    /// Index into [`Schedule::rows`].
    pub row: u32,
    /// 0: the original; others are clones.
    pub copy: u16,
}

/// How the traffic differs from the log's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrafficConfig {
    /// Log seconds per second, above 0.
    pub speed: f64,
    /// Users per logged user, above 0.
    pub load: f64,
    /// Seconds over which users join at the beginning, evenly spread; 0 for all at once.
    pub ramp_seconds: f64,
    /// Random seed: which users are kept, cloned, in which shard, and when they join.
    pub seed: u64,
    /// Only shard `.0` (from 0) of `.1`, by user.
    pub shard: Option<(u32, u32)>,
}

impl Default for TrafficConfig {
    fn default() -> Self {
        Self { speed: 1.0, load: 1.0, ramp_seconds: 0.0, seed: 1, shard: None }
    }
}

/// All requests of a run in the order in which they are due.
#[derive(Debug, Clone, Default)]
pub struct Schedule {
    /// In arrival order.
    pub rows: Vec<Row>,
    /// In the order in which they are due.
    pub slots: Vec<Slot>,
    /// Number of lanes of one copy.
    pub lanes: u32,
    /// Most copies of any user.
    pub copies: u16,
    /// Length of the run, ns.
    pub span_ns: u64,
}

impl Schedule {
    /// Schedules rows, which are in arrival order and within `window_us` of the start.
    pub fn from_rows(rows: Vec<Row>, window_us: u64, traffic: &TrafficConfig) -> Self {
        let lanes = rows.iter().filter(|row| row.lane != Row::NO_LANE).map(|row| row.lane + 1).max().unwrap_or(0);
        let window_us = window_us.max(rows.last().map_or(0, |row| row.arrival_us)).max(1);
        let counts = CopyCounts::grown(traffic.load, traffic.seed);
        let mut slots = Vec::with_capacity(rows.len());
        let mut copies = 0;
        for (row, index) in rows.iter().zip(0_u32..) {
            let count = u16::try_from(counts.of(row.actor)).unwrap_or(u16::MAX);
            copies = copies.max(count);
            for copy in 0..count {
                let is_elsewhere = |(shard, shards)| population::shard_of(row.actor, u32::from(copy), traffic.seed, shards) != shard;
                if traffic.shard.is_some_and(is_elsewhere) {
                    continue;
                }
                let at_us = shifted_us(row, copy, window_us, traffic.seed);
                slots.push(Slot { intended_ns: scaled_ns(at_us, traffic.speed), row: index, copy });
            }
        }
        slots.sort_unstable();
        Self { rows, slots, lanes, copies, span_ns: scaled_ns(window_us, traffic.speed) }
    }

    /// A number for the row and copy of a slot: the rows of the originals come first, then those of the first clones, and so on. Saturating.
    pub fn number_of(&self, slot: Slot) -> u32 {
        let rows = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        rows.saturating_mul(slot.copy.into()).saturating_add(slot.row)
    }

    /// Whether a slot is scheduled before its user joins, in a run that [ramps](TrafficConfig::ramp_seconds) up.
    pub fn is_before_ramp(&self, slot: Slot, traffic: &TrafficConfig) -> bool {
        if traffic.ramp_seconds <= 0.0 {
            return false;
        }
        let actor = self.rows[slot.row as usize].actor;
        let joins_ns = population::joining_point(actor, u32::from(slot.copy), traffic.seed) * traffic.ramp_seconds * 1e9;
        (slot.intended_ns as f64) < joins_ns
    }
}

/// Sets [`Row::overlap_max`] of rows in arrival order: how many earlier requests of the lane were in flight when each arrived in the log.
/// Syncs always wait for one another, because a device has one at a time.
pub fn set_overlap_limits(rows: &mut [Row]) {
    let mut in_flight: std::collections::HashMap<u32, Vec<u64>> = std::collections::HashMap::new();
    for row in rows.iter_mut().filter(|row| row.lane != Row::NO_LANE) {
        if row.sync {
            row.overlap_max = 0;
            continue;
        }
        let ends = in_flight.entry(row.lane).or_default();
        ends.retain(|&end| end > row.arrival_us);
        row.overlap_max = u8::try_from(ends.len()).unwrap_or(u8::MAX);
        if row.skip.is_none() {
            ends.push(row.arrival_us + u64::from(row.original_us));
        }
    }
}

/// Arrival of a copy of a row, µs since the start of the window.
fn shifted_us(row: &Row, copy: u16, window_us: u64, seed: u64) -> u64 {
    // An original may arrive at the very end of the window, where a clone would wrap.
    if copy == 0 {
        return row.arrival_us;
    }
    let shift_us = population::shift_us(u32::from(copy), seed, window_us.cast_signed());
    let at_us = population::wrap(row.arrival_us.cast_signed() + shift_us, window_us.cast_signed());
    at_us.cast_unsigned()
}

fn scaled_ns(at_us: u64, speed: f64) -> u64 {
    if speed == 1.0 {
        return at_us * 1000;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and years below the limit")]
    let scaled = (at_us as f64 * 1000.0 / speed) as u64;
    scaled
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(arrival_us: u64, actor: u64) -> Row {
        Row {
            arrival_us,
            original_us: 1000,
            actor,
            lane: u32::try_from(actor).unwrap(),
            endpoint: EndpointId(0),
            original_status: 200,
            overlap_max: 0,
            sync: false,
            long_poll: false,
            poll_ms: 0,
            skip: None,
        }
    }

    #[test]
    fn as_many_may_overlap_as_overlapped_in_the_log() {
        let mut rows = vec![row(0, 1), row(500, 1), row(900, 2), row(999, 1), row(1100, 1), row(5000, 1)];
        set_overlap_limits(&mut rows);
        assert_eq!(rows.iter().map(|row| row.overlap_max).collect::<Vec<_>>(), [0, 1, 0, 2, 2, 0]);
    }

    #[test]
    fn speed_changes_the_clock_and_load_the_users() {
        let rows: Vec<Row> = (0..1000).map(|number| row(number * 600_000, number % 100)).collect();
        let plain = Schedule::from_rows(rows.clone(), 600_000_000, &TrafficConfig::default());
        assert_eq!((plain.slots.len(), plain.slots[3].intended_ns, plain.span_ns), (1000, 1_800_000_000, 600_000_000_000));
        let fast = Schedule::from_rows(rows.clone(), 600_000_000, &TrafficConfig { speed: 2.0, ..TrafficConfig::default() });
        assert_eq!((fast.slots.len(), fast.slots[3].intended_ns), (1000, 900_000_000));
        let heavy = Schedule::from_rows(rows.clone(), 600_000_000, &TrafficConfig { load: 2.5, ..TrafficConfig::default() });
        assert!((2300..=2700).contains(&heavy.slots.len()) && heavy.copies == 3, "{}", heavy.slots.len());
        let light = Schedule::from_rows(rows, 600_000_000, &TrafficConfig { load: 0.5, ..TrafficConfig::default() });
        let users: std::collections::BTreeSet<u64> = light.slots.iter().map(|slot| light.rows[slot.row as usize].actor).collect();
        assert_eq!(light.slots.len(), users.len() * 10, "all of a user or nothing");
        assert!((35..=65).contains(&users.len()), "{}", users.len());
    }

    proptest! {
        #[test]
        fn shards_are_disjoint_and_together_the_whole(count in 1_u64..300, shards in 1_u32..7, seed: u64, load in 0.1_f64..3.0) {
            let rows: Vec<Row> = (0..count).map(|number| row(number * 1000, number % 37)).collect();
            let traffic = TrafficConfig { load, seed, ..TrafficConfig::default() };
            let whole = Schedule::from_rows(rows.clone(), 1_000_000, &traffic);
            let mut joined: Vec<Slot> = (0..shards)
                .flat_map(|shard| Schedule::from_rows(rows.clone(), 1_000_000, &TrafficConfig { shard: Some((shard, shards)), ..traffic }).slots)
                .collect();
            joined.sort_unstable();
            prop_assert_eq!(joined, whole.slots);
        }
    }
}
