//! What multiple assimilation keeps of the sets in the window: values and times, since each is used again.
//!
//! The operator of a set is not kept: it must be the same for the whole run, which a fingerprint checks.

use ndarray::{Array1, ArrayView1, Axis};

use crate::observe::Observation;
use crate::problem::{Error, Result, Seen};

/// A set that is used again.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pass {
    /// Its model time.
    pub time: f64,
    /// Its values, `[observed]`.
    pub values: Array1<f64>,
    /// h of one state and the variances of the errors, as one number.
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

    /// Takes one back, and gives the numbers behind it; none where they are not a set.
    pub fn read(numbers: &[f64]) -> Option<(Self, &[f64])> {
        let (head, rest) = numbers.split_at_checked(3)?;
        let count = (head[2] >= 0.0 && head[2].fract() == 0.0).then_some(head[2] as usize)?;
        let (values, rest) = rest.split_at_checked(count)?;
        Some((
            Self { time: head[0], fingerprint: head[1].to_bits(), values: ArrayView1::from(values).to_owned() },
            rest,
        ))
    }
}

/// FNV-1a over the bits of h(x) for one x above zero, and of the variances.
fn fingerprint(operator: &dyn Observation, time: f64) -> u64 {
    let probe = Array1::from_shape_fn(operator.state_dim(), |i| 0.5 + (0.618_034 * (i + 1) as f64).fract());
    let image = operator.apply(time, probe.view().insert_axis(Axis(0)));
    let bits = image.iter().chain(operator.error().variance()).map(|value| value.to_bits()).collect::<Vec<_>>();
    bits.iter().fold(0xcbf2_9ce4_8422_2325, |sum, word| (sum ^ word).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::observe::{GaussianError, NoiseLaw, Stride};

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
        let (back, rest) = Pass::read(&numbers).unwrap();
        assert_eq!((rest, back.fingerprint, back.time), (&[8.0][..], pass.fingerprint, 0.5));
        assert_eq!(back.again(3, &operator).unwrap().present(), [0, 2]);
        assert!(back.again(3, &stride(1, 1.0)).is_err() && back.again(3, &stride(0, 1.5)).is_err());
        assert!(Pass::read(&numbers[..5]).is_none());
    }
}
