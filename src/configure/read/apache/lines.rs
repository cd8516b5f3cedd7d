//! Apache's configuration files: lines, words, sections, included files, variables and macros.
//!
//! Sources: `server/config.c` and `server/util.c` of httpd (`ap_cfg_getline`, `ap_getword_conf`, `ap_resolve_env`), `mod_macro.c`.
//! Invariant: sections that depend on the running program (`IfModule`, `IfDefine`, `IfVersion`) are resolved here.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::model::{ReadError, SourceLocation};
use wsim_nginx::Files;

/// A directive, or a section with its content.
#[derive(Debug, Clone)]
pub(super) struct Directive {
    /// In lower case.
    pub(super) name: String,
    /// The words without quotes.
    pub(super) arguments: Vec<String>,
    /// The text after the name: mod_rewrite reads its own words.
    pub(super) rest: String,
    /// The content of a section.
    pub(super) block: Option<Vec<Directive>>,
    pub(super) at: SourceLocation,
}

impl Directive {
    pub(super) fn argument(&self, index: usize) -> &str {
        self.arguments.get(index).map_or("", String::as_str)
    }
}

/// The directives of a file and of the files that it includes.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) directives: Vec<Directive>,
    /// Included files that are not there; the directive stays in its place as `include`.
    pub(super) missing: Vec<(String, SourceLocation)>,
    /// The included files.
    pub(super) included: Vec<PathBuf>,
}

/// Reads a file and what it includes.
///
/// # Errors
/// The text is not Apache's configuration, or has too many lines.
pub(super) fn read(path: &Path, text: &str, files: &dyn Files) -> Result<Tree, ReadError> {
    let root = path.parent().unwrap_or(Path::new(""));
    let mut reader = Reader {
        root,
        files,
        open: Vec::new(),
        tree: Tree::default(),
        defined: HashMap::new(),
        macros: HashMap::new(),
        recording: None,
        left: LINES_MAX,
    };
    reader.text(path, text, 0)?;
    if let Some(open) = reader.open.first() {
        return Err(syntax(&open.directive.at, format!("this section is not closed: expected </{}>", open.directive.name)));
    }
    Ok(reader.tree)
}

/// A section that is being read.
struct Open {
    directive: Directive,
    content: Vec<Directive>,
    /// What becomes of the content at the end.
    kind: Section,
}

/// What a section does with its content.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Kept,
    /// A condition that holds: the content stands in its place.
    Inlined,
    /// A condition that does not hold.
    Left,
}

struct Macro {
    parameters: Vec<String>,
    lines: Vec<(String, SourceLocation)>,
}

struct Reader<'r> {
    root: &'r Path,
    files: &'r dyn Files,
    open: Vec<Open>,
    tree: Tree,
    defined: HashMap<String, String>,
    macros: HashMap<String, Macro>,
    recording: Option<(String, Macro)>,
    left: usize,
}

