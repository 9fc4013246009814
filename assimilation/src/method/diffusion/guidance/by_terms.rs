//! The guided denoiser of a rule: D + (sigma^2 / alpha) (H S J)^T w at each point, with the w that the rule says there.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ndarray::{Array2, ArrayView2};
use scorecast_systems::{Denoised, Denoiser, Level, Result};

use super::point::Point;
use super::rule::{Guidance, GuidedDenoiser, Terms, Unguided};
use crate::observe::Place;
use crate::outcome::Diagnostics;

/// A denoiser guided by the terms of a rule.
pub(super) struct ByTerms<'a, G: ?Sized> {
    rule: &'a G,
    of: Unguided<'a>,
    /// The sum and the number of what the rule noted.
    noted: Mutex<BTreeMap<&'static str, (f64, f64)>>,
}

impl<'a, G: Guidance + ?Sized> ByTerms<'a, G> {
    pub(super) fn new(rule: &'a G, of: Unguided<'a>) -> Self {
        Self { rule, of, noted: Mutex::default() }
    }

    fn note(&self, name: &'static str, value: f64) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let (sum, count) = noted.entry(name).or_default();
        (*sum, *count) = (*sum + value, *count + 1.0);
    }
}

impl<G: Guidance + ?Sized> Denoiser for ByTerms<'_, G> {
    fn dim(&self) -> usize {
        self.of.denoiser.dim()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
        Ok(self.evaluate(x_t, &[level])?.guided)
    }

    fn evaluate(&self, x_t: ArrayView2<f64>, levels: &[Level]) -> Result<Denoised> {
        Ok(self.evaluate_terms(x_t, levels)?.0)
    }
}

impl<G: Guidance + ?Sized> GuidedDenoiser for ByTerms<'_, G> {
    fn evaluate_terms(&self, x_t: ArrayView2<f64>, levels: &[Level]) -> Result<(Denoised, Terms)> {
        let point = Point::new(self.of.view(), x_t, levels)?;
        let terms = self.rule.terms(&point)?;
        if let Some((name, value)) = terms.noted {
            self.note(name, value);
        }
        Ok((point.guided_by(&terms.pull)?, terms))
    }

    fn places(&self) -> Option<Vec<Place>> {
        self.of.observed.operator.location()
    }

    fn diagnostics(&self) -> Diagnostics {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.iter().map(|(name, (sum, count))| (*name, sum / count)).collect()
    }
}
