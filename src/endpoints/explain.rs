//! Explains the classification of a request by the rows that match.
//!
//! For single requests: no automaton is made, all rows are tried at once ([`matching`]). Invariant: the endpoint is that of [`Classifier::classify`].
//!
//! [`Classifier::classify`]: super::Classifier::classify

use super::automaton::{Outcome, matching};
use super::classes::Class;
use super::classifier::{ClassifierConfig, ClassifierError, TableRules, class_endpoint, has_initial_query, is_initial_sync, not_a_path};
use super::groups::{INITIAL_SYNC, SYNC};
use super::{Endpoint, Method, Table};
use wsim_http::target;

/// A classification with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The classification.
    pub endpoint: Endpoint,
    /// The matched path (decoded if the classifier's config says so); `None` if the target has none.
    pub path: Option<Vec<u8>>,
    /// Whether the target has a query.
    pub query: bool,
    /// Indices of the table's rows that match path and method, by priority. The first determines group, stream, condition and pattern.
    pub rows: Vec<usize>,
    /// Indices of rows that match the path, but not the method.
    pub rows_of_other_methods: Vec<usize>,
    /// The classification of the other form of the path (nginx matches it decoded, Synapse and HAProxy as sent), if it differs.
    pub otherwise: Option<Endpoint>,
}

/// Classifies a request and says why.
///
/// # Errors
/// A pattern of a user's own table cannot be compiled.
pub fn explain(table: &Table, config: &ClassifierConfig, method: Method, target: &[u8]) -> Result<Explanation, ClassifierError> {
    let rules = TableRules::new(table)?;
    let Some(parts) = target::split(target) else {
        let endpoint = class_endpoint(not_a_path(method, target), table, config);
        return Ok(Explanation {
            endpoint,
            path: None,
            query: false,
            rows: Vec::new(),
            rows_of_other_methods: Vec::new(),
            otherwise: None,
        });
    };
    let request = Request { table, config, rules: &rules, method, initial: has_initial_query(method, parts.query) };
    let (sent, decoded) = (parts.path, target::as_nginx_matches(parts.path));
    let (path, other) = if config.decoded_path { (&*decoded, sent) } else { (sent, &*decoded) };
    let matched = request.matched(path)?;
    let endpoint = request.endpoint(path, &matched);
    let otherwise = if path == other { None } else { Some(request.endpoint(other, &request.matched(other)?)) };
    let (rows, rows_of_other_methods) =
        matched.into_iter().map(|rule| rules.order[rule]).partition(|&row| table.rows[row].applies_to(method));
    Ok(Explanation {
        path: Some(path.to_vec()),
        query: parts.query.is_some(),
        rows,
        rows_of_other_methods,
        otherwise: otherwise.filter(|other| *other != endpoint),
        endpoint,
    })
}

/// What is the same for both readings of a path.
struct Request<'r> {
    table: &'r Table,
    config: &'r ClassifierConfig,
    rules: &'r TableRules,
    method: Method,
    /// The query is that of an initial sync.
    initial: bool,
}

impl Request<'_> {
    /// Indices of the rules that match a path, for any method.
    fn matched(&self, path: &[u8]) -> Result<Vec<usize>, ClassifierError> {
        matching(&self.rules.rules, path).map_err(|source| ClassifierError::Table { table: self.table.name.clone(), source })
    }

    fn endpoint(&self, path: &[u8], matched: &[usize]) -> Endpoint {
        let Self { table, rules, .. } = self;
        let applying = matched.iter().copied().filter(|&rule| table.rows[rules.order[rule]].applies_to(self.method));
        let decisive = if table.first_match_only { 1 } else { usize::MAX };
        let outcome = applying.take(decisive).fold(Outcome::NONE, |outcome, rule| outcome.with_rule(rule, &rules.rules[rule]));
        if outcome == Outcome::NONE {
            return class_endpoint(Class::of(path), table, self.config);
        }
        let endpoint = rules.endpoint(table, outcome);
        let is_initial = endpoint.group == SYNC && is_initial_sync(path, || self.initial);
        if is_initial { Endpoint { group: INITIAL_SYNC.to_owned(), ..endpoint } } else { endpoint }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Classifier, table_for};
    use super::*;

    /// Targets around every row of a table: paths that match, that end early, with an encoding that proxies read in two ways, with queries.
    fn targets(table: &Table) -> Vec<String> {
        let mut targets = vec!["*".to_owned(), String::new(), "/".to_owned(), "/_matrix/client/v3/sync?since=s1".to_owned()];
        for row in &table.rows {
            let plain = row.effective_pattern().trim_matches(['^', '$']).replace(".*", "a").replace("[^/]+", "b");
            for version in ["api/v1", "r0", "v3", "unstable"] {
                // The first alternative of each other group.
                let mut path = plain.replace("(api/v1|r0|v3|unstable)", version).replace("(r0|v3|unstable)", version);
                while let Some((before, rest)) = path.split_once('(') {
                    let Some((group, after)) = rest.split_once(')') else { break };
                    path = format!("{before}{}{after}", group.split('|').next().unwrap_or(""));
                }
                targets.extend([path.clone(), format!("{path}x"), format!("{path}?since=s1"), path.replacen("client", "%63lient", 1)]);
                targets.push(path[..path.len() / 2].to_owned());
            }
        }
        targets
    }

    #[test]
    fn a_single_request_is_classified_as_by_the_automaton() {
        for release in ["0.26", "1.61", "1.157"] {
            let table = table_for(Some(release)).unwrap().table;
            for map in [false, true] {
                let table = Table { first_match_only: map, ..table.clone() };
                let config = ClassifierConfig { sliding_sync_to_sync: map, decoded_path: map };
                let classifier = Classifier::new(&table, &config).unwrap();
                // Some of each kind, of which there are five: explaining takes a while without optimisation.
                let targets = targets(&table);
                let methods = [Method::Get, Method::Put, Method::Options].into_iter().cycle();
                for (target, method) in targets.iter().step_by(targets.len() / 60 / 5 * 5 + 2).zip(methods) {
                    let explanation = explain(&table, &config, method, target.as_bytes()).unwrap();
                    let expected = classifier.endpoint(classifier.classify(method, target.as_bytes()));
                    assert_eq!(&explanation.endpoint, expected, "{release} {method:?} {target}");
                }
            }
        }
    }
}
