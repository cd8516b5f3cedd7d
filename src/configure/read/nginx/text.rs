//! Text with variables: `http://$pool$request_uri`, `${a}_b`, `$1`.

/// A piece of such a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    /// A variable's name in lower case, or a number.
    Variable(String),
}

/// Takes a text apart. A `$` without a name after it stands for itself.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        literal.push_str(before);
        let (name, next) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, next)) => (name, next),
            None if after.starts_with(|c: char| c.is_ascii_digit()) => after.split_at(1),
            None => after.split_at(after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len())),
        };
        if name.is_empty() {
            literal.push('$');
            rest = after;
            continue;
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Variable(name.to_ascii_lowercase()));
        rest = next;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    pieces
}

/// Whether a text has variables.
pub(super) fn has_variables(text: &str) -> bool {
    pieces(text).iter().any(|piece| matches!(piece, Piece::Variable(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found() {
        let variable = |name: &str| Piece::Variable(name.to_owned());
        let literal = |text: &str| Piece::Literal(text.to_owned());
        assert_eq!(pieces("http://$Sync$1a"), [literal("http://"), variable("sync"), variable("1"), literal("a")]);
        assert_eq!(pieces("${a}_b$"), [variable("a"), literal("_b$")]);
        assert_eq!(pieces("a$-b"), [literal("a$-b")]);
        assert!(!has_variables("plain$"));
    }
}
