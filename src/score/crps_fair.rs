//! The fair continuous ranked probability score, component by component, then averaged over components.
//!
//! CRPS = sum_j w_j |x_j - y| - sum_jk w_j w_k |x_j - x_k| / (2 (1 - sum_j w_j^2)): with equal weights the second term
//! is sum_jk |x_j - x_k| / (2 M (M - 1)), whose expectation does not depend on M (Ferro 2014). Sorting the members
//! makes the double sum O(M log M). A single member (or a single weight of 1) scores its absolute error.

use super::{Build, Case, Context, Ensemble, Metric};
use crate::systems::{Entry, Result, Settings};

/// The registry line.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "crps_fair",
    about: "continuous ranked probability score, fair estimator, mean over components",
    reference: "Ferro 2014",
    params: &[],
    build,
};

struct CrpsFair;

fn build(_settings: &Settings, _context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(CrpsFair))
}

impl Metric for CrpsFair {
    fn measure(&self, case: &Case, out: &mut [f64]) {
        let ensemble = case.ensemble();
        let dim = ensemble.truth.len();
        out[0] = match ensemble.weights {
            None => (0..dim).fold((0.0, Vec::new()), |(sum, work), c| equal(ensemble, c, sum, work)).0,
            Some(_) => (0..dim).fold((0.0, Vec::new()), |(sum, work), c| weighted(ensemble, c, sum, work)).0,
        } / dim as f64;
    }

    fn estimator(&self) -> &'static str {
        "fair"
    }
}

/// Adds the score of component `c` to `sum`; `work` is reused from component to component.
fn equal(ensemble: &Ensemble, c: usize, sum: f64, mut work: Vec<f64>) -> (f64, Vec<f64>) {
    let y = ensemble.truth[c];
    work.clear();
    work.extend(ensemble.members.column(c).iter().map(|x| x - y));
    work.sort_unstable_by(f64::total_cmp);
    let m = work.len() as f64;
    let (mut error, mut gini) = (0.0, 0.0);
    for (i, x) in work.iter().enumerate() {
        error += x.abs();
        gini += (2.0 * i as f64 + 1.0 - m) * x;
    }
    let spread = if m > 1.0 { gini / (m * (m - 1.0)) } else { 0.0 };
    (sum + error / m - spread, work)
}

/// The same with weights: sum_jk w_j w_k |x_j - x_k| = 2 sum_i w_i (x_i W_{<i} - S_{<i}) over sorted members, with
/// W and S the running sums of w and w x.
fn weighted(ensemble: &Ensemble, c: usize, sum: f64, mut work: Vec<(f64, f64)>) -> (f64, Vec<(f64, f64)>) {
    let y = ensemble.truth[c];
    work.clear();
    work.extend(ensemble.members.column(c).iter().enumerate().map(|(j, x)| (x - y, ensemble.weight(j))));
    work.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut error, mut half, mut weight, mut moment, mut squares) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (x, w) in &work {
        error += w * x.abs();
        half += w * (x * weight - moment);
        weight += w;
        moment += w * x;
        squares += w * w;
    }
    let rest = 1.0 - squares;
    let spread = if rest > 1e-12 { half / rest } else { 0.0 };
    (sum + error - spread, work)
}
