//! Directives with their places; what a file includes stands in the include's place.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::super::files::Files;
use super::super::model::{Note, Place, ReadError};
use wsim_logs::formats::nginx_config::{self, ConfigError};

/// One directive.
#[derive(Debug, Clone)]
pub(super) struct Directive {
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    pub(super) block: Option<Vec<Directive>>,
    pub(super) place: Place,
}

impl Directive {
    /// An argument; empty where there is none.
    pub(super) fn argument(&self, index: usize) -> &str {
        self.arguments.get(index).map_or("", String::as_str)
    }
}

/// The directives of a file and of all it includes; included files that are not there become notes.
pub(super) fn read(path: &Path, text: &str, files: &dyn Files, notes: &mut Vec<Note>) -> Result<Vec<Directive>, ReadError> {
    let root = path.parent().unwrap_or(Path::new("")).to_owned();
    Reader { root: &root, files, notes, count: 0, depth: 0 }.file(path, text)
}

/// The files that directives come from.
pub(super) fn files(directives: &[Directive]) -> BTreeSet<Arc<str>> {
    let mut found = BTreeSet::new();
    let mut rest: Vec<&Directive> = directives.iter().collect();
    while let Some(directive) = rest.pop() {
        found.insert(Arc::clone(&directive.place.file));
        rest.extend(directive.block.as_deref().unwrap_or_default());
    }
    found
}

struct Reader<'r> {
    root: &'r Path,
    files: &'r dyn Files,
    notes: &'r mut Vec<Note>,
    count: usize,
    depth: usize,
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, text: &str) -> Result<Vec<Directive>, ReadError> {
        let name: Arc<str> = path.to_string_lossy().into();
        let directives = nginx_config::parse(path, text).map_err(|error| match error {
            ConfigError::Syntax { line, expected, .. } => {
                ReadError::Syntax { place: Place::new(&name, line), message: format!("expected {expected}") }
            }
            other => ReadError::Syntax { place: Place::new(&name, 0), message: other.to_string() },
        })?;
        self.placed(directives, path, &name)
    }

    fn placed(&mut self, directives: Vec<nginx_config::Directive>, path: &Path, name: &Arc<str>) -> Result<Vec<Directive>, ReadError> {
        let mut whole = Vec::with_capacity(directives.len());
        for directive in directives {
            let place = Place::new(name, directive.line);
            if let ("include", [pattern]) = (directive.name.as_str(), directive.arguments.as_slice()) {
                whole.append(&mut self.included(pattern, path, &place)?);
                continue;
            }
            let block = directive.block.map(|block| self.placed(block, path, name)).transpose()?;
            whole.push(Directive { name: directive.name, arguments: directive.arguments, block, place });
        }
        Ok(whole)
    }

    fn included(&mut self, pattern: &str, path: &Path, place: &Place) -> Result<Vec<Directive>, ReadError> {
        let beside = path.parent().unwrap_or(Path::new(""));
        let found = self.files.matching(pattern, &[self.root, beside]);
        if found.is_empty() && !pattern.contains('*') && !pattern.ends_with("mime.types") {
            self.notes.push(Note { place: place.clone(), text: format!("included file {} is not there", pattern.escape_debug()) });
        }
        let mut whole = Vec::new();
        for file in found {
            self.count += 1;
            if self.count > INCLUDES_MAX || self.depth >= NESTING_MAX {
                return Err(ReadError::Syntax { place: place.clone(), message: "files include each other, or too many files".to_owned() });
            }
            let text = self.files.read(&file).map_err(|source| ReadError::Open { file: file.display().to_string(), source })?;
            self.depth += 1;
            whole.append(&mut self.file(&file, &text)?);
            self.depth -= 1;
        }
        Ok(whole)
    }
}

const INCLUDES_MAX: usize = 1000;
const NESTING_MAX: usize = 16;
