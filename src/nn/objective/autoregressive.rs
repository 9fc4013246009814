//! `autoregressive`: each component of the scaled increment z has a mixture of K Gaussians given x_k and the components
//! before it, p(z | x_k) = prod_c sum_k pi_ck N(z_c; m_ck, exp(l_ck)), trained by its exact negative log-likelihood (Uria,
//! Murray and Larochelle 2013). What the trunk gives for x_k are hidden units; the causal layer behind it makes of them and
//! of the components before c the K logits, means and raw log-variances of component c.
//!
//! So the K modes are of each component given those before it, and any dependence that the causal layer sees is in the law.
//! The loss is the mean over components, less ln(2 pi) / 2, with l as in `likelihood`. Mean k starts at the normal quantile
//! of (k + 1/2) / K: K Gaussians that start as one stay one.

use std::ops::RangeInclusive;

use candle_core::{Device, Result as TensorResult, Tensor};
use scorecast_systems::{Entry, Param, Settings};
use statrs::distribution::{ContinuousCDF, Normal};

use super::likelihood::bounded;
use super::training::given_states;
use super::{Draws, Fields, Objective, ObjectiveBuild, log_variance};
use crate::nn::data::Batch;
use crate::nn::network::{Causal, CausalLayer};
use crate::nn::{Error, NeuralNetwork, Result};

const COMPONENTS: Param =
    Param::int("components", 4, 1, "K, the number of Gaussians of each component").up_to(MOST.components as i64);
const HIDDEN: Param =
    Param::int("hidden", 32, 1, "hidden units of each component behind the trunk").up_to(MOST.hidden as i64);
const REACH: Param = Param::int(
    "reach",
    4,
    0,
    "positions in each direction of a grid whose components, as far as they come before, a component sees",
)
.up_to(MOST.reach as i64);

/// The settings of the law of a component.
pub const AUTOREGRESSIVE_SETTINGS: [Param; 3] = [COMPONENTS, HIDDEN, REACH];

/// The registry's line.
pub(super) const ENTRY: Entry<ObjectiveBuild> = Entry {
    name: "autoregressive",
    about: "negative log-likelihood, component by component: a mixture of Gaussians given the components before",
    reference: "Uria, Murray and Larochelle (2013), arXiv:1306.0186",
    params: &AUTOREGRESSIVE_SETTINGS,
    build: ObjectiveBuild {
        fields: |settings, _| AutoregressiveShape::new(settings).fields(),
        make,
        preconditioning: None,
    },
};

/// The largest that the settings could ask for.
const MOST: AutoregressiveShape = AutoregressiveShape { components: 64, hidden: 4096, reach: 64 };

/// The sizes of the law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoregressiveShape {
    /// K.
    pub components: usize,
    /// Hidden units of each component.
    pub hidden: usize,
    /// Positions that a component sees in each direction of a grid.
    pub reach: usize,
}

impl AutoregressiveShape {
    /// What the settings ask for.
    pub fn new(settings: &Settings) -> Self {
        let [components, hidden, reach] = AUTOREGRESSIVE_SETTINGS.map(|param| settings.count(param.key));
        Self { components, hidden, reach }
    }

    /// What the settings could ask for, in the order of the fields.
    pub const RANGES: [RangeInclusive<usize>; 3] = [1..=MOST.components, 1..=MOST.hidden, 0..=MOST.reach];

    /// What its network takes and gives.
    pub const fn fields(self) -> Fields {
        let causal = Causal { outputs: 3 * self.components, reach: self.reach };
        Fields { causal: Some(causal), ..Fields::new(1, self.hidden) }
    }

    /// Where the means start, in scaled units.
    pub fn starts(self) -> Vec<f64> {
        let count = self.components as f64;
        (0..self.components).map(|k| Normal::standard().inverse_cdf((k as f64 + 0.5) / count)).collect()
    }
}

/// The mixture of one component, as the causal layer gives it.
#[derive(Clone, Copy, Debug)]
pub struct ComponentFields<'a> {
    outputs: &'a [f64],
    starts: &'a [f64],
}

