//! A checked experiment: every name resolved, every default filled in, every size consistent.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::estimable::setting;
use super::hold::Hold;
use super::jump::Jump;
use super::layout::Layout;
use crate::assimilation::augment::Parameter;
use crate::assimilation::{self, NOISE_LAWS, OPERATORS, ObservationOperator};
use crate::forecast::{CostOf, FORECASTERS, FitSize, START_FROM};
use crate::systems::catalogue::{DefaultStepping, climate};
use crate::systems::registry::find;
use crate::systems::{Settings, Stepping, System};

/// A checked experiment.
#[derive(Clone)]
pub struct Plan {
    /// The preset's name or the file's stem.
    pub name: String,
    /// The seed of every random number.
    pub seed: u64,
    /// The simulator; none when everything comes from the user's own files.
    pub system: Option<SystemPlan>,
    /// Trajectories for training and for scoring forecasts.
    pub data: DataPlan,
    /// The forecasters that are fitted or loaded, in the order of the file. `perfect` (if there is a system) and the
    /// baselines that rows name without a section are among them.
    pub forecasters: Vec<ForecasterPlan>,
    /// Labels of forecasters whose forecasts are scored on the test trajectories.
    pub forecast: Vec<String>,
    /// The observing networks by name, in the order of the file.
    pub observe: Vec<ObservePlan>,
    /// The assimilation rows, one for each method, forecaster and observing network.
    pub assimilate: Vec<AssimilatePlan>,
    /// What rows are known to give elsewhere.
    pub expected: Vec<ExpectedPlan>,
    /// What is scored.
    pub score: ScorePlan,
    /// The seconds that trainings are to take, where their steps are yet to be found by a measurement.
    pub seconds: Option<SecondsBudget>,
    /// What a budget has set, in sentences.
    pub notes: Vec<String>,
    /// The resolved experiment as TOML: what `experiment.toml` of a run folder holds. Checking it gives this plan again.
    pub resolved: String,
}

impl Plan {
    /// The label under which a forecaster is reported: that of the forecaster of several seeds that it is one of, if it is.
    pub fn reported<'a>(&'a self, label: &'a str) -> &'a str {
        let found = self.forecasters.iter().find(|one| one.label == label);
        found.map_or(label, ForecasterPlan::reported)
    }
}

/// A system with its settings.
#[derive(Clone)]
pub struct SystemPlan {
    /// The name in the registry.
    pub name: String,
    /// Its settings.
    pub settings: Settings,
    /// The system.
    pub system: Arc<dyn System>,
    /// How it is usually stepped.
    pub default_stepping: DefaultStepping,
}

impl SystemPlan {
    /// The time in which small errors grow by e, in model time, where it was measured: at default settings, whatever the
    /// noise.
    pub fn lyapunov_time(&self) -> Option<f64> {
        climate::lyapunov_time(&self.name, &self.settings)
    }

    /// A number among the settings, by its key, or by its path through the systems inside (`of.rho`).
    pub fn number(&self, path: &str) -> Option<f64> {
        setting(&self.name, self.settings.values(), path).ok().map(|(_, value)| value)
    }

    /// The names of the parameters that each of its trajectories draws.
    pub fn drawn_parameters(&self) -> Vec<String> {
        self.system.drawn_parameters().map(|drawn| drawn.names()).unwrap_or_default()
    }

    /// The size of its states, of which no number is known.
    pub fn fit_size(&self) -> FitSize {
        let states = FitSize::of_states(self.system.geometry(), self.system.dim());
        FitSize { parameters: self.drawn_parameters().len(), ..states }
    }
}

/// Where trajectories come from.
#[derive(Clone, Debug, PartialEq)]
pub enum DataSource {
    /// Simulated from the system.
    Simulated {
        /// Number of trajectories.
        trajectories: usize,
        /// Lead steps kept in each.
        steps: usize,
        /// Lead steps discarded before.
        spin_up: usize,
    },
    /// The user's own file, with named dimensions.
    File(PathBuf),
}

/// Trajectories for training and for scoring forecasts.
#[derive(Clone, Debug, PartialEq)]
pub struct DataPlan {
    /// Where they come from.
    pub source: DataSource,
    /// The lead step and how a simulator takes it.
    pub stepping: Stepping,
    /// Whether the user says the length of the lead step.
    pub dt_said: bool,
    /// Shares of training, validation and test trajectories.
    pub split: [f64; 3],
    /// The variable of a file, where the user names it.
    pub variable: Option<String>,
    /// Where the trajectories of a file are held.
    pub hold: Hold,
    /// How components are laid out in space.
    pub layout: Layout,
    /// Grid points in a row of a layout in two dimensions that the user names; 0 where unset.
    pub columns: usize,
}

