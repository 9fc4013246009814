//! Mixtures of low-rank Gaussians (MoLRG; Wang et al. 2024): x_0 ~ sum_k pi_k N(m_k, U_k diag(l_k) U_k^T + tau^2 I), with
//! U_k orthonormal `[component, direction]`, and a floor tau^2 of ambient noise that may be 0.
//!
//! Under x_t = s x_0 + g eps, with v = s^2 tau^2 + g^2, r_k = x_t - s m_k and p_k = U_k^T r_k, component k has
//! log N_k = -1/2 (sum ln(s^2 l + v) + (n - d) ln v + sum p^2 / (s^2 l + v) + |r - U p|^2 / v + n ln 2 pi), weight
//! w_k ~ pi_k N_k, and denoised state D_k = m_k + (s tau^2 / v) r + U diag(s l g^2 / (v (s^2 l + v))) p. The denoiser is
//! D = sum_k w_k D_k; with the scores S_k = -(r - U p) / v - U (p / (s^2 l + v)), its Jacobian, which is symmetric, is
//! J = sum_k w_k (dD_k/dx_t + S_k (D_k - D)^T).

use std::f64::consts::TAU;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::error::{Error, Result};
use crate::key::Stream;
use crate::noising::{Denoiser, DifferentiableDenoiser, Level, Pullback};

/// One component: N(mean, basis diag(variances) basis^T), with a weight.
#[derive(Clone, Debug)]
pub struct LowRankGaussian {
    /// pi, above 0; weights need not sum to 1.
    pub weight: f64,
    /// m, `[component]`.
    pub mean: Array1<f64>,
    /// U, orthonormal, `[component, direction]`.
    pub basis: Array2<f64>,
    /// l, the variances along the directions, on top of the floor, `[direction]`.
    pub variances: Array1<f64>,
}

/// A mixture of low-rank Gaussians with its exact log-density, denoiser and draws.
#[derive(Clone, Debug)]
pub struct LowRankMixture {
    parts: Vec<LowRankGaussian>,
    /// tau^2.
    floor: f64,
}

/// What Bayes' formula says of x_t at one level.
struct Posterior {
    /// w, `[member, part]`.
    weights: Array2<f64>,
    /// log p(x_t), `[member]`.
    log_density: Array1<f64>,
}

/// The factors of one part at one level, `[direction]` where they are lists.
struct Factors {
    /// s.
    alpha: f64,
    /// v.
    across: f64,
    /// s tau^2 / v.
    gain_across: f64,
    /// s^2 l + v.
    along: Array1<f64>,
    /// What the gain along a direction has on top of that across.
    gain_along: Array1<f64>,
}

impl LowRankMixture {
    /// From parts of one dimension, and the sd tau of the ambient noise in each component. Weights are normalized.
    ///
    /// # Errors
    /// Without parts, when their shapes differ, when a weight or a variance is out of range, or a basis not orthonormal.
    pub fn new(mut parts: Vec<LowRankGaussian>, ambient_sd: f64) -> Result<Self> {
        let total: f64 = parts.iter().map(|part| part.weight).sum();
        let Some(first) = parts.first() else {
            return Err(Error::Unsupported("a mixture of 0 components has no law; give at least 1".into()));
        };
        let n = first.mean.len();
        if !(ambient_sd >= 0.0 && ambient_sd.is_finite()) {
            return Err(Error::Unsupported(format!("the ambient sd is {ambient_sd}, but must be at least 0")));
        }
        for (k, part) in parts.iter_mut().enumerate() {
            check(part, n).map_err(|problem| Error::Unsupported(format!("component {k} of the mixture {problem}")))?;
            part.weight /= total;
        }
        Ok(Self { parts, floor: ambient_sd * ambient_sd })
    }

    /// The parts, their weights normalized.
    pub fn parts(&self) -> &[LowRankGaussian] {
        &self.parts
    }

    /// The mean of x_0, `[component]`.
    pub fn mean(&self) -> Array1<f64> {
        self.parts.iter().fold(Array1::zeros(self.dim()), |sum, part| sum + &part.mean * part.weight)
    }

