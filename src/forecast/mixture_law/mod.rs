//! Gaussian mixtures as the law of a lead step: member i has p(z) = sum_k pi_k N(m_k, C_k), with weights, means and
//! covariances C_k = diag(v_k) + W_k W_k^T of its own ([`FactoredCovariance`]), or with covariances that all members share.
//!
//! Everything is closed form, and no matrix of the size of a state is made of a member. Draws choose k with the chance
//! pi_k and are m_k + sqrt(v_k) xi + W_k zeta, xi and zeta independent. The density is a log-sum-exp, so that it is finite
//! wherever the state is. What noise makes of the law is in [`noised`].

mod noised;
#[cfg(test)]
mod tests;

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};

use noised::NoisedLaw;

use crate::systems::{
    self, Affine, BoundDenoiser, Covariance, Denoiser, DifferentiableDenoiser, FactoredCovariance, GaussianMixture,
    Key, Level, Pullback, Purpose,
};

/// One Gaussian of a mixture, for each member.
#[derive(Clone, Debug)]
pub struct GaussianPart {
    /// m, `[member, component]`.
    pub mean: Array2<f64>,
    /// C, with variances above 0: of each member, or one for all of them.
    pub covariance: FactoredCovariance,
}

/// A mixture of Gaussians for each member.
#[derive(Clone, Debug)]
pub struct MixtureLaw {
    /// log pi, `[member, part]`, whose weights sum to 1.
    log_weights: Array2<f64>,
    parts: Vec<GaussianPart>,
}

impl MixtureLaw {
    /// Of log pi (`[member, part]`, up to a constant of each member) and the parts.
    pub fn new(mut log_weights: Array2<f64>, parts: Vec<GaussianPart>) -> Self {
        let (members, count) = log_weights.dim();
        assert_eq!(count, parts.len(), "one weight for each part");
        for part in &parts {
            assert_eq!(part.mean.nrows(), members, "one mean for each member");
            let rows = part.covariance.diagonal().nrows();
            assert!(rows == 1 || rows == members, "one covariance for each member, or one for all");
        }
        for mut row in log_weights.outer_iter_mut() {
            let total = log_sum_exp(row.iter().copied());
            row -= total;
        }
        Self { log_weights, parts }
    }

    /// The number of members.
    pub fn members(&self) -> usize {
        self.log_weights.nrows()
    }

    /// log p(z_i) for each member i: z is `[member, component]`, the result `[member]`.
    pub fn log_density(&self, z: ArrayView2<f64>) -> Array1<f64> {
        self.noised(Level::exploding(0.0)).log_density(z)
    }

