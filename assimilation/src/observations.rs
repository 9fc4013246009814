//! A set of observations: the values at one time, what they are observations of, and what is left of both when the missing
//! values (NaN) are left out.

mod stored_set;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::error::{Error, Result};
use crate::linalg::{Cholesky, Eigen, submatrix};
use crate::observe::ObservationOperator;
use crate::observe::operator::{jvp, vjp};
pub(crate) use stored_set::StoredSet;

/// One set of observations: the values at one time, and what they are observations of.
#[derive(Clone, Copy)]
pub struct ObservationSet<'a> {
    /// The lead step that they belong to.
    pub step: usize,
    /// Model time of that step.
    pub time: f64,
    /// The values, `[observed]`; NaN is a missing value.
    pub values: ArrayView1<'a, f64>,
    /// What was observed, and with what error.
    pub operator: &'a dyn ObservationOperator,
}

impl ObservationSet<'_> {
    /// The indices of the values that are present, in order.
    pub fn present(&self) -> Vec<usize> {
        (0..self.values.len()).filter(|&i| !self.values[i].is_nan()).collect()
    }

    /// It again, for a shorter time: views do not shorten their lifetime by themselves.
    pub(crate) fn view(&self) -> ObservationSet<'_> {
        ObservationSet { step: self.step, time: self.time, values: self.values.view(), operator: self.operator }
    }

    /// Whether there is a value that is present.
    pub fn is_observed(&self) -> bool {
        self.values.iter().any(|value| !value.is_nan())
    }
}

/// What `solve` makes of the columns of a matrix, for each row of `rows`, in place of it.
fn solve_rows(rows: &mut Array2<f64>, solve: impl Fn(&mut Array2<f64>)) {
    let mut columns = rows.t().as_standard_layout().into_owned();
    solve(&mut columns);
    rows.assign(&columns.t());
}

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
    /// R, `[present, present]`, and its Cholesky factor L; none where errors are independent.
    pub correlated: Option<(Array2<f64>, Cholesky)>,
}

impl Present {
    /// R, `[present, present]`.
    pub fn covariance(&self) -> Array2<f64> {
        match &self.correlated {
            Some((r, _)) => r.clone(),
            None => Array2::from_diag(&self.variance),
        }
    }

    /// S + R in place of `s` (`[present, present]`).
    pub fn add_covariance(&self, s: &mut Array2<f64>) {
        match &self.correlated {
            Some((r, _)) => *s += r,
            None => s.diag_mut().zip_mut_with(&self.variance, |value, r| *value += r),
        }
    }

    /// log det R.
    pub fn log_det(&self) -> f64 {
        match &self.correlated {
            Some((_, factor)) => factor.log_det(),
            None => self.variance.iter().map(|r| r.ln()).sum(),
        }
    }

    /// R^-1 d for one `d`, `[present]`.
    #[must_use]
    pub fn precision_times(&self, d: &Array1<f64>) -> Array1<f64> {
        match &self.correlated {
            Some((_, factor)) => factor.solve(d),
            None => d / &self.variance,
        }
    }

    /// d^T R^-1 d for one `d`, `[present]`.
    pub fn misfit(&self, d: &Array1<f64>) -> f64 {
        match &self.correlated {
            Some((_, factor)) => factor.log_normal(d).1,
            None => d.iter().zip(&self.variance).map(|(d, r)| d * d / r).sum(),
        }
    }

    /// A root of R^-1 for each row of `rows` (`[row, present]`), in place of it: L^-1 where errors are correlated.
    pub fn standardise_rows(&self, rows: &mut Array2<f64>) {
        match &self.correlated {
            Some(_) => self.whiten_rows(rows),
            None => *rows /= &self.variance.mapv(f64::sqrt),
        }
    }

    /// L^-1 for each row of `rows` (`[row, present]`), in place of it; leaves them alone where errors are independent.
    pub fn whiten_rows(&self, rows: &mut Array2<f64>) {
        if let Some((_, factor)) = &self.correlated {
            solve_rows(rows, |columns| factor.half_solve_in_place(columns));
        }
    }

    /// These observations in coordinates where errors are independent: h and y become L^-1 h and L^-1 y, and R the
    /// identity, which leaves the posterior as it is. Where they are independent already nothing changes.
    #[must_use]
    pub fn whiten(mut self) -> Self {
        if self.correlated.is_some() {
            let mut predicted = std::mem::take(&mut self.predicted);
            self.whiten_rows(&mut predicted);
            let mut values = self.values.view().insert_axis(Axis(0)).to_owned();
            self.whiten_rows(&mut values);
            self.predicted = predicted;
            self.values = values.remove_axis(Axis(0));
            self.variance.fill(1.0);
            self.correlated = None;
        }
        self
    }

