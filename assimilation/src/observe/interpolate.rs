//! h(x)_i = the value of a field at point i, interpolated between the components around it.
//!
//! On a line or a ring component j sits at position j; at p = j + w, 0 <= w < 1, h = (1 - w) x_j + w x_{j+1}. With
//! `columns` the components are a grid, row by row, a point is (row, column), and the weights of the two directions are
//! multiplied (bilinear interpolation). Exact for fields that are linear in each direction.

use ndarray::{Array2, ArrayView2};
use scorecast_systems::registry::DefaultValue;
use scorecast_systems::{Entry, Param, ParamKind, Settings};

use super::{BuildOperator, ErrorLaw, LinearizedOperator, NoiseLaw, ObservationOperator, Place};
use crate::error::{Error, Result};

const COLUMNS: Param = Param::unset(
    "columns",
    ParamKind::COUNT,
    "columns of the grid, whose rows the components fill one after the other; a line unless set",
);
const PERIODIC: Param = Param::new(
    "periodic",
    ParamKind::Bool,
    DefaultValue::Bool(true),
    "whether the last point is next to the first (a ring or a torus), or the field ends there",
);
const POINTS: Param = Param::required(
    "points",
    ParamKind::Rows,
    "a row for each value: [position], or [row, column] on a grid, in grid steps from 0",
);

pub(super) const ENTRY: Entry<BuildOperator> = Entry {
    name: "interpolate",
    about: "the field at arbitrary points, linear between neighbouring components (bilinear on a grid)",
    reference: "",
    params: &[POINTS, COLUMNS, PERIODIC],
    build: |settings: &Settings, dim, error: &ErrorLaw| {
        let columns = settings.has(COLUMNS.key).then(|| settings.count(COLUMNS.key));
        let grid = Grid::new(dim, columns, settings.flag(PERIODIC.key))
            .map_err(|problem| settings.mistake(COLUMNS.key, problem))?;
        let points = grid.points(settings.rows(POINTS.key)).map_err(|problem| settings.mistake(POINTS.key, problem))?;
        Ok(Box::new(Interpolate { dim, error: error(points.len())?, points }))
    },
};

/// Where the components sit.
struct Grid {
    /// Points along each direction, the fastest last.
    shape: Vec<usize>,
    periodic: bool,
}

impl Grid {
    fn new(dim: usize, columns: Option<usize>, periodic: bool) -> Result<Self, String> {
        match columns {
            None => Ok(Self { shape: vec![dim], periodic }),
            Some(columns) if columns > 0 && dim.is_multiple_of(columns) => {
                Ok(Self { shape: vec![dim / columns, columns], periodic })
            }
            Some(columns) => Err(format!("is {columns}, but the state has {dim} components; take a divisor of {dim}")),
        }
    }

    /// The points, or what is wrong with one.
    fn points(&self, points: &[Vec<f64>]) -> Result<Vec<Point>, String> {
        if points.is_empty() {
            return Err("has no points; give it a row for each value".to_owned());
        }
        points.iter().map(|point| self.point(point)).collect()
    }

    fn point(&self, point: &[f64]) -> Result<Point, String> {
        if point.len() != self.shape.len() {
            return Err(format!(
                "has a point of {} coordinates; give each {} (set `columns` for a grid)",
                point.len(),
                self.shape.len()
            ));
        }
        let mut around = vec![(0, 1.0)];
        let mut place = Place::default();
        for (&position, &size) in point.iter().zip(&self.shape) {
            let axis = self.between(position, size)?;
            let nearest = position.round();
            place.component = place.component * size + nearest as usize % size;
            place.beside = [place.beside[1], position - nearest];
            around = around
                .iter()
                .flat_map(|&(place, weight)| axis.iter().map(move |&(next, w)| (place * size + next, weight * w)))
                .collect();
        }
        Ok(Point { place, around })
    }

    /// The one or two points of a direction of `size` points around a position.
    fn between(&self, position: f64, size: usize) -> Result<Vec<(usize, f64)>, String> {
        let last = if self.periodic { size as f64 } else { size as f64 - 1.0 };
        let inside = position >= 0.0 && (position < last || (!self.periodic && position == last));
        if !inside {
            let end = if self.periodic { "below" } else { "at most" };
            return Err(format!(
                "has the coordinate {position}, but the field has {size} points there; take one from 0 to {end} {last}"
            ));
        }
        let before = position.floor();
        let (weight, before) = (position - before, before as usize);
        // a field of one point on a ring is its own neighbour
        Ok(if weight == 0.0 {
            vec![(before, 1.0)]
        } else {
            vec![(before, 1.0 - weight), ((before + 1) % size, weight)]
        })
    }
}

/// Where one value is taken.
struct Point {
    place: Place,
    /// The components around it with their weights.
    around: Vec<(usize, f64)>,
}

/// The field at points.
pub struct Interpolate {
    dim: usize,
    points: Vec<Point>,
    error: Box<dyn NoiseLaw>,
}

impl Interpolate {
    /// For states of `dim` components on a line, or on a grid of `columns`; `points` has a row for each value, `[position]`
    /// or `[row, column]`, in grid steps from 0. `periodic` closes the line to a ring and the grid to a torus.
    ///
    /// # Errors
    /// When `columns` does not divide `dim`, a point is outside or has the wrong number of coordinates, or the error law
    /// does not fit.
    pub fn new(
        dim: usize,
        columns: Option<usize>,
        periodic: bool,
        points: &[Vec<f64>],
        error: &ErrorLaw,
    ) -> Result<Self> {
        let shape = |key: &str, problem: String| Error::Shape(format!("operator `interpolate`: `{key}` {problem}"));
        let grid = Grid::new(dim, columns, periodic).map_err(|problem| shape("columns", problem))?;
        let points = grid.points(points).map_err(|problem| shape("points", problem))?;
        Ok(Self { dim, error: error(points.len())?, points })
    }
}

impl ObservationOperator for Interpolate {
    fn name(&self) -> String {
        format!("interpolate at {} points", self.points.len())
    }

    fn dim(&self) -> usize {
        self.points.len()
    }

    fn state_dim(&self) -> usize {
        self.dim
    }

    fn apply(&self, _t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        Array2::from_shape_fn((x.nrows(), self.points.len()), |(member, i)| {
            self.points[i].around.iter().map(|&(place, weight)| weight * x[(member, place)]).sum()
        })
    }

    fn linearized(&self) -> Option<&dyn LinearizedOperator> {
        Some(self)
    }

    fn error(&self) -> &dyn NoiseLaw {
        &*self.error
    }

    fn location(&self) -> Option<Vec<Place>> {
        Some(self.points.iter().map(|point| point.place).collect())
    }

    fn matrix(&self) -> Option<Array2<f64>> {
        let mut matrix = Array2::zeros((self.points.len(), self.dim));
        for (i, point) in self.points.iter().enumerate() {
            point.around.iter().for_each(|&(place, weight)| matrix[(i, place)] += weight);
        }
        Some(matrix)
    }

    fn is_linear(&self) -> bool {
        true
    }
}

impl LinearizedOperator for Interpolate {
    fn jvp(&self, t: f64, _x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        self.apply(t, u)
    }

    fn vjp(&self, _t: f64, _x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        let mut out = Array2::zeros((v.nrows(), self.dim));
        for (mut out, v) in out.outer_iter_mut().zip(v.outer_iter()) {
            for (point, v) in self.points.iter().zip(v) {
                point.around.iter().for_each(|&(place, weight)| out[place] += weight * v);
            }
        }
        out
    }
}
