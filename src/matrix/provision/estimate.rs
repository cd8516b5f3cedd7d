//! Counts what a manifest still lacks on its target, and estimates how long creating it takes.

use std::time::Duration;

use super::super::manifest::Manifest;
use super::accounts::users;
use super::rooms::rooms;

/// What provisioning would create.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MissingItems {
    /// Accounts to register, two calls each.
    pub accounts: usize,
    /// Second and further devices of a user: one login each.
    pub devices: usize,
    /// Rate limits, filters, keys, backups, first syncs.
    pub upkeep: usize,
    pub rooms: usize,
    /// Joins.
    pub members: usize,
    pub messages: usize,
    pub media: usize,
}

impl MissingItems {
    /// What the manifest lacks.
    pub fn from_manifest(manifest: &Manifest) -> Self {
        let mut missing = Self { media: manifest.media.iter().filter(|media| media.id.is_none()).count(), ..Self::default() };
        missing.accounts += usize::from(manifest.admin.is_none()) + manifest.copies.iter().filter(|copy| copy.guest.is_none()).count();
        missing.rooms += usize::from(manifest.marker.is_none());
        for (_, user) in users(manifest) {
            missing.accounts += usize::from(user.user_id.is_none());
            missing.devices += user.devices.iter().skip(1).filter(|device| device.token.is_none()).count();
            missing.upkeep += usize::from(!user.unlimited) + usize::from(user.filter.is_none());
            missing.upkeep += usize::from(user.wants_backup && user.backup.is_none()) + usize::from(user.wants_backup && !user.sessions);
            missing.upkeep +=
                user.devices.iter().map(|device| usize::from(!device.keys) + usize::from(device.next_batch.is_none())).sum::<usize>();
        }
        for (_, _, room) in rooms(manifest) {
            missing.rooms += usize::from(room.room_id.is_none());
            // The creator need not join.
            missing.members += room.members.len().saturating_sub(room.joined.max(1) as usize);
            missing.messages += (room.history as usize).saturating_sub(room.events.len());
        }
        missing
    }

    /// API calls that it takes.
    pub fn calls(&self) -> usize {
        2 * self.accounts + self.devices + self.upkeep + self.rooms + self.members + self.messages + self.media
    }

    /// Shortest and longest time it may take with this concurrency: on a fast target without rate limits, and on one with Synapse's default
    /// `bcrypt_rounds` (12), which costs about 0.25 s of one core for each account and device.
    pub fn duration_range(&self, concurrency: usize) -> (Duration, Duration) {
        let calls = self.calls() as f64;
        let speedup = (concurrency.max(1) as f64 / CONCURRENCY_USEFUL).min(1.0);
        let quick = calls * QUICK_SECONDS / speedup;
        let slow = calls * SLOW_SECONDS / speedup + (self.accounts + self.devices) as f64 * BCRYPT_SECONDS;
        (Duration::from_secs_f64(quick), Duration::from_secs_f64(slow))
    }
}

/// One call on a fast target without other load.
const QUICK_SECONDS: f64 = 0.01;

/// One call on a slow target, or on one that shares its cores: 0.03 to 0.05 s were measured beside compilers.
const SLOW_SECONDS: f64 = 0.06;

/// One password hash with 12 rounds.
const BCRYPT_SECONDS: f64 = 0.25;

/// More concurrent calls do not help, because Synapse's main process uses one core.
const CONCURRENCY_USEFUL: f64 = 4.0;
