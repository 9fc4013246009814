//! The alarm for filter divergence.

use super::analysed::Analysed;

/// Analyses over which errors are averaged.
const WINDOW: usize = 100;

/// Filter divergence: a non-finite ensemble at any time, or, at a time that is scored, a mean error over the last 100
/// analyses that exceeds half the climatological standard deviation while the ensemble claims less than half of that
/// error.
///
/// The second half of the rule keeps a filter that is poor but honest about it (few, noisy observations) in the table. A
/// filter that loses the truth within the burn-in may find it again: only from the end of the burn-in on is it judged, by
/// windows that reach back into it.
pub struct Alarm {
    half_climate: f64,
    burn_in: usize,
    errors: Vec<f64>,
    spreads: Vec<f64>,
}

impl Alarm {
    /// For a climate with this standard deviation (root mean square over components), and a row that is scored after
    /// lead step `burn_in`.
    pub fn new(climatological_sd: f64, burn_in: usize) -> Self {
        Self { half_climate: 0.5 * climatological_sd, burn_in, errors: Vec::new(), spreads: Vec::new() }
    }

    /// Takes the analysis at lead step `step`; whether the filter has diverged.
    pub fn rings(&mut self, step: usize, analysed: &Analysed) -> bool {
        if analysed.outcome.ensemble.iter().any(|value| !value.is_finite()) {
            return true;
        }
        let Some(error) = analysed.error else { return false };
        self.errors.push(error);
        self.spreads.push((analysed.variance.sum() / analysed.variance.len() as f64).sqrt());
        if self.errors.len() < WINDOW || step <= self.burn_in {
            return false;
        }
        let recent = |values: &[f64]| values[values.len() - WINDOW..].iter().sum::<f64>() / WINDOW as f64;
        let (error, spread) = (recent(&self.errors), recent(&self.spreads));
        error > self.half_climate && spread < 0.5 * error
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::assimilation::Outcome;

    /// The step at which the alarm rings for a climate of sd 2, a burn-in of 150 and these errors and spreads.
    fn rung(of: impl Fn(usize) -> (f64, f64)) -> Option<usize> {
        let mut alarm = Alarm::new(2.0, 150);
        (1..=400).find(|&step| {
            let (error, spread) = of(step);
            let ensemble = array![[error - spread, 0.0], [error + spread, 0.0]];
            let outcome = Outcome::new(ensemble.clone(), ensemble);
            let variance = array![spread * spread, spread * spread];
            alarm.rings(
                step,
                &Analysed { mean: array![error, 0.0], variance, error: Some(error), outcome, estimate: None },
            )
        })
    }

    #[test]
    fn it_rings_where_a_scored_window_is_wrong_and_does_not_know_it() {
        assert_eq!(rung(|_| (0.9, 0.1)), None, "better than half the climate");
        assert_eq!(rung(|_| (1.8, 1.0)), None, "poor, and honest about it");
        // wrong from the start: at the first step that is scored
        assert_eq!(rung(|_| (1.8, 0.1)), Some(151));
        // lost within the burn-in and found again before it ends
        assert_eq!(rung(|step| if step < 50 { (9.0, 0.1) } else { (0.3, 0.3) }), None);
        // lost after it: 1.8 k + .3 (100 - k) > 100 from the 47th wrong one of a window on
        assert_eq!(rung(|step| if step < 300 { (0.3, 0.3) } else { (1.8, 0.1) }), Some(346));
        // a number that is none, at once
        assert_eq!(rung(|step| if step < 7 { (0.3, 0.3) } else { (f64::NAN, 0.1) }), Some(7));
    }
}
