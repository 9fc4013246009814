//! Forecasts that have lost the truth: what explodes, and what is worse than a random draw of the climate.
//!
//! A forecast has exploded where its mean is further from the climate than twice any training state, in climatological
//! standard deviations (root mean square over components). It then counts as one that is not finite, alone.
//!
//! A forecaster is lost at a lead step where the mean square of its errors in those units, 2 for a random draw of the climate
//! and for persistence far ahead, is above 3 by more than two standard errors: then all of its forecasts count so. The margin
//! is there because the climate of a finite training set is not the climate. The true system is never lost.

use ndarray::{Array1, Array2};

use crate::score::{Ensemble, Terms, normalised_distance, statistics::summarise};
use crate::stage::data::TrainingClimate;

/// The mean square error of a draw of the climate is 2; more than this is lost.
const LOST: f64 = 3.0;
/// How much further than training states a forecast may go.
const REACH: f64 = 2.0;

/// What forecasts are held to.
pub struct Bounds {
    /// Mean of the climate, `[component]`.
    mean: Array1<f64>,
    /// Variance of the climate, `[component]`.
    variance: Array1<f64>,
    /// The furthest that a forecast's mean may be from the climate's.
    reach: f64,
}

impl Bounds {
    /// Of the training trajectories.
    pub fn new(climate: &TrainingClimate) -> Self {
        let variance = climate.sd.mapv(|sd| sd * sd);
        let distance = |state| normalised_distance(state, climate.mean.view(), variance.view());
        let furthest = climate.states().into_outer_iter().map(distance);
        let reach = REACH * furthest.fold(0.0, f64::max);
        Self { mean: climate.mean.clone(), variance, reach }
    }

    /// The variance of the climate, `[component]`.
    pub fn variance(&self) -> &Array1<f64> {
        &self.variance
    }

    /// Members, `[member, component]`, that stand for those of a forecast that has exploded: not finite. None for one that has
    /// not.
    pub fn exploded(&self, forecast: &Ensemble) -> Option<Array2<f64>> {
        let distance = normalised_distance(forecast.mean.view(), self.mean.view(), self.variance.view());
        let within = distance <= self.reach;
        (!within).then(|| Array2::from_elem(forecast.members.dim(), f64::NAN))
    }
}

/// Whether a forecaster is lost at a lead step with these squared errors, by trajectory and start.
pub fn is_lost(squares: &Terms) -> bool {
    let finite = squares.rows().all(|(_, _, row)| row[0].is_finite());
    let summary = summarise(squares, &|means| means[0]);
    let (Some(mean), Some(se)) = (summary.value.filter(|_| finite), summary.se) else { return false };
    mean - 2.0 * se > LOST
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::systems::{Domain, Key};

    fn bounds() -> Bounds {
        let draws = Key::new(4, Domain::Score).normals(1000, 3) * 2.0 + 5.0;
        let cube = draws.into_shape_with_order((1, 1000, 3)).unwrap_or_else(|_| Array3::zeros((0, 0, 0)));
        Bounds::new(&TrainingClimate::new(&cube.into()))
    }

    #[test]
    fn what_leaves_twice_the_training_states_has_exploded() {
        let bounds = bounds();
        // the furthest of 1,000 normal states of three components is about 4 / sqrt 3 of their standard deviations away
        assert!((bounds.reach / (2.0 * 4.0 / 3f64.sqrt()) - 1.0).abs() < 0.2, "{}", bounds.reach);
        let truth = Array1::zeros(3);
        let at = |value: f64| {
            let members = Array2::from_elem((2, 3), value);
            bounds.exploded(&Ensemble::new(truth.view(), members.view(), None))
        };
        assert!(at(5.0 + 2.0 * 4.0).is_none());
        assert!(at(5.0 + 2.0 * 6.0).is_some_and(|members| members.iter().all(|value| value.is_nan())));
        assert!(at(f64::INFINITY).is_some() && at(f64::NAN).is_some());
    }

    #[test]
    fn what_is_surely_worse_than_a_draw_of_the_climate_is_lost() {
        let squares = |size: f64| {
            let draws = Key::new(4, Domain::Score).normals(200, 1);
            let mut terms = Terms::new(1);
            draws.iter().enumerate().for_each(|(case, z)| terms.push(case, 0, &[size * z * z]));
            terms
        };
        assert!(!is_lost(&squares(2.0)), "a draw of the climate, or persistence");
        assert!(!is_lost(&squares(3.2)), "not surely");
        assert!(is_lost(&squares(6.0)));
    }
}
