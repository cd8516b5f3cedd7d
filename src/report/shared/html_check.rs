//! Checks that the pages of all reports must pass.

/// The page without the head and the script, which contain no log text.
pub(crate) fn body(page: &str) -> &str {
    let (_, after) = page.split_once("<body>").unwrap();
    after.split_once("<script>").unwrap().0
}

/// Log text must not become markup, and must not contain control characters.
pub(crate) fn assert_log_text_is_inert(page: &str) {
    let body = body(page);
    assert!(!body.contains("<script") && !body.contains("<img") && !body.contains("<b>"), "markup from a log");
    assert!(!body.contains('\x1b') && !body.contains('\u{202e}') && !body.contains('\0'), "control characters from a log");
}

pub(crate) fn assert_nothing_is_fetched(page: &str) {
    assert!(page.contains("default-src 'none'") || page.contains("default-src &#39;none&#39;"));
    for word in ["src=\"", "href=\"http", "@import", "url(", "<link", "<iframe"] {
        assert!(!page.contains(word), "{word}");
    }
}

pub(crate) fn assert_ids_are_unique(page: &str) {
    let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

/// The texts appear in this order.
pub(crate) fn assert_order(page: &str, texts: &[&str]) {
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing"));
    assert!(texts.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{texts:?}");
}

/// There is one `h1`, and no heading skips a level.
pub(crate) fn assert_headings_are_nested(page: &str) {
    let body = body(page);
    let levels: Vec<u32> = body.match_indices("<h").filter_map(|(at, _)| body[at + 2..].chars().next()?.to_digit(10)).collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
}