    /// The law of x_t = alpha z + sigma eps.
    pub fn noised(&self, level: Level) -> NoisedLaw<'_> {
        NoisedLaw::new(&self.log_weights, &self.parts, level)
    }

    /// Mean and variance of each component, `[member, component]` each.
    pub fn moments(&self) -> [Array2<f64>; 2] {
        let weights = self.log_weights.mapv(f64::exp);
        let weighed = || self.parts.iter().zip(weights.columns().into_iter().map(|w| w.insert_axis(Axis(1))));
        let shape = (self.members(), self.dim());
        let mean = weighed().fold(Array2::zeros(shape), |sum, (part, weight)| sum + &part.mean * &weight);
        let variance = weighed().fold(Array2::zeros(shape), |sum, (part, weight)| {
            let shift = &part.mean - &mean;
            sum + (&shift * &shift + part.covariance.variances()) * weight
        });
        [mean, variance]
    }

    /// As methods take it.
    pub fn into_mixture(self) -> GaussianMixture {
        let of = |part: GaussianPart| match is_shared(&part.covariance) && self.log_weights.nrows() != 1 {
            true => (part.mean, Covariance::Shared(part.covariance.of(0))),
            false => (part.mean, Covariance::Factored(part.covariance)),
        };
        GaussianMixture { parts: self.parts.into_iter().map(of).collect(), log_weights: self.log_weights }
    }

    /// A draw of each member, `[member, component]`. Member i takes from stream i of `key.purpose(ForecastNoise)` a uniform
    /// number, then as many normals as there are components, and then one for each column of W: no two share an address.
    pub fn draw(&self, key: Key) -> Array2<f64> {
        let key = key.purpose(Purpose::ForecastNoise);
        let mut out = Array2::zeros((self.members(), self.dim()));
        Zip::indexed(out.rows_mut()).par_for_each(|member, mut z| {
            let mut stream = key.stream(member as u64);
            let part = &self.parts[stream.index(self.log_weights.row(member).iter())];
            let row = row(&part.covariance, member);
            let (variance, factor) = (part.covariance.diagonal().row(row), part.covariance.factor());
            for (c, z) in z.iter_mut().enumerate() {
                *z = part.mean[[member, c]] + variance[c].sqrt() * stream.normal();
            }
            for column in factor.index_axis(Axis(0), row).columns() {
                z.scaled_add(stream.normal(), &column);
            }
        });
        out
    }

    /// The law of (z - `offset`) / `scale`: `offset` is `[member, component]`, `scale` likewise or `[1, component]`.
    fn standardized(&self, offset: &Array2<f64>, scale: &Array2<f64>) -> Self {
        let of = |part: &GaussianPart| GaussianPart {
            mean: (&part.mean - offset) / scale,
            covariance: part.covariance.clone().scaled(scale.mapv(|scale| 1.0 / scale).view()),
        };
        Self { log_weights: self.log_weights.clone(), parts: self.parts.iter().map(of).collect() }
    }

    /// Its denoiser on (z - `offset`) / `sd`: `offset` is `[member, component]`, `sd` likewise, or `[1, component]` so that
    /// covariances that all members share stay shared.
    pub fn bound(&self, offset: Array2<f64>, sd: &Array2<f64>) -> BoundDenoiser<'static> {
        let denoiser = Box::new(self.standardized(&offset, sd));
        let scale = Array2::ones(offset.dim()) * sd;
        BoundDenoiser { denoiser, to_state: Affine { offset, scale } }
    }
}

/// The row of a member among covariances of which there is one for each member, or one for all.
fn row(covariance: &FactoredCovariance, member: usize) -> usize {
    if is_shared(covariance) { 0 } else { member }
}

/// Whether there is one covariance for all members.
fn is_shared(covariance: &FactoredCovariance) -> bool {
    covariance.diagonal().nrows() == 1
}

/// log sum exp, of a largest term that is taken out.
pub(super) fn log_sum_exp(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    most + logs.map(|log| (log - most).exp()).sum::<f64>().ln()
}

impl Denoiser for MixtureLaw {
    fn dim(&self) -> usize {
        self.parts.first().map_or(0, |part| part.mean.ncols())
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> systems::Result<Array2<f64>> {
        Ok(self.noised(level).denoise(x_t))
    }

    fn select<'a>(&'a self, rows: &[usize]) -> systems::Result<Box<dyn Denoiser + 'a>> {
        let of = |part: &GaussianPart| {
            let covariance = &part.covariance;
            let covariance = if is_shared(covariance) { covariance.clone() } else { covariance.select(rows) };
            GaussianPart { mean: part.mean.select(Axis(0), rows), covariance }
        };
        let parts = self.parts.iter().map(of).collect();
        Ok(Box::new(Self { log_weights: self.log_weights.select(Axis(0), rows), parts }))
    }
}

impl DifferentiableDenoiser for MixtureLaw {
    fn denoise_vjp<'a>(
        &'a self,
        x_t: ArrayView2<'a, f64>,
        level: Level,
    ) -> systems::Result<(Array2<f64>, Pullback<'a>)> {
        let law = self.noised(level);
        let denoised = law.denoise(x_t);
        Ok((denoised, Pullback::new(move |v| Ok(law.pulled_back(x_t, v)))))
    }
}
