//! The denoiser of one frame after frames that are given: what a forecast draws.
//!
//! With m what Gaussian frames let expect of it and w the width of what is new in it, z = (x - m) / w: data of unit variance or
//! less, as levels of samplers are made for. Later frames are unknown.

use ndarray::{Array2, ArrayView2, s};

use super::denoiser::WindowDenoiser;
use crate::systems::noising::Denoised;
use crate::systems::{self, Denoiser, DifferentiableDenoiser, Level, Pullback};

/// Nothing is known.
const UNKNOWN: Level = Level { alpha: 0.0, sigma: 1.0 };

/// The denoiser of z, member i given its own states.
pub(super) struct NextFrame<'a> {
    window: &'a WindowDenoiser,
    /// The scaled states that are given, `[member, frame x component]`, and zeros for the frames after them.
    given: Array2<f64>,
    /// How many they are.
    count: usize,
    /// m, `[member, component]`.
    pub mean: Array2<f64>,
    /// w.
    pub width: f64,
}

impl<'a> NextFrame<'a> {
    /// Given scaled states, `[member, frame x component]`, in the order of time.
    ///
    /// # Errors
    /// When the window has no frame after them.
    pub fn new(window: &'a WindowDenoiser, states: ArrayView2<f64>) -> systems::Result<Self> {
        let components = window.learned.components();
        let count = states.ncols() / components;
        let mut given = Array2::zeros((states.nrows(), window.dim()));
        given.slice_mut(s![.., ..states.ncols()]).assign(&states);
        let mut next = Self { window, given, count, mean: Array2::zeros((0, 0)), width: 1.0 };
        let mean = window.mean(next.given.view(), &next.levels(UNKNOWN))?;
        next.mean = mean.slice(s![.., next.columns()]).to_owned();
        next.width = window.covariance.widths()[count];
        Ok(next)
    }

    /// z of scaled next states, `[member, component]` each.
    pub fn standardised(&self, next: ArrayView2<f64>) -> Array2<f64> {
        (&next - &self.mean) / self.width
    }

    fn columns(&self) -> std::ops::Range<usize> {
        let components = self.window.learned.components();
        self.count * components..(self.count + 1) * components
    }

    /// The levels of all frames, where this is that of the next.
    fn levels(&self, next: Level) -> Vec<Level> {
        let of = |frame: usize| match frame.cmp(&self.count) {
            std::cmp::Ordering::Less => Level::exploding(0.0),
            std::cmp::Ordering::Equal => next,
            std::cmp::Ordering::Greater => UNKNOWN,
        };
        (0..self.window.frames()).map(of).collect()
    }

    /// The window with z_t in its place, and the levels: alpha m + w z_t = alpha x + w sigma eps.
    fn placed(&self, z_t: ArrayView2<f64>, level: Level) -> (Array2<f64>, Vec<Level>) {
        let mut x_t = self.given.clone();
        x_t.slice_mut(s![.., self.columns()]).assign(&(&z_t * self.width + &self.mean * level.alpha));
        (x_t, self.levels(Level { sigma: level.sigma * self.width, ..level }))
    }
}

impl Denoiser for NextFrame<'_> {
    fn dim(&self) -> usize {
        self.window.learned.components()
    }

    fn denoise(&self, z_t: ArrayView2<f64>, level: Level) -> systems::Result<Array2<f64>> {
        let (x_t, levels) = self.placed(z_t, level);
        let Denoised { guided, .. } = self.window.evaluate(x_t.view(), &levels)?;
        Ok(self.standardised(guided.slice(s![.., self.columns()])))
    }
}

impl DifferentiableDenoiser for NextFrame<'_> {
    fn denoise_vjp<'a>(
        &'a self,
        z_t: ArrayView2<'a, f64>,
        level: Level,
    ) -> systems::Result<(Array2<f64>, Pullback<'a>)> {
        let (x_t, levels) = self.placed(z_t, level);
        let (denoised, inner) = self.window.with_pullback(x_t.view(), &levels)?;
        let denoised = self.standardised(denoised.slice(s![.., self.columns()]));
        // the width of x_t goes in, and that of x out again
        let pull = move |v: ArrayView2<f64>| {
            let mut of_all = Array2::zeros((v.nrows(), self.window.dim()));
            of_all.slice_mut(s![.., self.columns()]).assign(&v);
            Ok(inner.pull(of_all.view())?.slice(s![.., self.columns()]).to_owned())
        };
        Ok((denoised, Pullback::new(pull)))
    }
}
