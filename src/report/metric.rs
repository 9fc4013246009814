//! What a reader must know of a metric: its name in print, which way is better, and what it estimates.

/// Which value of a metric is best.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    /// The least.
    Least,
    /// The greatest.
    Greatest,
    /// The nearest to this number.
    Nearest(f64),
    /// None: the metric describes and does not rank.
    Describes,
}

impl Goal {
    /// How far a value is from the goal; the best value has the least. None where nothing is best.
    pub fn loss(self, value: f64) -> Option<f64> {
        match self {
            _ if !value.is_finite() => None,
            Self::Least => Some(value),
            Self::Greatest => Some(-value),
            Self::Nearest(goal) => Some((value - goal).abs()),
            Self::Describes => None,
        }
    }

    /// The same in words.
    pub fn words(self) -> String {
        match self {
            Self::Least => "less is better".into(),
            Self::Greatest => "more is better".into(),
            Self::Nearest(goal) => format!("best at {goal}"),
            Self::Describes => "describes, does not rank".into(),
        }
    }
}

/// A metric as the report explains it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Metric {
    /// The name in result files.
    pub name: &'static str,
    /// The name in print.
    pub title: &'static str,
    /// Which way is better.
    pub goal: Goal,
    /// What it estimates, and how.
    pub about: &'static str,
}

