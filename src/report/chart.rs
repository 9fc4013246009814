//! One chart as SVG: two axes, then lines, bands, bars, dots and levels in the units of the axes.
//!
//! Colours stand as attributes, so that a chart can live in a file of its own; the page's style sheet overrides them
//! by class on a dark screen. Whatever leaves the plotting area is clipped by a nested `svg`.

use super::colour::Style;
use super::markup::escape;
use super::scale::Axis;

/// Width of a letter of the charts' 11 px sans serif, on the wide side.
pub(super) const LETTER: f64 = 6.1;

/// A chart that is being drawn.
pub(super) struct Chart {
    width: f64,
    height: f64,
    left: f64,
    top: f64,
    x: Axis,
    y: Axis,
    title: String,
    legend: String,
    body: String,
}

/// Space for tick labels and the label of the x axis.
const BOTTOM: f64 = 34.0;
/// Height of a legend, and the length of the line that it shows of a style.
const LEGEND: f64 = 14.0;
const SAMPLE: f64 = 18.0;
/// Space for half of the last tick label.
const RIGHT: f64 = 12.0;

impl Chart {
    /// An empty chart of this size in px, its title above.
    pub fn new(width: f64, height: f64, title: &str, x: Axis, y: Axis) -> Self {
        let widest = y.labels().iter().map(|label| label.chars().count()).max().unwrap_or(0);
        let left = (widest as f64 * LETTER + 9.0).max(22.0);
        let top = if title.is_empty() { 8.0 } else { 24.0 };
        Self { width, height, left, top, x, y, title: title.into(), legend: String::new(), body: String::new() }
    }

    /// With a line below the title that says what lines of these styles and widths are; before anything is drawn.
    #[must_use]
    pub fn with_legend(mut self, entries: &[(Style, f64, &str)]) -> Self {
        let mut x = 2.0;
        for (style, width, word) in entries {
            let (y, end, at) = (self.top, x + SAMPLE, x + SAMPLE + 4.0);
            self.legend.push_str(&format!(
                r##"<path {} stroke-width="{width}" d="M{x:.1} {y:.1}H{end:.1}"/><text class="tk" fill="#444" x="{at:.1}" y="{:.1}">{}</text>"##,
                style.stroke(),
                y + 3.8,
                escape(word)
            ));
            x = at + word.chars().count() as f64 * LETTER + 12.0;
        }
        self.top += if entries.is_empty() { 0.0 } else { LEGEND };
        self
    }

    fn plot_width(&self) -> f64 {
        self.width - self.left - RIGHT
    }

    fn plot_height(&self) -> f64 {
        self.height - self.top - if self.x.label.is_empty() { BOTTOM - 14.0 } else { BOTTOM }
    }

    /// The place of a number on the x axis, in px from the left of the plotting area.
    fn px(&self, x: f64) -> f64 {
        self.x.at(x) * self.plot_width()
    }

    /// The place of a number on the y axis; far outside is cut so that no viewer has to handle huge coordinates.
    fn py(&self, y: f64) -> f64 {
        ((1.0 - self.y.at(y)) * self.plot_height()).clamp(-1e4, 1e4)
    }

    /// A line; a missing value breaks it. `title` is what a pointer shows.
    pub fn line(&mut self, style: Style, width: f64, points: &[(f64, Option<f64>)], title: &str) {
        let mut d = String::new();
        let mut pen_down = false;
        for &(x, y) in points {
            match y.filter(|y| y.is_finite()) {
                Some(y) => {
                    d.push_str(&format!("{}{:.1} {:.1}", if pen_down { 'L' } else { 'M' }, self.px(x), self.py(y)));
                    pen_down = true;
                }
                None => pen_down = false,
            }
        }
        if !d.is_empty() {
            let (stroke, title) = (style.stroke(), escape(title));
            self.body.push_str(&format!(
                r#"<path {stroke} stroke-width="{width}" stroke-linejoin="round" d="{d}"><title>{title}</title></path>"#
            ));
        }
    }

