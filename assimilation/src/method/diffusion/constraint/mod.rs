//! Hard constraints A x = b of what is drawn: mass that a lead step keeps, a sum that is known, in short what has no error at all.
//!
//! They are part of the one-step law and no observations (whose errors have a variance above 0): the law of x_{k+1} given x_k is
//! that of the forecaster given A x_{k+1} = b, with b as set, or A x_k of each member. Its denoiser ([`denoiser`]) is the
//! forecaster's, projected in its own metric, at each noise level; every guidance rule and weighting then runs on it as on any
//! other. What is left of A x - b at the end, which is what the arithmetic leaves or what a rule of its own drew, is taken away in
//! the metric of the denoiser's scales.
//!
//! Where b is set it says something of x_k: members are weighed by p(b | x_k) as well ([`model`]), unless nothing is weighed.

mod denoiser;
mod model;

use ndarray::{Array1, Array2, ArrayView2, Axis};
use scorecast_systems::{Param, ParamKind, Settings};

use crate::error::{Error, Result};
use crate::linalg::Cholesky;

pub(super) use model::Constrained;

const CONSTRAINT: Param = Param::unset(
    "constraint",
    ParamKind::Rows,
    "A of A x = b, which each draw meets exactly: a row for each constraint, a column for each component",
);
const VALUES: Param = Param::unset(
    "constraint_values",
    ParamKind::Floats,
    "b, one for each row of `constraint`; unset is A x of each member before the lead step, which is then kept",
);

/// The settings of a constraint.
pub(super) const SETTINGS: [Param; 2] = [CONSTRAINT, VALUES];

/// A x = b.
#[derive(Clone, Debug)]
pub struct Constraint {
    /// A, `[row, component]`.
    matrix: Array2<f64>,
    /// b, `[row]`; none is A x_k of each member.
    values: Option<Array1<f64>>,
}

impl Constraint {
    /// From A, `[row, component]`, whose rows are independent, and b, `[row]`; none keeps A x_k of each member.
    ///
    /// # Errors
    /// When there is another number of values, or rows are not independent.
    pub fn new(matrix: Array2<f64>, values: Option<Array1<f64>>) -> Result<Self> {
        let rows = matrix.nrows();
        if let Some(values) = values.as_ref().filter(|values| values.len() != rows) {
            return Err(Error::Shape(format!(
                "a constraint has {rows} rows and {} values; give one value for each row",
                values.len()
            )));
        }
        let independent = !matrix.is_empty() && Cholesky::new(correlations(&matrix).view()).is_ok();
        if !independent {
            return Err(Error::Shape(format!(
                "the {rows} rows of a constraint are not independent, or one is all 0; leave out what follows from the others"
            )));
        }
        Ok(Self { matrix, values })
    }

    /// From the settings `constraint` and `constraint_values`; none where the first is unset. `local` says that weights are.
    ///
    /// # Errors
    /// As [`Constraint::new`], and when settings do not go together.
    pub(super) fn from_settings(settings: &Settings, local: bool) -> Result<Option<Self>> {
        if !settings.has(CONSTRAINT.key) {
            return match settings.has(VALUES.key) {
                true => Err(settings.mistake(VALUES.key, "is of `constraint`; set that, or leave this out").into()),
                false => Ok(None),
            };
        }
        if local && settings.has(VALUES.key) {
            let problem = "say something of all components at once, which local weights cannot carry; leave `radius` out, or \
                           leave this out and each member keeps its own";
            return Err(settings.mistake(VALUES.key, problem).into());
        }
        let rows = settings.rows(CONSTRAINT.key);
        let columns = rows.first().map_or(0, Vec::len);
        let matrix = Array2::from_shape_fn((rows.len(), columns), |(i, j)| rows[i][j]);
        let values = settings.has(VALUES.key).then(|| settings.floats(VALUES.key).iter().copied().collect());
        Self::new(matrix, values).map(Some).map_err(|error| settings.mistake(CONSTRAINT.key, error.to_string()).into())
    }

    /// Checks that A fits states of `dim` components.
    ///
    /// # Errors
    /// [`Error::Shape`] with both numbers.
    pub(super) fn check(&self, dim: usize) -> Result<()> {
        if self.matrix.ncols() == dim {
            return Ok(());
        }
        Err(Error::Shape(format!(
            "`constraint` of method `guided` has {} columns, but a state has {dim} components; give it {dim} columns",
            self.matrix.ncols()
        )))
    }

    /// How many.
    pub(super) fn rows(&self) -> usize {
        self.matrix.nrows()
    }

