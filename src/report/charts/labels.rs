//! Places texts so that none overlaps another: measured names and values, ticks of axes, legends.
//!
//! A browser's font is unknown, so the width of a text is an upper bound: that of DejaVu Sans, the widest of the fonts that charts ask for.

use std::borrow::Cow;

use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};
use unicode_width::UnicodeWidthChar as _;

use super::canvas::{self, Area, Drawn, INK, LEFT, RIGHT, WIDTH};

/// Upper bound of the width of a text, pixels.
#[expect(clippy::cast_possible_truncation, reason = "texts are cut to hundreds of characters before")]
pub(super) fn width(text: &str, size: u32) -> i32 {
    (text.chars().map(ems).sum::<f64>() * f64::from(size)).ceil() as i32
}

/// Width of a character of DejaVu Sans, in ems, rounded up.
fn ems(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '\'' => 0.29,
        ' ' | '\u{a0}' | '.' | ',' | ':' | ';' | '·' | '|' | 'I' | '/' | '!' | '\\' => 0.34,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '-' => 0.42,
        'm' | 'M' | 'W' | '%' | '@' | '…' => 1.0,
        'w' | '&' | '#' | '^' | '→' | '×' | '<' | '>' | '=' | '+' | '≈' | '~' | 'C' | 'D' | 'G' | 'H' | 'N' | 'O' | 'Q' | 'U' => 0.84,
        '_' | '–' => 0.5,
        'a'..='z' | '0'..='9' => 0.64,
        'A'..='Z' => 0.72,
        _ if c.is_ascii() => 0.64,
        _ => 0.8 * c.width().unwrap_or(1).max(1) as f64,
    }
}

/// A text that takes at most `pixels`, with `…` in place of what is cut.
pub(super) fn fitted(text: &str, size: u32, pixels: i32) -> Cow<'_, str> {
    if width(text, size) <= pixels {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if width(&kept, size) + width("…", size) > pixels {
            kept.pop();
            break;
        }
    }
    Cow::Owned(format!("{}…", kept.trim_end()))
}

/// A round number of an axis in few characters: `2,500`, `20k`, `5M`.
pub(super) fn compact(value: f64) -> String {
    let parts = [(1e9, "G"), (1e6, "M"), (1e4, "k")];
    match parts.into_iter().find(|(from, _)| value.abs() >= *from * 0.999) {
        Some((_, "k")) => format!("{}k", wsim_text::tick(value / 1e3)),
        Some((from, unit)) => format!("{}{unit}", wsim_text::tick(value / from)),
        None => wsim_text::tick(value),
    }
}

/// Writes a name at the left and its value at the right end of a line of text whose middle is at `y`.
pub(super) fn name_and_value(area: &Area<'_>, y: i32, name: &str, value: &str) -> Drawn {
    let value = fitted(value, VALUE_SIZE, (RIGHT - LEFT) * 2 / 3);
    let room = RIGHT - LEFT - width(&value, VALUE_SIZE) - GAP;
    let name = fitted(name, NAME_SIZE, room);
    // Lines of a grid would run through the letters.
    let (above, below) = (y - LINE_HEIGHT / 2, y + LINE_HEIGHT / 2);
    canvas::clear(area, (LEFT, above), (LEFT + width(&name, NAME_SIZE), below))?;
    canvas::clear(area, (RIGHT - width(&value, VALUE_SIZE), above), (RIGHT, below))?;
    canvas::text(area, &name, (LEFT, y), NAME_SIZE, (HPos::Left, VPos::Center), 1.0)?;
    canvas::text(area, &value, (RIGHT, y), VALUE_SIZE, (HPos::Right, VPos::Center), 0.85)
}

/// Writes the ticks of a horizontal axis, centred at their pixels, with `y` as the top of the texts. A tick that would meet one before it is left out.
pub(super) fn ticks_along(area: &Area<'_>, ticks: &[(i32, String)], y: i32) -> Drawn {
    let mut free = 0;
    for (x, label) in ticks {
        let wide = width(label, TICK_SIZE);
        let start = (x - wide / 2).clamp(1, (WIDTH - wide - 1).max(1));
        if start < free {
            continue;
        }
        free = start + wide + GAP / 2;
        canvas::text(area, label, (start, y), TICK_SIZE, (HPos::Left, VPos::Top), 0.75)?;
    }
    Ok(())
}

