//! Programs beside Synapse that are meant to serve some Matrix requests: matrix-authentication-service, moderation bots, media servers.
//!
//! They are named by `--not-synapse`, or known by the requests that they get: a server that gets logins, logouts and refreshes and
//! nothing else is no worker of Synapse.

use super::super::read::Note;
use super::observe::{Destination, Observed};

/// What a program takes, by the part of a path after the API version.
struct Program {
    name: &'static str,
    takes: fn(&str) -> bool,
    /// A request without which the program is not meant.
    needs: &'static str,
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
            paths.iter().any(|path| path.ends_with(program.needs) || after_version(path).starts_with(program.needs))
                && paths.iter().all(|path| (program.takes)(after_version(path)))
        });
        if let Some(program) = program {
            issues_tokens |= program.needs == AUTHENTICATION.needs;
            found.push((index, format!("gets what {} serves and nothing else, so it is taken for no Synapse process", program.name)));
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

/// The part of a client's path after the API version: `/_matrix/client/v3/login` → `login`.
fn after_version(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("/_matrix/client/") else { return path };
    let rest = rest.strip_prefix("api/").unwrap_or(rest);
    rest.split_once('/').map_or(rest, |(_, after)| after)
}

fn is_authentication(rest: &str) -> bool {
    ["login", "logout", "refresh", "auth_issuer", "auth_metadata"].iter().any(|start| rest.starts_with(start))
}

fn is_report(rest: &str) -> bool {
    rest.contains("/report/") || rest.ends_with("/report")
}

fn is_identity(rest: &str) -> bool {
    rest.starts_with("account/3pid") || rest.starts_with("user_directory/") || rest.starts_with("/_matrix/identity/")
}

const AUTHENTICATION: Program = Program { name: "matrix-authentication-service", takes: is_authentication, needs: "logout" };
const PROGRAMS: [Program; 3] = [
    AUTHENTICATION,
    Program { name: "a moderation bot such as Draupnir or Mjolnir", takes: is_report, needs: "/report/$event:example.org" },
    Program { name: "an identity server", takes: is_identity, needs: "account/3pid/add" },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_left_out() {
        assert_eq!(after_version("/_matrix/client/v3/login"), "login");
        assert_eq!(after_version("/_matrix/client/api/v1/login/cas/ticket"), "login/cas/ticket");
        assert_eq!(after_version("/_matrix/client/versions"), "versions");
        assert!(is_authentication("refresh") && !is_authentication("register"));
    }
}
