//! The denoiser of a trained network, with the preconditioning of Karras et al. (2022) for data of unit variance, and its
//! derivative. With y = z + s eps,
//! D(y; s, x_k) = c_skip y + c_out F(c_in y, x_k; c_noise), c_skip = 1 / (s^2 + 1), c_out = s / sqrt(s^2 + 1),
//! c_in = 1 / sqrt(s^2 + 1), c_noise = ln(s) / 4.

use candle_core::{Tensor, Var};
use ndarray::{Array2, ArrayView2};

use super::Result;
use super::learned::{Fields, Learned, in_chunks, members, stacked};
use crate::nn::array;
use crate::systems::{self, Denoiser, DifferentiableDenoiser, Level, Pullback};

/// What the network sees and gives.
pub(super) const FIELDS: Fields = Fields { inputs: 2, outputs: 1, time_features: true };

/// c_noise.
pub(super) fn noise_feature(sigma: f64) -> f64 {
    sigma.ln() / 4.0
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
pub(super) struct ConditionedNetwork<'a> {
    pub learned: &'a Learned,
    /// The scaled x_k, `[member, component]`.
    pub condition: Array2<f64>,
}

/// A pass through the network that can be pulled back: its tracked input, and its output.
struct Pass {
    input: Var,
    output: Tensor,
    rows: std::ops::Range<usize>,
}

impl ConditionedNetwork<'_> {
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

impl Denoiser for ConditionedNetwork<'_> {
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

impl DifferentiableDenoiser for ConditionedNetwork<'_> {
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

#[cfg(test)]
pub(super) mod tests {
    use ndarray::Axis;

    use super::*;
    use crate::nn::pairs::Pairs;
    use crate::nn::{NetworkConfig, NetworkKind, NeuralNetwork};
    use crate::systems::{Domain, Geometry, Key};

    const DIM: usize = 6;

    pub fn config(kind: NetworkKind) -> NetworkConfig {
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

    pub fn states() -> ndarray::Array3<f64> {
        let values = Key::new(1, Domain::Data).normals(2 * 9, DIM).into_raw_vec_and_offset().0;
        ndarray::Array3::from_shape_vec((2, 9, DIM), values).unwrap()
    }

    /// A network with its initial weights, all moved by up to `shift`, around the scales of random data.
    pub fn learned(kind: NetworkKind, shift: f32) -> Learned {
        let config = config(kind);
        let mut weights = NeuralNetwork::seeded(&config, Key::new(1, Domain::Training)).unwrap();
        weights.values.iter_mut().enumerate().for_each(|(i, w)| *w += shift * (i as f32 * 1.3).sin());
        let data = states();
        let (states, increments) = Pairs::new(data.view()).scales(Geometry::Ring).unwrap();
        Learned::untrained(&config, weights, states, increments).unwrap()
    }

    /// Members in two whole chunks of the larger size and part of a third.
    const MEMBERS: usize = 2 * 64 + 3;

    fn bound(learned: &Learned) -> ConditionedNetwork<'_> {
        let x = Key::new(2, Domain::Method).normals(MEMBERS, DIM);
        ConditionedNetwork { learned, condition: learned.scaled(x.view()) }
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
        let bound = ConditionedNetwork { learned: &learned, condition: x_t.clone() };
        let pass = bound.pass(Precondition::new(Level::exploding(0.5)), &x_t.view(), 0..3).unwrap();
        let gradients = pass.output.sum_all().unwrap().backward().unwrap();
        let tensors = learned.network().tensors();
        assert!(gradients.get(pass.input.as_tensor()).is_some());
        assert_eq!(tensors.len(), 20, "two tensors of each of 10 layers");
        assert!(tensors.iter().all(|tensor| gradients.get(tensor).is_none()));
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
}