    /// The variance of a component of x_0, averaged over the components.
    pub fn mean_variance(&self) -> f64 {
        let (n, mean) = (self.dim() as f64, self.mean());
        let of = |part: &LowRankGaussian| {
            let shift = &part.mean - &mean;
            part.weight * (part.variances.sum() + shift.dot(&shift)) / n
        };
        self.floor + self.parts.iter().map(of).sum::<f64>()
    }

    /// The law of (x_0 - `shift`) / `scale`.
    pub fn standardized(&self, shift: &Array1<f64>, scale: f64) -> Self {
        let of = |part: &LowRankGaussian| LowRankGaussian {
            weight: part.weight,
            mean: (&part.mean - shift) / scale,
            basis: part.basis.clone(),
            variances: &part.variances / (scale * scale),
        };
        Self { parts: self.parts.iter().map(of).collect(), floor: self.floor / (scale * scale) }
    }

    /// A draw of x_0 into `out` (`[component]`): m + U a + e.
    pub fn draw(&self, out: &mut [f64], stream: &mut Stream) {
        let mut left = stream.uniform();
        let chosen = self.parts.iter().find(|part| {
            left -= part.weight;
            left < 0.0
        });
        let Some(part) = chosen.or(self.parts.last()) else { return };
        out.iter_mut().zip(&part.mean).for_each(|(x, mean)| *x = mean + self.floor.sqrt() * stream.normal());
        for (direction, variance) in part.basis.columns().into_iter().zip(&part.variances) {
            let along = variance.sqrt() * stream.normal();
            out.iter_mut().zip(direction).for_each(|(x, u)| *x += along * u);
        }
    }

    /// log p(x_t) for each row of `x_t` (`[member, component]`); x_0 itself is at alpha 1 and sigma 0. Without ambient
    /// noise and at sigma 0 there is no density in the ambient space, and the result is not finite.
    pub fn log_density(&self, x_t: ArrayView2<f64>, level: Level) -> Array1<f64> {
        self.posterior(x_t, level).log_density
    }

    fn factors(&self, part: &LowRankGaussian, Level { alpha, sigma }: Level) -> Factors {
        let across = alpha * alpha * self.floor + sigma * sigma;
        let along = part.variances.mapv(|l| alpha * alpha * l + across);
        let gain_along = &part.variances / &along * (alpha * sigma * sigma / across);
        Factors { alpha, across, gain_across: alpha * self.floor / across, along, gain_along }
    }

    fn posterior(&self, x_t: ArrayView2<f64>, level: Level) -> Posterior {
        assert_eq!(x_t.ncols(), self.dim(), "states of {} components for a mixture in {}", x_t.ncols(), self.dim());
        let mut weights = Array2::zeros((x_t.nrows(), self.parts.len()));
        for (part, mut column) in self.parts.iter().zip(weights.columns_mut()) {
            column.assign(&self.factors(part, level).log_density(part, x_t));
        }
        let mut log_density = Array1::zeros(x_t.nrows());
        for (mut row, log_density) in weights.outer_iter_mut().zip(&mut log_density) {
            let most = row.fold(f64::NEG_INFINITY, |most, log| most.max(*log));
            row.mapv_inplace(|log| (log - most).exp());
            let sum = row.sum();
            row /= sum;
            *log_density = most + sum.ln();
        }
        Posterior { weights, log_density }
    }
}

/// Says what is wrong with a part of a mixture in R^n; completes "component k of the mixture ...".
fn check(part: &LowRankGaussian, n: usize) -> Result<(), String> {
    let (rows, d) = part.basis.dim();
    if part.mean.len() != n || rows != n || part.variances.len() != d {
        let (mean, variances) = (part.mean.len(), part.variances.len());
        return Err(format!("has a mean of {mean}, a basis of {rows} x {d} and {variances} variances in R^{n}"));
    }
    if !(part.weight > 0.0 && part.weight.is_finite()) {
        return Err(format!("has weight {}, but it must be above 0", part.weight));
    }
    if let Some(variance) = part.variances.iter().find(|l| !(**l >= 0.0 && l.is_finite())) {
        return Err(format!("has variance {variance}, but it must be at least 0"));
    }
    let gap = part.basis.t().dot(&part.basis) - Array2::<f64>::eye(d);
    let worst = gap.fold(0.0f64, |worst, value| worst.max(value.abs()));
    let finite = gap.iter().all(|value| value.is_finite());
    if finite && worst < 1e-8 { Ok(()) } else { Err(format!("has a basis that is {worst} away from orthonormal")) }
}

