//! Observations made linear: y = H x + c + e with few components in each row of H.
//!
//! Row j is a multiple of the tangent t_j = dh_j/dx at a point. The *secant* has the multiple by which t_j^T x
//! explains h_j(x) best over the members, cov(h_j, t_j^T x) / var(t_j^T x), and is taken about the members' means: for a
//! function of one component, which is most operators, it is the regression on that component. The *tangent* is t_j at a point.
//!
//! Which components a value reads is found by probing, so that no Jacobian of n x p is made: of two probes, one of ones and one
//! of other numbers, the second is the first times the number at the value's place where that is all it reads. Otherwise
//! components are coloured so that none of a colour are near the same place, and each colour is a probe.

use std::collections::BTreeSet;

use ndarray::{Array1, Array2, ArrayView1, Axis};

use crate::error::{Error, Result};
use crate::localize::{Grid, Stencil};
use crate::method::ensemble::local_errors::LocalErrors;
use crate::observations::{ObservationSet, Present};

/// Rows of few components.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    /// Where in `entries` each row begins; one more than there are rows.
    starts: Vec<usize>,
    /// Component and slope.
    entries: Vec<(usize, f64)>,
}

impl Rows {
    fn new(rows: impl Iterator<Item = Vec<(usize, f64)>>) -> Self {
        let (mut starts, mut entries) = (vec![0], Vec::new());
        for row in rows {
            // a slope that is not finite tells nothing
            entries.extend(row.into_iter().filter(|(_, slope)| *slope != 0.0 && slope.is_finite()));
            starts.push(entries.len());
        }
        Self { starts, entries }
    }

    /// Component and slope of a row.
    pub fn row(&self, j: usize) -> &[(usize, f64)] {
        &self.entries[self.starts[j]..self.starts[j + 1]]
    }

    /// H x for one `x`.
    fn times(&self, x: ArrayView1<f64>) -> Array1<f64> {
        (0..self.starts.len() - 1).map(|j| self.row(j).iter().map(|&(i, slope)| slope * x[i]).sum()).collect()
    }

    fn scale(&mut self, factors: &[f64]) {
        for (j, factor) in factors.iter().enumerate() {
            self.entries[self.starts[j]..self.starts[j + 1]].iter_mut().for_each(|(_, slope)| *slope *= factor);
        }
    }
}

/// The present values of a set, made linear.
pub(super) struct LinearObservations<'a> {
    pub rows: Rows,
    /// The innovations y - H m - c, `[present]`.
    pub d: Array1<f64>,
    /// The diagonal of R, `[present]`.
    pub variance: Array1<f64>,
    /// R where errors are correlated.
    pub errors: Option<LocalErrors<'a>>,
}

/// How a set is made linear.
pub(super) struct Linearizer<'a, 'o> {
    pub observed: &'a ObservationSet<'o>,
    pub present: &'a Present,
    /// The components near a place, where a row is to have no others.
    pub near: Option<&'a Stencil>,
    /// m, `[component]`.
    pub mean: ArrayView1<'a, f64>,
}

