//! Real Fourier transforms of n points of a periodic line: u_j = sum_{|k| <= n/2} c_k exp(2 pi i j k / n), of which
//! c_0 ... c_{n/2} are kept.

use std::sync::Arc;

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use super::{Complex64, cut};

/// A periodic line of n points.
pub struct Line {
    points: usize,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
}

impl Line {
    /// Of `points` points.
    pub fn new(points: usize) -> Self {
        let mut planner = RealFftPlanner::new();
        Self { points, forward: planner.plan_fft_forward(points), inverse: planner.plan_fft_inverse(points) }
    }

    /// n.
    pub fn points(&self) -> usize {
        self.points
    }

    /// How many coefficients are kept: k = 0 ... n / 2.
    pub fn modes(&self) -> usize {
        self.points / 2 + 1
    }

    /// The largest wavenumber of products without aliasing.
    pub fn cut(&self) -> usize {
        cut(self.points)
    }

    /// The length of `scratch` below.
    pub fn scratch_len(&self) -> usize {
        self.forward.get_scratch_len().max(self.inverse.get_scratch_len())
    }

    /// n c_k into `c`; `x` is left overwritten.
    pub fn forward(&self, x: &mut [f64], c: &mut [Complex64], scratch: &mut [Complex64]) {
        let done = self.forward.process_with_scratch(x, c, scratch);
        assert!(done.is_ok(), "a transform of {} points for {} values and {} modes", self.points, x.len(), c.len());
    }

    /// u_j from c_k; `c` is left overwritten. The imaginary parts of c_0 and c_{n/2} are taken as 0.
    pub fn inverse(&self, c: &mut [Complex64], x: &mut [f64], scratch: &mut [Complex64]) {
        c[0].im = 0.0;
        if self.points.is_multiple_of(2) {
            c[self.points / 2].im = 0.0;
        }
        let done = self.inverse.process_with_scratch(c, x, scratch);
        assert!(done.is_ok(), "a transform of {} points for {} modes and {} values", self.points, c.len(), x.len());
    }
}
