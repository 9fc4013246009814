//! Linear regression of the increment on the state, with Gaussian residuals: the closed form that learned forecasters
//! must beat.
//!
//! With z = (x - mean) / sd and increments d in the same units, B = (S + lambda I)^-1 C for S = mean z z^T and
//! C = mean z d^T (Hoerl & Kennard 1970): ridge shrinks towards persistence. Then x_{k+1} ~ N(A x_k + b, Q) with
//! A = I + sd B^T / sd and Q the residual covariance over f = N - tr(hat matrix) - 1 degrees of freedom. With less than
//! 3 of these for each component its correlations are shrunk towards 0 by the intensity that minimises their expected squared
//! error (Schaefer & Strimmer 2005, with the variance (1 - r^2)^2 / f of a Gaussian sample's correlation), so that Q has an
//! inverse with any number of pairs. With more it is left alone, which costs at most .16 nats a component (Gaussian
//! residuals, many components, f = 3 n) and (n + 1) / (4 f) where f is large: a shrinkage that is small in squared error
//! takes the least eigenvalues, and with them the log score, by orders of magnitude (on `linear_low_rank` of n = 8, d = 2 and
//! ambient sd .001 to -3.54 a component, where the exact law has -4.69). lambda is the one of a small grid with the least
//! squared error on the validation pairs, unless it is set.

use ndarray::{Array1, Array2, Axis};
use serde_json::{Value, json};

use super::fitted::{Fitted, Parts, Training};
use super::pairs::{Pairs, standardisation};
use super::stored::{covariance, matrix, misfit, number, reals, sizes, tensor, vector};
use super::{Error, FitContext, FitSize, ForecasterBuild, Result};
use crate::model::Model;
use crate::systems::gaussian::{LinearForecaster, SymmetricEigen};
use crate::systems::{Entry, LinearGaussian, MemoryUse, Param, ParamKind, Settings};

pub(super) const RIDGE: Param = Param::unset(
    "ridge",
    ParamKind::real(0.0, 1e6),
    "lambda for components of unit variance; chosen on the validation trajectories when unset",
);

/// The registry line.
pub(super) const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "linear",
    about: "ridge regression of the increment, Gaussian residuals with full covariance",
    reference: "Hoerl & Kennard 1970; Schaefer & Strimmer 2005",
    params: &[RIDGE],
    build: ForecasterBuild { fit, load: Some(load), memory, cost: None },
};

/// Degrees of freedom for each component from which the residual covariance is left as it is.
pub(super) const PLENTY: f64 = 3.0;

/// The ridge strengths tried when none is set.
const GRID: [f64; 7] = [0.0, 1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];

fn memory(_settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    let (pairs, n) = (size.train.saturating_add(size.valid), size.components);
    vec![
        MemoryUse::reals(format!("pairs of a regression ({pairs} x {n})"), &[2, pairs, n]),
        MemoryUse::reals(format!("scaled pairs of a regression ({pairs} x {n})"), &[2, pairs, n]),
        MemoryUse::reals(format!("residuals of a regression ({pairs} x {n})"), &[2, pairs, n]),
        MemoryUse::reals(format!("matrices of a regression ({n} x {n})"), &[16, n, n]),
    ]
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    let pairs = Pairs::training(context.train, 0, 3, "linear")?;
    let regression = Regression::new(&pairs)?;
    let dim = pairs.now.ncols();
    let ridge = settings.optional_number(RIDGE.key);
    require_residuals(ENTRY.name, ridge, pairs.len(), dim)?;
    let (ridge, loss) = match ridge {
        Some(ridge) => (ridge, f64::NAN),
        None => regression.choose(&Pairs::new(context.valid, 0)),
    };
    let training = Training {
        parameters: dim * (dim + 1) + dim * (dim + 1) / 2,
        best_valid: loss,
        ..Training::closed_form(pairs.len())
    };
    fitted(ENTRY.name, regression.law(ridge, &pairs), json!({ RIDGE.key: ridge }), training)
}

/// Refuses a regression without a ridge that leaves no residuals.
///
/// # Errors
/// When there are no more pairs than coefficients.
pub(super) fn require_residuals(who: &str, ridge: Option<f64>, pairs: usize, dim: usize) -> Result<()> {
    if ridge == Some(0.0) && pairs <= dim + 1 {
        return Err(Error::Unsupported(format!(
            "`{who}` with `ridge = 0` fits {pairs} pairs of {dim} components exactly, which leaves no residuals to make a \
             law of; give it more than {} pairs, or a `ridge` above 0",
            dim + 1
        )));
    }
    Ok(())
}

fn load(model: &Model) -> Result<Fitted> {
    let config = json!({ RIDGE.key: number(model, RIDGE.key)? });
    fitted(ENTRY.name, stored_law(model)?, config, Training::load(model)?)
}

/// The law of a stored model.
///
/// # Errors
/// When it is incomplete or damaged.
pub(super) fn stored_law(model: &Model) -> Result<LinearGaussian> {
    let law_matrix = matrix(model, "matrix")?;
    let dim = law_matrix.nrows();
    let covariance = covariance(model, "covariance")?;
    if law_matrix.ncols() != dim || covariance.dim() != (dim, dim) {
        let problem = format!("is {} beside a matrix of {}", sizes(covariance.shape()), sizes(law_matrix.shape()));
        return Err(misfit(model, "covariance", &problem));
    }
    Ok(LinearGaussian { offset: vector(model, "offset", dim)?, matrix: law_matrix, covariance })
}

