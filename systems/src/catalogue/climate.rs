//! What was measured of each system at its default settings: leading Lyapunov exponent, Kaplan-Yorke dimension, mean and
//! standard deviation. The table is made by `cargo run --release -p scorecast-systems --example climates`, as
//! [`measure`] says; a slow test measures it again with another seed.

mod measure;
mod table;

use std::borrow::Cow;

pub use measure::measure;
pub use table::CLIMATES;

use super::check;
use crate::registry::{Settings, Value};

/// A measured number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The number.
    pub value: f64,
    /// Its standard error.
    pub se: f64,
}

/// What was measured of one system at its default settings.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredClimate {
    /// The system's name.
    pub name: &'static str,
    /// The leading Lyapunov exponent, per model time; none where the derivative is not known.
    pub exponent: Option<Measured>,
    /// The number of exponents above 0 by more than three standard errors; none where it is not known.
    pub positive: Option<usize>,
    /// The Kaplan-Yorke dimension; none where too few exponents are affordable.
    pub dimension: Option<Measured>,
    /// The mean over time: of each component of a small state without geometry, else one number, pooled;
    /// empty where no moments settle.
    pub mean: Cow<'static, [Measured]>,
    /// The standard deviation in time, of the same.
    pub sd: Cow<'static, [Measured]>,
    /// Independent trajectories that were looked at.
    pub trajectories: usize,
    /// The length of each, in model time.
    pub time: f64,
}

impl MeasuredClimate {
    /// The time in which small errors grow by e, in model time; none unless the leading exponent is surely positive.
    pub fn lyapunov_time(&self) -> Option<f64> {
        let exponent = self.exponent.filter(|exponent| exponent.value > 3.0 * exponent.se)?;
        Some(1.0 / exponent.value)
    }
}

/// What was measured of a system; none of one that is not in the table.
pub fn climate(name: &str) -> Option<&'static MeasuredClimate> {
    CLIMATES.iter().find(|climate| climate.name == name)
}

/// Systems around another in which small errors grow as they do in that one.
const AROUND: &[&str] = &["embed", "observe_partially"];

/// The time in which small errors of a system grow by e, in model time. Known for default settings only, whatever the
/// noise (`noise` is the key of its size), and for such a system embedded or observed.
pub fn lyapunov_time(name: &str, settings: &Settings) -> Option<f64> {
    let inside = settings.iter().find_map(|(_, value)| match value {
        Value::System { name, settings } => Some((name, settings)),
        _ => None,
    });
    match inside {
        Some((inner, given)) if AROUND.contains(&name) => lyapunov_time(inner, &check(inner, given).ok()?),
        Some(_) => None,
        None => {
            let defaults = check(name, &Default::default()).ok()?;
            let but_noise = |settings: &Settings| -> Vec<_> {
                let kept = settings.iter().filter(|(key, _)| *key != "noise");
                kept.map(|(key, value)| (key.to_owned(), value.clone())).collect()
            };
            if but_noise(&defaults) == but_noise(settings) { climate(name)?.lyapunov_time() } else { None }
        }
    }
}

const fn measured(value: f64, se: f64) -> Measured {
    Measured { value, se }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(name: &str, given: &[(&str, f64)]) -> Option<f64> {
        let given = given.iter().map(|(key, value)| ((*key).to_owned(), Value::Float(*value))).collect();
        lyapunov_time(name, &check(name, &given).unwrap())
    }

    fn time_around(name: &str, inner: &str, key: &str, value: Value) -> Option<f64> {
        let of = Value::System { name: inner.to_owned(), settings: Default::default() };
        let given = [("of".to_owned(), of), (key.to_owned(), value)].into();
        lyapunov_time(name, &check(name, &given).unwrap())
    }

    #[test]
    fn the_lyapunov_time_is_that_of_the_defaults_whatever_the_noise() {
        let known = time("lorenz96", &[]).unwrap();
        assert!((known * 1.68 - 1.0).abs() < 0.02, "{known}");
        assert_eq!(time("lorenz96", &[("noise", 0.5)]), Some(known));
        assert_eq!(time("lorenz96", &[("forcing", 10.0)]), None);
        assert_eq!((time("double_well", &[]), time("ou", &[])), (None, None));
        assert_eq!(time_around("embed", "lorenz96", "dim", Value::Int(80)), Some(known));
        assert_eq!(time_around("observe_partially", "lorenz96", "stride", Value::Int(2)), Some(known));
    }
}
