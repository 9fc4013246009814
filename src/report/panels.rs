//! Panels of curves side by side, as one SVG file, and their data as CSV: what a question of the laboratory draws.

use super::chart::Chart;
use super::colour::Style;
use super::csv::csv_line;
use super::gallery::standalone;
use super::scale::Axis;

/// A panel of curves.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// What it shows.
    pub title: String,
    /// What is along.
    pub x: String,
    /// Whether equal distances along are equal ratios, and whether upward.
    pub log: [bool; 2],
    /// Curves by name: along and upward.
    pub curves: Vec<(String, Vec<(f64, f64)>)>,
}

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 300.0;
const COLUMNS: usize = 2;
const MARGIN: f64 = 12.0;
/// The width of a line and the radius of a point.
const LINE: f64 = 1.4;
const DOT: f64 = 2.0;

/// The panels as an SVG file on a white ground.
pub(super) fn svg(title: &str, panels: &[Panel]) -> String {
    let columns = panels.len().clamp(1, COLUMNS);
    let rows = panels.len().div_ceil(columns);
    let place = |index: usize| {
        (MARGIN + (index % columns) as f64 * WIDTH, MARGIN + (index / columns) as f64 * (HEIGHT + MARGIN))
    };
    let draw = |(index, panel): (usize, &Panel)| {
        let (x, y) = place(index);
        chart(panel).group(x, y)
    };
    let inside: String = panels.iter().enumerate().map(draw).collect();
    let size = (columns as f64 * WIDTH + 2.0 * MARGIN, rows as f64 * (HEIGHT + MARGIN) + MARGIN);
    standalone(title, size.0, size.1, &inside)
}

/// The points of all curves: `panel,curve,x,y`.
pub(super) fn csv(panels: &[Panel]) -> String {
    let mut out = "panel,curve,x,y\n".to_owned();
    for panel in panels {
        for (name, points) in &panel.curves {
            let line = |(x, y): &(f64, f64)| csv_line(&[&panel.title, name, &x.to_string(), &y.to_string()]) + "\n";
            out.extend(points.iter().map(line));
        }
    }
    out
}

fn chart(panel: &Panel) -> Chart {
    let all = |of: fn(&(f64, f64)) -> f64| -> Vec<f64> {
        panel.curves.iter().flat_map(|(_, points)| points.iter().map(of)).filter(|value| value.is_finite()).collect()
    };
    let axis = |values: &[f64], log: bool, label: &str| {
        let (min, max) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
        if log { Axis::log(min, max, label) } else { Axis::rounded(min.min(0.0), max, 5, label) }
    };
    let (x, y) = (axis(&all(|p| p.0), panel.log[0], &panel.x), axis(&all(|p| p.1), panel.log[1], ""));
    let style = |index: usize| Style { colour: Some(index), dash: index / Style::COLOURS };
    let legend: Vec<(Style, f64, &str)> = match panel.curves.as_slice() {
        [_] => Vec::new(),
        curves => curves.iter().enumerate().map(|(index, (name, _))| (style(index), LINE, name.as_str())).collect(),
    };
    let mut chart = Chart::new(WIDTH, HEIGHT, &panel.title, x, y).with_legend(&legend);
    for (index, (name, points)) in panel.curves.iter().enumerate() {
        let line: Vec<_> = points.iter().map(|(x, y)| (*x, Some(*y))).collect();
        chart.line(style(index), LINE, &line, name);
        points.iter().filter(|(_, y)| y.is_finite()).for_each(|(x, y)| chart.dot(style(index), DOT, *x, *y, name));
    }
    chart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_curve_is_drawn_and_every_point_is_in_the_table() {
        let curve = |name: &str, top: f64| (name.to_owned(), vec![(1.0, top), (10.0, 2.0 * top), (100.0, f64::NAN)]);
        let panel = |title: &str, curves| Panel { title: title.into(), x: "k".into(), log: [true, false], curves };
        let panels = [panel("a, b", vec![curve("one", 1.0), curve("two", 2.0)]), panel("c", vec![curve("three", 3.0)])];
        let svg = svg("x<y", &panels);
        assert!(svg.contains("x&lt;y") && !svg.contains("NaN") && svg.matches("<circle").count() == 6, "{svg}");
        assert!(svg.contains(">one</text>") && !svg.contains(">three</text>"), "a legend tells curves apart");
        let csv = csv(&panels);
        assert_eq!(csv.lines().count(), 10);
        assert!(csv.contains("\n\"a, b\",two,10,4\n"), "{csv}");
    }
}
