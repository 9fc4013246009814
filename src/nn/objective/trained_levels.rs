//! Which noise levels a denoiser is trained on: the law of s = sigma / alpha.
//!
//! `edm`: ln s ~ N(p_mean, p_std^2) (Karras et al. 2022). Of a schedule, its levels at times t in [0, 1] of the law
//! `time_law`: uniform, or the logistic function of a standard normal, which is half as often near either end (Esser et al.
//! 2024). A share of [`END`] at either end is left out, where s would be 0 or infinite.

use std::f64::consts::FRAC_PI_2;

use candle_core::Tensor;
use scorecast_systems::noising::{Schedule, schedule};
use scorecast_systems::registry::{DefaultValue, ParamKind};
use scorecast_systems::{Level, Param, Settings};

use super::preconditioning::{Preconditioning, squared_error};
use super::{Draws, Objective, RowDraws};
use crate::nn::data::Batch;
use crate::nn::{NeuralNetwork, Result};

/// What stands for the levels that an objective was published with.
const AUTO: &str = "auto";

const NOISE_SCHEDULE: Param = Param::choice(
    "noise_schedule",
    AUTO,
    &[AUTO, "edm", "vp_linear", "vp_cosine", "vp_squared_cosine", "rectified"],
    "the noise levels that are trained, and the schedule of sampling; auto: the objective's own",
);
pub(super) const P_MEAN: Param = Param::new(
    "p_mean",
    ParamKind::real(-10.0, 10.0),
    DefaultValue::Float(-1.2),
    "mean of ln(noise level) in training on levels of `edm`",
);
pub(super) const P_STD: Param = Param::new(
    "p_std",
    ParamKind::real(1e-3, 5.0),
    DefaultValue::Float(1.5),
    "sd of ln(noise level) in training on levels of `edm`",
);
/// The setting of the law of times.
pub const TIME_LAW: Param = Param::choice(
    "time_law",
    "uniform",
    &["uniform", "logit_normal"],
    "the times of a schedule that are trained; logit_normal: fewer near its ends",
);

/// The settings of all objectives that are trained on noise levels.
pub(super) const LEVEL_SETTINGS: [Param; 4] = [NOISE_SCHEDULE, P_MEAN, P_STD, TIME_LAW];

/// The share of times that is left out at either end.
const END: f64 = 1e-3;

/// The law of s.
pub(super) enum TrainedLevels {
    /// ln s is normal, with this mean and sd.
    Normal { mean: f64, sd: f64 },
    /// s = tan(phi) with phi uniform on a quarter circle.
    Circle,
    /// The levels of a schedule at random times.
    Times { schedule: Box<dyn Schedule>, law: TimeLaw },
}

/// The law of times.
#[derive(Clone, Copy, Debug)]
pub(super) enum TimeLaw {
    Uniform,
    LogitNormal,
}

impl TimeLaw {
    /// What the settings ask for.
    pub fn of(settings: &Settings) -> Self {
        if settings.text(TIME_LAW.key) == "logit_normal" { Self::LogitNormal } else { Self::Uniform }
    }

    /// A time, away from 0 and 1.
    pub fn draw(self, row: &mut RowDraws) -> f64 {
        let share = match self {
            Self::Uniform => row.uniform(),
            Self::LogitNormal => 1.0 / (1.0 + (-row.normal()).exp()),
        };
        END + (1.0 - 2.0 * END) * share
    }
}

/// The word for the levels of an objective where the settings ask for its own.
fn usual(objective: &str) -> &'static str {
    match objective {
        "noise" => "vp_linear",
        "data" => "vp_cosine",
        "flow" => "rectified",
        "velocity" => "circle",
        _ => "edm",
    }
}

fn word<'a>(objective: &str, settings: &'a Settings) -> &'a str {
    match settings.text(NOISE_SCHEDULE.key) {
        AUTO | "" => usual(objective),
        named => named,
    }
}

/// Why a setting of the levels has no use for this objective: a clause that follows "unless"; none where it has one.
pub fn unused_of_levels(key: &str, objective: &str, settings: &Settings) -> Option<String> {
    let word = word(objective, settings);
    let (used, needed) = match key {
        "p_mean" | "p_std" => (word == "edm", "\"edm\""),
        "time_law" => {
            (!["edm", "circle"].contains(&word), "\"vp_linear\", \"vp_cosine\", \"vp_squared_cosine\" or \"rectified\"")
        }
        _ => (true, ""),
    };
    let own = settings.text(NOISE_SCHEDULE.key) == AUTO;
    let (key, of) =
        (NOISE_SCHEDULE.key, if own { format!(", and here it is that of `{objective}`") } else { String::new() });
    (!used).then(|| format!("`{key}` is {needed}{of}"))
}

