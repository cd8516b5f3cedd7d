//! Which of several persisters writes a room's events: Synapse's own sharding, by the room's id.

use super::record::Record;
use wsim_balance::shard;
use wsim_stats::hashing::NumberMap;
use wsim_trace::{NameId, Names};

/// The shard of each room of a workload.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RoomShards(NumberMap<u64, u16>);

impl RoomShards {
    /// The shards of the rooms of these records among `instances` persisters, in the order of Synapse's configuration.
    pub fn new(records: &[Record], names: &Names, instances: usize) -> Self {
        let mut shards = NumberMap::default();
        if instances > 1 {
            for room in records.iter().map(|record| record.room).filter(|room| room.is_some()) {
                shards
                    .entry(u64::from(room.0))
                    .or_insert_with(|| u16::try_from(shard(names.text(room).as_bytes(), instances)).unwrap_or(0));
            }
        }
        Self(shards)
    }

    /// The index of the room's persister; `None` for a room that no record names, and where one persister writes all rooms.
    pub fn of(&self, room: NameId) -> Option<usize> {
        self.0.get(&u64::from(room.0)).copied().map(usize::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_sharded_as_synapse_does() {
        let mut names = Names::default();
        let rooms: Vec<NameId> = (0..40).map(|number| names.intern(format!("!room{number}:example.org").as_bytes())).collect();
        let records: Vec<Record> = rooms.iter().chain(&[NameId::NONE]).map(|room| Record { room: *room, ..Record::at(0) }).collect();
        let shards = RoomShards::new(&records, &names, 2);
        assert!(rooms.iter().all(|room| shards.of(*room) == Some(shard(names.text(*room).as_bytes(), 2))));
        assert_eq!((shards.of(NameId::NONE), RoomShards::new(&records, &names, 1).of(rooms[0])), (None, None));
    }
}
