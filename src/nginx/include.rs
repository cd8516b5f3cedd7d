//! A configuration with the files it includes: every `include` is replaced by the directives of the files it matches.
//!
//! Relative patterns are relative to the main file's folder, as in nginx; where nothing matches there, to the folder of the
//! including file. An `include` of a file that does not exist stays a directive in its place, because that file could have said anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{Disk, Files};
use super::grammar::{DIRECTIVES_MAX, Directive, SyntaxError, parse_at_most};

/// A configuration with its included files in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    pub directives: Vec<Directive>,
    /// Included files that do not exist: the configuration was copied without them.
    pub missing: Vec<MissingInclude>,
    /// Patterns with `*` that match no file, which nginx allows.
    pub unmatched: Vec<MissingInclude>,
}

/// An `include` of a file that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingInclude {
    /// The argument of the directive.
    pub pattern: String,
    /// The including file.
    pub file: Arc<str>,
    /// The line of the directive, counted from 1.
    pub line: usize,
}

/// Why a configuration cannot be read with its included files.
#[derive(Debug, thiserror::Error)]
pub enum IncludeError {
    /// The main file or an included file cannot be opened.
    #[error("{path}: {source}", path = path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// Files include each other without end; names the directive at which reading stopped.
    #[error("{file}:{line}: files include each other, or more than {INCLUDES_MAX} files or 16 MB in all")]
    TooMany { file: Arc<str>, line: usize },
}

/// Reads a configuration file and the files it includes from disk.
///
/// # Errors
/// A file cannot be opened or breaks the grammar, or files include each other.
pub fn read_file(path: &Path) -> Result<Tree, IncludeError> {
    let text = Disk.read(path).map_err(|source| IncludeError::Read { path: path.to_owned(), source })?;
    read(path, &text, &Disk)
}

/// Reads the text of a configuration file, and the files it includes from `files`.
///
/// # Errors
/// A file cannot be opened or breaks the grammar, or files include each other.
pub fn read(path: &Path, text: &str, files: &dyn Files) -> Result<Tree, IncludeError> {
    let root = path.parent().unwrap_or(Path::new(""));
    let mut includer = Includer {
        root,
        files,
        missing: Vec::new(),
        unmatched: Vec::new(),
        count: 0,
        nesting: 0,
        directives_left: DIRECTIVES_MAX,
        bytes: 0,
    };
    let directives = includer.file(path, text)?;
    Ok(Tree { directives, missing: includer.missing, unmatched: includer.unmatched })
}

struct Includer<'i> {
    /// The main file's folder.
    root: &'i Path,
    files: &'i dyn Files,
    missing: Vec<MissingInclude>,
    unmatched: Vec<MissingInclude>,
    /// Included files so far.
    count: usize,
    nesting: usize,
    directives_left: usize,
    /// Included text so far.
    bytes: usize,
}

impl Includer<'_> {
    fn file(&mut self, path: &Path, text: &str) -> Result<Vec<Directive>, IncludeError> {
        let directives = parse_at_most(path, text, &mut self.directives_left)?;
        self.resolve(directives, path)
    }

    fn resolve(&mut self, directives: Vec<Directive>, path: &Path) -> Result<Vec<Directive>, IncludeError> {
        let mut resolved = Vec::with_capacity(directives.len());
        for mut directive in directives {
            if let ("include", [pattern]) = (directive.name.as_str(), directive.arguments.as_slice()) {
                resolved.append(&mut self.include(pattern, &directive, path)?);
                continue;
            }
            directive.block = directive.block.map(|block| self.resolve(block, path)).transpose()?;
            resolved.push(directive);
        }
        Ok(resolved)
    }

    fn include(&mut self, pattern: &str, directive: &Directive, path: &Path) -> Result<Vec<Directive>, IncludeError> {
        let (file, line) = (Arc::clone(&directive.file), directive.line);
        let beside = path.parent().unwrap_or(Path::new(""));
        let matching = self.files.matching(pattern, &[self.root, beside]);
        if matching.is_empty() {
            let include = MissingInclude { pattern: pattern.to_owned(), file: Arc::clone(&file), line };
            if pattern.contains(['*', '?', '[']) {
                self.unmatched.push(include);
                return Ok(Vec::new());
            }
            self.missing.push(include);
            return Ok(vec![directive.clone()]);
        }
        let mut included = Vec::new();
        for path in matching {
            self.count += 1;
            if self.count > INCLUDES_MAX || self.nesting >= NESTING_MAX {
                return Err(IncludeError::TooMany { file, line });
            }
            let text = self.files.read(&path).map_err(|source| IncludeError::Read { path: path.clone(), source })?;
            self.bytes += text.len();
            if self.bytes > BYTES_MAX {
                return Err(IncludeError::TooMany { file, line });
            }
            self.nesting += 1;
            included.append(&mut self.file(&path, &text)?);
            self.nesting -= 1;
        }
        Ok(included)
    }
}

