//! A web page of Synapse's document: what mdBook makes of `docs/workers.md`, what GitHub shows, or a page saved from a browser.
//!
//! The page becomes the lines of the document again, each with the number of its line in the file: headings with their hashes, names in
//! backquotes, blocks of code as they are. Knows no endpoint; [`super::document`] reads the lines.

/// Whether the text is a web page about worker applications.
pub(super) fn looks_like(text: &str) -> bool {
    let has_heading = ["<h2", "<h3", "<h4", "<H2", "<H3", "<H4"].iter().any(|tag| text.contains(tag));
    has_heading && text.contains("synapse.app.")
}

/// The lines of the document with their numbers, from 1.
pub(super) fn lines(text: &str) -> Vec<(usize, String)> {
    let mut page = Page::default();
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        page.text(before);
        rest = if let Some(comment) = tag.strip_prefix("!--") {
            page.skip(comment, "-->")
        } else if tag.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!') {
            let end = tag.find('>').unwrap_or(tag.len());
            page.tag(&tag[..end]);
            page.newlines(&tag[..end]);
            let after = tag.get(end + 1..).unwrap_or_default();
            match page.skipped.take() {
                Some(element) => page.skip_element(after, element),
                None => after,
            }
        } else {
            page.text("<");
            tag
        };
    }
    page.text(rest);
    page.end_line();
    page.lines
}

#[derive(Default)]
struct Page {
    lines: Vec<(usize, String)>,
    line: String,
    /// Line breaks seen so far.
    number: usize,
    /// In a block of code.
    pre: bool,
    /// The line is a heading.
    heading: bool,
    /// In a block of code of a language: an example.
    example: bool,
    /// The element whose contents are no part of the document.
    skipped: Option<&'static str>,
}

impl Page {
    fn text(&mut self, text: &str) {
        let mut parts = text.split('\n');
        self.line.push_str(&unescaped(parts.next().unwrap_or_default()));
        for part in parts {
            self.end_line();
            self.number += 1;
            self.line.push_str(&unescaped(part));
        }
    }

    fn newlines(&mut self, text: &str) {
        self.number += text.matches('\n').count();
    }

    fn end_line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        // In the text a sign that begins a line is no heading: `#7530` is the number of an issue.
        if !self.pre && !std::mem::take(&mut self.heading) && line.trim_start().starts_with('#') {
            line = line.trim_start().trim_start_matches('#').to_owned();
        }
        if !line.trim().is_empty() {
            self.lines.push((self.number + 1, line));
        }
    }

    /// What follows the end of a comment.
    fn skip<'t>(&mut self, text: &'t str, end: &str) -> &'t str {
        let (skipped, after) = text.split_once(end).unwrap_or((text, ""));
        self.newlines(skipped);
        after
    }

    /// What follows the end of an element.
    fn skip_element<'t>(&mut self, text: &'t str, element: &str) -> &'t str {
        let is_end = |(at, _): &(usize, &str)| text[at + 2..].get(..element.len()).is_some_and(|name| name.eq_ignore_ascii_case(element));
        let end = text.match_indices("</").find(is_end).map_or(text.len(), |(at, _)| at);
        self.newlines(&text[..end]);
        &text[end..]
    }

    fn tag(&mut self, tag: &str) {
        let is_end = tag.starts_with('/');
        let name: String =
            tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        match (name.as_str(), is_end) {
            ("script" | "style" | "head" | "nav" | "template" | "button" | "svg", false) if !tag.ends_with('/') => {
                self.skipped = SKIPPED.into_iter().find(|element| *element == name);
            }
            ("pre", false) => {
                self.end_line();
                self.pre = true;
            }
            ("pre", true) => {
                self.end_line();
                self.pre = false;
                if std::mem::take(&mut self.example) {
                    self.lines.push((self.number + 1, "```".to_owned()));
                }
            }
            ("code", false) if self.pre => {
                let language = tag.split_once("language-").map(|(_, rest)| rest.split(['"', '\'', ' ', '>']).next().unwrap_or_default());
                if let Some(language) = language.filter(|language| !language.is_empty()) {
                    self.example = true;
                    self.lines.push((self.number + 1, format!("```{language}")));
                }
            }
            ("code" | "tt", _) if !self.pre => self.line.push('`'),
            ("h1" | "h2" | "h3" | "h4" | "h5" | "h6", false) => {
                self.end_line();
                let level = name.as_bytes().get(1).map_or(1, |digit| usize::from(digit - b'0'));
                self.line = format!("{} ", "#".repeat(level));
                self.heading = true;
            }
            (
                "p" | "div" | "li" | "ul" | "ol" | "table" | "tr" | "br" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "main" | "section",
                _,
            ) if !self.pre => {
                self.end_line();
            }
            ("br", _) => self.end_line(),
            _ => {}
        }
    }
}

