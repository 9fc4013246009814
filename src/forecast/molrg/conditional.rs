//! The law of x_{k+1} given x_k under parts of pairs [x_k; x_{k+1}].
//!
//! With the basis of a part U = [A; B] times diag(l)^(1/2), A diag(l) A^T = E diag(s^2) E^T over the directions E in which x_k
//! varies, part k of x_{k+1} given x_k is N(m_y + B A^T E diag(1 / (s^2 + f)) E^T (x_k - m_x), W W^T + f I), where
//! W W^T = B (I + A^T A / f)^-1 B^T, and it has the weight pi_k N(x_k; m_x, E diag(s^2) E^T + f I). Neither W nor f depends on
//! x_k, and W has no more columns than U, or than a state has components.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use super::super::Result;
use super::super::mixture_law::{GaussianPart, MixtureLaw};
use super::parts::SubspacePart;
use crate::systems::gaussian::{LowRankGaussian, LowRankMixture, SymmetricEigen};
use crate::systems::{FactoredCovariance, Level};

/// One part given x_k.
struct ConditionalPart {
    log_weight: f64,
    /// Of x_k.
    marginal: LowRankMixture,
    /// m_x and m_y.
    means: [Array1<f64>; 2],
    /// E, `[component, direction]`.
    directions: Array2<f64>,
    /// B A^T E diag(1 / (s^2 + f)), `[component, direction]`.
    gain: Array2<f64>,
    /// W W^T + f I, one for all members.
    covariance: FactoredCovariance,
}

/// The parts given x_k.
pub struct Conditional {
    parts: Vec<ConditionalPart>,
    /// The root of the mean variance of the parts, `[1, component]`.
    sd: Array2<f64>,
}

impl Conditional {
    /// Of parts of pairs, of which there is at least one.
    ///
    /// # Errors
    /// When a part is no law.
    pub fn new(parts: &[SubspacePart]) -> Result<Self> {
        let parts = parts.iter().map(ConditionalPart::new).collect::<Result<Vec<_>>>()?;
        let zero = Array2::zeros((1, parts[0].means[0].len()));
        let variance = parts.iter().fold(zero, |sum, part| sum + part.covariance.variances());
        let count = parts.len() as f64;
        Ok(Self { sd: variance.mapv(|sum: f64| (sum / count).sqrt()), parts })
    }

    /// The number of components of a state.
    pub fn dim(&self) -> usize {
        self.sd.ncols()
    }

    /// p(x_{k+1} | x_k) for x_k `[member, component]`.
    pub fn law(&self, x: ArrayView2<f64>) -> MixtureLaw {
        let mut log_weights = Array2::zeros((x.nrows(), self.parts.len()));
        if self.parts.len() > 1 {
            for (part, mut column) in self.parts.iter().zip(log_weights.columns_mut()) {
                column.assign(&(part.marginal.log_density(x, Level::exploding(0.0)) + part.log_weight));
            }
        }
        let of = |part: &ConditionalPart| GaussianPart { mean: part.mean(x), covariance: part.covariance.clone() };
        MixtureLaw::new(log_weights, self.parts.iter().map(of).collect())
    }

    /// The scale of x_{k+1} around its mean, `[1, component]`.
    pub fn sd(&self) -> &Array2<f64> {
        &self.sd
    }
}

impl ConditionalPart {
    fn new(SubspacePart { gaussian, floor }: &SubspacePart) -> Result<Self> {
        let n = gaussian.mean.len() / 2;
        let scaled = &gaussian.basis * &gaussian.variances.mapv(f64::sqrt);
        let (a, b) = (scaled.slice(s![..n, ..]), scaled.slice(s![n.., ..]));
        let before = SymmetricEigen::new(a.dot(&a.t()).view())?;
        // a direction without variance tells nothing, and would divide rounding by f
        let varying: Vec<usize> = (0..n).filter(|i| before.values[*i] > 0.0).collect();
        let (directions, squares) = (before.vectors.select(Axis(1), &varying), before.values.select(Axis(0), &varying));
        let gain = b.dot(&a.t().dot(&directions)) / squares.mapv(|square| square + floor);
        let [x, y] = [s![..n], s![n..]].map(|half| gaussian.mean.slice(half).to_owned());
        let marginal = LowRankGaussian { weight: 1.0, mean: x.clone(), basis: directions.clone(), variances: squares };
        Ok(Self {
            log_weight: gaussian.weight.ln(),
            marginal: LowRankMixture::new(vec![marginal], floor.sqrt())?,
            means: [x, y],
            directions,
            gain,
            covariance: left_over(a, b, *floor)?,
        })
    }

    /// The means of x_{k+1}, `[member, component]`.
    fn mean(&self, x: ArrayView2<f64>) -> Array2<f64> {
        (&x - &self.means[0]).dot(&self.directions).dot(&self.gain.t()) + &self.means[1]
    }
}

/// B (I + A^T A / f)^-1 B^T + f I, in factors.
fn left_over(a: ArrayView2<f64>, b: ArrayView2<f64>, floor: f64) -> Result<FactoredCovariance> {
    let n = b.nrows();
    let inner = SymmetricEigen::new(a.t().dot(&a).view())?;
    let mut factor = b.dot(&inner.vectors) * inner.values.mapv(|square| (floor / (square + floor)).sqrt());
    if factor.ncols() > n {
        let outer = SymmetricEigen::new(factor.dot(&factor.t()).view())?;
        factor = &outer.vectors * &outer.values.mapv(f64::sqrt);
    }
    Ok(FactoredCovariance::new(Array2::from_elem((1, n), floor), factor.insert_axis(Axis(0))))
}