    /// Whether b is set.
    pub(super) fn is_set(&self) -> bool {
        self.values.is_some()
    }

    /// A x of each row of `x`, `[member, row]`.
    pub(super) fn of(&self, x: ArrayView2<f64>) -> Array2<f64> {
        x.dot(&self.matrix.t())
    }

    /// b of the members whose states before the lead step are `x` (`[member, component]`), `[member, row]`.
    pub(super) fn targets(&self, x: ArrayView2<f64>) -> Array2<f64> {
        match &self.values {
            Some(values) => Array2::from_shape_fn((x.nrows(), values.len()), |(_, row)| values[row]),
            None => self.of(x),
        }
    }

    /// The rows of A in the space of a denoiser of this scale (`[member, component]`): a S of each, `[member, component]`.
    fn scaled(&self, scale: &Array2<f64>) -> Vec<Array2<f64>> {
        self.matrix.outer_iter().map(|row| scale * &row).collect()
    }

    /// Takes members to A x = `targets` (`[member, row]`), by the shortest way in components over `scale` (`[member, component]`).
    ///
    /// # Errors
    /// When a scale is not finite.
    pub(super) fn project(&self, x: &mut Array2<f64>, targets: &Array2<f64>, scale: &Array2<f64>) -> Result<()> {
        let rows = self.scaled(scale);
        let plain = Plain::new(&rows)?;
        // the second time takes away what the arithmetic of the first has left
        for _ in 0..2 {
            let moved = plain.reach(&rows, &(targets - &self.of(x.view())));
            *x += &(moved * scale);
        }
        Ok(())
    }
}

/// A A^T of rows of length one.
fn correlations(matrix: &Array2<f64>) -> Array2<f64> {
    let lengths = matrix.map_axis(Axis(1), |row| row.dot(&row).sqrt()).insert_axis(Axis(1));
    let rows = matrix / &lengths;
    // rows that are independent up to rounding are not
    rows.dot(&rows.t()) - Array2::<f64>::eye(matrix.nrows()) * 1e-10
}

/// sum_c a_c v_c of each row a, `[member, row]`; `rows` and `v` are `[member, component]` each.
fn along(rows: &[Array2<f64>], v: &Array2<f64>) -> Array2<f64> {
    let mut out = Array2::zeros((v.nrows(), rows.len()));
    for (row, mut out) in rows.iter().zip(out.columns_mut()) {
        out.assign(&(row * v).sum_axis(Axis(1)));
    }
    out
}

/// sum_r w_r a_r, `[member, component]`, of weights `[member, row]`.
fn combined(rows: &[Array2<f64>], weights: &Array2<f64>) -> Array2<f64> {
    let mut out = Array2::zeros(rows.first().map_or((weights.nrows(), 0), Array2::dim));
    for (row, weights) in rows.iter().zip(weights.columns()) {
        out += &(row * &weights.insert_axis(Axis(1)));
    }
    out
}

/// The matrices sum_c a_rc g_sc of each member.
fn products(rows: &[Array2<f64>], others: &[Array2<f64>]) -> Vec<Array2<f64>> {
    let each: Vec<Array2<f64>> = others.iter().map(|other| along(rows, other)).collect();
    let members = rows.first().map_or(0, Array2::nrows);
    let of = |member| Array2::from_shape_fn((rows.len(), others.len()), |(r, s)| each[s][(member, r)]);
    (0..members).map(of).collect()
}

/// M^-1 w of each member, `[member, row]`; 0 where M has no factor.
fn solved(factors: &[Option<Cholesky>], weights: &Array2<f64>) -> Array2<f64> {
    let mut out = Array2::zeros(weights.raw_dim());
    for ((factor, weights), mut out) in factors.iter().zip(weights.outer_iter()).zip(out.outer_iter_mut()) {
        if let Some(factor) = factor {
            out.assign(&factor.solve(&weights.to_owned()));
        }
    }
    out
}

/// The shortest ways to constraints.
struct Plain(Vec<Option<Cholesky>>);

impl Plain {
    fn new(rows: &[Array2<f64>]) -> Result<Self> {
        let factors: Result<Vec<_>> =
            products(rows, rows).iter().map(|matrix| Cholesky::new(matrix.view()).map(Some)).collect();
        factors.map(Self)
    }

    /// The shortest v with a v = `gap` (`[member, row]`) of each row, `[member, component]`.
    fn reach(&self, rows: &[Array2<f64>], gap: &Array2<f64>) -> Array2<f64> {
        combined(rows, &solved(&self.0, gap))
    }
}
