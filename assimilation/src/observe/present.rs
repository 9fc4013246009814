//! What is left of a set of observations when the missing values (NaN) are left out.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::problem::{Error, Result, Seen};

/// The present values of one set of observations beside what an ensemble predicts of them.
#[derive(Clone, Debug)]
pub struct Present {
    /// h(x) of the members, `[member, present]`.
    pub predicted: Array2<f64>,
    /// y, `[present]`.
    pub values: Array1<f64>,
    /// The diagonal of R, `[present]`.
    pub variance: Array1<f64>,
    /// Which of the observed values these are, `[present]`.
    pub index: Vec<usize>,
}

impl Seen<'_> {
    /// Checks that values, operator and a state of `dim` components have sizes that fit.
    ///
    /// # Errors
    /// [`Error::Shape`] with both numbers and the remedy.
    pub fn check(&self, dim: usize) -> Result<()> {
        let operator = self.operator;
        if operator.dim() != self.values.len() {
            return Err(Error::Shape(format!(
                "lead step {} has {} observed values but operator `{}` gives {}; set the operator in [observe] to the \
                 one that observed them, or observe again",
                self.step,
                self.values.len(),
                operator.name(),
                operator.dim()
            )));
        }
        if operator.state_dim() != dim {
            return Err(Error::Shape(format!(
                "a state has {dim} components but operator `{}` takes {}; build the operator for {dim} components",
                operator.name(),
                operator.state_dim()
            )));
        }
        Ok(())
    }

    /// Checks the sizes and restricts h(x) (`x` is `[member, component]`), y and R to the values that are present.
    ///
    /// # Errors
    /// As [`Seen::check`].
    pub fn restrict(&self, x: ArrayView2<f64>) -> Result<Present> {
        self.check(x.ncols())?;
        let index = self.present();
        let predicted = self.operator.apply(self.time, x);
        let variance = self.operator.error().variance();
        Ok(if index.len() == self.values.len() {
            Present { predicted, values: self.values.to_owned(), variance: variance.to_owned(), index }
        } else {
            Present {
                predicted: predicted.select(Axis(1), &index),
                values: self.values.select(Axis(0), &index),
                variance: variance.select(Axis(0), &index),
                index,
            }
        })
    }

    /// H restricted to the values that are present, `[present, component]`, where h is linear.
    pub fn matrix(&self) -> Option<Array2<f64>> {
        self.operator.matrix().map(|matrix| matrix.select(Axis(0), &self.present()))
    }

    /// The Jacobian of h at `x` (`[component]`) restricted to the values that are present, `[present, component]`: H
    /// where h is linear.
    pub fn jacobian(&self, x: ArrayView1<f64>) -> Array2<f64> {
        self.matrix().unwrap_or_else(|| self.jvp(x, Array2::eye(x.len()).view()).reversed_axes())
    }

    /// The Jacobian of h at one state `x` (`[component]`) times each row of `u` (`[row, component]`), restricted to the
    /// values that are present: `[row, present]`.
    pub fn jvp(&self, x: ArrayView1<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        let mut repeated = Array2::zeros(u.raw_dim());
        repeated.assign(&x);
        self.operator.jvp(self.time, repeated.view(), u).select(Axis(1), &self.present())
    }

    /// Refuses an error law that is not Gaussian, in the name of `method`.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub fn require_gaussian(&self, method: &str) -> Result<()> {
        if self.operator.error().is_gaussian() {
            return Ok(());
        }
        Err(Error::Unsupported(format!(
            "method `{method}` supposes Gaussian observation errors but operator `{}` has another law; use `bootstrap`",
            self.operator.name()
        )))
    }
}
