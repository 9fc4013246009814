//! What states look like: a field in space and time, a snapshot of a field in the plane, the plane of two components, or
//! paths in time.

use ndarray::{ArrayView2, ArrayView3, Axis as Dimension};

use super::chart::Chart;
use super::colour::{ERROR, FIELD, Style};
use super::heatmap::{self, Scale, coarsen};
use super::scale::Axis;
use crate::results::Field;
use crate::systems::Geometry;

/// How states are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Time to the right, space upwards.
    SpaceTime,
    /// The last state of a field on a grid.
    Snapshot {
        /// Grid points upwards.
        rows: usize,
        /// Grid points to the right.
        columns: usize,
    },
    /// One component against another, as a line.
    Plane(usize, usize),
    /// One component against another, as dots: for maps, which have nothing between two states.
    Dots(usize, usize),
    /// The first component of several trajectories against time.
    Paths,
    /// The first components of one trajectory against time.
    Series,
}

impl View {
    /// The view that suits a state of `dim` components; `smooth` says that it moves without jumps.
    pub fn of(geometry: Geometry, dim: usize, smooth: bool) -> Self {
        match (geometry, dim) {
            (Geometry::Ring, _) => Self::SpaceTime,
            (Geometry::Torus { rows, columns } | Geometry::Plane { rows, columns }, _) => {
                Self::Snapshot { rows, columns }
            }
            (_, 1) => Self::Paths,
            // the third of three is the one that shows the wings of the Lorenz attractors
            (_, dim) if smooth => Self::Plane(0, if dim == 3 { 2 } else { 1 }),
            _ => Self::Dots(0, 1),
        }
    }
}

/// States to draw.
pub struct Portrait<'a> {
    /// `[case, time, component]`.
    pub states: ArrayView3<'a, f64>,
    /// The time between two states.
    pub dt: f64,
    /// How they are drawn.
    pub view: View,
}

/// Cells of a field in space and time, and points of a line, at most.
const CELLS: usize = 6000;
const POINTS: usize = 4000;
/// Cells of a snapshot along each side, at most.
const SIDE: usize = 72;
/// Trajectories and components drawn in one chart, at most.
const LINES: usize = 4;

impl Portrait<'_> {
    /// The chart of this size in px; its axes are labelled where `labels` asks for it.
    pub(super) fn chart(&self, width: f64, height: f64, title: &str, labels: bool) -> Chart {
        let first = self.states.index_axis(Dimension(0), 0);
        let word = |word: &'static str| if labels { word } else { "" };
        let end = (first.nrows().max(2) - 1) as f64 * self.dt;
        match self.view {
            View::SpaceTime => {
                let field: Field = first.outer_iter().map(|row| row.iter().map(|x| Some(*x)).collect()).collect();
                let (x, y) = (Axis::linear(0.0, end, 4, word("model time")), sites(first.ncols()));
                picture(Chart::new(width, height, title, x, y), &coarsen(&field, CELLS))
            }
            View::Snapshot { rows, columns } => {
                let field = snapshot(first, rows, columns);
                picture(Chart::new(width, height, title, sites(columns), sites(rows)), &field)
            }
            View::Plane(i, j) | View::Dots(i, j) => {
                let points: Vec<(f64, f64)> = first.outer_iter().map(|row| (row[i], row[j])).take(POINTS).collect();
                let axis = |values: &mut dyn Iterator<Item = f64>, name: String| {
                    let (min, max) = extent(values);
                    Axis::rounded(min, max, 4, if labels { &name } else { "" })
                };
                let x = axis(&mut points.iter().map(|point| point.0), format!("component {}", i + 1));
                let y = axis(&mut points.iter().map(|point| point.1), String::new());
                let mut chart = Chart::new(width, height, title, x, y);
                match self.view {
                    View::Dots(..) => chart.dots(FIRST, 1.3, &points),
                    _ => chart.line(FIRST, 0.6, &points.iter().map(|p| (p.0, Some(p.1))).collect::<Vec<_>>(), ""),
                }
                chart
            }
            View::Paths => self.lines(
                width,
                height,
                title,
                word("model time"),
                |case, states| states.slice(ndarray::s![case, .., 0]).to_vec(),
                self.states.dim().0,
            ),
            View::Series => self.lines(
                width,
                height,
                title,
                word("model time"),
                |i, states| states.slice(ndarray::s![0, .., i]).to_vec(),
                self.states.dim().2,
            ),
        }
    }

    /// Lines against time.
    fn lines(
        &self,
        width: f64,
        height: f64,
        title: &str,
        label: &str,
        line: impl Fn(usize, ArrayView3<f64>) -> Vec<f64>,
        count: usize,
    ) -> Chart {
        let lines: Vec<Vec<f64>> = (0..count.min(LINES)).map(|index| line(index, self.states)).collect();
        let (min, max) = extent(&mut lines.iter().flatten().copied());
        let end = (self.states.dim().1.max(2) - 1) as f64 * self.dt;
        let (x, y) = (Axis::linear(0.0, end, 4, label), Axis::rounded(min, max, 4, ""));
        let mut chart = Chart::new(width, height, title, x, y);
        for (colour, values) in lines.iter().enumerate() {
            let points: Vec<_> = values.iter().enumerate().map(|(k, x)| (k as f64 * self.dt, Some(*x))).collect();
            chart.line(Style { colour: Some(colour), dash: 0 }, 0.9, &points, "");
        }
        chart
    }
}

