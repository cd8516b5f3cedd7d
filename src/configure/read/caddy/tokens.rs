//! The Caddyfile's grammar: words, blocks, snippets, imports.
//!
//! Source: Caddy's `caddyconfig/caddyfile/lexer.go`, `parse.go`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::super::model::{ReadError, SourceLocation};

use wsim_nginx::Files;

/// A line of words, optionally with a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) words: Vec<String>,
    pub(super) block: Option<Vec<Segment>>,
    pub(super) at: SourceLocation,
}

impl Segment {
    /// A word by its index; empty if there are fewer words.
    pub(super) fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", String::as_str)
    }

    /// The inner segments.
    pub(super) fn inner(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
    /// The line in which it ends: a quoted text may have several.
    last_line: usize,
    quoted: bool,
}

/// Reads a file: site blocks and global options, with snippets and imports expanded.
pub(super) fn read(path: &Path, file: &Arc<str>, text: &str, files: &dyn Files) -> Result<Vec<Segment>, ReadError> {
    let mut reader = Reader { files, snippets: HashMap::new(), budget: SEGMENTS_MAX };
    let segments = parse(file, text)?;
    let mut whole = reader.expand(segments, path, 0)?;
    // A single site without braces: the first line is the address, the others are directives.
    let braced = whole.iter().any(|segment| segment.block.is_some() && !is_directive(segment.word(0)));
    // The address stands in the Caddyfile itself: the first line of an imported file that is no configuration must not become a name.
    let is_site = |first: &Segment| !is_directive(first.word(0)) && first.at.file == *file;
    if !braced && whole.first().is_some_and(is_site) && whole.len() > 1 {
        let mut first = whole.remove(0);
        first.block = Some(whole);
        whole = vec![first];
    }
    Ok(whole)
}

/// Segments that were not read from a Caddyfile, with snippets and imports expanded.
pub(super) fn expanded(segments: Vec<Segment>, path: &Path, files: &dyn Files) -> Result<Vec<Segment>, ReadError> {
    Reader { files, snippets: HashMap::new(), budget: SEGMENTS_MAX }.expand(segments, path, 0)
}

/// The words of a text, without line ends.
pub(super) fn words(text: &str) -> Vec<String> {
    tokens(text).into_iter().map(|token| token.text).collect()
}

fn is_directive(word: &str) -> bool {
    ["reverse_proxy", "handle", "handle_path", "route", "respond", "redir", "file_server"].contains(&word) || word.starts_with('@')
}

struct Reader<'r> {
    files: &'r dyn Files,
    snippets: HashMap<String, Vec<Segment>>,
    budget: usize,
}

impl Reader<'_> {
    fn expand(&mut self, segments: Vec<Segment>, path: &Path, depth: usize) -> Result<Vec<Segment>, ReadError> {
        let mut whole = Vec::new();
        for mut segment in segments {
            self.budget = self.budget.saturating_sub(1);
            if self.budget == 0 || depth > IMPORTS_MAX {
                return Err(ReadError::Syntax {
                    at: segment.at,
                    message: format!("expected at most {SEGMENTS_MAX} lines with all imports, and no imports that refer to each other"),
                });
            }
            let name = segment.word(0).to_owned();
            if let Some(snippet) = name.strip_prefix('(').and_then(|name| name.strip_suffix(')')) {
                self.snippets.insert(snippet.to_owned(), segment.block.unwrap_or_default());
                continue;
            }
            if name == "import" {
                whole.append(&mut self.imported(&segment, path, depth)?);
                continue;
            }
            segment.block = segment.block.map(|block| self.expand(block, path, depth + 1)).transpose()?;
            whole.push(segment);
        }
        Ok(whole)
    }

    fn imported(&mut self, segment: &Segment, path: &Path, depth: usize) -> Result<Vec<Segment>, ReadError> {
        if let Some(snippet) = self.snippets.get(segment.word(1)) {
            let arguments = segment.words.get(2..).unwrap_or_default();
            // Arguments of arguments may double at every import.
            if arguments.iter().map(String::len).sum::<usize>() > ARGUMENTS_MAX {
                let message = format!("expected arguments of at most {ARGUMENTS_MAX} bytes in all");
                return Err(ReadError::Syntax { at: segment.at.clone(), message });
            }
            let filled = snippet.iter().map(|inner| filled(inner, arguments, 0)).collect();
            return self.expand(filled, path, depth + 1);
        }
        let beside = path.parent().unwrap_or(Path::new(""));
        let mut whole = Vec::new();
        for file in self.files.matching(segment.word(1), &[beside]) {
            let text = self.files.read(&file).map_err(|source| ReadError::Open { file: file.display().to_string(), source })?;
            let name: Arc<str> = file.to_string_lossy().into();
            whole.append(&mut self.expand(parse(&name, &text)?, &file, depth + 1)?);
        }
        Ok(whole)
    }
}

/// A snippet with its arguments (`{args[0]}`) replaced.
fn filled(segment: &Segment, arguments: &[String], depth: usize) -> Segment {
    let fill = |word: &String| {
        let mut word = word.clone();
        for (index, argument) in arguments.iter().enumerate() {
            word = word.replace(&format!("{{args[{index}]}}"), argument).replace(&format!("{{args.{index}}}"), argument);
        }
        word
    };
    Segment {
        words: segment.words.iter().map(fill).collect(),
        block: segment
            .block
            .as_ref()
            .filter(|_| depth < DEPTH_MAX)
            .map(|block| block.iter().map(|inner| filled(inner, arguments, depth + 1)).collect()),
        at: segment.at.clone(),
    }
}