    /// The area between two curves, in pieces where values are missing.
    pub fn band(&mut self, style: Style, opacity: f64, points: &[(f64, Option<(f64, f64)>)]) {
        let finite = |point: &(f64, Option<(f64, f64)>)| point.1.is_some_and(|(l, h)| l.is_finite() && h.is_finite());
        for piece in points.split(|point| !finite(point)).filter(|piece| piece.len() > 1) {
            let upper = piece.iter().filter_map(|&(x, y)| Some((x, y?.1)));
            let lower = piece.iter().rev().filter_map(|&(x, y)| Some((x, y?.0)));
            let corners: Vec<String> =
                upper.chain(lower).map(|(x, y)| format!("{:.1} {:.1}", self.px(x), self.py(y))).collect();
            let fill = style.fill();
            self.body.push_str(&format!(r#"<path {fill} fill-opacity="{opacity}" d="M{}z"/>"#, corners.join("L")));
        }
    }

    /// A dot.
    pub fn dot(&mut self, style: Style, radius: f64, x: f64, y: f64, title: &str) {
        let (cx, cy, fill) = (self.px(x), self.py(y), style.fill());
        let title = if title.is_empty() { String::new() } else { format!("<title>{}</title>", escape(title)) };
        self.body.push_str(&format!(r#"<circle {fill} cx="{cx:.1}" cy="{cy:.1}" r="{radius}">{title}</circle>"#));
    }

    /// Many dots of one style as one path: strokes of no length with round ends.
    pub fn dots(&mut self, style: Style, size: f64, points: &[(f64, f64)]) {
        let place = |(x, y): &(f64, f64)| format!("M{:.1} {:.1}h0", self.px(*x), self.py(*y));
        let (stroke, d) = (style.stroke(), points.iter().map(place).collect::<String>());
        self.body.push_str(&format!(r#"<path {stroke} stroke-width="{size}" stroke-linecap="round" d="{d}"/>"#));
    }

    /// A bar from the axis' low end.
    pub fn bar(&mut self, style: Style, from: f64, to: f64, height: f64, title: &str) {
        let (x, width) = (self.px(from), self.px(to) - self.px(from));
        let (y, floor) = (self.py(height), self.plot_height());
        let (fill, title) = (style.fill(), escape(title));
        let (x, width, high) = (x + 0.5, (width - 1.0).max(0.5), (floor - y).max(0.0));
        self.body.push_str(&format!(
            r#"<rect {fill} x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{high:.1}"><title>{title}</title></rect>"#
        ));
    }

    /// A level across the whole chart, dashed, with a word at its right end.
    pub fn level(&mut self, y: f64, word: &str) {
        let (w, y) = (self.plot_width(), self.py(y));
        self.body.push_str(&format!(
            r##"<path class="tk-line" stroke="#444" stroke-dasharray="4 3" d="M0 {y:.1}H{w:.1}"/>"##
        ));
        if !word.is_empty() {
            let (x, above, word) = (w - 3.0, y - 4.0, escape(word));
            self.body.push_str(&format!(
                r##"<text class="tk" fill="#444" x="{x:.1}" y="{above:.1}" text-anchor="end">{word}</text>"##
            ));
        }
    }

    /// A vertical mark with a word.
    pub fn mark(&mut self, x: f64, word: &str) {
        let (h, x, word) = (self.plot_height(), self.px(x), escape(word));
        let (anchor, at) = if x > 0.6 * self.plot_width() { ("end", x - 4.0) } else { ("start", x + 4.0) };
        self.body.push_str(&format!(
            r##"<path class="tk-line" stroke="#444" stroke-dasharray="4 3" d="M{x:.1} 0V{h:.1}"/><text class="tk" fill="#444" x="{at:.1}" y="11" text-anchor="{anchor}">{word}</text>"##
        ));
    }

    /// Ready-made SVG that fills the plotting area, drawn for `(width, height)` in px.
    pub fn picture(&mut self, draw: impl Fn(f64, f64) -> String) {
        let inside = draw(self.plot_width(), self.plot_height());
        self.body.push_str(&format!(r#"<g shape-rendering="crispEdges">{inside}</g>"#));
    }

    /// The chart as an `svg` element that scales with its place.
    pub fn svg(&self) -> String {
        let (w, h, label) = (self.width, self.height, escape(&self.title));
        format!(
            r#"<svg class="chart" viewBox="0 0 {w:.0} {h:.0}" role="img" aria-label="{label}" font-size="11">{}</svg>"#,
            self.inside()
        )
    }

    /// The chart as a group at a place of a larger drawing.
    pub fn group(&self, x: f64, y: f64) -> String {
        format!(r#"<g transform="translate({x:.1} {y:.1})" font-size="11">{}</g>"#, self.inside())
    }

    /// Title, axes and content.
    fn inside(&self) -> String {
        let (left, top, w, h) = (self.left, self.top, self.plot_width(), self.plot_height());
        let title = match self.title.as_str() {
            "" => String::new(),
            text => format!(
                r##"<text class="ti" fill="#111" x="2" y="13" font-size="12" font-weight="600">{}</text>"##,
                escape(text)
            ),
        };
        format!(
            r##"{title}{}{}{}<svg x="{left:.1}" y="{top:.1}" width="{w:.1}" height="{h:.1}" overflow="hidden">{}</svg><path class="ax" stroke="#444" fill="none" d="M{left:.1} {top:.1}v{h:.1}h{w:.1}"/>"##,
            self.legend,
            self.x_axis(),
            self.y_axis(),
            self.body
        )
    }

    fn x_axis(&self) -> String {
        let floor = self.top + self.plot_height();
        let mut out = String::new();
        for (tick, label) in self.x.ticks.iter().zip(self.x.labels()) {
            let x = self.left + self.px(*tick);
            let (end, text) = (floor + 4.0, floor + 15.0);
            out.push_str(&format!(
                r##"<path class="ax" stroke="#444" d="M{x:.1} {floor:.1}V{end:.1}"/><text class="tk" fill="#444" x="{x:.1}" y="{text:.1}" text-anchor="middle">{label}</text>"##
            ));
        }
        if !self.x.label.is_empty() {
            let (x, y, label) = (self.left + self.plot_width() / 2.0, floor + 29.0, escape(&self.x.label));
            out.push_str(&format!(
                r##"<text class="tk" fill="#444" x="{x:.1}" y="{y:.1}" text-anchor="middle">{label}</text>"##
            ));
        }
        out
    }

    fn y_axis(&self) -> String {
        let (from, to) = (self.left, self.left + self.plot_width());
        let mut out = String::new();
        for (tick, label) in self.y.ticks.iter().zip(self.y.labels()) {
            let y = self.top + self.py(*tick);
            let (x, base) = (from - 5.0, y + 3.8);
            out.push_str(&format!(
                r##"<path class="gr" stroke="#e4e4e4" d="M{from:.1} {y:.1}H{to:.1}"/><text class="tk" fill="#444" x="{x:.1}" y="{base:.1}" text-anchor="end">{label}</text>"##
            ));
        }
        out
    }
}

/// A series shortened to at most `limit` points by means over blocks of neighbours, and how long the blocks are.
pub(super) fn thin(times: &[f64], values: &[Option<f64>], limit: usize) -> (Vec<(f64, Option<f64>)>, usize) {
    let block = times.len().div_ceil(limit.max(1)).max(1);
    let mean = |(times, values): (&[f64], &[Option<f64>])| {
        let present: Vec<f64> = values.iter().flatten().copied().filter(|v| v.is_finite()).collect();
        let n = present.len() as f64;
        let time = times.iter().sum::<f64>() / times.len() as f64;
        (time, (present.len() == values.len()).then(|| present.iter().sum::<f64>() / n))
    };
    (times.chunks(block).zip(values.chunks(block)).map(mean).collect(), block)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        // 22 px at the left (the least), 12 at the right, 8 above and 20 below: a plotting area of 100 by 100.
        Chart::new(134.0, 128.0, "", Axis::linear(0.0, 10.0, 5, ""), Axis::linear(0.0, 4.0, 4, ""))
    }

    #[test]
    fn numbers_land_where_the_axes_say() {
        let mut chart = chart();
        chart.line(Style::TRUTH, 1.0, &[(0.0, Some(0.0)), (5.0, Some(1.0)), (6.0, None), (10.0, Some(4.0))], "a<b");
        assert!(chart.body.contains(r#"d="M0.0 100.0L50.0 75.0M100.0 0.0""#), "{}", chart.body);
        assert!(chart.body.contains("<title>a&lt;b</title>"));
    }

    #[test]
    fn a_band_goes_out_above_and_back_below() {
        let mut chart = chart();
        chart.band(Style::TRUTH, 0.2, &[(0.0, Some((0.0, 1.0))), (10.0, Some((2.0, 4.0))), (11.0, None)]);
        assert!(chart.body.contains(r#"d="M0.0 75.0L100.0 0.0L100.0 50.0L0.0 100.0z""#), "{}", chart.body);
    }

    #[test]
    fn thinning_keeps_means_and_gaps() {
        let (points, block) = thin(&[0.0, 1.0, 2.0, 3.0], &[Some(1.0), Some(3.0), None, Some(5.0)], 2);
        assert_eq!((points, block), (vec![(0.5, Some(2.0)), (2.5, None)], 2));
    }
}