impl<'a> ComponentFields<'a> {
    /// From the 3 K outputs of the causal layer, and where the means start.
    pub fn new(outputs: &'a [f64], starts: &'a [f64]) -> Self {
        assert_eq!(outputs.len(), 3 * starts.len(), "a logit, a mean and a log-variance of each Gaussian");
        Self { outputs, starts }
    }

    /// The logits of pi.
    pub fn logits(&self) -> &'a [f64] {
        &self.outputs[..self.starts.len()]
    }

    /// m_k.
    pub fn mean(&self, k: usize) -> f64 {
        self.outputs[self.starts.len() + k] + self.starts[k]
    }

    /// l_k.
    pub fn log_variance(&self, k: usize) -> f64 {
        log_variance(self.outputs[2 * self.starts.len() + k]).0
    }
}

/// The causal layer that such a network must have.
///
/// # Errors
/// When it has none.
pub fn causal_layer(network: &dyn NeuralNetwork) -> Result<&CausalLayer> {
    let none = || Error::Model("the network has no causal layer; its description is damaged".to_owned());
    network.causal().ok_or_else(none)
}

struct Autoregressive(AutoregressiveShape);

fn make(settings: &Settings) -> Box<dyn Objective> {
    Box::new(Autoregressive(AutoregressiveShape::new(settings)))
}

impl Objective for Autoregressive {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, _draws: Draws) -> Result<Tensor> {
        let (trunk, z) = given_states(network, batch)?;
        let out = causal_layer(network)?.forward(&trunk, batch.increments.view())?;
        Ok(negative_log_likelihood(&out, &z, &self.0.starts())?)
    }
}

/// The loss, a scalar: `out` is `[row, component, (logits, means, raw log-variances)]`, z `[row, component, 1]`.
fn negative_log_likelihood(out: &Tensor, z: &Tensor, starts: &[f64]) -> TensorResult<Tensor> {
    let count = starts.len();
    let field = |index: usize| out.narrow(2, index * count, count)?.contiguous();
    let starts = Tensor::from_slice(starts, (1, 1, count), &Device::Cpu)?.to_dtype(out.dtype())?;
    let (logits, l) = (field(0)?, bounded(&field(2)?)?);
    let e = field(1)?.broadcast_add(&starts)?.broadcast_sub(z)?;
    let log_weights = logits.broadcast_sub(&logits.log_sum_exp(2)?.unsqueeze(2)?)?;
    let terms = (log_weights - (((e.sqr()? * l.neg()?.exp()?)? + l)? * 0.5)?)?;
    terms.log_sum_exp(2)?.mean_all()?.neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::ops::differences::{check, normals};

    #[test]
    fn the_loss_is_the_likelihood_of_the_mixtures_and_its_gradient_agrees_with_finite_differences() {
        for components in [1, 3] {
            let shape = AutoregressiveShape { components, hidden: 1, reach: 0 };
            let (out, z) = (normals(1, &[2, 5, 3 * components]), normals(2, &[2, 5, 1]));
            let starts = shape.starts();
            let loss = negative_log_likelihood(&out, &z, &starts).unwrap().to_scalar::<f64>().unwrap();
            let [outs, zs] = [&out, &z].map(|tensor| tensor.to_vec3::<f64>().unwrap());
            let mut expected = 0.0;
            for (out, z) in outs.iter().flatten().zip(zs.iter().flatten()) {
                let of = ComponentFields::new(out, &starts);
                let total: f64 = of.logits().iter().map(|logit| logit.exp()).sum();
                let density = |k: usize| {
                    let l = of.log_variance(k);
                    of.logits()[k].exp() / total * (-0.5 * ((z[0] - of.mean(k)).powi(2) / l.exp() + l)).exp()
                };
                expected -= (0..components).map(density).sum::<f64>().ln() / 10.0;
            }
            assert!((loss - expected).abs() < 1e-12, "{loss} {expected}");
            check(&[out, z], |a| negative_log_likelihood(&a[0], &a[1], &starts));
        }
    }
}