/// Reads a text without following imports.
fn parse(file: &Arc<str>, text: &str) -> Result<Vec<Segment>, ReadError> {
    let tokens = tokens(text);
    if tokens.len() > TOKENS_MAX {
        return Err(ReadError::Syntax { at: SourceLocation::new(file, 0), message: format!("expected at most {TOKENS_MAX} words") });
    }
    let mut index = 0;
    let segments = block(file, &tokens, &mut index, 0)?;
    match tokens.get(index) {
        None => Ok(segments),
        Some(token) => {
            Err(ReadError::Syntax { at: SourceLocation::new(file, token.line), message: "expected no closing brace here".to_owned() })
        }
    }
}

fn block(file: &Arc<str>, tokens: &[Token], index: &mut usize, depth: usize) -> Result<Vec<Segment>, ReadError> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut line = 0;
    while let Some(token) = tokens.get(*index) {
        let at = SourceLocation::new(file, token.line);
        match (token.text.as_str(), token.quoted) {
            ("}", false) => return Ok(segments),
            ("{", false) => {
                *index += 1;
                if depth >= DEPTH_MAX {
                    return Err(ReadError::Syntax { at, message: "expected fewer blocks inside each other".to_owned() });
                }
                let inner = block(file, tokens, index, depth + 1)?;
                if tokens.get(*index).is_none() {
                    return Err(ReadError::Syntax { at, message: "expected a closing brace for this one".to_owned() });
                }
                *index += 1;
                match segments.last_mut() {
                    Some(last) if line == token.line && last.block.is_none() => last.block = Some(inner),
                    _ => segments.push(Segment { words: Vec::new(), block: Some(inner), at }),
                }
                line = 0;
            }
            (word, _) => {
                // After a comma the list of addresses continues on the next line.
                let goes_on = depth == 0 && segments.last().and_then(|last| last.words.last()).is_some_and(|word| word.ends_with(','));
                match segments.last_mut() {
                    Some(last) if (line == token.line || goes_on) && last.block.is_none() => last.words.push(word.to_owned()),
                    _ => segments.push(Segment { words: vec![word.to_owned()], block: None, at }),
                }
                line = token.last_line;
                *index += 1;
            }
        }
    }
    Ok(segments)
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut word, mut line, mut start) = (String::new(), 1, 1);
    let (mut quote, mut quoted) = (None, false);
    // Lines that go on in the next one are one line until it ends.
    let mut continued = 0;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next().filter(|_| tokens.len() <= TOKENS_MAX) {
        let newline = character == '\n';
        match (character, quote) {
            ('\\', Some('"')) => match characters.next() {
                Some('"') => word.push('"'),
                Some(next) => word.extend(['\\', next]),
                None => {}
            },
            (_, Some(open)) if character == open => quote = None,
            (_, Some(_)) => word.push(character),
            ('"' | '`', None) if word.is_empty() => {
                (quote, quoted, start) = (Some(character), true, line);
            }
            ('#', None) if word.is_empty() && !quoted => while characters.next_if(|next| *next != '\n').is_some() {},
            ('\\', None) if characters.peek() == Some(&'\n') => {
                characters.next();
                continued += 1;
            }
            ('\n', None) if !quoted && heredoc_marker(&word).is_some() => {
                let (text, lines) = heredoc(&mut characters, heredoc_marker(&word).unwrap_or_default());
                line += lines;
                tokens.push(Token { text, line: start, last_line: line + 1, quoted: true });
                word.clear();
            }
            (_, None) if character.is_whitespace() => {
                if !word.is_empty() || quoted {
                    tokens.push(Token { text: std::mem::take(&mut word), line: start, last_line: line, quoted });
                }
                quoted = false;
            }
            (_, None) => {
                if word.is_empty() && !quoted {
                    start = line;
                }
                word.push(character);
            }
        }
        if newline {
            line += 1 + std::mem::take(&mut continued);
        }
    }
    if !word.is_empty() || quoted {
        tokens.push(Token { text: word, line: start, last_line: line, quoted });
    }
    tokens
}

/// The marker of a text over several lines: `<<MARKER` at the end of a line.
fn heredoc_marker(word: &str) -> Option<&str> {
    let marker = word.strip_prefix("<<").filter(|marker| !marker.is_empty())?;
    marker.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-').then_some(marker)
}

/// The text up to a line that begins with the marker, and the number of its lines. What follows the marker belongs to the directive.
fn heredoc(characters: &mut std::iter::Peekable<std::str::Chars<'_>>, marker: &str) -> (String, usize) {
    let (mut text, mut current, mut lines) = (String::new(), String::new(), 0);
    for character in characters.by_ref() {
        if character == '\n' {
            text.push_str(&current);
            text.push('\n');
            current.clear();
            lines += 1;
            continue;
        }
        current.push(character);
        if current.trim_start() == marker {
            break;
        }
    }
    (text, lines)
}

const DEPTH_MAX: usize = 32;
const IMPORTS_MAX: usize = 64;
const SEGMENTS_MAX: usize = 100_000;
const TOKENS_MAX: usize = 400_000;
const ARGUMENTS_MAX: usize = 20_000;