impl DataPlan {
    /// How many of `trajectories` are for training, validation and testing: test and validation get their shares rounded
    /// to whole trajectories, but at least one each where their share is above zero, and training gets the rest.
    pub fn split_counts(&self, trajectories: usize) -> [usize; 3] {
        let share = |share: f64| {
            let whole = (share * trajectories as f64).round() as usize;
            if share > 0.0 { whole.max(1) } else { whole }
        };
        let valid = share(self.split[1]).min(trajectories);
        let test = share(self.split[2]).min(trajectories - valid);
        [trajectories - valid - test, valid, test]
    }
}

/// One forecaster.
#[derive(Clone, Debug)]
pub struct ForecasterPlan {
    /// The user's label.
    pub label: String,
    /// The name in the registry.
    pub kind: String,
    /// Its settings.
    pub settings: Settings,
    /// The keys of its settings that the user gives.
    pub given: Vec<String>,
    /// A trained model to load instead of training; then `settings` are those that the user gives, and `kind` is empty where
    /// the file says it.
    pub model: Option<PathBuf>,
    /// How many are trained that differ in their random numbers alone; 1 unless said.
    pub seeds: usize,
    /// Whether these are one forecaster, each member of an ensemble being advanced by one of them.
    pub pool: bool,
    /// The label of the forecaster of several seeds that this is one of, and which.
    pub seed_of: Option<(String, usize)>,
}

impl ForecasterPlan {
    /// One of one seed.
    pub fn new(label: String, kind: String, settings: Settings, given: Vec<String>) -> Self {
        Self { label, kind, settings, given, model: None, seeds: 1, pool: false, seed_of: None }
    }

    /// The label under which it is reported: that of the forecaster of several seeds that it is one of, if it is.
    pub fn reported(&self) -> &str {
        self.seed_of.as_ref().map_or(&self.label, |(label, _)| label)
    }

    /// The model that its training starts from, where it does.
    pub fn start_from(&self) -> Option<&Path> {
        Some(self.settings.text(START_FROM)).filter(|path| !path.is_empty()).map(Path::new)
    }

    /// How many successive states it is given, as far as its settings say.
    pub fn history(&self) -> usize {
        self.settings.optional_number("history").map_or(1, |count| count as usize).max(1)
    }

    /// Whether it is given the parameters of the system; none where a stored model says it.
    pub fn is_conditioned(&self) -> Option<bool> {
        let said = self.settings.text("condition_on");
        (self.model.is_none() || !said.is_empty()).then(|| said == "parameters")
    }
}

impl ForecasterPlan {
    /// What it costs by its settings, where it is trained here.
    pub fn cost_of(&self) -> Option<CostOf> {
        let entry = FORECASTERS.iter().find(|entry| entry.name == self.kind)?;
        entry.build.cost.filter(|_| self.model.is_none())
    }
}

/// The seconds that each training is to take on the machine that it runs on.
#[derive(Clone, Debug, PartialEq)]
pub enum SecondsBudget {
    /// So many.
    Value(f64),
    /// As many as that of the forecaster with this label.
    Like(String),
}

impl SecondsBudget {
    /// Whether it sets the steps of a forecaster.
    pub fn sets(&self, forecaster: &ForecasterPlan) -> bool {
        let like = matches!(self, Self::Like(label) if label == forecaster.reported());
        !like && forecaster.cost_of().is_some()
    }
}

/// Where a filter's first ensemble comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Initial {
    /// Independent states of the system's climate.
    Climatology,
    /// The truth plus independent errors of this standard deviation.
    TruthSd(f64),
    /// An independent Gaussian in each component.
    Gaussian {
        /// One mean for all components, or one for each.
        mean: Vec<f64>,
        /// One standard deviation for all components, or one for each.
        sd: Vec<f64>,
    },
}

/// One observing network, and the twin experiment (or the file) that it belongs to.
#[derive(Clone, Debug)]
pub struct ObservePlan {
    /// Its name; `observe` where the file has a single `[observe]`.
    pub name: String,
    /// The operator's name in the registry.
    pub operator: String,
    /// The operator's settings.
    pub settings: Settings,
    /// The name of the errors' law in the registry.
    pub noise: String,
    /// The law's settings.
    pub noise_settings: Settings,
    /// The filter's first ensemble.
    pub initial: Initial,
    /// A set of observations each so many lead steps.
    pub every: usize,
    /// Whether the sets come at random lead steps, `every` apart on average.
    pub irregular: bool,
    /// Share of the values that is missing, drawn anew in each set.
    pub missing: f64,
    /// Share of the values that is withheld from the methods and only evaluated, drawn anew in each set.
    pub withhold: f64,
    /// The observed values that are only evaluated.
    pub evaluate_only: Vec<usize>,
    /// The observed values that are not used at all.
    pub not_used: Vec<usize>,
    /// Shocks of the truth that no forecaster knows.
    pub jumps: Vec<Jump>,
    /// Lead steps of the experiment.
    pub steps: usize,
    /// Lead steps left out of the scores.
    pub burn_in: usize,
    /// Independent truths.
    pub replicates: usize,
    /// The user's own observations instead of a twin experiment.
    pub file: Option<PathBuf>,
    /// The variable of that file, where the user names it.
    pub variable: Option<String>,
}

