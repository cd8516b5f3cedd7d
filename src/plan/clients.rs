//! Whose requests a pool takes: users, bridges, programs, addresses and tokens, besides the endpoints.
//!
//! Lists of different kinds must all hold, and of one list one entry. Knows how a proxy sees each of them: a program is what stands before
//! the version in `User-Agent`, a bridge names its user in `user_id=`. Invariant: what is not known of a request is never guessed.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::model::Pool;

/// What is known of the sender of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Client<'a> {
    /// `@alice:example.org`, or `@alice` where only the localpart is known; empty: nobody, or not known.
    pub user: &'a str,
    /// Whether a bridge or bot names the user in `user_id=`.
    pub appservice: bool,
    /// The `User-Agent`, with or without its version.
    pub agent: &'a str,
    /// `None`: not known.
    pub address: Option<IpAddr>,
    /// The access token; `None`: not known.
    pub token: Option<&'a str>,
}

/// What a pool's lists ask about but nobody knows of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    User,
    Agent,
    Address,
    Token,
}

/// A text in which `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glob(String);

/// Addresses with a common beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

/// The lists of a pool, read. An empty list asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientSelectors {
    pub users: Vec<Glob>,
    pub appservices: Vec<Glob>,
    pub agents: Vec<Glob>,
    pub addresses: Vec<Network>,
    pub tokens: Vec<Glob>,
}

impl Pool {
    /// The lists of clients by their keys in a plan file.
    pub fn client_lists(&self) -> [(&'static str, &[String]); 5] {
        [
            ("users", &self.users),
            ("appservices", &self.appservices),
            ("agents", &self.agents),
            ("addresses", &self.addresses),
            ("tokens", &self.tokens),
        ]
    }

    /// Whether the pool takes the requests of some clients only.
    pub fn selects_clients(&self) -> bool {
        self.client_lists().iter().any(|(_, list)| !list.is_empty())
    }

    /// The lists of clients, read.
    ///
    /// # Errors
    /// The key of the first list with a fault, and the fault.
    pub fn client_selectors(&self) -> Result<ClientSelectors, (&'static str, String)> {
        for (kind, list) in self.client_lists() {
            for (index, text) in list.iter().enumerate() {
                if list[..index].contains(text) {
                    return Err((kind, format!("{text:?} is listed twice")));
                }
            }
        }
        Ok(ClientSelectors {
            users: globs("users", &self.users, user)?,
            appservices: globs("appservices", &self.appservices, user)?,
            agents: globs("agents", &self.agents, agent)?,
            addresses: self
                .addresses
                .iter()
                .map(|text| Network::parse(text).map_err(|why| ("addresses", why)))
                .collect::<Result<_, _>>()?,
            tokens: globs("tokens", &self.tokens, token)?,
        })
    }
}

fn globs(kind: &'static str, list: &[String], check: fn(&str) -> Result<(), String>) -> Result<Vec<Glob>, (&'static str, String)> {
    list.iter().map(|text| plain(text).and_then(|()| check(text)).map(|()| Glob(text.clone())).map_err(|why| (kind, why))).collect()
}

/// Characters that are the same in the files of every proxy.
fn plain(text: &str) -> Result<(), String> {
    let odd = text.chars().find(|c| !c.is_ascii_graphic() && *c != ' ' || "\"'`{}\\$;#%&?".contains(*c));
    match odd {
        _ if text.is_empty() => Err("an empty text selects nobody".to_owned()),
        _ if text.len() > TEXT_MAX => {
            Err(format!("{:?}… is longer than {TEXT_MAX} characters", &text.chars().take(20).collect::<String>()))
        }
        _ if text != text.trim() => Err(format!("{text:?} begins or ends with a space")),
        Some(odd) => Err(format!("{text:?} has {odd:?} in it; only * stands for other characters")),
        None => Ok(()),
    }
}

fn user(text: &str) -> Result<(), String> {
    let whole = text.contains(':') || text.ends_with('*');
    match text.starts_with(['@', '*']) && whole && !text.contains([' ', '/', '(']) {
        true => Ok(()),
        false => Err(format!("{text:?} is no user; write \"@name:server\", or \"@name*\" for all that begin so")),
    }
}

fn agent(text: &str) -> Result<(), String> {
    match text.contains(['/', '(', ')']) {
        false => Ok(()),
        true => Err(format!("{text:?} has a version in it; write the name before it, such as \"mautrix-*\"")),
    }
}

fn token(text: &str) -> Result<(), String> {
    let start = text.strip_suffix('*').filter(|start| !start.is_empty() && !start.contains(['*', ' ']));
    match start {
        Some(start) if start.len() <= TOKEN_START_MAX => Ok(()),
        Some(_) => Err(format!("more than {TOKEN_START_MAX} characters of a token are a secret; write its first few and *")),
        None => Err("a whole token is a secret; write its first characters and *, such as \"syt_*\"".to_owned()),
    }
}

impl ClientSelectors {
    /// Whether the lists take everybody.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the lists take the requests of a client.
    ///
    /// # Errors
    /// What would decide, but is not known.
    pub fn takes(&self, client: &Client<'_>) -> Result<bool, Missing> {
        let mut missing = None;
        let user = |globs: &[Glob]| globs.is_empty() || globs.iter().any(|glob| glob.matches_user(client.user));
        if !self.appservices.is_empty() && !client.appservice {
            return Ok(false);
        }
        if is_one_of_many(client.user) && !(self.users.is_empty() && self.appservices.is_empty()) {
            missing = Some(Missing::User);
        } else if !user(&self.users) || !user(&self.appservices) {
            return Ok(false);
        }
        if is_one_of_many(client.agent) && !self.agents.is_empty() {
            missing = Some(Missing::Agent);
        } else if !self.agents.is_empty() && !self.agents.iter().any(|glob| glob.matches(program(client.agent))) {
            return Ok(false);
        }
        if !self.addresses.is_empty() {
            match client.address {
                Some(address) if !self.addresses.iter().any(|network| network.contains(address)) => return Ok(false),
                Some(_) => {}
                None => missing = Some(Missing::Address),
            }
        }
        if !self.tokens.is_empty() {
            match client.token {
                Some(token) if !self.tokens.iter().any(|glob| glob.matches(token)) => return Ok(false),
                Some(_) => {}
                None => missing = Some(Missing::Token),
            }
        }
        missing.map_or(Ok(true), Err)
    }
}

/// Whether a trace has a common name for this one and others, because there were too many to keep: `(other users)`.
fn is_one_of_many(name: &str) -> bool {
    name.starts_with("(other ")
}

/// The program of a `User-Agent`, without version and system. A trace calls Element in a browser by its own name; the header says
/// `Mozilla`.
pub fn program(agent: &str) -> &str {
    if agent == "Element (desktop or browser)" {
        return "Mozilla";
    }
    agent.split(['/', '(', ';']).next().unwrap_or_default().trim()
}

impl Glob {
    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A text that was checked before, or comes from a configuration that was read.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether no character is left open.
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether the whole text matches. The time is proportional to both lengths.
    pub fn matches(&self, text: &str) -> bool {
        let (wanted, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut w, mut t) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            if wanted.get(w) == Some(&b'*') {
                star = Some((w, t));
                w += 1;
            } else if wanted.get(w) == Some(&text[t]) {
                (w, t) = (w + 1, t + 1);
            } else if let Some((at, from)) = star {
                star = Some((at, from + 1));
                (w, t) = (at + 1, from + 1);
            } else {
                return false;
            }
        }
        wanted[w..].iter().all(|byte| *byte == b'*')
    }

