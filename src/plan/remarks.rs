//! What a plan cannot do as written, and why: the sentences that every command prints, from one place.
//!
//! Knows the endpoint table of a release, not the syntax of a proxy.

use super::checked::CheckedPlan;
use super::model::{Pool, Selector};
use super::route::{Destination, EndpointFacts};
use wsim_endpoints::{Row, Table};

impl CheckedPlan {
    /// Parts of the plan that have no effect, work otherwise than they read, or are not recommended: one sentence each.
    pub fn remarks(&self, table: &Table) -> Vec<String> {
        let mut remarks = self.warnings();
        remarks.extend(self.table_remarks(table));
        remarks
    }

    /// The remarks that depend on a release's endpoint table.
    pub fn table_remarks(&self, table: &Table) -> Vec<String> {
        let mut remarks = Vec::new();
        for (index, pool) in self.pools.iter().enumerate() {
            if self.is_idle(index, table) {
                remarks.push(format!("pool {:?} gets no requests: {}", pool.name, self.why_idle(index, table)));
            } else {
                remarks.extend(pool.groups_of_one_process(table).map(|(group, why)| stays(pool, group, why)));
            }
        }
        let is_row = |text: &str| table.rows.iter().any(|row| row.effective_pattern() == text);
        for selector in self.pools.iter().flat_map(|pool| &pool.endpoints) {
            if let Selector::Pattern { pattern, .. } = selector
                && !selector.is_row(is_row)
            {
                remarks.push(format!("{pattern:?} is not in the endpoint table: whether a worker can serve it is not checked"));
            }
        }
        let takes = |group: &str| {
            let named = |row: &&Row| row.group == group && self.route(*row) != Destination::Main;
            table.rows.iter().any(|row| named(&row))
        };
        if takes("media") && !takes("media_admin") {
            remarks.push(
                "\"media\" goes to workers, but \"media_admin\" stays on the main process, which then has no media repository".to_owned(),
            );
        }
        remarks
    }

    /// Whether no request can reach a pool, whoever sends it.
    fn is_idle(&self, index: usize, table: &Table) -> bool {
        let is_row = |text: &str| table.rows.iter().any(|row| row.effective_pattern() == text);
        if self.pools[index].endpoints.iter().any(|selector| !selector.is_row(is_row)) {
            return false;
        }
        let reaches = |facts: EndpointFacts<'_>| {
            self.route_among(facts, |pool| pool == index || !self.pools[pool].selects_clients()) == Destination::Pool(index)
        };
        let sliding =
            EndpointFacts { group: "sliding_sync", pattern: None, workers: &[], stream: None, any_worker: false, condition: None };
        let rows = table.rows.iter().flat_map(|row| {
            let facts = EndpointFacts::from(row);
            let initial = (row.group == "sync").then_some(EndpointFacts { group: "initial_sync", ..facts });
            [Some(facts), initial].into_iter().flatten()
        });
        !rows.chain([sliding]).any(reaches)
    }

    fn why_idle(&self, index: usize, table: &Table) -> String {
        let pool = &self.pools[index];
        if let Some((_, why)) = pool.groups_of_one_process(table).next() {
            return format!("{why}, and the pool has {} workers; write workers = 1", pool.size());
        }
        let rows: Vec<&Row> = table.rows.iter().filter(|row| pool.names(row)).collect();
        let written = |row: &&Row| row.stream.as_ref().is_some_and(|stream| self.stream_writers.contains_key(stream) || !row.any_worker());
        if !rows.is_empty() && rows.iter().all(written) {
            let stream = rows.iter().find_map(|row| row.stream.as_deref()).unwrap_or_default();
            return if self.stream_writers.contains_key(stream) {
                format!("its endpoints go to the writer of {stream}")
            } else {
                format!("only the writer of {stream} serves its endpoints; name one in [stream_writers]")
            };
        }
        let before = self.pools[..index].iter().find(|before| !before.selects_clients() && rows.iter().any(|row| before.names(row)));
        match before {
            Some(before) => format!("pool {:?} before it takes its endpoints", before.name),
            None => "only the main process serves its endpoints".to_owned(),
        }
    }
}

