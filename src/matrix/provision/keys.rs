//! Uploads devices' keys and creates key backups.

use super::ProvisionError;
use super::accounts::{UserIndex, user_at, users, with_token};
use super::api::{ApiCall, client_path};
use super::provisioner::Provisioner;
use crate::random::Random;
use crate::{body, script};
use wsim_http::percent::encoded;
use wsim_transport::Client;

impl Provisioner<'_> {
    /// Uploads the keys of every device.
    pub(super) async fn upload_keys(&mut self) -> Result<(), ProvisionError> {
        let mut jobs = Vec::new();
        for (index, user) in users(self.manifest) {
            let Some(id) = &user.user_id else { continue };
            for (number, device) in user.devices.iter().enumerate().filter(|(_, device)| !device.keys) {
                // An existing account may have no device.
                if let (Some(token), Some(device)) = (&device.token, device.device_id.as_ref().filter(|id| !id.is_empty())) {
                    jobs.push((index, number, id.clone(), device.clone(), token.clone(), self.manifest.salt.clone()));
                }
            }
        }
        type Job = (UserIndex, usize, String, String, String, String);
        let call = |mut client: Client, (index, number, id, device, token, salt): Job| async move {
            let mut fresh = Random::new(1, &salt, xxhash_rust::xxh3::xxh3_64(device.as_bytes()));
            let keys = body::keys(&id, &device, &mut script::device_random(&device), &mut fresh, ONE_TIME_KEYS);
            let response =
                ApiCall::post("uploading keys", Some(&token), client_path(&["keys", "upload"]), &keys).repeatable().send(&mut client).await;
            (client, response.map(|_| (index, number)))
        };
        self.stage("keys", jobs, call, |manifest, (index, device)| {
            if let Some(device) = user_at(manifest, index).and_then(|user| user.devices.get_mut(device)) {
                device.keys = true;
            }
        })
        .await
    }

    /// Creates key backups for users who have one in the log.
    pub(super) async fn create_key_backups(&mut self) -> Result<(), ProvisionError> {
        let jobs = with_token(self.manifest, |user| user.wants_backup && user.backup.is_none());
        let call = |mut client: Client, (index, id, token): (UserIndex, String, String)| async move {
            let mut random = Random::new(1, &id, 1);
            let call = ApiCall::post(
                "creating a key backup",
                Some(&token),
                client_path(&["room_keys", "version"]),
                &body::backup_version(&mut random),
            );
            let response = call.send(&mut client).await.and_then(|response| response.text("version"));
            (client, response.map(|version| (index, version)))
        };
        self.stage("key backups", jobs, call, |manifest, (index, version)| {
            if let Some(user) = user_at(manifest, index) {
                user.backup = Some(version);
            }
        })
        .await
    }

    /// Fills the backups with the same few sessions for every room of the user.
    pub(super) async fn fill_key_backups(&mut self) -> Result<(), ProvisionError> {
        let mut jobs = Vec::new();
        for (index, _, token) in with_token(self.manifest, |user| user.backup.is_some() && !user.sessions) {
            let (copy, number) = (&self.manifest.copies[index.0], u32::try_from(index.1).unwrap_or(u32::MAX));
            let rooms = copy.rooms.iter().filter(|room| room.members.contains(&number)).filter_map(|room| room.room_id.clone());
            let version = copy.users[index.1].backup.clone().unwrap_or_default();
            jobs.push((index, token, version, rooms.take(BACKUP_ROOMS_MAX).collect::<Vec<_>>()));
        }
        let call = |mut client: Client, (index, token, version, rooms): (UserIndex, String, String, Vec<String>)| async move {
            let mut random = Random::new(1, &token, 2);
            let target = format!("{}?version={}", client_path(&["room_keys", "keys"]), encoded(&version));
            let call = ApiCall::put("filling a key backup", &token, target, &body::backup(&rooms, &mut random));
            let sent = call.send(&mut client).await;
            (client, sent.map(|_| index))
        };
        self.stage("sessions", jobs, call, |manifest, index| {
            if let Some(user) = user_at(manifest, index) {
                user.sessions = true;
            }
        })
        .await
    }
}

/// Most rooms in a backup.
const BACKUP_ROOMS_MAX: usize = 20;

/// One-time keys of a new device, as many as clients upload.
const ONE_TIME_KEYS: usize = 50;
