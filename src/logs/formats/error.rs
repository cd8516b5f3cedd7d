//! The error of a format expression that the user wrote, with a caret under the position.

/// A format expression that cannot be used; displayed with a caret under the position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}\n  {}\n  {:>width$}", printable(.text), "^", width = .column + 1)]
pub struct FormatError {
    pub problem: String,
    pub text: String,
    /// Characters before the position.
    pub column: usize,
}

impl FormatError {
    /// An error at the byte index `at` of an expression.
    pub fn new(problem: impl Into<String>, text: &str, at: usize) -> Self {
        let column = text.char_indices().take_while(|(index, _)| *index < at).count();
        Self { problem: problem.into(), text: text.to_owned(), column }
    }
}

/// The user's expression on one line, with control characters escaped.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_is_under_the_position() {
        let error = FormatError::new("a `$` here needs a name", "é $ x", 3);
        assert_eq!(error.to_string(), "a `$` here needs a name\n  é $ x\n    ^");
    }

    #[test]
    fn an_expression_cannot_control_the_terminal() {
        assert!(!FormatError::new("no", "a\u{1b}[31m\nb", 0).to_string().contains('\u{1b}'));
    }
}
