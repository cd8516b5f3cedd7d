//! Brings every syncing device up to date before the first request, so that no sync of the run is an initial sync by mistake.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use super::Script;
use wsim_replay::Schedule;
use wsim_transport::{Client, Connector, Failure, OutgoingRequest};

/// Devices primed at the same time.
const CONCURRENCY: usize = 8;

/// Syncs each device that has syncs in the schedule. A sync with an error status leaves its device as it is; the run will show it.
///
/// # Errors
/// The target does not respond.
pub async fn prime_devices(script: &mut Script, connector: &Connector, schedule: &Schedule) -> Result<(), Failure> {
    let rows = schedule.slots.iter().map(|slot| (slot, &schedule.rows[slot.row as usize]));
    let syncs = rows.filter(|(_, row)| row.sync && row.skip.is_none());
    let devices: BTreeSet<(u32, u16)> = syncs.map(|(slot, row)| (Script::lane_user(row.lane), slot.copy)).collect();
    let requests: Vec<((u32, u16), OutgoingRequest)> =
        devices.into_iter().filter_map(|(user, copy)| Some(((user, copy), script.prime(user, copy)?))).collect();
    let mut tasks = JoinSet::new();
    for part in 0..CONCURRENCY {
        let requests: Vec<_> = requests.iter().skip(part).step_by(CONCURRENCY).cloned().collect();
        let mut client = Client::new(connector.clone());
        tasks.spawn(async move {
            let mut responses = Vec::new();
            for (device, request) in requests {
                responses.push((device, client.send(&request).await));
            }
            responses
        });
    }
    while let Some(done) = tasks.join_next().await {
        // A panic in a task is a defect and goes on here.
        let responses = done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        for ((user, copy), response) in responses {
            script.primed(user, copy, &response?);
        }
    }
    Ok(())
}
