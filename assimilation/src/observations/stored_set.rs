//! A set of observations that is kept to be used later, or again: values and times.
//!
//! The operator of a set is not kept: it must be the same for the whole run, which a fingerprint checks.

use ndarray::{Array1, Axis};
use serde::{Deserialize, Serialize};

use crate::observations::ObservationSet;
use crate::observe::ObservationOperator;
use crate::state::checksum;

/// A set that is used later, or again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredSet {
    /// Its lead step.
    pub step: usize,
    /// Its model time.
    time: f64,
    /// Its values, `[observed]`; none once it is not used again.
    values: Array1<f64>,
    /// h of one state and the covariance of the errors, as one number.
    fingerprint: u64,
}

impl StoredSet {
    /// What is kept of `observed`, a set of lead step `step`.
    pub fn of(observed: &ObservationSet, step: usize) -> Self {
        let (time, values) = (observed.time, observed.values.to_owned());
        Self { step, time, values, fingerprint: fingerprint(observed.operator, time) }
    }

    /// Whether it came with this operator.
    pub fn is_of(&self, operator: &dyn ObservationOperator) -> bool {
        operator.dim() == self.values.len() && fingerprint(operator, self.time) == self.fingerprint
    }

    /// The set again, of the operator that it came with.
    pub fn observed<'a>(&'a self, operator: &'a dyn ObservationOperator) -> ObservationSet<'a> {
        ObservationSet { step: self.step, time: self.time, values: self.values.view(), operator }
    }

    /// Whether it has a value.
    pub fn is_observed(&self) -> bool {
        self.values.iter().any(|value| !value.is_nan())
    }

    /// Keeps the lead step alone.
    pub fn forget(&mut self) {
        self.values = Array1::default(0);
    }
}

/// The checksum of h(x) for one x above zero, and of R: of its variances where it is diagonal.
fn fingerprint(operator: &dyn ObservationOperator, time: f64) -> u64 {
    let probe = Array1::from_shape_fn(operator.state_dim(), |i| 0.5 + (0.618_034 * (i + 1) as f64).fract());
    let image = operator.apply(time, probe.view().insert_axis(Axis(0)));
    let mut bytes = Vec::new();
    let mut add = |value: &f64| bytes.extend(value.to_bits().to_le_bytes());
    image.iter().for_each(&mut add);
    match operator.error().correlated() {
        Some((r, _)) => r.iter().for_each(&mut add),
        None => operator.error().variance().iter().for_each(&mut add),
    }
    checksum(&bytes)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::observe::{CorrelatedError, GaussianError, NoiseLaw, Stride};

    fn stride(offset: usize, sd: f64) -> Stride {
        Stride::new(6, 2, offset, &|dim| Ok(Box::new(GaussianError::new(&[sd], dim)?) as Box<dyn NoiseLaw>)).unwrap()
    }

    fn stored(values: &Array1<f64>, operator: &dyn ObservationOperator) -> StoredSet {
        StoredSet::of(&ObservationSet { step: 3, time: 0.5, values: values.view(), operator }, 3)
    }

    #[test]
    fn a_set_comes_back_and_another_operator_is_refused() {
        let operator = stride(0, 1.0);
        let set = stored(&array![1.0, f64::NAN, 3.0], &operator);
        let bytes = postcard::to_allocvec(&(&set, 8.0)).unwrap();
        let (mut back, behind): (StoredSet, f64) = postcard::from_bytes(&bytes).unwrap();
        assert_eq!((behind, back.fingerprint, back.time), (8.0, set.fingerprint, 0.5));
        assert_eq!((back.observed(&operator).present(), back.is_observed()), (vec![0, 2], true));
        assert!(back.is_of(&operator) && !back.is_of(&stride(1, 1.0)) && !back.is_of(&stride(0, 1.5)));
        assert!(postcard::from_bytes::<StoredSet>(&bytes[..5]).is_err());
        back.forget();
        assert!(back.step == 3 && !back.is_observed());
    }

    #[test]
    fn another_correlation_of_the_errors_is_another_operator() {
        let with = |correlation: f64| {
            let r = array![[1.0, correlation], [correlation, 1.0]];
            let law = move |_| Ok(Box::new(CorrelatedError::new(r.clone())?) as Box<dyn NoiseLaw>);
            Stride::new(2, 1, 0, &law).unwrap()
        };
        let set = stored(&array![1.0, 2.0], &with(0.3));
        assert!(set.is_of(&with(0.3)) && !set.is_of(&with(0.4)));
    }
}