impl Factors {
    /// r and p.
    fn project(&self, part: &LowRankGaussian, x_t: ArrayView2<f64>) -> (Array2<f64>, Array2<f64>) {
        let residual = &x_t - &(&part.mean * self.alpha);
        let along = residual.dot(&part.basis);
        (residual, along)
    }

    /// log (pi N), `[member]`.
    fn log_density(&self, part: &LowRankGaussian, x_t: ArrayView2<f64>) -> Array1<f64> {
        let (n, d) = part.basis.dim();
        let (residual, along) = self.project(part, x_t);
        let outside = residual - along.dot(&part.basis.t());
        let squares = |rows: &Array2<f64>, variances: ArrayView1<f64>| (rows * rows).dot(&(1.0 / &variances));
        let across = Array1::from_elem(n, self.across);
        let log_det = self.along.mapv(f64::ln).sum() + if n > d { (n - d) as f64 * self.across.ln() } else { 0.0 };
        let constant = part.weight.ln() - 0.5 * (log_det + n as f64 * TAU.ln());
        (squares(&outside, across.view()) + squares(&along, self.along.view())) * -0.5 + constant
    }

    /// D_k, `[member, component]`.
    fn denoise(&self, part: &LowRankGaussian, x_t: ArrayView2<f64>) -> Array2<f64> {
        let (residual, along) = self.project(part, x_t);
        residual * self.gain_across + (along * &self.gain_along).dot(&part.basis.t()) + &part.mean
    }

    /// S_k, `[member, component]`.
    fn score(&self, part: &LowRankGaussian, x_t: ArrayView2<f64>) -> Array2<f64> {
        let (residual, along) = self.project(part, x_t);
        let outside = residual - along.dot(&part.basis.t());
        (outside / self.across + (along / &self.along).dot(&part.basis.t())) * -1.0
    }

    /// (dD_k/dx_t) v, `[member, component]`.
    fn gain(&self, part: &LowRankGaussian, v: ArrayView2<f64>) -> Array2<f64> {
        (v.dot(&part.basis) * &self.gain_along).dot(&part.basis.t()) + &(&v * self.gain_across)
    }
}

/// Row by row a . b, as a column.
fn row_dots(a: &Array2<f64>, b: ArrayView2<f64>) -> Array2<f64> {
    (a * &b).sum_axis(Axis(1)).insert_axis(Axis(1))
}

impl Denoiser for LowRankMixture {
    fn dim(&self) -> usize {
        self.parts.first().map_or(0, |part| part.mean.len())
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
        if level.sigma == 0.0 {
            return Ok(&x_t / level.alpha);
        }
        let weights = self.posterior(x_t, level).weights;
        let mut denoised = Array2::zeros(x_t.dim());
        for (part, weight) in self.parts.iter().zip(weights.columns()) {
            denoised += &(self.factors(part, level).denoise(part, x_t) * weight.insert_axis(Axis(1)));
        }
        Ok(denoised)
    }

    fn select<'a>(&'a self, _rows: &[usize]) -> Result<Box<dyn Denoiser + 'a>> {
        Ok(Box::new(self))
    }
}

impl DifferentiableDenoiser for LowRankMixture {
    fn denoise_vjp<'a>(&'a self, x_t: ArrayView2<'a, f64>, level: Level) -> Result<(Array2<f64>, Pullback<'a>)> {
        let denoised = self.denoise(x_t, level)?;
        if level.sigma == 0.0 {
            return Ok((denoised, Pullback::new(move |v| Ok(&v / level.alpha))));
        }
        let (weights, mean) = (self.posterior(x_t, level).weights, denoised.clone());
        let pull = move |v: ArrayView2<f64>| {
            let mut out = Array2::zeros(v.dim());
            for (part, weight) in self.parts.iter().zip(weights.columns()) {
                let factors = self.factors(part, level);
                let apart = row_dots(&(factors.denoise(part, x_t) - &mean), v);
                let change = factors.gain(part, v) + factors.score(part, x_t) * &apart;
                out += &(change * weight.insert_axis(Axis(1)));
            }
            Ok(out)
        };
        Ok((denoised, Pullback::new(pull)))
    }
}
