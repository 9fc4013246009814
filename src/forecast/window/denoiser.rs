//! The denoiser of a window, D = m + R F ([`FramePreconditioning`]), and its derivative.

use std::ops::Range;

use candle_core::{Tensor, Var};
use ndarray::{Array2, ArrayView2, s};

use super::super::Result;
use super::super::learned::{Learned, in_chunks, members, stacked};
use crate::nn::array;
use crate::nn::objective::{FrameCovariance, FramePreconditioning};
use crate::systems::noising::Denoised;
use crate::systems::{self, Denoiser, DifferentiableDenoiser, Error, Level, Pullback};

/// A trained network, and what makes it the denoiser of L frames, `[member, frame x component]`, of scaled states.
pub(in crate::forecast) struct WindowDenoiser {
    /// The network.
    pub learned: Learned,
    /// C.
    pub covariance: FrameCovariance,
}

/// What belongs to the levels of the frames.
struct AtLevels<'a> {
    learned: &'a Learned,
    levels: Vec<Level>,
    /// One for each component, or one for all.
    each: Vec<FramePreconditioning>,
    features: Vec<f64>,
}

/// One of the matrices of a preconditioning.
type Of = fn(&FramePreconditioning) -> ArrayView2<f64>;

const INPUT: Of = |p| p.input.view();
const MEAN: Of = |p| p.mean.view();
const ROOT: Of = |p| p.root.view();
const INPUT_BACK: Of = |p| p.input.t();
const MEAN_BACK: Of = |p| p.mean.t();
const ROOT_BACK: Of = |p| p.root.t();

/// A pass through the network that can be pulled back: its tracked input, and its output.
struct ForwardPass {
    input: Var,
    output: Tensor,
    rows: Range<usize>,
}

impl WindowDenoiser {
    /// L.
    pub fn frames(&self) -> usize {
        self.covariance.frames()
    }

    /// m of windows x_t, `[member, frame x component]` each: what is to be expected of Gaussian frames.
    ///
    /// # Errors
    /// When there is neither one level nor one a frame.
    pub fn mean(&self, x_t: ArrayView2<f64>, levels: &[Level]) -> systems::Result<Array2<f64>> {
        let at = self.at(levels)?;
        Ok(at.apply(MEAN, at.visible(x_t).view()))
    }

    /// D at levels, one a frame or one for all, and the pullback at x_t.
    ///
    /// # Errors
    /// When Candle fails, or there is neither one level nor one a frame.
    pub fn with_pullback(
        &self,
        x_t: ArrayView2<f64>,
        levels: &[Level],
    ) -> systems::Result<(Array2<f64>, Pullback<'_>)> {
        let (at, chunk, dim) = (self.at(levels)?, self.learned.network().chunk(), x_t.ncols());
        let y = at.visible(x_t);
        let view = y.view();
        let passes = in_chunks(y.nrows(), chunk, |rows| at.pass((members(&view, rows.clone()), rows)))?;
        let denoised = passes.iter().map(|pass| at.denoised(members(&view, pass.rows.clone()), &pass.output));
        let denoised: Vec<_> = denoised.collect::<Result<_>>()?;
        let pullback = Pullback::new(move |v| {
            let chunks = in_chunks(v.nrows(), chunk, |rows| at.pull(&passes[rows.start / chunk], members(&v, rows)))?;
            Ok(stacked(&chunks, dim))
        });
        Ok((stacked(&denoised, dim), pullback))
    }

    fn at(&self, levels: &[Level]) -> systems::Result<AtLevels<'_>> {
        let frames = self.frames();
        let levels = match levels.len() {
            1 => vec![levels[0]; frames],
            count if count == frames => levels.to_vec(),
            count => {
                return Err(Error::Unsupported(format!(
                    "a window of {frames} frames has {frames} noise levels, or one for all, and was given {count}"
                )));
            }
        };
        let relative: Vec<f64> = levels.iter().map(|level| relative(*level)).collect();
        let features = relative.iter().map(|level| FramePreconditioning::feature(*level)).collect();
        Ok(AtLevels { learned: &self.learned, levels, each: self.covariance.preconditionings(&relative), features })
    }
}

/// sigma / alpha, infinite without data.
fn relative(level: Level) -> f64 {
    if level.alpha > 0.0 { level.relative() } else { f64::INFINITY }
}

