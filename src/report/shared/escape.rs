//! Makes text from a log harmless for each format of output. All log text that is printed passes through this file.
//!
//! Decides which characters may appear in a page, a Markdown file, a spreadsheet, a terminal or a chart; knows nothing of the
//! meaning of a text. Invariant: after [`visible`] a text contains no control characters, no bidirectional or invisible marks and
//! no line breaks. They are shown as Rust escapes (`\u{202e}`), so that two different names never look the same.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use wsim_text::hidden;

/// Escapes characters that act on the output or are invisible: control characters (C0, DEL, C1), line and paragraph separators, bidirectional marks
/// (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069), zero-width and tag characters.
pub fn visible(text: &str) -> Cow<'_, str> {
    replaced(text, "", |c, out| out.extend(c.escape_default()))
}

/// A finished page, chart or other document: as [`visible`], but line feeds and tabs stay. The last step of writing one, for texts that no
/// other function of this file has seen, such as the names of plans.
pub fn document(text: &str) -> Cow<'_, str> {
    replaced(text, "\n\t", |c, out| out.extend(c.escape_default()))
}

/// The text with each hidden character as `escape` writes it, but those in `kept` as they are.
fn replaced<'t>(text: &'t str, kept: &str, escape: fn(char, &mut String)) -> Cow<'t, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((at, c)) = hidden::find(rest, kept) {
        out.push_str(&rest[..at]);
        escape(c, &mut out);
        rest = &rest[at + c.len_utf8()..];
    }
    if rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// An error for a terminal. It may quote files and arguments. Further lines are indented, so that no quoted text looks like a message of wsim.
pub fn message(text: &str) -> String {
    document(text.trim_end()).replace('\t', "\\t").replace('\n', "\n  ")
}

/// Cuts `text` to at most `columns` terminal columns, with `…` in place of the rest. Wide characters take two columns.
pub fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    // No text has more columns than bytes, so the common case needs no look-up of widths.
    if text.len() <= columns {
        return Cow::Borrowed(text);
    }
    let mut used = 0;
    let mut fits = 0;
    for (at, c) in text.char_indices() {
        let wide = c.width().unwrap_or(0);
        if used + wide > columns {
            return Cow::Owned(format!("{}…", &text[..fits]));
        }
        used += wide;
        if used < columns {
            fits = at + c.len_utf8();
        }
    }
    Cow::Borrowed(text)
}

/// A path of at most `columns` columns: its beginning and its end, which tell where it is and what, with `…` between them.
pub fn path(path: &str, columns: usize) -> String {
    let shown = visible(bounded(path));
    if self::columns(&shown) <= columns {
        return shown.into_owned();
    }
    let (head, tail) = (columns.saturating_sub(1) / 3, columns.saturating_sub(1) - columns.saturating_sub(1) / 3);
    let start: String = shown.chars().scan(0, |used, c| fits(used, c, head)).collect();
    let end: Vec<char> = shown.chars().rev().scan(0, |used, c| fits(used, c, tail)).collect();
    format!("{start}…{}", end.into_iter().rev().collect::<String>())
}

/// The character, as long as what was used with it is at most `columns`.
fn fits(used: &mut usize, c: char, columns: usize) -> Option<char> {
    *used += c.width().unwrap_or(0);
    (*used <= columns).then_some(c)
}

/// Number of terminal columns that `text` takes.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// Log text for a terminal: visible and at most `columns` wide.
pub fn terminal(text: &str, columns: usize) -> String {
    cut(&visible(bounded(text)), columns).into_owned()
}

/// Log text for a page or a chart: visible and at most `columns` wide. Markup characters remain to be escaped, by askama or by
/// [`xml`].
pub fn page(text: &str, columns: usize) -> String {
    terminal(text, columns)
}

/// Escapes the markup characters of HTML and XML, for text and for quoted attributes.
pub fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// Escapes a sentence that may quote a log, for Markdown prose and table cells: no part of the result is markup, a link or an image.
pub fn markdown(text: &str) -> String {
    let text = visible(text);
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text.chars().peekable();
    let mut start = true;
    let mut before = ' ';
    while let Some(c) = rest.next() {
        // Issue trackers turn `www.` and `scheme://` into links.
        let link = (c == ':' && rest.peek() == Some(&'/'))
            || (c == '.' && out.len() >= 3 && out[out.floor_char_boundary(out.len() - 3)..].eq_ignore_ascii_case("www"));
        let next = rest.peek().copied().unwrap_or(' ');
        let markup = match c {
            '\\' | '`' | '*' | '[' | ']' | '>' | '|' | '#' | '~' | '!' | '&' | '$' => true,
            // An underscore within a word is not markup, and a tag starts with a letter or one of `/!?`.
            '_' => !(before.is_alphanumeric() && next.is_alphanumeric()),
            '<' => !(next == ' ' || next.is_ascii_digit()),
            _ => false,
        };
        let opens_a_list = start && matches!(c, '-' | '+' | '=');
        if link || markup || opens_a_list {
            out.push('\\');
        }
        out.push(c);
        start = start && c == ' ';
        before = c;
    }
    out
}

/// A name from a log as a Markdown code span, also for a table cell (`|` is escaped as GitHub's and GitLab's tables require).
pub fn markdown_code(text: &str, columns: usize) -> String {
    let text = terminal(text, columns);
    if text.is_empty() {
        return "–".to_owned();
    }
    let longest_run = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest_run + 1);
    let pad = if longest_run > 0 { " " } else { "" };
    format!("{fence}{pad}{}{pad}{fence}", text.replace('|', "\\|"))
}

