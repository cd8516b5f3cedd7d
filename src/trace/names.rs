//! Names as ids: users, rooms, servers, addresses, path templates, agents, processes.

use std::borrow::Cow;

use prefetch_index::prefetch_index;

use super::request::NameId;
use wsim_logs::redact;

/// Every distinct name once. Two names are taken to be equal if their 64-bit xxh3 hashes are (among a million names the
/// probability of any collision is 3e-8).
///
/// Secrets are cut from a name when it is new ([`redact::scrub`]): no name holds one. A name takes its text and some 32 bytes: where the
/// text ends, its hash, and its place in the index, which holds hash and id together, so that a name is found in one access to memory.
#[derive(Debug, Clone)]
pub struct Names {
    texts: Texts,
    hashes: Vec<u64>,
    /// Ids by hash: open addressing with linear probing, a power of two long, at most three quarters full.
    slots: Vec<Slot>,
    /// Hash of a name that was rewritten, because of a secret in it or bytes that are not UTF-8, and the id that it got: a cache by the low bits
    /// of the hash. Logs of proxies that log hashed users rewrite a name in every line.
    rewritten: Vec<(u64, NameId)>,
}

/// A place of the index; id 0: free. The hash is in two halves, so that a slot takes twelve bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: [u32; 2],
    id: u32,
}

impl Slot {
    #[expect(clippy::cast_possible_truncation, reason = "the halves of a number")]
    fn new(hash: u64, id: u32) -> Self {
        Self { hash: [hash as u32, (hash >> 32) as u32], id }
    }

    #[inline]
    fn has(&self, hash: u64) -> bool {
        u64::from(self.hash[1]) << 32 | u64::from(self.hash[0]) == hash
    }
}

/// A name that will be looked up: its slot is on its way into the cache.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Awaited<'n> {
    name: &'n [u8],
    hash: u64,
}

/// Texts one behind the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts {
    text: String,
    ends: Vec<u32>,
}

/// What a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    User,
    Room,
    Peer,
    Template,
    Agent,
    Process,
    Upstream,
}

impl Kind {
    /// In the order of [`Request::names_mut`](super::Request::names_mut).
    pub const ALL: [Self; 7] = [Self::User, Self::Room, Self::Peer, Self::Template, Self::Agent, Self::Process, Self::Upstream];

