//! What is missing in a manifest, and how long it may take to make.

use std::time::Duration;

use super::super::manifest::Manifest;
use super::accounts::users;
use super::rooms::rooms;

/// Calls that provisioning would make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gaps {
    /// Accounts to register: two calls each.
    pub accounts: usize,
    /// Devices besides the first: logins.
    pub devices: usize,
    /// Rate limits, filters, keys, backups, first syncs.
    pub upkeep: usize,
    /// Rooms to create.
    pub rooms: usize,
    /// Joins.
    pub members: usize,
    /// Messages.
    pub messages: usize,
    /// Files.
    pub media: usize,
}

impl Gaps {
    /// All calls.
    pub fn calls(&self) -> usize {
        2 * self.accounts + self.devices + self.upkeep + self.rooms + self.members + self.messages + self.media
    }

    /// From how long to how long it takes with so many calls at a time: on a quick target without rate limits, and on one with Synapse's
    /// own `bcrypt_rounds` (12), which costs about 0.25 s of one core for each account and device.
    pub fn time(&self, concurrency: usize) -> (Duration, Duration) {
        let calls = self.calls() as f64;
        let side_by_side = (concurrency.max(1) as f64 / SIDE_BY_SIDE).min(1.0);
        let quick = calls * QUICK_SECONDS / side_by_side;
        let slow = calls * SLOW_SECONDS / side_by_side + (self.accounts + self.devices) as f64 * BCRYPT_SECONDS;
        (Duration::from_secs_f64(quick), Duration::from_secs_f64(slow))
    }
}

/// What is missing.
pub fn gaps(manifest: &Manifest) -> Gaps {
    let mut gaps = Gaps { media: manifest.media.iter().filter(|media| media.id.is_none()).count(), ..Gaps::default() };
    gaps.accounts += usize::from(manifest.admin.is_none()) + manifest.copies.iter().filter(|copy| copy.guest.is_none()).count();
    gaps.rooms += usize::from(manifest.marker.is_none());
    for (_, user) in users(manifest) {
        gaps.accounts += usize::from(user.user_id.is_none());
        gaps.devices += user.devices.iter().skip(1).filter(|device| device.token.is_none()).count();
        gaps.upkeep += usize::from(!user.unlimited) + usize::from(user.filter.is_none());
        gaps.upkeep += usize::from(user.wants_backup && user.backup.is_none()) + usize::from(user.wants_backup && !user.sessions);
        gaps.upkeep +=
            user.devices.iter().map(|device| usize::from(!device.keys) + usize::from(device.next_batch.is_none())).sum::<usize>();
    }
    for (_, _, room) in rooms(manifest) {
        gaps.rooms += usize::from(room.room_id.is_none());
        // The creator need not join.
        gaps.members += room.members.len().saturating_sub(room.joined.max(1) as usize);
        gaps.messages += (room.history as usize).saturating_sub(room.events.len());
    }
    gaps
}

/// A call on a quick target that does nothing else, as many at a time as help.
const QUICK_SECONDS: f64 = 0.01;

/// A call on a slow target, or on one that shares its cores: 0.03 to 0.05 s were measured with compilers beside it.
const SLOW_SECONDS: f64 = 0.06;

/// One hash of a password with 12 rounds.
const BCRYPT_SECONDS: f64 = 0.25;

/// More calls at a time do not help: Synapse's main process uses one core.
const SIDE_BY_SIDE: f64 = 4.0;
