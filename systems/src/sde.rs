//! Stochastic differential equations dx = f(x, t) dt + g(x, t) dW, evaluated for a block of members at once.
//!
//! A block is `[[f64; LANES]]`: component by component, the same component of [`LANES`] members side by side, so that
//! every arithmetic statement of a drift is one vector operation whatever the dimension.

mod noise;

use crate::fast::Fast;
use crate::lanes::LANES;
use crate::linearized::Linearized;
use crate::semilinear::Semilinear;

/// How the noise enters: what an integrator must know of g.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// g = 0.
    None,
    /// g is diagonal and does not depend on the state.
    Additive,
    /// g is a matrix with this many columns that does not depend on the state.
    Constant(usize),
    /// g is diagonal and g_i depends on x_i alone.
    Diagonal,
    /// g is a matrix with this many columns that commute: L^i g_j = L^j g_i, with L^i = sum_k g_ki d/dx_k.
    Commutative(usize),
    /// g is any matrix with this many columns.
    General(usize),
}

/// Which stochastic integral the equation means. For additive noise the two agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calculus {
    /// Ito.
    Ito,
    /// Stratonovich.
    Stratonovich,
}

/// A stochastic differential equation.
pub trait Sde: Send + Sync {
    /// The number of components.
    fn dim(&self) -> usize;

    /// How the noise enters.
    fn noise(&self) -> Noise;

    /// Which integral the equation means; Ito unless said.
    fn calculus(&self) -> Calculus {
        Calculus::Ito
    }

    /// The number of Brownian motions.
    fn wiener_dim(&self) -> usize {
        match self.noise() {
            Noise::None => 0,
            Noise::Additive | Noise::Diagonal => self.dim(),
            Noise::Constant(columns) | Noise::Commutative(columns) | Noise::General(columns) => columns,
        }
    }

    /// f(x, t) into `out`, per unit of model time; both `[component][lane]`.
    fn drift_block(&self, t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]);

    /// The product g(x, t) dw into `out` (`[component][lane]`), for dw `[wiener][lane]`; never the matrix.
    fn diffuse_block(&self, t: f64, x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]);

    /// The diagonal of g where the noise is [`Noise::Additive`] (or 0): the standard deviation per square root of model
    /// time.
    fn additive_sd(&self) -> Option<Vec<f64>> {
        None
    }

    /// Whether f and g do not depend on t; so unless said.
    fn autonomous(&self) -> bool {
        true
    }

    /// How many components, from the first on, an integrator with adaptive steps controls the error of: all, but only
    /// the state where a tangent vector follows it.
    fn controlled(&self) -> usize {
        self.dim()
    }

    /// Slopes in fewer passes over memory, where they are written.
    fn fast(&self) -> Option<&dyn Fast> {
        None
    }

    /// The derivatives of the drift, where they are written.
    fn linearized(&self) -> Option<&dyn Linearized> {
        None
    }

    /// The drift as f(x) = L x + N(x, t) with L diagonal in some coefficients, where it is written so.
    fn semilinear(&self) -> Option<&dyn Semilinear> {
        None
    }
}