    /// The name of all that were too many to be kept.
    pub fn others(self) -> &'static str {
        match self {
            Self::User => "(other users)",
            Self::Room => "(other rooms)",
            Self::Peer => "(other addresses)",
            Self::Template => "(other)",
            Self::Agent => "(other agents)",
            Self::Process => "(other processes)",
            Self::Upstream => "(other upstreams)",
        }
    }

    /// Whether a name stands for users, rooms, addresses or agents that were not kept.
    pub fn is_others(name: &str) -> bool {
        name.starts_with("(other ") && Self::ALL.iter().any(|kind| kind.others() == name)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl Names {
    /// Only the empty name, [`NameId::NONE`].
    pub fn new() -> Self {
        let mut texts = Texts::default();
        texts.push("");
        Self { texts, hashes: vec![0], slots: vec![Slot::default(); SLOTS_MIN], rewritten: Vec::new() }
    }

    /// The id of `name` without its secrets, a new one if it is new. Bytes that are not UTF-8 are replaced, and a name of more than 512
    /// bytes is cut (Matrix identifiers end at 255). The empty name is [`NameId::NONE`], and so is a new one when there are 4 GiB of names.
    pub fn intern(&mut self, name: &[u8]) -> NameId {
        let name = shortened(name);
        self.intern_awaited(Awaited { name, hash: hash_of(name) })
    }

    /// Begins [`Self::intern`], to be finished by [`Self::intern_awaited`] a little later: the memory of the index arrives meanwhile.
    #[inline]
    pub(crate) fn await_name<'n>(&self, name: &'n [u8]) -> Awaited<'n> {
        let name = shortened(name);
        let hash = hash_of(name);
        #[expect(clippy::cast_possible_truncation, reason = "masked to the length of the table")]
        prefetch_index(&self.slots, hash as usize & (self.slots.len() - 1));
        Awaited { name, hash }
    }

    /// Finishes [`Self::await_name`].
    #[inline]
    pub(crate) fn intern_awaited(&mut self, Awaited { name, hash }: Awaited<'_>) -> NameId {
        let known = self.slots[self.slot(hash)].id;
        if known != 0 { NameId(known) } else { self.intern_new(name, hash) }
    }

    fn intern_new(&mut self, name: &[u8], hash: u64) -> NameId {
        if name.is_empty() {
            return NameId::NONE;
        }
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits of a hash are wanted")]
        let place = hash as usize % REWRITTEN;
        if let Some((known, id)) = self.rewritten.get(place)
            && *known == hash
        {
            return *id;
        }
        // Names that differ in their secrets only are one name, so that a flood of secrets is no flood of names.
        let text = String::from_utf8_lossy(name);
        let id = match without_secrets(&text) {
            Cow::Borrowed(text) => self.intern_clean(text),
            Cow::Owned(text) => self.intern_clean(&text),
        };
        if self.hash(id) != hash {
            self.rewritten.resize(REWRITTEN, (0, NameId::NONE));
            self.rewritten[place] = (hash, id);
        }
        id
    }

    /// [`Self::intern`] of a text without secrets, such as one from another `Names`.
    pub(crate) fn intern_clean(&mut self, text: &str) -> NameId {
        let hash = hash_of(text.as_bytes());
        let slot = self.slot(hash);
        if self.slots[slot].id != 0 {
            return NameId(self.slots[slot].id);
        }
        let Ok(id) = u32::try_from(self.hashes.len()) else { return NameId::NONE };
        if text.is_empty() || !self.texts.push(text) {
            return NameId::NONE;
        }
        self.hashes.push(hash);
        self.slots[slot] = Slot::new(hash, id);
        if self.hashes.len() * 4 > self.slots.len() * 3 {
            self.grow();
        }
        NameId(id)
    }

    /// The id of a text without secrets, if it has one.
    pub(crate) fn find(&self, text: &str) -> Option<NameId> {
        let id = self.slots[self.slot(hash_of(text.as_bytes()))].id;
        (id != 0).then_some(NameId(id))
    }

    /// The name's text; empty for [`NameId::NONE`] and for unknown ids.
    pub fn text(&self, id: NameId) -> &str {
        self.texts.get(id.0 as usize)
    }

    /// The name's 64-bit hash, the same in every `Names`; 0 for [`NameId::NONE`].
    pub fn hash(&self, id: NameId) -> u64 {
        self.hashes.get(id.0 as usize).copied().unwrap_or(0)
    }

    /// Number of names, including the empty one.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there is only the empty name.
    pub fn is_empty(&self) -> bool {
        self.hashes.len() == 1
    }

    /// Bytes of all texts.
    pub(crate) fn text_bytes(&self) -> usize {
        self.texts.text.len()
    }

    /// The texts of the names from an id on.
    pub(crate) fn texts_from(&self, id: usize) -> Texts {
        let mut texts = Texts::default();
        (id..self.len()).for_each(|id| {
            texts.push(self.texts.get(id));
        });
        texts
    }

    /// The slot of the name with this hash, or the free one where it belongs.
    #[inline]
    fn slot(&self, hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "masked to the length of the table")]
        let mut slot = hash as usize & mask;
        while self.slots[slot].id != 0 && !self.slots[slot].has(hash) {
            slot = (slot + 1) & mask;
        }
        slot
    }

    #[cold]
    fn grow(&mut self) {
        self.slots = vec![Slot::default(); self.slots.len() * 2];
        for (id, &hash) in (0u32..).zip(&self.hashes).skip(1) {
            let slot = self.slot(hash);
            self.slots[slot] = Slot::new(hash, id);
        }
    }
}

impl Texts {
    /// False if there is no room left.
    pub(crate) fn push(&mut self, text: &str) -> bool {
        let Ok(end) = u32::try_from(self.text.len() + text.len()) else { return false };
        self.text.push_str(text);
        self.ends.push(end);
        true
    }

    /// Empty if there is no such text.
    pub(crate) fn get(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends.get(before).copied().unwrap_or(0));
        self.ends.get(index).map_or("", |&end| &self.text[start as usize..end as usize])
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    pub(crate) fn extend(&mut self, others: &Self) {
        (0..others.len()).for_each(|index| {
            self.push(others.get(index));
        });
    }
}

/// The stand-in for the user of a token of which nothing but a hash is kept.
pub(crate) fn pseudonym_of_token(hash: u64) -> String {
    format!("{PSEUDONYM}{hash:016x}")
}

