//! Fields on regular grids: real Fourier transforms in one and two dimensions, products without aliasing, and the form
//! du/dt = L u + N(u) with L diagonal in Fourier coefficients, which [`crate::integrate::Etdrk4`] steps.
//!
//! A periodic field of n points has coefficients c_k with u(x_j) = sum_k c_k exp(i k x_j); those of negative k are
//! conjugates and are not stored. A quadratic product keeps the wavenumbers |k| <= K with 3 K < n, of its factors and
//! of itself (Orszag 1971): none of them is then aliased, and the kept part is the Galerkin projection, which conserves
//! what the equation conserves.
//!
//! Everything here works on one member at a time, in contiguous scratch; blocks of members are gathered lane by lane.

mod advection;
mod basin;
mod helmholtz;
mod line;
mod modes;
mod pool;
mod sde;
mod sine;
mod square;
mod vorticity;

pub use crate::semilinear::{Complex64, Derivatives, Semilinear, SpectralWorkspace};
pub use advection::Advection;
pub use basin::Basin;
pub use helmholtz::Helmholtz;
pub use line::Line;
pub use modes::{Mode, RandomModes};
pub use sde::{Forcing, SpectralSde};
pub use sine::SineTransform;
pub use square::Square;
pub use vorticity::Vorticity;

pub(crate) use crate::lanes::{distinct, gather, scatter};
pub(crate) use pool::Pool;

/// The largest wavenumber K of `n` points with 3 K < n: products of two fields cut off there are not aliased.
pub fn cut(n: usize) -> usize {
    n.saturating_sub(1) / 3
}
