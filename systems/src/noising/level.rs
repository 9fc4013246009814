//! One noise level.

/// A noise level of x_t = alpha x_0 + sigma eps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// The factor of the data.
    pub alpha: f64,
    /// The standard deviation of the noise.
    pub sigma: f64,
}

impl Level {
    /// The variance-exploding level: alpha = 1.
    pub const fn exploding(sigma: f64) -> Self {
        Self { alpha: 1.0, sigma }
    }

    /// r = sigma / alpha: the noise level in units of the data.
    pub fn relative(self) -> f64 {
        self.sigma / self.alpha
    }

    /// ln(alpha^2 / sigma^2), the logarithm of the ratio of signal to noise for data of unit variance.
    pub fn log_snr(self) -> f64 {
        2.0 * (self.alpha / self.sigma).ln()
    }
}
