//! What a method of a window keeps of sets that it uses later, or again: values and times.
//!
//! The operator of a set is not kept: it must be the same for the whole run, which a fingerprint checks.

use ndarray::{Array1, Axis};

use crate::error::{Error, Result};
use crate::method::variational::window::Window;
use crate::numbers::Numbers;
use crate::observations::ObservationSet;
use crate::observe::ObservationOperator;
use crate::state::checksum;

/// A set that is used later, or again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredSet {
    /// Its model time.
    time: f64,
    /// Its values, `[observed]`.
    values: Array1<f64>,
    /// h of one state and the covariance of the errors, as one number.
    fingerprint: u64,
}

impl StoredSet {
    /// What is kept of `observed`.
    pub fn of(observed: &ObservationSet) -> Self {
        Self {
            time: observed.time,
            values: observed.values.to_owned(),
            fingerprint: fingerprint(observed.operator, observed.time),
        }
    }

    /// Whether it came with this operator.
    fn is_of(&self, operator: &dyn ObservationOperator) -> bool {
        operator.dim() == self.values.len() && fingerprint(operator, self.time) == self.fingerprint
    }

    /// Whether it has a value.
    fn is_observed(&self) -> bool {
        self.values.iter().any(|value| !value.is_nan())
    }

    /// The set again, of the operator that it came with.
    pub fn observed<'a>(&'a self, step: usize, operator: &'a dyn ObservationOperator) -> ObservationSet<'a> {
        ObservationSet { step, time: self.time, values: self.values.view(), operator }
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

/// Refuses an operator where one of `pending` came with another, in the name of `method` with this `shift`, or with multiple
/// assimilation (`mda`).
///
/// # Errors
/// [`Error::Unsupported`].
pub(crate) fn require_same(
    pending: &[StoredSet],
    operator: &dyn ObservationOperator,
    method: &str,
    shift: usize,
    mda: bool,
) -> Result<()> {
    if pending.iter().all(|pass| pass.is_of(operator)) {
        return Ok(());
    }
    let (with, remedy) = match (mda, shift) {
        (true, 1) => ("mda = true".to_owned(), "mda to false"),
        (true, _) => (format!("mda = true and shift = {shift}"), "mda to false and shift to 1"),
        (false, _) => (format!("shift = {shift}"), "shift to 1"),
    };
    Err(Error::Unsupported(format!(
        "method `{method}` with {with} uses a set of observations after it has come and needs the same operator for all of \
         them, but this set has another; set {remedy}"
    )))
}

/// Refuses to end a run without the operator of the sets that wait, the last `waiting` of `pending`.
///
/// # Errors
/// [`Error::Unsupported`].
pub(crate) fn require_none_waits(pending: &[StoredSet], waiting: usize, method: &str) -> Result<()> {
    if !pending.iter().rev().take(waiting).any(StoredSet::is_observed) {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "method `{method}` still has {waiting} sets of observations that wait to be used (`shift`); end the run by \
         `Cycle::finish_with`, which is given their operator"
    )))
}

/// The sets of `pending` and, after them, the newest, each with the leg of the window that ends at it; those without a value
/// are left out.
pub(crate) fn sets<'a>(
    pending: &'a [StoredSet],
    window: &Window,
    newest: &'a ObservationSet,
) -> Vec<(usize, ObservationSet<'a>)> {
    let ends = window.ends();
    let first = ends.len().saturating_sub(pending.len() + 1);
    let kept = pending.iter().zip(first..).map(|(pass, leg)| (leg, pass.observed(ends[leg], newest.operator)));
    // views do not shorten their lifetime by themselves
    let newest = ObservationSet {
        step: newest.step,
        time: newest.time,
        values: newest.values.view(),
        operator: newest.operator,
    };
    kept.chain([(ends.len() - 1, newest)]).filter(|(_, observed)| observed.is_observed()).collect()
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

    #[test]
    fn a_set_comes_back_and_another_operator_is_refused() {
        let (operator, values) = (stride(0, 1.0), array![1.0, f64::NAN, 3.0]);
        let pass = StoredSet::of(&ObservationSet { step: 3, time: 0.5, values: values.view(), operator: &operator });
        let mut numbers = Vec::new();
        pass.write(&mut numbers);
        numbers.push(8.0);
        let mut saved = Numbers::new("ienks", &numbers);
        let back = StoredSet::read(&mut saved).unwrap();
        assert_eq!((saved.rest(), back.fingerprint, back.time), (&[8.0][..], pass.fingerprint, 0.5));
        assert_eq!((back.observed(3, &operator).present(), back.is_observed()), (vec![0, 2], true));
        assert!(back.is_of(&operator) && !back.is_of(&stride(1, 1.0)) && !back.is_of(&stride(0, 1.5)));
        assert!(StoredSet::read(&mut Numbers::new("ienks", &numbers[..5])).is_err());
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
        let pass = StoredSet::of(&ObservationSet { step: 3, time: 0.5, values: values.view(), operator: &operator });
        assert!(pass.is_of(&with(0.3)) && !pass.is_of(&with(0.4)));
    }

    #[test]
    fn refusals_name_the_settings_and_only_values_are_waited_for() {
        let (operator, other) = (stride(0, 1.0), stride(0, 1.5));
        let (values, nothing) = (array![1.0, 2.0, 3.0], array![f64::NAN, f64::NAN, f64::NAN]);
        let pass = |values: &Array1<f64>, step| {
            StoredSet::of(&ObservationSet { step, time: 0.1 * step as f64, values: values.view(), operator: &operator })
        };
        let pending = [pass(&values, 3), pass(&nothing, 4)];
        assert!(require_same(&pending, &operator, "ienks", 3, false).is_ok());
        let refused = |shift, mda| require_same(&pending, &other, "ienks", shift, mda).unwrap_err().to_string();
        assert!(refused(1, true).ends_with("set mda to false") && refused(3, false).ends_with("set shift to 1"));
        assert!(refused(2, true).ends_with("set mda to false and shift to 1"));
        assert!(require_none_waits(&pending, 1, "ienks").is_ok() && require_none_waits(&pending, 2, "ienks").is_err());
        let mut window = Window::new(4).with_shift(2);
        [2, 3, 4, 5].into_iter().for_each(|step| window.push(step));
        let newest = ObservationSet { step: 5, time: 0.5, values: values.view(), operator: &operator };
        let found: Vec<_> =
            sets(&pending, &window, &newest).iter().map(|(leg, observed)| (*leg, observed.step)).collect();
        assert_eq!(found, [(1, 3), (3, 5)]);
    }
}