impl AtLevels<'_> {
    /// Each frame times a factor of its own.
    fn framewise(&self, x: ArrayView2<f64>, factor: impl Fn(&Level) -> f64) -> Array2<f64> {
        let components = self.learned.components();
        let mut out = x.to_owned();
        for (frame, level) in self.levels.iter().enumerate() {
            let factor = factor(level);
            let mut own = out.slice_mut(s![.., frame * components..(frame + 1) * components]);
            // what nothing is known of may be anything
            if factor == 0.0 { own.fill(0.0) } else { own.mapv_inplace(|value| value * factor) }
        }
        out
    }

    /// y = x_t / alpha; 0 for frames of which nothing is known. The same takes a gradient back.
    fn visible(&self, x_t: ArrayView2<f64>) -> Array2<f64> {
        self.framewise(x_t, |level| if relative(*level).is_finite() { 1.0 / level.alpha } else { 0.0 })
    }

    /// A matrix of the frames of each component, of rows `[member, frame x component]`.
    fn apply(&self, of: Of, x: ArrayView2<f64>) -> Array2<f64> {
        let components = self.learned.components();
        let mut out = Array2::zeros(x.dim());
        for c in 0..components {
            let p = if self.each.len() == 1 { &self.each[0] } else { &self.each[c] };
            out.slice_mut(s![.., c..; components]).assign(&x.slice(s![.., c..; components]).dot(&of(p).t()));
        }
        out
    }

    fn input(&self, y: ArrayView2<f64>) -> Result<Tensor> {
        Ok(self.learned.network().input(&[self.apply(INPUT, y).view(), self.apply(MEAN, y).view()])?)
    }

    fn denoised(&self, y: ArrayView2<f64>, output: &Tensor) -> Result<Array2<f64>> {
        Ok(self.apply(MEAN, y) + self.apply(ROOT, fields(output)?.view()))
    }

    fn chunk(&self, x_t: ArrayView2<f64>) -> Result<Array2<f64>> {
        let y = self.visible(x_t);
        let output = self.learned.network().forward(&self.input(y.view())?, Some(&self.features))?;
        self.denoised(y.view(), &output)
    }

    fn pass(&self, (y, rows): (ArrayView2<f64>, Range<usize>)) -> Result<ForwardPass> {
        let input = Var::from_tensor(&self.input(y)?)?;
        let output = self.learned.network().forward(input.as_tensor(), Some(&self.features))?;
        Ok(ForwardPass { input, output, rows })
    }

    /// J^T v with J = dD/dx_t.
    fn pull(&self, pass: &ForwardPass, v: ArrayView2<f64>) -> Result<Array2<f64>> {
        let weights = self.learned.network().input(&[self.apply(ROOT_BACK, v).view()])?;
        let gradients = (&pass.output * weights)?.sum_all()?.backward()?;
        let mut through = self.apply(MEAN_BACK, v);
        if let Some(gradient) = gradients.get(pass.input.as_tensor()) {
            let both = fields(gradient)?;
            let (u, m) = both.view().split_at(ndarray::Axis(1), v.ncols());
            through = through + self.apply(INPUT_BACK, u) + self.apply(MEAN_BACK, m);
        }
        Ok(self.visible(through.view()))
    }
}

/// `[member, component, field]` as `[member, field x component]`.
fn fields(tensor: &Tensor) -> Result<Array2<f64>> {
    let (rows, components, count) = tensor.dims3()?;
    Ok(array::to_matrix(&tensor.transpose(1, 2)?.contiguous()?.reshape((rows, count * components))?)?)
}

impl Denoiser for WindowDenoiser {
    fn dim(&self) -> usize {
        self.frames() * self.learned.components()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> systems::Result<Array2<f64>> {
        Ok(self.evaluate(x_t, &[level])?.guided)
    }

    fn evaluate(&self, x_t: ArrayView2<f64>, levels: &[Level]) -> systems::Result<Denoised> {
        let at = self.at(levels)?;
        let chunks = in_chunks(x_t.nrows(), self.learned.network().chunk(), |rows| at.chunk(members(&x_t, rows)))?;
        Ok(Denoised::free(stacked(&chunks, x_t.ncols())))
    }

    fn select<'a>(&'a self, _rows: &[usize]) -> systems::Result<Box<dyn Denoiser + 'a>> {
        Ok(Box::new(self))
    }
}

impl DifferentiableDenoiser for WindowDenoiser {
    fn denoise_vjp<'a>(
        &'a self,
        x_t: ArrayView2<'a, f64>,
        level: Level,
    ) -> systems::Result<(Array2<f64>, Pullback<'a>)> {
        self.evaluate_vjp(x_t, &[level])
    }

    fn evaluate_vjp<'a>(
        &'a self,
        x_t: ArrayView2<'a, f64>,
        levels: &[Level],
    ) -> systems::Result<(Array2<f64>, Pullback<'a>)> {
        self.with_pullback(x_t, levels)
    }
}