impl Reader<'_> {
    fn text(&mut self, path: &Path, text: &str, depth: usize) -> Result<(), ReadError> {
        let file: Arc<str> = path.to_string_lossy().into();
        let mut joined = String::new();
        let mut first = 0;
        for (index, line) in text.lines().enumerate() {
            if joined.is_empty() {
                first = index + 1;
            }
            if let Some(start) = line.strip_suffix('\\') {
                joined.push_str(start);
                continue;
            }
            joined.push_str(line);
            let whole = std::mem::take(&mut joined);
            self.line(whole.trim(), &SourceLocation::new(&file, first), path, depth)?;
        }
        self.line(joined.trim(), &SourceLocation::new(&file, first), path, depth)
    }

    fn line(&mut self, line: &str, at: &SourceLocation, path: &Path, depth: usize) -> Result<(), ReadError> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        self.left = self.left.checked_sub(1).ok_or_else(|| syntax(at, format!("more than {LINES_MAX} lines with all included files")))?;
        let lower = line.to_ascii_lowercase();
        if let Some((name, found)) = &mut self.recording {
            if lower.starts_with("</macro") {
                let name = std::mem::take(name);
                let Some((_, found)) = self.recording.take() else { return Ok(()) };
                self.macros.insert(name, found);
            } else {
                found.lines.push((line.to_owned(), at.clone()));
            }
            return Ok(());
        }
        let line = self.resolved(line);
        if let Some(name) = line.strip_prefix("</") {
            return self.close(name.trim_end_matches('>').trim(), at);
        }
        if let Some(inner) = line.strip_prefix('<') {
            return self.open(inner.strip_suffix('>').unwrap_or(inner), at);
        }
        let directive = directive(&line, at);
        if self.open.iter().any(|open| open.kind == Section::Left) {
            return Ok(());
        }
        match directive.name.as_str() {
            "define" => {
                self.defined.insert(directive.argument(0).to_owned(), directive.argument(1).to_owned());
            }
            "undefine" => {
                self.defined.remove(directive.argument(0));
            }
            "include" | "includeoptional" => self.include(directive, path, depth)?,
            "use" => self.expand(&directive, path, depth)?,
            _ => self.push(directive),
        }
        Ok(())
    }

    /// The line with the values of defined variables.
    fn resolved(&self, line: &str) -> String {
        if self.defined.is_empty() || !line.contains("${") {
            return line.to_owned();
        }
        let mut out = String::new();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            match after.split_once('}').and_then(|(name, end)| Some((self.defined.get(name)?, end))) {
                Some((value, end)) if out.len() < LINE_MAX => {
                    out.push_str(value);
                    rest = end;
                }
                _ => {
                    out.push_str("${");
                    rest = after;
                }
            }
        }
        out + rest
    }

    fn open(&mut self, inner: &str, at: &SourceLocation) -> Result<(), ReadError> {
        let directive = directive(inner, at);
        if directive.name == "macro" {
            let (name, parameters) = directive
                .arguments
                .split_first()
                .map_or((String::new(), Vec::new()), |(name, rest)| (name.to_ascii_lowercase(), rest.to_vec()));
            self.recording = Some((name, Macro { parameters, lines: Vec::new() }));
            return Ok(());
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(syntax(at, format!("sections are nested more than {DEPTH_MAX} deep")));
        }
        let kind = self.section(&directive);
        self.open.push(Open { directive, content: Vec::new(), kind });
        Ok(())
    }

    fn section(&self, directive: &Directive) -> Section {
        let condition = directive.argument(0);
        let (is_negated, name) = condition.strip_prefix('!').map_or((false, condition), |name| (true, name));
        let holds = match directive.name.as_str() {
            // Modules whose directives are used are there.
            "ifmodule" | "iffile" | "ifdirective" | "ifsection" => !is_negated,
            "ifdefine" => self.defined.contains_key(name) != is_negated,
            "ifversion" => is_version(&directive.arguments),
            _ => return Section::Kept,
        };
        if holds { Section::Inlined } else { Section::Left }
    }

    fn close(&mut self, name: &str, at: &SourceLocation) -> Result<(), ReadError> {
        let Some(open) = self.open.pop() else { return Err(syntax(at, format!("</{}> without its beginning", name.escape_debug()))) };
        if !open.directive.name.eq_ignore_ascii_case(name) {
            return Err(syntax(at, format!("expected </{}>, which begins in line {}", open.directive.name, open.directive.at.line)));
        }
        if self.open.iter().any(|open| open.kind == Section::Left) {
            return Ok(());
        }
        match open.kind {
            Section::Kept => self.push(Directive { block: Some(open.content), ..open.directive }),
            Section::Inlined => open.content.into_iter().for_each(|directive| self.push(directive)),
            Section::Left => {}
        }
        Ok(())
    }

    fn push(&mut self, directive: Directive) {
        match self.open.last_mut() {
            Some(open) => open.content.push(directive),
            None => self.tree.directives.push(directive),
        }
    }

    fn include(&mut self, directive: Directive, path: &Path, depth: usize) -> Result<(), ReadError> {
        let pattern = directive.argument(0);
        let beside = path.parent().unwrap_or(Path::new(""));
        let in_folder = format!("{}/*", pattern.trim_end_matches('/'));
        let mut found = self.files.matching(pattern, &[self.root, beside]);
        if found.is_empty() || pattern.ends_with('/') {
            found = self.files.matching(&in_folder, &[self.root, beside]);
        }
        if found.is_empty() {
            if directive.name == "include" && !pattern.contains(['*', '?', '[']) {
                self.tree.missing.push((pattern.to_owned(), directive.at.clone()));
                self.push(directive);
            }
            return Ok(());
        }
        for path in found {
            if depth >= INCLUDES_DEEP_MAX || self.tree.included.len() >= INCLUDES_MAX {
                return Err(syntax(&directive.at, format!("files include each other, or more than {INCLUDES_MAX} files in all")));
            }
            let text = self.files.read(&path).map_err(|source| ReadError::Open { file: path.display().to_string(), source })?;
            self.tree.included.push(path.clone());
            self.text(&path, &text, depth + 1)?;
        }
        Ok(())
    }

    fn expand(&mut self, directive: &Directive, path: &Path, depth: usize) -> Result<(), ReadError> {
        let name = directive.argument(0).to_ascii_lowercase();
        let Some(found) = self.macros.get(&name) else {
            self.push(directive.clone());
            return Ok(());
        };
        if depth >= INCLUDES_DEEP_MAX {
            return Err(syntax(&directive.at, "macros use each other without end".to_owned()));
        }
        let values = directive.arguments.get(1..).unwrap_or_default();
        // A longer name first, because a shorter one may be its beginning.
        let mut pairs: Vec<(&String, &String)> = found.parameters.iter().zip(values).filter(|(name, _)| !name.is_empty()).collect();
        pairs.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let lines: Vec<(String, SourceLocation)> = found
            .lines
            .iter()
            .map(|(line, at)| {
                (
                    pairs
                        .iter()
                        .fold(line.clone(), |line, (name, value)| if line.len() < LINE_MAX { line.replace(*name, value) } else { line }),
                    at.clone(),
                )
            })
            .collect();
        for (line, at) in lines {
            self.line(&line, &at, path, depth + 1)?;
        }
        Ok(())
    }
}

