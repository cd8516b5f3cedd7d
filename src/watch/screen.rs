//! The screen: load, headroom and alarms above; groups; processes beside users. Made for 80 columns and 24 lines, and uses what there is.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row, Table};

use super::figures::{Figures, GroupRow, ProcessRow, UserRow};
use wsim_report::escape;
use wsim_text::{number, percent, prose};

/// Draws the figures. `has_colour` is false where colours are not wanted; what matters is then bold or reversed.
pub fn draw(frame: &mut Frame<'_>, figures: &Figures, has_colour: bool) {
    let area = frame.area();
    let style = Palette { has_colour };
    let head = head(figures, usize::from(area.width), &style);
    let head_lines = u16::try_from(head.len()).unwrap_or(u16::MAX).min(area.height);
    // Five lines of processes and users, with their titles, unless the terminal is higher.
    let lower = (area.height.saturating_sub(head_lines) / 3).clamp(4, 20);
    let heights = [Constraint::Length(head_lines), Constraint::Min(3), Constraint::Length(1), Constraint::Length(lower)];
    let [top, middle, _, bottom] = Layout::vertical(heights).areas(area);
    frame.render_widget(Paragraph::new(head), top);
    groups(frame, middle, figures, &style);
    if area.width < BESIDE_WIDTH {
        processes(frame, bottom, figures, &style);
        return;
    }
    let [left, _, right] = Layout::horizontal([Constraint::Percentage(50), Constraint::Length(2), Constraint::Fill(1)]).areas(bottom);
    processes(frame, left, figures, &style);
    users(frame, right, figures, &style);
}

struct Palette {
    has_colour: bool,
}

impl Palette {
    fn title(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn dim(&self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn good(&self) -> Style {
        if self.has_colour { Style::new().fg(Color::Green) } else { Style::new() }
    }

    fn bad(&self) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        if self.has_colour { bold.fg(Color::Red) } else { bold.add_modifier(Modifier::REVERSED) }
    }
}

fn head(figures: &Figures, width: usize, style: &Palette) -> Vec<Line<'static>> {
    let clock = figures.time.get(11..19).unwrap_or("").to_owned();
    let window = wsim_text::duration(figures.window_seconds);
    let mut lines = vec![Line::from(vec![
        Span::styled("wsim watch", style.title()),
        Span::raw(format!("  {clock} UTC  {}, last {window}", wsim_text::plural(figures.inputs.len() as u64, "log", "logs"))),
        Span::styled("   q: end", style.dim()),
    ])];
    let cores = figures.cores.map_or_else(|| "CPU not logged".to_owned(), |cores| format!("{} cores in requests", number(cores)));
    lines.push(Line::raw(format!("{} requests/s   {cores}", number(figures.requests_per_second))));
    lines.push(headroom(figures, width, style));
    for alarm in figures.alarms.iter().take(ALARMS_MAX) {
        let text = format!("ALARM  {}  (objective {})", alarm.text, alarm.term);
        lines.push(Line::styled(escape::terminal(&text, width), style.bad()));
    }
    if figures.alarms.len() > ALARMS_MAX {
        lines.push(Line::styled(format!("and {} more alarms", figures.alarms.len() - ALARMS_MAX), style.bad()));
    }
    for input in &figures.inputs {
        let problem = input.problem.clone().or_else(|| {
            (input.malformed * 10 > input.lines).then(|| wsim_text::plural(input.malformed, "malformed line", "malformed lines"))
        });
        if let Some(problem) = problem {
            lines.push(Line::styled(escape::terminal(&format!("{}: {problem}", input.path), width), style.bad()));
        }
    }
    lines.push(Line::raw(""));
    lines
}

fn headroom(figures: &Figures, width: usize, style: &Palette) -> Line<'static> {
    match &figures.headroom {
        Some(headroom) => {
            let range = prose::range(headroom.factor, 1);
            let text = format!("headroom × {range} to the first limit: {} of {}", headroom.limit, headroom.place);
            Line::styled(escape::terminal(&text, width), if headroom.factor.value < 1.0 { style.bad() } else { style.good() })
        }
        None => {
            let why = figures.no_headroom.as_deref().unwrap_or("unknown");
            Line::styled(escape::terminal(&format!("headroom unknown: {why}"), width), style.dim())
        }
    }
}

