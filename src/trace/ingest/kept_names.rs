//! Which names a trace keeps, and their ids in it.
//!
//! Clients choose agents, paths, rooms and tokens, so that a log can have as many names as lines. Of each kind the first so many names are
//! kept, in the order of the lines; all later ones have one name together, and their requests are counted. Knows nothing of lines.
//!
//! Threads have ids of their own. A name gets its id in the trace when the first request with it is added, so that ids, too, follow the order
//! of the lines and not that of the threads.

use serde::{Deserialize, Serialize};

use crate::names::{Kind, Names, Texts};
use crate::request::{NameId, Request};
use wsim_stats::hashing::NumberMap;

/// Requests whose name was not kept, by kind. The field names are part of trace files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OtherNames {
    pub users: u64,
    pub rooms: u64,
    pub addresses: u64,
    pub templates: u64,
    pub agents: u64,
    pub processes: u64,
    pub upstreams: u64,
}

impl OtherNames {
    fn of_mut(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::User => &mut self.users,
            Kind::Room => &mut self.rooms,
            Kind::Peer => &mut self.addresses,
            Kind::Template => &mut self.templates,
            Kind::Agent => &mut self.agents,
            Kind::Process => &mut self.processes,
            Kind::Upstream => &mut self.upstreams,
        }
    }

    /// One sentence for each kind of which not all names were kept.
    pub fn sentences(&self) -> Vec<String> {
        let kinds = [
            (self.users, Kind::User, "users"),
            (self.rooms, Kind::Room, "rooms"),
            (self.addresses, Kind::Peer, "addresses and servers"),
            (self.templates, Kind::Template, "kinds of path and query"),
            (self.agents, Kind::Agent, "user agents"),
            (self.processes, Kind::Process, "processes"),
            (self.upstreams, Kind::Upstream, "upstreams"),
        ];
        let lost = kinds.into_iter().filter(|(requests, ..)| *requests > 0);
        lost.map(|(requests, kind, words)| {
            format!("Too many {words} to keep them all: {requests} requests of later ones are counted as {}.", kind.others())
        })
        .collect()
    }
}

/// How many names of a kind are kept.
fn quota(kind: Kind) -> u32 {
    match kind {
        Kind::User | Kind::Room | Kind::Peer => PEOPLE_MAX,
        Kind::Template | Kind::Agent | Kind::Process | Kind::Upstream => WORDS_MAX,
    }
}

/// The user of a request is the stand-in of its address and agent, which [`KeptNames::adopt`] makes from their ids in the trace.
pub(super) const STAND_IN: NameId = NameId(u32::MAX);

/// The names of a trace, and the threads' ids of them.
pub(super) struct KeptNames {
    threads: Vec<ThreadNames>,
    /// Names of each kind so far, in the order of [`Kind::ALL`].
    kept: [u32; Kind::ALL.len()],
    stand_ins: StandIns,
    pub(super) others: OtherNames,
    quota: fn(Kind) -> u32,
}

/// The names of one thread since the thread last forgot all of them.
#[derive(Default)]
struct ThreadNames {
    /// By the thread's id, from 1.
    texts: Texts,
    /// Ids in the trace, in the order of `texts`; `NONE` for names that no request had so far, or that were not kept.
    ids: Vec<NameId>,
}

