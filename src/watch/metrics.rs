//! Figures as Prometheus' text format 0.0.4. No user is named: a label's values must be few, and names of people are nobody else's business.

use std::fmt::{Display, Write};

use super::figures::Figures;

/// The page that is scraped.
#[must_use]
pub fn page(figures: &Figures) -> String {
    let mut page = Page { text: String::new(), family: "" };
    let totals = &figures.totals;
    page.family("wsim_watch_requests_total", "counter", "Requests by endpoint group and by whose log they are in (one that proxy and Synapse log is in both), since the start of wsim watch.");
    totals.groups.iter().for_each(|((group, log), count)| page.sample(&[("group", group), ("log", log)], count.requests));
    page.family("wsim_watch_request_errors_total", "counter", "Responses of 500 and up, and requests without one, by endpoint group.");
    totals.groups.iter().for_each(|((group, log), count)| page.sample(&[("group", group), ("log", log)], count.errors));
    page.family("wsim_watch_request_cpu_seconds_total", "counter", "CPU time in request lines by endpoint group.");
    totals.groups.iter().for_each(|((group, log), count)| page.sample(&[("group", group), ("log", log)], count.cpu_us as f64 / 1e6));
    page.family("wsim_watch_process_requests_total", "counter", "Requests by process or upstream.");
    totals.processes.iter().for_each(|((process, log), count)| page.sample(&[("process", process), ("log", log)], count.requests));
    page.family("wsim_watch_process_cpu_seconds_total", "counter", "CPU time in request lines by process.");
    totals
        .processes
        .iter()
        .for_each(|((process, log), count)| page.sample(&[("process", process), ("log", log)], count.cpu_us as f64 / 1e6));
    page.family(
        "wsim_watch_response_time_p95_seconds",
        "gauge",
        "95th percentile of the response time in the window, long-poll waiting excluded.",
    );
    for group in &figures.groups {
        if let Some(ms) = group.p95_ms {
            page.sample(&[("group", &group.id)], ms / 1e3);
        }
    }
    page.family("wsim_watch_process_busy", "gauge", "Busy share of a core in the window, background CPU estimated.");
    for process in &figures.processes {
        if let Some(busy) = process.busy {
            page.sample(&[("process", &process.name)], busy.value);
        }
    }
    page.family("wsim_watch_headroom", "gauge", "Factor by which the load may grow until the first limit.");
    if let Some(headroom) = &figures.headroom {
        page.sample(&[("limit", &headroom.limit), ("where", &headroom.place)], headroom.factor.value);
    }
    page.family("wsim_watch_alarm", "gauge", "1 for each term of the objective that the window misses.");
    figures.alarms.iter().for_each(|alarm| page.sample(&[("term", &alarm.term)], 1));
    page.family("wsim_watch_lines_total", "counter", "Lines read by log.");
    figures.inputs.iter().for_each(|input| page.sample(&[("log", &input.path)], input.lines));
    page.family("wsim_watch_malformed_lines_total", "counter", "Lines that the log's format cannot explain.");
    figures.inputs.iter().for_each(|input| page.sample(&[("log", &input.path)], input.malformed));
    page.family("wsim_watch_window_seconds", "gauge", "Length of the time that the gauges are of.");
    page.sample(&[], figures.window_seconds);
    page.text
}

/// A page that is being written; samples belong to the family before them.
struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        self.family = name;
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{}{labels} {value}", self.family);
    }
}

/// Text of a log as the value of a label.
fn escaped(text: &str) -> String {
    wsim_report::escape::visible(text).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Facts, nothing};
    use crate::totals::{Count, Totals};

    #[test]
    fn names_of_a_log_are_escaped_and_families_are_described() {
        let mut totals = Totals::default();
        totals.processes.insert(("a\"} 1\n\u{1b}[2J\\".to_owned(), "synapse"), Count { requests: 3, errors: 0, cpu_us: 1_500_000 });
        let page = page(&nothing(Facts { time_us: 0, seconds: 300.0, inputs: Vec::new(), totals }));
        let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("wsim_watch_process_requests_total")).collect();
        assert_eq!(lines.len(), 1, "{page}");
        assert!(lines[0].ends_with("\"} 3") && !page.contains('\u{1b}'), "{}", lines[0]);
        assert!(page.contains("wsim_watch_window_seconds 300\n"));
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            assert!(page.contains(&format!("# TYPE {name} ")) && page.contains(&format!("# HELP {name} ")));
        }
    }
}
