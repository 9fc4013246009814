//! An equation together with its tangent-linear model: d(x, v) = (f(x, t), f'(x, t) v) dt + (g dW, 0), for constant g.
//! Whatever integrator steps it advances v by the exact derivative of its own step of x, because a Runge-Kutta scheme
//! and linearization commute; so no integrator's tangent is written by hand. Adaptive steps are those of x alone. Where
//! f(x) = L x + N(x), the pair has the same form, with L on both and (N(x), N'(x) v).

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::fast::{Fast, SlopeUse};
use crate::lanes::LANES;
use crate::linearized::Linearized;
use crate::sde::{Calculus, Noise, Sde};
use crate::semilinear::{Complex64, Semilinear, SpectralWorkspace};

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

    fn fast(&self) -> Option<&dyn Fast> {
        self.sde.fast().map(|_| self as &dyn Fast)
    }

    fn semilinear(&self) -> Option<&dyn Semilinear> {
        self.sde.semilinear()?.derivatives().map(|_| self as &dyn Semilinear)
    }
}

impl Fast for Tangent {
    /// The equation's own stage, so that x takes the path that it takes alone.
    fn stage_block(&self, t: f64, at: &[[f64; LANES]], slope: &mut [[f64; LANES]], stage: SlopeUse) {
        let half = self.sde.dim();
        let ((x, v), (f, fv)) = (at.split_at(half), slope.split_at_mut(half));
        let (of_x, of_v) = stage.split_at(half);
        if let Some(fast) = self.sde.fast() {
            fast.stage_block(t, x, f, of_x);
        }
        if let Some(linearized) = self.linearized() {
            linearized.tangent_block(t, x, v, fv);
            of_v.apply(v, fv);
        }
    }
}

impl Tangent {
    /// The form of the equation itself; only asked where it has one.
    fn with_equation(&self, work: impl FnOnce(&dyn Semilinear)) {
        if let Some(equation) = self.sde.semilinear() {
            work(equation);
        }
    }
}

/// Coefficients of x, then those of v.
impl Semilinear for Tangent {
    fn linear(&self) -> Vec<Complex64> {
        self.sde.semilinear().map(|equation| equation.linear().repeat(2)).unwrap_or_default()
    }

    fn workspace(&self) -> SpectralWorkspace {
        self.sde.semilinear().map(Semilinear::workspace).unwrap_or_default()
    }

    fn to_coefficients(&self, x: &mut [f64], c: &mut [Complex64], scratch: &mut SpectralWorkspace) {
        self.with_equation(|equation| {
            for (x, c) in halves(x).into_iter().zip(halves(c)) {
                equation.to_coefficients(x, c, scratch);
            }
        });
    }

    fn to_grid(&self, c: &mut [Complex64], x: &mut [f64], scratch: &mut SpectralWorkspace) {
        self.with_equation(|equation| {
            for (c, x) in halves(c).into_iter().zip(halves(x)) {
                equation.to_grid(c, x, scratch);
            }
        });
    }

    fn nonlinear(&self, t: f64, c: &[Complex64], out: &mut [Complex64], scratch: &mut SpectralWorkspace) {
        let ((c, d), [n, nd]) = (c.split_at(c.len() / 2), halves(out));
        self.with_equation(|equation| {
            equation.nonlinear(t, c, n, scratch);
            if let Some(derivatives) = equation.derivatives() {
                derivatives.tangent(t, c, d, nd, scratch);
            }
        });
    }
}

fn halves<T>(both: &mut [T]) -> [&mut [T]; 2] {
    both.split_at_mut(both.len() / 2).into()
}