const INCLUDES_MAX: usize = 1000;
const BYTES_MAX: usize = 16_000_000;
const NESTING_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::super::files::Among;
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn included_directives_take_the_place_of_the_include_and_keep_their_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let main = write(folder.path(), "nginx.conf", "include mime.types; http { include conf.d/*.conf; include none/*; } z;");
        write(folder.path(), "conf.d/b.conf", "\nb; include inner.inc;");
        write(folder.path(), "conf.d/a.conf", "a;");
        write(folder.path(), "conf.d/inner.inc", "c;");
        let tree = read_file(&main).unwrap();
        let [mime, http, z] = tree.directives.as_slice() else { panic!("{tree:?}") };
        assert_eq!((mime.name.as_str(), mime.argument(0), tree.unmatched[0].pattern.as_str()), ("include", "mime.types", "none/*"));
        let inner = http.block.as_deref().unwrap();
        assert_eq!(inner.iter().map(|directive| directive.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(inner[1].file.ends_with("conf.d/b.conf") && inner[1].line == 2 && z.file.ends_with("nginx.conf"));
        assert_eq!((tree.missing.len(), tree.missing[0].pattern.as_str(), tree.missing[0].line), (1, "mime.types", 1));
    }

    #[test]
    fn an_absolute_include_of_a_copied_configuration_is_found_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let main = write(folder.path(), "nginx.conf", "include /nonexistent/sites/*.conf;");
        write(folder.path(), "nonexistent/sites/a.conf", "a;");
        assert_eq!(read_file(&main).unwrap().directives[0].name, "a");
    }

    #[test]
    fn an_include_is_found_among_the_given_files_by_the_end_of_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let main =
            write(folder.path(), "a/site.conf", "include /nonexistent/snippets/locations.conf; include /nonexistent/sites-enabled/*.conf;");
        let given = [
            write(folder.path(), "b/locations.conf", "one;"),
            write(folder.path(), "c/sites-enabled/x.conf", "two;"),
            write(folder.path(), "c/sites-available/y.conf", "three;"),
        ];
        let read = |given: &[PathBuf]| read(&main, &std::fs::read_to_string(&main).unwrap(), &Among::new(given)).unwrap();
        let names = |tree: &Tree| tree.directives.iter().map(|directive| directive.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&read(&given)), ["one", "two"]);
        assert_eq!(names(&read(&[])), ["include"]);
        // Of several files of one name, the one whose folders fit best is meant.
        let better = write(folder.path(), "d/snippets/locations.conf", "four;");
        assert_eq!(names(&read(&[given[0].clone(), better])), ["four"]);
    }

    #[test]
    fn files_that_include_themselves_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let main = write(folder.path(), "nginx.conf", "\ninclude nginx.conf;");
        assert!(matches!(read_file(&main), Err(IncludeError::TooMany { line: 2, .. })));
        assert!(read_file(Path::new("/nonexistent/nginx.conf")).unwrap_err().to_string().starts_with("/nonexistent/nginx.conf: "));
    }
}
