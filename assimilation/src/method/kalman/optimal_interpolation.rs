//! Optimal interpolation (Gandin 1963; Daley 1991): one state, and a background covariance that never changes.
//!
//! B is the covariance of the prior, of its draws or of its Gaussian, or of the climate where that is known beside it
//! ([`Cycle::start_in_climate`](crate::Cycle::start_in_climate)). Forecast: x <- M(x); or,
//! with the prior itself as the background of each analysis, its mean, and no forecaster is needed.
//! Analysis: K = B H^T (H B H^T + R)^-1, x <- x + K (y - H x). The posterior is given as N(x, (I - K H) B). K and the
//! posterior covariance are computed once for each operator and set of present values and kept as long as they stay
//! the same.

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::{Entry, Forecaster, Key, Param, Purpose, Settings};

use crate::error::{Error, Result};
use crate::gaussian::{Gaussian, symmetric};
use crate::linalg::Cholesky;
use crate::method::around::quality_control::OUTLIER_THRESHOLD;
use crate::method::build::MethodBuild;
use crate::method::kalman::gaussian_cycle::{GaussianCycle, GaussianRule};
use crate::method::memory;
use crate::method::shared::DRAWS;
use crate::observations::ObservationSet;
use crate::observations::Present;
use crate::outcome::Diagnostics;

const BACKGROUND: Param = Param::choice(
    "background",
    "forecast",
    &["forecast", "prior"],
    "what the observations correct: the forecast from the last analysis, or each time the prior's mean",
);

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "optimal_interpolation",
    about: "optimal interpolation: one state, background covariance of the prior",
    reference: "Gandin 1963; Daley 1991",
    params: &[DRAWS, BACKGROUND, OUTLIER_THRESHOLD],
    build: MethodBuild::for_linear_operators(&[], |settings: &Settings| {
        let rule = OptimalInterpolation::new(settings.text(BACKGROUND.key) == "prior");
        Ok(Box::new(
            GaussianCycle::new(rule, settings.count(DRAWS.key))
                .with_quality_control(settings.optional_number(OUTLIER_THRESHOLD.key)),
        ))
    })
    .holding(memory::of_covariance),
};

/// The rules of optimal interpolation.
#[derive(Clone, Debug, std::default::Default)]
pub struct OptimalInterpolation {
    from_prior: bool,
    kept: Option<Gain>,
}

impl OptimalInterpolation {
    /// Corrects the forecast, or with `from_prior` each time the prior.
    pub fn new(from_prior: bool) -> Self {
        Self { from_prior, kept: None }
    }
}

/// What depends on B, H and R only.
#[derive(Clone, Debug)]
struct Gain {
    background: Array2<f64>,
    h: Array2<f64>,
    variance: Array1<f64>,
    /// R, where errors are correlated.
    r: Option<Array2<f64>>,
    /// Of H B H^T + R.
    innovation: Cholesky,
    /// K^T, `[present, component]`.
    gain: Array2<f64>,
    /// (I - K H) B.
    posterior: Array2<f64>,
}

impl Gain {
    fn new(background: &Array2<f64>, h: Array2<f64>, present: &Present) -> Result<Self> {
        let cross = h.dot(background);
        let mut s = cross.dot(&h.t());
        present.add_covariance(&mut s);
        let innovation = Cholesky::new(s.view())?;
        let mut gain = cross.clone();
        innovation.solve_in_place(&mut gain);
        let posterior = symmetric(background - &gain.t().dot(&cross));
        let (variance, r) = (present.variance.clone(), present.correlated.as_ref().map(|(r, _)| r.clone()));
        Ok(Self { background: background.clone(), h, variance, r, innovation, gain, posterior })
    }

    fn serves(&self, background: &Array2<f64>, h: &Array2<f64>, present: &Present) -> bool {
        self.h == *h
            && self.variance == present.variance
            && self.r.as_ref() == present.correlated.as_ref().map(|(r, _)| r)
            && self.background == *background
    }
}

/// Carries the mean alone: by the kernel's mean where the forecaster has a Gaussian kernel, otherwise by the forecaster
/// itself, with its noise if it has any.
pub(crate) fn advance_mean(
    model: &dyn Forecaster,
    state: &mut Gaussian,
    from: usize,
    to: usize,
    key: Key,
) -> Result<()> {
    let mut x = state.mean.clone().insert_axis(Axis(0));
    match model.gaussian() {
        Some(kernel) => {
            for k in from..to {
                x = kernel.moments(k, x.view())?.0;
            }
        }
        None => model.advance(from, to.saturating_sub(from), &mut x, key.purpose(Purpose::ProcessNoise))?,
    }
    state.mean = x.row(0).to_owned();
    Ok(())
}

impl GaussianRule for OptimalInterpolation {
    fn name(&self) -> &'static str {
        "optimal_interpolation"
    }

    fn forecast(&self, model: &dyn Forecaster, state: &mut Gaussian, from: usize, to: usize, key: Key) -> Result<()> {
        if self.from_prior { Ok(()) } else { advance_mean(model, state, from, to, key) }
    }

    fn forecast_is_prior(&self) -> bool {
        self.from_prior
    }

    fn analyse(&mut self, forecast: &Gaussian, observed: &ObservationSet) -> Result<(Gaussian, Diagnostics)> {
        let h = observed.matrix().ok_or_else(|| {
            Error::Unsupported(format!(
                "method `optimal_interpolation` needs a linear operator, which `{}` is not; use `three_d_var`",
                observed.operator.name()
            ))
        })?;
        let present = observed.restrict(forecast.mean.view().insert_axis(Axis(0)))?;
        let kept = self.kept.take().filter(|gain| gain.serves(&forecast.covariance, &h, &present));
        let gain = match kept {
            Some(gain) => gain,
            None => Gain::new(&forecast.covariance, h, &present)?,
        };
        let innovation = present.values - present.predicted.row(0);
        let posterior =
            Gaussian { mean: &forecast.mean + &innovation.dot(&gain.gain), covariance: gain.posterior.clone() };
        let log_evidence = gain.innovation.log_normal(&innovation).0;
        self.kept = Some(gain);
        Ok((posterior, Diagnostics::from([("log_evidence", log_evidence)])))
    }

    fn covariance_is_fixed(&self) -> bool {
        true
    }
}
