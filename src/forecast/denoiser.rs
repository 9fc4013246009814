//! The denoiser of a trained network, and its derivative: with x_t = alpha z + sigma eps, D(x_t; x_k) is made of the
//! network's output by the [`Preconditioning`] of the objective that it was trained for.

use std::ops::Range;

use candle_core::{Tensor, Var};
use ndarray::{Array2, ArrayView2, Axis};

use super::learned::{Learned, in_chunks, members, stacked};
use super::{Error, Result};
use crate::nn::array;
use crate::nn::data::Batch;
use crate::nn::objective::{ObjectiveBuild, Preconditioning};
use crate::systems::{self, Denoiser, DifferentiableDenoiser, Entry, Key, Level, Pullback, Purpose};

/// A trained network, and how its output becomes a denoiser.
pub(super) struct LearnedDenoiser {
    learned: Learned,
    preconditioning: fn(Level) -> Preconditioning,
}

impl LearnedDenoiser {
    /// Of a network that was trained for this objective.
    ///
    /// # Errors
    /// When the objective gives no denoiser.
    pub fn new(learned: Learned, objective: &Entry<ObjectiveBuild>) -> Result<Self> {
        match objective.build.preconditioning {
            Some(preconditioning) => Ok(Self::of(learned, preconditioning)),
            None => {
                let name = objective.name;
                Err(Error::Model(format!("the objective `{name}` gives no denoiser; train the model for another")))
            }
        }
    }

    /// Of a network whose output is what `preconditioning` says.
    pub fn of(learned: Learned, preconditioning: fn(Level) -> Preconditioning) -> Self {
        Self { learned, preconditioning }
    }

    /// The sd of z given x_k as the network has it, from pairs that were withheld from its training: the geometric mean over
    /// components of v, where the error of D at level 1 is v^2 / (v^2 + 1), as it is for a Gaussian law; between .01 and 1.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn conditional_sd(&self, withheld: Batch, key: Key) -> Result<f64> {
        let Batch { states, increments: z, .. } = withheld;
        Ok(sd_by_denoiser(&self.bind(states), z.view(), key)?)
    }

    /// The trained network.
    pub fn learned(&self) -> &Learned {
        &self.learned
    }

    /// The denoiser of z given the scaled x_k with its history, `[member, component]`.
    pub fn bind(&self, condition: Array2<f64>) -> ConditionedNetwork<'_> {
        ConditionedNetwork { learned: &self.learned, preconditioning: self.preconditioning, condition }
    }
}

/// The sd of `z`, `[member, component]`, as its denoiser has it: see [`LearnedDenoiser::conditional_sd`].
///
/// # Errors
/// Those of the denoiser.
pub(super) fn sd_by_denoiser(denoiser: &dyn Denoiser, z: ArrayView2<f64>, key: Key) -> systems::Result<f64> {
    let noise = key.purpose(Purpose::DiffusionNoise).case(2).normals(z.nrows(), z.ncols());
    let denoised = denoiser.denoise((&z + &noise).view(), Level::exploding(1.0))?;
    let error = (denoised - z).mapv(|error| error * error).sum_axis(Axis(0)) / z.nrows() as f64;
    let logarithm = error.mapv(|error| 0.5 * (error / (1.0 - error.min(0.5))).clamp(1e-4, 1.0).ln());
    Ok((logarithm.sum() / logarithm.len() as f64).exp())
}

/// The denoiser of z with its condition bound.
pub(super) struct ConditionedNetwork<'a> {
    learned: &'a Learned,
    preconditioning: fn(Level) -> Preconditioning,
    /// The scaled x_k with its history, `[member, component]`.
    condition: Array2<f64>,
}

/// A pass through the network that can be pulled back: its tracked input, and its output.
struct ForwardPass {
    input: Var,
    output: Tensor,
    rows: Range<usize>,
}

