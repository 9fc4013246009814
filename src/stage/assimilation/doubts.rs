//! What the members of a row say against themselves while their scores look sound.
//!
//! Excess kurtosis m_4 / m_2^2 - 3 of the members at each component, averaged over components: -6 / (N + 1) for N draws of a
//! Gaussian, up to N where one member has all the spread. A transform without random rotations of many more members than
//! components leaves the spread in few of them (Sakov and Oke 2008): mean and spread are right, and the ensemble is no sample.
//!
//! States outside their bounds: a linear update of a quantity that cannot be negative may make it so.

use ndarray::{ArrayView1, Axis};

use super::analysed::Analysed;
use crate::spec::AssimilatePlan;

/// Each so many analyses the members are looked at.
const LOOKED_AT: usize = 10;

/// Excess kurtosis from which the spread sits in few members; laws of states have less, a Laplace law 3.
const HEAVY: f64 = 6.0;

/// What was seen of the members of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Doubts {
    kurtosis: f64,
    looks: usize,
    outside: usize,
    values: usize,
}

impl Doubts {
    /// Looks at one analysis, by its index; `least` is the lower bound of a state's components, where there is one.
    pub fn look(&mut self, index: usize, analysed: &Analysed, least: Option<f64>) {
        let outcome = &analysed.outcome;
        if let Some(least) = least {
            self.outside += outcome.ensemble.iter().filter(|value| **value < least).count();
            self.values += outcome.ensemble.len();
        }
        if index.is_multiple_of(LOOKED_AT) && outcome.weights.is_none() && outcome.gaussian.is_none() {
            let each = outcome.ensemble.axis_iter(Axis(1)).filter_map(excess_kurtosis);
            let (sum, count) = each.fold((0.0, 0), |(sum, count), excess| (sum + excess, count + 1));
            if count > 0 {
                self.kurtosis += sum / f64::from(count);
                self.looks += 1;
            }
        }
    }
}

/// m_4 / m_2^2 - 3 of some numbers; none where they do not differ.
fn excess_kurtosis(x: ArrayView1<f64>) -> Option<f64> {
    let count = x.len() as f64;
    let mean = x.sum() / count;
    let moment = |power: i32| x.iter().map(|value| (value - mean).powi(power)).sum::<f64>() / count;
    let variance = moment(2);
    (variance > 0.0 && variance.is_finite()).then(|| moment(4) / (variance * variance) - 3.0)
}

/// The sentences on what was seen of the runs of a row; `least` is the lower bound of a state's components.
pub fn sentences(row: &AssimilatePlan, runs: impl Iterator<Item = Doubts>, least: Option<f64>) -> Vec<String> {
    let all = runs.fold(Doubts::default(), |all, run| Doubts {
        kurtosis: all.kurtosis + run.kurtosis,
        looks: all.looks + run.looks,
        outside: all.outside + run.outside,
        values: all.values + run.values,
    });
    let mut out = Vec::new();
    let excess = all.kurtosis / all.looks as f64;
    if all.looks > 0 && excess > HEAVY {
        let remedy = if row.settings.has("rotate") && !row.settings.flag("rotate") {
            "set `rotate = true`"
        } else {
            "take fewer members, or a method that draws them anew"
        };
        out.push(format!(
            "The spread of `{}` sits in few of its members: their excess kurtosis is {excess:.1} on average, where a Gaussian has 0; \
             its mean and spread may be right, its members are no sample of the posterior; {remedy}.",
            row.label
        ));
    }
    if let Some(least) = least.filter(|_| all.outside > 0) {
        out.push(format!(
            "`{}` makes states that the system does not have: {:.2} % of the values of its members are below {} after the analysis; \
             a linear update knows no bounds: observe and inflate less, or use a particle filter.",
            row.label,
            100.0 * all.outside as f64 / all.values as f64,
            least
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;

    use super::*;
    use crate::systems::{Domain, Key};

    #[test]
    fn kurtosis_tells_draws_from_a_spread_in_few_members() {
        let draws = Key::new(1, Domain::Score).normals(4000, 1).remove_axis(Axis(1));
        // sd of the estimate: sqrt(24 / 4000)
        assert!(excess_kurtosis(draws.view()).unwrap().abs() < 5.0 * (24.0f64 / 4000.0).sqrt());
        let mut few = Array1::zeros(1000);
        (few[0], few[1]) = (1.0, -1.0);
        // m_4 = m_2 = 2 / N
        assert!((excess_kurtosis(few.view()).unwrap() - (500.0 - 3.0)).abs() < 1e-9);
        assert_eq!(excess_kurtosis(Array1::zeros(4).view()), None);
    }
}
