//! One sheet with a small picture of each of many systems.

use super::markup::escape;
use super::portrait::Portrait;

/// One system's picture.
pub struct Exhibit<'a> {
    /// The system's name.
    pub name: &'a str,
    /// Its states.
    pub portrait: Portrait<'a>,
}

const COLUMNS: usize = 5;
const WIDTH: f64 = 244.0;
const HEIGHT: f64 = 190.0;
const MARGIN: f64 = 10.0;

/// The sheet as an SVG file on a white ground.
pub(super) fn svg(exhibits: &[Exhibit]) -> String {
    let columns = exhibits.len().clamp(1, COLUMNS);
    let rows = exhibits.len().div_ceil(columns);
    let (width, height) = (columns as f64 * WIDTH + 2.0 * MARGIN, rows as f64 * HEIGHT + 2.0 * MARGIN);
    let draw = |(index, exhibit): (usize, &Exhibit)| {
        let (x, y) = (MARGIN + (index % columns) as f64 * WIDTH, MARGIN + (index / columns) as f64 * HEIGHT);
        exhibit.portrait.chart(WIDTH - 8.0, HEIGHT - 8.0, exhibit.name, false).group(x, y)
    };
    let panels: String = exhibits.iter().enumerate().map(draw).collect();
    standalone("Systems", width, height, &panels)
}

/// An SVG file of its own around drawings.
pub(super) fn standalone(title: &str, width: f64, height: f64, inside: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\"><title>{}</title><rect width=\"{width:.0}\" height=\"{height:.0}\" fill=\"#ffffff\"/>{inside}</svg>\n",
        escape(title)
    )
}

#[cfg(test)]
mod tests {
    use super::super::portrait::View;
    use super::*;
    use ndarray::Array3;

    #[test]
    fn every_exhibit_has_its_place() {
        let states = Array3::from_shape_fn((1, 9, 4), |(_, time, i)| (time * i) as f64);
        let portrait = || Portrait { states: states.view(), dt: 1.0, view: View::SpaceTime };
        let names = ["a", "b", "c", "d", "e", "f<g"];
        let exhibits: Vec<_> = names.iter().map(|name| Exhibit { name, portrait: portrait() }).collect();
        let svg = svg(&exhibits);
        assert!(svg.contains("viewBox=\"0 0 1240 400\"") && svg.contains("translate(10.0 200.0)"), "{svg}");
        assert!(svg.contains("f&lt;g") && svg.matches("<svg").count() == svg.matches("</svg>").count());
    }
}
