//! Whether a histogram is flat, allowing for any dependence between its cases in time and between components.
//!
//! X^2 = n B sum_b (p_b - 1/B)^2 for mean shares p_b of B bins is n B sum_k c_k^2 in the orthonormal contrasts
//! c_k = sqrt(2/B) sum_b p_b cos(pi k (b + 1/2) / B), k = 1..B-1. Its law under flatness is sum_i a_i chi^2_1 with a_i the
//! eigenvalues of A = B Omega, Omega the long-run covariance of the contrasts; for independent cases of one value all
//! a_i are 1. Two moments fit it: X^2 / tr A is near F with d = (tr A)^2 / tr A^2 and d nu degrees of freedom (the
//! second-order correction of Rao & Scott 1981, 1984, after Satterthwaite), nu those of Omega's estimate, and tr A^2
//! estimated without bias, as for a Wishart matrix. Only traces are used, so few times do not spoil it as they would
//! spoil a Wald test; tr A is taken 1 + 2/nu times as found, for its error is one of all contrasts together where they
//! persist.
//!
//! Contrasts and not bins: where ranks move slowly, the first contrasts (a bias, a wrong spread) persist like the errors
//! themselves, and an autoregression takes that out. A bin's share is in and out of the bin, and none does. Members that are
//! drawn afresh lay white noise on the ranks, and of components that are pooled some persist more than others: the
//! autoregression is that of what persists ([`LongRun::below_noise`]).

use std::f64::consts::PI;

use statrs::distribution::{ContinuousCDF, FisherSnedecor};

use super::LongRun;
use crate::score::terms::Terms;

/// Ranks that take turns make shares whose mean hardly varies; no less than this part of what independent cases would have
/// is believed, or a histogram as flat as it can be would be rejected.
const LEAST: f64 = 0.1;
/// A squared distance from flat, a case, that is rounding.
const NONE: f64 = 1e-24;

/// The test of flatness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flatness {
    /// X^2, the plain chi-square statistic per unit of independent cases.
    pub chi_square: f64,
    /// tr A / (B - 1): by how much dependence inflates the plain statistic.
    pub inflation: f64,
    /// The p-value.
    pub p: f64,
}

/// Tests whether the means of the first `bins` terms, which sum to 1, are all 1/bins.
///
/// None with too few cases to estimate the dependence.
pub fn flatness(terms: &Terms, bins: usize) -> Option<Flatness> {
    let flat = 1.0 / bins as f64;
    let chi_square: f64 =
        terms.means()[..bins].iter().map(|p| (p - flat) * (p - flat) / flat).sum::<f64>() * terms.len() as f64;
    let waves = waves(bins);
    let contrasts: Vec<(usize, Vec<f64>)> =
        terms.rows().map(|(cluster, _, row)| (cluster, contrasts(&row[..bins], &waves))).collect();
    let long_run = LongRun::below_noise(bins - 1, contrasts.iter().map(|(cluster, row)| (*cluster, &row[..])));
    let nu = long_run.dof;
    if nu < 2.0 {
        return None;
    }
    let a = long_run.covariance()? / flat;
    let trace = a.diag().sum().max(LEAST * long_run.independent_trace() / flat);
    let allowed = trace * (1.0 + 2.0 / nu);
    if chi_square <= NONE * terms.len() as f64 {
        return Some(Flatness { chi_square, inflation: trace / (bins - 1) as f64, p: 1.0 });
    }
    if trace <= 0.0 {
        return None;
    }
    let squares: f64 = a.iter().map(|x| x * x).sum();
    let unbiased = nu * nu / ((nu - 1.0) * (nu + 2.0)) * (squares - trace * trace / nu);
    let freedom = (trace * trace / unbiased.max(trace * trace / (bins - 1) as f64)).max(1.0);
    let law = FisherSnedecor::new(freedom, freedom * nu).ok()?;
    Some(Flatness { chi_square, inflation: trace / (bins - 1) as f64, p: 1.0 - law.cdf(chi_square / allowed) })
}

/// cos(pi k (b + 1/2) / B) for k = 1..B-1, `[contrast][bin]`.
fn waves(bins: usize) -> Vec<Vec<f64>> {
    let wave = |k: usize, b: usize| (PI * k as f64 * (b as f64 + 0.5) / bins as f64).cos();
    (1..bins).map(|k| (0..bins).map(|b| wave(k, b)).collect()).collect()
}

/// The contrasts of shares, `[bin]`: their cosine transform without the constant.
fn contrasts(shares: &[f64], waves: &[Vec<f64>]) -> Vec<f64> {
    let scale = (2.0 / shares.len() as f64).sqrt();
    let contrast = |wave: &Vec<f64>| scale * shares.iter().zip(wave).map(|(share, wave)| share * wave).sum::<f64>();
    waves.iter().map(contrast).collect()
}

#[cfg(test)]
mod tests {
    use super::{contrasts, waves};

    #[test]
    fn contrasts_are_orthonormal_and_see_nothing_of_the_flat() {
        assert!(contrasts(&[0.1; 10], &waves(10)).iter().all(|c| c.abs() < 1e-15));
        let shares = [0.3, 0.05, 0.25, 0.1, 0.3];
        let squares: f64 = contrasts(&shares, &waves(5)).iter().map(|c| c * c).sum();
        let expected: f64 = shares.iter().map(|p| (p - 0.2) * (p - 0.2)).sum();
        assert!((squares - expected).abs() < 1e-15);
    }
}
