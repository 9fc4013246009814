//! How `diffusion` draws a lead step: a reverse sampler and its noise levels.
//!
//! A sampler of 16 evaluations is accurate for laws between .2 and 2 of the width that its levels are made for, and
//! the noise of one step is often a tenth of the increment. So the smallest level is multiplied by v^(1/2), with v the
//! width that the trained denoiser turns out to have; the largest stays, since the start must be forgotten whatever the
//! law. The exact denoiser of a Gaussian law of sd v then gives an sd within 2 % for all v from .04 to 1.
//!
//! The levels are relative ones, s = sigma / alpha, and are gone along with the alpha of a schedule: all make the same
//! draws up to rounding.

use ndarray::Array2;
use serde_json::{Value, json};

use super::Result;
use super::stored::{misfit, reals, vector};
use crate::model::{Model, Tensor};
use crate::systems::noising::sampler::{RegisteredSampler, SAMPLER_NAMES, named};
use crate::systems::noising::{Karras, Levels, sample, schedule};
use crate::systems::{self, Denoiser, Key, Param, ParamKind, Settings};

const SAMPLER: Param = Param::choice("sampler", "dpm_solver_2m", SAMPLER_NAMES, "how a lead step is drawn");
const LEVELS: Param =
    Param::unset("levels", ParamKind::int(2, 10_000), "noise levels of a lead step; the sampler's own number");
const SIGMA_MIN: Param = Param::unset("sigma_min", SIGMAS, "last noise level; the sampler's own, fitted to the law");
const SIGMA_MAX: Param = Param::unset("sigma_max", SIGMAS, "first noise level; the sampler's own");
const RHO: Param = Param::unset("rho", RHOS, "spacing of the levels; the sampler's own");

/// Noise levels that single precision serves, in standard deviations of the data.
pub(super) const SIGMAS: ParamKind = ParamKind::real(1e-6, 1e6);

/// Exponents of [`Karras`]: below, levels are beyond all numbers, and above they are geometric.
pub(super) const RHOS: ParamKind = ParamKind::real(0.1, 1000.0);

/// Factors of the levels of a schedule.
pub(super) const FACTORS: ParamKind = ParamKind::real(1e-6, 1e6);

/// The least and the most noise levels.
const LEVELS_RANGE: std::ops::RangeInclusive<u64> = 2..=10_000;

/// The settings of the sampling.
pub(super) const SETTINGS: [Param; 5] = [SAMPLER, LEVELS, SIGMA_MIN, SIGMA_MAX, RHO];

/// The schedule that is not named in what is stored.
const EXPLODING: &str = "exploding";

/// The key of the name of another.
const ALONG: &str = "sampled_along";

/// The stored array of sigma_min, sigma_max and rho.
const SCHEDULE: &str = "schedule";

/// Checks that the first noise level is above the last, where those that are not set are the `usual` ones, last and first.
///
/// # Errors
/// When it is not.
pub(super) fn descend(settings: &Settings, [last, first]: [Param; 2], usual: [f64; 2]) -> Result<()> {
    let value = |param: Param, usual: f64| settings.optional_number(param.key).unwrap_or(usual);
    let (low, high) = (value(last, usual[0]), value(first, usual[1]));
    if low < high {
        return Ok(());
    }
    let (key, is, other, than) = match settings.has(last.key) {
        true => (last.key, low, format!("`{}`, which is {high}", first.key), "below"),
        false => (first.key, high, format!("`{}`, which is {low}", last.key), "above"),
    };
    Err(settings.mistake(key, format!("is {is}, but must be {than} {other}")).into())
}

/// A sampler with its noise levels.
pub(super) struct Sampling {
    name: String,
    along: String,
    registered: RegisteredSampler,
    grid: Karras,
    levels: Levels,
}

