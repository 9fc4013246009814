//! The keys of an experiment, section by section: what checking, the schema and the messages derive from.
//!
//! To add a plain key, add a line to its section here and read it in `check/`; to add one whose value is more than a
//! plain setting, add a [`Special`].

use super::hold::Hold;
use super::layout::Layout;
use crate::systems::registry::{DefaultValue, Param, ParamKind};

/// A section of the experiment file.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its name.
    pub name: &'static str,
    /// Whether it may come several times, as an array of tables.
    pub many: bool,
    /// What it is.
    pub about: &'static str,
    /// The keys that are plain settings.
    pub params: &'static [Param],
    /// The keys whose values have a form of their own.
    pub special: &'static [Special],
}

/// A key whose value is not a plain setting.
#[derive(Clone, Copy, Debug)]
pub struct Special {
    /// The key.
    pub key: &'static str,
    /// What its value may be.
    pub form: Form,
    /// What it means, with its default.
    pub about: &'static str,
}

/// The forms of special values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A word, or a list of words.
    Words,
    /// A word that names an operator, or a table with `name` and the operator's settings.
    Operator,
    /// A number, a list of numbers, a noise law's name, or a table with `name` and the law's settings.
    Noise,
    /// "climatology", or a table with `truth_sd`, or one with `mean` and `sd`.
    Initial,
    /// A table with a `parameter` and its prior, or a list of them.
    Estimate,
}

const MANY: i64 = 1_000_000_000;
const COUNT: ParamKind = ParamKind::Int { min: 1, max: MANY };
const COUNT_OR_NONE: ParamKind = ParamKind::Int { min: 0, max: MANY };

/// The keys outside any section.
pub const TOP: Section = Section {
    name: "",
    many: false,
    about: "the experiment",
    params: &[
        Param::unset("name", ParamKind::Text, "the experiment's name; the preset's name or the file's stem if unset"),
        Param::unset("preset", ParamKind::Text, "a preset to start from; the keys of this file replace its keys"),
        Param::int("seed", 1, 0, "the seed of every random number"),
    ],
    special: &[],
};

/// `[system]`: its other keys are the settings of the system that it names.
pub const SYSTEM: Section = Section {
    name: "system",
    many: false,
    about: "the simulator, and its settings",
    params: &[Param::required("name", ParamKind::Text, "the system's name; `scorecast list systems` shows them")],
    special: &[],
};

/// `[data]`.
pub const DATA: Section = Section {
    name: "data",
    many: false,
    about: "trajectories for training and for scoring forecasts, and the lead step",
    params: &[
        Param::new("trajectories", COUNT, DefaultValue::Int(64), "number of simulated trajectories"),
        Param::new("steps", COUNT, DefaultValue::Int(1024), "lead steps kept in each trajectory"),
        Param::unset(
            "dt",
            ParamKind::POSITIVE,
            "the lead step, in model time; the system's usual one if unset (`scorecast list systems` shows it), 1 without \
             a [system]",
        ),
        Param::unset(
            "substeps",
            ParamKind::int(1, 1_000_000),
            "integration steps in a lead step; if unset, as many as keep them no longer than the system's usual ones",
        ),
        Param::unset(
            "integrator",
            ParamKind::Text,
            "how the system is integrated; the system's usual integrator if unset",
        ),
        Param::unset(
            "spin_up",
            COUNT_OR_NONE,
            "lead steps discarded before; if unset, as many as take the model time of the system's usual spin-up",
        ),
        Param::floats(
            "split",
            &[0.8, 0.1, 0.1],
            "shares of training, validation and test trajectories; whole trajectories, never parts of one; a file that says its own split keeps it",
        ),
        Param::unset(
            "file",
            ParamKind::Text,
            "your own trajectories: HDF5/NetCDF with named dimensions, or a file or folder in the layout of The Well",
        ),
        Param::unset("variable", ParamKind::Text, "the variable or field in `file`; needed where several would do"),
        Param::choice(
            "hold",
            "auto",
            Hold::WORDS,
            "where the trajectories of `file` are held while a command runs: in memory, or on disk (beside the output, or where \
             `--scratch` says), from where they are read as they are needed; `auto` takes the disk where they are more than a \
             quarter of `--max-memory`; results are the same",
        ),
        Param::unset(
            "geometry",
            ParamKind::Choice(Layout::WORDS),
            "how the components in `file` lie: separate quantities, one field on a periodic grid in one or two dimensions, or on a grid with edges; as the file says if unset",
        ),
        Param::unset(
            "columns",
            ParamKind::COUNT,
            "grid points in a row where `geometry` has two dimensions; as the file says if unset",
        ),
    ],
    special: &[],
};

