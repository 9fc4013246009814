//! What each present value of a set says of one number: of the component that it reads, or of its own prediction.
//!
//! Where errors are correlated their values are made independent first, each at its own place ([`Present::whiten_in_place`]),
//! and then are functions of their predictions with errors of variance 1.

use ndarray::{Array2, ArrayView2, Axis};

use crate::error::Result;
use crate::observations::{ObservationSet, Present};
use crate::observe::NoiseLaw;

/// The present values of one set, in an order of the caller's.
pub(crate) struct Readings<'a> {
    observed: ObservationSet<'a>,
    /// Which observed values these are, `[present]`.
    index: Vec<usize>,
    /// `[present]`.
    values: Vec<f64>,
    /// The component that each reads, where it reads one alone, `[present]`.
    components: Vec<Option<usize>>,
    /// h(x) of the members where several components are read, `[member, present]`; 0 for the others.
    predicted: Array2<f64>,
    /// Whether errors were correlated and are not any more.
    whitened: bool,
}

/// A value that is a + b u + e with a Gaussian e.
pub(crate) struct LinearReading {
    /// y - a.
    pub value: f64,
    /// b.
    pub slope: f64,
    /// The variance of e.
    pub variance: f64,
}

impl<'a> Readings<'a> {
    /// Of the present values, which `order` lists by their positions among those; `x` are the members, `[member, component]`.
    ///
    /// # Errors
    /// When shapes do not fit, or an eigenproblem of correlated errors fails.
    pub fn new(observed: &ObservationSet<'a>, x: ArrayView2<f64>, order: &[usize]) -> Result<Self> {
        let present = observed.restrict(x)?;
        let whitened = present.correlated.is_some();
        let Present { predicted, values, index, .. } = present.whiten_in_place()?;
        let index: Vec<usize> = order.iter().map(|&j| index[j]).collect();
        let single = observed.operator.one_component().filter(|_| !whitened);
        let components: Vec<_> = index.iter().map(|&value| single.and_then(|single| single.component(value))).collect();
        let mut predicted = predicted.select(Axis(1), order);
        for (mut column, _) in predicted.columns_mut().into_iter().zip(&components).filter(|(_, read)| read.is_some()) {
            column.fill(0.0);
        }
        let values = order.iter().map(|&j| values[j]).collect();
        Ok(Self { observed: *observed, index, values, components, predicted, whitened })
    }

    /// Which observed values these are.
    pub fn index(&self) -> &[usize] {
        &self.index
    }

    /// The component that each value reads, where it reads one alone.
    pub fn components(&self) -> &[Option<usize>] {
        &self.components
    }

    /// h(x) of the members, `[member, present]`, of the values that read several components; 0 for the others.
    pub fn predicted(&self) -> ArrayView2<'_, f64> {
        self.predicted.view()
    }

    fn law(&self) -> &'a dyn NoiseLaw {
        self.observed.operator.error()
    }

    /// log p(y_j | u) up to a constant; -inf where h or the density is no number.
    pub fn log_likelihood(&self, j: usize, u: f64) -> f64 {
        if self.whitened {
            let residual = self.values[j] - u;
            return -0.5 * residual * residual;
        }
        let value = self.index[j];
        let predicted = match (self.components[j], self.observed.operator.one_component()) {
            (Some(_), Some(single)) => single.value_at(self.observed.time, value, u),
            _ => u,
        };
        let log_likelihood = self.law().log_likelihood_of(value, self.values[j], predicted);
        if log_likelihood.is_nan() { f64::NEG_INFINITY } else { log_likelihood }
    }

    /// h'(u)^2 / r of value j, by a central difference; 0 where the error has no variance r of its own.
    pub fn information(&self, j: usize, u: f64) -> f64 {
        let (value, step) = (self.index[j], 1e-5 * (1.0 + u.abs()));
        let slope = match (self.components[j], self.observed.operator.one_component()) {
            (Some(_), Some(single)) => {
                let at = |x: f64| single.value_at(self.observed.time, value, x);
                (at(u + step) - at(u - step)) / (2.0 * step)
            }
            _ => 1.0,
        };
        let information = slope * slope / if self.whitened { 1.0 } else { self.law().variance()[value] };
        if information.is_finite() { information } else { 0.0 }
    }

    /// Value j as a linear function of its number with a Gaussian error, where it is one.
    pub fn linear(&self, j: usize) -> Option<LinearReading> {
        let (value, y) = (self.index[j], self.values[j]);
        if self.whitened {
            return Some(LinearReading { value: y, slope: 1.0, variance: 1.0 });
        }
        if !self.law().is_gaussian() {
            return None;
        }
        let variance = self.law().variance()[value];
        if self.components[j].is_none() {
            return Some(LinearReading { value: y, slope: 1.0, variance });
        }
        let single = self.observed.operator.one_component().filter(|_| self.observed.operator.is_linear())?;
        let [start, one] = [0.0, 1.0].map(|x| single.value_at(self.observed.time, value, x));
        Some(LinearReading { value: y - start, slope: one - start, variance })
    }
}
