//! Distinguishes devices of one user that have the same user agent, by their syncs.
//!
//! A client has one sync at a time, so a sync that arrives while another of the same user and agent is still in progress belongs to another
//! device. Survey and script must number devices alike, so both read the rows in arrival order.

use std::collections::HashMap;

use super::operation::Op;
use super::survey::DEVICES_MAX;
use wsim_endpoints::Method;
use wsim_trace::{NameId, Request};

/// Numbers the devices of each user and agent from 0.
#[derive(Debug, Default)]
pub(super) struct DeviceNumbering {
    /// For each user and agent: when the last sync of each device ended, µs since the epoch.
    busy_until: HashMap<(NameId, NameId), Vec<i64>>,
}

/// How long before the logged end of a sync the device's next one may arrive, µs: time stamps are rounded, and clocks of processes differ.
const SLACK_US: i64 = 100_000;

impl DeviceNumbering {
    /// The device of a row: of the idle devices the one that synced last. Rows that are not syncs belong to device 0.
    pub(super) fn of(&mut self, request: &Request, op: Op) -> u8 {
        if !matches!(op, Op::Sync | Op::SlidingSync) || request.method == Method::Options {
            return 0;
        }
        let devices = self.busy_until.entry((request.user, request.agent)).or_default();
        let end = request.arrival_us + i64::from(request.wall_us.max(request.proxy_us));
        let free = (0..devices.len()).filter(|&index| devices[index] <= request.arrival_us + SLACK_US);
        let index = match free.max_by_key(|&index| devices[index]) {
            Some(index) => index,
            None if devices.len() < DEVICES_MAX => {
                devices.push(end);
                devices.len() - 1
            }
            // More overlapping syncs than devices: the client does not wait for responses, so all are one device's.
            None => 0,
        };
        devices[index] = devices[index].max(end);
        u8::try_from(index).unwrap_or(0)
    }
}

/// Text that identifies a device of a user: the agent, with a number from the second device on.
pub(super) fn name(agent: &str, number: u8) -> String {
    if number == 0 { agent.to_owned() } else { format!("{agent}\n{number}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sync(at_ms: i64, ms: u32) -> Request {
        Request { arrival_us: at_ms * 1000, wall_us: ms * 1000, user: NameId(1), agent: NameId(2), ..Request::default() }
    }

    #[test]
    fn overlapping_syncs_belong_to_two_devices() {
        let mut numbering = DeviceNumbering::default();
        let rows = [sync(0, 30_000), sync(5_000, 30_000), sync(30_010, 1_000), sync(35_020, 1_000), sync(40_000, 10)];
        assert_eq!(rows.map(|row| numbering.of(&row, Op::Sync)), [0, 1, 0, 1, 1]);
        assert_eq!(numbering.of(&sync(40_005, 10), Op::Messages), 0);
    }

    #[test]
    fn a_slightly_wrong_time_stamp_adds_no_device() {
        let mut numbering = DeviceNumbering::default();
        assert_eq!([sync(0, 1_000), sync(960, 1_000), sync(1_940, 5)].map(|row| numbering.of(&row, Op::SlidingSync)), [0, 0, 0]);
    }
}
