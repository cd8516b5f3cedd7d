//! The grammar of nginx configuration files: words, quotes, comments, blocks.
//!
//! Knows nothing of included files. Source: `ngx_conf_read_token` in nginx's `src/core/ngx_conf_file.c`.

use std::path::Path;
use std::sync::Arc;

use nom::IResult;
use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::take_while1;
use nom::character::complete::{anychar, char, multispace0};
use nom::combinator::{map, recognize, value};
use nom::multi::{many0_count, many1};
use nom::sequence::{delimited, preceded};

/// One directive: `listen 443 ssl;` or `server { … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// The first word.
    pub name: String,
    /// The other words, without their quotes and the quotes' backslashes.
    pub arguments: Vec<String>,
    /// The directives in braces; `None` if the directive ends with `;`.
    pub block: Option<Vec<Directive>>,
    /// The file as it was named or included.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: usize,
    /// The line of its `;` or closing brace.
    pub last_line: usize,
}

impl Directive {
    /// An argument by its index; empty where the directive has fewer.
    pub fn argument(&self, index: usize) -> &str {
        self.arguments.get(index).map_or("", String::as_str)
    }
}

/// Text that is not nginx configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: expected {expected}")]
pub struct SyntaxError {
    /// The file as it was named or included.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: usize,
    /// Completes "expected …".
    pub expected: &'static str,
}

/// Parses one configuration text. An `include` stays a directive like any other.
///
/// # Errors
/// The text breaks the grammar, or blocks are nested more than 32 deep.
pub fn parse(path: &Path, text: &str) -> Result<Vec<Directive>, SyntaxError> {
    let mut directives_left = DIRECTIVES_MAX;
    parse_at_most(path, text, &mut directives_left)
}

/// Parses a text of at most so many directives; takes those that it has from the number.
pub(super) fn parse_at_most(path: &Path, text: &str, directives_left: &mut usize) -> Result<Vec<Directive>, SyntaxError> {
    let mut reader = Reader { file: path.to_string_lossy().into(), text, at: 0, counted: (0, 1), left: *directives_left };
    let directives = reader.block(0)?;
    *directives_left = reader.left;
    Ok(directives)
}

/// The quoted strings at the beginning of a text, and the text after them; `None` if it begins with anything else.
pub fn quoted_strings(text: &str) -> Option<(Vec<String>, &str)> {
    let strings: IResult<&str, Vec<String>> = many1(preceded(multispace0, quoted)).parse(text);
    strings.ok().map(|(rest, strings)| (strings, rest))
}

/// How a directive ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Semicolon,
    Block,
}

struct Reader<'t> {
    file: Arc<str>,
    text: &'t str,
    /// Offset of the next byte to read.
    at: usize,
    /// An offset before it, and the line there: lines are counted once.
    counted: (usize, usize),
    /// How many more directives there may be.
    left: usize,
}