/// The forecaster of a law, of a `kind` of the registry.
///
/// # Errors
/// When its covariance is not positive semi-definite.
pub(super) fn fitted(kind: &'static str, law: LinearGaussian, config: Value, training: Training) -> Result<Fitted> {
    let parts = Parts::new(
        config,
        [
            ("matrix", tensor(&law.matrix)),
            ("offset", reals(law.offset.to_vec())),
            ("covariance", tensor(&law.covariance)),
        ],
    );
    Ok(Fitted::new(kind, LinearForecaster::new(law)?, training, move |_| parts.clone()))
}

/// The moments of the pairs, decomposed once for all ridge strengths.
pub(super) struct Regression {
    mean: Array1<f64>,
    sd: Array1<f64>,
    /// The mean increment in units of sd.
    drift: Array1<f64>,
    /// S = V diag(l) V^T.
    eigen: SymmetricEigen,
    /// V^T C.
    rotated: Array2<f64>,
    count: f64,
}

impl Regression {
    /// Of some pairs.
    ///
    /// # Errors
    /// When a state is not finite.
    pub fn new(pairs: &Pairs) -> Result<Self> {
        let count = pairs.len() as f64;
        let (mean, sd) = standardisation(&pairs.now);
        let z = (&pairs.now - &mean) / &sd;
        let increment = (&pairs.next - &pairs.now) / &sd;
        let drift = increment.sum_axis(Axis(0)) / count;
        let eigen = SymmetricEigen::new((z.t().dot(&z) / count).view())?;
        let rotated = eigen.vectors.t().dot(&z.t().dot(&(increment - &drift))) / count;
        Ok(Self { mean, sd, drift, eigen, rotated, count })
    }

    /// 1/(l + lambda), and 0 for a direction in which nothing varies.
    fn inverse(&self, ridge: f64) -> Array1<f64> {
        self.eigen.values.mapv(|value| if value + ridge > 0.0 { 1.0 / (value + ridge) } else { 0.0 })
    }

    /// B, `[from, to]`, in units of sd.
    fn coefficients(&self, ridge: f64) -> Array2<f64> {
        let scaled = &self.rotated * &self.inverse(ridge).insert_axis(Axis(1));
        self.eigen.vectors.dot(&scaled)
    }

    /// The residuals of pairs in units of sd, `[pair, component]`.
    fn residuals(&self, coefficients: &Array2<f64>, pairs: &Pairs) -> Array2<f64> {
        let z = (&pairs.now - &self.mean) / &self.sd;
        (&pairs.next - &pairs.now) / &self.sd - &self.drift - z.dot(coefficients)
    }

    /// The grid's best strength on validation pairs, and its mean squared error in units of sd; without any pair, the
    /// least strength above 0.
    pub fn choose(&self, valid: &Pairs) -> (f64, f64) {
        if valid.len() == 0 {
            return (GRID[1], f64::NAN);
        }
        let loss =
            |ridge: f64| self.residuals(&self.coefficients(ridge), valid).mapv(|r| r * r).mean().unwrap_or(f64::NAN);
        GRID.iter()
            // without a ridge as many pairs as components leave no residuals
            .filter(|ridge| **ridge > 0.0 || self.count > self.mean.len() as f64 + 1.0)
            .map(|ridge| (*ridge, loss(*ridge)))
            .fold((GRID[1], f64::INFINITY), |best, tried| if tried.1 < best.1 { tried } else { best })
    }

    /// A, b and Q in the units of the state.
    pub fn law(&self, ridge: f64, pairs: &Pairs) -> LinearGaussian {
        let coefficients = self.coefficients(ridge);
        let residuals = self.residuals(&coefficients, pairs);
        let used: f64 = self.eigen.values.iter().zip(self.inverse(ridge)).map(|(value, inverse)| value * inverse).sum();
        let freedom = (self.count - used - 1.0).max(1.0);
        let mut covariance = residuals.t().dot(&residuals) / freedom;
        if freedom < PLENTY * covariance.nrows() as f64 {
            covariance = shrink(covariance, freedom);
        }
        let matrix = Array2::from_shape_fn(coefficients.dim(), |(i, j)| {
            f64::from(u8::from(i == j)) + self.sd[i] * coefficients[[j, i]] / self.sd[j]
        });
        let offset = &self.mean + &(&self.drift * &self.sd) - matrix.dot(&self.mean);
        let covariance = Array2::from_shape_fn(covariance.dim(), |(i, j)| covariance[[i, j]] * self.sd[i] * self.sd[j]);
        LinearGaussian { matrix, offset, covariance }
    }
}

/// Shrinks the correlations of a sample covariance of `freedom` degrees of freedom.
pub(super) fn shrink(covariance: Array2<f64>, freedom: f64) -> Array2<f64> {
    let sd = covariance.diag().mapv(f64::sqrt);
    let (mut noise, mut signal) = (0.0, 0.0);
    for ((i, j), value) in covariance.indexed_iter() {
        if i != j && sd[i] > 0.0 && sd[j] > 0.0 {
            let r = value / (sd[i] * sd[j]);
            noise += (1.0 - r * r) * (1.0 - r * r) / freedom;
            signal += r * r;
        }
    }
    let keep = if signal > 0.0 { (1.0 - noise / signal).clamp(0.0, 1.0) } else { 0.0 };
    Array2::from_shape_fn(
        covariance.dim(),
        |(i, j)| if i == j { covariance[[i, i]] } else { keep * covariance[[i, j]] },
    )
}
