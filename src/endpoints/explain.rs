//! Explains the classification of a request by the rows that match.
//!
//! For interactive use only: every row is compiled and tried alone.

use super::automaton::{Automaton, Outcome, Rule};
use super::classifier::{self, Classifier, ClassifierError};
use super::{EndpointId, Method};
use wsim_http::target;

/// A classification with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The classification.
    pub endpoint: EndpointId,
    /// The matched path (decoded if the classifier's config says so); `None` if the target has none.
    pub path: Option<Vec<u8>>,
    /// Whether the target has a query.
    pub query: bool,
    /// Indices of the table's rows that match path and method, by priority. The first determines group, stream, condition and pattern.
    pub rows: Vec<usize>,
    /// Indices of rows that match the path, but not the method.
    pub rows_of_other_methods: Vec<usize>,
    /// The classification of the other form of the path (nginx matches it decoded, Synapse and HAProxy as sent), if it differs.
    pub otherwise: Option<EndpointId>,
}

/// Explains the result of [`Classifier::classify`].
///
/// # Errors
/// None for a classifier that could be built.
pub fn explain(classifier: &Classifier, method: Method, target: &[u8]) -> Result<Explanation, ClassifierError> {
    let decoded = classifier.config().decoded_path;
    let endpoint = classifier.classify_as(method, target, decoded);
    let other = classifier.classify_as(method, target, !decoded);
    let parts = target::split(target);
    let path = parts.map(|parts| match decoded {
        true => target::as_nginx_matches(parts.path).into_owned(),
        false => parts.path.to_vec(),
    });
    let table = classifier.table();
    let (mut rows, mut rows_of_other_methods) = (Vec::new(), Vec::new());
    for index in table.by_priority() {
        let row = &table.rows[index];
        let rule = Rule { pattern: classifier::parse(table, row)?, worker: 1, stream: false };
        let automaton = Automaton::new(&[rule], false).map_err(|source| ClassifierError::Table { table: table.name.clone(), source })?;
        let matches = path.as_ref().is_some_and(|path| automaton.outcomes()[automaton.search(path)] != Outcome::NONE);
        match (matches, row.applies_to(method)) {
            (true, true) => rows.push(index),
            (true, false) => rows_of_other_methods.push(index),
            _ => {}
        }
    }
    Ok(Explanation {
        endpoint,
        path,
        query: parts.is_some_and(|parts| parts.query.is_some()),
        rows,
        rows_of_other_methods,
        otherwise: (other != endpoint).then_some(other),
    })
}
