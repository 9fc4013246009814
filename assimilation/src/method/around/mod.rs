//! What goes around any analysis: inflation, its adaptation, quality control, and the smoother of a fixed lag.
//!
//! Multiplicative inflation is the same everywhere: it multiplies the anomalies (so their standard deviation) of the
//! analysis ensemble, before anything scores it; adaptive inflation widens the forecast.

pub(crate) mod adaptive;
pub(crate) mod adaptive_quality_control;
pub(crate) mod inflation;
pub(crate) mod lag;
pub(crate) mod quality_control;

use scorecast_systems::{Param, Settings};

use self::adaptive::Adaptive;
use self::adaptive_quality_control::AdaptiveQualityControl;
use self::inflation::{ADDITIVE, INFLATION, RTPP, RTPS};
use self::lag::FixedLag;
use self::quality_control::QualityControl;
use super::shared::{MEMBERS, join};
use crate::cycle::AnalysisCycle;
use crate::error::Result;
use crate::noise_treatment::{NOISE_TREATMENT, NoiseTreatment};
use crate::problem::{Analysis, Cycle};

/// The settings of every method that makes a linear combination of its members: how many there are, inflation, and
/// what [`cycle`] puts around it.
pub(crate) const ENSEMBLE: &[Param] = &join::<{ OWN.len() + adaptive::PARAMS.len() }>(&[OWN, &adaptive::PARAMS]);

const OWN: &[Param] = &[
    MEMBERS,
    INFLATION,
    RTPP,
    RTPS,
    ADDITIVE,
    lag::LAG,
    NOISE_TREATMENT,
    quality_control::OUTLIER_THRESHOLD,
    adaptive_quality_control::K_FACTOR,
];

/// The settings of what [`controlled`] puts around an analysis, but for that of quality control.
pub(crate) const CONTROLS: [Param; 1 + adaptive::PARAMS.len()] =
    join(&[&[adaptive_quality_control::K_FACTOR], &adaptive::PARAMS]);

/// An ensemble method as a filter of `members` members, or a smoother of a `lag`.
pub(crate) fn cycle(analysis: impl Analysis + 'static, settings: &Settings) -> Result<Box<dyn Cycle>> {
    let (members, lag) = (settings.count(MEMBERS.key), settings.count(lag::LAG.key));
    let analysis = controlled(Box::new(analysis), settings)?;
    let noise = NoiseTreatment::from_settings(settings);
    if lag > 0 {
        noise.require_stochastic(settings)?;
        return Ok(Box::new(FixedLag::new(analysis, members, lag)));
    }
    Ok(Box::new(AnalysisCycle::new(analysis, members).with_noise(noise)))
}

/// An analysis with quality control and adaptive inflation around it, where they are set.
pub(crate) fn controlled(mut analysis: Box<dyn Analysis>, settings: &Settings) -> Result<Box<dyn Analysis>> {
    if let Some(factor) = settings.optional_number(adaptive_quality_control::K_FACTOR.key) {
        analysis = Box::new(AdaptiveQualityControl::new(analysis, factor));
    }
    // outside the above: an outlier is one by its own error
    if let Some(threshold) = settings.optional_number(quality_control::OUTLIER_THRESHOLD.key) {
        analysis = Box::new(QualityControl::new(analysis, threshold));
    }
    // outside quality control, whose outliers are those of the inflated forecast
    if settings.has(adaptive::ADAPTIVE.key) {
        analysis = Adaptive::around(analysis, settings)?;
    }
    Ok(analysis)
}
