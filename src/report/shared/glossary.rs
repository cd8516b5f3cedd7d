//! The terms of `docs/glossary.md`, which the HTML reports explain where a reader meets them and in their last section.
//!
//! Knows nothing of reports: it reads the rows of the document's tables, so that a report and the document cannot define a term differently.

use std::sync::LazyLock;

/// A term with its definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Term {
    /// Id of its definition in a page: `term-long-poll`.
    pub(crate) id: String,
    /// The term and its synonyms.
    pub(crate) names: Vec<String>,
    pub(crate) definition: String,
}

impl Term {
    /// `utilisation, busy`.
    pub(crate) fn title(&self) -> String {
        self.names.join(", ")
    }
}

/// Every term, in the order of the glossary.
pub(crate) fn terms() -> &'static [Term] {
    static TERMS: LazyLock<Vec<Term>> = LazyLock::new(|| GLOSSARY.lines().filter_map(term).collect());
    &TERMS
}

/// The term that a label of a report is about: the longest name among its words, if there is one. `Predicted p95` is about p95.
pub(crate) fn find(label: &str) -> Option<&'static Term> {
    let label = words(label);
    let alias = ALIASES.iter().find(|(alias, _)| *alias == label).map(|(_, name)| *name);
    if let Some(name) = alias {
        return terms().iter().find(|term| term.names.iter().any(|own| own == name));
    }
    let label = format!(" {label} ");
    let about = NAMES.iter().filter(|(name, _)| label.contains(name));
    about.max_by_key(|(name, _)| name.len()).map(|(_, term)| *term)
}

/// The names that may be meant by a word of a heading, as [`words`] writes them, between blanks.
static NAMES: LazyLock<Vec<(String, &'static Term)>> = LazyLock::new(|| {
    let named = terms().iter().flat_map(|term| term.names.iter().map(move |name| (name, term)));
    let shown = named.filter(|(name, _)| !OF_THE_CODE.contains(&name.as_str()));
    shown.map(|(name, term)| (format!(" {} ", words(name)), term)).collect()
});

/// Labels of reports that use another word, as [`words`] writes them.
const ALIASES: [(&str, &str); 14] = [
    ("group", "endpoint group"),
    ("traffic", "request"),
    ("balancing", "balancing rule"),
    ("cpu of request", "service demand"),
    ("cpu demand", "service demand"),
    ("burstiness", "index of dispersion"),
    ("candidate plan", "candidate"),
    ("first limit", "limit"),
    ("user or token", "user"),
    ("factor", "coverage factor"),
    ("processe", "process"),
    ("meet the objective", "objective"),
    ("meet", "objective"),
    ("user", "user"),
];

/// Terms of documents and code that mean something else as a word of a heading.
const OF_THE_CODE: [&str; 12] = ["record", "class", "news", "row", "slot", "lane", "world", "account", "copy", "screen", "work", "prior"];

/// The words of a label in lower case, without marks and the plural's s.
fn words(label: &str) -> String {
    let lower = label.to_lowercase();
    let words = lower.split(|c: char| !(c.is_alphanumeric() || c == '-')).filter(|word| !word.is_empty());
    words.map(|word| word.strip_suffix('s').filter(|stem| !stem.ends_with('s')).unwrap_or(word)).collect::<Vec<_>>().join(" ")
}

/// A row of a table of the glossary: `| **utilisation**, **busy** | Share of … | `code` |`.
fn term(line: &str) -> Option<Term> {
    let mut cells = line.strip_prefix("| **")?.split(" | ");
    let names: Vec<String> = cells.next()?.split("**").step_by(2).map(str::to_owned).filter(|name| !name.trim().is_empty()).collect();
    let names: Vec<String> = names.into_iter().filter(|name| !name.starts_with([' ', '(', ','])).collect();
    let definition: String = cells.next()?.chars().filter(|c| !matches!(c, '`' | '*')).collect();
    let first = names.first()?;
    let mut id = format!("term-{}", words(first).replace(' ', "-"));
    // Replication is a term of Synapse and one of simulations.
    if line.contains("(of a simulation)") {
        id.push_str("-of-a-simulation");
    }
    Some(Term { id, names, definition })
}

const GLOSSARY: &str = include_str!("../../../docs/glossary.md");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_glossary_is_a_term_with_an_id_of_its_own() {
        let rows = GLOSSARY.lines().filter(|line| line.starts_with("| **")).count();
        assert!(rows > 60 && terms().len() == rows, "{rows}");
        let mut ids: Vec<&str> = terms().iter().map(|term| term.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), rows);
        for term in terms() {
            assert!(term.definition.len() > 20 && !term.definition.contains(['|', '`', '*']), "{term:?}");
        }
        assert_eq!(find("busy").unwrap().names, ["utilisation", "busy"]);
    }

    #[test]
    fn a_label_finds_its_term() {
        let id = |label: &str| find(label).map(|term| term.id.as_str());
        assert_eq!(id("Predicted p95"), Some("term-p50"));
        assert_eq!(id("Long polls"), Some("term-long-poll"));
        assert_eq!(id("Group"), Some("term-endpoint-group"));
        assert_eq!(id("Busiest process"), Some("term-process"));
        assert_eq!(id("Back-test"), Some("term-back-test"));
        assert_eq!(id("Heavy hitters"), Some("term-heavy-hitter"));
        assert_eq!(id("Coverage factor"), Some("term-coverage-factor"));
        assert_eq!(id("Share"), None);
        assert_eq!(id("Created"), None);
    }

    #[test]
    fn every_alias_is_written_as_labels_are_and_names_a_term() {
        for (alias, name) in ALIASES {
            assert_eq!(words(alias), alias);
            assert!(terms().iter().any(|term| term.names.iter().any(|own| own == name)), "{name}");
        }
    }
}
