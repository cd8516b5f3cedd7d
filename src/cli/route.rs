//! `wsim route`: the server of a pool that a key goes to, and the pool that a request goes to.
//!
//! Connects `plan` and `balance` with the terminal; the choice is made there.

mod requests;

use std::io::{BufRead, BufWriter, Read, Write};

use anyhow::{Context, bail};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use serde::Serialize;

use super::plan_arg::read_plan;
use wsim_balance::{Balancer, Pick, PickContext, QueueId};
use wsim_plan::{Plan, Pool};

/// Show the server of a pool for each key, by the proxy's exact rule.
///
/// A key is the text that the proxy hashes, byte for byte: `Bearer syt_…` and `syt_…` are two keys, and so are `!room` and
/// `%21room`. For `balance uri`, and for `url_param` with key = "uri", the key is the request's URI; for rules that hash the
/// client's address (`ip_hash`, `source`) it is an IP address. An empty key stands for a request without a key.
///
/// For rules that ignore keys, each key is one request that ends before the next one starts.
///
/// With --request: the pool (or `main`, or `writers of STREAM`) of a request as sent, by the plan's patterns, pools of some clients and
/// Synapse's endpoint table. A bridge's user is taken from `user_id=` in the request.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub struct Route {
    /// Plan file with the proxy, the pool's servers and its balancing rule
    #[arg(long, value_name = "FILE")]
    pub plan: String,
    /// Name of the pool in the plan
    #[arg(long, value_name = "NAME", required_unless_present = "requests")]
    pub pool: Option<String>,
    /// Request as sent, `METHOD PATH`: print its pool
    #[arg(long = "request", value_name = "REQUEST", conflicts_with_all = ["pool", "keys"])]
    pub requests: Vec<String>,
    /// User of the requests, for pools of some users
    #[arg(long, value_name = "ID", requires = "requests")]
    pub user: Option<String>,
    /// User-Agent of the requests, for pools of some programs
    #[arg(long, value_name = "TEXT", requires = "requests")]
    pub agent: Option<String>,
    /// Client's address of the requests, for pools of some networks
    #[arg(long, value_name = "IP", requires = "requests")]
    pub address: Option<std::net::IpAddr>,
    /// First characters of the access token of the requests, for pools of some tokens
    #[arg(long, value_name = "TEXT", requires = "requests")]
    pub token: Option<String>,
    /// Keys [default: read from standard input, one per line]
    #[arg(value_name = "KEY")]
    pub keys: Vec<String>,
    /// Random seed, for random rules
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

/// Runs the command: one line `key<TAB>server` per key. Reads `input` only if no keys are given.
///
/// # Errors
/// The plan cannot be read, has no such pool, or has a rule that the proxy does not have; a key is not an address but the rule hashes
/// addresses; `out` cannot be written.
pub fn run(args: &Route, out: &mut dyn Write, input: &mut dyn BufRead) -> anyhow::Result<()> {
    let text = read_plan(&args.plan)?;
    let plan = Plan::from_toml(&text, &args.plan)?;
    let Some(pool) = &args.pool else { return requests::print_pools(args, &plan, out) };
    let index = pool_index(&plan, pool, &args.plan)?;
    let balancer = plan.balancer(index).with_context(|| args.plan.clone())?;
    let random = Xoshiro256PlusPlus::seed_from_u64(args.seed);
    let mut router = Router { balancer, random, pool: &plan.pools[index], json: args.json };
    let mut out = BufWriter::with_capacity(1 << 16, out);
    if args.keys.is_empty() {
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if input.take(KEY_BYTES_MAX).read_until(b'\n', &mut line).context("could not read standard input")? == 0 {
                break;
            }
            if line.len() as u64 == KEY_BYTES_MAX {
                bail!("line {number} of standard input is longer than a key can be ({})", wsim_text::size_limit(KEY_BYTES_MAX));
            }
            let key = line.strip_suffix(b"\n").unwrap_or(&line);
            router.print(key.strip_suffix(b"\r").unwrap_or(key), number, &mut out)?;
        }
    } else {
        for (key, number) in args.keys.iter().zip(1..) {
            router.print(key.as_bytes(), number, &mut out)?;
        }
    }
    Ok(out.flush()?)
}

fn pool_index(plan: &Plan, name: &str, path: &str) -> anyhow::Result<usize> {
    if let Some(index) = plan.pools.iter().position(|pool| pool.name == name) {
        return Ok(index);
    }
    let names: Vec<String> = plan.pools.iter().map(|pool| format!("{:?}", pool.name)).collect();
    match names.as_slice() {
        [] => bail!("{path} has no pools: everything goes to the main process"),
        names => bail!("{path} has no pool {name:?}; it has {}", names.join(", ")),
    }
}

struct Router<'p> {
    balancer: Balancer,
    random: Xoshiro256PlusPlus,
    pool: &'p Pool,
    json: bool,
}

#[derive(Serialize)]
struct Routed<'k> {
    key: &'k str,
    server: &'k str,
}

