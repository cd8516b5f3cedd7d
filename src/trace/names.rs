//! Names as ids: users, rooms, servers, addresses, path templates, agents, processes.

use super::request::NameId;
use wsim_stats::hashing::NumberMap;

/// Every distinct name once. Two names are taken to be equal if their 64-bit xxh3 hashes are (among a million names the
/// probability of any collision is 3e-8).
#[derive(Debug, Clone)]
pub struct Names {
    text: String,
    ends: Vec<u32>,
    hashes: Vec<u64>,
    index: NumberMap<u64, u32>,
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl Names {
    /// Only the empty name, [`NameId::NONE`].
    pub fn new() -> Self {
        Self { text: String::new(), ends: vec![0], hashes: vec![0], index: NumberMap::default() }
    }

    /// The id of `name`, a new one if it is new. Bytes that are not UTF-8 are replaced. The empty name is [`NameId::NONE`].
    pub fn intern(&mut self, name: &[u8]) -> NameId {
        if name.is_empty() {
            return NameId::NONE;
        }
        let hash = xxhash_rust::xxh3::xxh3_64(name).max(1);
        if let Some(&id) = self.index.get(&hash) {
            return NameId(id);
        }
        let id = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        self.text.push_str(&String::from_utf8_lossy(name));
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        self.hashes.push(hash);
        self.index.insert(hash, id);
        NameId(id)
    }

    /// The name's text; empty for [`NameId::NONE`] and for unknown ids.
    pub fn text(&self, id: NameId) -> &str {
        let index = id.0 as usize;
        if index == 0 || index >= self.ends.len() {
            return "";
        }
        &self.text[self.ends[index - 1] as usize..self.ends[index] as usize]
    }

    /// The name's 64-bit hash, the same in every `Names`; 0 for [`NameId::NONE`].
    pub fn hash(&self, id: NameId) -> u64 {
        self.hashes.get(id.0 as usize).copied().unwrap_or(0)
    }

    /// Number of names, including the empty one.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is only the empty name.
    pub fn is_empty(&self) -> bool {
        self.ends.len() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_id() {
        let mut names = Names::new();
        let alice = names.intern(b"@alice:example.org");
        let bob = names.intern(b"@bob:example.org");
        assert_eq!(names.intern(b"@alice:example.org"), alice);
        assert_ne!(alice, bob);
        assert_eq!(names.text(bob), "@bob:example.org");
        assert_eq!(names.intern(b""), NameId::NONE);
        assert_eq!(names.text(NameId(99)), "");
    }
}