impl Reader<'_> {
    /// Directives up to the closing brace, or up to the end of the file at depth 0.
    fn block(&mut self, depth: usize) -> Result<Vec<Directive>, SyntaxError> {
        if depth > DEPTH_MAX {
            return Err(self.error("fewer blocks inside each other"));
        }
        let mut directives = Vec::new();
        loop {
            self.skip_space();
            let rest = &self.text[self.at..];
            match (rest.chars().next(), depth) {
                (None, 0) => return Ok(directives),
                (None, _) => return Err(self.error("a closing brace `}` before the end of the file")),
                (Some('}'), 0) => return Err(self.error("no closing brace here")),
                (Some('}'), _) => {
                    self.at += 1;
                    return Ok(directives);
                }
                _ => directives.push(self.directive(depth)?),
            }
        }
    }

    fn directive(&mut self, depth: usize) -> Result<Directive, SyntaxError> {
        let line = self.line();
        self.left = self.left.checked_sub(1).ok_or_else(|| self.error(TOO_MANY))?;
        self.counted = (self.at, line);
        let mut words = Vec::new();
        let ending = loop {
            self.skip_space();
            match self.text.as_bytes().get(self.at) {
                None => return Err(self.error("`;` or `{` after the words of a directive")),
                Some(sign @ (b';' | b'{')) => {
                    if words.is_empty() {
                        return Err(self.error("the name of a directive"));
                    }
                    self.at += 1;
                    break if *sign == b';' { Ending::Semicolon } else { Ending::Block };
                }
                // A brace closes a block only where a directive could begin. Within a word any brace is a character of the word.
                Some(b'}') => return Err(self.error("`;` or `{` after the words of a directive")),
                Some(_) => words.push(self.word()?),
            }
        };
        let mut words = words.into_iter();
        let name = words.next().unwrap_or_default();
        let block = match ending {
            Ending::Semicolon => None,
            Ending::Block if name.ends_with("_by_lua_block") => {
                self.skip_lua()?;
                Some(Vec::new())
            }
            Ending::Block => Some(self.block(depth + 1)?),
        };
        let last_line = self.line();
        self.counted = (self.at, last_line);
        Ok(Directive { name, arguments: words.collect(), block, file: Arc::clone(&self.file), line, last_line })
    }

    /// The word at the current offset, which is no space, sign or comment.
    fn word(&mut self) -> Result<String, SyntaxError> {
        let (text, end) = match self.text.as_bytes().get(self.at) {
            Some(quote @ (b'"' | b'\'')) => {
                let inner = &self.text[self.at + 1..];
                let Some(length) = quoted_length(inner, *quote) else { return Err(self.error("a closing quote")) };
                let end = self.at + 1 + length + 1;
                if !matches!(self.text.as_bytes().get(end), None | Some(b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' | b')')) {
                    self.at = end;
                    return Err(self.error("a space, `;` or `{` after a closing quote"));
                }
                (&inner[..length], end)
            }
            _ => {
                let rest = &self.text[self.at..];
                let length = bare_length(rest);
                (&rest[..length], self.at + length)
            }
        };
        self.at = end;
        Ok(unescaped(text))
    }

    /// Skips a Lua program up to the brace that closes its block. Braces in strings and comments do not count.
    fn skip_lua(&mut self) -> Result<(), SyntaxError> {
        let bytes = self.text.as_bytes();
        let mut open = 1usize;
        let mut at = self.at;
        while let Some(byte) = bytes.get(at) {
            let rest = bytes.get(at..).unwrap_or_default();
            let skipped = match byte {
                b'-' if rest.starts_with(b"--[[") => end_of(rest, b"]]"),
                b'-' if rest.starts_with(b"--") => end_of(rest, b"\n"),
                b'[' if rest.starts_with(b"[[") => end_of(rest, b"]]"),
                b'"' | b'\'' => lua_string_length(rest),
                b'{' => {
                    open += 1;
                    1
                }
                b'}' => {
                    open -= 1;
                    1
                }
                _ => 1,
            };
            at += skipped;
            if open == 0 {
                self.at = at;
                return Ok(());
            }
        }
        Err(self.error("a closing brace `}` before the end of the file"))
    }

    /// Skips white space and comments.
    fn skip_space(&mut self) {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'#' => self.at += end_of(&bytes[self.at..], b"\n"),
                _ => return,
            }
        }
    }

    fn line(&self) -> usize {
        let (from, line) = self.counted;
        self.text.as_bytes()[from..self.at].iter().filter(|byte| **byte == b'\n').count() + line
    }

    fn error(&self, expected: &'static str) -> SyntaxError {
        SyntaxError { file: Arc::clone(&self.file), line: self.line(), expected }
    }
}

/// The length of a bare word: up to white space, `;` or `{`, where a backslash takes the next character with it and `${` belongs to a
/// variable. `}`, `#` and quotes within a word are its characters.
fn bare_length(text: &str) -> usize {
    let (mut escaped, mut variable) = (false, false);
    for (at, character) in text.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match character {
            '{' if variable => continue,
            '\\' => escaped = true,
            '$' => {
                variable = true;
                continue;
            }
            ' ' | '\t' | '\r' | '\n' | ';' | '{' => return at,
            _ => {}
        }
        variable = false;
    }
    text.len()
}

/// The length of a text up to its closing quote; `None` without one.
fn quoted_length(text: &str, quote: u8) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// The length of a Lua string with its quotes; it ends with its line at the latest.
fn lua_string_length(bytes: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'\n' => return at,
            _ if bytes.first() == Some(byte) => return at + 1,
            _ => {}
        }
    }
    bytes.len().max(1)
}

/// The number of bytes up to the end of a sign, or all of them.
fn end_of(bytes: &[u8], sign: &[u8]) -> usize {
    bytes.windows(sign.len()).position(|window| window == sign).map_or(bytes.len(), |at| at + sign.len())
}

fn quoted(text: &str) -> IResult<&str, String> {
    let body = |quote: char| {
        move |text| {
            let escape = value((), (char('\\'), anychar));
            let plain = value((), take_while1(move |c| c != quote && c != '\\'));
            recognize(many0_count(alt((escape, plain)))).parse(text)
        }
    };
    let single = delimited(char('\''), body('\''), char('\''));
    let double = delimited(char('"'), body('"'), char('"'));
    map(alt((single, double)), unescaped).parse(text)
}

