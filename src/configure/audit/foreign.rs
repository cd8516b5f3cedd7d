//! Programs beside Synapse that are meant to serve some Matrix requests: matrix-authentication-service, moderation bots, media servers.
//!
//! They are named by `--not-synapse`, or known by the requests that they get: a server that gets logins, logouts and refreshes and
//! nothing else is no worker of Synapse.

use std::collections::BTreeSet;

use super::super::read::Note;
use super::observe::{Destination, Observed};

/// What a program takes, by the part of a path after the API version.
struct Program {
    name: &'static str,
    takes: fn(&str) -> bool,
    /// Requests without any of which the program is not meant: ends of paths.
    needs: &'static [&'static str],
}

/// Whether another program than Synapse may be meant to serve a request, so that its server need not be a process of Synapse.
pub(super) fn may_be_meant(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    AUTHENTICATION.needs.iter().any(|need| path.ends_with(need))
}

/// Sets the requests apart that go to such a program.
pub(super) fn set_apart(observed: &mut Observed<'_>, named: &[String]) {
    observed.short_lived_tokens = observed.cluster().has_authentication_service();
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut issues_tokens = false;
    for (index, pool) in observed.pools.iter().enumerate() {
        let addresses: Vec<&str> = pool.pool.servers.iter().map(|server| server.address.as_str()).collect();
        let is_synapse = addresses.iter().any(|address| observed.cluster().at(address).is_some());
        if !addresses.is_empty() && addresses.iter().all(|address| named.iter().any(|own| own == address)) {
            found.push((index, "is no Synapse process (--not-synapse)".to_owned()));
            continue;
        }
        if addresses.is_empty() || is_synapse {
            continue;
        }
        let paths: Vec<&str> = observed
            .observations
            .iter()
            .filter(|observation| observation.pool() == Some(index))
            .map(|observation| observation.example.target.split('?').next().unwrap_or_default())
            .collect();
        let program = PROGRAMS.iter().find(|program| {
            let is_needed = |path: &str| program.needs.iter().any(|need| path.ends_with(need) || after_version(path).starts_with(need));
            paths.iter().any(|path| is_needed(path)) && paths.iter().all(|path| is_outside(path) || (program.takes)(after_version(path)))
        });
        if let Some(program) = program {
            issues_tokens |= program.name == AUTHENTICATION.name;
            found.push((index, format!("gets what {} serves and nothing else, so it is taken for no Synapse process", program.name)));
        } else if !paths.is_empty()
            && paths.iter().all(|path| is_outside(path))
            && gets_for_main(observed, index)
            && !serves_matrix(observed, &addresses)
        {
            found.push((index, "gets no request of the Matrix API, so it is taken for no Synapse process".to_owned()));
        }
    }
    observed.short_lived_tokens |= issues_tokens;
    for (index, why) in found {
        let pool = &observed.pools[index].pool;
        observed.notes.push(Note { at: pool.at.clone(), text: format!("{} {why}", pool.name.escape_debug()) });
        for observation in &mut observed.observations {
            if observation.destination == Destination::Pool(index) {
                observation.destination = Destination::Foreign;
            }
        }
    }
}

/// Whether a pool gets requests that no worker can serve.
fn gets_for_main(observed: &Observed<'_>, pool: usize) -> bool {
    observed.observations.iter().any(|observation| observation.pool() == Some(pool) && observation.endpoint.workers.is_empty())
}

/// Whether one of these addresses, in whatever pool, gets a request of the Matrix API.
fn serves_matrix(observed: &Observed<'_>, addresses: &[&str]) -> bool {
    let reached = observed
        .observations
        .iter()
        .filter(|observation| !is_outside(&observation.example.target))
        .filter_map(|observation| observation.pool());
    let pools: BTreeSet<usize> = reached.collect();
    pools.into_iter().flat_map(|pool| &observed.pools[pool].pool.servers).any(|server| addresses.contains(&server.address.as_str()))
}

/// The part of a client's path after the API version: `/_matrix/client/v3/login` → `login`.
fn after_version(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("/_matrix/client/") else { return path };
    let rest = rest.strip_prefix("api/").unwrap_or(rest);
    rest.split_once('/').map_or(rest, |(_, after)| after)
}

/// Whether a path is not one of the Matrix API: a program with a page of its own at the same host gets Synapse's admin API, too, where no
/// rule keeps it off.
fn is_outside(path: &str) -> bool {
    !path.starts_with("/_matrix/")
}

/// What matrix-authentication-service serves, and the requests about accounts that it replaces.
fn is_authentication(rest: &str) -> bool {
    const STARTS: [&str; 10] = [
        "login",
        "logout",
        "refresh",
        "auth_issuer",
        "auth_metadata",
        "register",
        "account/password",
        "account/deactivate",
        "account/3pid",
        "delete_devices",
    ];
    STARTS.iter().any(|start| rest.starts_with(start))
}

fn is_report(rest: &str) -> bool {
    rest.contains("/report/") || rest.ends_with("/report")
}

fn is_identity(rest: &str) -> bool {
    rest.starts_with("account/3pid") || rest.starts_with("user_directory/") || rest.starts_with("/_matrix/identity/")
}

const AUTHENTICATION: Program =
    Program { name: "matrix-authentication-service", takes: is_authentication, needs: &["/logout", "/refresh"] };
const PROGRAMS: [Program; 3] = [
    AUTHENTICATION,
    Program { name: "a moderation bot such as Draupnir or Mjolnir", takes: is_report, needs: &["/report/$event:example.org"] },
    Program { name: "an identity server", takes: is_identity, needs: &["account/3pid/add"] },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_left_out() {
        assert_eq!(after_version("/_matrix/client/v3/login"), "login");
        assert_eq!(after_version("/_matrix/client/api/v1/login/cas/ticket"), "login/cas/ticket");
        assert_eq!(after_version("/_matrix/client/versions"), "versions");
        assert!(is_authentication("refresh") && is_authentication("register/available") && !is_authentication("account/whoami"));
        assert!(may_be_meant("/_matrix/client/v3/logout") && !may_be_meant("/_matrix/client/v3/login"));
    }
}
