//! Observations that are kept from the methods.

use ndarray::Array2;

use crate::assimilation::screening;
use crate::spec::ObservePlan;
use crate::systems::Key;

/// Observations that no method sees, `[analysis, observed]` each; NaN in the place of the others.
pub struct Withheld {
    /// Observations that forecasts and analyses are verified against.
    pub evaluated: Array2<f64>,
    /// Observations that are not used at all.
    pub not_used: Array2<f64>,
}

impl Withheld {
    /// The withheld observations of one set.
    pub fn at(&self, index: usize) -> screening::WithheldValues<'_> {
        screening::WithheldValues { evaluated: self.evaluated.row(index), not_used: self.not_used.row(index) }
    }

    /// Takes what `network` withholds out of the observations at `steps`; none where it withholds nothing. `key` is that of
    /// the observations of one replicate.
    pub fn take(network: &ObservePlan, observations: &mut Array2<f64>, steps: &[usize], key: Key) -> Option<Self> {
        if !network.withholds() && network.not_used.is_empty() {
            return None;
        }
        let none = || Array2::from_elem(observations.raw_dim(), f64::NAN);
        let mut withheld = Self { evaluated: none(), not_used: none() };
        let rows = observations.outer_iter_mut().zip(withheld.evaluated.outer_iter_mut());
        for (((mut shown, mut evaluated), mut not_used), &step) in
            rows.zip(withheld.not_used.outer_iter_mut()).zip(steps)
        {
            // beside stream 0, of the errors, and 1, of the gaps
            let mut stream = key.at(step as u64).stream(2);
            for (i, y) in shown.iter_mut().enumerate() {
                // drawn for each, so that no list moves the others
                let drawn = stream.uniform() < network.withhold;
                if network.not_used.contains(&i) {
                    not_used[i] = std::mem::replace(y, f64::NAN);
                } else if drawn || network.evaluate_only.contains(&i) {
                    evaluated[i] = std::mem::replace(y, f64::NAN);
                }
            }
        }
        Some(withheld)
    }
}