impl KeptNames {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            threads: (0..threads).map(|_| ThreadNames::default()).collect(),
            kept: [0; Kind::ALL.len()],
            stand_ins: StandIns::default(),
            others: OtherNames::default(),
            quota,
        }
    }

    /// Takes over names that are new to a thread, in the order of the thread's ids. `forgotten`: all earlier ids of the thread are void.
    pub(super) fn add(&mut self, thread: usize, names: &Texts, forgotten: bool) {
        let known = &mut self.threads[thread];
        if forgotten {
            known.texts.clear();
            known.ids.clear();
        }
        known.texts.extend(names);
        known.ids.resize(known.texts.len(), NameId::NONE);
    }

    /// Replaces the ids of a thread's request by those in the trace.
    pub(super) fn adopt(&mut self, thread: usize, request: &mut Request, names: &mut Names) {
        let stands_in = request.user == STAND_IN;
        if stands_in {
            request.user = NameId::NONE;
        }
        for (kind, id) in Kind::ALL.into_iter().zip(request.names_mut()) {
            if let Some(index) = id.0.checked_sub(1) {
                *id = self.id(thread, index as usize, kind, names);
            }
        }
        if stands_in {
            request.user = self.stand_in(request.peer, request.agent, names);
        }
    }

    #[inline]
    fn id(&mut self, thread: usize, index: usize, kind: Kind, names: &mut Names) -> NameId {
        let known = self.threads[thread].ids[index];
        if known.is_some() { known } else { self.first(thread, index, kind, names) }
    }

    #[cold]
    fn first(&mut self, thread: usize, index: usize, kind: Kind, names: &mut Names) -> NameId {
        let Self { threads, kept, others, quota, .. } = self;
        let known = &mut threads[thread];
        match keep(kind, known.texts.get(index), names, kept, *quota) {
            Some(id) => {
                known.ids[index] = id;
                id
            }
            None => {
                *others.of_mut(kind) += 1;
                names.intern_clean(kind.others())
            }
        }
    }

    fn stand_in(&mut self, peer: NameId, agent: NameId, names: &mut Names) -> NameId {
        let Self { stand_ins, kept, others, quota, .. } = self;
        stand_ins.name(peer, agent, names, |text, names| {
            keep(Kind::User, text, names, kept, *quota).unwrap_or_else(|| {
                others.users += 1;
                names.intern_clean(Kind::User.others())
            })
        })
    }
}

/// The id of a name; `None` if there are too many already.
fn keep(kind: Kind, text: &str, names: &mut Names, kept: &mut [u32; Kind::ALL.len()], quota: fn(Kind) -> u32) -> Option<NameId> {
    if let Some(known) = names.find(text) {
        return Some(known);
    }
    let kept = &mut kept[kind as usize];
    if *kept >= quota(kind) || names.text_bytes() >= TEXT_BYTES_MAX {
        return None;
    }
    *kept += 1;
    Some(names.intern_clean(text))
}

/// Stand-ins for users, `ADDRESS AGENT`, by the ids of both: to write and hash the text for every line would cost more than parsing the
/// line.
#[derive(Default)]
pub(super) struct StandIns {
    /// By the id of an address: the agent that it had last, and their stand-in. Most have only one.
    last: Vec<(NameId, NameId)>,
    /// Further agents of an address.
    further: NumberMap<u64, NameId>,
    text: String,
}

impl StandIns {
    /// The name of a stand-in, by `intern` if it is new. Names for others are always asked for.
    #[inline]
    pub(super) fn name(
        &mut self,
        peer: NameId,
        agent: NameId,
        names: &mut Names,
        intern: impl FnOnce(&str, &mut Names) -> NameId,
    ) -> NameId {
        match self.last.get(peer.0 as usize) {
            Some((last, id)) if *last == agent && id.is_some() => *id,
            _ => self.other_agent(peer, agent, names, intern),
        }
    }

    #[inline(never)]
    fn other_agent(&mut self, peer: NameId, agent: NameId, names: &mut Names, intern: impl FnOnce(&str, &mut Names) -> NameId) -> NameId {
        let key = |agent: NameId| u64::from(peer.0) << 32 | u64::from(agent.0);
        let id = match self.further.get(&key(agent)) {
            Some(&id) => id,
            None => {
                self.text.clear();
                self.text.push_str(names.text(peer));
                if agent.is_some() {
                    self.text.push(' ');
                    self.text.push_str(names.text(agent));
                }
                intern(&self.text, names)
            }
        };
        if Kind::is_others(names.text(id)) {
            return id;
        }
        let index = peer.0 as usize;
        if index >= self.last.len() {
            self.last.resize(index + 1, (NameId::NONE, NameId::NONE));
        }
        let (before, known) = std::mem::replace(&mut self.last[index], (agent, id));
        if known.is_some() {
            self.further.insert(key(before), known);
        }
        id
    }

    /// To be called when the names are dropped.
    pub(super) fn clear(&mut self) {
        self.last.clear();
        self.further.clear();
    }
}

