//! Figures as lines, for scripts and for output that is no terminal.

use super::figures::Figures;
use wsim_report::escape;
use wsim_text::{number, prose};

/// One line of text: time, load, the busiest process and group, headroom, alarms.
#[must_use]
pub fn plain_line(figures: &Figures) -> String {
    let mut parts = vec![format!("{} requests/s", number(figures.requests_per_second))];
    if let Some(cores) = figures.cores {
        parts.push(format!("{} cores", number(cores)));
    }
    if let Some(process) = figures.processes.first() {
        let busy =
            process.busy.map_or_else(|| format!("{} requests/s", number(process.requests_per_second)), |busy| prose::percent(busy.value));
        parts.push(format!("busiest {} {busy}", process.name));
    }
    if let Some(group) = figures.groups.first() {
        let p95 = group.p95_ms.map_or_else(String::new, |ms| format!(" p95 {}", prose::milliseconds(ms)));
        parts.push(format!("{}{p95}", group.id));
    }
    if let Some(headroom) = &figures.headroom {
        parts.push(format!("headroom × {} to {} of {}", prose::factor(headroom.factor.value), headroom.limit, headroom.place));
    }
    parts.extend(figures.alarms.iter().map(|alarm| format!("ALARM {} (objective {})", alarm.text, alarm.term)));
    parts.extend(figures.inputs.iter().filter_map(|input| Some(format!("{}: {}", input.path, input.problem.as_ref()?))));
    escape::message(&format!("{}  {}", figures.time, parts.join(", "))).replace('\n', " ")
}

/// The same as one line of JSON with everything.
#[must_use]
pub fn json_line(figures: &Figures) -> String {
    // A structure of numbers and texts can always be written.
    serde_json::to_string(figures).unwrap_or_default()
}