/// A text field of a CSV file (RFC 4180 quoting). A field that a spreadsheet would treat as a formula gets a leading
/// apostrophe (OWASP, "CSV Injection": `=`, `+`, `-`, `@`, tab, carriage return, and their full-width forms).
pub fn csv(text: &str) -> String {
    let text = visible(text);
    let formula = text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '|', '%']);
    let prefix = if formula { "'" } else { "" };
    if formula || text.contains([',', '"', ';', '\'']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{prefix}{}\"", text.replace('"', "\"\""))
    } else {
        text.into_owned()
    }
}

/// Escapes the characters that [`visible`] escapes as `\uXXXX`, which every JSON reader decodes to the same text (RFC 8259,
/// section 7). `text` is valid JSON, so such characters occur in its strings only, except line feeds, which stay.
pub fn json(text: &str) -> String {
    let escape = |c: char, out: &mut String| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    };
    replaced(text, "\n", escape).into_owned()
}

/// Cuts a very long text before it is examined character by character.
fn bounded(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_BYTES)]
}

/// Bytes of a text that are examined. Matrix user and room identifiers have at most 255 bytes.
const LONGEST_BYTES: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_text::hidden::is_hidden;

    /// Texts that attackers put into user agents, paths and names.
    fn hostile() -> Vec<String> {
        vec![
            "<script>alert(1)</script>".to_owned(),
            "\"><svg onload=alert(1)>".to_owned(),
            "\x1b[2J\x1b]0;owned\x07".to_owned(),
            "\u{9b}31m".to_owned(),
            "abc\u{202e}txt.exe".to_owned(),
            "a|b`c``d\n# heading\r\n".to_owned(),
            "![x](https://evil.example/p.png)".to_owned(),
            "=cmd|' /C calc'!A0".to_owned(),
            "x".repeat(70_000),
            "漢字".repeat(9_000),
            "\0\u{feff}\u{2066}".to_owned(),
        ]
    }

    #[test]
    fn nothing_hidden_survives() {
        for text in hostile() {
            for out in [terminal(&text, 60), page(&text, 60), markdown(&text), markdown_code(&text, 60), csv(&text)] {
                assert!(!out.chars().any(is_hidden), "{out:?}");
            }
        }
    }

    #[test]
    fn a_long_name_is_cut_to_its_columns() {
        assert_eq!(terminal(&"x".repeat(70_000), 10), "xxxxxxxxx…");
        assert_eq!(terminal("漢字漢字漢字", 7), "漢字漢…");
        assert_eq!(terminal("漢字", 4), "漢字");
        assert_eq!(terminal("abcdef", 6), "abcdef");
        assert_eq!(cut("äöüß", 3), "äö…");
        for text in hostile() {
            assert!(columns(&terminal(&text, 40)) <= 40);
        }
    }

    #[test]
    fn escape_sequences_are_shown() {
        assert_eq!(visible("\x1b[31mred"), "\\u{1b}[31mred");
        assert_eq!(visible("a\u{202e}b\n"), "a\\u{202e}b\\n");
        assert!(matches!(visible("@alice:example.org"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_document_and_a_message_keep_their_lines_and_nothing_else_that_is_hidden() {
        for text in hostile() {
            for out in [document(&text).into_owned(), message(&text)] {
                assert!(!out.chars().any(|c| is_hidden(c) && c != '\n'), "{out:?}");
            }
        }
        assert_eq!(document("<p>\n\t\u{1b}[31mred\r\n"), "<p>\n\t\\u{1b}[31mred\\r\n");
        assert_eq!(message("bad: a\tb\nerror: forged\u{1b}[2J\n"), "bad: a\\tb\n  error: forged\\u{1b}[2J");
    }

    #[test]
    fn markup_is_inert_in_xml() {
        assert_eq!(xml("<a href='x'>&\"</a>"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt;");
    }

    #[test]
    fn markdown_prose_holds_no_markup() {
        assert_eq!(markdown("<b>|`x`"), "\\<b\\>\\|\\`x\\`");
        assert_eq!(markdown("![x](https://e/)"), "\\!\\[x\\](https\\://e/)");
        assert_eq!(markdown("- item"), "\\- item");
        assert_eq!(markdown("busy < 70 %, <0.1, to_device, _x_"), "busy < 70 %, <0.1, to_device, \\_x\\_");
        assert_eq!(markdown("see www.evil.example"), "see www\\.evil.example");
    }

    #[test]
    fn a_code_span_holds_backticks_and_pipes() {
        assert_eq!(markdown_code("plain", 20), "`plain`");
        assert_eq!(markdown_code("a`b``c|d", 20), "``` a`b``c\\|d ```");
        assert_eq!(markdown_code("", 20), "–");
    }

    #[test]
    fn json_keeps_its_meaning_and_hides_nothing() {
        let value = serde_json::json!({ "name": "a\u{9b}b\u{202e}c\u{e0041}\u{1b}[31m" });
        let text = json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| c != '\n' && is_hidden(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_formula_is_a_text_in_a_spreadsheet() {
        assert_eq!(csv("=cmd()"), "\"'=cmd()\"");
        assert_eq!(csv("@alice:example.org"), "\"'@alice:example.org\"");
        assert_eq!(csv("  +1"), "\"'  +1\"");
        assert_eq!(csv("say \"hi\", bob"), "\"say \"\"hi\"\", bob\"");
        assert_eq!(csv("sync"), "sync");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_made_safe(text in ".*", wide in 1_usize..80) {
            let out = terminal(&text, wide);
            proptest::prop_assert!(columns(&out) <= wide);
            proptest::prop_assert!(!out.chars().any(is_hidden));
        }
    }
}
