//! What a run knows beside its numbers, put into the report's and the trace header's words.

use std::sync::Arc;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::super::UsageError;
use super::super::output::command_line;
use super::{Config, Reading};
use wsim_endpoints::{self as endpoints, Endpoint, Table};
use wsim_logs::detect::{self, Choices, FORMATS, Format};
use wsim_logs::formats::nginx_config::NginxConfig;
use wsim_logs::source::{Place, Source};
use wsim_logs::{StampMeaning, Zone};
use wsim_parquet::Header;
use wsim_report::{Input, JoinFacts, MalformedExample, NextStep, RunFacts, format};
use wsim_trace::ingest::Account;
use wsim_trace::join;

/// What reading the logs found out that is not in the requests. Kept in the trace, so that a trace tells the same story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::cli) struct Told {
    pub(in crate::cli) accounts: Vec<Account>,
    pub(in crate::cli) user_key: String,
    pub(in crate::cli) joined: Option<join::JoinFacts>,
    pub(in crate::cli) partial: bool,
    pub(in crate::cli) seed: u64,
    pub(in crate::cli) zone: String,
    pub(in crate::cli) synapse_version: String,
    pub(in crate::cli) table_note: String,
}

impl Told {
    pub(in crate::cli) fn new(
        config: &Config,
        accounts: Vec<Account>,
        user_key: String,
        joined: Option<join::JoinFacts>,
        partial: bool,
    ) -> Self {
        Self {
            accounts,
            user_key,
            joined,
            partial,
            seed: config.ingest.seed,
            zone: config.ingest.choices.zone.name().to_owned(),
            synapse_version: config.synapse_version.clone(),
            table_note: config.table_note.clone(),
        }
    }

    pub(in crate::cli) fn from_header(header: &Header) -> anyhow::Result<Self> {
        Ok(serde_json::from_value(header.extra.clone())?)
    }

    pub(in crate::cli) fn header(&self, endpoints: &[Endpoint]) -> Header {
        Header {
            schema: Header::SCHEMA.to_owned(),
            endpoints: endpoints.to_vec(),
            extra: serde_json::to_value(self).unwrap_or(serde_json::Value::Null),
        }
    }
}

/// What was said about the logs' format.
pub(in crate::cli) fn choices(reading: &Reading, zone: Zone) -> anyhow::Result<Choices> {
    let format = match reading.format.as_deref() {
        None | Some("auto") => None,
        Some(name) => Some(Format::from_name(name).ok_or_else(|| {
            let known: Vec<&str> = FORMATS.iter().map(|(known, _)| *known).collect();
            UsageError(format!("--format: `{}` is no format; the formats are auto, {}", name.escape_debug(), known.join(", ")))
        })?),
    };
    // The expression is the same for every file: better to say now that it cannot be read.
    if let Some(expression) = &reading.log_format {
        detect::detect(&[], &Choices { log_format: Some(expression.clone()), ..Choices::default() })
            .map_err(|error| UsageError(error.to_string()))?;
    }
    Ok(Choices {
        format,
        log_format: reading.log_format.clone(),
        nginx_config: reading.nginx_config.as_deref().map(NginxConfig::read).transpose()?.map(Arc::new),
        log: None,
        zone,
        stamp: reading.stamp.as_deref().map(|word| if word == "start" { StampMeaning::Start } else { StampMeaning::End }),
    })
}

/// The endpoint table asked for, and a sentence on which it is.
pub(in crate::cli) fn table(reading: &Reading) -> anyhow::Result<(Table, String)> {
    if let Some(path) = &reading.table {
        let file = path.display().to_string();
        let bytes = std::fs::read(path).with_context(|| file.clone())?;
        let table = endpoints::read_own_table(&file, &bytes)?;
        let note = format!("own table from {file}");
        return Ok((table, note));
    }
    let choice =
        endpoints::table_for(reading.synapse_version.as_deref()).map_err(|error| UsageError(format!("--synapse-version: {error}")))?;
    let note = match (&reading.synapse_version, choice.newer_than_known) {
        (None, _) => format!("endpoint table of Synapse {}, the newest known; --synapse-version chooses another", choice.release),
        (Some(_), false) => format!("endpoint table of Synapse {}", choice.release),
        (Some(_), true) => format!("Synapse {} is newer than every release known here: the newest table was used", choice.release),
    };
    Ok((choice.table, note))
}

/// The release a table stands for.
pub(in crate::cli) fn version(table: &Table) -> String {
    table.name.strip_prefix("Synapse ").unwrap_or(&table.name).to_owned()
}

/// Bytes on disk, if every input is a file.
pub(in crate::cli) fn total_bytes(sources: &[Source]) -> Option<u64> {
    sources
        .iter()
        .map(|source| match &source.place {
            Place::File(path) => std::fs::metadata(path).ok().map(|metadata| metadata.len()),
            Place::StandardInput => None,
        })
        .sum()
}

