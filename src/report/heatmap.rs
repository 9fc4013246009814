//! A field in space and time as a picture: time runs right, the first component is at the bottom, missing is empty.
//!
//! Two forms of the same picture: a PNG for the page, and paths of rectangles for a stand-alone SVG, where pictures
//! inside pictures are not safe to rely on.

use super::colour::{Map, Rgb, hex};
use super::png;
use crate::results::Field;

/// Which number has which colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    /// The number at the map's start.
    pub min: f64,
    /// The number at the map's end.
    pub max: f64,
    /// The colours.
    pub map: Map,
}

impl Scale {
    /// The share of the map, from 0 to 1, at a number.
    pub fn share(&self, value: f64) -> f64 {
        if self.max > self.min { ((value - self.min) / (self.max - self.min)).clamp(0.0, 1.0) } else { 0.5 }
    }
}

/// All present values of a field.
pub(super) fn values(field: &Field) -> impl Iterator<Item = f64> {
    field.iter().flatten().filter_map(|value| value.filter(|v| v.is_finite()))
}

/// The difference of two fields, missing where either is.
pub(super) fn difference(field: &Field, from: &Field) -> Field {
    let subtract = |(a, b): (&Option<f64>, &Option<f64>)| Some((*a)? - (*b)?);
    field.iter().zip(from).map(|(a, b)| a.iter().zip(b).map(subtract).collect()).collect()
}

/// The field with blocks of neighbours averaged until it has at most `limit` values; first in time, then in space.
pub(super) fn coarsen(field: &Field, limit: usize) -> Field {
    let (times, components) = (field.len(), field.first().map_or(0, Vec::len));
    let in_time = (times * components.min(200)).div_ceil(limit.max(1)).max(1);
    let in_space = components.div_ceil(200).max(1);
    if in_time == 1 && in_space == 1 {
        return field.clone();
    }
    let block = |rows: &[Vec<Option<f64>>], start: usize| {
        let cells = rows.iter().flat_map(|row| row.iter().skip(start).take(in_space)).filter_map(|v| *v);
        let (sum, n) = cells.fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
        (n > 0.0).then(|| sum / n)
    };
    let row = |rows: &[Vec<Option<f64>>]| (0..components).step_by(in_space).map(|start| block(rows, start)).collect();
    field.chunks(in_time).map(row).collect()
}

/// The picture as a PNG data URI.
pub(super) fn uri(field: &Field, scale: &Scale) -> String {
    let (times, components) = (field.len(), field.first().map_or(0, Vec::len));
    let mut palette: Vec<Rgb> = vec![[0, 0, 0]];
    palette.extend((0..255).map(|index| scale.map.at(f64::from(index) / 254.0)));
    let index = |value: Option<f64>| match value {
        Some(v) if v.is_finite() => 1 + (scale.share(v) * 254.0).round() as u8,
        _ => 0,
    };
    let mut pixels = Vec::with_capacity(times * components);
    for component in (0..components).rev() {
        pixels.extend(field.iter().map(|row| index(row.get(component).copied().flatten())));
    }
    png::data_uri(times, &pixels, &palette)
}

/// The number of colours in the form of paths.
const LEVELS: usize = 40;

/// The picture as paths, one a colour, that fill a rectangle of `width` and `height` at the origin.
pub(super) fn paths(field: &Field, scale: &Scale, width: f64, height: f64) -> String {
    let (times, components) = (field.len(), field.first().map_or(0, Vec::len));
    if times == 0 || components == 0 {
        return String::new();
    }
    let (cell, row) = (width / times as f64, height / components as f64);
    let level = |value: Option<f64>| value.map(|v| (scale.share(v) * (LEVELS - 1) as f64).round() as usize);
    let mut strokes = vec![String::new(); LEVELS];
    for component in 0..components {
        let y = (components - 1 - component) as f64 * row;
        let mut start = 0;
        while start < times {
            let colour = level(field[start].get(component).copied().flatten());
            let end = (start..times)
                .find(|&time| level(field[time].get(component).copied().flatten()) != colour)
                .unwrap_or(times);
            if let Some(colour) = colour {
                let (x, run) = (start as f64 * cell, (end - start) as f64 * cell);
                strokes[colour].push_str(&format!("M{x:.1} {y:.1}h{run:.1}v{row:.1}h-{run:.1}z"));
            }
            start = end;
        }
    }
    let path = |(index, d): (usize, &String)| {
        let colour = hex(scale.map.at(index as f64 / (LEVELS - 1) as f64));
        if d.is_empty() { String::new() } else { format!(r#"<path fill="{colour}" d="{d}"/>"#) }
    };
    strokes.iter().enumerate().map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::super::colour::{ERROR, FIELD};
    use super::*;

    #[test]
    fn known_values_have_known_colours() {
        let scale = Scale { min: -2.0, max: 2.0, map: ERROR };
        let field = vec![vec![Some(-2.0), None], vec![Some(2.0), Some(0.0)]];
        let drawn = paths(&field, &scale, 20.0, 10.0);
        assert!(drawn.contains(r##"<path fill="#053061" d="M0.0 5.0h10.0v5.0h-10.0z"/>"##), "{drawn}");
        assert!(drawn.contains(r##"<path fill="#67001f" d="M10.0 5.0h10.0v5.0h-10.0z"/>"##), "{drawn}");
        assert_eq!(drawn.matches("M").count(), 3, "the missing value is not drawn: {drawn}");
    }

    #[test]
    fn equal_neighbours_in_time_are_one_rectangle() {
        let scale = Scale { min: 0.0, max: 1.0, map: FIELD };
        let field = vec![vec![Some(1.0)]; 8];
        assert_eq!(paths(&field, &scale, 80.0, 5.0), r##"<path fill="#fde725" d="M0.0 0.0h80.0v5.0h-80.0z"/>"##);
    }

    #[test]
    fn coarsening_averages_what_is_there() {
        let field = vec![vec![Some(1.0), None], vec![Some(3.0), None], vec![None, Some(5.0)], vec![None, Some(7.0)]];
        assert_eq!(coarsen(&field, 4), vec![vec![Some(2.0), None], vec![None, Some(6.0)]]);
        assert_eq!(coarsen(&field, 8), field);
    }

    #[test]
    fn a_difference_needs_both() {
        let (a, b) = (vec![vec![Some(3.0), None]], vec![vec![Some(1.0), Some(1.0)]]);
        assert_eq!(difference(&a, &b), vec![vec![Some(2.0), None]]);
    }
}