impl Router<'_> {
    /// `number` identifies the key in messages, because keys may be secrets.
    fn print(&mut self, key: &[u8], number: u64, out: &mut dyn Write) -> anyhow::Result<()> {
        if self.balancer.hashes_addresses() && !is_address(key) {
            bail!("key {number} is not an IP address, but pool {:?} ({}) hashes the client's address", self.pool.name, self.pool.balance);
        }
        let server = self.server(key);
        let server = server.and_then(|server| self.balancer.servers().get(server)).map_or("-", |server| server.name.as_str());
        if self.json {
            serde_json::to_writer(&mut *out, &Routed { key: &String::from_utf8_lossy(key), server })?;
            return Ok(writeln!(out)?);
        }
        out.write_all(&printable(key))?;
        Ok(writeln!(out, "\t{server}")?)
    }

    /// The server of one request, which ends at once.
    fn server(&mut self, key: &[u8]) -> Option<usize> {
        match self.balancer.pick(&mut PickContext { key: Some(key), address: None, random: &mut self.random }) {
            Pick::Server(slot) => {
                self.balancer.release(slot);
                Some(slot.server())
            }
            Pick::Queue(queue) => {
                self.balancer.leave_queue(queue);
                match queue {
                    QueueId::Server(server) => Some(server),
                    QueueId::Pool => None,
                }
            }
            Pick::Unavailable => None,
        }
    }
}

fn is_address(key: &[u8]) -> bool {
    std::str::from_utf8(key).is_ok_and(|text| text.trim().parse::<std::net::IpAddr>().is_ok())
}

/// The key with control characters escaped: they could change the terminal's output, or add a column.
fn printable(key: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(key.len());
    for &byte in key {
        if byte.is_ascii_control() {
            shown.extend(byte.escape_ascii());
        } else {
            shown.push(byte);
        }
    }
    shown
}

const EXAMPLES: &str = "\
Examples:
  wsim route --plan plan.toml --pool sync YWxpY2U Ym9i
  cut -f1 tokens.txt | wsim route --plan plan.toml --pool sync
  wsim route --plan plan.toml --request 'GET /_matrix/client/v3/sync' --agent mautrix-telegram/0.15";

/// More than any header that a proxy accepts.
const KEY_BYTES_MAX: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"
name = "test"
synapse = "1.157"
[[pool]]
name = "sync"
endpoints = ["sync"]
servers = ["127.0.0.1:8013", "127.0.0.1:8037"]
balance = "hash consistent"
key = "user"
[[pool]]
name = "federation"
endpoints = ["federation"]
servers = ["127.0.0.1:8038", "127.0.0.1:8039"]
balance = "ip_hash"
[[pool]]
name = "media"
endpoints = ["media"]
workers = 2
"#;

    fn route(pool: &str, keys: &[&str], input: &[u8], json: bool) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plan.toml");
        std::fs::write(&file, PLAN).unwrap();
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        let args =
            Route { plan: file.to_string_lossy().into_owned(), pool: Some(pool.to_owned()), keys, seed: 1, json, ..Route::default() };
        let mut out = Vec::new();
        let done = run(&args, &mut out, &mut &*input);
        done.map(|()| String::from_utf8(out).unwrap()).map_err(|error| format!("{error:#}").replace(&args.plan, "plan.toml"))
    }

    #[test]
    fn every_key_gets_a_line_with_its_server() {
        let out = route("sync", &["YWxpY2U", "Ym9i", "YWxpY2U"], b"", false).unwrap();
        let lines: Vec<(&str, &str)> = out.lines().map(|line| line.split_once('\t').unwrap()).collect();
        assert_eq!(lines.iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["YWxpY2U", "Ym9i", "YWxpY2U"]);
        assert_eq!(lines[0].1, lines[2].1);
        assert!(lines.iter().all(|(_, server)| server.starts_with("127.0.0.1:80")));
        assert_eq!(route("sync", &[], b"YWxpY2U\r\nYm9i\nYWxpY2U", false).unwrap(), out);
    }

    #[test]
    fn with_round_robin_each_key_is_one_request_that_has_ended() {
        assert_eq!(route("media", &["a", "a", "b"], b"", false).unwrap(), "a\tmedia1\na\tmedia2\nb\tmedia1\n");
        assert_eq!(route("media", &["a"], b"", true).unwrap(), "{\"key\":\"a\",\"server\":\"media1\"}\n");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(route("media", &[], b"a\x1b[2J\tb\n", false).unwrap(), "a\\x1b[2J\\tb\tmedia1\n");
    }

    #[test]
    fn a_key_or_pool_that_cannot_be_routed_is_an_error() {
        assert_eq!(
            route("snyc", &["a"], b"", false),
            Err("plan.toml has no pool \"snyc\"; it has \"sync\", \"federation\", \"media\"".to_owned())
        );
        assert_eq!(
            route("federation", &["10.0.0.1", "secret"], b"", false),
            Err("key 2 is not an IP address, but pool \"federation\" (ip_hash) hashes the client's address".to_owned())
        );
    }
}
