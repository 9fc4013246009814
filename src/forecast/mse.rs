//! `mse`: autoregressive regression with residual noise. With z the scaled increment, a network gives m(x_k), trained by
//! the objective `regression`, and z ~ N(m(x_k), R) with one R for all states: the second moments of the residuals
//! z - m about 0, on the validation pairs, which the network was not fitted to (on the training pairs where there are
//! none, and then R is too small).
//!
//! What it cannot represent is a law whose width or shape depends on x_k.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use serde_json::json;

use super::held_noise::{self, HeldNoise};
use super::learned::{self, Learned, Work, in_chunks, joined, members, stacked};
use super::linear::{PLENTY, shrink};
use super::stored::{covariance, misfit, reals, tensor, vector};
use super::{Cost, FitContext, FitSize, Fitted, ForecasterBuild, Result, Training};
use crate::model::{Model, Tensor};
use crate::nn::data::{Batch, Data};
use crate::nn::objective::{REGRESSION_FIELDS, regression_rule};
use crate::nn::{OBJECTIVES, array};
use crate::systems::gaussian::{GaussianLaw, SymmetricEigen};
use crate::systems::registry::find;
use crate::systems::{
    self, ConditionalDenoiser, Covariance, Density, Differentiable, Entry, Forecaster, GaussianKernel, Key, MemoryUse,
    Param, Purpose, Settings,
};

const NOISE: Param = Param::choice(
    "noise",
    "diagonal",
    &["diagonal", "full", "none"],
    "the covariance of the residuals that a lead step draws; none: the mean alone",
);

const PARAMS: [Param; ROLLED.len() + 1] = joined(ROLLED, [NOISE]);
const ROLLED: [Param; learned::SETTINGS.len() + 2] = joined(learned::SETTINGS, learned::ROLLOUT_SETTINGS);

/// The registry's line.
pub const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "mse",
    about: "autoregressive network: mean of the increment, trained by squared error, with residual noise",
    reference: "Gauss (1809)",
    params: &PARAMS,
    build: ForecasterBuild { fit, load: Some(load), memory, cost: Some(cost) },
};

/// Pairs whose residuals are taken.
const RESIDUALS: usize = 16 * 1024;

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    let n = size.components;
    let mut held = learned::rolled_held(settings, size, REGRESSION_FIELDS, 1);
    held.push(MemoryUse::reals(format!("residuals ({RESIDUALS} x {n})"), &[4, RESIDUALS, n]));
    if settings.text(NOISE.key) == "full" {
        held.push(MemoryUse::reals(format!("covariances of residuals ({n} x {n})"), &[8, n, n]));
    }
    held
}

/// R in the units of the state, and the name of its form.
enum Residuals {
    /// Variances, `[component]`.
    Diagonal(Array1<f64>),
    /// A covariance and its symmetric root, `[component, component]`.
    Full {
        covariance: Array2<f64>,
        root: Array2<f64>,
    },
    None,
}

impl Residuals {
    /// Of residuals `[pair, component]` in the units of the state.
    fn of(form: &str, residuals: &Array2<f64>) -> Result<Self> {
        let count = residuals.nrows().max(1) as f64;
        match form {
            "full" => {
                let moments = residuals.t().dot(residuals) / count;
                let few = count < PLENTY * moments.nrows() as f64;
                Self::full(if few { shrink(moments, count) } else { moments })
            }
            "diagonal" => Ok(Self::Diagonal(residuals.mapv(|r| r * r).sum_axis(Axis(0)) / count)),
            _ => Ok(Self::None),
        }
    }

    fn full(covariance: Array2<f64>) -> Result<Self> {
        let root = SymmetricEigen::new(covariance.view())?.map(f64::sqrt);
        Ok(Self::Full { covariance, root })
    }

