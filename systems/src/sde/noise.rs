//! What integrators ask of a kind of noise.

use super::Noise;

impl Noise {
    /// Whether g does not depend on the state, so that the Ito and Stratonovich integrals agree.
    pub fn is_constant(self) -> bool {
        matches!(self, Self::None | Self::Additive | Self::Constant(_))
    }

    /// Whether g is diagonal, so that each component has its own Brownian motion.
    pub fn is_diagonal(self) -> bool {
        matches!(self, Self::Additive | Self::Diagonal)
    }
}