    /// The same for a user, of whom sometimes only the localpart is known.
    pub fn matches_user(&self, user: &str) -> bool {
        if user.is_empty() || user.contains(':') {
            return !user.is_empty() && self.matches(user);
        }
        let localpart = self.0.split_once(':').map_or(self.0.as_str(), |(localpart, _)| localpart);
        Self(localpart.to_owned()).matches(user)
    }

    /// A regular expression for the whole text, in which `any` is the expression for one of the characters that `*` stands for, and `spell`
    /// writes a character that can be sent in several ways.
    pub fn expression(&self, any: &str, spell: impl Fn(char) -> Option<String>) -> String {
        let mut out = String::new();
        for c in self.0.chars() {
            match (c, spell(c)) {
                ('*', _) => {
                    let _ = write!(out, "{any}*");
                }
                (_, Some(spelled)) => out.push_str(&spelled),
                (c, None) => out.push_str(&regex_syntax::escape(c.encode_utf8(&mut [0; 4]))),
            }
        }
        out
    }
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32` or a single address.
    ///
    /// # Errors
    /// The reason, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no address or network; write it like \"10.0.0.0/8\" or \"192.0.2.7\"");
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = width(address);
        let digits = |bits: &&str| bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = match bits {
            None => width,
            Some(bits) => Some(bits)
                .filter(digits)
                .and_then(|bits| bits.parse().ok())
                .filter(|bits| *bits <= width)
                .ok_or_else(|| format!("{text:?} has no number of bits from 0 to {width} behind the /"))?,
        };
        let network = Self { address: masked(address, bits), bits };
        match network.address == address {
            true => Ok(network),
            false => Err(format!("{text:?} is an address within a network; write the network as \"{network}\"")),
        }
    }

    /// How many bits the addresses have in common.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// Whether the address is in the network. IPv4 in IPv6 (`::ffff:10.0.0.1`) counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.bits) == self.address
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, bits: u32) -> IpAddr {
    match address {
        IpAddr::V4(own) => IpAddr::from((own.to_bits() & u32::MAX.checked_shl(32 - bits).unwrap_or(0)).to_be_bytes()),
        IpAddr::V6(own) => IpAddr::from((own.to_bits() & u128::MAX.checked_shl(128 - bits).unwrap_or(0)).to_be_bytes()),
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.bits == width(self.address) { write!(f, "{}", self.address) } else { write!(f, "{}/{}", self.address, self.bits) }
    }
}

/// Longer than any user id of the specification (255 bytes) and any network.
const TEXT_MAX: usize = 255;
/// Enough to tell tokens apart, and too little to use one.
const TOKEN_START_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(kind: &str, list: &[&str]) -> Result<ClientSelectors, String> {
        let list = list.iter().map(|text| (*text).to_owned()).collect();
        let mut pool = Pool::default();
        match kind {
            "users" => pool.users = list,
            "appservices" => pool.appservices = list,
            "agents" => pool.agents = list,
            "addresses" => pool.addresses = list,
            _ => pool.tokens = list,
        }
        pool.client_selectors().map_err(|(own, why)| {
            assert_eq!(own, kind);
            why
        })
    }

    #[test]
    fn clients_are_taken_by_every_list() {
        let address = |text: &str| Some(text.parse().unwrap());
        let bridge = Client {
            user: "@_telegram_1:a.org",
            appservice: true,
            agent: "mautrix-telegram/0.15",
            address: address("10.1.2.3"),
            token: None,
        };
        let alice = Client { user: "@alice:a.org", agent: "Element", address: address("192.0.2.1"), ..Client::default() };
        let takes = |kind: &str, list: &[&str], client: &Client<'_>| lists(kind, list).unwrap().takes(client);
        assert_eq!(takes("users", &["@_telegram_*"], &bridge), Ok(true));
        assert_eq!(takes("users", &["@_telegram_*", "@alice:a.org"], &alice), Ok(true));
        assert_eq!(takes("users", &["@alice:b.org"], &alice), Ok(false));
        assert_eq!(takes("users", &["@alice:b.org"], &Client { user: "@alice", ..alice }), Ok(true), "a proxy's log has no server name");
        assert_eq!(takes("users", &["*"], &Client::default()), Ok(false));
        assert_eq!(takes("users", &["@a*"], &Client { user: "(other users)", ..alice }), Err(Missing::User));
        assert_eq!(takes("appservices", &["*"], &bridge), Ok(true));
        assert_eq!(takes("appservices", &["*"], &alice), Ok(false));
        assert_eq!(takes("agents", &["mautrix-*"], &bridge), Ok(true));
        assert_eq!(takes("agents", &["mautrix"], &bridge), Ok(false));
        assert_eq!(takes("agents", &["Mozilla"], &Client { agent: "Element (desktop or browser)", ..alice }), Ok(true));
        assert_eq!(takes("addresses", &["10.0.0.0/8"], &bridge), Ok(true));
        assert_eq!(takes("addresses", &["10.0.0.0/8"], &Client { address: address("::ffff:10.0.0.9"), ..alice }), Ok(true));
        assert_eq!(takes("addresses", &["10.0.0.0/8"], &alice), Ok(false));
        assert_eq!(takes("addresses", &["10.0.0.0/8"], &Client::default()), Err(Missing::Address));
        assert_eq!(takes("tokens", &["syt_*"], &alice), Err(Missing::Token));
        assert_eq!(takes("tokens", &["syt_*"], &Client { token: Some("syt_YQ_x"), ..alice }), Ok(true));
        let both = Pool { users: vec!["@_telegram_*".to_owned()], agents: vec!["other".to_owned()], ..Pool::default() };
        assert_eq!(both.client_selectors().unwrap().takes(&bridge), Ok(false), "lists of two kinds must both hold");
    }

    #[test]
    fn lists_that_cannot_be_meant_are_refused_with_the_way_out() {
        for (kind, text, reason) in [
            ("users", "alice", "write \"@name:server\""),
            ("users", "@alice", "write \"@name:server\""),
            ("users", "@a\"b:c", "only * stands"),
            ("users", "", "selects nobody"),
            ("agents", "mautrix-telegram/0.15", "has a version"),
            ("addresses", "10.0.0.0/33", "0 to 32"),
            ("addresses", "10.0.0.1/8", "write the network as \"10.0.0.0/8\""),
            ("addresses", "2001:db8::1/32", "\"2001:db8::/32\""),
            ("addresses", "ten", "no address or network"),
            ("addresses", "10.0.0.0/+8", "0 to 32"),
            ("tokens", "syt_whole", "a secret"),
            ("tokens", "0123456789abcdef*", "a secret"),
            ("tokens", "*", "a secret"),
        ] {
            let why = lists(kind, &[text]).unwrap_err();
            assert!(why.contains(reason), "{kind} {text:?}: {why}");
        }
        assert!(lists("users", &["@a:b", "@a:b"]).unwrap_err().contains("twice"));
        for network in ["0.0.0.0/0", "::/0", "10.0.0.0/8", "192.0.2.7", "2001:db8::/32"] {
            assert_eq!(Network::parse(network).unwrap().to_string(), network);
        }
    }
}
