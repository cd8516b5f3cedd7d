//! One initial sync for every device: warms the target's caches, and yields where syncs and pagination start.

use std::collections::HashMap;

use serde_json::Value;

use super::ProvisionError;
use super::accounts::{user_at, users};
use super::api::ApiCall;
use super::provisioner::Provisioner;
use crate::manifest::Manifest;
use wsim_http::percent::encoded;
use wsim_transport::Client;

impl Provisioner<'_> {
    /// Syncs every device that has not synced yet.
    pub(super) async fn sync_devices(&mut self) -> Result<(), ProvisionError> {
        let mut jobs = Vec::new();
        for (index, user) in users(self.manifest) {
            for (number, device) in user.devices.iter().enumerate().filter(|(_, device)| device.next_batch.is_none()) {
                if let Some(token) = &device.token {
                    jobs.push((index, number, user.filter.clone().unwrap_or_default(), token.clone()));
                }
            }
        }
        let rooms: HashMap<String, (usize, usize)> = super::rooms::rooms(self.manifest)
            .filter(|(_, _, room)| room.prev_batch.is_none())
            .filter_map(|(index, _, room)| Some((room.room_id.clone()?, index)))
            .collect();
        type Job = ((usize, usize), usize, String, String);
        let call = |mut client: Client, (index, number, filter, token): Job| async move {
            let filter = if filter.is_empty() { String::new() } else { format!("&filter={}", encoded(&filter)) };
            let response =
                ApiCall::get("the first sync", Some(&token), format!("/_matrix/client/v3/sync?timeout=0{filter}")).send(&mut client).await;
            let learnt = response.and_then(|response| {
                let next = response.text("next_batch")?;
                let joined = response.json.pointer("/rooms/join").and_then(Value::as_object);
                let batches = joined.into_iter().flatten().filter_map(|(room, joined)| {
                    let batch = joined.pointer("/timeline/prev_batch")?.as_str()?;
                    Some((room.clone(), batch.to_owned()))
                });
                Ok((index, number, next, batches.collect::<Vec<_>>()))
            });
            (client, learnt)
        };
        self.stage("first syncs", jobs, call, |manifest: &mut Manifest, (index, number, next, batches)| {
            if let Some(device) = user_at(manifest, index).and_then(|user| user.devices.get_mut(number)) {
                device.next_batch = Some(next);
            }
            for (room, batch) in batches {
                let index = rooms.get(&room);
                if let Some(room) = index.and_then(|&(copy, index)| manifest.copies.get_mut(copy)?.rooms.get_mut(index)) {
                    room.prev_batch.get_or_insert(batch);
                }
            }
        })
        .await
    }
}
