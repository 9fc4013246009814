//! `diffusion`: the law of the scaled increment z of one lead step given x_k, through its denoiser, with the
//! preconditioning of Karras et al. (2022) for data of unit variance. With y = z + s eps,
//! D(y; s, x_k) = c_skip y + c_out F(c_in y, x_k; c_noise), c_skip = 1 / (s^2 + 1), c_out = s / sqrt(s^2 + 1),
//! c_in = 1 / sqrt(s^2 + 1), c_noise = ln(s) / 4. Its loss, weighted by 1 / c_out^2, is the mean of
//! (F - (s z - eps) / sqrt(s^2 + 1))^2, with ln s ~ N(p_mean, p_std^2).
//!
//! A lead step draws z by a reverse sampler. Nothing is assumed of the law of z: it may have several modes. But a
//! sampler of a dozen evaluations is accurate for laws between .2 and 2 of the width that its levels are made for, and
//! the noise of one step is often a tenth of the increment. So the smallest level is multiplied by v^(1/2), with v the
//! width that the trained denoiser turns out to have; the largest stays, since the start must be forgotten whatever the
//! law. The exact denoiser of a Gaussian law of sd v then gives an sd within 2 % for all v from .04 to 1.

use candle_core::{Tensor, Var};
use ndarray::{Array2, ArrayView2, Axis};

use super::learned::{self, Data, Fields, Learned, in_chunks, joined, members, reals, stacked, stored_reals};
use super::{Build, Error, Fitted, Result, Situation, Training};
use crate::model::Model;
use crate::nn::train::{Draws, Objective, Part};
use crate::nn::{self, Network, array};
use crate::systems::noising::{Sampler, Schedule};
use crate::systems::registry::{Default, Kind};
use crate::systems::{
    self, Affine, Bound, ConditionalDenoiser, Denoiser, Entry, Forecaster, Guidable, Key, Level, Param, Pullback,
    Purpose, Settings,
};

const POSITIVE: Kind = Kind::Float { min: f64::MIN_POSITIVE, max: f64::INFINITY };

const OWN: [Param; 7] = [
    Param {
        key: "sampler",
        kind: Kind::Choice(&["dpm_solver_2m", "heun", "reverse_sde"]),
        default: Default::Text("dpm_solver_2m"),
        about: "how a lead step is drawn",
    },
    Param {
        key: "levels",
        kind: Kind::Int { min: 2, max: 10_000 },
        default: Default::Unset,
        about: "noise levels of a lead step; the sampler's own number",
    },
    Param {
        key: "sigma_min",
        kind: POSITIVE,
        default: Default::Unset,
        about: "last noise level; the sampler's own, fitted to the law",
    },
    Param { key: "sigma_max", kind: POSITIVE, default: Default::Unset, about: "first noise level; the sampler's own" },
    Param { key: "rho", kind: POSITIVE, default: Default::Unset, about: "spacing of the levels; the sampler's own" },
    Param {
        key: "p_mean",
        kind: Kind::Float { min: f64::NEG_INFINITY, max: f64::INFINITY },
        default: Default::Float(-1.2),
        about: "mean of ln(noise level) in training",
    },
    Param { key: "p_std", kind: POSITIVE, default: Default::Float(1.5), about: "sd of ln(noise level) in training" },
];

const PARAMS: [Param; 20] = joined(learned::SETTINGS, OWN);

/// The registry's line.
pub const ENTRY: Entry<Build> = Entry {
    name: "diffusion",
    about: "conditional denoiser of the increment, drawn by a reverse sampler",
    reference: "Karras et al. (2022), arXiv:2206.00364",
    params: &PARAMS,
    build: Build { fit, load: Some(load), learned: true },
};

const FIELDS: Fields = Fields { inputs: 2, outputs: 1, time_features: true };

/// c_noise.
fn noise_feature(sigma: f64) -> f64 {
    sigma.ln() / 4.0
}

/// The denoising loss over scaled increments.
struct Denoising<'d, 's> {
    data: &'d Data<'s>,
    p_mean: f64,
    p_std: f64,
}

