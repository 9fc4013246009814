//! h(x) = H x for any matrix H.

use ndarray::{Array2, ArrayView2};
use scorecast_systems::{Entry, Param, ParamKind, Settings};

use super::{BuildOperator, ErrorLaw, LinearizedOperator, NoiseLaw, ObservationOperator, OneComponent};
use crate::error::{Error, Result};

const MATRIX: Param =
    Param::required("matrix", ParamKind::Rows, "H, a row for each observed value, a column for each component");

pub(super) const ENTRY: Entry<BuildOperator> = Entry {
    name: "linear",
    about: "a matrix times the state: h(x) = H x",
    reference: "",
    params: &[MATRIX],
    build: |settings: &Settings, dim, error: &ErrorLaw| {
        let rows = settings.rows(MATRIX.key);
        let columns = rows.first().map_or(0, Vec::len);
        if columns != dim {
            let problem = format!("has {columns} columns, but the state has {dim} components; give it {dim} columns");
            return Err(settings.mistake(MATRIX.key, problem).into());
        }
        let matrix = Array2::from_shape_fn((rows.len(), columns), |(i, j)| rows[i][j]);
        Ok(Box::new(Linear::new(matrix, error)?))
    },
};

/// h(x) = H x.
pub struct Linear {
    matrix: Array2<f64>,
    error: Box<dyn NoiseLaw>,
}

impl Linear {
    /// From H, `[observed, component]`.
    ///
    /// # Errors
    /// When H has no rows or the error law does not fit.
    pub fn new(matrix: Array2<f64>, error: &ErrorLaw) -> Result<Self> {
        if matrix.is_empty() {
            return Err(Error::Shape("the matrix of an operator is empty; give it a row for each value".to_owned()));
        }
        let error = error(matrix.nrows())?;
        Ok(Self { matrix, error })
    }
}

impl ObservationOperator for Linear {
    fn name(&self) -> String {
        format!("linear {} x {}", self.matrix.nrows(), self.matrix.ncols())
    }

    fn dim(&self) -> usize {
        self.matrix.nrows()
    }

    fn state_dim(&self) -> usize {
        self.matrix.ncols()
    }

    fn apply(&self, _t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        x.dot(&self.matrix.t())
    }

    fn linearized(&self) -> Option<&dyn LinearizedOperator> {
        Some(self)
    }

    fn one_component(&self) -> Option<&dyn OneComponent> {
        Some(self)
    }

    fn error(&self) -> &dyn NoiseLaw {
        &*self.error
    }

    fn matrix(&self) -> Option<Array2<f64>> {
        Some(self.matrix.clone())
    }

    fn is_linear(&self) -> bool {
        true
    }
}

impl OneComponent for Linear {
    fn component(&self, value: usize) -> Option<usize> {
        let row = self.matrix.row(value);
        let mut read = (0..row.len()).filter(|&component| row[component] != 0.0);
        let first = read.next();
        if read.next().is_some() { None } else { first }
    }

    fn value_at(&self, _t: f64, value: usize, x: f64) -> f64 {
        self.component(value).map_or(f64::NAN, |component| self.matrix[(value, component)] * x)
    }
}

impl LinearizedOperator for Linear {
    fn jvp(&self, _t: f64, _x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        u.dot(&self.matrix.t())
    }

    fn vjp(&self, _t: f64, _x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        v.dot(&self.matrix)
    }
}
