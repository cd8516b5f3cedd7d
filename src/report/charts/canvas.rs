//! What all charts use: colours, text, lines, hover values, text alternatives.
//!
//! plotters draws, and this file completes its output. All charts have the same narrow width, so that two of them fit side by side into a page and
//! one fits a phone without scrolling. Texts are placed by [`super::labels`], which measures them.

use std::fmt::Write as _;

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle};

use crate::shared::escape;

/// The drawing area, in pixels.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Result of drawing.
pub(super) type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Colour of text and lines; [`minify_svg`] replaces it by `currentColor`.
pub(super) const INK: RGBColor = RGBColor(1, 2, 3);
/// Colour of the paper; [`minify_svg`] makes it that of the page.
const PAPER: RGBColor = RGBColor(254, 253, 252);
/// Main series.
pub(super) const BLUE: RGBColor = RGBColor(0x44, 0x77, 0xaa);
/// Second series, and values over a limit.
pub(super) const RED: RGBColor = RGBColor(0xee, 0x66, 0x77);
/// Everything without a colour of its own.
pub(super) const GREY: RGBColor = RGBColor(0xa0, 0xa0, 0xa0);
/// Series in the order of their size (Paul Tol's "bright" scheme).
pub(super) const SERIES: [RGBColor; 6] =
    [BLUE, RED, RGBColor(0x22, 0x88, 0x33), RGBColor(0xcc, 0xbb, 0x44), RGBColor(0x66, 0xcc, 0xee), RGBColor(0xaa, 0x33, 0x77)];

/// Texts of a chart for readers who cannot see it.
pub(super) struct ChartText<'a> {
    /// Unique in a page.
    pub(super) name: &'a str,
    pub(super) title: &'a str,
    /// The main numbers, in a sentence or two.
    pub(super) summary: String,
}

/// Values that are shown when the pointer is over a part of the chart.
#[derive(Default)]
pub(super) struct HoverValues(String);

impl HoverValues {
    /// Shows `text` over the rectangle from `(left, top)` to `(right, bottom)`.
    pub(super) fn add(&mut self, (left, top): (i32, i32), (right, bottom): (i32, i32), text: &str) {
        let (width, height) = ((right - left).max(1), (bottom - top).max(1));
        let _infallible =
            writeln!(self.0, r#"<rect x="{left}" y="{top}" width="{width}" height="{height}"><title>{}</title></rect>"#, escape::xml(text));
    }
}

/// Draws an SVG of `height` pixels and the width of all charts with `paint`.
pub(super) fn svg(chart_text: &ChartText<'_>, height: i32, paint: impl FnOnce(&Area<'_>, &mut HoverValues) -> Drawn) -> String {
    let (width, height) = (WIDTH.unsigned_abs(), height.max(20).unsigned_abs());
    let mut drawn = String::new();
    let mut hovers = HoverValues::default();
    let result = {
        let area = SVGBackend::with_string(&mut drawn, (width, height)).into_drawing_area();
        paint(&area, &mut hovers).and_then(|()| area.present())
    };
    let body = match result {
        Ok(()) => drawn.split_once('>').map_or("", |(_, rest)| rest).trim_end().trim_end_matches("</svg>"),
        // Writing to a string does not fail; if it did, the report would still be useful without the chart.
        Err(_) => r##"<text x="20" y="40" fill="#010203">This chart could not be drawn.</text>"##,
    };
    let ChartText { name, title, summary } = chart_text;
    let (title, summary) = (escape::xml(title), escape::xml(&escape::visible(summary)));
    let chart = format!(
        r##"<svg class="chart" width="{width}" height="{height}" viewBox="0 0 {width} {height}" color="#1b2733" font-family="{FONTS}" role="img" aria-labelledby="{name}-title {name}-desc" xmlns="http://www.w3.org/2000/svg">
<title id="{name}-title">{title}</title>
<desc id="{name}-desc">{summary}</desc>
<rect class="paper" width="{width}" height="{height}" fill="#ffffff"/>
{}<g class="values" fill="transparent" stroke="none" pointer-events="all">
{}</g>
</svg>
"##,
        minify_svg(body),
        hovers.0
    );
    // Texts that are drawn, such as the names of plans, come from files.
    escape::document(&chart).into_owned()
}

/// Draws a text at a point.
pub(super) fn text(area: &Area<'_>, content: &str, at: (i32, i32), size: u32, (h, v): (HPos, VPos), alpha: f64) -> Drawn {
    // The backend writes sizes divided by 1.24.
    let style = ("sans-serif", f64::from(size) * 1.24).into_font().color(&INK.mix(alpha)).pos(Pos::new(h, v));
    area.draw(&Text::new(content.to_owned(), at, style))
}

/// Draws a filled rectangle between two corners.
pub(super) fn bar(area: &Area<'_>, from: (i32, i32), to: (i32, i32), colour: RGBColor, alpha: f64) -> Drawn {
    area.draw(&Rectangle::new([from, to], colour.mix(alpha).filled()))
}

