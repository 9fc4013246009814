//! What each present value of a set says of one number: of the component that it reads, or of its own prediction.
//!
//! Where errors are correlated their values are made independent first, each at its own place ([`Present::whiten_in_place`]),
//! and then are functions of their predictions with errors of variance 1.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::error::Result;
use crate::observations::{ObservationSet, Present};
use crate::observe::OneComponent;

/// The present values of one set, in an order of the caller's.
pub(crate) struct Readings<'a> {
    observed: ObservationSet<'a>,
    /// Which observed values these are, `[present]`.
    index: Vec<usize>,
    /// `[present]`.
    values: Vec<f64>,
    /// How values read one component; none where none does.
    single: Option<&'a dyn OneComponent>,
    /// The component that each reads, where it reads one alone, `[present]`.
    components: Vec<Option<usize>>,
    /// h(x) of the members where several components are read, `[member, present]`; 0 for the others.
    predicted: Array2<f64>,
    /// The variances of Gaussian errors, `[present]`; none where the law is another.
    variance: Option<Vec<f64>>,
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
        let correlated = present.correlated.is_some();
        let Present { predicted, values, index, variance, .. } = present.whiten_in_place()?;
        let index: Vec<usize> = order.iter().map(|&j| index[j]).collect();
        let single = observed.operator.one_component().filter(|_| !correlated);
        let components: Vec<_> = index.iter().map(|&value| single.and_then(|single| single.component(value))).collect();
        let mut predicted = predicted.select(Axis(1), order);
        for (mut column, _) in predicted.columns_mut().into_iter().zip(&components).filter(|(_, read)| read.is_some()) {
            column.fill(0.0);
        }
        let ordered = |of: &Array1<f64>| order.iter().map(|&j| of[j]).collect::<Vec<_>>();
        let variance = observed.operator.error().is_gaussian().then(|| ordered(&variance));
        Ok(Self { observed: *observed, index, values: ordered(&values), single, components, predicted, variance })
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

    /// h of value j where the number that it is a function of is `u`.
    fn predict(&self, j: usize, u: f64) -> f64 {
        match (self.components[j], self.single) {
            (Some(_), Some(single)) => single.value_at(self.observed.time, self.index[j], u),
            _ => u,
        }
    }

    /// log p(y_j | u) up to a constant; -inf where h or the density is no number.
    pub fn log_likelihood(&self, j: usize, u: f64) -> f64 {
        let (y, predicted) = (self.values[j], self.predict(j, u));
        let log_likelihood = match &self.variance {
            Some(variance) => -0.5 * (y - predicted) * (y - predicted) / variance[j],
            None => self.observed.operator.error().log_likelihood_of(self.index[j], y, predicted),
        };
        if log_likelihood.is_nan() { f64::NEG_INFINITY } else { log_likelihood }
    }

    /// h'(u)^2 / r of value j, by a central difference; 0 where the error has no variance r there or the slope is not finite.
    pub fn information(&self, j: usize, u: f64) -> f64 {
        let step = 1e-5 * (1.0 + u.abs());
        let slope = (self.predict(j, u + step) - self.predict(j, u - step)) / (2.0 * step);
        let information = slope * slope / self.error_variance(j, self.predict(j, u));
        if information.is_finite() { information } else { 0.0 }
    }

    /// The variance of the error of value j where h is `predicted`: NaN or infinite where there is none.
    fn error_variance(&self, j: usize, predicted: f64) -> f64 {
        if let Some(variance) = &self.variance {
            return variance[j];
        }
        let (error, value) = (self.observed.operator.error(), self.index[j]);
        let variance = error.variance();
        if !variance[value].is_nan() {
            return variance[value];
        }
        let moments = error.moments(Array2::from_elem((1, variance.len()), predicted).view());
        moments.map_or(f64::NAN, |(_, variance)| variance[(0, value)])
    }

    /// Value j as a linear function of its number with a Gaussian error, where it is one.
    pub fn linear(&self, j: usize) -> Option<LinearReading> {
        let variance = self.variance.as_ref()?[j];
        let linear = self.components[j].is_none() || self.observed.operator.is_linear();
        let [start, one] = [0.0, 1.0].map(|u| self.predict(j, u));
        linear.then(|| LinearReading { value: self.values[j] - start, slope: one - start, variance })
    }
}