/// The text with its character references replaced: those that pages of this kind have.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let reference = after.split_once(';').filter(|(name, _)| name.len() <= REFERENCE_MAX);
        match reference.and_then(|(name, after)| Some((character(name)?, after))) {
            Some((character, after)) => {
                out.push(character);
                rest = after;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code).map(|c| if c == '\u{a0}' { ' ' } else { c })
        }
    }
}

/// Elements whose contents are no part of the document.
const SKIPPED: [&str; 7] = ["script", "style", "head", "nav", "template", "button", "svg"];
/// `&#x10ffff;` is the longest.
const REFERENCE_MAX: usize = 9;

#[cfg(test)]
mod tests {
    use super::super::{OwnTableKind, detect, read_own_table};
    use super::*;

    /// As mdBook writes it.
    const PAGE: &str = r##"<!DOCTYPE HTML>
<html lang="en"><head><title>Workers - Synapse</title>
<style>h3 { color: red }</style></head>
<body><nav id="sidebar"><ol><li><a href="workers.html">^/_matrix/not/a/row</a></li></ol></nav>
<main>
<h1 id="scaling"><a class="header" href="#scaling">Scaling synapse via workers</a></h1>
<h2 id="available"><a class="header" href="#available">Available worker applications</a></h2>
<h3 id="synapseappgeneric_worker"><a class="header" href="#synapseappgeneric_worker"><code>synapse.app.generic_worker</code></a></h3>
<p>This worker can handle API requests matching the following regular
expressions.</p>
<pre><code># Sync requests
^/_matrix/client/(r0|v3)/sync$

# Client API requests
^/_matrix/client/v1/rooms/.*/(a&lt;b&amp;c)$
</code></pre>
<p>See
<a href="x">#7530</a> and
<a href="y">#9427</a>.</p>
<p>Additionally, the following REST endpoints can be handled for GET requests:</p>
<pre><code># Push rules requests
^/_matrix/client/(api/v1|r0|v3|unstable)/pushrules/
</code></pre>
<pre><code class="language-nginx"># Sync initial/normal
^/_matrix/client/of/an/example$
</code></pre>
<h5 id="the-typing-stream"><a class="header" href="#the-typing-stream">The <code>typing</code> stream</a></h5>
<p>The following endpoints should be routed directly to the worker configured as
the stream writer for the <code>typing</code> stream:</p>
<pre><code>^/_matrix/client/(api/v1|r0|v3|unstable)/rooms/.*/typing
</code></pre>
<h2 id="migration"><a class="header" href="#migration">Migration from old config</a></h2>
<pre><code>^/_matrix/not/a/row/either
</code></pre>
</main><script>var x = "<h3>synapse.app.pusher</h3>";</script></body></html>
"##;

    #[test]
    fn a_page_gives_the_rows_of_the_document_with_the_lines_of_the_file() {
        assert_eq!(detect(PAGE), Some(OwnTableKind::WorkersDocument));
        let table = read_own_table("workers.html", PAGE.as_bytes()).unwrap();
        let rows: Vec<_> = table.rows.iter().map(|row| (row.pattern.as_str(), row.section.as_deref(), row.group.as_str())).collect();
        assert_eq!(
            rows,
            [
                ("^/_matrix/client/(r0|v3)/sync$", Some("Sync requests"), "sync"),
                ("^/_matrix/client/v1/rooms/.*/(a<b&c)$", Some("Client API requests"), "client"),
                ("^/_matrix/client/(api/v1|r0|v3|unstable)/pushrules/", Some("Push rules requests"), "push_rules"),
                ("^/_matrix/client/(api/v1|r0|v3|unstable)/rooms/.*/typing", Some("The typing stream"), "typing"),
            ]
        );
        assert_eq!(table.rows[2].methods, [crate::Method::Get]);
        assert_eq!(table.rows[3].stream.as_deref(), Some("typing"));
        let numbers: Vec<usize> = lines(PAGE).into_iter().filter(|(_, line)| line.starts_with('^')).map(|(number, _)| number).collect();
        assert_eq!(numbers, [12, 15, 22, 25, 30, 33]);
    }

    #[test]
    fn text_that_is_no_page_is_no_page() {
        assert!(!looks_like("### `synapse.app.generic_worker`\n    ^/_matrix/client/versions$\n"));
        for text in ["<", "<h3", "<h3>synapse.app.x</h3><pre>&#xffffffff;&", "<!--", "<script>", "a<b", "<pre><code class=\"language-\">"] {
            let _ = lines(text);
        }
    }
}
