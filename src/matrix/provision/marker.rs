//! The marker room: the proof that a target was provisioned and may be replayed to.

use serde_json::{Value, json};

use super::ProvisionError;
use super::api::{ApiCall, client_path};
use super::provisioner::Provisioner;
use crate::manifest::{Manifest, Marker};
use wsim_transport::Client;

impl Provisioner<'_> {
    /// Creates the marker room and its alias, owned by the administrator or the first user.
    pub(super) async fn create_marker_room(&mut self) -> Result<(), ProvisionError> {
        if self.manifest.marker.is_none() {
            let owner = match &self.manifest.admin {
                Some(admin) => Some((admin.user_id.clone(), admin.token.clone())),
                None => self.manifest.copies.iter().flat_map(|copy| &copy.users).find_map(|user| {
                    let token = user.devices.first()?.token.clone()?;
                    Some((user.user_id.clone()?, token))
                }),
            };
            let (user_id, token) = owner.ok_or(ProvisionError::NoAccounts)?;
            self.manifest.marker = Some(Marker { user_id, token, room_id: None, alias: None });
        }
        let (name, server) = (self.manifest.name.clone(), self.manifest.server_name.clone());
        let mut client = self.client();
        let Some(marker) = self.manifest.marker.as_mut().filter(|marker| marker.room_id.is_none()) else { return Ok(()) };
        let localpart = format!("wsim-{name}");
        let alias = format!("#{localpart}:{server}");
        let known = ApiCall::get("looking for the marker", Some(&marker.token), client_path(&["directory", "room", &alias]))
            .send_any_status(&mut client)
            .await?;
        let room = if known.status == 200 {
            known.text("room_id")?
        } else {
            let content = json!({
                "preset": "private_chat",
                "name": "wsim world",
                "topic": "Proof that wsim replay may send load to this homeserver. Removed by wsim provision --purge.",
                "room_alias_name": localpart,
                "initial_state": [{"type": Manifest::MARKER_TYPE, "state_key": "", "content": {"world": name}}],
            });
            let call = ApiCall::post("creating the marker room", Some(&marker.token), client_path(&["createRoom"]), &content);
            call.send(&mut client).await?.text("room_id")?
        };
        (marker.room_id, marker.alias) = (Some(room), Some(alias));
        self.save()
    }
}

/// Whether the target has the marker room of this world, so that it may be replayed to.
///
/// # Errors
/// The target does not respond.
pub async fn has_marker_room(client: &mut Client, manifest: &Manifest) -> Result<bool, ProvisionError> {
    let Some((marker, room)) = manifest.marker.as_ref().and_then(|marker| Some((marker, marker.room_id.as_ref()?))) else {
        return Ok(false);
    };
    let target = client_path(&["rooms", room, "state", Manifest::MARKER_TYPE]);
    let response = ApiCall::get("looking for the marker", Some(&marker.token), target).send_any_status(client).await?;
    Ok(response.status == 200 && response.json.get("world").and_then(Value::as_str) == Some(manifest.name.as_str()))
}