impl<'o> Linearizer<'_, 'o> {
    fn with(&self, rows: Rows, d: Array1<f64>) -> LinearObservations<'o> {
        let errors = LocalErrors::of(self.observed, &self.present.index);
        LinearObservations { rows, d, variance: self.present.variance.clone(), errors }
    }

    /// By the secant of the members, `[member, component]`, whose h(x) [`Present::predicted`] has; exact where h is linear.
    ///
    /// # Errors
    /// When a value reads components beyond those near it.
    pub fn secant(&self, members: &Array2<f64>) -> Result<LinearObservations<'o>> {
        let mut rows = self.rows_at(self.mean)?;
        if self.observed.operator.is_linear() {
            let d = &self.present.values - &rows.times(self.mean);
            return Ok(self.with(rows, d));
        }
        let mut read = Array2::zeros(self.present.predicted.raw_dim());
        read.outer_iter_mut().zip(members.outer_iter()).for_each(|(mut to, x)| to.assign(&rows.times(x)));
        let both = read.columns().into_iter().zip(self.present.predicted.columns());
        let factor = |(t, h): (ArrayView1<f64>, ArrayView1<f64>)| {
            let [of_t, of_h] = [t, h].map(|x| x.sum() / x.len() as f64);
            let covariance: f64 = t.iter().zip(h).map(|(t, h)| (t - of_t) * (h - of_h)).sum();
            let variance: f64 = t.iter().map(|t| (t - of_t) * (t - of_t)).sum();
            if variance > 0.0 { covariance / variance } else { 1.0 }
        };
        rows.scale(&both.map(factor).collect::<Vec<_>>());
        let predicted = self.present.predicted.mean_axis(Axis(0)).unwrap_or_default();
        Ok(self.with(rows, &self.present.values - &predicted))
    }

    /// By the tangent at `x`, `[component]`; none where h(x) is not finite.
    ///
    /// # Errors
    /// When a value reads components beyond those near it.
    pub fn tangent(&self, x: ArrayView1<f64>) -> Result<Option<LinearObservations<'o>>> {
        let rows = self.rows_at(x)?;
        let h = self.observed.operator.apply(self.observed.time, x.insert_axis(Axis(0)));
        let h = h.row(0).select(Axis(0), &self.present.index);
        let d = &self.present.values - &h + rows.times((&x - &self.mean).view());
        Ok(d.iter().all(|d| d.is_finite()).then(|| self.with(rows, d)))
    }

    /// The tangents at `x`.
    fn rows_at(&self, x: ArrayView1<f64>) -> Result<Rows> {
        if let Some(rows) = self.pointwise(x) {
            return Ok(rows);
        }
        match self.near {
            Some(near) => self.coloured(x, near),
            None => {
                let jacobian = self.observed.jacobian(x);
                Ok(Rows::new(jacobian.outer_iter().map(|row| row.iter().copied().enumerate().collect())))
            }
        }
    }

    /// The component at the place of each present value.
    fn places(&self) -> Option<Vec<usize>> {
        let places = self.observed.operator.location()?;
        self.present.index.iter().map(|&i| places.get(i).map(|place| place.component)).collect()
    }

    /// The rows where each value reads the component at its place alone.
    fn pointwise(&self, x: ArrayView1<f64>) -> Option<Rows> {
        let (places, dim) = (self.places()?, x.len());
        let probes = Array2::from_shape_fn((2, dim), |(probe, i)| if probe == 0 { 1.0 } else { irregular(i) });
        let found = self.observed.jvp(x, probes.view());
        let alone = |(j, &place): (usize, &usize)| {
            let (slope, other) = (found[(0, j)], found[(1, j)]);
            !slope.is_finite() || (other - slope * irregular(place)).abs() <= 1e-12 * slope.abs()
        };
        let is_pointwise = places.iter().all(|&place| place < dim) && places.iter().enumerate().all(alone);
        is_pointwise.then(|| Rows::new(places.iter().enumerate().map(|(j, &place)| vec![(place, found[(0, j)])])))
    }

    /// The rows of values that read no component beyond those near their places.
    fn coloured(&self, x: ArrayView1<f64>, near: &Stencil) -> Result<Rows> {
        let places = self.places().unwrap_or_default();
        let colours = Colours::new(near);
        let mut rows = vec![Vec::new(); places.len()];
        let mut read = vec![0.0; places.len()];
        for colour in colours.all() {
            let probe = Array2::from_shape_fn((1, x.len()), |(_, i)| f64::from(u8::from(colours.of(i) == colour)));
            let found = self.observed.jvp(x, probe.view());
            for (j, &place) in places.iter().enumerate().filter(|(j, _)| found[(0, *j)] != 0.0) {
                near.runs(place, |run, weights| {
                    for (i, _) in run.zip(weights).filter(|(i, weight)| **weight > 0.0 && colours.of(*i) == colour) {
                        rows[j].push((i, found[(0, j)]));
                        read[j] += found[(0, j)] * irregular(i);
                    }
                });
            }
        }
        let probe = Array2::from_shape_fn((1, x.len()), |(_, i)| irregular(i));
        let whole = self.observed.jvp(x, probe.view());
        let beyond = |j: &usize| {
            let size: f64 = rows[*j].iter().map(|(_, slope): &(usize, f64)| slope.abs()).sum();
            (whole[(0, *j)] - read[*j]).abs() > 1e-9 * (size + whole[(0, *j)].abs())
        };
        if let Some(j) = (0..places.len()).find(beyond) {
            return Err(Error::Unsupported(format!(
                "value {} of operator `{}` reads components further from its place than the `window` of method `ensf`; set \
                 `window` to as many grid units as it reads, or beyond the grid",
                self.present.index[j],
                self.observed.operator.name()
            )));
        }
        Ok(Rows::new(rows.into_iter()))
    }
}

/// A number between 1 and 2 that differs from that of other indices.
fn irregular(i: usize) -> f64 {
    1.0 + (i as f64 * 0.618_033_988_749_894_9).fract()
}

/// Colours of the points of a grid of which no two of one colour are near the same place.
struct Colours {
    grid: Grid,
    spacing: [usize; 2],
}

impl Colours {
    fn new(near: &Stencil) -> Self {
        let (grid, mut furthest) = (*near.grid(), [0, 0]);
        // a point has no more neighbours than one in the middle
        let middle = grid.rows / 2 * grid.columns + grid.columns / 2;
        near.runs(middle, |run, _| {
            for i in run {
                let offset = [i / grid.columns, i % grid.columns];
                let own = [middle / grid.columns, middle % grid.columns];
                for axis in 0..2 {
                    furthest[axis] = furthest[axis].max(offset[axis].abs_diff(own[axis]));
                }
            }
        });
        Self { grid, spacing: furthest.map(|furthest| 2 * furthest + 1) }
    }

    /// Along a direction of `size` points: on a ring the points that are left over have colours of their own.
    fn along(&self, i: usize, size: usize, spacing: usize) -> usize {
        let whole = if self.grid.periodic { size / spacing * spacing } else { size };
        if i < whole { i % spacing } else { spacing + i - whole }
    }

    fn of(&self, i: usize) -> usize {
        let Grid { rows, columns, .. } = self.grid;
        let row = self.along(i / columns, rows, self.spacing[0]);
        row * 2 * self.spacing[1] + self.along(i % columns, columns, self.spacing[1])
    }

    /// The colours of all components, once each.
    fn all(&self) -> BTreeSet<usize> {
        (0..self.grid.dim()).map(|i| self.of(i)).collect()
    }
}