    fn form(&self) -> &'static str {
        match self {
            Self::Diagonal(_) => "diagonal",
            Self::Full { .. } => "full",
            Self::None => "none",
        }
    }

    fn stored(&self) -> Tensor {
        match self {
            Self::Diagonal(variance) => reals(variance.to_vec()),
            Self::Full { covariance, .. } => tensor(covariance),
            Self::None => reals(Vec::new()),
        }
    }

    fn load(model: &Model, dim: usize) -> Result<Self> {
        match model.config["forecaster"][NOISE.key].as_str() {
            Some("diagonal") => {
                let variance = vector(model, RESIDUAL, dim)?;
                match variance.iter().position(|v| !(*v >= 0.0 && v.is_finite())) {
                    Some(at) => {
                        Err(misfit(model, RESIDUAL, &format!("has the variance {} for component {at}", variance[at])))
                    }
                    None => Ok(Self::Diagonal(variance)),
                }
            }
            Some("full") => {
                let covariance = covariance(model, RESIDUAL)?;
                match covariance.nrows() == dim {
                    true => Self::full(covariance),
                    false => Err(misfit(model, RESIDUAL, &format!("must be of {dim} components"))),
                }
            }
            Some("none") => Ok(Self::None),
            _ => Err(misfit(model, NOISE.key, "is missing or none that is known")),
        }
    }
}

/// The stored array of R.
const RESIDUAL: &str = "residual";

/// The law of one step.
struct Kernel {
    learned: Learned,
    residuals: Residuals,
}

impl Kernel {
    /// E[x_{k+1} | x_k], `[member, component]`.
    fn mean(&self, x: ArrayView2<f64>) -> Result<Array2<f64>> {
        let learned = &self.learned;
        let chunk = |x: ArrayView2<f64>| -> Result<Array2<f64>> {
            learned.stepped(x, &learned.evaluate(&[learned.scaled(x).view()], None)?)
        };
        let chunks = in_chunks(x.nrows(), learned.network().chunk(), |range| chunk(members(&x, range)))?;
        Ok(stacked(&chunks, learned.components()))
    }
}

impl GaussianKernel for Kernel {
    fn moments(&self, _k: usize, x: ArrayView2<f64>) -> systems::Result<(Array2<f64>, Covariance)> {
        let mean = self.mean(x)?;
        let covariance = match &self.residuals {
            Residuals::Diagonal(variance) => {
                Covariance::Diagonal(Array2::from_shape_fn(mean.dim(), |(_, c)| variance[c]))
            }
            Residuals::Full { covariance, .. } => Covariance::Shared(covariance.clone()),
            Residuals::None => Covariance::Diagonal(Array2::zeros(mean.dim())),
        };
        Ok((mean, covariance))
    }
}

/// The forecaster: its law is Gaussian, so that it offers everything that a Gaussian law offers.
struct Mse(GaussianLaw<Kernel>);

fn cost(settings: &Settings, size: &FitSize) -> Result<Cost> {
    learned::rolled_cost(settings, size, REGRESSION_FIELDS, Work::of(settings, 1))
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    let data = learned::data(settings, context)?;
    let objective = find(OBJECTIVES, "objective", "regression")?;
    let (learned, training) = learned::rolled(settings, context, &data, objective, &regression_rule())?;
    let residuals = Residuals::of(settings.text(NOISE.key), &residuals(&learned, &data)?)?;
    Ok(fitted(Kernel { learned, residuals }, training))
}

/// Residuals of evenly spaced pairs, `[pair, component]`, in the units of the state.
fn residuals(learned: &Learned, data: &Data) -> Result<Array2<f64>> {
    let Batch { states, increments, .. } = data.withheld(RESIDUALS);
    let view = states.view();
    let means = in_chunks(states.nrows(), learned.network().chunk(), |range| {
        Ok(array::field(&learned.evaluate(&[members(&view, range)], None)?, 0)?)
    })?;
    Ok((increments - stacked(&means, learned.components())) * &learned.scales().increments.sd)
}