    /// What [`Present::whiten`] does, for a method to which the place of each value matters: by the root of R^-1 whose new
    /// values are as near as any to those that they come from, C^-1/2 D^-1/2 with D the variances, C the correlations and
    /// the symmetric root (Kessy, Lewin and Strimmer 2018, doi:10.1080/00031305.2016.1277159). It takes an eigenproblem of
    /// the order of the values.
    ///
    /// # Errors
    /// When the eigenproblem fails.
    pub fn whiten_in_place(mut self) -> Result<Self> {
        let Some((r, _)) = self.correlated.take() else { return Ok(self) };
        let per_sd = self.variance.mapv(|r| 1.0 / r.sqrt());
        let c = r * &per_sd * per_sd.view().insert_axis(Axis(1));
        let eigen = Eigen::new(c.view())?;
        let least = f64::EPSILON * per_sd.len() as f64;
        let root = eigen.apply(|l| if l > least { 1.0 / l.sqrt() } else { 0.0 });
        self.predicted = (self.predicted * &per_sd).dot(&root);
        self.values = (self.values * &per_sd).dot(&root);
        self.variance.fill(1.0);
        Ok(self)
    }
}

impl ObservationSet<'_> {
    /// 0 in the columns of missing values of `rows`, `[row, observed]`, whatever is there: h may not be finite where nothing
    /// was observed.
    pub(crate) fn clear_missing(&self, mut rows: Array2<f64>) -> Array2<f64> {
        for (mut column, value) in rows.columns_mut().into_iter().zip(&self.values) {
            if value.is_nan() {
                column.fill(0.0);
            }
        }
        rows
    }

    /// log p(y | x) for each row of `x` (`[member, component]`), with its constant, over the values that are present, `[member]`.
    pub(crate) fn log_likelihood(&self, x: ArrayView2<f64>) -> Array1<f64> {
        let predicted = self.operator.apply(self.time, x);
        self.operator.error().log_likelihood(self.values, predicted.view(), &self.present())
    }

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
    /// As [`ObservationSet::check`].
    pub fn restrict(&self, x: ArrayView2<f64>) -> Result<Present> {
        self.check(x.ncols())?;
        let index = self.present();
        let predicted = self.operator.apply(self.time, x);
        let all = index.len() == self.values.len();
        let correlated = self.correlated(&index)?;
        let variance = self.operator.error().variance();
        Ok(if all {
            Present { predicted, values: self.values.to_owned(), variance: variance.to_owned(), index, correlated }
        } else {
            Present {
                predicted: predicted.select(Axis(1), &index),
                values: self.values.select(Axis(0), &index),
                variance: variance.select(Axis(0), &index),
                index,
                correlated,
            }
        })
    }

    /// R, `[present, present]`, of the values listed in `index` and its factor; none where errors are independent.
    ///
    /// # Errors
    /// When that part of R is not positive definite.
    pub(crate) fn correlated(&self, index: &[usize]) -> Result<Option<(Array2<f64>, Cholesky)>> {
        let Some((r, factor)) = self.operator.error().correlated() else { return Ok(None) };
        if index.len() == self.values.len() {
            return Ok(Some((r.to_owned(), factor.clone())));
        }
        let r = submatrix(r, index);
        let factor = Cholesky::new(r.view())?;
        Ok(Some((r, factor)))
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
        jvp(self.operator, self.time, repeated.view(), u).select(Axis(1), &self.present())
    }

    /// The transposed Jacobian of h at one state `x` (`[component]`) times `v` (`[present]`): `[component]`.
    pub fn vjp(&self, x: ArrayView1<f64>, v: &Array1<f64>) -> Array1<f64> {
        let mut whole = Array2::zeros((1, self.values.len()));
        self.present().iter().zip(v).for_each(|(&i, v)| whole[(0, i)] = *v);
        vjp(self.operator, self.time, x.insert_axis(Axis(0)), whole.view()).remove_axis(Axis(0))
    }

    /// Refuses an operator whose derivative is not known, in the name of `method`.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub fn require_derivative(&self, method: &str) -> Result<()> {
        if self.operator.linearized().is_some() || self.operator.is_linear() {
            return Ok(());
        }
        Err(Error::Unsupported(format!(
            "method `{method}` needs the derivative of operator `{}`, which is not known; give it one \
             (`ObservationOperator::linearized`), or use a method of members such as `etkf`",
            self.operator.name()
        )))
    }

    /// Refuses an error law that is not Gaussian, in the name of `method`, which serves correlated errors too.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub fn require_gaussian(&self, method: &str) -> Result<()> {
        if self.operator.error().is_gaussian() {
            return Ok(());
        }
        Err(Error::Unsupported(format!(
            "method `{method}` supposes Gaussian observation errors but operator `{}` has another law; use `bootstrap`, \
             `qceff`, or `ensf` with score = \"local_mixture\", which take any law",
            self.operator.name()
        )))
    }
}
