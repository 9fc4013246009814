//! When errors say that the truth is lost.

use ndarray::{Array2, Axis};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::stage::data::TrainingClimate;

/// Analyses over which errors are averaged.
pub const WINDOW: usize = 100;
/// How seldom a posterior that is right may be called lost, for each independent window.
const CHANCE: f64 = 1e-4;
/// An autocorrelation below which the rest is noise.
const NOISE: f64 = 0.05;

/// The rule by which the truth is lost, over some analyses with a mean error e and a mean spread s, in a climate of standard
/// deviation c: e > c max(sqrt 2, q), worse than a random draw of the climate, whatever the spread says; or e > c/2 and
/// e > s max(2, q), wrong and not aware of it.
///
/// The second half keeps a filter that is poor but honest about it (few, noisy observations) in the table. q is how large a
/// root mean square of normal errors of variance 1 gets once in 10,000 times: q^2 nu is that quantile of chi^2_nu, for nu =
/// (number of analyses) / memory. A truth that moves slowly shows few independent errors, and those of an exact filter may
/// be twice its spread for a hundred analyses.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    climate: f64,
    memory: f64,
    of_window: f64,
}

impl Rule {
    /// For a climate of this standard deviation (root mean square over components) and a truth that remembers itself for so
    /// many analyses.
    pub fn new(climate: f64, memory: f64) -> Self {
        Self { climate, memory, of_window: chance(WINDOW as f64 / memory) }
    }

    /// For a truth, `[time, component]`, that is analysed at these lead steps.
    pub fn of(climate: &TrainingClimate, truth: &Array2<f64>, steps: &[usize]) -> Self {
        Self::new(climate.scale(), memory(truth, steps, climate))
    }

    /// Where there is no truth or no climate, nothing is lost.
    pub fn none() -> Self {
        Self::new(f64::INFINITY, 1.0)
    }

    /// Whether the truth is lost over analyses with these errors and spreads, as root mean squares over components.
    pub fn lost(&self, errors: &[f64], spreads: &[f64]) -> bool {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (error, spread) = (mean(errors), mean(spreads));
        let q = if errors.len() == WINDOW { self.of_window } else { chance(errors.len() as f64 / self.memory) };
        let worse_than_a_draw = error > self.climate * q.max(2f64.sqrt());
        worse_than_a_draw || (error > 0.5 * self.climate && error > spread * q.max(2.0))
    }

    /// Whether the truth is lost in any window, or over all of them.
    pub fn ever_lost(&self, errors: &[f64], spreads: &[f64]) -> bool {
        let mut windows = errors.windows(WINDOW).zip(spreads.windows(WINDOW));
        !errors.is_empty() && (windows.any(|(e, s)| self.lost(e, s)) || self.lost(errors, spreads))
    }
}

/// q of nu independent errors, of at least one.
fn chance(nu: f64) -> f64 {
    let nu = nu.max(1.0);
    ChiSquared::new(nu).map_or(f64::INFINITY, |law| (law.inverse_cdf(1.0 - CHANCE) / nu).sqrt())
}

/// 1 + 2 sum_k rho_k of the truth at the analyses, in analyses: rho_k is the autocorrelation of its deviations from the
/// climate, pooled over components, up to the first that is noise or half of the run.
fn memory(truth: &Array2<f64>, steps: &[usize], climate: &TrainingClimate) -> f64 {
    let probed = climate.probed();
    let deviation = |(t, j): (usize, usize)| {
        let j = probed[j];
        (truth[(steps[t], j)] - climate.mean[j]) / climate.sd[j]
    };
    let x = Array2::from_shape_fn((steps.len(), probed.len()), deviation);
    let lagged = |k: usize| {
        let pairs = x.axis_iter(Axis(0)).zip(x.axis_iter(Axis(0)).skip(k));
        pairs.map(|(now, later)| now.dot(&later)).sum::<f64>() / (steps.len() - k) as f64
    };
    let square = lagged(0);
    if steps.is_empty() || square.is_nan() || square <= 0.0 {
        return 1.0;
    }
    let correlations = (1..=steps.len() / 2).map(|k| lagged(k) / square).take_while(|rho| *rho > NOISE);
    1.0 + 2.0 * correlations.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array3};

    use super::*;
    use crate::systems::{Domain, Key};

    /// Figures of a table of chi-square: 1, 10 and 100 degrees of freedom at .9999.
    #[test]
    fn chances_are_quantiles_of_chi_square() {
        for (nu, quantile) in [(1.0, 15.1367), (10.0, 35.5640), (100.0, 161.3187)] {
            let q = chance(nu);
            assert!((q * q * nu / quantile - 1.0).abs() < 1e-4, "{nu}: {}", q * q * nu);
        }
    }

    /// An AR(1) of coefficient .9 remembers itself for (1 + .9)/(1 - .9) = 19 steps; of 20,000 times in 4 components the
    /// estimate's standard deviation is about 3 %, and the cut at .05 leaves out 2 .9^29/(1 - .9) = .9.
    #[test]
    fn the_memory_of_an_autoregression_is_known() {
        let mut stream = Key::new(5, Domain::Score).stream(0);
        let mut truth = Array2::zeros((20_000, 4));
        let mut x = Array1::<f64>::zeros(4);
        for mut row in truth.outer_iter_mut() {
            x.mapv_inplace(|x| 0.9 * x + 0.19f64.sqrt() * stream.normal());
            row.assign(&(&x * 3.0 + 7.0));
        }
        let states = truth.clone().into_shape_with_order((1, 20_000, 4));
        let climate = TrainingClimate::new(&states.unwrap_or_else(|_| Array3::zeros((0, 0, 0))).into());
        let steps: Vec<usize> = (0..20_000).collect();
        let found = memory(&truth, &steps, &climate);
        assert!((found - 18.1).abs() < 2.0, "{found}");
        let every_tenth: Vec<usize> = (0..20_000).step_by(10).collect();
        let found = memory(&truth, &every_tenth, &climate);
        // .9^10 = .35: 1 + 2 (.35 + .12) above the cut
        assert!((found - 1.94).abs() < 0.3, "{found}");
    }
}