/// Hides what is drawn between two corners, so that a text there can be read.
pub(super) fn clear(area: &Area<'_>, from: (i32, i32), to: (i32, i32)) -> Drawn {
    bar(area, from, to, PAPER, 1.0)
}

/// Draws a line between two points.
pub(super) fn line(area: &Area<'_>, from: (i32, i32), to: (i32, i32), colour: RGBColor, alpha: f64, wide: u32) -> Drawn {
    area.draw(&PathElement::new(vec![from, to], ShapeStyle { color: colour.mix(alpha), filled: false, stroke_width: wide }))
}

/// Draws a dashed line between two points, horizontal or vertical.
pub(super) fn dashes(area: &Area<'_>, from: (i32, i32), to: (i32, i32), alpha: f64) -> Drawn {
    let (dx, dy) = ((to.0 - from.0).signum(), (to.1 - from.1).signum());
    let length = (to.0 - from.0).abs().max((to.1 - from.1).abs());
    for start in (0..length).step_by(7) {
        let end = (start + 4).min(length);
        line(area, (from.0 + dx * start, from.1 + dy * start), (from.0 + dx * end, from.1 + dy * end), INK, alpha, 1)?;
    }
    Ok(())
}

/// Draws one sentence in place of a chart for which there is no data.
pub(super) fn sentence(area: &Area<'_>, content: &str) -> Drawn {
    text(area, content, (LEFT, 30), 12, (HPos::Left, VPos::Top), 0.8)
}

/// Round numbers from 0 to at least `max`, four to six of them.
pub(super) fn ticks(max: f64) -> Vec<f64> {
    if !max.is_finite() || max <= 0.0 {
        return vec![0.0, 1.0];
    }
    let size = 10_f64.powf((max / 4.0).log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|factor| factor * size).find(|step| max / step <= 5.0).unwrap_or(size * 10.0);
    let mut ticks = vec![0.0];
    while ticks.last().is_some_and(|&last| last < max * 0.999) && ticks.len() < 12 {
        ticks.push(ticks.len() as f64 * step);
    }
    ticks
}

/// The pixel at a share of the way from `from` to `to`.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the chart")]
pub(super) fn interpolate(from: i32, to: i32, share: f64) -> i32 {
    if !share.is_finite() {
        return if share > 0.0 { to } else { from };
    }
    from + (f64::from(to - from) * share.clamp(0.0, 1.0)).round() as i32
}

/// The number if it is known and positive, else 0.
pub(super) fn known(value: Option<f64>) -> f64 {
    value.filter(|value| value.is_finite() && *value > 0.0).unwrap_or(0.0)
}

/// Makes plotters' output smaller and lets it inherit the colour and font of the page.
fn minify_svg(body: &str) -> String {
    body.replace("#010203", "currentColor")
        .replace("fill=\"#FEFDFC\"", "class=\"clear\" fill=\"#ffffff\"")
        .replace(" font-family=\"sans-serif\"", "")
        .replace(" opacity=\"1\"", "")
        .replace(" stroke=\"none\"", "")
        .replace(" stroke-width=\"1\"", "")
        .replace(" \"/>", "\"/>")
}

/// Width of every chart, and the first and last pixel of its content.
pub(super) const WIDTH: i32 = 440;
pub(super) const LEFT: i32 = 8;
pub(super) const RIGHT: i32 = 432;

const FONTS: &str = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_the_largest_value() {
        for max in [0.003, 0.7, 1.0, 3.2, 42.0, 99.0, 12_345.0] {
            let ticks = ticks(max);
            assert!((3..=7).contains(&ticks.len()), "{max}: {ticks:?}");
            assert!(ticks.last().is_some_and(|&last| last >= max * 0.999), "{max}: {ticks:?}");
        }
        assert_eq!(ticks(0.7), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8]);
        assert_eq!(ticks(f64::NAN), [0.0, 1.0]);
    }

    #[test]
    fn pixels_stay_in_the_chart() {
        assert_eq!(interpolate(10, 110, 0.5), 60);
        assert_eq!(interpolate(10, 110, 7.0), 110);
        assert_eq!(interpolate(10, 110, f64::NAN), 10);
        assert_eq!(interpolate(10, 110, f64::INFINITY), 110);
    }

    #[test]
    fn a_hover_text_is_inert() {
        let chart_text = ChartText { name: "x", title: "<b>", summary: "a\u{202e}<script>".to_owned() };
        let svg = svg(&chart_text, 50, |area, hovers| {
            hovers.add((0, 0), (5, 5), "<script>&\"\u{1b}[2J\u{9b}31m");
            text(area, "plan \u{1b}]0;x\u{7}\u{202e}", (5, 5), 10, (HPos::Left, VPos::Top), 1.0)
        });
        assert!(!svg.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')) && svg.contains("\\u{1b}]0;x"), "{svg}");
        assert!(!svg.contains("<script") && !svg.contains("<b>") && svg.contains("&lt;script&gt;&amp;"));
    }
}
