//! Valid time: how long a forecast stays useful.
//!
//! The first lead time at which the normalised error e = sqrt(mean over components of (m - y)^2 / climate variance)
//! exceeds a threshold (Vlachas et al. 2020). The lead step before counts as valid, so the value is the number of
//! lead steps whose error stayed within the threshold, times dt. A forecast that never exceeds it scores the last lead
//! time, which is a lower bound: such cases are counted, and the mean over starts is then a lower bound too. Forecast
//! further where they are not few.

use ndarray::ArrayView1;

use super::about::{Of, Orientation};
use super::case::{Case, Input};
use super::ensemble::Ensemble;
use super::metric::{Context, Metric, MetricBuild, MetricEntry};
use super::terms::Terms;
use crate::systems::registry::DefaultValue;
use crate::systems::{Param, ParamKind, Result, Settings};

const THRESHOLD: Param = Param::new(
    "threshold",
    ParamKind::real(f64::MIN_POSITIVE, 1.0),
    DefaultValue::Float(0.4),
    "largest valid error, in climatological standard deviations",
);
const UNIT: Param = Param::choice("unit", "model_time", &["model_time", "lyapunov_time"], "the unit of the value");

/// The registry line.
pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "valid_time",
    about: "lead time until the normalised error of the ensemble mean exceeds the threshold",
    reference: "Vlachas et al. 2020",
    params: &[THRESHOLD, UNIT],
    build: MetricBuild::new(
        "valid time",
        Orientation::More,
        "Time until the normalised error of the forecast's mean first exceeds its threshold.",
        build,
    )
    .headline(&[Of::Analysis]),
};

struct ValidTime {
    threshold: f64,
    /// A lead step in the chosen unit.
    step: f64,
    /// The name of the unit.
    estimator: String,
}

fn build(settings: &Settings, context: &Context) -> Result<Box<dyn Metric>> {
    let threshold = settings.number(THRESHOLD.key);
    if settings.text(UNIT.key) != "lyapunov_time" {
        let estimator = context.unit.clone().unwrap_or_else(|| "model time".to_owned());
        return Ok(Box::new(ValidTime { threshold, step: context.dt, estimator }));
    }
    let lyapunov = context.lyapunov_time.ok_or_else(|| {
        settings.mistake(UNIT.key, "is lyapunov_time, but the system's Lyapunov time is not known; use model_time")
    })?;
    Ok(Box::new(ValidTime { threshold, step: context.dt / lyapunov, estimator: "Lyapunov times".to_owned() }))
}

impl Metric for ValidTime {
    fn input(&self) -> Input {
        Input::Errors
    }

    /// Valid lead times, and whether they were all that there were.
    fn terms(&self) -> usize {
        2
    }

    fn measure(&self, case: &Case, out: &mut [f64]) {
        let Case::Errors(errors) = case else {
            unreachable!("valid time needs errors by lead step, but was given {}", case.kind())
        };
        // a NaN is not within the threshold: a forecast that diverges is valid until it does
        let valid = errors.iter().take_while(|error| **error <= self.threshold).count();
        out[0] = valid as f64 * self.step;
        out[1] = f64::from(u8::from(valid == errors.len()));
    }

    fn censored(&self, terms: &Terms) -> usize {
        terms.rows().filter(|(_, _, row)| row[1] > 0.0).count()
    }

    fn estimator(&self) -> &str {
        &self.estimator
    }
}

/// The error of the ensemble mean in climatological standard deviations ([`normalised_distance`] from the truth).
pub fn normalised_error(ensemble: &Ensemble, variance: ArrayView1<f64>) -> f64 {
    normalised_distance(ensemble.mean.view(), ensemble.truth, variance)
}

/// sqrt(mean over components of (m - y)^2 / variance) of two states, `[component]`: their distance in climatological standard
/// deviations. `variance` is `[component]`; components that never vary are left out.
pub fn normalised_distance(m: ArrayView1<f64>, y: ArrayView1<f64>, variance: ArrayView1<f64>) -> f64 {
    let errors = m.iter().zip(y).zip(variance);
    let (sum, count) = errors
        .filter(|(_, variance)| **variance > 0.0)
        .fold((0.0, 0usize), |(sum, count), ((m, y), v)| (sum + (m - y) * (m - y) / v, count + 1));
    if count == 0 { 0.0 } else { (sum / count as f64).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_the_lead_steps_before_the_first_failure() {
        let metric = ValidTime { threshold: 0.4, step: 0.05, estimator: String::new() };
        let value = |errors: &[f64]| {
            let mut out = [0.0; 2];
            metric.measure(&Case::Errors(errors), &mut out);
            assert_eq!(out[1] > 0.0, errors.iter().all(|error| *error <= 0.4), "{errors:?}");
            out[0]
        };
        assert_eq!(value(&[0.1, 0.4, 0.5, 0.2]), 0.1);
        assert_eq!(value(&[0.5]), 0.0);
        assert_eq!(value(&[0.1, f64::NAN, 0.1]), 0.05);
        assert_eq!(value(&[0.1; 8]), 0.4);
    }

    #[test]
    fn its_unit_is_that_of_the_lead_step() {
        for (unit, named) in [(None, "model time"), (Some("hours".to_owned()), "hours")] {
            let context = Context { dt: 6.0, unit, ..Context::plain(crate::score::Pool::All) };
            assert_eq!(crate::score::build("valid_time", &context).unwrap().estimator(), named);
        }
    }
}
