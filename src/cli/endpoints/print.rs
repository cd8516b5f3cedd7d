//! A table, an explanation and a difference as text.

use std::io::{self, Write};

use super::page::Page;
use wsim_endpoints::describe::with_words;
use wsim_endpoints::{Change, ClassifierConfig, Difference, Endpoint, Explanation, Row, Table, words};

/// Prints the rows under headings that say what the rows have in common, and the meaning of conditions and notes.
pub(super) fn print_table(out: &mut dyn Write, table: &Table) -> io::Result<()> {
    let mut page = Page::new(out);
    page.paragraph("", &table.describe())?;
    let mut heading = String::new();
    for row in &table.rows {
        let section = row.section.as_deref().unwrap_or("(no heading)");
        let next = format!("{section}: {}", row.attributes().join(", "));
        if next != heading {
            page.empty_line()?;
            page.paragraph("", &next)?;
            heading = next;
        }
        page.paragraph("    ", &row.pattern)?;
        if let Some(corrected) = &row.corrected_pattern {
            page.paragraph("      ", &format!("does not compile; matched as {corrected}"))?;
        }
    }
    let legend = table.legend();
    if !legend.is_empty() {
        page.empty_line()?;
    }
    for (term, meaning) in legend {
        page.paragraph("", &format!("{term}: {meaning}"))?;
    }
    Ok(())
}

/// Prints how `request` is classified, and the rows that decide it.
pub(super) fn print_explanation(
    out: &mut dyn Write,
    (table, config): (&Table, &ClassifierConfig),
    request: &str,
    explanation: &Explanation,
) -> io::Result<()> {
    let mut page = Page::new(out);
    page.paragraph("", request)?;
    page.empty_line()?;
    print_endpoint(&mut page, &explanation.endpoint)?;
    page.empty_line()?;
    print_matching_rows(&mut page, table, explanation)?;
    explanation.remarks(config).iter().try_for_each(|remark| page.paragraph("", remark))
}

fn print_endpoint(page: &mut Page<'_>, endpoint: &Endpoint) -> io::Result<()> {
    page.field("group", &endpoint.describe_group())?;
    page.field("workers", &endpoint.describe_workers())?;
    let optional =
        [("stream", endpoint.describe_stream()), ("condition", endpoint.describe_condition()), ("pattern", endpoint.pattern.clone())];
    for (name, value) in optional {
        if let Some(value) = value {
            page.field(name, &value)?;
        }
    }
    Ok(())
}

fn print_matching_rows(page: &mut Page<'_>, table: &Table, explanation: &Explanation) -> io::Result<()> {
    page.paragraph("", &explanation.describe_rule(table))?;
    for (number, &index) in (1..).zip(&explanation.rows) {
        let row = &table.rows[index];
        page.paragraph(&format!("{number:>3}. "), &row.pattern)?;
        page.paragraph("     ", &row.attributes().join(", "))?;
        if let Some(corrected) = &row.corrected_pattern {
            page.paragraph("     ", &format!("matched as {corrected}"))?;
        }
        for note in &row.notes {
            page.paragraph("     ", &with_words(note, words::note(note)))?;
        }
    }
    if !explanation.rows_of_other_methods.is_empty() {
        page.paragraph("", "Rows that match the path, but not the method:")?;
    }
    for &index in &explanation.rows_of_other_methods {
        let row = &table.rows[index];
        page.paragraph("   - ", &format!("{} ({})", row.pattern, row.attributes().join(", ")))?;
    }
    Ok(())
}

/// Prints the rows that were added (`+`), removed (`-`) and changed (`~`).
pub(super) fn print_difference(out: &mut dyn Write, difference: &Difference) -> io::Result<()> {
    let mut page = Page::new(out);
    page.paragraph("", &difference.describe())?;
    for change in &difference.changes {
        page.empty_line()?;
        match change {
            Change::Added { row } => print_row(&mut page, "+ ", row)?,
            Change::Removed { row } => print_row(&mut page, "- ", row)?,
            Change::Changed { before, after, fields } => print_changed_row(&mut page, before, after, fields)?,
        }
    }
    Ok(())
}

fn print_row(page: &mut Page<'_>, sign: &str, row: &Row) -> io::Result<()> {
    page.paragraph(sign, &row.pattern)?;
    page.paragraph("    ", &row.attributes().join(", "))
}

fn print_changed_row(page: &mut Page<'_>, before: &Row, after: &Row, fields: &[&str]) -> io::Result<()> {
    page.paragraph("~ ", &after.pattern)?;
    if before.pattern != after.pattern {
        page.paragraph("    was ", &before.pattern)?;
    }
    page.paragraph("    ", &after.attributes().join(", "))?;
    let (was, now) = (before.describe_fields(fields), after.describe_fields(fields));
    if was != now {
        page.paragraph("    was ", &was.join(", "))?;
        page.paragraph("    now ", &now.join(", "))?;
    }
    Ok(())
}