fn load(model: &Model) -> Result<Fitted> {
    let learned = Learned::load(model, REGRESSION_FIELDS)?;
    let residuals = Residuals::load(model, learned.components())?;
    Ok(fitted(Kernel { learned, residuals }, Training::load(model)?))
}

fn fitted(kernel: Kernel, training: Training) -> Fitted {
    Fitted::new(ENTRY.name, Mse(GaussianLaw::new(kernel)), training, |model| {
        let Kernel { learned, residuals } = model.0.kernel();
        learned.parts(json!({ NOISE.key: residuals.form() }), [(RESIDUAL, residuals.stored())])
    })
}

impl Forecaster for Mse {
    fn dim(&self) -> usize {
        self.learned().dim()
    }

    fn history(&self) -> usize {
        self.learned().history()
    }

    fn parameters(&self) -> &[String] {
        self.learned().parameters()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> systems::Result<()> {
        let kernel = self.0.kernel();
        let mean = kernel.mean(x.view())?;
        let shape = mean.dim();
        let noise = || key.purpose(Purpose::ForecastNoise).at(k as u64).normals(shape.0, shape.1);
        let next = match &kernel.residuals {
            Residuals::Diagonal(variance) => mean + noise() * variance.mapv(f64::sqrt),
            Residuals::Full { root, .. } => mean + noise().dot(root),
            Residuals::None => mean,
        };
        *x = self.learned().shifted(x.view(), next);
        Ok(())
    }

    fn density(&self) -> Option<&dyn Density> {
        let noisy = !matches!(self.0.kernel().residuals, Residuals::None);
        noisy.then_some(&self.0 as &dyn Density)
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        self.learned().is_markov().then_some(&self.0)
    }

    fn gaussian(&self) -> Option<&dyn GaussianKernel> {
        self.learned().is_markov().then_some(&self.0)
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        self.learned().is_markov().then_some(self)
    }
}

/// The noise is added to the mean, so that the derivative of a lead step is that of the mean whatever is drawn.
impl HeldNoise for Mse {
    fn learned(&self) -> &Learned {
        &self.0.kernel().learned
    }

    fn normals(&self) -> usize {
        0
    }

    fn pull(
        &self,
        _output: &candle_core::Tensor,
        v: &Array2<f64>,
        _noise: ArrayView2<f64>,
    ) -> Result<Vec<Array2<f64>>> {
        Ok(vec![v.clone()])
    }
}

impl Differentiable for Mse {
    fn tangent(
        &self,
        k: usize,
        x: ArrayView2<f64>,
        dx: ArrayView2<f64>,
        key: Key,
    ) -> systems::Result<(Array2<f64>, Array2<f64>)> {
        held_noise::step_and_tangent(self, k, (x, dx), key)
    }

    fn adjoint(&self, k: usize, x: ArrayView2<f64>, v: ArrayView2<f64>, _key: Key) -> systems::Result<Array2<f64>> {
        self.mean_adjoint(k, x, v)
    }

    fn mean_tangent(
        &self,
        _k: usize,
        x: ArrayView2<f64>,
        dx: ArrayView2<f64>,
    ) -> systems::Result<(Array2<f64>, Array2<f64>)> {
        Ok((self.0.kernel().mean(x)?, held_noise::tangent(self, x, dx, self.no_noise(x.nrows()).view())?))
    }

    fn mean_adjoint(&self, _k: usize, x: ArrayView2<f64>, v: ArrayView2<f64>) -> systems::Result<Array2<f64>> {
        Ok(held_noise::adjoint(self, x, v, self.no_noise(x.nrows()).view())?)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A forecaster in double precision whose weights are moved from where they start, with this residual sd.
    pub(in crate::forecast) fn untrained(kind: &str, sd: f64) -> impl HeldNoise + Differentiable {
        let learned = learned::tests::untrained(kind, REGRESSION_FIELDS, 0.4).in_double_precision();
        let residuals = Residuals::Diagonal(Array1::from_elem(learned.dim(), sd * sd));
        Mse(GaussianLaw::new(Kernel { learned, residuals }))
    }
}