impl Sampling {
    /// What the settings ask for, `along` the schedule of that name; where they ask for no levels, the sampler's own, fitted
    /// to the `width` of the law.
    ///
    /// # Errors
    /// When there is no such sampler, or its levels do not descend.
    pub fn new(settings: &Settings, along: &str, width: f64) -> Result<Self> {
        let name = settings.text(SAMPLER.key).to_owned();
        let usual = named(&name)?.grid;
        descend(settings, [SIGMA_MIN, SIGMA_MAX], [usual.sigma_min * width.sqrt(), usual.sigma_max])?;
        let number = |param: Param, usual: f64| settings.optional_number(param.key).unwrap_or(usual);
        let grid = Karras {
            sigma_min: number(SIGMA_MIN, usual.sigma_min * width.sqrt()),
            sigma_max: number(SIGMA_MAX, usual.sigma_max),
            rho: number(RHO, usual.rho),
            steps: if settings.has(LEVELS.key) { settings.count(LEVELS.key) } else { usual.steps },
        };
        Self::of(name, along.to_owned(), grid)
    }

    fn of(name: String, along: String, grid: Karras) -> Result<Self> {
        let levels = Levels::new(schedule::named(&along)?.as_ref(), &grid)?;
        Ok(Self { registered: named(&name)?, name, along, levels, grid })
    }

    /// Evaluations of the denoiser in one lead step.
    pub fn evaluations(&self) -> usize {
        self.registered.sampler.evaluations(self.grid.steps)
    }

    /// Draws `members` samples, `[member, component]`, in the space of the denoiser.
    ///
    /// # Errors
    /// When the denoiser itself cannot run.
    pub fn draw(&self, denoiser: &dyn Denoiser, members: usize, key: Key) -> systems::Result<Array2<f64>> {
        sample(self.registered.sampler, denoiser, &self.levels, members, key)
    }

    /// As plain data: what goes into the configuration, and an array with its name.
    pub fn parts(&self) -> (Value, (&'static str, Tensor)) {
        let Karras { sigma_min, sigma_max, rho, steps } = self.grid;
        let mut own = json!({ SAMPLER.key: self.name, LEVELS.key: steps });
        if self.along != EXPLODING {
            own[ALONG] = self.along.as_str().into();
        }
        (own, (SCHEDULE, reals(vec![sigma_min, sigma_max, rho])))
    }

    /// From plain data.
    ///
    /// # Errors
    /// When it is incomplete or damaged.
    pub fn load(model: &Model) -> Result<Self> {
        let own = &model.config["forecaster"];
        let name = own[SAMPLER.key].as_str().unwrap_or_default().to_owned();
        let steps = own[LEVELS.key].as_u64().ok_or_else(|| misfit(model, LEVELS.key, "is missing"))?;
        if !LEVELS_RANGE.contains(&steps) {
            let (least, most) = LEVELS_RANGE.into_inner();
            return Err(misfit(model, LEVELS.key, &format!("is {steps}, but must be between {least} and {most}")));
        }
        let numbers = vector(model, SCHEDULE, 3)?;
        if numbers.iter().any(|number| *number <= 0.0 || !number.is_finite()) {
            return Err(misfit(model, SCHEDULE, &format!("is {numbers}, but must be above 0")));
        }
        let (sigma_min, sigma_max, rho) = (numbers[0], numbers[1], numbers[2]);
        let along = own[ALONG].as_str().unwrap_or(EXPLODING).to_owned();
        Self::of(name, along, Karras { sigma_min, sigma_max, rho, steps: steps as usize })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::gaussian::IndependentDenoiser;
    use crate::systems::{Domain, Purpose};

    #[test]
    fn default_levels_keep_the_sd_of_narrow_laws() {
        let settings = Settings::check("diffusion", &SETTINGS, &std::collections::BTreeMap::new()).unwrap();
        let key = Key::new(1, Domain::Method);
        let widths = [0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0];
        let along = ["exploding", "vp_linear", "vp_cosine", "rectified"];
        for (along, v) in along.iter().flat_map(|along| widths.map(|v| (along, v))) {
            let sampling = Sampling::new(&settings, along, v).unwrap();
            assert!(sampling.evaluations() <= 16);
            // a deterministic sampler is linear in the first normal that it draws, so that its sd can be read off
            let exact = IndependentDenoiser::new(ndarray::array![[v * v]]);
            let drawn = sampling.draw(&exact, 1, key).unwrap()[[0, 0]];
            let ratio = drawn / key.purpose(Purpose::Sampler).stream(0).normal() / v;
            assert!((ratio - 1.0).abs() < 0.02, "{along}, sd {v}: {ratio}");
        }
    }
}