impl ConditionedNetwork<'_> {
    fn chunk(&self, p: &Preconditioning, x_t: ArrayView2<f64>, condition: ArrayView2<f64>) -> Result<Array2<f64>> {
        let input = p.network_input(x_t, condition);
        let output = self.learned.evaluate(&[input.view(), condition], Some(p.feature))?;
        Ok(p.denoised(x_t, array::field(&output, 0)?, condition))
    }

    fn pass(&self, p: &Preconditioning, x_t: &ArrayView2<f64>, rows: Range<usize>) -> Result<ForwardPass> {
        let network = self.learned.network();
        let condition = self.condition.view();
        let known = members(&condition, rows.clone());
        let scaled = p.network_input(members(x_t, rows.clone()), known);
        let input = Var::from_tensor(&network.input(&[scaled.view(), known])?)?;
        let output = network.forward(input.as_tensor(), Some(&[p.feature]))?;
        Ok(ForwardPass { input, output, rows })
    }
}

impl ForwardPass {
    /// J^T v with J = dD/dx_t.
    fn pull(&self, p: &Preconditioning, v: ArrayView2<f64>) -> Result<Array2<f64>> {
        let weights = array::interleave(&[v], self.output.dtype())?;
        let gradients = (&self.output * weights)?.sum_all()?.backward()?;
        let through = match gradients.get(self.input.as_tensor()) {
            Some(gradient) => array::field(gradient, 0)?,
            None => Array2::zeros(v.dim()),
        };
        Ok(p.pulled_back(v, through))
    }
}

impl Denoiser for ConditionedNetwork<'_> {
    fn dim(&self) -> usize {
        self.learned.components()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> systems::Result<Array2<f64>> {
        let (p, condition) = ((self.preconditioning)(level), self.condition.view());
        let chunks = in_chunks(x_t.nrows(), self.learned.network().chunk(), |rows| {
            self.chunk(&p, members(&x_t, rows.clone()), members(&condition, rows))
        })?;
        Ok(stacked(&chunks, x_t.ncols()))
    }
}