/// A text without its secrets. Proxies log hashes of users and tokens, which are secrets by their looks: users stay apart, so that a
/// name that is nothing but a secret, and a user id with one, get a pseudonym.
fn without_secrets(text: &str) -> Cow<'_, str> {
    match redact::scrub(text) {
        Cow::Owned(cut) if cut == redact::CUT || cut.starts_with('@') => {
            Cow::Owned(cut.replacen(redact::CUT, &pseudonym_of_token(hash_of(text.as_bytes())), 1))
        }
        scrubbed => scrubbed,
    }
}

fn shortened(name: &[u8]) -> &[u8] {
    if name.len() <= NAME_BYTES_MAX {
        return name;
    }
    // Not within a character.
    let end = (NAME_BYTES_MAX - 3..=NAME_BYTES_MAX).rev().find(|&end| name[end] & 0xC0 != 0x80);
    &name[..end.unwrap_or(NAME_BYTES_MAX)]
}

fn hash_of(name: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(name).max(1)
}

const PSEUDONYM: &str = "token:";
const NAME_BYTES_MAX: usize = 512;
const SLOTS_MIN: usize = 16;
/// Rewritten names that are remembered, 16 KiB.
const REWRITTEN: usize = 1024;

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

    #[test]
    fn every_one_of_very_many_names_is_found_again() {
        let mut names = Names::new();
        let name = |number: u32| format!("@user{number}:example.org");
        for number in 0..50_000 {
            assert_eq!(names.find(&name(number)), None);
            assert_eq!(names.intern(name(number).as_bytes()), NameId(number + 1));
        }
        for number in 0..50_000 {
            let id = names.intern(name(number).as_bytes());
            assert_eq!((id, names.find(&name(number))), (NameId(number + 1), Some(id)));
            assert_eq!(names.text(id), name(number));
        }
        assert_eq!((names.len(), names.find("")), (50_001, None));
    }

    #[test]
    fn an_overlong_name_is_cut_between_characters() {
        let mut names = Names::new();
        let long = "é".repeat(5000);
        let id = names.intern(format!("x{long}").as_bytes());
        assert_eq!(names.text(id), format!("x{}", "é".repeat(255)));
        assert_eq!(names.intern(format!("x{long}y").as_bytes()), id);
        assert_ne!(names.intern(format!("y{long}").as_bytes()), id);
        let bytes = names.intern(&[0x80; 2000]);
        assert_eq!(names.text(bytes).chars().count(), 512);
    }

    #[test]
    fn no_name_holds_a_secret_and_names_that_differ_in_secrets_only_are_one() {
        let mut names = Names::new();
        let one = names.intern(b"agent syt_YWxpY2U_aBcDeFgHiJkLmNoPqRsT_0a1b2C");
        assert_eq!(names.text(one), format!("agent {}", redact::CUT));
        assert_eq!(names.intern(b"agent syt_Ym9i_zYxWvUtSrQpOnMlKjIhG_9z8y7X"), one);
        assert_eq!(names.len(), 2);
        let user = names.intern(pseudonym_of_token(0xabc).as_bytes());
        assert_eq!(names.text(user), "token:0000000000000abc");
    }

    #[test]
    fn users_whose_names_are_secrets_stay_apart() {
        let mut names = Names::new();
        let one = names.intern(b"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
        assert!(names.text(one).starts_with(PSEUDONYM), "{}", names.text(one));
        assert_ne!(names.intern(b"60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"), one);
        let pseudonym = names.text(one).to_owned();
        assert_eq!(names.intern(pseudonym.as_bytes()), one);
        let user = names.intern(b"@mct_Zk3vR8pQ1xW6yT4uN9mB2cL7sD5fGh_0aB1cD:hs.example");
        assert!(names.text(user).starts_with("@token:") && names.text(user).ends_with(":hs.example"), "{}", names.text(user));
    }

    #[test]
    fn a_copy_of_the_last_texts_is_in_their_order() {
        let mut names = Names::new();
        [&b"a"[..], b"b", b"c"].into_iter().for_each(|name| {
            names.intern(name);
        });
        let mut copy = Texts::default();
        copy.extend(&names.texts_from(2));
        copy.extend(&names.texts_from(3));
        assert_eq!((0..=copy.len()).map(|index| copy.get(index)).collect::<Vec<_>>(), ["b", "c", "c", ""]);
    }

    #[test]
    fn only_names_of_our_own_stand_for_others() {
        assert!(Kind::is_others("(other users)") && Kind::is_others(Kind::Agent.others()));
        assert!(!Kind::is_others("(other)") && !Kind::is_others("(other things)"));
    }
}
