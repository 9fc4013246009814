//! A parameter: what is known of it before the first observation, how it moves, and the scale u = g(theta) on which it is
//! estimated.

use ndarray::{Array1, Array2, Axis, concatenate, s};
use scorecast_systems::{Key, Purpose};

use crate::ensemble::{weighted_mean, weighted_variance};
use crate::error::Result;
use crate::problem::{Prior, draw_prior};

/// g of u = g(theta).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// u = theta: any real number.
    Linear,
    /// u = ln theta: positive numbers.
    Log,
}

/// A parameter of a family of forecasters.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name, for messages; of a system of the catalogue the key of the setting, `of.rho` that of a system inside.
    pub name: String,
    /// The scale of u.
    pub scale: Scale,
    /// The prior mean of u.
    pub mean: f64,
    /// The prior standard deviation of u.
    pub sd: f64,
    /// The standard deviation of u's step in each lead step; 0 lets it persist.
    pub walk: f64,
}

impl Parameter {
    /// A real number about `value`, give or take `sd`, that persists.
    pub fn linear(name: &str, value: f64, sd: f64) -> Self {
        Self { name: name.to_owned(), scale: Scale::Linear, mean: value, sd, walk: 0.0 }
    }

    /// A positive number about `value`, give or take a factor of exp(`sd`), that persists.
    pub fn log(name: &str, value: f64, sd: f64) -> Self {
        Self { name: name.to_owned(), scale: Scale::Log, mean: value.ln(), sd, walk: 0.0 }
    }

    /// This parameter, which then takes a random step of this standard deviation (of u) in each lead step.
    #[must_use]
    pub fn walking(self, walk: f64) -> Self {
        Self { walk, ..self }
    }

    /// theta = g^-1(u).
    pub fn value(&self, u: f64) -> f64 {
        match self.scale {
            Scale::Linear => u,
            Scale::Log => u.exp(),
        }
    }

    /// Mean and standard deviation of theta where u ~ N(`mean`, `variance`); of the logarithmic scale those of the lognormal
    /// law.
    pub fn moments(&self, mean: f64, variance: f64) -> (f64, f64) {
        match self.scale {
            Scale::Linear => (mean, variance.sqrt()),
            Scale::Log => {
                let theta = (mean + 0.5 * variance).exp();
                (theta, theta * variance.exp_m1().sqrt())
            }
        }
    }

    /// Mean and standard deviation of u over the members of an augmented ensemble, `[member, component]`, of which this
    /// is component `at`; `weights` are normalised, none means equal.
    pub fn estimate(ensemble: &Array2<f64>, weights: Option<&Array1<f64>>, at: usize) -> (f64, f64) {
        let column = ensemble.slice(s![.., at..=at]);
        (weighted_mean(column, weights)[0], weighted_variance(column, weights)[0].sqrt())
    }
}

/// The prior of [x, u]: x as `state` has it, each u ~ N(mean, sd^2), independent of x and of each other.
///
/// Of a prior of draws it is draws, as many; those of u come from `key` with the purpose of parameters.
///
/// # Errors
/// When a prior's draws cannot be given, or the sizes of its moments do not fit.
pub fn augmented_prior(state: &Prior, parameters: &[Parameter], key: Key) -> Result<Prior> {
    state.check()?;
    let means: Array1<f64> = parameters.iter().map(|parameter| parameter.mean).collect();
    let sds: Array1<f64> = parameters.iter().map(|parameter| parameter.sd).collect();
    match state {
        Prior::Ensemble(draws) => {
            let members = draws.nrows();
            let u = key.purpose(Purpose::Parameter).normals(members, sds.len()) * &sds + &means;
            let x = draw_prior(state, members, key)?;
            let both = ndarray::concatenate![Axis(1), x, u];
            Ok(Prior::Ensemble(both))
        }
        Prior::Independent { mean, sd } => Ok(Prior::Independent {
            mean: concatenate![Axis(0), mean.view(), means.view()],
            sd: concatenate![Axis(0), sd.view(), sds.view()],
        }),
        Prior::Gaussian { mean, covariance } => {
            let dim = mean.len();
            let mut whole = Array2::zeros((dim + sds.len(), dim + sds.len()));
            whole.slice_mut(s![..dim, ..dim]).assign(covariance);
            whole.slice_mut(s![dim.., dim..]).diag_mut().assign(&(&sds * &sds));
            Ok(Prior::Gaussian { mean: concatenate![Axis(0), mean.view(), means.view()], covariance: whole })
        }
    }
}