/// The first colour of the palette.
const FIRST: Style = Style { colour: Some(0), dash: 0 };

/// Grid points, the first and the last with a tick.
fn sites(count: usize) -> Axis {
    let count = count as f64;
    Axis { ticks: vec![1.0, count], ..Axis::linear(0.5, count + 0.5, 2, "") }
}

fn extent(values: &mut dyn Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), x| (min.min(x), max.max(x)))
}

/// A field with its colours: even on both sides of 0 where it takes both signs.
fn picture(mut chart: Chart, field: &Field) -> Chart {
    let (min, max) = extent(&mut heatmap::values(field));
    let size = max.abs().max(min.abs());
    let both = min < -0.4 * size && max > 0.4 * size;
    let scale = if both { Scale { min: -size, max: size, map: ERROR } } else { Scale { min, max, map: FIELD } };
    chart.picture(|w, h| heatmap::paths(field, &scale, w, h));
    chart
}

/// The last state, column by column, as means over squares of grid points.
fn snapshot(states: ArrayView2<f64>, rows: usize, columns: usize) -> Field {
    let state = states.row(states.nrows() - 1);
    let block = rows.max(columns).div_ceil(SIDE).max(1);
    let mean = |column: usize, row: usize| {
        let inside = |at: usize, size: usize| at..(at + block).min(size);
        let cells = inside(row, rows).flat_map(|r| inside(column, columns).map(move |c| r * columns + c));
        let (sum, n) = cells.fold((0.0, 0.0), |(sum, n), at| (sum + state[at], n + 1.0));
        Some(sum / n)
    };
    let column = |c: usize| (0..rows).step_by(block).map(|row| mean(c, row)).collect();
    (0..columns).step_by(block).map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn each_shape_has_its_view() {
        let torus = Geometry::Torus { rows: 4, columns: 6 };
        for (geometry, dim, smooth, view) in [
            (Geometry::Ring, 40, true, View::SpaceTime),
            (torus, 24, true, View::Snapshot { rows: 4, columns: 6 }),
            (Geometry::Unstructured, 1, true, View::Paths),
            (Geometry::Unstructured, 3, true, View::Plane(0, 2)),
            (Geometry::Unstructured, 4, true, View::Plane(0, 1)),
            (Geometry::Unstructured, 2, false, View::Dots(0, 1)),
        ] {
            assert_eq!(View::of(geometry, dim, smooth), view);
        }
    }

    #[test]
    fn a_snapshot_is_the_last_state_in_its_place() {
        let states = Array3::from_shape_fn((1, 2, 6), |(_, time, i)| (10 * time + i) as f64);
        let field = snapshot(states.index_axis(Dimension(0), 0), 2, 3);
        let number = |row: &Vec<Option<f64>>| row.iter().flatten().copied().collect::<Vec<_>>();
        assert_eq!(field.iter().map(number).collect::<Vec<_>>(), [[10.0, 13.0], [11.0, 14.0], [12.0, 15.0]]);
    }

    #[test]
    fn every_view_draws_numbers() {
        let states = Array3::from_shape_fn((2, 30, 6), |(case, time, i)| ((case + time * (i + 2)) as f64).sin());
        let (rows, columns) = (2, 3);
        for view in [
            View::SpaceTime,
            View::Snapshot { rows, columns },
            View::Plane(0, 1),
            View::Dots(0, 1),
            View::Paths,
            View::Series,
        ] {
            let svg = Portrait { states: states.view(), dt: 0.1, view }.chart(300.0, 200.0, "x", true).svg();
            assert!(svg.contains("<path") && !svg.contains("NaN") && !svg.contains("inf"), "{view:?}");
        }
    }
}
