//! Potential energies V(q) for Langevin dynamics, with gradients and Hessian-vector products.
//!
//! Quadratic: V(q) = sum k_i q_i^2 / 2. Mueller and Brown (1979): V(x, y) = sum_j A_j exp(a_j (x - x_j)^2 +
//! b_j (x - x_j)(y - y_j) + c_j (y - y_j)^2) over four terms, with minima of -146.7 at (-0.558, 1.442), -108.2 at
//! (0.623, 0.028) and -80.8 at (-0.050, 0.467), and saddles of -40.7 at (-0.822, 0.624) and -72.2 at (0.212, 0.293).

use crate::error::Result;
use crate::lanes::LANES;
use crate::registry::{Param, Settings};

/// A potential energy.
#[derive(Clone, Debug, PartialEq)]
pub enum Potential {
    /// The surface of Mueller and Brown (1979), in two dimensions.
    MuellerBrown,
    /// Independent springs of this stiffness k, each above 0.
    Quadratic(Vec<f64>),
}

/// Which potential.
pub(super) const POTENTIAL_PARAM: Param = Param::choice(
    "potential",
    "mueller_brown",
    &["mueller_brown", "quadratic"],
    "the energy surface: Mueller and Brown (1979) in two dimensions, or independent springs",
);

/// The springs.
pub(super) const STIFFNESS_PARAM: Param =
    Param::floats("stiffness", &[1.0, 4.0], "k, one a dimension, of the quadratic potential; not used by the other");

/// The inverse temperature.
pub(super) const BETA_PARAM: Param = Param::positive(
    "beta",
    0.05,
    "inverse temperature 1 / kT; at 0.05 the barriers of Mueller and Brown are 1.8 to 5.3 kT high",
);

/// The deepest minimum of Mueller and Brown.
const DEEPEST: [f64; 2] = [-0.558_223_6, 1.441_725_8];

/// A, (x, y), (a, b, c) of a term.
type Term = (f64, [f64; 2], [f64; 3]);

const TERMS: [Term; 4] = [
    (-200.0, [1.0, 0.0], [-1.0, 0.0, -10.0]),
    (-100.0, [0.0, 0.5], [-1.0, 0.0, -10.0]),
    (-170.0, [-0.5, 1.5], [-6.5, 11.0, -6.5]),
    (15.0, [-1.0, 1.0], [0.7, 0.6, 0.7]),
];

/// A term's value and the gradient of its exponent.
#[inline]
fn term((height, centre, [a, b, c]): Term, x: f64, y: f64) -> (f64, f64, f64) {
    let (dx, dy) = (x - centre[0], y - centre[1]);
    let value = height * (a * dx * dx + b * dx * dy + c * dy * dy).exp();
    (value, 2.0 * a * dx + b * dy, b * dx + 2.0 * c * dy)
}

impl Potential {
    /// From the settings `potential` and `stiffness`.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        if settings.text(POTENTIAL_PARAM.key) == "mueller_brown" {
            return Ok(Self::MuellerBrown);
        }
        let stiffness = settings.floats(STIFFNESS_PARAM.key).to_vec();
        match stiffness.iter().find(|k| **k <= 0.0) {
            Some(k) => {
                Err(settings.mistake(STIFFNESS_PARAM.key, format!("contains {k}, but a spring must be above 0")))
            }
            None if stiffness.is_empty() => {
                Err(settings.mistake(STIFFNESS_PARAM.key, "is empty; give one number a dimension"))
            }
            None => Ok(Self::Quadratic(stiffness)),
        }
    }

    /// The number of components of q.
    pub fn dim(&self) -> usize {
        match self {
            Self::MuellerBrown => 2,
            Self::Quadratic(stiffness) => stiffness.len(),
        }
    }

    /// V at `q` (`[component]`), in the units in which kT = 1 / beta.
    pub fn energy(&self, q: &[f64]) -> f64 {
        match self {
            Self::MuellerBrown => TERMS.into_iter().map(|part| term(part, q[0], q[1]).0).sum(),
            Self::Quadratic(stiffness) => stiffness.iter().zip(q).map(|(k, q)| 0.5 * k * q * q).sum(),
        }
    }

    /// A draw near which dynamics at this temperature start: of exp(-beta V) for springs, otherwise the deepest minimum
    /// with a perturbation of sd 0.05. `normals` are standard normals, one a component.
    pub(super) fn start(&self, beta: f64, normals: &mut [f64]) {
        match self {
            Self::MuellerBrown => normals.iter_mut().zip(DEEPEST).for_each(|(q, centre)| *q = centre + 0.05 * *q),
            Self::Quadratic(stiffness) => {
                normals.iter_mut().zip(stiffness).for_each(|(q, k)| *q /= (beta * k).sqrt());
            }
        }
    }

    /// out = -grad V(q), all `[component][lane]`.
    pub(super) fn force_block(&self, q: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        match (self, q, &mut *out) {
            (Self::MuellerBrown, [x, y], [fx, fy]) => {
                for lane in 0..LANES {
                    let parts = TERMS.map(|part| term(part, x[lane], y[lane]));
                    fx[lane] = -parts.iter().map(|(value, gx, _)| value * gx).sum::<f64>();
                    fy[lane] = -parts.iter().map(|(value, _, gy)| value * gy).sum::<f64>();
                }
            }
            (Self::Quadratic(stiffness), ..) => spring(stiffness, q, out),
            _ => {}
        }
    }

    /// out = -V''(q) dq, all `[component][lane]`; V'' is symmetric.
    pub(super) fn force_tangent_block(&self, q: &[[f64; LANES]], dq: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        match (self, q, dq, &mut *out) {
            (Self::MuellerBrown, [x, y], [dx, dy], [fx, fy]) => {
                for lane in 0..LANES {
                    (fx[lane], fy[lane]) = (0.0, 0.0);
                    for part in TERMS {
                        let (value, gx, gy) = term(part, x[lane], y[lane]);
                        let (_, _, [a, b, c]) = part;
                        let along = gx * dx[lane] + gy * dy[lane];
                        fx[lane] -= value * (gx * along + 2.0 * a * dx[lane] + b * dy[lane]);
                        fy[lane] -= value * (gy * along + b * dx[lane] + 2.0 * c * dy[lane]);
                    }
                }
            }
            (Self::Quadratic(stiffness), ..) => spring(stiffness, dq, out),
            _ => {}
        }
    }
}

/// out = -k q.
fn spring(stiffness: &[f64], q: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
    for ((out, q), k) in out.iter_mut().zip(q).zip(stiffness) {
        (0..LANES).for_each(|lane| out[lane] = -k * q[lane]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stationary points that Mueller and Brown (1979) publish, and their energies.
    #[test]
    fn published_stationary_points_have_no_force() {
        let points = [
            ([-0.558, 1.442], -146.700),
            ([0.623, 0.028], -108.167),
            ([-0.050, 0.467], -80.768),
            ([-0.822, 0.624], -40.665),
            ([0.212, 0.293], -72.249),
        ];
        for (q, energy) in points {
            let mut force = [[0.0; LANES]; 2];
            Potential::MuellerBrown.force_block(&q.map(|value| [value; LANES]), &mut force);
            // three decimals of q, curvatures of up to 3e3
            assert!(force.iter().all(|f| f[0].abs() < 2.0), "{q:?}: {:?}", force.map(|f| f[0]));
            let found = Potential::MuellerBrown.energy(&q);
            assert!((found - energy).abs() < 2e-3, "{q:?}: {found} for {energy}");
        }
    }
}
