//! Share of CPU and of requests by endpoint group, side by side.

use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, BLUE, ChartText, GREY, INK};
use crate::shared::escape;
use crate::shared::{share, share_text};
use wsim_profile::{GroupProfile, Profile};
use wsim_text as text;

/// Horizontal bars for at most twelve groups, the last one for all others; only requests if CPU is unknown. Shares are of all requests, those
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
    let pitch = if has_cpu { 36 } else { 24 };
    let count = i32::try_from(rows.len()).unwrap_or(0);
    let height = u32::try_from(TOP + count * pitch + 12).unwrap_or(100);
    canvas::svg(&chart_text, (WIDTH, height), |area, hovers| {
        let x = |share: f64| canvas::interpolate(LEFT, RIGHT, share / largest.max(1e-9));
        if has_cpu {
            canvas::bar(area, (LEFT, 12), (LEFT + 12, 24), BLUE, 1.0)?;
            canvas::text(area, "CPU", (LEFT + 18, 18), 12, (HPos::Left, VPos::Center), 0.9)?;
        }
        let legend = if has_cpu { LEFT + 70 } else { LEFT };
        canvas::bar(area, (legend, 12), (legend + 12, 24), GREY, 1.0)?;
        canvas::text(area, "requests", (legend + 18, 18), 12, (HPos::Left, VPos::Center), 0.9)?;
        for (index, row) in (0_i32..).zip(&rows) {
            let y = TOP + index * pitch;
            let middle = y + (pitch - 8) / 2;
            canvas::text(area, &row.name, (LEFT - 10, middle), 13, (HPos::Right, VPos::Center), 1.0)?;
            let mut below = y;
            if has_cpu {
                canvas::bar(area, (LEFT, y), (x(row.cpu).max(LEFT + 1), y + 14), BLUE, 1.0)?;
                canvas::text(area, &share_text(row.cpu, row.count), (x(row.cpu) + 6, y + 7), 11, (HPos::Left, VPos::Center), 0.9)?;
                below = y + 15;
            }
            canvas::bar(area, (LEFT, below), (x(row.requests).max(LEFT + 1), below + 12), GREY, 1.0)?;
            canvas::text(
                area,
                &share_text(row.requests, row.count),
                (x(row.requests) + 6, below + 6),
                11,
                (HPos::Left, VPos::Center),
                0.75,
            )?;
            hovers.add((0, y - 4), (RIGHT, y + pitch - 4), &row.hover);
        }
        canvas::line(area, (LEFT, TOP - 4), (LEFT, TOP + count * pitch - 4), INK, 0.4, 1)
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
            "{name}: {}, {} CPU seconds",
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

const ROWS_MAX: usize = 12;
const WIDTH: u32 = 960;
const LEFT: i32 = 190;
const RIGHT: i32 = 880;
const TOP: i32 = 44;

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