/// `[[forecaster]]`: its other keys are the settings of its kind.
pub const FORECASTER: Section = Section {
    name: "forecaster",
    many: true,
    about: "a forecaster that is fitted to the trajectories, or loaded",
    params: &[
        Param::unset("name", ParamKind::Text, "your label; the kind if unset, or the name of the model's file"),
        Param::unset("kind", ParamKind::Text, "the kind of forecaster; the label if unset, or as the model says"),
        Param::unset(
            "model",
            ParamKind::Text,
            "a trained model (safetensors) to load instead of training; it says its kind and settings, and those given here must agree with it",
        ),
        Param::int("seeds", 1, 1, "trainings that differ in their random numbers alone: scores are the means of all, with errors over seeds and truths").up_to(100),
        Param::flag("pool", "all seeds are one forecaster: each member of an ensemble is advanced by one of them"),
    ],
    special: &[],
};

/// `[budget]`.
pub const BUDGET: Section = Section {
    name: "budget",
    many: false,
    about: "what all learned forecasters may cost alike: their steps or widths are set to it",
    params: &[
        Param::choice(
            "by",
            "training_flops",
            &["parameters", "training_flops", "inference_flops", "seconds"],
            "what is equal: parameters or the cost of a lead step of a member (by width, refused where the nearest is more \
             than 15 % off), that of the training (by steps, within 2 %), or the seconds that it takes on this machine: \
             `compare` and `train` measure a step of each training once, and the steps stand in the `experiment.toml` that \
             they write, which measures nothing again",
        ),
        Param::unset("like", ParamKind::Text, "the label of the forecaster whose cost all others are to have"),
        Param::unset(
            "value",
            ParamKind::POSITIVE,
            "the cost itself: parameters, floating-point operations, or seconds of a training",
        ),
    ],
    special: &[],
};

/// `[observe]` or `[[observe]]`.
pub const OBSERVE: Section = Section {
    name: "observe",
    many: true,
    about: "an observing network and its twin experiment, or your own observations",
    params: &[
        Param::new("name", ParamKind::Text, DefaultValue::Text("observe"), "the network's name"),
        Param::new("every", COUNT, DefaultValue::Int(1), "a set of observations each so many lead steps"),
        Param::flag("irregular", "sets come at random lead steps, `every` apart on average"),
        Param::share("missing", 0.0, "share of the values that is missing, drawn anew in each set"),
        Param::share(
            "withhold",
            0.0,
            "share of the values that no method sees and that its analyses are verified against, drawn anew in each set",
        ),
        Param::unset(
            "evaluate_only",
            ParamKind::Indices,
            "which of the observed values are always withheld so, by their places from 0 on",
        ),
        Param::unset(
            "not_used",
            ParamKind::Indices,
            "which of the observed values are left out altogether, by their places from 0 on",
        ),
        Param::unset(
            "jumps",
            ParamKind::Rows,
            "shocks of the truth that no forecaster knows: rows [probability at each lead step, size relative to the state], or \
             [probability, sd, components]: that many, drawn anew, are moved by noise of this sd",
        ),
        Param::new("steps", COUNT, DefaultValue::Int(1000), "lead steps of the experiment"),
        Param::unset("burn_in", COUNT_OR_NONE, "lead steps left out of the scores; a tenth of `steps` if unset"),
        Param::new("replicates", COUNT, DefaultValue::Int(1), "independent truths"),
        Param::unset("file", ParamKind::Text, "your own observations (HDF5/NetCDF) instead of a twin experiment"),
        Param::unset("variable", ParamKind::Text, "the variable in `file`; needed where several would do"),
    ],
    special: &[
        Special {
            key: "operator",
            form: Form::Operator,
            about: "what is observed: an operator's name, or a table with its `name` and settings; `identity` if unset",
        },
        Special {
            key: "noise",
            form: Form::Noise,
            about: "the errors: a standard deviation, one for each value, a law's name, or a table with its `name` and settings; 1 if unset",
        },
        Special {
            key: "initial",
            form: Form::Initial,
            about: "the filter's first ensemble: \"climatology\" (the default), { truth_sd = s }, or { mean = [...], sd = s }",
        },
    ],
};

/// `[[assimilate]]`: its other keys are the settings of its method.
pub const ASSIMILATE: Section = Section {
    name: "assimilate",
    many: true,
    about: "a method, run with each of its forecasters on each of its observing networks",
    params: &[
        Param::required("method", ParamKind::Text, "the method's name; `scorecast list methods` shows them"),
        Param::unset("label", ParamKind::Text, "the row's label; method and forecaster if unset"),
        Param::unset("run_steps", COUNT, "lead steps for this row; the network's `steps` if unset"),
        Param::unset("replicates", COUNT, "independent truths for this row; the network's if unset"),
    ],
    special: &[
        Special { key: "forecaster", form: Form::Words, about: "a forecaster's label, or several; `perfect` if unset" },
        Special { key: "observe", form: Form::Words, about: "an observing network's name, or several; all if unset" },
        Special {
            key: "estimate",
            form: Form::Estimate,
            about: "numbers of the system's settings that this row does not know and estimates with the state; none if unset",
        },
    ],
};

