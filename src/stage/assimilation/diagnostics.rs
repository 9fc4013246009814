//! What there is to say of one analysis beside its scores.

use crate::assimilation::diagnostics::{Consistency, Spectrum};
use crate::assimilation::quality::Quality;
use crate::assimilation::{ObservationSet, Outcome};
use crate::failure::Result;
use crate::score::Of;
use crate::score::series::{
    EFFECTIVE_DIMENSION, ESS, ESS_SHARE, INFLATION, LOG_EVIDENCE, OBSERVATION_ERROR_RATIO, REJECTED, Series,
};
use crate::stage::score_table::ScoreTable;

/// Each so many analyses the columns are filled that cost more than their method.
const LOOKED_AT: usize = 10;

/// Each so many analyses there is a singular value decomposition of the ensemble.
const DECOMPOSED: usize = 50;

/// Adds the diagnostics of one analysis, by its index.
///
/// # Errors
/// When shapes do not fit.
pub fn add_diagnostics(
    table: &mut ScoreTable,
    replicate: usize,
    index: usize,
    now: &ObservationSet,
    outcome: &Outcome,
) -> Result<()> {
    // an evidence of 0, of weights that are all lost, counts: its logarithm takes the mean with it
    let mut add = |series: &Series, value: f64| {
        if !value.is_nan() {
            table.number(Of::Analysis, series, replicate, now.step, value);
        }
    };
    let diagnostic = |name: &str| outcome.diagnostics.get(name).copied();
    // every method over the sets that hold a value: what some say of an empty one, 0, would dilute their means; with quality
    // control it is that of the values that were kept, which no other row has
    if now.values.iter().any(|value| !value.is_nan()) {
        let evidence = diagnostic("log_evidence").filter(|_| outcome.quality.is_empty());
        evidence.into_iter().for_each(|value| add(&LOG_EVIDENCE, value));
    }
    // a method's own and an adaptive one around it multiply
    let factors = [diagnostic("inflation"), diagnostic("adaptive_inflation")];
    factors.into_iter().flatten().reduce(|a, b| a * b).into_iter().for_each(|value| add(&INFLATION, value));
    let count = |wanted: fn(&Quality) -> bool| outcome.quality.iter().filter(|quality| wanted(quality)).count();
    let there = count(|quality| *quality != Quality::Rejected);
    if there > 0 {
        add(&REJECTED, count(|quality| *quality == Quality::Outlier) as f64 / there as f64);
    }
    if !index.is_multiple_of(LOOKED_AT) {
        return Ok(());
    }
    if now.operator.error().variance().iter().all(|r| r.is_finite()) {
        let mut residuals = Consistency::default();
        residuals.add(outcome, now)?;
        add(&OBSERVATION_ERROR_RATIO, residuals.r.all().value / residuals.supposed_r.all().value);
    }
    if index.is_multiple_of(DECOMPOSED)
        && outcome.gaussian.is_none()
        && let Some(spectrum) = Spectrum::new(outcome.posterior().0.view(), outcome.posterior().1)?
    {
        add(&EFFECTIVE_DIMENSION, spectrum.effective_dimension());
    }
    Ok(())
}

/// Adds the effective sample size of one analysis at lead step `step`, where it has weights.
pub fn add_effective_size(table: &mut ScoreTable, replicate: usize, step: usize, outcome: &Outcome) {
    if let Some(&ess) = outcome.diagnostics.get("ess") {
        table.number(Of::Analysis, &ESS, replicate, step, ess);
        table.number(Of::Analysis, &ESS_SHARE, replicate, step, ess / outcome.ensemble.nrows() as f64);
    }
}
