//! Creates rooms, their members and their messages.

use serde_json::json;

use super::ProvisionError;
use super::api::{ApiCall, client_path};
use super::provisioner::Provisioner;
use crate::body;
use crate::manifest::{Manifest, PopulationCopy, Room};
use crate::random::Random;
use wsim_transport::Client;

/// Index of the copy, index of the room in it.
type RoomIndex = (usize, usize);

/// Calls in one room, in order.
struct Job {
    index: RoomIndex,
    room: String,
    /// Tokens of the users who make the calls, in order.
    tokens: Vec<String>,
    first: usize,
    name: String,
}

impl Provisioner<'_> {
    /// Creates each room by its first member who has an account, or by the administrator if all join later.
    pub(super) async fn create_rooms(&mut self) -> Result<(), ProvisionError> {
        let marker = self.manifest.marker.as_ref().map(|marker| marker.token.clone());
        for copy in &mut self.manifest.copies {
            let has_token = |&member: &u32| copy.users.get(member as usize).and_then(|user| user.devices.first()?.token.as_ref()).is_some();
            for room in copy.rooms.iter_mut().filter(|room| room.room_id.is_none()) {
                // There may be too few existing accounts: members with one come first, and only they join.
                room.members.sort_by_key(|member| !has_token(member));
            }
        }
        let mut jobs = Vec::new();
        for (index, copy, room) in rooms(self.manifest).filter(|(_, _, room)| room.room_id.is_none()) {
            let creator = match room.members.first() {
                Some(&member) => token(copy, member),
                None => marker.as_deref(),
            };
            if let Some(token) = creator {
                jobs.push((index, token.to_owned(), !room.members.is_empty(), self.manifest.name.clone()));
            }
        }
        let call = |mut client: Client, (index, token, member, world): (RoomIndex, String, bool, String)| async move {
            let content = json!({
                "preset": "public_chat",
                "name": format!("wsim {world} {}-{}", index.0, index.1),
                "topic": "made by wsim provision",
                "power_level_content_override": {"users_default": 50},
            });
            let response = ApiCall::post("creating a room", Some(&token), client_path(&["createRoom"]), &content).send(&mut client).await;
            let made = response.and_then(|response| response.text("room_id"));
            (client, made.map(|room| (index, room, member)))
        };
        self.stage("rooms", jobs, call, |manifest, (index, id, member)| {
            if let Some(room) = room_at(manifest, index) {
                room.room_id = Some(id);
                room.joined = u32::from(member);
            }
        })
        .await
    }

    /// Joins members to rooms, one after another in each room, because Synapse admits one at a time anyway.
    pub(super) async fn join_rooms(&mut self) -> Result<(), ProvisionError> {
        let mut jobs = Vec::new();
        for (index, copy, room) in rooms(self.manifest).filter(|(_, _, room)| (room.joined as usize) < room.members.len()) {
            let first = room.joined as usize;
            for (number, &member) in room.members.iter().enumerate().skip(first) {
                // There may be too few existing accounts: members from the first without one on stay outside.
                let (Some(id), Some(token)) = (&room.room_id, token(copy, member)) else { break };
                match jobs.last_mut() {
                    Some(Job { index: last, tokens, .. }) if *last == index => tokens.push(token.to_owned()),
                    _ => jobs.push(Job { index, room: id.clone(), tokens: vec![token.to_owned()], first: number, name: String::new() }),
                }
            }
        }
        jobs.sort_by_key(|job| std::cmp::Reverse(job.tokens.len()));
        let call = |mut client: Client, job: Job| async move {
            let mut joined = job.first;
            let mut failed = None;
            for token in &job.tokens {
                let call = ApiCall::post("joining a room", Some(token), client_path(&["join", &job.room]), &json!({})).repeatable();
                match call.send(&mut client).await {
                    Ok(_) => joined += 1,
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            // Keeps the joins that succeeded; a lasting error shows in the next run.
            let result = match failed {
                Some(error) if joined == job.first => Err(error),
                _ => Ok((job.index, joined)),
            };
            (client, result)
        };
        let wanted = jobs.iter().map(|job| job.tokens.len()).sum::<usize>();
        let before: usize = rooms(self.manifest).map(|(_, _, room)| room.joined as usize).sum();
        self.stage("members", jobs, call, |manifest, (index, joined)| {
            if let Some(room) = room_at(manifest, index) {
                room.joined = u32::try_from(joined).unwrap_or(u32::MAX);
            }
        })
        .await?;
        let after: usize = rooms(self.manifest).map(|(_, _, room)| room.joined as usize).sum();
        if after - before < wanted {
            return Err(ProvisionError::ErrorResponse {
                what: "joining a room",
                status: 0,
                code: String::new(),
                message: format!("{} of {wanted} could not join; run the command again", wanted - (after - before)),
            });
        }
        Ok(())
    }

    /// Sends messages, by the members in turn.
    pub(super) async fn send_history(&mut self) -> Result<(), ProvisionError> {
        let mut jobs = Vec::new();
        for (index, copy, room) in rooms(self.manifest).filter(|(_, _, room)| room.events.len() < room.history as usize) {
            let Some(id) = &room.room_id else { continue };
            let members = room.members.iter().take(room.joined as usize).filter_map(|&member| token(copy, member));
            let mut tokens: Vec<String> = members.map(str::to_owned).collect();
            if tokens.is_empty() {
                tokens.extend(self.manifest.marker.as_ref().map(|marker| marker.token.clone()));
            }
            if !tokens.is_empty() {
                let name = self.manifest.name.clone();
                jobs.push((Job { index, room: id.clone(), tokens, first: room.events.len(), name }, room.history as usize));
            }
        }
        // Longest first, so that the last jobs are short.
        jobs.sort_by_key(|(job, wanted)| std::cmp::Reverse(wanted - job.first));
        let call = |mut client: Client, (job, wanted): (Job, usize)| async move {
            let mut events = Vec::with_capacity(wanted - job.first);
            for number in job.first..wanted {
                let mut random = Random::new(1, &job.room, number as u64);
                // Stays the same after an interruption, so that Synapse recognises the message.
                let transaction = format!("wsim-{}-{number}", job.name);
                let target = client_path(&["rooms", &job.room, "send", "m.room.message", &transaction]);
                let call = ApiCall::put("sending history", &job.tokens[number % job.tokens.len()], target, &body::message(&mut random));
                match call.send(&mut client).await.and_then(|response| response.text("event_id")) {
                    Ok(event) => events.push(event),
                    Err(error) if events.is_empty() => return (client, Err(error)),
                    // The next run sends the rest.
                    Err(_) => break,
                }
            }
            (client, Ok((job.index, events)))
        };
        self.stage("history", jobs, call, |manifest, (index, events)| {
            if let Some(room) = room_at(manifest, index) {
                room.events.extend(events);
            }
        })
        .await
    }
}

/// All rooms of all copies with their indices.
pub(super) fn rooms(manifest: &Manifest) -> impl Iterator<Item = (RoomIndex, &PopulationCopy, &Room)> {
    let copies = manifest.copies.iter().enumerate();
    copies.flat_map(|(number, copy)| copy.rooms.iter().enumerate().map(move |(index, room)| ((number, index), copy, room)))
}

fn room_at(manifest: &mut Manifest, (copy, index): RoomIndex) -> Option<&mut Room> {
    manifest.copies.get_mut(copy)?.rooms.get_mut(index)
}

fn token(copy: &PopulationCopy, member: u32) -> Option<&str> {
    copy.users.get(member as usize)?.devices.first()?.token.as_deref()
}
