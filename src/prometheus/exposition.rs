//! Lines of the text formats in which metrics are written: Prometheus' own and OpenMetrics.
//!
//! Sources: Prometheus' `docs/instrumenting/exposition_formats` (times in ms) and the OpenMetrics specification 1.0 (times in seconds, `# EOF`, exemplars).

use super::Labels;

/// One line that has a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Name of the metric as written.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Its value; may be infinite or not a number.
    pub value: f64,
    /// The time as written, whose unit depends on the format.
    pub stamp: Option<f64>,
}

/// Reads a line. `None` for a comment or a blank line.
///
/// # Errors
/// What is wrong with the line.
pub fn parse_line(line: &str) -> Result<Option<Sample>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("a line does not begin with the name of a metric");
    }
    let rest = rest.trim_start();
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    let mut words = rest.split_ascii_whitespace();
    let value = words.next().and_then(number).ok_or("a metric has no value")?;
    // An exemplar follows a number sign.
    let stamp = words.next().filter(|word| *word != "#").map(|word| number(word).ok_or("a time is not a number")).transpose()?;
    Ok(Some(Sample { name: name.to_owned(), labels, value, stamp }))
}

/// Labels up to the closing brace, and what follows.
fn labels(mut rest: &str) -> Result<(Labels, &str), &'static str> {
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok((labels, rest));
        }
        let (key, value) = rest.split_once('=').ok_or("a label has no value")?;
        let quoted = value.trim_start().strip_prefix('"').ok_or("the value of a label is not quoted")?;
        let (text, after) = unquote(quoted).ok_or("the value of a label does not end")?;
        labels.insert(key.trim().to_owned(), text);
        rest = after;
    }
}

/// The text up to the closing quotation mark, and what follows. `\\`, `\"` and `\n` are escapes.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            c => value.push(c),
        }
    }
    None
}

/// `+Inf`, `-Inf` and `NaN` are numbers too.
fn number(word: &str) -> Option<f64> {
    word.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(line: &str) -> Sample {
        parse_line(line).unwrap().unwrap()
    }

    #[test]
    fn lines_of_both_formats_are_read() {
        let plain = of("process_cpu_seconds_total 12.5");
        assert_eq!((plain.name.as_str(), plain.value, plain.stamp), ("process_cpu_seconds_total", 12.5, None));
        let line = of(r#"a_total{job="generic_worker", index="1",q="say \"x\"\\\n",} 1.5e3 1764000000000"#);
        assert_eq!((line.value, line.stamp), (1500.0, Some(1_764_000_000_000.0)));
        assert_eq!(line.labels["q"], "say \"x\"\\\n");
        assert_eq!(line.labels.len(), 3);
        let with_exemplar = of(r#"b_bucket{le="+Inf"} 3 # {trace="x"} 0.5 1764000000.1"#);
        assert_eq!((with_exemplar.value, with_exemplar.stamp), (3.0, None));
        assert!(of("x NaN").value.is_nan() && of("x +Inf").value.is_infinite());
        assert_eq!(parse_line("# TYPE a counter").unwrap(), None);
        assert_eq!(parse_line("  ").unwrap(), None);
    }

    #[test]
    fn broken_lines_say_what_is_wrong() {
        for line in ["1x 2", "a", "a{b} 1", "a{b=c} 1", "a{b=\"c} 1", "a{b=\"c\"", "a x", "a 1 x", "<html>", "{\"a\":1}"] {
            assert!(parse_line(line).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(line in ".{0,200}") {
            let _ = parse_line(&line);
        }

        #[test]
        fn what_is_written_is_read_back(value: f64, label in "[^\\\\\"\n]{0,20}") {
            let sample = of(&format!("m{{l=\"{label}\"}} {value:e}"));
            prop_assert!(sample.labels["l"] == label && (sample.value == value || value.is_nan()));
        }
    }
}
