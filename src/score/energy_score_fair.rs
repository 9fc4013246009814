//! The fair energy score: CRPS with the Euclidean norm over components.
//!
//! ES = sum_j w_j ‖x_j - y‖ - sum_jk w_j w_k ‖x_j - x_k‖ / (2 (1 - sum_j w_j^2)) (Gneiting & Raftery 2007; fair form
//! Ferro 2014). The double sum is over all pairs up to [`ALL_PAIRS`] members. Above, it is over the pairs (j, j + s)
//! for shifts s spread evenly over the ensemble, as many pairs as `ALL_PAIRS` members have: the same expectation for
//! members that are draws of one law, at bounded cost.

use ndarray::ArrayView1;

use super::{Build, Case, Context, Ensemble, Metric};
use crate::systems::{Entry, Result, Settings};

/// Up to this many members all pairs are used.
const ALL_PAIRS: usize = 512;

/// The registry line.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "energy_score_fair",
    about: "energy score over all components, fair estimator",
    reference: "Gneiting & Raftery 2007; Ferro 2014",
    params: &[],
    build,
};

struct EnergyScoreFair;

fn build(_settings: &Settings, _context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(EnergyScoreFair))
}

impl Metric for EnergyScoreFair {
    fn measure(&self, case: &Case, out: &mut [f64]) {
        let ensemble = case.ensemble();
        let rows = ensemble.members.outer_iter().enumerate();
        let error: f64 = rows.map(|(j, x)| ensemble.weight(j) * distance(x, ensemble.truth)).sum();
        let count = ensemble.members.nrows();
        let spread = if count <= ALL_PAIRS {
            mean_distance(ensemble, 1..count, |j, s| j + s < count)
        } else {
            let shifts = (ALL_PAIRS * ALL_PAIRS / 2).div_ceil(count);
            mean_distance(ensemble, (0..shifts).map(|i| 1 + i * (count / 2) / shifts), |_, _| true)
        };
        out[0] = error - 0.5 * spread;
    }

    fn estimator(&self) -> &'static str {
        "fair"
    }
}

/// The weighted mean of ‖x_j - x_{j+s}‖ over these shifts and the pairs kept; 0 without any pair of positive weight.
fn mean_distance(ensemble: &Ensemble, shifts: impl Iterator<Item = usize>, keep: impl Fn(usize, usize) -> bool) -> f64 {
    let count = ensemble.members.nrows();
    let (mut sum, mut weight) = (0.0, 0.0);
    for s in shifts {
        for j in (0..count).filter(|j| keep(*j, s)) {
            let k = (j + s) % count;
            let w = ensemble.weight(j) * ensemble.weight(k);
            sum += w * distance(ensemble.members.row(j), ensemble.members.row(k));
            weight += w;
        }
    }
    if weight > 1e-12 { sum / weight } else { 0.0 }
}

/// The Euclidean distance.
fn distance(a: ArrayView1<f64>, b: ArrayView1<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}
