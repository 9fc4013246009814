//! The excess kurtosis of the members of each component, its mean over components: 0 for a Gaussian law, -2 for two
//! points, 3 for a Laplace law. Of `perfect` one lead step on it says whether the true one-step law given the state is
//! Gaussian, so that `gaussian` is the well-specified model.
//!
//! Of M members with central moments m_2 and m_4, G_2 = (M - 1) ((M + 1) (m_4 / m_2^2 - 3) + 6) / ((M - 2) (M - 3)), which is
//! right on average for Gaussian members and any M >= 4 (Fisher 1930; Joanes & Gill 1998). Large values come out too near
//! to 0 of few members: m_4 / m_2^2 is M at most. Weighted members count as if they were as many equal ones as their effective size.

use super::about::Orientation;
use super::case::Case;
use super::ensemble::Ensemble;
use super::metric::{Context, Metric, MetricBuild, MetricEntry};
use crate::systems::{Result, Settings};

/// The registry line.
pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "excess_kurtosis",
    about: "excess kurtosis of the ensemble, mean over components: 0 for a Gaussian law; scored where it is named",
    reference: "Joanes & Gill 1998",
    params: &[],
    build: MetricBuild::new(
        "excess kurtosis",
        Orientation::None,
        "The excess kurtosis of the members of each component, averaged: 0 for a Gaussian law. Of `perfect` at the first lead \
         step it is that of the true law of a lead step given the state. It needs 4 members, and counts as 0 where they coincide.",
        build,
    )
    .on_request(),
};

/// Members of which it can be told.
const LEAST: usize = 4;

struct ExcessKurtosis;

fn build(_settings: &Settings, _context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(ExcessKurtosis))
}

impl Metric for ExcessKurtosis {
    fn measure(&self, case: &Case, out: &mut [f64]) {
        let ensemble = case.ensemble();
        let dim = ensemble.truth.len();
        out[0] = (0..dim).map(|c| of_component(ensemble, c)).sum::<f64>() / dim as f64;
    }

    fn least_members(&self) -> usize {
        LEAST
    }

    fn estimator(&self) -> &'static str {
        "unbiased for Gaussian members"
    }

    fn estimator_of(&self, members: usize) -> &str {
        if members < LEAST { "fewer than 4 members" } else { self.estimator() }
    }
}

/// G_2 of a component; 0 of members that coincide or are too few.
fn of_component(ensemble: &Ensemble, c: usize) -> f64 {
    let size = if ensemble.size.is_finite() { ensemble.size } else { ensemble.members.nrows() as f64 };
    let moment = |power: i32| -> f64 {
        let deviation = |(j, x): (usize, &f64)| ensemble.weight(j) * (x - ensemble.mean[c]).powi(power);
        ensemble.members.column(c).iter().enumerate().map(deviation).sum()
    };
    let (second, fourth) = (moment(2), moment(4));
    if second == 0.0 || size < LEAST as f64 {
        return 0.0 * second;
    }
    let plain = fourth / (second * second) - 3.0;
    (size - 1.0) * ((size + 1.0) * plain + 6.0) / ((size - 2.0) * (size - 3.0))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};

    use super::*;
    use crate::score::Terms;
    use crate::systems::{Domain, Key};

    /// The mean over cases of draws of a law, with its standard error.
    fn mean(members: usize, cases: u64, law: impl Fn(&mut crate::systems::Stream) -> f64) -> (f64, f64) {
        let mut terms = Terms::new(1);
        for case in 0..cases {
            let mut stream = Key::new(case, Domain::Score).stream(members as u64);
            let x = Array2::from_shape_simple_fn((members, 3), || law(&mut stream));
            let truth = Array1::zeros(3);
            let ensemble = Ensemble::new(truth.view(), x.view(), None);
            terms.measure(&ExcessKurtosis, case as usize, 0, &Case::Ensemble(&ensemble));
        }
        let summary = ExcessKurtosis.summarise(&terms);
        (summary.value.unwrap(), summary.se.unwrap())
    }

    #[test]
    fn of_gaussian_members_it_is_zero_on_average_for_any_number_of_them() {
        for members in [4, 5, 20, 64] {
            let (value, se) = mean(members, 4000, |stream| 2.0 + 3.0 * stream.normal());
            assert!(value.abs() < 5.0 * se, "{members}: {value} ± {se}");
        }
    }

    #[test]
    fn of_other_laws_it_is_theirs_from_many_members() {
        let laplace = |stream: &mut crate::systems::Stream| {
            let u = stream.uniform() - 0.5;
            -(1.0 - 2.0 * u.abs()).ln() * u.signum()
        };
        let two = |stream: &mut crate::systems::Stream| if stream.uniform() < 0.5 { -1.0 } else { 1.0 };
        let (value, se) = mean(10_000, 100, laplace);
        assert!((value - 3.0).abs() < 5.0 * se + 0.03, "{value} ± {se}");
        let (value, se) = mean(10_000, 20, two);
        assert!((value + 2.0).abs() < 5.0 * se + 1e-3, "{value} ± {se}");
        // of 64 members too little of the tail is seen, which the page of the metric says
        let (few, _) = mean(64, 4000, laplace);
        assert!((1.8..2.8).contains(&few), "{few}");
    }

    #[test]
    fn members_that_coincide_have_none_and_one_that_is_not_finite_is_not_lost() {
        let at = |x: [f64; 5]| {
            let x = Array2::from_shape_vec((5, 1), x.to_vec()).unwrap();
            let truth = Array1::zeros(1);
            of_component(&Ensemble::new(truth.view(), x.view(), None), 0)
        };
        assert_eq!(at([2.0; 5]), 0.0);
        assert!(at([1.0, 2.0, f64::NAN, 3.0, 4.0]).is_nan());
        // by hand: m_2 = 2, m_4 = 6.8, m_4 / m_2^2 - 3 = -1.3; (4 / 6) (6 * -1.3 + 6) = -1.2
        assert!((at([1.0, 2.0, 3.0, 4.0, 5.0]) + 1.2).abs() < 1e-12);
    }
}
