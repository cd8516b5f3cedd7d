//! Removes a world: rooms, then files, then accounts, because rooms are found by their members.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};

use super::accounts::{user_at, users};
use super::api::{ApiCall, admin_path};
use super::provisioner::Provisioner;
use super::{Progress, ProvisionConfig, ProvisionError};
use crate::CheckedTarget;
use crate::manifest::{Admin, Manifest};
use wsim_transport::Client;

/// Removes everything in the manifest from the target, and the rooms that replays created. The manifest is saved during the removal; afterwards
/// the caller deletes the file.
///
/// # Errors
/// See [`ProvisionError`]; [`ProvisionError::NoAdministrator`] for a world of existing accounts.
pub async fn purge(
    target: &CheckedTarget,
    manifest: &mut Manifest,
    config: &ProvisionConfig,
    show: &dyn Fn(Progress),
) -> Result<(), ProvisionError> {
    let admin = manifest.admin.clone().ok_or(ProvisionError::NoAdministrator)?;
    let mut provisioner = Provisioner::new(target, manifest, config, show)?;
    provisioner.check_world_is_known().await?;
    let rooms = provisioner.list_rooms(&admin).await?;
    provisioner.delete_rooms(&admin, rooms).await?;
    provisioner.delete_media(&admin).await?;
    provisioner.deactivate(&admin).await?;
    for copy in &mut provisioner.manifest.copies {
        copy.rooms.clear();
        copy.users.clear();
    }
    provisioner.save()
}

impl Provisioner<'_> {
    /// All rooms that any of the users is in, and those in the manifest.
    async fn list_rooms(&mut self, admin: &Admin) -> Result<BTreeSet<String>, ProvisionError> {
        let found = std::sync::Mutex::new(BTreeSet::new());
        let people = users(self.manifest).filter_map(|(_, user)| user.user_id.clone());
        let jobs: Vec<_> = people.chain([admin.user_id.clone()]).map(|id| (id, admin.token.clone())).collect();
        let call = |mut client: Client, (id, token): (String, String)| async move {
            let target = admin_path(&["v1", "users", &id, "joined_rooms"]);
            let response = ApiCall::get("listing rooms", Some(&token), target).send_any_status(&mut client).await;
            (client, response.map(|response| response.json))
        };
        self.stage("listing rooms", jobs, call, |_, response: Value| {
            let rooms = response.get("joined_rooms").and_then(Value::as_array).into_iter().flatten();
            let mut found = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            found.extend(rooms.filter_map(Value::as_str).map(str::to_owned));
        })
        .await?;
        let mut rooms = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        rooms.extend(super::rooms::rooms(self.manifest).filter_map(|(_, _, room)| room.room_id.clone()));
        rooms.extend(self.manifest.marker.as_ref().and_then(|marker| marker.room_id.clone()));
        Ok(rooms)
    }

    async fn delete_rooms(&mut self, admin: &Admin, rooms: BTreeSet<String>) -> Result<(), ProvisionError> {
        let jobs: Vec<_> = rooms.into_iter().map(|room| (room, admin.token.clone())).collect();
        let call = |mut client: Client, (room, token): (String, String)| async move {
            let result = delete_room(&mut client, &room, &token).await;
            (client, result.map(|()| room))
        };
        self.stage("deleting rooms", jobs, call, |manifest: &mut Manifest, gone| {
            for room in manifest.copies.iter_mut().flat_map(|copy| &mut copy.rooms).filter(|room| room.room_id.as_ref() == Some(&gone)) {
                room.room_id = None;
            }
            if manifest.marker.as_ref().is_some_and(|marker| marker.room_id.as_ref() == Some(&gone)) {
                manifest.marker = None;
            }
        })
        .await
    }

    async fn delete_media(&mut self, admin: &Admin) -> Result<(), ProvisionError> {
        let some = self.manifest.media.iter().filter_map(|media| media.id.clone());
        let jobs: Vec<_> = some.map(|id| (id, admin.token.clone())).collect();
        let call = |mut client: Client, (id, token): (String, String)| async move {
            let (server, name) = id.split_once('/').unwrap_or((&id, ""));
            let call = ApiCall::delete("deleting media", &token, admin_path(&["v1", "media", server, name]), &json!({}));
            let response = call
                .send_any_status(&mut client)
                .await
                .and_then(|response| if response.status == 404 { Ok(()) } else { expect(response.status < 300, &response) });
            (client, response.map(|()| id))
        };
        self.stage("deleting media", jobs, call, |manifest, id| manifest.media.retain(|media| media.id.as_ref() != Some(&id))).await
    }

    /// Deactivates users, guests, and finally the administrator.
    async fn deactivate(&mut self, admin: &Admin) -> Result<(), ProvisionError> {
        let some = users(self.manifest).filter(|(_, user)| !user.localpart.is_empty());
        let jobs: Vec<_> = some.filter_map(|(index, user)| Some((index, user.user_id.clone()?, admin.token.clone()))).collect();
        let call = |mut client: Client, (index, id, token): ((usize, usize), String, String)| async move {
            let result = deactivate(&mut client, &id, &token).await;
            (client, result.map(|()| index))
        };
        self.stage("deactivating accounts", jobs, call, |manifest, index| {
            if let Some(user) = user_at(manifest, index) {
                user.user_id = None;
                user.devices.clear();
            }
        })
        .await?;
        let mut client = self.client();
        for copy in 0..self.manifest.copies.len() {
            if let Some(guest) = self.manifest.copies[copy].guest.take() {
                deactivate(&mut client, &guest, &admin.token).await?;
            }
        }
        deactivate(&mut client, &admin.user_id, &admin.token).await?;
        self.manifest.admin = None;
        Ok(())
    }
}

/// Deletes a room and waits until it is gone.
async fn delete_room(client: &mut Client, room: &str, token: &str) -> Result<(), ProvisionError> {
    let what = "deleting a room";
    let call = ApiCall::delete(what, token, admin_path(&["v2", "rooms", room]), &json!({"purge": true, "block": false}));
    let response = call.send_any_status(client).await?;
    if response.status == 404 {
        return Ok(());
    }
    let delete = if response.status < 300 { response.text("delete_id")? } else { return Err(response.to_error()) };
    let deadline = Instant::now() + DELETE_MAX;
    while Instant::now() < deadline {
        let target = admin_path(&["v2", "rooms", "delete_status", &delete]);
        let response = ApiCall::get(what, Some(token), target).send(client).await?;
        match response.json.get("status").and_then(Value::as_str) {
            Some("complete") => return Ok(()),
            Some("failed") => return Err(response.to_error()),
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    // Synapse continues in the background.
    Ok(())
}

pub(super) async fn deactivate(client: &mut Client, user: &str, token: &str) -> Result<(), ProvisionError> {
    let call = ApiCall {
        method: Method::POST,
        ..ApiCall::post("deactivating an account", Some(token), admin_path(&["v1", "deactivate", user]), &json!({"erase": true}))
    };
    call.repeatable().send(client).await.map(|_| ())
}

fn expect(fine: bool, response: &super::api::ApiResponse) -> Result<(), ProvisionError> {
    if fine { Ok(()) } else { Err(response.to_error()) }
}

/// Longest wait for one room.
const DELETE_MAX: Duration = Duration::from_secs(120);
