//! Durations and sizes as programs in Go write them: Caddy, Traefik, Kubernetes' Gateway API.
//!
//! Sources: Go's `time.ParseDuration`; `github.com/dustin/go-humanize` (`ParseBytes`), which Caddy uses: `MB` is 1,000², `MiB` 1,024².

use super::tree::{Node, Value};

/// `30s`, `1m30.5s`, `500ms`, `2h`, `1d` (Caddy's), in milliseconds. `None` for anything else; a time without a unit is none, except 0.
pub(super) fn milliseconds(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(0);
    }
    let mut sum = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).filter(|end| *end > 0)?;
        let number: f64 = rest[..end].parse().ok()?;
        let after = &rest[end..];
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let factor = match &after[..unit_end] {
            "ns" => 1e-6,
            "us" | "µs" => 1e-3,
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 60e3,
            "h" => 3600e3,
            "d" => 86_400e3,
            _ => return None,
        };
        sum += number * factor;
        rest = &after[unit_end..];
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    (text.trim().len() > 1 && (0.0..1e15).contains(&sum)).then_some(sum as u64)
}

/// A time-out of a tree, in milliseconds: a text with units, or a whole number of `unit_ms`. `None` for no limit, as 0 means.
pub(super) fn timeout(node: &Node, unit_ms: f64) -> Option<u64> {
    let value = match &node.value {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        Value::Int(number) => Some(*number as f64 * unit_ms).filter(|value| (0.0..1e15).contains(value)).map(|value| value as u64),
        Value::Text(text) => milliseconds(text),
        _ => None,
    };
    value.filter(|value| *value > 0)
}

/// `50MB`, `50MiB`, `10 kb`, `1048576`, in bytes.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().replace(',', "");
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let factor = match text[end..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "ki" | "kib" => 1024.0,
        "mi" | "mib" => 1_048_576.0,
        "gi" | "gib" => 1_073_741_824.0,
        "ti" | "tib" => 1_099_511_627_776.0,
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    (0.0..1e18).contains(&(number * factor)).then_some((number * factor) as u64)
}

/// The smaller of two limits, of which either may be missing.
pub(super) fn tighter(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_those_of_go() {
        let times = ["30s", "1m30.5s", "500ms", "2h", "1d", "0", "30", "", "s", "-1s", "1x"].map(milliseconds);
        let expected = [Some(30_000), Some(90_500), Some(500), Some(7_200_000), Some(86_400_000), Some(0), None, None, None, None, None];
        assert_eq!(times, expected);
        let sizes = ["50MB", "50MiB", "10 kb", "1048576", "1,000", "x", "5q", "\u{e9}"].map(bytes);
        assert_eq!(sizes, [Some(50_000_000), Some(52_428_800), Some(10_000), Some(1_048_576), Some(1000), None, None, None]);
        let node = |value| Node { value, line: 1 };
        assert_eq!(timeout(&node(Value::Int(30)), 1000.0), Some(30_000));
        assert_eq!(timeout(&node(Value::Int(30_000_000_000)), 1e-6), Some(30_000));
        assert_eq!(timeout(&node(Value::Int(0)), 1000.0), None);
        assert_eq!((tighter(None, Some(1)), tighter(Some(2), Some(1)), tighter(None, None)), (Some(1), Some(1), None));
    }
}
