//! Correlated Gaussian errors: e ~ N(0, R), R = L L^T any covariance matrix (Stewart, Dance and Nichols 2008).
//!
//! `exponential`: R_ij = s_i s_j exp(-d_ij / length), d_ij = |i - j| values apart, or min(|i - j|, p - |i - j|) on a ring;
//! positive definite for every length on both. Missing values leave the marginal law of the others: the rows and the
//! columns of R that are present, which take a factorization of their own (p^3 / 3 operations an analysis).

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use scorecast_systems::{Entry, Key, Param, ParamKind, Settings};

use super::each::per_value;
use super::{BuildLaw, NoiseLaw};
use crate::error::{Error, Result};
use crate::linalg::{Cholesky, submatrix};

const COVARIANCE: Param = Param::unset("covariance", ParamKind::Rows, "R, in place of `sd` and `length`");
const LENGTH: Param =
    Param::unset("length", ParamKind::POSITIVE, "correlation exp(-d / length) of values d places apart");
const RING: Param = Param::flag("ring", "whether the last value is next to the first");
const SD: Param =
    Param::unset("sd", ParamKind::Floats, "standard deviation, one for all values or one for each; 1 unless set");

pub(super) const ENTRY: Entry<BuildLaw> = Entry {
    name: "correlated",
    about: "correlated Gaussian errors: a covariance matrix, or a correlation that decays along the values",
    reference: "Stewart, Dance and Nichols 2008",
    params: &[COVARIANCE, SD, LENGTH, RING],
    build: |settings: &Settings, dim| Ok(Box::new(from_settings(settings, dim)?)),
};

/// The most values whose covariance is made: it is factored as soon as an experiment is checked.
const LARGEST: usize = 10_000;

fn from_settings(settings: &Settings, dim: usize) -> Result<CorrelatedError> {
    if dim > LARGEST {
        return Err(Error::Unsupported(format!(
            "correlated errors of {dim} values take a matrix of {dim} x {dim}, and may be of {LARGEST} at most; observe fewer \
             values (operator `stride`), or take the noise law `gaussian`"
        )));
    }
    let rows = settings.rows(COVARIANCE.key);
    match (rows, settings.optional_number(LENGTH.key)) {
        ([], Some(length)) => {
            let sd = if settings.has(SD.key) { settings.floats(SD.key) } else { &[1.0] };
            CorrelatedError::exponential(sd, length, settings.flag(RING.key), dim)
        }
        ([], None) => Err(settings.mistake(LENGTH.key, "must be set, unless `covariance` is").into()),
        (_, Some(_)) => Err(settings.mistake(COVARIANCE.key, "is set beside `length`; keep one of the two").into()),
        (_, None) if settings.has(SD.key) => {
            Err(settings.mistake(COVARIANCE.key, "is set beside `sd`; put the variances on its diagonal").into())
        }
        (rows, None) if rows.len() != dim || rows[0].len() != dim => {
            let problem = format!(
                "is {} x {}, but the operator gives {dim} values; give it {dim} rows of {dim}",
                rows.len(),
                rows[0].len()
            );
            Err(settings.mistake(COVARIANCE.key, problem).into())
        }
        (rows, None) => CorrelatedError::new(Array2::from_shape_fn((dim, dim), |(i, j)| rows[i][j])),
    }
}

/// N(0, R).
#[derive(Clone, Debug)]
pub struct CorrelatedError {
    covariance: Array2<f64>,
    variance: Array1<f64>,
    factor: Cholesky,
}

impl CorrelatedError {
    /// From R, `[observed, observed]`, in the square of the unit of the values.
    ///
    /// # Errors
    /// When R is not square, not symmetric (to 1e-12 of its standard deviations) or not positive definite.
    pub fn new(covariance: Array2<f64>) -> Result<Self> {
        if !covariance.is_square() {
            return Err(Error::Shape(format!(
                "a covariance of observation errors is {} x {}; give it as many rows as columns",
                covariance.nrows(),
                covariance.ncols()
            )));
        }
        let variance = covariance.diag().to_owned();
        for ((i, j), r) in covariance.indexed_iter().filter(|((i, j), _)| j < i) {
            if (r - covariance[(j, i)]).abs() > 1e-12 * (variance[i] * variance[j]).sqrt() {
                return Err(Error::Shape(format!(
                    "a covariance of observation errors has {r} at ({i}, {j}) but {} at ({j}, {i}); make it symmetric",
                    covariance[(j, i)]
                )));
            }
        }
        let factor = Cholesky::new(covariance.view()).map_err(|_| {
            Error::Singular(format!(
                "a covariance of observation errors of order {} is not positive definite; add a variance to its \
                 diagonal",
                covariance.nrows()
            ))
        })?;
        Ok(Self { covariance, variance, factor })
    }

    /// R_ij = s_i s_j exp(-d_ij / length) for `dim` values: standard deviations s (one for all, or one for each), in the
    /// unit of the values, and a length in places; on a `ring` the last value is next to the first.
    ///
    /// # Errors
    /// When a standard deviation or the length is not a finite number above zero, when there are not one or `dim` standard
    /// deviations, or when the length is so great that R is not positive definite to round-off.
    pub fn exponential(sd: &[f64], length: f64, ring: bool, dim: usize) -> Result<Self> {
        let sd = per_value(sd, dim, "standard deviation")?;
        if !(length > 0.0 && length.is_finite()) {
            return Err(Error::Shape(format!(
                "the errors of observations have the correlation length {length}; give it a number above 0"
            )));
        }
        Self::new(Array2::from_shape_fn((dim, dim), |(i, j)| {
            let apart = i.abs_diff(j);
            let apart = if ring { apart.min(dim - apart) } else { apart };
            sd[i] * sd[j] * (-(apart as f64) / length).exp()
        }))
    }
}

impl NoiseLaw for CorrelatedError {
    fn variance(&self) -> ArrayView1<'_, f64> {
        self.variance.view()
    }

    fn observe(&self, predicted: ArrayView2<f64>, key: Key) -> Array2<f64> {
        let (rows, dim) = predicted.dim();
        key.normals(rows, dim).dot(&self.factor.lower().t()) + predicted
    }

    /// With a part of the values the factor of that part of R serves all rows. -inf for a part that is not positive
    /// definite, which round-off alone can make of one that is.
    fn log_likelihood(&self, values: ArrayView1<f64>, predicted: ArrayView2<f64>, present: &[usize]) -> Array1<f64> {
        let mut residuals = Array2::from_shape_fn((present.len(), predicted.nrows()), |(i, member)| {
            values[present[i]] - predicted[(member, present[i])]
        });
        let mut log_normals = |factor: &Cholesky| {
            factor.half_solve_in_place(&mut residuals);
            let constant = factor.log_det() + present.len() as f64 * (2.0 * std::f64::consts::PI).ln();
            residuals.map_axis(Axis(0), |white| -0.5 * (white.dot(&white) + constant))
        };
        if present.iter().copied().eq(0..self.variance.len()) {
            return log_normals(&self.factor);
        }
        match Cholesky::new(submatrix(self.covariance.view(), present).view()) {
            Ok(factor) => log_normals(&factor),
            Err(_) => Array1::from_elem(predicted.nrows(), f64::NEG_INFINITY),
        }
    }

    fn is_gaussian(&self) -> bool {
        true
    }

    fn correlated(&self) -> Option<(ArrayView2<'_, f64>, &Cholesky)> {
        Some((self.covariance.view(), &self.factor))
    }
}
