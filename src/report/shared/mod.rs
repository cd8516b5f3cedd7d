//! What all reports use: tables, the page frame, the verdict, the terminal writer, escaping.

pub mod escape;
pub(crate) mod glossary;
pub(crate) mod json;
pub(crate) mod markdown;
pub(crate) mod page;
pub(crate) mod plan_cells;
pub(crate) mod plan_diagram;
pub mod run_facts;
pub mod table;
pub mod terminal;
pub(crate) mod text_table;
pub(crate) mod verdict;
pub(crate) mod vocabulary;

/// A part as a share of `total`; 0 where `total` is 0.
pub(crate) fn share(part: f64, total: f64) -> f64 {
    if total > 0.0 { part / total } else { 0.0 }
}

#[cfg(test)]
pub(crate) mod html_check;
#[cfg(test)]
pub(crate) mod schema_check;