fn stays(pool: &Pool, group: &str, why: &str) -> String {
    format!("pool {:?} names {group}, but {why}, and the pool has {} workers: {group} stays on the main process", pool.name, pool.size())
}

impl Pool {
    /// Whether the pool names a row's group.
    fn names(&self, row: &Row) -> bool {
        self.endpoints.iter().any(|selector| match selector {
            Selector::Group(group) => *group == row.group,
            Selector::Pattern { pattern, .. } => pattern == row.effective_pattern(),
        })
    }

    /// The groups that a pool of several workers names although all their requests must reach one process, with the reason.
    fn groups_of_one_process(&self, table: &Table) -> impl Iterator<Item = (&str, &'static str)> {
        let reason = |condition: Option<&str>| match condition {
            Some("sso_only") => Some("a single sign-on must begin and end on one process"),
            Some("same_instance") => Some("a registration must begin and end on one process"),
            Some("single_instance") => Some("this release takes transactions of other servers on one process only"),
            _ => None,
        };
        let groups = self.endpoints.iter().filter_map(|selector| match selector {
            Selector::Group(group) if self.size() > 1 => Some(group.as_str()),
            _ => None,
        });
        groups.filter_map(move |group| {
            let mut rows = table.rows.iter().filter(|row| row.group == group);
            Some((group, rows.find_map(|row| reason(row.condition.as_deref()))?))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Plan;
    use wsim_endpoints::table_for;

    fn remarks(pools: &str) -> Vec<String> {
        let plan = Plan::from_toml(&format!("name = \"p\"\nsynapse = \"1.157\"\n{pools}"), "p.toml").unwrap();
        plan.remarks(&table_for(None).unwrap().table)
    }

    fn pool(name: &str, endpoints: &str, more: &str) -> String {
        format!("[[pool]]\nname = \"{name}\"\nendpoints = [{endpoints}]\n{more}\n")
    }

    #[test]
    fn a_pool_without_requests_says_why() {
        let two = pool("sso", "\"sso_all\", \"sso_oidc\"", "workers = 2");
        let why = "pool \"sso\" gets no requests: a single sign-on must begin and end on one process, and the pool has 2 workers; write workers = 1";
        assert_eq!(remarks(&two), [why]);
        assert!(remarks(&pool("sso", "\"sso_all\"", "workers = 1")).is_empty());
        let typing = pool("typing", "\"typing\"", "workers = 1");
        assert_eq!(
            remarks(&typing),
            ["pool \"typing\" gets no requests: only the writer of typing serves its endpoints; name one in [stream_writers]"]
        );
        assert_eq!(
            remarks(&format!("{typing}[stream_writers]\ntyping = \"typing9\"\n")),
            ["pool \"typing\" gets no requests: its endpoints go to the writer of typing"]
        );
        let shadowed = pool("a", "\"sync\", \"client\"", "workers = 1") + &pool("b", "\"sync\"", "workers = 1");
        assert!(remarks(&shadowed).contains(&"pool \"b\" gets no requests: pool \"a\" before it takes its endpoints".to_owned()));
        assert_eq!(remarks(&pool("other", "\"client_other\"", "workers = 1")).len(), 2);
    }

    #[test]
    fn a_pool_of_some_clients_leaves_requests_for_the_next() {
        let plan = pool("bridge", "\"event_sending\"", "workers = 1\nagents = [\"mautrix-*\"]")
            + &pool("event", "\"event_sending\"", "workers = 1");
        assert_eq!(remarks(&plan), Vec::<String>::new());
    }

    #[test]
    fn what_stays_on_the_main_process_is_said() {
        let mixed = remarks(&pool("g", "\"client\", \"sso_all\", \"pagination\"", "workers = 2")).join("\n");
        assert!(mixed.contains("/messages stays on the main process"), "{mixed}");
        assert!(mixed.contains("pool \"g\" names sso_all, but a single sign-on must begin and end on one process"), "{mixed}");
    }
}
