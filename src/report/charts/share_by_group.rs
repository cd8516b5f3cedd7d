//! Share of CPU and of requests by endpoint group, side by side.

use super::canvas::{self, BLUE, ChartText, GREY, INK, LEFT, RIGHT};
use super::labels::{self, Legend, Sign};
use crate::shared::escape;
use crate::shared::{share, share_text};
use wsim_endpoints::groups;
use wsim_profile::{GroupProfile, Profile};
use wsim_text as text;

/// Horizontal bars for at most ten groups, the last one for all others; only requests if CPU is unknown. Shares are of all requests, those
/// between processes included, as in the table of groups.
pub fn share_by_group(profile: &Profile) -> String {
    let rows = rows(profile);
    let has_cpu = rows.iter().any(|row| row.cpu > 0.0);
    let largest = rows.iter().map(|row| row.cpu.max(row.requests)).fold(0.0, f64::max);
    let chart_text = ChartText {
        name: "share-by-group",
        title: "Share of CPU and of requests by endpoint group",
        summary: rows
            .iter()
            .take(3)
            .map(|row| {
                format!(
                    "{}: {} of requests{}. ",
                    row.name,
                    share_text(row.requests, row.count),
                    if has_cpu { format!(", {} of CPU", share_text(row.cpu, row.count)) } else { String::new() }
                )
            })
            .collect(),
    };
    let cpu_sign = has_cpu.then(|| (Sign::Square(BLUE, 1.0), "CPU".to_owned()));
    let legend = Legend::new(cpu_sign.into_iter().chain([(Sign::Square(GREY, 1.0), "requests".to_owned())]));
    let pitch = if has_cpu { 36 } else { 28 };
    let count = i32::try_from(rows.len()).unwrap_or(0);
    let top = legend.height + 8;
    canvas::svg(&chart_text, top + count * pitch + 6, |area, hovers| {
        let x = |share: f64| canvas::interpolate(LEFT, RIGHT, share / largest.max(1e-9));
        legend.draw(area, 0)?;
        for (index, row) in (0_i32..).zip(&rows) {
            let y = top + index * pitch;
            let requests = share_text(row.requests, row.count);
            let value = if has_cpu { format!("CPU {} · requests {requests}", share_text(row.cpu, row.count)) } else { requests };
            labels::name_and_value(area, y + 7, &row.name, &value)?;
            let mut below = y + 16;
            if has_cpu {
                canvas::bar(area, (LEFT, below), (x(row.cpu).max(LEFT + 1), below + 7), BLUE, 1.0)?;
                below += 8;
            }
            canvas::bar(area, (LEFT, below), (x(row.requests).max(LEFT + 1), below + 6), GREY, 1.0)?;
            hovers.add((LEFT, y), (RIGHT, y + pitch - 2), &row.hover);
        }
        canvas::line(area, (LEFT, top), (LEFT, top + count * pitch), INK, 0.3, 1)
    })
}

struct Row {
    name: String,
    cpu: f64,
    requests: f64,
    /// Number of requests.
    count: u64,
    hover: String,
}

fn rows(profile: &Profile) -> Vec<Row> {
    let groups: Vec<&GroupProfile> = profile.groups.iter().collect();
    let cpu = |groups: &[&GroupProfile]| groups.iter().map(|group| canvas::known(group.cpu_seconds)).sum::<f64>();
    let requests = |groups: &[&GroupProfile]| groups.iter().map(|group| group.requests as f64).sum::<f64>();
    let (all_cpu, all_requests) = (cpu(&groups), requests(&groups));
    let row = |name: String, part: &[&GroupProfile]| Row {
        hover: format!(
            "{name}{}: {}, {} CPU seconds",
            described(part),
            text::plural(part.iter().map(|group| group.requests).sum(), "request", "requests"),
            text::number(cpu(part))
        ),
        cpu: share(cpu(part), all_cpu),
        requests: share(requests(part), all_requests),
        count: part.iter().map(|group| group.requests).sum(),
        name,
    };
    let shown = if groups.len() > ROWS_MAX { ROWS_MAX - 1 } else { groups.len() };
    let mut rows: Vec<Row> = groups[..shown].iter().map(|group| row(escape::page(&group.id, 26), &[*group])).collect();
    if shown < groups.len() {
        rows.push(row(text::plural((groups.len() - shown) as u64, "other group", "other groups"), &groups[shown..]));
    }
    rows
}

/// What the requests of a single group are: ` (clients asking for news)`.
fn described(part: &[&GroupProfile]) -> String {
    let words = if let [group] = part { groups::description(&group.id) } else { "" };
    if words.is_empty() { String::new() } else { format!(" ({words})") }
}

const ROWS_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture;

    #[test]
    fn shares_are_of_the_same_whole_as_in_the_table_of_groups() {
        let report = fixture::report();
        assert!(report.profile.groups.iter().any(|group| group.internal), "the fixture has requests between processes");
        for row in rows(&report.profile) {
            let Some(group) = report.profile.groups.iter().find(|group| escape::page(&group.id, 26) == row.name) else { continue };
            assert!((row.cpu - report.group_share(group)).abs() < 1e-12, "{}", row.name);
        }
        let sum: f64 = rows(&report.profile).iter().map(|row| row.cpu).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    }
}
