//! One worker more in pools with a hash.

use super::{Answer, AnswerTable};
use crate::shared::table::Tone;
use wsim_questions::moved_keys::{AddedWorker, MovedKeys};
use wsim_text::{count, duration, number, prose};

impl Answer {
    /// Which keys move.
    pub fn of_added_worker(found: &AddedWorker) -> Self {
        Self {
            head: format!("what if · a worker more in each pool with a hash · {}", found.plan),
            verdict: verdict(found),
            tone: Tone::Plain,
            tables: vec![pools(found)],
            notes: notes(found),
            next: Vec::new(),
        }
    }
}

fn verdict(found: &AddedWorker) -> String {
    let own: Vec<&MovedKeys> = found.pools.iter().filter(|pool| pool.is_own).collect();
    let Some(most) = own.iter().max_by(|a, b| a.cpu_moved.total_cmp(&b.cpu_moved)) else { return String::new() };
    let other = found.pools.iter().find(|pool| !pool.is_own && pool.pool == most.pool);
    let cold = most.extra_cpu_seconds;
    let beside = other.map(|other| format!(" With `{}` it would be {}.", other.balance, prose::percent(other.keys_moved)));
    format!(
        "A worker more in {} moves {} of its keys, with {} of its CPU, to workers whose caches do not know them. That costs {} s of CPU ({}–{} s) in all; half of these keys \
         are back after {}, nine tenths after {}.{}",
        most.pool,
        prose::percent(most.keys_moved),
        prose::percent(most.cpu_moved),
        number(cold.value),
        number(cold.low),
        number(cold.high),
        duration(most.half_seconds),
        duration(most.most_seconds),
        beside.unwrap_or_default()
    )
}

fn pools(found: &AddedWorker) -> AnswerTable {
    let columns = [
        ("pool", true),
        ("rule", true),
        ("key", true),
        ("workers", true),
        ("keys", false),
        ("moved", false),
        ("of requests", false),
        ("of CPU", false),
        ("cold (s)", false),
        ("busiest over mean", true),
    ];
    let mut table =
        AnswerTable::new("Keys that move", "by the proxy's exact rule; the second row of a pool is the other of nginx's hashes", &columns);
    for row in &found.pools {
        let cold = row.extra_cpu_seconds;
        table.rows.push(vec![
            row.pool.clone(),
            row.balance.clone(),
            row.key.clone(),
            format!("{} → {}", row.servers, row.servers + 1),
            count(row.keys),
            prose::percent(row.keys_moved),
            prose::percent(row.requests_moved),
            prose::percent(row.cpu_moved),
            format!("{} ({}–{})", number(cold.value), number(cold.low), number(cold.high)),
            format!("{} → {}", prose::factor(row.skew[0]), prose::factor(row.skew[1])),
        ]);
    }
    table
}

fn notes(found: &AddedWorker) -> Vec<String> {
    vec![
        format!(
            "Keys of {} of log. Where the plan has no addresses its workers' names are hashed: the shares are of that kind, but which keys move is another matter.",
            duration(found.seconds)
        ),
        format!(
            "Assumed: the first request of each kind by a key that moved costs {} times as much ({}–{}). Requests without a key are not counted.",
            prose::factor(found.cold.value),
            prose::factor(found.cold.low),
            prose::factor(found.cold.high)
        ),
    ]
}
