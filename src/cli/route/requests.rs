//! The pool that each request goes to.

use std::io::{BufWriter, Write};

use anyhow::Context;
use serde::Serialize;

use super::super::UsageError;
use super::{Route, printable};
use wsim_endpoints::{Classifier, ClassifierConfig, Method, table_for};
use wsim_http::percent;
use wsim_plan::{CheckedPlan, Client, Destination, RequestFacts, RequestPath, RequestRouter, Undecided};

#[derive(Serialize)]
struct Routed<'r> {
    request: &'r str,
    pool: String,
}

/// One line `request<TAB>pool` for each request.
pub(super) fn print_pools(args: &Route, plan: &CheckedPlan, out: &mut dyn Write) -> anyhow::Result<()> {
    let table = table_for(Some(&plan.synapse)).with_context(|| args.plan.clone())?.table;
    let classifier = Classifier::new(&table, &ClassifierConfig::default())?;
    let router = RequestRouter::new(plan, |text| table.rows.iter().any(|row| row.effective_pattern() == text))?;
    let mut out = BufWriter::new(out);
    for request in &args.requests {
        let (method, target) = request
            .split_once(' ')
            .filter(|(_, target)| target.starts_with('/'))
            .ok_or_else(|| UsageError(format!("--request: {request:?} is not METHOD PATH, such as 'GET /_matrix/client/v3/sync'")))?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let user_id =
            query.split('&').find_map(|parameter| parameter.strip_prefix("user_id=")).map(|text| percent::decode_text(text).into_owned());
        let method = Method::from_bytes(method.as_bytes());
        let client = Client {
            user: user_id.as_deref().or(args.user.as_deref()).unwrap_or_default(),
            appservice: user_id.is_some(),
            agent: args.agent.as_deref().unwrap_or_default(),
            address: args.address,
            token: args.token.as_deref(),
        };
        let endpoint = classifier.endpoint(classifier.classify(method, target.as_bytes()));
        let destination = router.route(endpoint, &RequestFacts { method, path: RequestPath::Sent(path), client });
        let destination = destination.map_err(|why| match why {
            Undecided::Address { pool } => UsageError(format!("--address: pool {pool:?} selects by addresses; give the client's")),
            Undecided::Token { pool } => {
                UsageError(format!("--token: pool {pool:?} selects by tokens; give the beginning of the client's"))
            }
            other => UsageError(format!("{}: {other}", args.plan)),
        });
        let pool = match destination? {
            Destination::Main => "main".to_owned(),
            Destination::Pool(index) => plan.pools[index].name.clone(),
            Destination::Writer(stream) => format!("writers of {stream}"),
        };
        if args.json {
            serde_json::to_writer(&mut out, &Routed { request, pool })?;
            writeln!(out)?;
        } else {
            out.write_all(&printable(request.as_bytes()))?;
            writeln!(out, "\t{pool}")?;
        }
    }
    Ok(out.flush()?)
}
