//! Variables inside a value: `http://$pool$request_uri`, `${a}_b`, `$1`.
//!
//! Sources: `ngx_http_script_compile` in nginx's `src/http/ngx_http_script.c`, and `ngx_http_log_compile_format` in
//! `src/http/modules/ngx_http_log_module.c`, which has no captures.

/// A piece of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'t> {
    Literal(&'t str),
    /// A variable's name as it was written.
    Variable {
        name: &'t str,
        /// Offset of the `$`, in bytes.
        at: usize,
    },
    /// A `$` without a name after it.
    Dollar {
        /// Its offset, in bytes.
        at: usize,
    },
}

/// What digits after a `$` mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digits {
    /// One digit is a capture of the last regular expression: `$1a` is `$1` and the letter `a`.
    Capture,
    /// Digits are part of a name, because the directive has no captures.
    Name,
}

/// Splits a value into text and variables; adjacent literals are never split.
pub fn pieces(text: &str, digits: Digits) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = text.len() - rest.len();
        let Some(after) = rest.strip_prefix('$') else {
            let (literal, next) = rest.split_at(rest.find('$').unwrap_or(rest.len()));
            pieces.push(Piece::Literal(literal));
            rest = next;
            continue;
        };
        let (name, next) = name(after, digits);
        if name.is_empty() {
            pieces.push(Piece::Dollar { at });
            rest = after;
        } else {
            pieces.push(Piece::Variable { name, at });
            rest = next;
        }
    }
    pieces
}

/// Whether a value has variables.
pub fn has_variables(text: &str) -> bool {
    pieces(text, Digits::Capture).iter().any(|piece| matches!(piece, Piece::Variable { .. }))
}

/// Whether a byte can be part of a variable's name.
pub fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The name at the beginning of a text and the text after it; the name is empty if there is none.
fn name(text: &str, digits: Digits) -> (&str, &str) {
    if let Some((name, next)) = text.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
        return if name.bytes().all(is_name_byte) { (name, next) } else { ("", text) };
    }
    if digits == Digits::Capture && text.starts_with(|first: char| first.is_ascii_digit()) {
        return text.split_at(1);
    }
    text.split_at(text.bytes().take_while(|byte| is_name_byte(*byte)).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn variable(name: &str, at: usize) -> Piece<'_> {
        Piece::Variable { name, at }
    }

    #[test]
    fn text_and_variables_are_split() {
        let literal = Piece::Literal;
        let found = pieces("http://$Sync$1a", Digits::Capture);
        assert_eq!(found, [literal("http://"), variable("Sync", 7), variable("1", 12), literal("a")]);
        assert_eq!(pieces("$1a", Digits::Name), [variable("1a", 0)]);
        assert_eq!(pieces("${a}_b$", Digits::Capture), [variable("a", 0), literal("_b"), Piece::Dollar { at: 6 }]);
        assert_eq!(pieces("a$-b", Digits::Capture), [literal("a"), Piece::Dollar { at: 1 }, literal("-b")]);
        assert_eq!(pieces("${}é${a-b}", Digits::Name).len(), 4);
        assert!(!has_variables("plain$") && has_variables("$0"));
    }

    proptest! {
        #[test]
        fn pieces_cover_any_text(text in r"([a-z0-9${}é-]|\$\{a\})*") {
            let length: usize = pieces(&text, Digits::Capture).iter().map(|piece| match piece {
                Piece::Literal(literal) => literal.len(),
                Piece::Dollar { .. } => 1,
                Piece::Variable { name, at } => name.len() + 1 + if text[at + 1..].starts_with('{') { 2 } else { 0 },
            }).sum();
            prop_assert_eq!(length, text.len());
        }
    }
}
