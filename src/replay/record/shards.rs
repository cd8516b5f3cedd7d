//! Interval logs of several shards as one: lines by time, the header once.
//!
//! A line counts its time from its own log's base. The earliest base is that of the whole, and the lines of the others are moved.
//! Lines of the same second and tag stay apart: the tools that read such logs add them.

/// Why a log cannot be joined.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of interval log {log}: {what}")]
pub struct ShardLogError {
    /// Which of the logs, from 1.
    pub log: usize,
    /// Line, from 1.
    pub line: usize,
    /// What was expected.
    pub what: &'static str,
}

/// Joins interval logs as wsim writes them. Times are exact to a millisecond, as in the logs.
///
/// # Errors
/// [`ShardLogError`] for a line that is none of an interval log.
pub fn join_hlogs(logs: &[String]) -> Result<String, ShardLogError> {
    let bases = logs.iter().map(|log| base_ms(log)).collect::<Vec<_>>();
    let first = bases.iter().enumerate().filter_map(|(place, base)| base.map(|base| (base, place))).min();
    let Some((earliest, head)) = first else { return Ok(String::new()) };
    let mut out = String::new();
    for line in logs[head].lines().filter(|line| is_head(line)) {
        out.push_str(line);
        out.push('\n');
    }
    let mut lines: Vec<(i64, String)> = Vec::new();
    for (place, log) in logs.iter().enumerate() {
        let later = bases[place].unwrap_or(earliest) - earliest;
        for (number, line) in log.lines().enumerate().filter(|(_, line)| !is_head(line) && !line.is_empty()) {
            lines.push(moved(line, later).map_err(|what| ShardLogError { log: place + 1, line: number + 1, what })?);
        }
    }
    // Stable: within an instant in the order of the shards.
    lines.sort_by_key(|(at, _)| *at);
    for (_, line) in lines {
        out.push_str(&line);
        out.push('\n');
    }
    Ok(out)
}

/// Comments, and the legend in quotation marks.
fn is_head(line: &str) -> bool {
    line.starts_with('#') || line.starts_with('"')
}

/// What the log counts from, ms since the epoch.
fn base_ms(log: &str) -> Option<i64> {
    let line = log.lines().find_map(|line| line.strip_prefix("#[BaseTime: "))?;
    milliseconds(line.split([' ', ']']).next()?)
}

/// A line with its start moved, and that start in ms: `Tag=sync,1.000,1.000,12.3,HISTF…`.
fn moved(line: &str, later_ms: i64) -> Result<(i64, String), &'static str> {
    let (tag, rest) = match line.strip_prefix("Tag=") {
        Some(tagged) => tagged.split_once(',').ok_or("a tag without a histogram")?,
        None => ("", line),
    };
    let (start, rest) = rest.split_once(',').ok_or("expected start, length, maximum and histogram")?;
    if rest.split(',').count() != 3 {
        return Err("expected start, length, maximum and histogram");
    }
    let start = milliseconds(start).ok_or("the start is no time in seconds")? + later_ms;
    let tag = if tag.is_empty() { String::new() } else { format!("Tag={tag},") };
    Ok((start, format!("{tag}{}.{:03},{rest}", start / 1000, start % 1000)))
}

/// `12.5` s in ms, without the rounding of floating point.
fn milliseconds(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = part.chars().chain(std::iter::repeat('0')).take(3).collect();
    let part: i64 = digits.parse().ok().filter(|ms| *ms >= 0)?;
    whole.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(base: &str, lines: &str) -> String {
        format!("#wsim\n#[StartTime: {base} (seconds since epoch)]\n#[BaseTime: {base} (seconds since epoch)]\n\"StartTimestamp\"\n{lines}")
    }

    #[test]
    fn lines_are_by_time_and_the_header_stands_once() {
        let late = log("100.250", "Tag=sync,0.000,1.000,2.0,HISTa\nTag=sync,2.000,1.000,2.0,HISTb\n");
        let early = log("99.750", "Tag=sync,0.000,1.000,2.0,HISTc\nTag=media,1.000,1.000,2.0,HISTd\n");
        let joined = join_hlogs(&[late, early.clone()]).unwrap();
        let lines: Vec<&str> = joined.lines().collect();
        assert_eq!(lines[..4], log("99.750", "").lines().collect::<Vec<_>>()[..]);
        let expected = [
            "Tag=sync,0.000,1.000,2.0,HISTc",
            "Tag=sync,0.500,1.000,2.0,HISTa",
            "Tag=media,1.000,1.000,2.0,HISTd",
            "Tag=sync,2.500,1.000,2.0,HISTb",
        ];
        assert_eq!(lines[4..], expected);
        assert_eq!(join_hlogs(std::slice::from_ref(&early)).unwrap(), early, "one log is itself");
    }

    #[test]
    fn what_is_no_line_is_said_with_its_place() {
        let error = join_hlogs(&[log("1.0", ""), log("1.0", "Tag=sync,soon,1.000,2.0,HISTa\n")]).unwrap_err();
        assert_eq!(error.to_string(), "line 5 of interval log 2: the start is no time in seconds");
    }
}
