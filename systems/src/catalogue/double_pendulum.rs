//! The double pendulum: two point masses on massless rods, angles from the downward vertical. With D = theta_1 - theta_2,
//! c = cos D and s = sin D, Lagrange's equations for the angular accelerations a_1, a_2 are
//!
//! (m_1 + m_2) l_1 a_1 + m_2 l_2 c a_2 = -m_2 l_2 s omega_2^2 - (m_1 + m_2) g sin theta_1,
//! l_1 c a_1 + l_2 a_2 = l_1 s omega_1^2 - g sin theta_2,
//!
//! and d theta_i = omega_i dt, d omega_i = a_i dt + q dW_i with a noise of size q. State: theta_1, omega_1, theta_2,
//! omega_2. Without noise the energy is conserved. There is no attractor: the energy of the start stays.

use std::sync::Arc;

use ndarray::Array2;

use super::{DefaultStepping, additive};
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::lanes::LANES;
use crate::linearized::Linearized;
use crate::registry::{Entry, Param, Settings};
use crate::sde::{Noise, Sde};
use crate::system::System;

const L1: Param = Param::positive("l1", 1.0, "length of the upper rod, m");
const L2: Param = Param::positive("l2", 1.0, "length of the lower rod, m");
const M1: Param = Param::positive("m1", 1.0, "upper mass, kg");
const M2: Param = Param::positive("m2", 1.0, "lower mass, kg");
const G: Param = Param::positive("g", 9.8, "acceleration of gravity, m/s^2");
const NOISE: Param =
    Param::at_least("noise", 0.0, 0.0, "sd of the additive noise of both angular velocities, rad/s per sqrt(s)");

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "double_pendulum",
    about: "a pendulum hanging from another, chaotic at high energy, with noise in the torques",
    reference: "Shinbrot, Grebogi, Wisdom and Yorke (1992), doi:10.1119/1.16860",
    params: &[L1, L2, M1, M2, G, NOISE],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(DoublePendulum::new(settings))),
        dt: 0.05,
        substeps: 5,
        integrator: "rk4",
        spin_up: 0,
    },
};

/// theta_1, omega_1, theta_2, omega_2 of the start, in degrees and degrees per second.
const START: [f64; 4] = [130.0, 0.0, -10.0, 0.0];

/// The double pendulum.
#[derive(Clone, Debug)]
pub struct DoublePendulum {
    l1: f64,
    l2: f64,
    m1: f64,
    m2: f64,
    g: f64,
    noise: f64,
}

/// The equations for the accelerations [[a, b], [c, d]] (a_1, a_2) = (r_1, r_2), in one lane.
#[derive(Clone, Copy)]
struct Masses {
    a: f64,
    b: f64,
    c: f64,
    d: f64,
}

impl Masses {
    /// The accelerations. The determinant is at least l_1 l_2 m_1.
    #[inline(always)]
    fn solve(self, r1: f64, r2: f64) -> [f64; 2] {
        let Self { a, b, c, d } = self;
        let determinant = a * d - b * c;
        [(d * r1 - b * r2) / determinant, (a * r2 - c * r1) / determinant]
    }

    #[inline(always)]
    fn transposed(self) -> Self {
        Self { b: self.c, c: self.b, ..self }
    }
}

/// The accelerations in one lane, and the derivatives of the residuals r_i - (M a)_i in the state.
struct Motion {
    masses: Masses,
    a: [f64; 2],
    /// d/dD: of the angle between the rods.
    angle: [f64; 2],
    /// d/d theta_i of residual i, besides the part in D.
    gravity: [f64; 2],
    /// d/d omega_2 of residual 1, d/d omega_1 of residual 2.
    spin: [f64; 2],
}

impl DoublePendulum {
    /// From checked settings, as in the catalogue.
    pub fn new(settings: &Settings) -> Self {
        let number = |key| settings.number(key);
        let (l1, l2, m1, m2) = (number(L1.key), number(L2.key), number(M1.key), number(M2.key));
        Self { l1, l2, m1, m2, g: number(G.key), noise: number(NOISE.key) }
    }

    /// Kinetic and potential energy of a state (theta_1, omega_1, theta_2, omega_2), in joules; 0 at the height of the
    /// pivot.
    pub fn energy(&self, state: [f64; 4]) -> f64 {
        let ([theta1, omega1, theta2, omega2], &Self { l1, l2, m1, m2, g, .. }) = (state, self);
        let (v1, v2) = (l1 * omega1, l2 * omega2);
        let kinetic = 0.5 * (m1 + m2) * v1 * v1 + 0.5 * m2 * v2 * v2 + m2 * v1 * v2 * (theta1 - theta2).cos();
        kinetic - (m1 + m2) * g * l1 * theta1.cos() - m2 * g * l2 * theta2.cos()
    }