impl Objective for Denoising<'_, '_> {
    fn pairs(&self, part: Part) -> usize {
        self.data.pairs(part)
    }

    fn loss(&self, network: &Network, part: Part, rows: &[usize], draws: Draws) -> nn::Result<Tensor> {
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

fn fit(settings: &Settings, situation: &Situation) -> Result<Box<dyn Fitted>> {
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
    let part = if data.pairs(Part::Valid) > 0 { Part::Valid } else { Part::Train };
    let (available, count) = (data.pairs(part), data.pairs(part).min(1024));
    let rows: Vec<usize> = (0..count).map(|i| i * available / count).collect();
    let (condition, z) = data.rows(part, &rows);
    let noise = key.purpose(Purpose::DiffusionNoise).case(2).normals(z.nrows(), z.ncols());
    let denoised = BoundDiffusion { learned, condition }.denoise((&z + &noise).view(), Level::exploding(1.0))?;
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

/// The coefficients at one noise level, with the data's factor alpha: y = x_t / alpha, s = sigma / alpha.
#[derive(Clone, Copy)]
struct Precondition {
    alpha: f64,
    sigma: f64,
    skip: f64,
    out: f64,
    scale: f64,
}

impl Precondition {
    fn new(level: Level) -> Self {
        let sigma = level.relative();
        let variance = sigma * sigma + 1.0;
        let scale = 1.0 / variance.sqrt();
        Self { alpha: level.alpha, sigma, skip: 1.0 / variance, out: sigma * scale, scale }
    }
}

/// The denoiser of z with its condition bound.
struct BoundDiffusion<'a> {
    learned: &'a Learned,
    /// The scaled x_k, `[member, component]`.
    condition: Array2<f64>,
}

/// A pass through the network that can be pulled back: its tracked input, and its output.
struct Pass {
    input: Var,
    output: Tensor,
    rows: std::ops::Range<usize>,
}

impl BoundDiffusion<'_> {
    /// D from y and F.
    fn denoised(p: Precondition, x_t: ArrayView2<f64>, output: &Tensor) -> Result<Array2<f64>> {
        Ok(&x_t * (p.skip / p.alpha) + array::field(output, 0)? * p.out)
    }

    fn chunk(&self, p: Precondition, x_t: ArrayView2<f64>, condition: ArrayView2<f64>) -> Result<Array2<f64>> {
        let input = &x_t * (p.scale / p.alpha);
        let output = self.learned.evaluate(&[input.view(), condition], Some(noise_feature(p.sigma)))?;
        Self::denoised(p, x_t, &output)
    }

    fn pass(&self, p: Precondition, x_t: &ArrayView2<f64>, rows: std::ops::Range<usize>) -> Result<Pass> {
        let network = self.learned.network();
        let scaled = &members(x_t, rows.clone()) * (p.scale / p.alpha);
        let condition = self.condition.view();
        let fields = [scaled.view(), members(&condition, rows.clone())];
        let input = Var::from_tensor(&array::interleave(&fields, network.dtype())?)?;
        let output = network.forward(input.as_tensor(), Some(&[noise_feature(p.sigma)]))?;
        Ok(Pass { input, output, rows })
    }
}

/// J^T v of one pass, with J = dD/dx_t = (c_skip + c_out c_in dF/dinput) / alpha.
fn pull(pass: &Pass, p: Precondition, v: ArrayView2<f64>) -> Result<Array2<f64>> {
    let weights = array::interleave(&[v], pass.output.dtype())?;
    let gradients = (&pass.output * weights)?.sum_all()?.backward()?;
    let through = match gradients.get(pass.input.as_tensor()) {
        Some(gradient) => array::field(gradient, 0)?,
        None => Array2::zeros(v.dim()),
    };
    Ok((&v * p.skip + through * (p.out * p.scale)) / p.alpha)
}

impl Denoiser for BoundDiffusion<'_> {
    fn dim(&self) -> usize {
        self.learned.dim()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> systems::Result<Array2<f64>> {
        let (p, condition) = (Precondition::new(level), self.condition.view());
        let chunks = in_chunks(x_t.nrows(), self.learned.chunk(), |rows| {
            self.chunk(p, members(&x_t, rows.clone()), members(&condition, rows))
        })?;
        Ok(stacked(&chunks, x_t.ncols()))
    }
}

impl Guidable for BoundDiffusion<'_> {
    fn denoise_vjp<'a>(
        &'a self,
        x_t: ArrayView2<'a, f64>,
        level: Level,
    ) -> systems::Result<(Array2<f64>, Pullback<'a>)> {
        let p = Precondition::new(level);
        let passes = in_chunks(x_t.nrows(), self.learned.chunk(), |rows| self.pass(p, &x_t, rows))?;
        let denoised: Result<Vec<_>> =
            passes.iter().map(|pass| Self::denoised(p, members(&x_t, pass.rows.clone()), &pass.output)).collect();
        let (denoised, dim) = (stacked(&denoised?, x_t.ncols()), x_t.ncols());
        let chunk = self.learned.chunk();
        let pullback = Pullback::new(move |v| {
            let chunks = in_chunks(v.nrows(), chunk, |rows| {
                let pass = &passes[rows.start / chunk];
                pull(pass, p, members(&v, rows))
            })?;
            Ok(stacked(&chunks, dim))
        });
        Ok((denoised, pullback))
    }
}

