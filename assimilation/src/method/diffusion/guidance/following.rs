//! A guided denoiser that follows members which are resampled on the way, by binding their conditions anew: whatever the
//! forecaster's denoiser is, it need not be taken apart. It costs a binding at each evaluation after the first resampling.

use std::sync::{Mutex, PoisonError};

use ndarray::{Array1, Array2, ArrayView2, Axis};
use scorecast_systems::{ConditionalDenoiser, Denoised, Denoiser, Level, Result, Stream};

use super::anew::Noised;
use super::by_terms::{GuidedDenoiser, Unguided};
use super::rule::{Guidance, Terms};
use super::tally::Tally;
use crate::observations::ObservationSet;
use crate::outcome::Diagnostics;

/// What members are bound to, and guided by.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Of the forecaster.
    pub conditional: &'a dyn ConditionalDenoiser,
    /// The lead step that is guided.
    pub step: usize,
    /// x at that step, `[member, component]`.
    pub x: ArrayView2<'a, f64>,
    /// The values that guide.
    pub observed: ObservationSet<'a>,
    /// By which rule.
    pub rule: &'a dyn Guidance,
}

/// A guided denoiser that follows members which are resampled on the way: it can be selected from.
pub trait FollowingDenoiser: Denoiser {
    /// The sums of the terms at the last evaluation, `[member]`: what the rule makes of log p(y | z_t), up to a constant.
    fn last_log_likelihood(&self) -> Array1<f64>;

    /// A draw of z given z_t and y, as [`GuidedDenoiser::draw`] gives it.
    ///
    /// # Errors
    /// When the denoiser itself cannot run.
    fn draw(&self, noised: &Noised, streams: &mut [Stream]) -> Result<Option<Array2<f64>>>;
}

/// A guided denoiser whose row i is bound to member i, or to the ancestor that took its place.
pub struct Following<'a> {
    source: Source<'a>,
    guided: Box<dyn GuidedDenoiser + 'a>,
    /// The sums of the terms at the last evaluation, `[member]`.
    log_likelihood: Mutex<Array1<f64>>,
    /// What those took that were bound anew.
    anew: Tally,
}

impl<'a> Following<'a> {
    /// Of members that are bound already, as `source` says.
    pub fn new(source: Source<'a>, unguided: Unguided<'a>) -> Self {
        let guided = source.rule.guide(unguided);
        Self { source, guided, log_likelihood: Mutex::default(), anew: Tally::default() }
    }

    /// Evaluations, products, and what rules noted.
    pub fn diagnostics(&self) -> Diagnostics {
        let mut all = self.guided.diagnostics();
        for (name, value) in self.anew.diagnostics() {
            *all.entry(name).or_default() += value;
        }
        all
    }

    fn keep(&self, terms: &Terms) {
        let sums = terms.log_likelihood.sum_axis(Axis(1));
        *self.log_likelihood.lock().unwrap_or_else(PoisonError::into_inner) = sums;
    }
}

impl FollowingDenoiser for Following<'_> {
    fn last_log_likelihood(&self) -> Array1<f64> {
        self.log_likelihood.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn draw(&self, noised: &Noised, streams: &mut [Stream]) -> Result<Option<Array2<f64>>> {
        self.guided.draw(noised, streams)
    }
}

impl Denoiser for Following<'_> {
    fn dim(&self) -> usize {
        self.guided.dim()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
        Ok(self.evaluate(x_t, &[level])?.guided)
    }

    fn evaluate(&self, x_t: ArrayView2<f64>, levels: &[Level]) -> Result<Denoised> {
        let (denoised, terms) = self.guided.evaluate_terms(x_t, levels)?;
        self.keep(&terms);
        Ok(denoised)
    }

    fn select<'b>(&'b self, rows: &[usize]) -> Result<Box<dyn Denoiser + 'b>> {
        Ok(Box::new(Anew { of: self, x: self.source.x.select(Axis(0), rows) }))
    }
}

/// [`Following`] members whose conditions are these.
struct Anew<'a, 'f> {
    of: &'a Following<'f>,
    x: Array2<f64>,
}

impl Denoiser for Anew<'_, '_> {
    fn dim(&self) -> usize {
        self.of.dim()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
        Ok(self.evaluate(x_t, &[level])?.guided)
    }

    fn evaluate(&self, x_t: ArrayView2<f64>, levels: &[Level]) -> Result<Denoised> {
        let Source { conditional, step, observed, rule, .. } = self.of.source;
        let bound = conditional.bind(step, self.x.view())?;
        let (denoiser, to_state) = (&*bound.denoiser, &bound.to_state);
        let guided = rule.guide(Unguided { denoiser, to_state, observed: observed.view() });
        let (denoised, terms) = guided.evaluate_terms(x_t, levels)?;
        self.of.keep(&terms);
        self.of.anew.add(&guided.diagnostics());
        Ok(denoised)
    }
}
