//! The guided denoiser of a rule: D + (sigma^2 / alpha) (H S J)^T w at each point, with the w that the rule says there.

use ndarray::{Array2, ArrayView2};
use scorecast_systems::{Affine, Denoised, Denoiser, DifferentiableDenoiser, Level, Result, Stream};

use super::anew::Noised;
use super::point::Point;
use super::rule::{Guidance, Terms};
use super::tally::Tally;
use crate::observations::ObservationSet;
use crate::observe::Place;
use crate::outcome::Diagnostics;

/// What is to be guided, and by what.
#[derive(Clone, Copy)]
pub struct Unguided<'a> {
    /// D, whose row i is member i of `to_state`.
    pub denoiser: &'a dyn DifferentiableDenoiser,
    /// From z to states x.
    pub to_state: &'a Affine,
    /// Its values that are present guide.
    pub observed: ObservationSet<'a>,
}

impl Unguided<'_> {
    /// It, borrowed for a shorter time.
    pub(super) fn view(&self) -> Unguided<'_> {
        Unguided { observed: self.observed.view(), ..*self }
    }
}

/// A denoiser that is guided: its [`Denoiser::evaluate`] gives D with and without guidance.
pub trait GuidedDenoiser: Denoiser {
    /// D at `x_t` (`[member, component]`) with and without guidance, and the terms that guide, not yet summed so that
    /// local weights can taper them. `levels` are those of [`Denoiser::evaluate`].
    ///
    /// # Errors
    /// When the denoiser itself cannot run, or has one level for all frames and is given several.
    fn evaluate_terms(&self, x_t: ArrayView2<f64>, levels: &[Level]) -> Result<(Denoised, Terms)>;

    /// A draw of z given z_t and y, `[member, component]`, by a rule that draws itself ([`Guidance::drawing`]); none by another.
    ///
    /// # Errors
    /// As [`GuidedDenoiser::evaluate_terms`].
    fn draw(&self, noised: &Noised, streams: &mut [Stream]) -> Result<Option<Array2<f64>>>;

    /// Where each value sits, `[value]`, where that makes sense.
    fn places(&self) -> Option<Vec<Place>>;

    /// What rules noted ([`Terms::noted`]), as means over all evaluations so far, and the numbers of `evaluations` and of
    /// `vector_jacobian_products` of the denoiser.
    fn diagnostics(&self) -> Diagnostics;
}

/// A denoiser guided by the terms of a rule.
pub(super) struct ByTerms<'a, G: ?Sized> {
    rule: &'a G,
    of: Unguided<'a>,
    tally: Tally,
}

impl<'a, G: Guidance + ?Sized> ByTerms<'a, G> {
    pub(super) fn new(rule: &'a G, of: Unguided<'a>) -> Self {
        Self { rule, of, tally: Tally::default() }
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
        let point = Point::new(self.of.view(), x_t, levels, self.rule.jacobian())?;
        let terms = self.rule.terms(&point)?;
        let (denoised, products) = point.guided_by(&terms)?;
        self.tally.count(products);
        if let Some((name, value)) = terms.noted {
            self.tally.note(name, value);
        }
        Ok((denoised, terms))
    }

    fn draw(&self, noised: &Noised, streams: &mut [Stream]) -> Result<Option<Array2<f64>>> {
        let Some(drawing) = self.rule.drawing() else { return Ok(None) };
        let point = Point::new(self.of.view(), noised.x_t, noised.levels, self.rule.jacobian())?;
        let drawn = drawing.draw(&point, noised.before, streams)?;
        self.tally.count(point.products.get());
        Ok(Some(drawn))
    }

    fn places(&self) -> Option<Vec<Place>> {
        self.of.observed.operator.location()
    }

    fn diagnostics(&self) -> Diagnostics {
        self.tally.diagnostics()
    }
}