impl ConditionalDenoiser for Diffusion {
    fn bind<'a>(&'a self, _k: usize, x: ArrayView2<'a, f64>) -> systems::Result<Bound<'a>> {
        let increments = self.learned.increments();
        let scale = Array2::from_shape_fn(x.dim(), |(_, c)| increments.sd[c]);
        let denoiser = BoundDiffusion { learned: &self.learned, condition: self.learned.scaled(x) };
        Ok(Bound { denoiser: Box::new(denoiser), to_state: Affine { offset: &x + &increments.mean, scale } })
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
    use super::*;
    use crate::nn::ops::differences::check;
    use crate::nn::pairs::Pairs;
    use crate::nn::{Kind as NetworkKind, NetworkConfig};
    use crate::systems::gaussian::IndependentDenoiser;
    use crate::systems::{Domain, Geometry};

    const DIM: usize = 6;

    fn config(kind: NetworkKind) -> NetworkConfig {
        NetworkConfig {
            kind,
            components: DIM,
            inputs: FIELDS.inputs,
            outputs: FIELDS.outputs,
            width: 5,
            blocks: 2,
            kernel: 3,
            time_features: true,
        }
    }

    fn states() -> ndarray::Array3<f64> {
        let values = Key::new(1, Domain::Data).normals(2 * 9, DIM).into_raw_vec_and_offset().0;
        ndarray::Array3::from_shape_vec((2, 9, DIM), values).unwrap()
    }

    /// A network with its initial weights, all moved by up to `shift`, around the scales of random data.
    fn learned(kind: NetworkKind, shift: f32) -> Learned {
        let config = config(kind);
        let mut weights = Network::seeded(&config, Key::new(1, Domain::Training)).unwrap();
        weights.values.iter_mut().enumerate().for_each(|(i, w)| *w += shift * (i as f32 * 1.3).sin());
        let data = states();
        let (states, increments) = Pairs::new(data.view()).scales(Geometry::Ring).unwrap();
        Learned::untrained(&config, weights, states, increments).unwrap()
    }

    /// Members in two whole chunks of the larger size and part of a third.
    const MEMBERS: usize = 2 * 64 + 3;

    fn bound(learned: &Learned) -> BoundDiffusion<'_> {
        let x = Key::new(2, Domain::Method).normals(MEMBERS, DIM);
        BoundDiffusion { learned, condition: learned.scaled(x.view()) }
    }

