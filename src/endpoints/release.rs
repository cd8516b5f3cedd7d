//! A Synapse release number, parsed from the user's text and ordered as releases are.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A final release such as `1.98.0`, or a series such as `1.98`. Missing parts count as zero in comparisons.
#[derive(Debug, Clone)]
pub struct Release {
    parts: Vec<u32>,
}

impl Release {
    /// The first release with an endpoint table in wsim.
    #[must_use]
    pub fn oldest() -> Self {
        Self { parts: vec![0, 26, 0] }
    }

    /// Whether this is later than `newest`, where `1.157` stands for the whole series and is not before `1.157.1`.
    #[must_use]
    pub fn is_after(&self, newest: &Self) -> bool {
        self > newest && self.parts != newest.parts[..self.parts.len().min(newest.parts.len())]
    }

    fn trimmed(&self) -> &[u32] {
        let end = self.parts.iter().rposition(|part| *part != 0).map_or(0, |last| last + 1);
        &self.parts[..end]
    }
}

impl FromStr for Release {
    type Err = ReleaseError;

    /// Reads `1.98`, `1.98.0`, `v1.98.0`, and pre-releases such as `1.98.0rc1`, which count as their release.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unreadable = || ReleaseError::Unreadable { text: text.escape_default().take(40).collect() };
        let trimmed = text.trim();
        let numbers = trimmed.strip_prefix(['v', 'V']).unwrap_or(trimmed);
        let numbers = match numbers.find("rc") {
            Some(at) if numbers[at + 2..].bytes().all(|byte| byte.is_ascii_digit()) => &numbers[..at],
            _ => numbers,
        };
        let parts = numbers
            .split('.')
            .map(|part| match part.bytes().all(|byte| byte.is_ascii_digit()) {
                true => part.parse().map_err(|_| unreadable()),
                false => Err(unreadable()),
            })
            .collect::<Result<Vec<u32>, _>>()?;
        if (2..=4).contains(&parts.len()) { Ok(Self { parts }) } else { Err(unreadable()) }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                formatter.write_str(".")?;
            }
            write!(formatter, "{part}")?;
        }
        Ok(())
    }
}

impl PartialEq for Release {
    fn eq(&self, other: &Self) -> bool {
        self.trimmed() == other.trimmed()
    }
}

impl Eq for Release {}

impl PartialOrd for Release {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Release {
    fn cmp(&self, other: &Self) -> Ordering {
        self.trimmed().cmp(other.trimmed())
    }
}

impl Serialize for Release {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A release for which there is no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// A text that is not a release.
    #[error("\"{text}\" is not a Synapse release: write it as 1.157 or 1.157.1")]
    Unreadable {
        /// The text, escaped and truncated.
        text: String,
    },
    /// Before the first table.
    #[error("Synapse {release} has no endpoint table: the first is that of {oldest}")]
    TooOld {
        /// The requested release.
        release: Release,
        /// The first release with a table.
        oldest: Release,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(text: &str) -> Release {
        text.parse().unwrap()
    }

    #[test]
    fn releases_are_ordered_by_number_not_by_letter() {
        assert!(release("1.9") < release("1.10"));
        assert!(release("0.33.5") < release("0.33.5.1"));
        assert_eq!(release("1.4"), release("v1.4.0"));
        assert!(release("0.99.5.2") < release("1.0"));
        assert_eq!(release("1.98.0rc1"), release("1.98.0"));
    }

    #[test]
    fn other_text_is_an_error() {
        for text in ["", "1", "one", "1.x", "1..2", "1.2.3.4.5", "latest", "1.+5", "99999999999.1", "1.5rcx", "é.rc"] {
            assert!(text.parse::<Release>().is_err(), "{text}");
        }
    }
}