/// Users, rooms, and addresses or servers: each of the three. A name of 40 bytes takes about 60.
const PEOPLE_MAX: u32 = 1 << 22;
/// Agents, templates, processes, upstreams: each of the four. Real logs have a hundred of them.
const WORDS_MAX: u32 = 1 << 16;
/// All texts together.
const TEXT_BYTES_MAX: usize = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::request_at;

    /// A thread's names, its request of address and agent with these ids, and what became of its user and agent.
    fn adopted(kept: &mut KeptNames, names: &mut Names, (peer, agent): (u32, u32)) -> (String, String) {
        let mut request = Request { user: STAND_IN, peer: NameId(peer), agent: NameId(agent), ..request_at(0) };
        kept.adopt(0, &mut request, names);
        (names.text(request.user).to_owned(), names.text(request.agent).to_owned())
    }

    #[test]
    fn names_beyond_the_quota_share_one_that_says_so() {
        let (mut names, mut kept) = (Names::new(), KeptNames::new(1));
        kept.quota = |kind| if kind == Kind::Agent { 2 } else { 100 };
        let mut texts = Texts::default();
        ["192.0.2.1", "a", "b", "c", "d"].into_iter().for_each(|text| {
            texts.push(text);
        });
        kept.add(0, &texts, true);
        let all: Vec<_> = [2, 3, 4, 5, 2, 4].map(|agent| adopted(&mut kept, &mut names, (1, agent))).into();
        let users: Vec<_> = all.iter().map(|(user, _)| user.as_str()).collect();
        let others = "192.0.2.1 (other agents)";
        assert_eq!(users, ["192.0.2.1 a", "192.0.2.1 b", others, others, "192.0.2.1 a", others]);
        assert_eq!(all[3].1, "(other agents)");
        assert_eq!((kept.others.agents, kept.others.users), (3, 0));
        assert_eq!(
            kept.others.sentences(),
            ["Too many user agents to keep them all: 3 requests of later ones are counted as (other agents)."]
        );
    }

    #[test]
    fn every_agent_of_an_address_has_its_stand_in() {
        let (mut names, mut stand_ins) = (Names::new(), StandIns::default());
        let peers = ["192.0.2.1", "192.0.2.2"].map(|address| names.intern(address.as_bytes()));
        let agents = [&b""[..], b"a", b"b"].map(|agent| names.intern(agent));
        let mut asked = 0;
        let mut name = |peer, agent, names: &mut Names| {
            let id = stand_ins.name(peer, agent, names, |text, names| {
                asked += 1;
                names.intern_clean(text)
            });
            names.text(id).to_owned()
        };
        for _ in 0..3 {
            for (peer, address) in peers.into_iter().zip(["192.0.2.1", "192.0.2.2"]) {
                let found = agents.map(|agent| name(peer, agent, &mut names));
                assert_eq!(found, [address.to_owned(), format!("{address} a"), format!("{address} b")]);
            }
        }
        assert_eq!(asked, 6);
    }

    #[test]
    fn ids_follow_the_requests_and_survive_that_a_thread_forgets() {
        let (mut names, mut kept) = (Names::new(), KeptNames::new(2));
        let texts = |all: &[&str]| {
            let mut texts = Texts::default();
            all.iter().for_each(|text| {
                texts.push(text);
            });
            texts
        };
        let mut user_of = |kept: &mut KeptNames, thread, id| {
            let mut request = Request { user: NameId(id), ..request_at(0) };
            kept.adopt(thread, &mut request, &mut names);
            request.user
        };
        kept.add(0, &texts(&["never used", "@a:x"]), false);
        kept.add(1, &texts(&["@b:x", "@a:x"]), false);
        assert_eq!([user_of(&mut kept, 1, 1), user_of(&mut kept, 0, 2), user_of(&mut kept, 1, 2)], [1, 2, 2].map(NameId));
        kept.add(1, &texts(&["@a:x"]), true);
        assert_eq!(user_of(&mut kept, 1, 1), NameId(2));
        assert_eq!(names.len(), 3);
    }
}
