//! `diffusion`: the law of the scaled increment z of one lead step given x_k, through its denoiser
//! ([`ConditionedNetwork`]). The loss of its network F, weighted by 1 / c_out^2, is the mean of
//! (F - (s z - eps) / sqrt(s^2 + 1))^2, with ln s ~ N(p_mean, p_std^2).
//!
//! A lead step draws z by a reverse sampler. Nothing is assumed of the law of z: it may have several modes. But a
//! sampler of a dozen evaluations is accurate for laws between .2 and 2 of the width that its levels are made for, and
//! the noise of one step is often a tenth of the increment. So the smallest level is multiplied by v^(1/2), with v the
//! width that the trained denoiser turns out to have; the largest stays, since the start must be forgotten whatever the
//! law. The exact denoiser of a Gaussian law of sd v then gives an sd within 2 % for all v from .04 to 1.

use candle_core::Tensor;
use ndarray::{Array2, ArrayView2, Axis};

use super::denoiser::{ConditionedNetwork, FIELDS, noise_feature};
use super::learned::{self, Data, Learned, joined, reals, stored_reals};
use super::{Error, FitContext, Fitted, ForecasterBuild, Result, Training};
use crate::model::Model;
use crate::nn::train::{Draws, Objective, Subset};
use crate::nn::{self, NeuralNetwork, array};
use crate::systems::noising::{Sampler, Schedule};
use crate::systems::registry::ParamKind;
use crate::systems::{
    self, Affine, BoundDenoiser, ConditionalDenoiser, Denoiser, Entry, Forecaster, Key, Level, Param, Purpose, Settings,
};

const OWN: [Param; 7] = [
    Param::choice("sampler", "dpm_solver_2m", &["dpm_solver_2m", "heun", "reverse_sde"], "how a lead step is drawn"),
    Param::unset("levels", ParamKind::int(2, 10_000), "noise levels of a lead step; the sampler's own number"),
    Param::unset("sigma_min", ParamKind::POSITIVE, "last noise level; the sampler's own, fitted to the law"),
    Param::unset("sigma_max", ParamKind::POSITIVE, "first noise level; the sampler's own"),
    Param::unset("rho", ParamKind::POSITIVE, "spacing of the levels; the sampler's own"),
    Param::real("p_mean", -1.2, "mean of ln(noise level) in training"),
    Param::positive("p_std", 1.5, "sd of ln(noise level) in training"),
];

const PARAMS: [Param; 20] = joined(learned::SETTINGS, OWN);

/// The registry's line.
pub const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "diffusion",
    about: "conditional denoiser of the increment, drawn by a reverse sampler",
    reference: "Karras et al. (2022), arXiv:2206.00364",
    params: &PARAMS,
    build: ForecasterBuild { fit, load: Some(load), learned: true },
};

/// The denoising loss over scaled increments.
struct Denoising<'d, 's> {
    data: &'d Data<'s>,
    p_mean: f64,
    p_std: f64,
}

impl Objective for Denoising<'_, '_> {
    fn pairs(&self, part: Subset) -> usize {
        self.data.pairs(part)
    }

    fn loss(&self, network: &NeuralNetwork, part: Subset, rows: &[usize], draws: Draws) -> nn::Result<Tensor> {
        let (x, z) = self.data.rows(part, rows);
        let (mut input, mut target) = (Array2::zeros(z.dim()), Array2::zeros(z.dim()));
        let mut levels = Vec::with_capacity(rows.len());
        for i in 0..rows.len() {
            let mut stream = draws.stream(i);
            let sigma = (self.p_mean + self.p_std * stream.normal()).exp();
            let c_in = 1.0 / (sigma * sigma + 1.0).sqrt();
            levels.push(noise_feature(sigma));
            for c in 0..z.ncols() {
                let eps = stream.normal();
                input[[i, c]] = c_in * (z[[i, c]] + sigma * eps);
                target[[i, c]] = c_in * (sigma * z[[i, c]] - eps);
            }
        }
        let input = array::interleave(&[input.view(), x.view()], network.dtype())?;
        let target = array::interleave(&[target.view()], network.dtype())?;
        Ok(candle_nn::loss::mse(&network.forward(&input, Some(&levels))?, &target)?)
    }
}

