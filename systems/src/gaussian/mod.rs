//! Gaussian laws in closed form: with N(m(x), C(x)) come a density, a denoiser and draws.

mod denoiser;
mod eigen;
mod factored;
mod law;
mod linear;
mod mixture;

pub use denoiser::{GaussianDenoiser, IndependentDenoiser};
pub use eigen::SymmetricEigen;
pub use factored::{NoisedCovariance, Solved};
pub use law::GaussianLaw;
pub use linear::LinearForecaster;
pub use mixture::{LowRankGaussian, LowRankMixture};