/// `\"`, `\'` and `\\` lose the backslash, `\t`, `\r` and `\n` become control characters, other backslashes stay.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some(quote @ ('"' | '\'' | '\\')) => plain.push(quote),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some('n') => plain.push('\n'),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
    }
    plain
}

const DEPTH_MAX: usize = 32;
/// With all included files. A server for a thousand names has some ten thousand.
pub(super) const DIRECTIVES_MAX: usize = 100_000;
const TOO_MANY: &str = "at most 100,000 directives, included files counted: name the file with the server for Matrix instead";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn errors_name_the_line() {
        for (text, line) in [("http {\n a b\n}", 3), ("http {\n\n", 3), ("\n}", 2), ("a \"b", 1)] {
            assert_eq!(parse(Path::new("nginx.conf"), text).unwrap_err().line, line, "{text:?}");
        }
    }

    #[test]
    fn many_directives_are_read_in_time_and_too_many_are_an_error() {
        let text = "a b;\n".repeat(DIRECTIVES_MAX + 1);
        let error = parse(Path::new("x"), &text).unwrap_err();
        assert_eq!(error.line, DIRECTIVES_MAX + 1);
        assert!(error.to_string().contains("at most 100,000 directives"), "{error}");
        let directives = parse(Path::new("x"), &text[5..]).unwrap();
        assert_eq!(directives[DIRECTIVES_MAX - 1].line, DIRECTIVES_MAX);
    }

    #[test]
    fn words_lose_their_backslashes_as_in_nginx() {
        let words = |text: &str| parse(Path::new("x"), text).unwrap().remove(0).arguments;
        // ngx_conf_read_token copies `\\`, `\"` and `\'` without their backslash and turns `\t`, `\r`, `\n` into control characters, in bare
        // words, too.
        assert_eq!(words(r"location ~* ^(\\/_matrix|\\/_synapse) { }"), ["~*", r"^(\/_matrix|\/_synapse)"]);
        assert_eq!(words(r#"a \"b\" c\'d e\ f g\.h \d+ x\ty;"#), ["\"b\"", "c'd", r"e\ f", r"g\.h", r"\d+", "x\ty"]);
    }

    #[test]
    fn a_closing_brace_within_a_word_is_a_character() {
        let words = |text: &str| parse(Path::new("x"), text).unwrap().remove(0).arguments;
        assert_eq!(words("location ~ ^/rooms/[^}]+/aliases$ { a; }"), ["~", "^/rooms/[^}]+/aliases$"]);
        assert_eq!(words("set $a ${b}}c#d${e};"), ["$a", "${b}}c#d${e}"]);
        assert_eq!(words("if ($a ~ \"x{2}\") { b; }"), ["($a", "~", "x{2}", ")"]);
        let error = |text: &str| parse(Path::new("x"), text).unwrap_err().to_string();
        assert!(error("a { b }").contains("expected `;` or `{`"), "{}", error("a { b }"));
        assert!(error("a \"b\"c;").contains("after a closing quote"));
        assert!(error(";").contains("the name of a directive"));
    }

    #[test]
    fn braces_in_strings_and_comments_of_a_program_do_not_close_it() {
        let text = "content_by_lua_block {\n local a = \"}\" -- }\n local b = [[ } ]] --[[ } ]] c = '\\'}'\n}\ng;";
        let directives = parse(Path::new("x"), text).unwrap();
        assert_eq!((directives.len(), directives[1].line), (2, 5));
    }

    #[test]
    fn quotes_comments_and_programs_keep_their_braces() {
        let text = "a 'x;{' \"b\\\"c\" ${e}_f; # no } here\ncontent_by_lua_block { if a { b } -- ;\n}\ng;";
        let directives = parse(Path::new("x"), text).unwrap();
        assert_eq!(directives[0].arguments, ["x;{", "b\"c", "${e}_f"]);
        assert_eq!((directives[2].name.as_str(), directives[2].line), ("g", 4));
        assert_eq!(quoted_strings(" 'a' \"b\" ;"), Some((vec!["a".to_owned(), "b".to_owned()], " ;")));
        assert_eq!(quoted_strings("a 'b'"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_rejected(text in r#"([a-z $;{}'"\\#\n]|\$\{)*"#) {
            let _ = parse(Path::new("x"), &text);
        }

        #[test]
        fn blocks_nested_too_deep_are_rejected(depth in 30usize..4000) {
            prop_assert_eq!(parse(Path::new("x"), &("a {".repeat(depth) + &"}".repeat(depth))).is_ok(), depth <= 32);
        }
    }
}
