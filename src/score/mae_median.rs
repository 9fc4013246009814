//! Absolute error of the ensemble median: the mean over cases and components of |med(x) - y|.
//!
//! med(x) halves the weight of the members: the least x_(i) of the sorted members with W_i > 1/2, or the middle between x_(i)
//! and x_(i+1) where W_i = 1/2, for W_i = w_(1) + ... + w_(i). With equal weights it is the middle member, or the mean of the
//! middle two. No other point forecast has a smaller expected absolute error (Gneiting 2011). Of a law with exact moments,
//! which is Gaussian, the median is the mean.

use super::about::Orientation;
use super::case::Case;
use super::ensemble::Ensemble;
use super::metric::{Context, Metric, MetricBuild, MetricEntry};
use crate::systems::{Result, Settings};

/// The registry line.
pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "mae_median",
    about: "mean absolute error of the ensemble median; scored where it is named",
    reference: "Gneiting 2011",
    params: &[],
    build: MetricBuild::new(
        "MAE of the median",
        Orientation::Less,
        "Mean over components and cases of the distance between the median of the members and the truth.",
        build,
    )
    .on_request(),
};

/// How far a sum of weights may be from 1/2 by rounding alone.
const ROUNDING: f64 = 1e-12;

struct MaeMedian;

fn build(_settings: &Settings, _context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(MaeMedian))
}

impl Metric for MaeMedian {
    fn measure(&self, case: &Case, out: &mut [f64]) {
        let ensemble = case.ensemble();
        let mut sorted = Vec::with_capacity(ensemble.members.nrows());
        let distances = ensemble.truth.iter().enumerate().map(|(c, y)| (median(ensemble, c, &mut sorted) - y).abs());
        out[0] = distances.sum::<f64>() / ensemble.truth.len() as f64;
    }

    fn estimator(&self) -> &'static str {
        "ensemble median"
    }
}

/// The median of component `c`; NaN where a member is not a number. `sorted` is reused from component to component.
fn median(ensemble: &Ensemble, c: usize, sorted: &mut Vec<(f64, f64)>) -> f64 {
    if ensemble.size.is_infinite() {
        return ensemble.mean[c];
    }
    sorted.clear();
    sorted.extend(ensemble.members.column(c).iter().enumerate().map(|(j, x)| (*x, ensemble.weight(j))));
    if sorted.iter().any(|(x, _)| x.is_nan()) {
        return f64::NAN;
    }
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut below = 0.0;
    for (i, (x, w)) in sorted.iter().enumerate() {
        below += w;
        match sorted.get(i + 1) {
            Some((next, _)) if (below - 0.5).abs() <= ROUNDING => return 0.5 * (x + next),
            _ if below > 0.5 => return *x,
            _ => {}
        }
    }
    sorted.last().map_or(f64::NAN, |(x, _)| *x)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

    use ndarray::{Array1, Array2, array};

    use super::*;
    use crate::score::{Pool, Terms, build};
    use crate::systems::{Domain, Key};

    fn of(members: &[f64], weights: Option<&Array1<f64>>) -> f64 {
        let members = Array2::from_shape_vec((members.len(), 1), members.to_vec()).unwrap();
        let truth = array![0.0];
        median(&Ensemble::new(truth.view(), members.view(), weights.map(|w| w.view())), 0, &mut Vec::new())
    }

    #[test]
    fn the_median_is_the_middle_member_or_the_mean_of_the_middle_two() {
        assert_eq!(of(&[3.0], None), 3.0);
        assert_eq!(of(&[5.0, 1.0, 3.0], None), 3.0);
        assert_eq!(of(&[4.0, 1.0, 3.0, 2.0], None), 2.5);
        // sums of 1/M are not exact
        for count in 1..200usize {
            let members: Vec<f64> = (0..count).map(|i| ((7 * i) % count) as f64).collect();
            let mut sorted = members.clone();
            sorted.sort_by(f64::total_cmp);
            assert_eq!(of(&members, None), 0.5 * (sorted[(count - 1) / 2] + sorted[count / 2]), "{count} members");
        }
        assert!(of(&[1.0, f64::NAN, 2.0], None).is_nan());
    }

    #[test]
    fn weights_are_halved() {
        assert_eq!(of(&[1.0, 2.0, 3.0], Some(&array![0.2, 0.2, 0.6])), 3.0);
        assert_eq!(of(&[3.0, 1.0, 2.0], Some(&array![0.3, 0.6, 0.1])), 1.0);
        assert_eq!(of(&[1.0, 2.0, 3.0], Some(&array![0.1, 0.4, 0.5])), 2.5);
        // a member of weight 2/5 is as two of 1/5
        assert_eq!(of(&[1.0, 2.0, 4.0, 7.0], Some(&array![0.2, 0.2, 0.4, 0.2])), of(&[1.0, 2.0, 4.0, 4.0, 7.0], None));
    }

    #[test]
    fn its_expectation_for_gaussian_draws_is_the_known_one() {
        // med of M draws of N(0, 1) is N(0, pi / 2M) nearly, and y is N(0, 1): E|med - y| = sqrt(2/pi (1 + pi / 2M))
        let (members, cases) = (101, 20_000);
        let metric = build("mae_median", &Context::plain(Pool::All)).unwrap();
        let key = Key::new(1, Domain::Score);
        let mut terms = Terms::new(1);
        for case in 0..cases {
            let draws = key.at(case as u64).normals(members + 1, 1);
            let (truth, x) = (draws.row(members), draws.slice(ndarray::s![..members, ..]));
            terms.measure(&*metric, case, 0, &Case::Ensemble(&Ensemble::new(truth, x, None)));
        }
        let summary = metric.summarise(&terms);
        let expected = (FRAC_2_PI * (1.0 + FRAC_PI_2 / members as f64)).sqrt();
        let (value, se) = (summary.value.unwrap(), summary.se.unwrap());
        assert!((value - expected).abs() < 3.0 * se, "{value} ± {se}, not {expected}");
    }

    #[test]
    fn of_exact_moments_the_median_is_the_mean() {
        let (truth, members) = (array![1.0, -1.0], array![[9.0, 9.0]]);
        let ensemble = Ensemble::new(truth.view(), members.view(), None).exact(array![0.5, 1.0], array![1.0, 1.0]);
        let mut out = [0.0];
        MaeMedian.measure(&Case::Ensemble(&ensemble), &mut out);
        assert_eq!(out[0], 1.25);
    }
}
