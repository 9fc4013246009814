//! Independent double wells, each dx = (alpha x - beta x^3) dt + s dW in the potential
//! V(x) = -alpha x^2 / 2 + beta x^4 / 4 with wells at +-m, m = sqrt(alpha / beta) (Kramers 1940).
//! The stationary density of each is proportional to exp(-2 V(x) / s^2).
//!
//! The default stepping has a law of its own, which is off by a multiple of the step (weak order 1). With s = .5 and dt = .1
//! E x^2 and E x^4 of its stationary law are .866 and 1.049 with one integration step in a lead step, .859 and 1.011 with two
//! and .855 and .994 with four, where those of the equation are .852 and .977. `sra1` has weak order 2.

use std::sync::Arc;

use ndarray::Array2;

use super::{DefaultStepping, additive, diffuse, dim_param, noise_param};
use crate::geometry::Geometry;
use crate::key::{Key, Purpose, Stream};
use crate::lanes::LANES;
use crate::linearized::Linearized;
use crate::registry::{Entry, Param, Settings};
use crate::sde::{Noise, Sde};
use crate::system::System;

const DIM: Param = dim_param(1, 1, "number of independent wells");
const ALPHA: Param = Param::positive(
    "alpha",
    1.0,
    "rate at which the middle is left, per unit of model time; wells at +-sqrt(alpha / beta)",
);
const BETA: Param = Param::positive("beta", 1.0, "strength of the cubic term");
const NOISE: Param = noise_param(0.5);

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "double_well",
    about: "independent particles in a double well, with additive noise; the stationary law is known",
    reference: "Kramers (1940), doi:10.1016/S0031-8914(40)90098-2",
    params: &[DIM, ALPHA, BETA, NOISE],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(DoubleWell::new(settings))),
        dt: 0.1,
        substeps: 1,
        integrator: "rk4",
        spin_up: 0,
    },
};

/// Independent double wells.
#[derive(Clone, Debug)]
pub struct DoubleWell {
    dim: usize,
    alpha: f64,
    beta: f64,
    noise: f64,
}

impl DoubleWell {
    /// From checked settings, as in the catalogue.
    pub fn new(settings: &Settings) -> Self {
        let number = |key| settings.number(key);
        Self {
            dim: settings.count(DIM.key),
            alpha: number(ALPHA.key),
            beta: number(BETA.key),
            noise: number(NOISE.key),
        }
    }

    /// log of the stationary density of one well at `x`, up to a constant: -2 V(x) / s^2. Minus infinity away from the
    /// wells without noise.
    pub fn log_stationary(&self, x: f64) -> f64 {
        let height = (self.beta * x * x - self.alpha).powi(2) / (4.0 * self.beta);
        if height == 0.0 { 0.0 } else { -2.0 * height / (self.noise * self.noise) }
    }

    /// One exact draw by rejection. With m^2 = alpha / beta, for x >= 0, (x^2 - m^2)^2 >= m^2 (x - m)^2, so that the
    /// density of |x| lies below a Gaussian of mean m and variance s^2 / alpha.
    fn draw_stationary(&self, stream: &mut Stream) -> f64 {
        let (well, sd) = ((self.alpha / self.beta).sqrt(), self.noise / self.alpha.sqrt());
        let size = loop {
            let x = well + sd * stream.normal();
            let envelope = if sd > 0.0 { -0.5 * ((x - well) / sd).powi(2) } else { 0.0 };
            let accept = if sd > 0.0 { (self.log_stationary(x) - envelope).exp() } else { 1.0 };
            if x >= 0.0 && stream.uniform() < accept {
                break x;
            }
        };
        if stream.uniform() < 0.5 { -size } else { size }
    }
}

impl Sde for DoubleWell {
    fn dim(&self) -> usize {
        self.dim
    }

    fn noise(&self) -> Noise {
        additive(self.noise)
    }

    fn drift_block(&self, _t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for (out, x) in out.as_flattened_mut().iter_mut().zip(x.as_flattened()) {
            *out = x * (self.alpha - self.beta * x * x);
        }
    }

    fn diffuse_block(&self, _t: f64, _x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        diffuse(self.noise, dw, out);
    }

    fn additive_sd(&self) -> Option<Vec<f64>> {
        Some(vec![self.noise; self.dim])
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

impl Linearized for DoubleWell {
    fn tangent_block(&self, _t: f64, x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let cells = x.as_flattened().iter().zip(dx.as_flattened());
        for (out, (x, dx)) in out.as_flattened_mut().iter_mut().zip(cells) {
            *out = (self.alpha - 3.0 * self.beta * x * x) * dx;
        }
    }

    /// The derivative is diagonal, hence its own adjoint.
    fn adjoint_block(&self, t: f64, x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.tangent_block(t, x, v, out);
    }
}

impl System for DoubleWell {
    fn dim(&self) -> usize {
        self.dim
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// Exact draws of the stationary law; without noise, either well with probability 1/2.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        let key = key.purpose(Purpose::InitialState);
        let mut out = Array2::zeros((members, self.dim));
        for (member, mut row) in out.outer_iter_mut().enumerate() {
            let mut stream = key.stream(member as u64);
            row.iter_mut().for_each(|x| *x = self.draw_stationary(&mut stream));
        }
        out
    }

    fn initial_is_stationary(&self) -> bool {
        true
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
