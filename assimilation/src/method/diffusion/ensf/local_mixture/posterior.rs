//! The likelihood of a member as a function of one of its components.
//!
//! Values that read one component are functions of that alone. The others, and all where errors are correlated, are asked for with
//! the whole member, which costs an evaluation of h each time.

use ndarray::ArrayView2;

use crate::method::ensemble::qceff::Readings;
use crate::observations::ObservationSet;

/// The likelihood of the present values.
pub(super) struct Likelihood<'a, 'o> {
    readings: &'a Readings<'o>,
    observed: ObservationSet<'o>,
    /// The values that read each component alone, `[component]`.
    reading: Vec<Vec<usize>>,
    /// The observed values that read several.
    joint: Vec<usize>,
}

impl<'a, 'o> Likelihood<'a, 'o> {
    pub fn new(readings: &'a Readings<'o>, observed: &ObservationSet<'o>) -> Self {
        let mut reading = vec![Vec::new(); observed.operator.state_dim()];
        let mut joint = Vec::new();
        for (j, component) in readings.components().iter().enumerate() {
            match component {
                Some(component) => reading[*component].push(j),
                None => joint.push(readings.index()[j]),
            }
        }
        joint.sort_unstable();
        Self { readings, observed: *observed, reading, joint }
    }

    /// Whether component l has a part in the likelihood.
    pub fn reads(&self, l: usize) -> bool {
        !self.reading[l].is_empty() || !self.joint.is_empty()
    }

    /// log p of the values that read component l alone, where it is `x`.
    pub fn of_component(&self, l: usize, x: f64) -> f64 {
        self.reading[l].iter().map(|&j| self.readings.log_likelihood(j, x)).sum()
    }

    /// Whether some values read several components.
    pub fn is_joint(&self) -> bool {
        !self.joint.is_empty()
    }

    /// The part of log p(y | member) that depends on component l.
    pub fn at(&self, l: usize, member: &[f64]) -> f64 {
        self.of_component(l, member[l]) + self.of_joint(member)
    }

    /// log p of the values that read several components.
    pub fn of_joint(&self, member: &[f64]) -> f64 {
        if self.joint.is_empty() {
            return 0.0;
        }
        let Ok(row) = ArrayView2::from_shape((1, member.len()), member) else { return f64::NEG_INFINITY };
        let operator = self.observed.operator;
        let predicted = operator.apply(self.observed.time, row);
        let log = operator.error().log_likelihood(self.observed.values, predicted.view(), &self.joint)[0];
        if log.is_nan() { f64::NEG_INFINITY } else { log }
    }
}
