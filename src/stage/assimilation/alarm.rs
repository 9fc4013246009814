//! The alarm for filter divergence.

use super::analysed::Analysed;
use super::lost::{Rule, WINDOW};

/// Filter divergence: a non-finite ensemble at any time, or, at a time that is scored, a truth that is lost ([`Rule`]) over
/// the last 100 analyses; at the last time, over all that are scored, so that a short run is judged too.
///
/// A filter that loses the truth within the burn-in may find it again: only from the end of the burn-in on is it judged, by
/// windows that reach back into it. A row whose posterior is exact is never called lost, for no other can be nearer the truth.
pub struct Alarm {
    rule: Rule,
    burn_in: usize,
    last: usize,
    exact: bool,
    scored: usize,
    errors: Vec<f64>,
    spreads: Vec<f64>,
}

impl Alarm {
    /// For a row that is scored after lead step `burn_in` up to `last`. `exact` says whether its forecaster is the truth's
    /// own, so that moments in closed form are those of the posterior.
    pub fn new(rule: Rule, burn_in: usize, last: usize, exact: bool) -> Self {
        Self { rule, burn_in, last, exact, scored: 0, errors: Vec::new(), spreads: Vec::new() }
    }

    /// Takes the analysis at lead step `step`; whether the filter has diverged.
    pub fn rings(&mut self, step: usize, analysed: &Analysed) -> bool {
        if analysed.outcome.ensemble.iter().any(|value| !value.is_finite()) {
            return true;
        }
        let Some(error) = analysed.error else { return false };
        self.errors.push(error);
        self.spreads.push((analysed.variance.sum() / analysed.variance.len() as f64).sqrt());
        if step <= self.burn_in || (self.exact && analysed.outcome.gaussian.is_some()) {
            return false;
        }
        self.scored += 1;
        let lost = |count: usize| {
            let first = self.errors.len() - count;
            self.rule.lost(&self.errors[first..], &self.spreads[first..])
        };
        (self.errors.len() >= WINDOW && lost(WINDOW)) || (step >= self.last && lost(self.scored))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::assimilation::Outcome;

    /// The step at which the alarm rings for a climate of sd 2, a burn-in of 150, a run of 400 and these errors and spreads.
    fn rung(of: impl Fn(usize) -> (f64, f64)) -> Option<usize> {
        rung_of(400, 150, false, of)
    }

    fn rung_of(last: usize, burn_in: usize, exact: bool, of: impl Fn(usize) -> (f64, f64)) -> Option<usize> {
        let mut alarm = Alarm::new(Rule::new(2.0, 1.0), burn_in, last, exact);
        (1..=last).find(|&step| {
            let (error, spread) = of(step);
            let ensemble = array![[error - spread, 0.0], [error + spread, 0.0]];
            let mut outcome = Outcome::new(ensemble.clone(), ensemble);
            let variance = array![spread * spread, spread * spread];
            outcome.gaussian = exact.then(|| (array![error, 0.0], ndarray::Array2::from_diag(&variance)));
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

    #[test]
    fn what_is_worse_than_a_draw_of_the_climate_is_lost_whatever_its_spread() {
        assert_eq!(rung(|_| (1e8, 2e8)), Some(151));
        assert_eq!(rung(|_| (2.9, 4.0)), Some(151), "above 2 sqrt 2");
        assert_eq!(rung(|_| (2.7, 4.0)), None);
    }

    #[test]
    fn a_short_run_is_judged_at_its_end_and_an_exact_one_never() {
        // 20 independent values: a Gaussian filter's error is 1.66 times its spread once in 10,000 runs
        assert_eq!(rung_of(30, 10, false, |_| (3.5, 0.1)), Some(30));
        assert_eq!(rung_of(30, 10, false, |_| (2.9, 4.0)), None, "20 values are too few to say so");
        assert_eq!(rung_of(12, 10, false, |_| (1.8, 0.7)), None);
        assert_eq!(rung_of(400, 150, true, |_| (9.0, 0.1)), None);
    }
}
