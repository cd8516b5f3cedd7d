//! Before the first request: every device that syncs is brought up to date, so that no sync of the run is an initial one by mistake.

use std::collections::BTreeSet;
use std::future::Future;

use wsim_matrix::Script;
use wsim_replay::{Row, Schedule};
use wsim_transport::{Client, Connector, Outgoing};

/// Devices primed at a time.
const AT_A_TIME: usize = 8;

/// Primes the devices of a schedule.
///
/// # Errors
/// The target does not answer at all. A sync that is refused only leaves its device unprimed: the run will show it.
pub(super) fn prime(script: &mut Script, connector: &Connector, schedule: &Schedule) -> anyhow::Result<()> {
    let devices: BTreeSet<(u32, u16)> = schedule
        .slots
        .iter()
        .filter_map(|slot| {
            let row: &Row = &schedule.rows[slot.row as usize];
            (row.sync && row.skip.is_none()).then_some((row.lane / 2, slot.copy))
        })
        .collect();
    let wanted: Vec<((u32, u16), Outgoing)> =
        devices.into_iter().filter_map(|(user, copy)| Some(((user, copy), script.prime(user, copy)?))).collect();
    in_runtime(async {
        let mut tasks = tokio::task::JoinSet::new();
        let parts: Vec<Vec<_>> = (0..AT_A_TIME).map(|part| wanted.iter().skip(part).step_by(AT_A_TIME).cloned().collect()).collect();
        for part in parts {
            let mut client = Client::new(connector.clone());
            tasks.spawn(async move {
                let mut answers = Vec::new();
                for (who, outgoing) in part {
                    answers.push((who, client.send(&outgoing).await));
                }
                answers
            });
        }
        while let Some(done) = tasks.join_next().await {
            for ((user, copy), answer) in done? {
                script.primed(user, copy, &answer?);
            }
        }
        Ok(())
    })
}

/// Runs a future to its end on this thread.
pub(super) fn in_runtime<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