/// Writes the ticks of a vertical axis, which end at `x`. A tick that would meet one before it is left out.
pub(super) fn ticks_beside(area: &Area<'_>, ticks: &[(i32, String)], x: i32) -> Drawn {
    let mut taken: Vec<i32> = Vec::new();
    for (y, label) in ticks {
        if taken.iter().any(|other| (other - y).abs() < LINE_HEIGHT) {
            continue;
        }
        taken.push(*y);
        canvas::text(area, &fitted(label, TICK_SIZE, x - 1), (x, *y), TICK_SIZE, (HPos::Right, VPos::Center), 0.75)?;
    }
    Ok(())
}

/// The sign of an entry of a legend.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sign {
    /// A filled square.
    Square(RGBColor, f64),
    /// A dot.
    Dot(RGBColor),
    /// An upright mark.
    Upright(RGBColor),
    /// A dashed upright line.
    Dashed,
    /// An open triangle.
    Triangle,
}

/// A legend that flows from left to right, in as many lines as it needs.
pub(super) struct Legend {
    /// Position of each entry relative to the top of the legend.
    entries: Vec<(i32, i32, Sign, String)>,
    pub(super) height: i32,
}

impl Legend {
    pub(super) fn new(entries: impl IntoIterator<Item = (Sign, String)>) -> Self {
        let (mut x, mut y) = (LEFT, 0);
        let mut placed = Vec::new();
        for (sign, label) in entries {
            let label = fitted(&label, LEGEND_SIZE, RIGHT - LEFT - SIGN_WIDTH).into_owned();
            let wide = SIGN_WIDTH + width(&label, LEGEND_SIZE);
            if x > LEFT && x + wide > RIGHT {
                (x, y) = (LEFT, y + LEGEND_LINE);
            }
            placed.push((x, y, sign, label));
            x += wide + 2 * GAP;
        }
        let height = if placed.is_empty() { 0 } else { y + LEGEND_LINE };
        Self { entries: placed, height }
    }

    pub(super) fn draw(&self, area: &Area<'_>, top: i32) -> Drawn {
        use plotters::element::{Circle, Polygon};
        use plotters::style::Color as _;
        for (x, y, sign, label) in &self.entries {
            let (x, middle) = (*x, top + y + LEGEND_LINE / 2);
            match sign {
                Sign::Square(colour, alpha) => canvas::bar(area, (x, middle - 5), (x + 11, middle + 5), *colour, *alpha)?,
                Sign::Dot(colour) => area.draw(&Circle::new((x + 6, middle), 4, colour.filled()))?,
                Sign::Upright(colour) => canvas::bar(area, (x + 4, middle - 6), (x + 7, middle + 6), *colour, 1.0)?,
                Sign::Dashed => canvas::dashes(area, (x + 6, middle - 7), (x + 6, middle + 7), 0.8)?,
                Sign::Triangle => area.draw(&Polygon::new(triangle((x + 6, middle)), INK.mix(0.6).filled()))?,
            }
            canvas::text(area, label, (x + SIGN_WIDTH, middle), LEGEND_SIZE, (HPos::Left, VPos::Center), 0.9)?;
        }
        Ok(())
    }
}

/// The corners of a small triangle that points upwards.
pub(super) fn triangle((x, y): (i32, i32)) -> Vec<(i32, i32)> {
    vec![(x, y - 5), (x + 5, y + 4), (x - 5, y + 4)]
}

pub(super) const NAME_SIZE: u32 = 12;
const VALUE_SIZE: u32 = 11;
pub(super) const TICK_SIZE: u32 = 11;
const LEGEND_SIZE: u32 = 11;
/// Height of a line of ticks.
pub(super) const LINE_HEIGHT: i32 = 15;
const LEGEND_LINE: i32 = 18;
const SIGN_WIDTH: i32 = 16;
const GAP: i32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_text_is_cut_to_its_room(text in ".*", pixels in 20_i32..400, size in 9_u32..20) {
            proptest::prop_assert!(width(&fitted(&text, size, pixels), size) <= pixels);
        }
    }

    #[test]
    fn round_numbers_take_few_characters() {
        let texts = [0.25, 2_500.0, 20_000.0, 5e6, 4e10].map(compact);
        assert_eq!(texts, ["0.25", "2,500", "20k", "5M", "40G"]);
    }

    #[test]
    fn a_legend_needs_more_lines_for_more_names() {
        let legend = |count: usize| Legend::new((0..count).map(|index| (Sign::Dot(INK), format!("a name of some length {index}"))));
        assert_eq!((legend(0).height, legend(1).height), (0, LEGEND_LINE));
        assert!(legend(6).height >= 3 * LEGEND_LINE);
        assert!(legend(40).entries.iter().all(|(x, _, _, label)| x + SIGN_WIDTH + width(label, LEGEND_SIZE) <= RIGHT));
    }
}