impl ObservePlan {
    /// Whether some values are kept from the methods to verify them against.
    pub fn withholds(&self) -> bool {
        self.withhold > 0.0 || !self.evaluate_only.is_empty()
    }

    /// What is wrong with the values that are set apart, where a set has `observed` of them: the key and a sentence.
    pub fn misplaced(&self, observed: usize) -> Option<(&'static str, String)> {
        let both = self.evaluate_only.iter().find(|i| self.not_used.contains(i));
        if let Some(i) = both {
            let what = format!("[observe]: value {i} is both in `evaluate_only` and in `not_used`; keep it in one");
            return Some(("not_used", what));
        }
        let lists = [("evaluate_only", &self.evaluate_only), ("not_used", &self.not_used)];
        let (key, i) = lists.into_iter().find_map(|(key, list)| Some((key, list.iter().find(|&&i| i >= observed)?)))?;
        let what = format!(
            "[observe]: `{key}` has {i}, but operator `{}` gives {observed} values; use 0 to {}",
            self.operator,
            observed.saturating_sub(1)
        );
        Some((key, what))
    }

    /// The operator with its errors, for states of `dim` components.
    ///
    /// # Errors
    /// When the operator's settings or the errors do not fit a state of that size.
    pub fn build(&self, dim: usize) -> assimilation::Result<Box<dyn ObservationOperator>> {
        let law = find(NOISE_LAWS, "noise law", &self.noise)?;
        let errors = |count: usize| (law.build)(&self.noise_settings, count);
        let entry = find(OPERATORS, "operator", &self.operator)?;
        (entry.build)(&self.settings, dim, &errors)
    }
}

/// One assimilation row.
#[derive(Clone, Debug)]
pub struct AssimilatePlan {
    /// Unique in the experiment, such as `etkf / diffusion`; the user may set it.
    pub label: String,
    /// The method's name in the registry.
    pub method: String,
    /// The method's settings.
    pub settings: Settings,
    /// The forecaster's label.
    pub forecaster: String,
    /// The observing network's name.
    pub observe: String,
    /// Lead steps for this row, where a costly row is run for fewer than the network has.
    pub steps: usize,
    /// Replicates for this row, where a costly row is run for fewer.
    pub replicates: usize,
    /// Numbers of the system's settings that the row estimates with the state; its members have values of their own.
    pub estimate: Vec<Parameter>,
    /// The label of the row with a forecaster of several seeds that this is one of, and which.
    pub seed_of: Option<(String, usize)>,
}

impl AssimilatePlan {
    /// The label under which it is reported: that of the row of several seeds that it is one of, if it is.
    pub fn reported(&self) -> &str {
        self.seed_of.as_ref().map_or(&self.label, |(label, _)| label)
    }

    /// Whether it is the first of its seeds, which stands for all of them in pictures.
    pub fn is_first_seed(&self) -> bool {
        self.seed_of.as_ref().is_none_or(|(_, index)| *index == 0)
    }
}

/// What a row is known to give elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedPlan {
    /// The row's label.
    pub row: String,
    /// Analysis rmse.
    pub rmse: Option<f64>,
    /// Standard error of that.
    pub se: Option<f64>,
    /// Other figures under the names of their columns, which are not judged.
    pub beside: Vec<(&'static str, f64)>,
    /// A published rmse of two digits.
    pub published: Option<f64>,
    /// How many of the runs diverged.
    pub diverged: usize,
    /// How many runs there were.
    pub runs: usize,
    /// Where the figures come from.
    pub source: String,
    /// Why the row differs from the figure, if it does; it is not judged then.
    pub explained: String,
}

impl ExpectedPlan {
    /// The columns of figures that are shown beside and not judged.
    pub const BESIDE: [&'static str; 3] = ["rmse_forecast", "rmse_smoothed", "spread"];
}

/// What is scored.
#[derive(Clone, Debug, PartialEq)]
pub struct ScorePlan {
    /// Names in the registry of metrics.
    pub metrics: Vec<String>,
    /// Forecasts are scored up to this lead step.
    pub lead_steps: usize,
    /// Members of a scored forecast.
    pub members: usize,
    /// Starts of forecasts in each test trajectory, evenly spaced.
    pub starts: usize,
    /// Labels of rows that every other row of their network is compared with.
    pub against: Vec<String>,
}
