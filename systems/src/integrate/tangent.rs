//! An equation together with its tangent-linear model: d(x, v) = (f(x, t), f'(x, t) v) dt + (g dW, 0), for constant g.
//! Whatever integrator steps it advances v by the exact derivative of its own step of x, because a Runge-Kutta scheme
//! and linearization commute; so no integrator's tangent is written by hand. Adaptive steps are those of x alone.

use std::sync::Arc;

use crate::law::{Error, Result};
use crate::sde::{Calculus, LANES, Linearized, Noise, Sde};

/// x and a tangent vector v as one state, x first.
pub struct Tangent {
    sde: Arc<dyn Sde>,
}

impl Tangent {
    /// Of an equation whose drift has its derivatives written and whose noise is constant.
    ///
    /// # Errors
    /// When it has not.
    pub fn new(sde: Arc<dyn Sde>) -> Result<Self> {
        if sde.linearized().is_none() {
            return Err(Error::Unsupported("the derivatives of this system's drift are not written".into()));
        }
        if !sde.noise().is_constant() {
            return Err(Error::Unsupported(
                "a tangent-linear model needs noise that does not depend on the state; set the noise to 0".into(),
            ));
        }
        Ok(Self { sde })
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        self.sde.linearized()
    }
}

impl Sde for Tangent {
    fn dim(&self) -> usize {
        2 * self.sde.dim()
    }

    fn noise(&self) -> Noise {
        match self.sde.noise() {
            Noise::None => Noise::None,
            _ => Noise::Constant(self.sde.wiener_dim()),
        }
    }

    fn calculus(&self) -> Calculus {
        self.sde.calculus()
    }

    fn autonomous(&self) -> bool {
        self.sde.autonomous()
    }

    fn controlled(&self) -> usize {
        self.sde.controlled()
    }

    fn drift_block(&self, t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let half = self.sde.dim();
        let ((x, v), (f, fv)) = (x.split_at(half), out.split_at_mut(half));
        self.sde.drift_block(t, x, f);
        if let Some(linearized) = self.linearized() {
            linearized.tangent_block(t, x, v, fv);
        }
    }

    fn diffuse_block(&self, t: f64, x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let half = self.sde.dim();
        let (moved, still) = out.split_at_mut(half);
        self.sde.diffuse_block(t, &x[..half], dw, moved);
        still.fill([0.0; LANES]);
    }
}