/// The metrics that the report can explain; any other is shown under its own name.
pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "rmse",
        title: "RMSE",
        goal: Goal::Least,
        about: "Root of the mean squared error of the ensemble mean. Assimilation: the root over components is taken at \
                each analysis time and then averaged over time (pool each_time). Forecasts: the root of the mean over \
                all cases (pool all).",
    },
    Metric {
        name: "rmse_forecast",
        title: "RMSE, forecast",
        goal: Goal::Least,
        about: "The same before the observations of the time are used.",
    },
    Metric {
        name: "rmse_smoothed",
        title: "RMSE, smoothed",
        goal: Goal::Least,
        about: "The same given later observations too: a smoother's.",
    },
    Metric {
        name: "spread_smoothed",
        title: "spread, smoothed",
        goal: Goal::Describes,
        about: "The spread given later observations too.",
    },
    Metric { name: "bias", title: "bias", goal: Goal::Nearest(0.0), about: "Mean of ensemble mean minus truth." },
    Metric {
        name: "spread",
        title: "spread",
        goal: Goal::Describes,
        about: "Root of the mean ensemble variance (divisor members minus one), pooled as the RMSE beside it.",
    },
    Metric {
        name: "spread_skill",
        title: "spread / skill",
        goal: Goal::Nearest(1.0),
        about: "Spread over RMSE with the factor sqrt((M + 1)/M) for M members (Fortin et al. 2014); 1 for an ensemble \
                that knows its own error, less for an overconfident one.",
    },
    Metric {
        name: "crps_fair",
        title: "CRPS, fair",
        goal: Goal::Least,
        about: "Continuous ranked probability score of each component, averaged; the fair estimator, whose expectation \
                does not depend on the number of members (Ferro 2014).",
    },
    Metric {
        name: "energy_score_fair",
        title: "energy score, fair",
        goal: Goal::Least,
        about: "The CRPS of whole states: E|X - y| - E|X - X'|/2 with the Euclidean norm, estimated fairly.",
    },
    Metric {
        name: "energy_score_law",
        title: "energy score against the true law",
        goal: Goal::Least,
        about: "The energy score averaged over fresh draws of the true one-step law from the same state, instead of the one \
                thing that happened. Only the true law reaches the floor, which is what `perfect` shows.",
    },
    Metric {
        name: "rank_histogram",
        title: "rank test p",
        goal: Goal::Describes,
        about: "The p-value of a flat rank histogram, allowing for autocorrelation. Small: the ensemble's law is not \
                the truth's.",
    },
    Metric {
        name: "log_score",
        title: "log score",
        goal: Goal::Least,
        about: "Negative log density of the truth, a component, where the forecaster has an exact density.",
    },
    Metric {
        name: "rmse_withheld",
        title: "rmse, withheld",
        goal: Goal::Least,
        about: "Root mean squared difference between the analysis and observations of its time that the method was not \
                shown. It needs no truth; the errors of these observations are in it.",
    },
    Metric {
        name: "chi_square_withheld",
        title: "chi-square, withheld",
        goal: Goal::Nearest(1.0),
        about: "The same differences squared over their predicted variance, a value; 1 for an honest analysis of \
                observations with independent errors, less where those of shown and withheld ones are correlated.",
    },
    Metric {
        name: "innovation_log_score",
        title: "innovation log score",
        goal: Goal::Least,
        about: "Negative log density of the observations under the forecast ensemble's Gaussian with the observation \
                error added. It needs no truth.",
    },
    Metric {
        name: "innovation_chi_square",
        title: "innovation chi-square",
        goal: Goal::Nearest(1.0),
        about: "Squared innovations over their predicted variance, a value; 1 for an honest forecast ensemble.",
    },
    Metric {
        name: "observation_error_ratio",
        title: "R, found / supposed",
        goal: Goal::Nearest(1.0),
        about: "The variance of the observation errors that the residuals before and after the analysis imply, over the \
                supposed one (Desroziers et al. 2005); each tenth analysis. It needs no truth. Above 1 the errors of the \
                observations, or of the forecast, are larger than supposed.",
    },
    Metric {
        name: "effective_dimension",
        title: "effective dimension",
        goal: Goal::Describes,
        about: "The number of directions that the analysis ensemble spreads over, (sum s)^2 / sum s^2 of its singular \
                values (Patil et al. 2001); each fiftieth analysis.",
    },
    Metric {
        name: "log_evidence",
        title: "log evidence",
        goal: Goal::Describes,
        about: "The mean over analyses of the log density of the observations given all before them, where the method \
                has it; the sum over a run is the log marginal likelihood.",
    },
    Metric {
        name: "inflation",
        title: "inflation",
        goal: Goal::Describes,
        about: "The factor of the forecast's anomalies that an adaptive or finite-size method chose.",
    },
    Metric {
        name: "rejected",
        title: "rejected",
        goal: Goal::Describes,
        about: "The share of the observed values that quality control took for outliers.",
    },
    Metric {
        name: "valid_time",
        title: "valid time",
        goal: Goal::Greatest,
        about: "Model time until the normalised error of the forecast's mean first exceeds its threshold.",
    },
    Metric {
        name: "ess",
        title: "ESS",
        goal: Goal::Describes,
        about: "Effective sample size 1/sum(w^2) of the weights, before resampling. Near 1 the weights have degenerated \
                and the row's other figures say little about its posterior.",
    },
    Metric {
        name: "ess_share",
        title: "ESS / members",
        goal: Goal::Describes,
        about: "The effective sample size as a share of the members.",
    },
];

/// The metrics that a terminal shows; the page shows all.
pub(super) const HEADLINE: &[&str] = &[
    "rmse",
    "rmse_forecast",
    "rmse_smoothed",
    "rmse_withheld",
    "spread_skill",
    "crps_fair",
    "log_score",
    "energy_score_law",
    "innovation_log_score",
    "valid_time",
    "ess",
];

/// What is known of a metric.
pub(super) fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// The metric's name in print.
pub(super) fn title(name: &str) -> String {
    find(name).map_or_else(|| name.replace('_', " "), |metric| metric.title.to_string())
}

/// Which way is better. Of what is said of an estimated parameter its error and the square of that in units of the
/// posterior's variance judge.
pub(super) fn goal(name: &str) -> Goal {
    match find(name) {
        Some(metric) => metric.goal,
        None if name.ends_with("_error") => Goal::Least,
        None if name.ends_with("_chi_square") => Goal::Nearest(1.0),
        None => Goal::Describes,
    }
}
