//! Characters that act on an output or that nobody sees.

/// Control characters (C0, DEL, C1), line and paragraph separators, bidirectional marks (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069),
/// zero-width and tag characters, fillers.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The first hidden character that is not in `kept`, and its place. Whole pages are searched, most of which is printable ASCII, so such bytes are
/// passed over without decoding them.
pub fn find(text: &str, kept: &str) -> Option<(usize, char)> {
    let mut from = 0;
    loop {
        let printable = |&byte: &u8| matches!(byte, b' '..=b'~');
        let at = from + text.as_bytes()[from..].iter().position(|byte| !printable(byte))?;
        // A byte that is no printable ASCII begins a character: those before it are whole.
        let c = text[at..].chars().next()?;
        if is_hidden(c) && !kept.contains(c) {
            return Some((at, c));
        }
        from = at + c.len_utf8();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hidden_character_is_found_wherever_it_is() {
        assert_eq!(find("plain ~ text", ""), None);
        assert_eq!(find("", ""), None);
        assert_eq!(find("grün \u{202e}x", ""), Some((6, '\u{202e}')));
        assert_eq!(find("a\nb\tc\rd", "\n\t"), Some((5, '\r')));
        assert_eq!(find("\u{7f}", "\n"), Some((0, '\u{7f}')));
        assert_eq!(find("ö\u{e0001}", ""), Some((2, '\u{e0001}')));
        assert_eq!(find("\n", "\n"), None);
    }
}