    #[inline(always)]
    fn motion(&self, [theta1, omega1, theta2, omega2]: [f64; 4]) -> Motion {
        let Self { l1, l2, m1, m2, g, .. } = *self;
        let ((s, c), (sin1, cos1), (sin2, cos2)) = ((theta1 - theta2).sin_cos(), theta1.sin_cos(), theta2.sin_cos());
        let masses = Masses { a: (m1 + m2) * l1, b: m2 * l2 * c, c: l1 * c, d: l2 };
        let (w1, w2) = (omega1 * omega1, omega2 * omega2);
        let a = masses.solve(-m2 * l2 * s * w2 - (m1 + m2) * g * sin1, l1 * s * w1 - g * sin2);
        Motion {
            masses,
            a,
            angle: [m2 * l2 * (s * a[1] - c * w2), l1 * (s * a[0] + c * w1)],
            gravity: [-(m1 + m2) * g * cos1, -g * cos2],
            spin: [-2.0 * m2 * l2 * s * omega2, 2.0 * l1 * s * omega1],
        }
    }
}

/// The state in one lane.
#[inline(always)]
fn state(x: &[[f64; LANES]], lane: usize) -> [f64; 4] {
    [x[0][lane], x[1][lane], x[2][lane], x[3][lane]]
}

impl Sde for DoublePendulum {
    fn dim(&self) -> usize {
        4
    }

    fn noise(&self) -> Noise {
        additive(self.noise)
    }

    fn drift_block(&self, _t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        #[expect(clippy::needless_range_loop, reason = "one lane of several arrays")]
        for lane in 0..LANES {
            let x = state(x, lane);
            let [a1, a2] = self.motion(x).a;
            (out[0][lane], out[1][lane], out[2][lane], out[3][lane]) = (x[1], a1, x[3], a2);
        }
    }

    fn diffuse_block(&self, _t: f64, _x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        super::diffuse(self.noise, dw, out);
        out[0].fill(0.0);
        out[2].fill(0.0);
    }

    fn additive_sd(&self) -> Option<Vec<f64>> {
        Some(vec![0.0, self.noise, 0.0, self.noise])
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

impl Linearized for DoublePendulum {
    fn tangent_block(&self, _t: f64, x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        #[expect(clippy::needless_range_loop, reason = "one lane of several arrays")]
        for lane in 0..LANES {
            let ([d_theta1, d_omega1, d_theta2, d_omega2], m) = (state(dx, lane), self.motion(state(x, lane)));
            let d_angle = d_theta1 - d_theta2;
            let [a1, a2] = m.masses.solve(
                m.angle[0] * d_angle + m.gravity[0] * d_theta1 + m.spin[0] * d_omega2,
                m.angle[1] * d_angle + m.gravity[1] * d_theta2 + m.spin[1] * d_omega1,
            );
            (out[0][lane], out[1][lane], out[2][lane], out[3][lane]) = (d_omega1, a1, d_omega2, a2);
        }
    }

    fn adjoint_block(&self, _t: f64, x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        #[expect(clippy::needless_range_loop, reason = "one lane of several arrays")]
        for lane in 0..LANES {
            let ([v1, w1, v2, w2], m) = (state(v, lane), self.motion(state(x, lane)));
            let [p1, p2] = m.masses.transposed().solve(w1, w2);
            let angle = m.angle[0] * p1 + m.angle[1] * p2;
            out[0][lane] = angle + m.gravity[0] * p1;
            out[1][lane] = v1 + m.spin[1] * p2;
            out[2][lane] = -angle + m.gravity[1] * p2;
            out[3][lane] = v2 + m.spin[0] * p1;
        }
    }
}

impl System for DoublePendulum {
    fn dim(&self) -> usize {
        4
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// Angles that turn over count on, and never come back.
    fn has_climate(&self) -> bool {
        false
    }

    /// At rest at 130 and -10 degrees, each component with a perturbation of sd 0.1.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        let start = ndarray::arr1(&START).mapv(f64::to_radians);
        key.purpose(Purpose::InitialState).normals(members, 4) * 0.1 + start
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
