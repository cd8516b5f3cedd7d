//! nginx configuration as text: the grammar, included files, and variables inside values.
//!
//! ```text
//! file ─▶ grammar::parse ─▶ include::read (included files put in place) ─▶ [Directive]
//! "http://$pool$request_uri" ─▶ variables::pieces ─▶ [Piece]
//! ```
//!
//! Knows nothing of what a directive means: `wsim-logs` looks for `log_format`, `wsim-configure` evaluates routing.
//! Invariant: any text ends in directives or an error that names the line, in bounded depth and number of files.

pub mod files;
pub mod grammar;
pub mod include;
pub mod variables;

pub use files::{Among, Disk, Files, NoFiles};
pub use grammar::{Directive, SyntaxError, parse, quoted_strings};
pub use include::{IncludeError, MissingInclude, Tree, read, read_file};
