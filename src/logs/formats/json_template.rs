//! A format whose lines are JSON objects, given as text with fields in it: which member holds which field.

use super::pattern::Piece;
use super::variable::{Unit, Variable};

/// The members of a JSON format: key (nested keys joined by a dot) and meaning. Members without a meaning are left out.
///
/// # Errors
/// Why the format is not a JSON object.
pub(super) fn fields(pieces: &[Piece]) -> Result<Vec<(String, Variable)>, String> {
    let mut template = String::new();
    let (mut inside, mut escaped) = (false, false);
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Literal(text) => {
                let text = String::from_utf8_lossy(text);
                for character in text.chars() {
                    inside ^= character == '"' && !escaped;
                    escaped = character == '\\' && !escaped;
                }
                template.push_str(&text);
            }
            Piece::Field(..) if inside => template.push_str(&format!("{MARK}{index}{MARK}")),
            Piece::Field(..) => template.push_str(&format!("\"{MARK}{index}{MARK}\"")),
        }
    }
    let json: serde_json::Value =
        serde_json::from_str(&template).map_err(|error| format!("the format begins like JSON, but is none: {error}"))?;
    let mut fields = Vec::new();
    collect(&json, String::new(), pieces, &mut fields);
    Ok(fields)
}

/// Whether a format's lines are JSON objects.
pub(super) fn is_json(pieces: &[Piece]) -> bool {
    matches!(pieces.first(), Some(Piece::Literal(text)) if text.trim_ascii_start().starts_with(b"{"))
}

fn collect(json: &serde_json::Value, key: String, pieces: &[Piece], fields: &mut Vec<(String, Variable)>) {
    match json {
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                collect(member, key, pieces, fields);
            }
        }
        serde_json::Value::String(text) => {
            fields.extend(meaning(text, pieces).filter(|variable| !variable.is_ignored()).map(|variable| (key, variable)));
        }
        _ => {}
    }
}

/// The meaning of a member's text: one field, a request line or an upstream made of several, or a number with its unit behind it.
fn meaning(text: &str, pieces: &[Piece]) -> Option<Variable> {
    let mut variables = Vec::new();
    let mut between = String::new();
    for (index, part) in text.split(MARK).enumerate() {
        if index % 2 == 0 {
            between.push_str(part);
            between.push(MARK);
        } else if let Some(Piece::Field(variable, _)) = pieces.get(part.parse::<usize>().ok()?) {
            variables.push(*variable);
        }
    }
    let between: Vec<&str> = between.trim_end_matches(MARK).split(MARK).collect();
    match (variables.as_slice(), between.as_slice()) {
        ([variable], [] | [""] | ["", ""]) => Some(*variable),
        ([Variable::Wall(unit)], ["", suffix]) if suffix.trim() == short(*unit) => Some(Variable::Wall(Unit::Written)),
        ([Variable::UpstreamTime(unit)], ["", suffix]) if suffix.trim() == short(*unit) => Some(Variable::UpstreamTime(Unit::Written)),
        ([Variable::Method, Variable::Target | Variable::Path, ..], ["", " ", ..]) => Some(Variable::RequestLine),
        ([Variable::Backend, Variable::Server], ["", "/", ..]) => Some(Variable::UpstreamAddress),
        ([Variable::Address, Variable::IgnoredWord], ["", ":", ..]) => Some(Variable::Peer),
        ([Variable::Site, target @ (Variable::Target | Variable::Path)], ["", ..]) => Some(*target),
        _ => None,
    }
}

fn short(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds | Unit::SecondsMillis => "s",
        Unit::Millis => "ms",
        Unit::Micros => "us",
        Unit::Nanos => "ns",
        Unit::Written | Unit::SecondsOrMillis => "",
    }
}

/// Stands for a field in the template; no format contains this character of a private use area.
const MARK: char = '\u{e000}';

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &str) -> Piece {
        Piece::Literal(text.as_bytes().to_vec())
    }

    #[test]
    fn members_get_the_meanings_of_their_fields() {
        let field = |variable| Piece::Field(variable, 0);
        let pieces = [
            piece(r#"{"st":"#),
            field(Variable::Status),
            piece(r#","req":{"line":""#),
            field(Variable::Method),
            piece(" "),
            field(Variable::Target),
            piece(" "),
            field(Variable::IgnoredWord),
            piece(r#"","up":""#),
            field(Variable::Backend),
            piece("/"),
            field(Variable::Server),
            piece(r#""},"ms":""#),
            field(Variable::Wall(Unit::Millis)),
            piece(r#"ms","x":""#),
            field(Variable::IgnoredWord),
            piece(r#""}"#),
        ];
        let mut found = fields(&pieces).unwrap();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        assert_eq!(
            found,
            [
                ("ms".to_owned(), Variable::Wall(Unit::Written)),
                ("req.line".to_owned(), Variable::RequestLine),
                ("req.up".to_owned(), Variable::UpstreamAddress),
                ("st".to_owned(), Variable::Status),
            ]
        );
    }

    #[test]
    fn what_is_no_json_says_so() {
        assert!(is_json(&[piece(" {")]) && !is_json(&[piece("[")]) && !is_json(&[]));
        assert!(fields(&[piece(r#"{hp:"x"}"#)]).unwrap_err().starts_with("the format begins like JSON"));
    }
}