fn groups(frame: &mut Frame<'_>, area: Rect, figures: &Figures, style: &Palette) {
    type Column = (&'static str, u16, fn(&GroupRow) -> String);
    let all: [Column; 5] = [
        ("requests/s", 10, |group| number(group.requests_per_second)),
        ("p95 ms", 9, |group| group.p95_ms.map_or_else(String::new, number)),
        ("cores", 9, |group| group.cores.map_or_else(String::new, number)),
        ("errors", 9, |group| if group.errors > 0.0 { percent(group.errors) } else { String::new() }),
        ("p50 ms", 9, |group| group.p50_ms.map_or_else(String::new, number)),
    ];
    // A figure is shown whole or not at all: the last columns leave first.
    let mut left = area.width.saturating_sub(GROUP_WIDTH);
    let fits = |(_, width, _): &&Column| {
        let has_room = left > *width;
        left = left.saturating_sub(*width + 1);
        has_room
    };
    let columns: Vec<&Column> = all.iter().take_while(fits).collect();
    let row = |group: &GroupRow| {
        let figures = columns.iter().map(|(_, width, value)| right(value(group), *width));
        Row::new(std::iter::once(escape::terminal(&group.id, usize::from(area.width))).chain(figures))
    };
    let head = std::iter::once("Group".to_owned()).chain(columns.iter().map(|(title, width, _)| right(*title, *width)));
    let widths = std::iter::once(Constraint::Min(GROUP_WIDTH)).chain(columns.iter().map(|(_, width, _)| Constraint::Length(*width)));
    let table = Table::new(figures.groups.iter().map(row), widths).header(Row::new(head).style(style.title())).column_spacing(1);
    frame.render_widget(table, area);
}

fn processes(frame: &mut Frame<'_>, area: Rect, figures: &Figures, style: &Palette) {
    let name = usize::from(area.width.saturating_sub(20));
    let row = |process: &ProcessRow| {
        let busy = process.busy.map_or_else(String::new, |busy| percent(busy.value));
        let is_over = process.busy.is_some_and(|busy| busy.value >= 0.9);
        let row = Row::new([escape::terminal(&process.name, name), right(number(process.requests_per_second), 10), right(busy, 8)]);
        if is_over { row.style(style.bad()) } else { row }
    };
    let widths = [Constraint::Min(8), Constraint::Length(10), Constraint::Length(8)];
    let head = ["Process".to_owned(), right("requests/s", 10), right("busy", 8)];
    frame.render_widget(Table::new(figures.processes.iter().map(row), widths).header(Row::new(head).style(style.title())), area);
}

fn users(frame: &mut Frame<'_>, area: Rect, figures: &Figures, style: &Palette) {
    let name = usize::from(area.width.saturating_sub(20));
    let row = |user: &UserRow| {
        Row::new([
            escape::terminal(&user.name, name),
            right(number(user.requests_per_second), 10),
            right(user.cores.map_or_else(String::new, number), 8),
        ])
    };
    let widths = [Constraint::Min(8), Constraint::Length(10), Constraint::Length(8)];
    let head = ["Busiest users".to_owned(), right("requests/s", 10), right("cores", 8)];
    frame.render_widget(Table::new(figures.users.iter().map(row), widths).header(Row::new(head).style(style.title())), area);
}

/// Text at the right end of a column.
fn right(text: impl Into<String>, width: u16) -> String {
    format!("{:>width$}", text.into(), width = usize::from(width))
}

const ALARMS_MAX: usize = 4;
/// From this width on users are beside processes.
const BESIDE_WIDTH: u16 = 64;
/// For the names of groups.
const GROUP_WIDTH: u16 = 18;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Facts, Headroom, nothing};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use wsim_stats::Interval;

    fn shown(figures: &Figures, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, figures, true)).unwrap();
        terminal.backend().to_string()
    }

    fn hostile() -> Figures {
        let facts = Facts { time_us: 1_764_000_000_000_000, seconds: 300.0, inputs: Vec::new(), totals: crate::totals::Totals::default() };
        let name = "\u{1b}[2Jevil\u{202e}\n".to_owned();
        Figures {
            requests_per_second: 31.25,
            cores: Some(0.42),
            groups: vec![GroupRow {
                id: "sync".to_owned(),
                requests_per_second: 20.0,
                cores: Some(0.3),
                p50_ms: Some(12.0),
                p95_ms: Some(110.0),
                errors: 0.0,
            }],
            processes: vec![ProcessRow {
                name: name.clone(),
                requests_per_second: 31.0,
                cores: Some(0.4),
                busy: Some(Interval::new(0.95, 0.8, 1.0)),
            }],
            users: vec![UserRow { name: name.clone(), requests_per_second: 3.0, cores: None }],
            headroom: Some(Headroom { limit: "CPU".to_owned(), place: name, factor: Interval::new(1.4, 1.1, 1.8) }),
            ..nothing(facts)
        }
    }

    #[test]
    fn everything_is_on_a_small_screen_and_nothing_acts_on_it() {
        let text = shown(&hostile(), 80, 24);
        for part in ["16:00:00 UTC", "31.2", "0.42 cores", "headroom × 1.4", "sync", "110", "Busiest users", "evil", "95"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.chars().any(|c| c == '\u{1b}' || c == '\u{202e}'), "{text}");
    }

    #[test]
    fn any_size_is_drawn() {
        for (width, height) in [(1, 1), (20, 5), (80, 24), (200, 60), (40, 2)] {
            assert!(!shown(&hostile(), width, height).is_empty());
        }
        let narrow = shown(&hostile(), 40, 12);
        assert!(
            narrow.contains("20.0") && narrow.contains("110") && !narrow.contains("Busiest"),
            "a figure is whole or not there\n{narrow}"
        );
    }
}