/// The forecaster.
struct Diffusion {
    learned: Learned,
    name: String,
    sampler: Sampler,
    schedule: Schedule,
}

fn fit(settings: &Settings, situation: &FitContext) -> Result<Box<dyn Fitted>> {
    let name = settings.text("sampler").to_owned();
    let sampler = Sampler::named(&name)?;
    // before the training, so that a mistake costs no time; a law is at most as wide as its increments
    let evaluations = sampler.evaluations(schedule(settings, sampler, 1.0)?.steps);
    let data = Data::new(situation)?;
    let objective = Denoising { data: &data, p_mean: settings.number("p_mean"), p_std: settings.number("p_std") };
    let learned = Learned::fit(settings, situation, FIELDS, &data, &objective, evaluations)?;
    let width = conditional_sd(&learned, &data, situation.key)?;
    let schedule = schedule(settings, sampler, width)?;
    Ok(Box::new(Diffusion { learned, name, sampler, schedule }))
}

/// The noise levels that the settings ask for; where they ask for none, the sampler's own, fitted to the width of the law.
fn schedule(settings: &Settings, sampler: Sampler, width: f64) -> Result<Schedule> {
    let usual = sampler.default_schedule();
    let number = |key: &str, usual: f64| settings.optional_number(key).unwrap_or(usual);
    let schedule = Schedule {
        sigma_min: number("sigma_min", usual.sigma_min * width.sqrt()),
        sigma_max: number("sigma_max", usual.sigma_max),
        rho: number("rho", usual.rho),
        steps: if settings.has("levels") { settings.count("levels") } else { usual.steps },
    };
    schedule.levels()?;
    Ok(schedule)
}

/// The sd of z given x_k as the trained denoiser has it: the geometric mean over components of v, where the error of D
/// at level 1 is v^2 / (v^2 + 1), as it is for a Gaussian law; between .01 and 1.
fn conditional_sd(learned: &Learned, data: &Data, key: Key) -> Result<f64> {
    let part = if data.pairs(Subset::Valid) > 0 { Subset::Valid } else { Subset::Train };
    let (available, count) = (data.pairs(part), data.pairs(part).min(1024));
    let rows: Vec<usize> = (0..count).map(|i| i * available / count).collect();
    let (condition, z) = data.rows(part, &rows);
    let noise = key.purpose(Purpose::DiffusionNoise).case(2).normals(z.nrows(), z.ncols());
    let denoised = ConditionedNetwork { learned, condition }.denoise((&z + &noise).view(), Level::exploding(1.0))?;
    let error = (denoised - &z).mapv(|error| error * error).sum_axis(Axis(0)) / count as f64;
    let logarithm = error.mapv(|error| 0.5 * (error / (1.0 - error.min(0.5))).clamp(1e-4, 1.0).ln());
    Ok((logarithm.sum() / logarithm.len() as f64).exp())
}

fn load(model: &Model) -> Result<Box<dyn Fitted>> {
    let name = model.config["forecaster"]["sampler"].as_str().unwrap_or_default().to_owned();
    let steps = model.config["forecaster"]["levels"].as_u64();
    let (Some(steps), reals) = (steps, stored_reals(model, "schedule", Some(3))?) else {
        return Err(Error::Model(
            "the stored diffusion model does not say its number of levels; train it again".into(),
        ));
    };
    let schedule = Schedule { sigma_min: reals[0], sigma_max: reals[1], rho: reals[2], steps: steps as usize };
    schedule.levels()?;
    Ok(Box::new(Diffusion { learned: Learned::load(model)?, sampler: Sampler::named(&name)?, name, schedule }))
}

