//! When each request is to be sent: the log's own times, faster or slower, with more or fewer users.
//!
//! Two knobs that are not the same. `speed` compresses the clock: a closed chain or a parked sync does not compress with it. `load` keeps the
//! clock and multiplies users, which is what capacity planning asks. Load clones users, never requests: a clone does what its
//! original does, whole minutes earlier or later (as in `simulate::schedule`), with an account of its own; load below 1 leaves
//! users out.
//!
//! Invariant: a schedule is a function of its rows and its shape alone; the shards of a schedule are disjoint and together the whole.

use super::SkipReason;
use wsim_endpoints::EndpointId;

/// What the engine knows of a logged request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Arrival, µs since the start of the window.
    pub arrival_us: u64,
    /// Wall time in the log, µs.
    pub original_us: u32,
    /// Whose: a number below [`Schedule::actors`], by which load and shards choose. Requests without a user have one for their peer.
    pub actor: u32,
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
    /// Number of actors.
    pub actors: u32,
    /// Most copies of any user.
    pub copies: u16,
    /// Length of the run, ns.
    pub span_ns: u64,
}

impl Schedule {
    /// Lays out rows, which are in arrival order and within `window_us` of their beginning.
    pub fn from_rows(rows: Vec<Row>, window_us: u64, traffic: &TrafficConfig) -> Self {
        let actors = rows.iter().map(|row| row.actor + 1).max().unwrap_or(0);
        let lanes = rows.iter().filter(|row| row.lane != Row::NO_LANE).map(|row| row.lane + 1).max().unwrap_or(0);
        let window_us = window_us.max(rows.last().map_or(0, |row| row.arrival_us)).max(1);
        let mut slots = Vec::with_capacity(rows.len());
        let mut copies = 0;
        for (row, number) in rows.iter().zip(0_u32..) {
            for copy in 0..copies_of(row.actor, traffic) {
                copies = copies.max(copy + 1);
                if traffic.shard.is_some_and(|(shard, of)| shard_of(row.actor, copy, traffic.seed, of) != shard) {
                    continue;
                }
                let at_us = shifted(row, copy, window_us, traffic.seed);
                slots.push(Slot { intended_ns: scaled_ns(at_us, traffic.speed), row: number, copy });
            }
        }
        slots.sort_unstable();
        Self { rows, slots, lanes, actors, copies, span_ns: scaled_ns(window_us, traffic.speed) }
    }

    /// Whether a slot comes before its user does, in a run that [ramps](Shape::ramp_seconds) up.
    pub fn is_before_ramp(&self, slot: Slot, traffic: &TrafficConfig) -> bool {
        if traffic.ramp_seconds <= 0.0 {
            return false;
        }
        let begins = unit(traffic.seed, Purpose::Ramp, who(self.rows[slot.row as usize].actor, slot.copy)) * traffic.ramp_seconds * 1e9;
        (slot.intended_ns as f64) < begins
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

fn copies_of(actor: u32, traffic: &TrafficConfig) -> u16 {
    let whole = traffic.load.max(0.0).floor();
    let one_more = unit(traffic.seed, Purpose::Load, u64::from(actor)) < traffic.load - whole;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
    let whole = whole.min(f64::from(u16::MAX - 1)) as u16;
    whole + u16::from(one_more)
}

fn shard_of(actor: u32, copy: u16, seed: u64, shards: u32) -> u32 {
    let drawn = draw(seed, Purpose::Shard, who(actor, copy)) % u64::from(shards.max(1));
    u32::try_from(drawn).unwrap_or(0)
}

/// Whole minutes, between one and ten either way, the same for all requests of one clone, around the end of the window.
fn shifted(row: &Row, copy: u16, window_us: u64, seed: u64) -> u64 {
    if copy == 0 {
        return row.arrival_us;
    }
    let drawn = draw(seed, Purpose::Shift, who(row.actor, copy)) % 20;
    let minutes = i128::from(drawn) - if drawn < 10 { 10 } else { 9 };
    let at = (i128::from(row.arrival_us) + minutes * 60_000_000).rem_euclid(i128::from(window_us));
    u64::try_from(at).unwrap_or(0)
}

fn scaled_ns(at_us: u64, speed: f64) -> u64 {
    if speed == 1.0 {
        return at_us * 1000;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and years below the limit")]
    let scaled = (at_us as f64 * 1000.0 / speed) as u64;
    scaled
}

/// What is drawn, so that one choice does not follow from another.
#[derive(Clone, Copy)]
enum Purpose {
    Load = 1,
    Shift = 2,
    Shard = 3,
    Ramp = 4,
}

fn who(actor: u32, copy: u16) -> u64 {
    u64::from(actor) | u64::from(copy) << 32
}

fn draw(seed: u64, purpose: Purpose, who: u64) -> u64 {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
    bytes[16..].copy_from_slice(&who.to_le_bytes());
    xxhash_rust::xxh3::xxh3_64(&bytes)
}

fn unit(seed: u64, purpose: Purpose, who: u64) -> f64 {
    (draw(seed, purpose, who) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(arrival_us: u64, actor: u32) -> Row {
        Row {
            arrival_us,
            original_us: 1000,
            actor,
            lane: actor,
            endpoint: EndpointId(0),
            original_status: 200,
            overlap_max: 0,
            sync: false,
            long_poll: false,
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
        let rows: Vec<Row> = (0..1000).map(|number| row(number * 600_000, u32::try_from(number % 100).unwrap())).collect();
        let plain = Schedule::from_rows(rows.clone(), 600_000_000, &TrafficConfig::default());
        assert_eq!((plain.slots.len(), plain.slots[3].intended_ns, plain.span_ns), (1000, 1_800_000_000, 600_000_000_000));
        let fast = Schedule::from_rows(rows.clone(), 600_000_000, &TrafficConfig { speed: 2.0, ..TrafficConfig::default() });
        assert_eq!((fast.slots.len(), fast.slots[3].intended_ns), (1000, 900_000_000));
        let heavy = Schedule::from_rows(rows.clone(), 600_000_000, &TrafficConfig { load: 2.5, ..TrafficConfig::default() });
        assert!((2300..=2700).contains(&heavy.slots.len()) && heavy.copies == 3, "{}", heavy.slots.len());
        let light = Schedule::from_rows(rows, 600_000_000, &TrafficConfig { load: 0.5, ..TrafficConfig::default() });
        let users: std::collections::BTreeSet<u32> = light.slots.iter().map(|slot| light.rows[slot.row as usize].actor).collect();
        assert_eq!(light.slots.len(), users.len() * 10, "all of a user or nothing");
        assert!((35..=65).contains(&users.len()), "{}", users.len());
    }

    proptest! {
        #[test]
        fn shards_are_disjoint_and_together_the_whole(count in 1_u64..300, shards in 1_u32..7, seed: u64, load in 0.1_f64..3.0) {
            let rows: Vec<Row> = (0..count).map(|number| row(number * 1000, u32::try_from(number % 37).unwrap())).collect();
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