    #[test]
    fn the_pullback_agrees_with_finite_differences_of_the_denoiser() {
        for (kind, level) in [
            (NetworkKind::Conv, Level { alpha: 0.8, sigma: 0.5 }),
            (NetworkKind::Mlp, Level::exploding(0.07)),
            (NetworkKind::Mlp, Level::exploding(9.0)),
        ] {
            let single = learned(kind, 0.4);
            let double = single.in_double_precision().unwrap();
            let draw = |seed| Key::new(seed, Domain::Method).normals(MEMBERS, DIM);
            let (x_t, v, direction) = (draw(5), draw(6), draw(7));
            let exact = bound(&double);
            let (denoised, pullback) = exact.denoise_vjp(x_t.view(), level).unwrap();
            assert_eq!(denoised, exact.denoise(x_t.view(), level).unwrap());
            let pulled = [pullback.pull(v.view()).unwrap(), pullback.pull(v.view()).unwrap()];
            assert_eq!(pulled[0], pulled[1], "a second pull is like the first");
            let at = |h: f64| exact.denoise((&x_t + &(&direction * h)).view(), level).unwrap();
            // truncation h^2 f''' / 6 and rounding 1e-16 / h are both below 1e-9
            let h = 1e-5;
            let difference = ((at(h) - at(-h)) / (2.0 * h) * &v).sum_axis(Axis(1));
            let expected = (&pulled[0] * &direction).sum_axis(Axis(1));
            for (found, expected) in difference.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{found} {expected}");
            }
            // single precision: some 10 layers, each a sum of up to 30 terms with a relative error of 2^-24 a term, on
            // gradients of order 1
            let fast = bound(&single);
            let (_, pullback) = fast.denoise_vjp(x_t.view(), level).unwrap();
            let error = (pullback.pull(v.view()).unwrap() - &pulled[0]).mapv(f64::abs);
            let largest = error.iter().copied().fold(0.0, f64::max);
            assert!(largest < 10.0 * 30.0 * 2f64.powi(-24), "{kind:?}: {largest}");
        }
    }

    #[test]
    fn a_pullback_computes_the_gradient_of_its_input_only() {
        let learned = learned(NetworkKind::Conv, 0.4);
        let x_t = Key::new(5, Domain::Method).normals(3, DIM);
        let bound = BoundDiffusion { learned: &learned, condition: x_t.clone() };
        let pass = bound.pass(Precondition::new(Level::exploding(0.5)), &x_t.view(), 0..3).unwrap();
        let gradients = pass.output.sum_all().unwrap().backward().unwrap();
        let tensors = learned.network().tensors();
        assert!(gradients.get(pass.input.as_tensor()).is_some());
        assert_eq!(tensors.len(), 20, "two tensors of each of 10 layers");
        assert!(tensors.iter().all(|tensor| gradients.get(tensor).is_none()));
    }

    #[test]
    fn the_loss_gradient_agrees_with_finite_differences() {
        for kind in [NetworkKind::Mlp, NetworkKind::Conv] {
            let (data, config) = (states(), config(kind));
            let situation = Situation {
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
                let network = Network::from_tensors(&config, &named).map_err(candle_core::Error::wrap)?;
                let draws = Draws::new(situation.key, 0);
                objective.loss(&network, Part::Train, &[0, 4, 7], draws).map_err(candle_core::Error::wrap)
            });
        }
    }

    #[test]
    fn the_preconditioning_of_unit_data_leaves_nothing_to_learn() {
        // z ~ N(0, 1) has D = alpha x_t / (alpha^2 + sigma^2), which is what F = 0 gives, and pulls back by the same
        let learned = learned(NetworkKind::Conv, 0.0);
        let bound = bound(&learned);
        let x_t = Key::new(5, Domain::Method).normals(MEMBERS, DIM);
        for (alpha, sigma) in [(1.0, 0.03), (1.0, 12.0), (0.6, 0.8)] {
            let factor = alpha / (alpha * alpha + sigma * sigma);
            let (denoised, pullback) = bound.denoise_vjp(x_t.view(), Level { alpha, sigma }).unwrap();
            let pulled = pullback.pull(x_t.view()).unwrap();
            for ((x, d), v) in x_t.iter().zip(&denoised).zip(&pulled) {
                assert!((d - factor * x).abs() < 1e-14 * (1.0 + x.abs()));
                assert!((v - factor * x).abs() < 1e-14 * (1.0 + x.abs()));
            }
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
