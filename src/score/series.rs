//! Series of numbers of which a table has the mean, with the standard errors and tests of scores: diagnostics of a method,
//! such as its effective sample size, and what is known of estimated parameters.
//!
//! Not in the registry of metrics: the one who has the numbers names the series.

use super::about::{About, Of, Orientation};
use super::case::{Case, Input};
use super::metric::Metric;

/// A series of numbers by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// The name of its column, without what the column is of.
    pub name: &'static str,
    /// Title, direction, meaning.
    pub about: About,
}

impl Series {
    const fn new(name: &'static str, title: &'static str, orientation: Orientation, meaning: &'static str) -> Self {
        Self { name, about: About::new(title, orientation, meaning) }
    }
}

/// Squared innovations over their predicted variance.
pub const INNOVATION_CHI_SQUARE: Series = Series::new(
    "innovation_chi_square",
    "innovation chi-square",
    Orientation::Near(1),
    "Squared innovations over their predicted variance, a value; 1 for an honest forecast ensemble.",
);

/// Squared differences from withheld observations over their predicted variance: a column of [`Of::Withheld`] alone.
pub const CHI_SQUARE: Series = Series::new(
    "chi_square",
    "chi-square",
    Orientation::Near(1),
    "Squared differences over their predicted variance, a value; 1 for an honest analysis of observations with independent \
     errors, less where those of shown and withheld ones are correlated.",
);

/// The variance of the observations' errors by the residuals, over the supposed one.
pub const OBSERVATION_ERROR_RATIO: Series = Series::new(
    "observation_error_ratio",
    "R, found / supposed",
    Orientation::Near(1),
    "The variance of the observation errors that the residuals before and after the analysis imply, over the supposed one \
     (Desroziers et al. 2005); each tenth analysis. It needs no truth. Above 1 the errors of the observations, or of the \
     forecast, are larger than supposed.",
);

/// The number of directions that an ensemble spreads over.
pub const EFFECTIVE_DIMENSION: Series = Series::new(
    "effective_dimension",
    "effective dimension",
    Orientation::None,
    "The number of directions that the analysis ensemble spreads over, (sum s)^2 / sum s^2 of its singular values (Patil et \
     al. 2001); each fiftieth analysis.",
);

/// The log density of the observations given all before them.
pub const LOG_EVIDENCE: Series = Series::new(
    "log_evidence",
    "log evidence",
    Orientation::None,
    "The mean over analyses of the log density of the observations given all before them, where the method has it; the sum \
     over a run is the log marginal likelihood.",
);

/// The inflation that a method chose.
pub const INFLATION: Series = Series::new(
    "inflation",
    "inflation",
    Orientation::None,
    "The factor of the forecast's anomalies that an adaptive or finite-size method chose.",
);

/// The share of outliers.
pub const REJECTED: Series = Series::new(
    "rejected",
    "rejected",
    Orientation::None,
    "The share of the observed values that quality control took for outliers.",
);

/// The effective sample size of weights.
pub const ESS: Series = Series {
    name: "ess",
    about: About::new(
        "ESS",
        Orientation::None,
        "Effective sample size 1/sum(w^2) of the weights, before resampling. Near 1 the weights have degenerated and the \
         row's other figures say little about its posterior.",
    )
    .headline(&[Of::Analysis]),
};

/// The effective sample size over the number of members.
pub const ESS_SHARE: Series = Series::new(
    "ess_share",
    "ESS / members",
    Orientation::None,
    "The effective sample size as a share of the members.",
);

/// The energy score against draws of the true one-step law; its floor is what the true law itself scores.
pub const ENERGY_SCORE_LAW: Series = Series {
    name: "energy_score_law",
    about: About::new(
        "energy score against the true law",
        Orientation::Less,
        "The energy score averaged over fresh draws of the true one-step law from the same state, instead of the one thing \
         that happened. Only the true law reaches the floor, which is what `perfect` shows.",
    )
    .headline(&[Of::Analysis]),
};

/// Every series but those of parameters: of an assimilation table in the order of its columns, then of a forecast table.
pub const SERIES: &[Series] = &[
    CHI_SQUARE,
    INNOVATION_CHI_SQUARE,
    OBSERVATION_ERROR_RATIO,
    EFFECTIVE_DIMENSION,
    LOG_EVIDENCE,
    INFLATION,
    REJECTED,
    ESS,
    ESS_SHARE,
    ENERGY_SCORE_LAW,
];

/// What a table has of an estimated parameter p, as columns `p_mean`, `p_sd`, `p_error`, `p_chi_square`; the last two need a
/// truth.
pub const OF_PARAMETER: [Series; 4] = [
    Series::new("mean", "mean", Orientation::None, "The posterior mean."),
    Series::new("sd", "sd", Orientation::None, "The posterior standard deviation."),
    Series::new("error", "error", Orientation::Less, "The distance of the posterior mean from the truth."),
    Series::new(
        "chi_square",
        "chi-square",
        Orientation::Near(1),
        "The squared error in units of the posterior variance; 1 on average where the posterior is honest.",
    ),
];

/// The mean of a series given as [`Case::Number`].
#[derive(Clone, Copy, Debug)]
pub struct SeriesMean;

impl Metric for SeriesMean {
    fn input(&self) -> Input {
        Input::Number
    }

    fn measure(&self, case: &Case, out: &mut [f64]) {
        let Case::Number(value) = case else { unreachable!("a mean needs numbers, but was given {}", case.kind()) };
        out[0] = *value;
    }

    fn estimator(&self) -> &'static str {
        "mean"
    }
}