impl ConditionalDenoiser for Diffusion {
    fn bind<'a>(&'a self, _k: usize, x: ArrayView2<'a, f64>) -> systems::Result<BoundDenoiser<'a>> {
        let increments = self.learned.increments();
        let scale = Array2::from_shape_fn(x.dim(), |(_, c)| increments.sd[c]);
        let denoiser = ConditionedNetwork { learned: &self.learned, condition: self.learned.scaled(x) };
        Ok(BoundDenoiser { denoiser: Box::new(denoiser), to_state: Affine { offset: &x + &increments.mean, scale } })
    }
}

impl Forecaster for Diffusion {
    fn dim(&self) -> usize {
        self.learned.dim()
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> systems::Result<()> {
        for step in k..k + steps {
            let (rows, dim) = x.dim();
            let bound = self.bind(step, x.view())?;
            let z = self.sampler.sample(bound.denoiser.as_ref(), &self.schedule, rows, dim, key.at(step as u64))?;
            let next = bound.to_state.apply(&z);
            drop(bound);
            *x = next;
        }
        Ok(())
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        Some(self)
    }
}

impl Fitted for Diffusion {
    fn model(&self) -> Model {
        let Schedule { sigma_min, sigma_max, rho, steps } = self.schedule;
        let config = serde_json::json!({ "sampler": self.name, "levels": steps });
        self.learned.model(ENTRY.name, (config, vec![("schedule", reals(vec![sigma_min, sigma_max, rho]))]))
    }

    fn training(&self) -> &Training {
        self.learned.training()
    }

    fn as_forecaster(&self) -> &dyn Forecaster {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::denoiser::tests::{config, learned, states};
    use super::*;
    use crate::nn::NetworkKind;
    use crate::nn::ops::differences::check;
    use crate::systems::gaussian::IndependentDenoiser;
    use crate::systems::{Domain, Geometry};

    #[test]
    fn the_loss_gradient_agrees_with_finite_differences() {
        for kind in [NetworkKind::Mlp, NetworkKind::Conv] {
            let (data, config) = (states(), config(kind));
            let situation = FitContext {
                system: None,
                geometry: Geometry::Ring,
                train: data.view(),
                valid: data.view(),
                key: Key::new(1, Domain::Training),
                progress: &crate::progress::Quiet,
                checkpoints: None,
            };
            let data = Data::new(&situation).unwrap();
            let objective = Denoising { data: &data, p_mean: -0.6, p_std: 1.5 };
            let (paths, tensors): (Vec<_>, Vec<_>) = learned(kind, 0.4).tensors().unwrap().into_iter().unzip();
            check(&tensors, |tensors| {
                let named = paths.iter().cloned().zip(tensors.iter().cloned()).collect();
                let network = NeuralNetwork::from_tensors(&config, &named).map_err(candle_core::Error::wrap)?;
                let draws = Draws::new(situation.key, 0);
                objective.loss(&network, Subset::Train, &[0, 4, 7], draws).map_err(candle_core::Error::wrap)
            });
        }
    }

    #[test]
    fn default_levels_keep_the_sd_of_narrow_laws() {
        let settings = Settings::check("diffusion", &PARAMS, &std::collections::BTreeMap::new()).unwrap();
        let (sampler, key) = (Sampler::DpmSolver2M, Key::new(1, Domain::Method));
        for v in [0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0] {
            let schedule = schedule(&settings, sampler, v).unwrap();
            assert!(sampler.evaluations(schedule.steps) <= 12);
            // a deterministic sampler is linear in the first normal that it draws, so that its sd can be read off
            let exact = IndependentDenoiser::new(ndarray::array![[v * v]]);
            let drawn = sampler.sample(&exact, &schedule, 1, 1, key).unwrap()[[0, 0]];
            let ratio = drawn / key.purpose(Purpose::Sampler).stream(0).normal() / v;
            assert!((ratio - 1.0).abs() < 0.02, "sd {v}: {ratio}");
        }
    }
}