/// An error text for logs without a single request.
pub(in crate::cli) fn nothing_found(told: &Told) -> String {
    let sum = |of: fn(&Account) -> u64| told.accounts.iter().map(of).sum::<u64>();
    let (lines, malformed, outside) = (sum(|a| a.lines), sum(|a| a.malformed), sum(|a| a.outside));
    let clockless = sum(|a| a.without_clock);
    if outside > 0 {
        return format!("all {outside} requests lie outside --from/--to");
    }
    if clockless > 0 {
        return format!("all {clockless} requests are without a time stamp: give the proxy's log, or a log format with %(asctime)s");
    }
    format!("no requests in {lines} lines ({malformed} of them malformed); see --format and --log-format")
}

/// What the report says of the run as a whole.
pub(in crate::cli) fn facts(told: &Told, next: Vec<NextStep>) -> RunFacts {
    RunFacts {
        wsim: env!("CARGO_PKG_VERSION").to_owned(),
        created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        command: command_line(),
        seed: told.seed,
        synapse_version: told.synapse_version.clone(),
        table_note: told.table_note.clone(),
        time_zone: told.zone.clone(),
        partial: told.partial,
        joined: told.joined.map(join_facts),
        assumptions: assumptions(told),
        next,
    }
}

/// Every input with the account of its lines.
pub(in crate::cli) fn inputs(told: &Told) -> Vec<Input> {
    told.accounts.iter().map(input).collect()
}

/// A sample of the malformed lines.
pub(in crate::cli) fn malformed(told: &Told) -> Vec<MalformedExample> {
    let examples = told.accounts.iter().flat_map(|account| {
        account.examples.iter().map(|example| MalformedExample {
            path: account.path.clone(),
            line: example.line,
            reason: example.reason.clone(),
        })
    });
    examples.collect()
}

fn input(account: &Account) -> Input {
    let mut notes: Vec<String> = account.stamp_note.iter().cloned().collect();
    if account.outside > 0 {
        notes.push(format!("{} requests outside --from/--to left out", account.outside));
    }
    if account.without_clock > 0 {
        notes.push(format!("{} requests without a time stamp left out", account.without_clock));
    }
    if let Some(error) = &account.read_error {
        notes.push(format!("reading ended early: {error}"));
    }
    Input {
        path: account.path.clone(),
        format: account.format.clone(),
        format_reason: account.reason.clone(),
        bytes: account.bytes,
        lines: account.lines,
        requests: account.requests,
        not_requests: account.not_requests,
        malformed: account.malformed,
        duplicates: account.duplicates,
        first: account.first_us.map(format::rfc3339),
        last: account.last_us.map(format::rfc3339),
        time_note: notes.join("; "),
    }
}

fn join_facts(facts: join::JoinFacts) -> JoinFacts {
    JoinFacts {
        proxy_requests: facts.proxy,
        synapse_requests: facts.synapse,
        joined: facts.joined,
        proxy_only: facts.proxy_only,
        synapse_only: facts.synapse_only,
        by_request_id: facts.by_request_id,
    }
}

/// What reading rests on.
fn assumptions(told: &Told) -> Vec<String> {
    let mut list = vec![format!("Stamps that carry no zone are read as {}; --tz changes that.", told.zone)];
    if let Some(joined) = told.joined
        && joined.joined * 2 < joined.proxy.min(joined.synapse)
    {
        list.push(format!(
            "Only {} of {} proxied requests were found in Synapse's logs: the rest is counted as seen by one side. Check --tz if the logs are of the same time.",
            joined.joined, joined.proxy
        ));
    }
    list.extend(twins(&told.accounts).map(|(one, other)| {
        format!(
            "{} and {} hold as many requests over the same time: if they are the same requests, give one of them only.",
            one.path, other.path
        )
    }));
    list
}

/// Inputs that look like the same traffic logged twice.
fn twins(accounts: &[Account]) -> impl Iterator<Item = (&Account, &Account)> {
    let same = |a: Option<i64>, b: Option<i64>| a.zip(b).is_some_and(|(a, b)| a.abs_diff(b) < TWIN_APART_US);
    accounts.iter().enumerate().flat_map(move |(place, one)| {
        let twin = move |other: &&Account| {
            one.requests == other.requests
                && one.requests >= TWIN_REQUESTS
                && same(one.first_us, other.first_us)
                && same(one.last_us, other.last_us)
        };
        accounts[place + 1..].iter().filter(twin).map(move |other| (one, other))
    })
}

/// Fewer requests may be equally many by chance.
const TWIN_REQUESTS: u64 = 50;

/// Stamps of whole seconds, one log's at the start and the other's at the end of a request that was not long.
const TWIN_APART_US: u64 = 3_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_traffic_logged_twice_is_noticed() {
        let log = |path: &str, requests, first_us| Account {
            path: path.to_owned(),
            requests,
            first_us: Some(first_us),
            last_us: Some(first_us + 1_000_000),
            ..Account::default()
        };
        let accounts = [log("combined", 500, 0), log("other", 500, 90_000_000), log("rich", 500, 900_000)];
        let found: Vec<_> = twins(&accounts).map(|(one, other)| (one.path.as_str(), other.path.as_str())).collect();
        assert_eq!(found, [("combined", "rich")]);
    }
}
