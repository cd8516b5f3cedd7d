//! A manifest as it would be after provisioning, for dry runs and for schedules that get their identifiers later.

use super::manifest::Manifest;

impl Manifest {
    /// The same world, with made-up ids in place of missing ones. Nothing of it exists on the target.
    #[must_use]
    pub fn with_placeholder_ids(&self) -> Self {
        let mut world = self.clone();
        let server = if world.server_name.is_empty() { "target.invalid".to_owned() } else { world.server_name.clone() };
        for (number, copy) in world.copies.iter_mut().enumerate() {
            for (index, user) in copy.users.iter_mut().enumerate() {
                user.user_id.get_or_insert_with(|| format!("@{}:{server}", user.localpart));
                user.filter.get_or_insert_with(|| "0".to_owned());
                if user.wants_backup {
                    user.backup.get_or_insert_with(|| "1".to_owned());
                }
                for (device, entry) in user.devices.iter_mut().enumerate() {
                    entry.device_id.get_or_insert_with(|| format!("DEVICE{device}"));
                    entry.token.get_or_insert_with(|| format!("token_{number}_{index}_{device}"));
                }
            }
            for (index, room) in copy.rooms.iter_mut().enumerate() {
                room.room_id.get_or_insert_with(|| format!("!room-{number}-{index}:{server}"));
                room.joined = u32::try_from(room.members.len()).unwrap_or(u32::MAX);
                if room.events.is_empty() && room.history > 0 {
                    room.events.push(format!("$event-{number}-{index}"));
                }
            }
            copy.guest.get_or_insert_with(|| format!("@guest-{number}:{server}"));
        }
        for (index, media) in world.media.iter_mut().enumerate() {
            media.id.get_or_insert_with(|| format!("{server}/media{index}"));
        }
        if world.marker.is_none() {
            let alias = Some(format!("#wsim:{server}"));
            world.marker = Some(super::Marker { user_id: String::new(), token: String::new(), room_id: None, alias });
        }
        world
    }
}