/// `[[expected]]`: what a row is known to give elsewhere.
pub const EXPECTED: Section = Section {
    name: "expected",
    many: true,
    about: "figures that a row is known to give, and where they come from; `scorecast reproduce` holds the row against them",
    params: &[
        Param::required("row", ParamKind::Text, "the label of the row"),
        Param::unset(
            "rmse",
            ParamKind::NUMBER,
            "its analysis rmse, which is judged where `se` is set and no run diverged",
        ),
        Param::unset("se", ParamKind::POSITIVE, "the standard error of that"),
        Param::unset("rmse_forecast", ParamKind::NUMBER, "its forecast rmse, shown beside"),
        Param::unset("rmse_smoothed", ParamKind::NUMBER, "its smoothed rmse, shown beside"),
        Param::unset("spread", ParamKind::NUMBER, "its analysis spread, shown beside"),
        Param::unset("published", ParamKind::NUMBER, "a published rmse of two digits, shown beside"),
        Param::new("diverged", COUNT_OR_NONE, DefaultValue::Int(0), "how many of its runs diverged"),
        Param::new("runs", COUNT, DefaultValue::Int(1), "how many runs there were"),
        Param::new("source", ParamKind::Text, DefaultValue::Text(""), "where the figures come from"),
        Param::new(
            "explained",
            ParamKind::Text,
            DefaultValue::Text(""),
            "why the row differs from the figure, where it does: it does not count then",
        ),
    ],
    special: &[],
};

/// `[score]`.
pub const SCORE: Section = Section {
    name: "score",
    many: false,
    about: "what is scored",
    params: &[
        Param::new("lead_steps", COUNT, DefaultValue::Int(40), "forecasts are scored up to this lead step"),
        Param::int("members", 64, 2, "members of a scored forecast").up_to(MANY),
        Param::new("starts", COUNT, DefaultValue::Int(8), "starts of forecasts in each test trajectory, evenly spaced"),
    ],
    special: &[
        Special {
            key: "metrics",
            form: Form::Words,
            about: "the metrics' names; if unset, all but those that are scored where they are named",
        },
        Special {
            key: "forecasters",
            form: Form::Words,
            about: "labels of the forecasters whose forecasts are scored; if unset, those of the file and the baselines perfect, persistence and climatology where the file has any",
        },
        Special {
            key: "against",
            form: Form::Words,
            about: "labels of rows of [[assimilate]]: every other row of their network is compared with each of them by a paired test, as all are with the best",
        },
    ],
};

/// Every section, in the order of the resolved experiment.
pub const SECTIONS: &[Section] = &[SYSTEM, DATA, FORECASTER, BUDGET, OBSERVE, ASSIMILATE, EXPECTED, SCORE];

impl Section {
    /// How the section is written: `[data]`, `[[forecaster]]`, or `the experiment`.
    pub fn title(&self) -> String {
        match (self.name, self.many) {
            ("", _) => "the experiment".to_owned(),
            ("observe", _) | (_, false) => format!("[{}]", self.name),
            (_, true) => format!("[[{}]]", self.name),
        }
    }

    /// Its own keys, plain and special.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.params.iter().map(|param| param.key).chain(self.special.iter().map(|special| special.key))
    }
}

/// The type and range of a setting, as a phrase.
pub fn expected(kind: ParamKind) -> String {
    let bounds = |min: String, max: String, low: bool, high: bool| match (low, high) {
        (false, false) => String::new(),
        (true, false) => format!(" >= {min}"),
        (false, true) => format!(" <= {max}"),
        (true, true) => format!(" {min}..{max}"),
    };
    match kind {
        ParamKind::Bool => "true or false".to_owned(),
        ParamKind::Int { min, max } => {
            format!("integer{}", bounds(min.to_string(), max.to_string(), min > i64::MIN, max < i64::MAX))
        }
        ParamKind::Float { min, max: f64::INFINITY } if min == f64::MIN_POSITIVE => "number > 0".to_owned(),
        ParamKind::Float { min, max } => {
            let lowest = if min == f64::MIN_POSITIVE { "0".to_owned() } else { min.to_string() };
            format!("number{}", bounds(lowest, max.to_string(), min.is_finite(), max.is_finite()))
        }
        ParamKind::Text => "text".to_owned(),
        ParamKind::Choice(words) => words.join(" | "),
        ParamKind::Floats => "number or list of numbers".to_owned(),
        ParamKind::Rows => "matrix (a list of rows)".to_owned(),
        ParamKind::Words => "word or list of words".to_owned(),
        ParamKind::Indices => "list of integers >= 0".to_owned(),
        ParamKind::System => "a system: its name, or a table with its name and settings".to_owned(),
    }
}
