//! One report model, many forms: terminal, HTML, Markdown, JSON, CSV, charts.
//!
//! Knows nothing of where numbers came from. Every piece of log text is escaped here.
