//! Breaks texts into lines.

use super::escape;

/// The first `most` lines of a text. If some are left out, the text ends with a sentence where one ends late enough, else with a clause, else at a word.
pub(crate) fn first_lines(mut lines: Vec<String>, most: usize, columns: usize) -> Vec<String> {
    if lines.len() <= most {
        return lines;
    }
    lines.truncate(most);
    let kept = lines.join(" ");
    if let Some(end) = last_end(&kept, &[". "]) {
        return wrap(&kept[..=end], columns);
    }
    if let Some(end) = last_end(&kept, &["; ", ", ", ": "]) {
        return first_words(wrap(&kept[..end], columns), columns);
    }
    first_words(lines, columns)
}

/// Where the last sentence or clause of a text ends, at one of these marks outside of brackets; `None` if less than two thirds of the text would be left.
fn last_end(text: &str, marks: &[&str]) -> Option<usize> {
    let text_end = format!("{text} ");
    let is_outside = |at: &usize| text[..*at].matches('(').count() == text[..*at].matches(')').count();
    let ends = marks.iter().flat_map(|mark| text_end.match_indices(mark)).map(|(at, _)| at);
    ends.filter(|at| is_outside(at)).max().filter(|at| at * 3 >= text.len() * 2)
}

/// The lines with `…` at their end, shortened at a word.
fn first_words(mut lines: Vec<String>, columns: usize) -> Vec<String> {
    if let Some(last) = lines.last_mut() {
        let tied = last.replace(" %", TIED_PERCENT);
        let mut words: Vec<&str> = tied.split(' ').collect();
        while words.len() > 1 && escape::columns(&words.join(" ")) + 2 > columns {
            words.pop();
        }
        // A number without what it counts says nothing.
        while words.len() > 1 && words.last().is_some_and(|word| word.ends_with(|c: char| c.is_ascii_digit())) {
            words.pop();
        }
        *last = format!("{} …", words.join(" ").replace(TIED_PERCENT, " %"));
    }
    lines
}

/// Lines of at most `columns`, broken at spaces, or within a word that is longer than a line.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    // A number and its per cent sign stay on one line.
    for word in text.replace(" %", TIED_PERCENT).split(' ') {
        let mut word = word.to_owned();
        let used = lines.last().map_or(0, |line| escape::columns(line));
        if used > 0 && used + 1 + escape::columns(&word) > columns {
            lines.push(String::new());
        }
        while escape::columns(&word) > columns {
            let head = escape::cut(&word, columns + 1).trim_end_matches('…').to_owned();
            if head.is_empty() {
                break;
            }
            word = word[head.len()..].to_owned();
            if let Some(line) = lines.last_mut().filter(|line| line.is_empty()) {
                line.push_str(&head);
            }
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    lines.into_iter().map(|line| line.replace(TIED_PERCENT, " %")).collect()
}

/// A no-break space and the per cent sign.
const TIED_PERCENT: &str = "\u{a0}%";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_whole_where_they_fit() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("below 70 % busy", 9), ["below", "70 % busy"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("a 漢字漢字", 4), ["a", "漢字", "漢字"]);
    }

    #[test]
    fn what_does_not_fit_is_left_out_at_a_word_and_no_number_stands_alone() {
        let text = |most: usize| first_lines(wrap("busy 11 % of a core at 16:53", 11), most, 11);
        assert_eq!(text(1), ["busy 11 % …"]);
        assert_eq!(text(2), ["busy 11 %", "of a core …"]);
        assert_eq!(first_lines(wrap("busy 11 % of it", 10), 1, 10), ["busy …"], "a figure and its unit stay together");
        assert_eq!(text(3), ["busy 11 %", "of a core", "at 16:53"]);
        assert_eq!(first_lines(wrap("up to 7 workers", 9), 1, 9), ["up to …"]);
    }

    #[test]
    fn a_text_that_is_cut_ends_with_a_sentence_or_a_clause() {
        let text = |text: &str| first_lines(wrap(text, 30), 1, 30);
        assert_eq!(text("Most of the CPU is main. The rest is not."), ["Most of the CPU is main."]);
        assert_eq!(text("the main process is busy, perhaps over the limit"), ["the main process is busy …"]);
        assert_eq!(text("the main process (busy, perhaps over the limit)"), ["the main process (busy, …"]);
    }
}