/// The name of the schedule along which a denoiser that was trained for this objective is sampled: that of its levels,
/// and the variance-exploding one where they are of none.
pub fn sampled_schedule<'a>(objective: &str, settings: &'a Settings) -> &'a str {
    match word(objective, settings) {
        "edm" | "circle" => "exploding",
        named => named,
    }
}

impl TrainedLevels {
    /// What the settings ask for in a training for this objective.
    pub fn of(objective: &str, settings: &Settings) -> Self {
        let word = word(objective, settings);
        match schedule::named(word) {
            Ok(schedule) => Self::Times { schedule, law: TimeLaw::of(settings) },
            Err(_) if word == "circle" => Self::Circle,
            Err(_) => Self::Normal { mean: settings.number(P_MEAN.key), sd: settings.number(P_STD.key) },
        }
    }

    /// s of one row.
    pub fn draw(&self, row: &mut RowDraws) -> f64 {
        match self {
            Self::Normal { mean, sd } => (mean + sd * row.normal()).exp(),
            Self::Circle => (FRAC_PI_2 * TimeLaw::Uniform.draw(row)).tan(),
            Self::Times { schedule, law } => schedule.level(law.draw(row)).relative(),
        }
    }
}

/// The squared error of a preconditioned network on noise levels of this law.
pub(super) struct OnLevels {
    /// The law of s.
    pub levels: TrainedLevels,
    /// What the network gives at a level.
    pub preconditioning: fn(Level) -> Preconditioning,
}

impl OnLevels {
    /// On the levels that the settings ask for in a training for this objective.
    pub fn new(objective: &str, settings: &Settings, preconditioning: fn(Level) -> Preconditioning) -> Self {
        Self { levels: TrainedLevels::of(objective, settings), preconditioning }
    }
}

impl Objective for OnLevels {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, draws: Draws) -> Result<Tensor> {
        squared_error(network, batch, draws, self.preconditioning, |row| self.levels.draw(row))
    }

    fn draws(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use scorecast_systems::{Domain, Key, Value};

    use super::*;
    use crate::nn::objective::Draws;

    fn drawn(objective: &str, given: &[(&str, &str)]) -> Vec<f64> {
        let given = given.iter().map(|(key, word)| ((*key).to_owned(), Value::Text((*word).to_owned()))).collect();
        let settings = Settings::check("a forecaster", &LEVEL_SETTINGS, &given).unwrap();
        let levels = TrainedLevels::of(objective, &settings);
        let draws = Draws::new(Key::new(1, Domain::Training), 0).stratified();
        let mut found: Vec<f64> = (0..1024).map(|i| levels.draw(&mut draws.row(i))).collect();
        found.sort_by(f64::total_cmp);
        found
    }

    #[test]
    fn levels_have_the_quantiles_of_their_law() {
        // at the quantile q of t: alpha(t) = exp(-t (.1 + 9.95 t) / 2), tan(t pi / 2), t / (1 - t), and exp of a normal
        let close = |found: f64, exact: f64| (found / exact - 1.0).abs() < 0.01;
        let vp = |t: f64| ((t * (0.1 + 9.95 * t)).exp() - 1.0).sqrt();
        for (q, normal) in [(0.25, -0.674_49), (0.5, 0.0), (0.75, 0.674_49f64)] {
            let at = |objective, given: &[_]| drawn(objective, given)[(q * 1024.0) as usize];
            assert!(close(at("denoising", &[]), (-1.2 + 1.5 * normal).exp()));
            assert!(close(at("velocity", &[]), (q * FRAC_PI_2).tan()));
            assert!(close(at("noise", &[]), vp(q)));
            assert!(close(at("denoising", &[("noise_schedule", "vp_linear")]), vp(q)));
            assert!(close(at("velocity", &[("noise_schedule", "rectified")]), q / (1.0 - q)));
            // the logit of t is ln(t / (1 - t)) = ln s
            let logit = [("noise_schedule", "rectified"), ("time_law", "logit_normal")];
            assert!(close(at("data", &logit), normal.exp()), "{} {}", at("data", &logit), normal.exp());
        }
        assert!(drawn("flow", &[]).iter().all(|s| *s >= 9e-4 && *s < 1100.0));
    }

    #[test]
    fn sampling_goes_along_the_levels_that_were_trained() {
        let none = Settings::check("a forecaster", &LEVEL_SETTINGS, &BTreeMap::new()).unwrap();
        let names =
            ["denoising", "velocity", "noise", "data", "flow"].map(|name| sampled_schedule(name, &none).to_owned());
        assert_eq!(names, ["exploding", "exploding", "vp_linear", "vp_cosine", "rectified"]);
    }
}
