//! Lines of backends that name servers.

use super::super::model::UpstreamServer;
use super::words::Line;

/// A server of a pool; `None` with weight 0, `disabled` or `backup`.
pub(super) fn server(line: &Line) -> Option<UpstreamServer> {
    let option = |name: &str| line.words.iter().position(|word| word == name);
    if option("backup").is_some() || option("disabled").is_some() {
        return None;
    }
    let weight = option("weight").and_then(|at| line.word(at + 1).parse().ok()).unwrap_or(1);
    let address = line.word(2).trim_start_matches("ipv4@").trim_start_matches("ipv6@").replace("unix@", "unix:");
    let address = if address.starts_with('/') { format!("unix:{address}") } else { address };
    (weight > 0).then(|| UpstreamServer { address, name: Some(line.word(1).to_owned()), weight })
}

/// The servers of a `server-template PREFIX COUNT|FIRST-LAST ADDRESS`: they share one name, which the DNS resolves to all of them.
pub(super) fn server_template(line: &Line) -> Vec<UpstreamServer> {
    let range = line.word(2);
    let (first, last) = range.split_once('-').unwrap_or(("1", range));
    let (first, last): (usize, usize) = (first.parse().unwrap_or(1), last.parse().unwrap_or(1));
    let server =
        |number: usize| UpstreamServer { address: line.word(3).to_owned(), name: Some(format!("{}{number}", line.word(1))), weight: 1 };
    (first..=last).take(SERVERS_MAX).map(server).collect()
}

/// Of one server-template.
const SERVERS_MAX: usize = 1000;
