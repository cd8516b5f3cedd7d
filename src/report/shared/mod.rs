//! What all reports use: tables, the page frame, the verdict, the terminal writer, escaping.

pub(crate) mod analysis_file;
pub(crate) mod brief;
pub(crate) mod change;
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
pub(crate) mod wrap;

/// A part as a share of `total`; 0 where `total` is 0.
pub(crate) fn share(part: f64, total: f64) -> f64 {
    if total > 0.0 { part / total } else { 0.0 }
}

/// A share in a cell or a chart; a dash where it is of so few requests that it says nothing.
pub(crate) fn share_text(share: f64, requests: u64) -> String {
    if requests < wsim_advise::REQUESTS_FOR_SHARES { wsim_text::UNKNOWN.to_owned() } else { wsim_text::percent(share) }
}

/// A prediction or a change of fewer requests is shown, but neither judged nor given as a percentage.
pub(crate) const REQUESTS_FOR_ERRORS: u64 = 50;

/// In place of an error or a change that rests on so few requests that it means nothing.
pub(crate) fn too_few(requests: u64) -> String {
    format!("{}: too few", wsim_text::plural(requests, "request", "requests"))
}

#[cfg(test)]
pub(crate) mod html_check;
#[cfg(test)]
pub(crate) mod schema_check;
