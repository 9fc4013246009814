//! The forecast as a Gaussian whose noise stands apart from the members: N(m, C + Q) with C of the members' E[x_{k+1} | x_k].

use ndarray::{Array1, Array2, Axis};

use crate::ensemble::{all_finite, anomalies};

/// Q, the covariance of the forecaster's noise, the same for all members.
#[derive(Clone, Debug)]
pub enum ModelNoise {
    /// None, or it has been drawn and is in the members.
    None,
    /// Independent in each component: variances, `[component]`.
    Diagonal(Array1<f64>),
    /// Any, `[component, component]`.
    Full(Array2<f64>),
}

impl ModelNoise {
    /// Adds the rows and columns of `components` to `p`, a square matrix row by row.
    pub(super) fn add_to(&self, components: &[usize], p: &mut [f64]) {
        let w = components.len();
        match self {
            Self::None => {}
            Self::Diagonal(q) => components.iter().enumerate().for_each(|(a, &i)| p[a * w + a] += q[i]),
            Self::Full(q) => {
                for (row, &i) in p.chunks_exact_mut(w.max(1)).zip(components) {
                    row.iter_mut().zip(components).for_each(|(p, &j)| *p += q[(i, j)]);
                }
            }
        }
    }

    /// q where Q is q I on `components`.
    pub(super) fn isotropic(&self, components: &[usize]) -> Option<f64> {
        match self {
            Self::None => Some(0.0),
            Self::Diagonal(q) => {
                let first = components.first().map(|&i| q[i])?;
                components.iter().all(|&i| q[i] == first).then_some(first)
            }
            Self::Full(_) => None,
        }
    }
}

/// N(m, C + Q): m the mean of the members' noise-free forecasts and C their covariance, which is tapered where it is used.
#[derive(Clone, Debug)]
pub struct EnsembleGaussian {
    /// E[x_{k+1} | x_k] of each member, `[member, component]`.
    pub means: Array2<f64>,
    /// Q.
    pub noise: ModelNoise,
    /// m, `[component]`.
    pub(super) mean: Array1<f64>,
    /// The anomalies, those of a component one after the other, `[component, member]`.
    pub(super) anomalies: Vec<f64>,
}

impl EnsembleGaussian {
    /// Of `means`, `[member, component]`, and Q.
    pub fn new(means: Array2<f64>, noise: ModelNoise) -> Self {
        let (mean, centred) = anomalies(means.view(), None);
        Self { anomalies: by_component(&centred), means, noise, mean }
    }

    /// It with the deviations of each component from the mean multiplied by these factors, `[component]`.
    #[must_use]
    pub(super) fn spread_by(&self, factors: &Array1<f64>) -> Self {
        let means = (&self.means - &self.mean) * factors + &self.mean;
        let noise = match &self.noise {
            ModelNoise::None => ModelNoise::None,
            ModelNoise::Diagonal(q) => ModelNoise::Diagonal(q * factors * factors),
            ModelNoise::Full(q) => ModelNoise::Full(q * factors * factors.view().insert_axis(Axis(1))),
        };
        Self::new(means, noise)
    }

    pub(super) fn members(&self) -> usize {
        self.means.nrows()
    }

    pub(super) fn dim(&self) -> usize {
        self.means.ncols()
    }

    /// Whether it has not diverged.
    pub(super) fn is_finite(&self) -> bool {
        all_finite(self.means.view())
    }
}

/// `x`, `[member, component]`, with the members of a component one after the other.
pub(super) fn by_component(x: &Array2<f64>) -> Vec<f64> {
    x.t().as_standard_layout().into_owned().into_raw_vec_and_offset().0
}