fn directive(line: &str, at: &SourceLocation) -> Directive {
    let (name, rest) = line.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((line, ""));
    Directive { name: name.to_ascii_lowercase(), arguments: words(rest), rest: rest.trim().to_owned(), block: None, at: at.clone() }
}

/// The words of a line: in quotes, or up to a blank. A backslash hides a backslash, and in quotes a quote.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let quote = Some(first).filter(|first| *first == '"' || *first == '\'');
        let mut word = String::new();
        let mut characters = rest.char_indices().skip(usize::from(quote.is_some())).peekable();
        let mut end = rest.len();
        while let Some((at, c)) = characters.next() {
            let next = characters.peek().map(|(_, next)| *next);
            if c == '\\' && (next == Some('\\') || (quote.is_some() && next == quote)) {
                word.extend(next);
                characters.next();
            } else if quote.map_or(c.is_ascii_whitespace(), |quote| c == quote) {
                end = at + c.len_utf8();
                break;
            } else {
                word.push(c);
            }
        }
        words.push(word);
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    words
}

/// Whether a condition on the version holds for the releases that are in use (2.4).
fn is_version(arguments: &[String]) -> bool {
    let (operator, version) = match arguments {
        [version] => ("=", version),
        [operator, version, ..] => (operator.as_str(), version),
        [] => return true,
    };
    let wanted: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    let own = VERSION.get(..wanted.len().min(VERSION.len())).unwrap_or_default();
    let order = own.cmp(wanted.as_slice());
    let (is_negated, operator) = operator.strip_prefix('!').map_or((false, operator), |operator| (true, operator));
    let holds = match operator {
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        _ => order.is_eq(),
    };
    holds != is_negated
}

fn syntax(at: &SourceLocation, message: String) -> ReadError {
    ReadError::Syntax { at: at.clone(), message }
}

const VERSION: [u32; 3] = [2, 4, 62];
const LINES_MAX: usize = 100_000;
const LINE_MAX: usize = 100_000;
const DEPTH_MAX: usize = 40;
const INCLUDES_MAX: usize = 1000;
const INCLUDES_DEEP_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_nginx::NoFiles;

    #[test]
    fn words_lose_their_quotes() {
        assert_eq!(words(r#"a "b c" 'd "e"' "f\"g" h\\i j\k"#), ["a", "b c", "d \"e\"", "f\"g", "h\\i", "j\\k"]);
        assert_eq!(words("\"open"), ["open"]);
        assert!(words("  ").is_empty());
    }

    #[test]
    fn conditions_variables_and_macros_are_resolved() {
        let text = "Define port 8008\n<IfModule mod_x.c>\nA ${port} ${other}\n</IfModule>\n<IfModule !mod_x.c>\nB\n</IfModule>\n<IfDefine SSL>\nC\n</IfDefine>\n\
                    <IfVersion >= 2.4>\nD \\\n  e\n</IfVersion>\n<Macro Site $name>\n<Location \"/$name\">\nF\n</Location>\n</Macro>\nUse site one\n# G\n";
        let tree = read(Path::new("a.conf"), text, &NoFiles).unwrap();
        let names: Vec<String> = tree.directives.iter().map(|found| format!("{} {}", found.name, found.arguments.join(" "))).collect();
        assert_eq!(names, ["a 8008 ${other}", "d e", "location /one"]);
        assert_eq!((tree.directives[1].at.line, tree.directives[2].block.as_ref().unwrap().len()), (12, 1));
    }

    #[test]
    fn sections_must_be_closed() {
        for text in ["<VirtualHost *>\n", "</VirtualHost>\n", "<Location />\n</VirtualHost>\n"] {
            assert!(read(Path::new("a"), text, &NoFiles).is_err(), "{text:?}");
        }
        let tree = read(Path::new("a"), "Include b.conf\nIncludeOptional c/*.conf\n", &NoFiles).unwrap();
        assert_eq!((tree.missing.len(), tree.directives[0].name.as_str()), (1, "include"));
    }
}