impl DifferentiableDenoiser for ConditionedNetwork<'_> {
    fn denoise_vjp<'a>(
        &'a self,
        x_t: ArrayView2<'a, f64>,
        level: Level,
    ) -> systems::Result<(Array2<f64>, Pullback<'a>)> {
        let p = (self.preconditioning)(level);
        let (dim, chunk) = (x_t.ncols(), self.learned.network().chunk());
        let condition = self.condition.view();
        let passes = in_chunks(x_t.nrows(), chunk, |rows| self.pass(&p, &x_t, rows))?;
        let denoised = |pass: &ForwardPass| -> Result<_> {
            let known = members(&condition, pass.rows.clone());
            Ok(p.denoised(members(&x_t, pass.rows.clone()), array::field(&pass.output, 0)?, known))
        };
        let denoised: Vec<_> = passes.iter().map(denoised).collect::<Result<_>>()?;
        let pullback = Pullback::new(move |v| {
            let chunks = in_chunks(v.nrows(), chunk, |rows| passes[rows.start / chunk].pull(&p, members(&v, rows)))?;
            Ok(stacked(&chunks, dim))
        });
        Ok((stacked(&denoised, dim), pullback))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::learned::tests::{DIM, untrained};
    use crate::nn::objective::{DENOISER_FIELDS, DENOISER_NAMES};
    use crate::nn::{NETWORKS, OBJECTIVES};
    use crate::systems::{Domain, registry};

    fn objective(name: &str) -> &'static Entry<ObjectiveBuild> {
        registry::find(OBJECTIVES, "objective", name).unwrap()
    }

    /// The denoiser of an untrained network, all of whose weights are moved by up to `shift`.
    fn denoiser(kind: &str, trained_for: &str, shift: f32) -> LearnedDenoiser {
        let objective = objective(trained_for);
        LearnedDenoiser::new(untrained(kind, DENOISER_FIELDS, shift), objective).unwrap()
    }

    /// Members in two whole chunks of the larger size and part of a third.
    const MEMBERS: usize = 2 * 64 + 3;

    fn bound(denoiser: &LearnedDenoiser) -> ConditionedNetwork<'_> {
        let x = Key::new(2, Domain::Method).normals(MEMBERS, DIM);
        denoiser.bind(denoiser.learned().scaled(x.view()))
    }

    #[test]
    fn the_pullback_agrees_with_finite_differences_of_the_denoiser() {
        for (kind, trained_for, level) in [
            ("conv", "denoising", Level { alpha: 0.8, sigma: 0.5 }),
            ("mlp", "denoising", Level::exploding(0.07)),
            ("mlp", "denoising", Level::exploding(9.0)),
            ("mlp", "velocity", Level { alpha: 0.8, sigma: 0.5 }),
            ("mlp", "noise", Level { alpha: 0.8, sigma: 0.5 }),
            ("mlp", "data", Level { alpha: 0.6, sigma: 0.8 }),
            ("mlp", "flow", Level { alpha: 0.3, sigma: 0.7 }),
            ("mlp", "flow", Level { alpha: 0.0, sigma: 1.0 }),
            ("conv2d", "denoising", Level::exploding(0.5)),
            ("unet", "denoising", Level::exploding(0.5)),
            ("unet2d", "velocity", Level { alpha: 0.8, sigma: 0.5 }),
            ("transformer", "denoising", Level::exploding(0.5)),
        ] {
            // through many layers larger weights would grow
            let shift = if ["mlp", "conv", "conv2d"].contains(&kind) { 0.4 } else { 0.1 };
            let single = denoiser(kind, trained_for, shift);
            let double = LearnedDenoiser { learned: single.learned().in_double_precision(), ..single };
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
            // single precision: some 10 layers (20 of a U-Net or a transformer), each a sum of up to 30 terms (45 over a
            // grid, twice as many after a skip) with a relative error of 2^-24 a term, on gradients of order 1
            let fast = bound(&single);
            let (_, pullback) = fast.denoise_vjp(x_t.view(), level).unwrap();
            let error = (pullback.pull(v.view()).unwrap() - &pulled[0]).mapv(f64::abs);
            let largest = error.iter().copied().fold(0.0, f64::max);
            let (layers, terms) = match kind {
                "conv2d" => (10.0, 45.0),
                "unet" | "transformer" => (20.0, 30.0),
                "unet2d" => (20.0, 90.0),
                _ => (10.0, 30.0),
            };
            assert!(largest < layers * terms * 2f64.powi(-24), "{kind}, {trained_for}: {largest}");
        }
    }

    #[test]
    fn a_pullback_computes_the_gradient_of_its_input_only() {
        let denoiser = denoiser("conv", "denoising", 0.4);
        let x_t = Key::new(5, Domain::Method).normals(3, DIM);
        let bound = denoiser.bind(x_t.clone());
        let pass = bound.pass(&(denoiser.preconditioning)(Level::exploding(0.5)), &x_t.view(), 0..3).unwrap();
        let gradients = pass.output.sum_all().unwrap().backward().unwrap();
        let tensors = denoiser.learned().network().tensors();
        assert!(gradients.get(pass.input.as_tensor()).is_some());
        assert_eq!(tensors.len(), 20, "two tensors of each of 10 layers");
        assert!(tensors.iter().all(|tensor| gradients.get(tensor).is_none()));
    }

    #[test]
    fn the_preconditioning_of_unit_data_leaves_nothing_to_learn() {
        // z ~ N(0, 1) has D = alpha x_t / (alpha^2 + sigma^2), which is what F = 0 gives, and pulls back by the same;
        // what gives the noise, or the data, or the direction between them gives them as 0
        // those that start as they were published do not start from the zero function
        let from_zero = NETWORKS.iter().filter(|network| !["fourier_mlp", "normed_mlp"].contains(&network.name));
        for (kind, trained_for) in
            from_zero.flat_map(|network| DENOISER_NAMES.map(|objective| (network.name, objective)))
        {
            let denoiser = denoiser(kind, trained_for, 0.0);
            let bound = bound(&denoiser);
            let x_t = Key::new(5, Domain::Method).normals(MEMBERS, DIM);
            for (alpha, sigma) in [(1.0, 0.03), (1.0, 12.0), (0.6, 0.8)] {
                let factor = match trained_for {
                    "noise" => 1.0 / alpha,
                    "data" => 0.0,
                    "flow" => 1.0 / (alpha + sigma),
                    _ => alpha / (alpha * alpha + sigma * sigma),
                };
                let (denoised, pullback) = bound.denoise_vjp(x_t.view(), Level { alpha, sigma }).unwrap();
                let pulled = pullback.pull(x_t.view()).unwrap();
                for ((x, d), v) in x_t.iter().zip(&denoised).zip(&pulled) {
                    assert!((d - factor * x).abs() < 1e-14 * (1.0 + x.abs()));
                    assert!((v - factor * x).abs() < 1e-14 * (1.0 + x.abs()));
                }
            }
        }
    }
}
