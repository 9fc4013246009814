//! What an integrator is handed of a Brownian path.

use crate::lanes::LANES;

/// The Brownian path over one integration step, drawn jointly by whoever owns the randomness; integrators never draw.
#[derive(Clone, Debug, Default)]
pub struct Increment<const L: usize = LANES> {
    /// W(t + dt) - W(t), `[wiener][lane]`, variance dt.
    pub dw: Vec<[f64; L]>,
    /// The time integral of W(s) - W(t) over the step, `[wiener][lane]`, variance dt^3/3; empty unless an integrator
    /// asks for it.
    pub dz: Vec<[f64; L]>,
}

impl<const L: usize> Increment<L> {
    /// Zeros for `wiener` Brownian motions, with their time integrals or without.
    pub fn new(wiener: usize, integrals: bool) -> Self {
        let zeros = |count| vec![[0.0; L]; count];
        Self { dw: zeros(wiener), dz: zeros(if integrals { wiener } else { 0 }) }
    }
}
