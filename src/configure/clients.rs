//! Pools of some clients, as far as a proxy sees who sends a request.
//!
//! A proxy sees the program in `User-Agent`, the address, the token, and a user in two places: in `user_id=`, which bridges and bots add to
//! requests for their users, and in tokens that Synapse made itself, `syt_<localpart in base64>_…`. Knows no proxy's syntax.
//! Invariant: what is written for a pool takes the requests that [`wsim_plan::ClientSelectors::takes`] takes, or the plan is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::ConfigureError;
use wsim_plan::{CheckedPlan, Glob, Pool, ProxyKind};

/// What a proxy compares for a pool. Lists that are not empty must all hold, and of one list one entry.
pub(crate) struct ClientTests {
    /// `None` without a selection of users.
    pub(crate) users: Option<UserTests>,
    /// Expressions for the whole `user_id=`.
    pub(crate) appservices: Vec<String>,
    /// Expressions for the whole `User-Agent`.
    pub(crate) agents: Vec<String>,
    /// Networks.
    pub(crate) addresses: Vec<String>,
    /// Beginnings of tokens.
    pub(crate) tokens: Vec<String>,
}

/// The two places where a proxy sees a user.
pub(crate) struct UserTests {
    /// Expressions for the whole `user_id=`.
    pub(crate) user_id: Vec<String>,
    /// Beginnings of Synapse's own tokens.
    pub(crate) tokens: Vec<String>,
}

impl ClientTests {
    /// `any` is the class of characters that `*` stands for in a parameter of the query.
    pub(crate) fn new(pool: &Pool, any: &str) -> Self {
        // The check of plans has read the lists already.
        let lists = pool.client_selectors().unwrap_or_default();
        let user_id = |globs: &[Glob]| globs.iter().map(|glob| format!("^{}$", glob.expression(any, encoded))).collect::<Vec<_>>();
        let users = (!lists.users.is_empty()).then(|| UserTests {
            user_id: user_id(&lists.users),
            tokens: lists.users.iter().filter(|glob| glob.is_exact()).map(|glob| token_of(glob.as_str())).collect(),
        });
        Self {
            users,
            appservices: user_id(&lists.appservices),
            agents: lists.agents.iter().map(|glob| format!("^ *{} *([/(;]|$)", glob.expression("[^/(;]", |_| None))).collect(),
            addresses: lists.addresses.iter().map(ToString::to_string).collect(),
            tokens: lists.tokens.iter().map(|glob| glob.as_str().trim_end_matches('*').to_owned()).collect(),
        }
    }
}

impl UserTests {
    /// Expressions over `USER_ID HEADER|TOKEN`: the `user_id=`, the `Authorization` header, the token in the URL.
    pub(crate) fn over_all(&self) -> Vec<String> {
        let in_query = self.user_id.iter().map(|pattern| pattern.replace('$', " "));
        in_query.chain(over_both(&self.tokens).into_iter().map(|pattern| format!("^[^ ]* {pattern}"))).collect()
    }
}

impl ClientTests {
    /// Expressions for tokens over `HEADER|TOKEN`: the `Authorization` header, the token in the URL.
    pub(crate) fn tokens_over_both(&self) -> Vec<String> {
        over_both(&self.tokens).into_iter().map(|pattern| format!("^{pattern}")).collect()
    }
}

fn over_both(tokens: &[String]) -> Vec<String> {
    tokens.iter().map(|token| regex_syntax::escape(token)).flat_map(|token| [format!("Bearer {token}"), format!("\\|{token}")]).collect()
}

/// A character of a user id in a query: as it is, or percent-encoded.
fn encoded(c: char) -> Option<String> {
    let unreserved = c.is_ascii_alphanumeric() || "-._~".contains(c);
    (!unreserved).then(|| {
        let digits: String = format!("{:02X}", u32::from(c))
            .chars()
            .map(|digit| if digit.is_ascii_digit() { digit.to_string() } else { format!("[{digit}{}]", digit.to_ascii_lowercase()) })
            .collect();
        format!("({}|%{digits})", regex_syntax::escape(c.encode_utf8(&mut [0; 4])))
    })
}

/// The beginning of the tokens that Synapse makes for a user.
pub(crate) fn token_of(id: &str) -> String {
    let localpart = id.trim_start_matches('@').split(':').next().unwrap_or_default();
    format!("syt_{}_", STANDARD_NO_PAD.encode(localpart))
}

/// # Errors
/// A proxy cannot see the clients that a pool selects, or no configuration is written for that.
pub(super) fn check(plan: &CheckedPlan, proxy: ProxyKind, warnings: &mut Vec<String>) -> Result<(), ConfigureError> {
    for pool in plan.pools.iter().filter(|pool| pool.selects_clients()) {
        if !matches!(proxy, ProxyKind::Nginx | ProxyKind::Haproxy | ProxyKind::Caddy) {
            let lists: Vec<&str> = pool.client_lists().iter().filter(|(_, list)| !list.is_empty()).map(|(kind, _)| *kind).collect();
            return Err(ConfigureError::ClientLists { pool: pool.name.clone(), lists: lists.join(" and "), proxy: proxy.name() });
        }
        for glob in pool.users.iter().filter(|glob| glob.contains('*')) {
            // Users of bridges have names of their own, and come with user_id= only.
            if !glob.starts_with("@_") {
                return Err(ConfigureError::HiddenUsers { pool: pool.name.clone(), glob: glob.clone() });
            }
            warnings.push(format!(
                "pool {:?}: {glob:?} is matched in the user_id= of requests; requests with a token of such a user's own go where others go",
                pool.name
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_proxy_compares_matches_the_same_clients() {
        let pool = Pool {
            users: vec!["@alice:a.org".to_owned(), "@_irc_*".to_owned()],
            agents: vec!["mautrix-*".to_owned()],
            tokens: vec!["mct_*".to_owned()],
            ..Pool::default()
        };
        let tests = ClientTests::new(&pool, "[^ ]");
        let users = tests.users.unwrap();
        assert_eq!(users.user_id, ["^(@|%40)alice(:|%3[Aa])a\\.org$", "^(@|%40)_irc_[^ ]*$"]);
        assert_eq!(users.tokens, ["syt_YWxpY2U_"]);
        assert_eq!((tests.agents[0].as_str(), tests.tokens[0].as_str()), ("^ *mautrix\\-[^/(;]* *([/(;]|$)", "mct_"));
    }
}
