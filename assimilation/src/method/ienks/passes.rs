//! What multiple assimilation keeps of the sets in the window: values and times, since each is used again.
//!
//! The operator of a set is not kept: it must be the same for the whole run, which a fingerprint checks.

use ndarray::{Array1, Axis};

use crate::method::numbers::Numbers;
use crate::observe::Observation;
use crate::problem::{Error, Result, Seen};
use crate::state::checksum;

/// A set that is used again.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pass {
    /// Its model time.
    pub time: f64,
    /// Its values, `[observed]`.
    pub values: Array1<f64>,
    /// h of one state and the covariance of the errors, as one number.
    fingerprint: u64,
}

impl Pass {
    /// What is kept of `seen`.
    pub fn of(seen: &Seen) -> Self {
        Self { time: seen.time, values: seen.values.to_owned(), fingerprint: fingerprint(seen.operator, seen.time) }
    }

    /// The set again, of the operator of the newest set.
    ///
    /// # Errors
    /// When that is another operator than it came with.
    pub fn again<'a>(&'a self, step: usize, operator: &'a dyn Observation) -> Result<Seen<'a>> {
        if operator.dim() != self.values.len() || fingerprint(operator, self.time) != self.fingerprint {
            return Err(Error::Unsupported(
                "method `ienks` with mda = true uses each set of observations more than once and needs the same operator \
                 for all of them, but this set has another; set mda to false"
                    .to_owned(),
            ));
        }
        Ok(Seen { step, time: self.time, values: self.values.view(), operator })
    }

    /// Appends it to a saved state: time, fingerprint, how many values, the values.
    pub fn write(&self, numbers: &mut Vec<f64>) {
        numbers.extend([self.time, f64::from_bits(self.fingerprint), self.values.len() as f64]);
        numbers.extend(&self.values);
    }

    /// Takes one back.
    ///
    /// # Errors
    /// When the numbers are not a set.
    pub fn read(numbers: &mut Numbers) -> Result<Self> {
        let [time, fingerprint] = [numbers.number()?, numbers.number()?];
        let count = numbers.count()?;
        Ok(Self { time, values: numbers.vector(count)?, fingerprint: fingerprint.to_bits() })
    }
}

/// The checksum of h(x) for one x above zero, and of R: of its variances where it is diagonal.
fn fingerprint(operator: &dyn Observation, time: f64) -> u64 {
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

    #[test]
    fn a_set_comes_back_and_another_operator_is_refused() {
        let (operator, values) = (stride(0, 1.0), array![1.0, f64::NAN, 3.0]);
        let pass = Pass::of(&Seen { step: 3, time: 0.5, values: values.view(), operator: &operator });
        let mut numbers = Vec::new();
        pass.write(&mut numbers);
        numbers.push(8.0);
        let mut saved = Numbers::new("ienks", &numbers);
        let back = Pass::read(&mut saved).unwrap();
        assert_eq!((saved.rest(), back.fingerprint, back.time), (&[8.0][..], pass.fingerprint, 0.5));
        assert_eq!(back.again(3, &operator).unwrap().present(), [0, 2]);
        assert!(back.again(3, &stride(1, 1.0)).is_err() && back.again(3, &stride(0, 1.5)).is_err());
        assert!(Pass::read(&mut Numbers::new("ienks", &numbers[..5])).is_err());
    }

    #[test]
    fn another_correlation_of_the_errors_is_another_operator() {
        let values = array![1.0, 2.0];
        let with = |correlation: f64| {
            let r = array![[1.0, correlation], [correlation, 1.0]];
            let law = move |_| Ok(Box::new(CorrelatedError::new(r.clone())?) as Box<dyn NoiseLaw>);
            Stride::new(2, 1, 0, &law).unwrap()
        };
        let operator = with(0.3);
        let pass = Pass::of(&Seen { step: 3, time: 0.5, values: values.view(), operator: &operator });
        assert!(pass.again(3, &with(0.3)).is_ok() && pass.again(3, &with(0.4)).is_err());
    }
}
