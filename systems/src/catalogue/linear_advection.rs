//! Linear advection on a ring of n points, with damping: dx/dt + c dx/ds = ln(d) x, hence exactly
//! x(s, t + h) = d^h x(s - c h, t), with c in grid points per unit of time. State: x_0 .. x_{n-1}, one ring.
//!
//! The shift is exact: a rotation where c h is a whole number, and otherwise the shift of the trigonometric polynomial
//! through the points (for even n its wave of two grid points is multiplied by cos(pi c h)). A rotation keeps every
//! moment of the field. Evensen (2009) takes n = 1000 and c h = 1; the damping is that of Sakov and Oke (2008), who have
//! 0.98 a unit of time, and so are the states: random sums of sinusoids of the lowest wave numbers.

use std::f64::consts::{PI, TAU};
use std::sync::Arc;

use ndarray::{Array2, Axis};

use super::{DefaultStepping, count_param, dim_param};
use crate::error::Result;
use crate::geometry::Geometry;
use crate::key::{Key, Purpose, Stream};
use crate::lanes::LANES;
use crate::law::Forecaster;
use crate::map::{Map, MapForecaster};
use crate::registry::{Entry, Param, Settings};
use crate::stepping::Stepping;
use crate::system::System;

const DIM: Param = dim_param(3, 1000, "number of grid points on the ring");
const C: Param = Param::real("c", 1.0, "speed, in grid points per unit of time");
const DAMPING: Param = Param::share("damping", 1.0, "d, what a unit of time leaves of the field; 1 for none");
const WAVENUMBERS: Param =
    count_param("wavenumbers", 1, 25, "how many waves the initial states are sums of, from wave number 1 on");
const SD: Param = Param::positive("sd", 0.223_606_797_749_978_97, "sd of each initial state over the ring");

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "linear_advection",
    about: "a smooth field carried round a ring, exactly; linear, with damping if wanted",
    reference: "Evensen (2009), doi:10.1007/978-3-642-03711-5; Sakov and Oke (2008), doi:10.1175/2007MWR2021.1",
    params: &[
        DIM,
        C,
        DAMPING,
        WAVENUMBERS,
        // sqrt(5) / 10
        SD,
    ],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(LinearAdvection::new(settings)?)),
        dt: 1.0,
        substeps: 1,
        integrator: "rk4",
        spin_up: 0,
    },
};

/// Linear advection on a ring.
#[derive(Clone, Debug)]
pub struct LinearAdvection {
    dim: usize,
    speed: f64,
    damping: f64,
    wavenumbers: usize,
    sd: f64,
}

impl LinearAdvection {
    /// From checked settings, as in the catalogue.
    ///
    /// # Errors
    /// When the grid cannot carry the highest wave.
    pub fn new(settings: &Settings) -> Result<Self> {
        let (dim, wavenumbers) = (settings.count(DIM.key), settings.count(WAVENUMBERS.key));
        if 2 * wavenumbers >= dim {
            let problem = format!("is {wavenumbers}, but {dim} grid points carry wave numbers below {dim} / 2");
            return Err(settings.mistake(WAVENUMBERS.key, problem + "; take fewer waves or a larger `dim`"));
        }
        let number = |key| settings.number(key);
        Ok(Self { dim, speed: number(C.key), damping: number(DAMPING.key), wavenumbers, sd: number(SD.key) })
    }

    /// A sum of waves with normal amplitudes and uniform phases, scaled to the sd.
    fn draw(&self, stream: &mut Stream, out: &mut [f64]) {
        let mut variance = 0.0;
        for wave in 1..=self.wavenumbers {
            let (amplitude, phase) = (stream.normal(), TAU * stream.uniform());
            variance += 0.5 * amplitude * amplitude;
            let turn = TAU * wave as f64 / self.dim as f64;
            for (place, x) in out.iter_mut().enumerate() {
                *x += amplitude * (turn * place as f64 + phase).sin();
            }
        }
        out.iter_mut().for_each(|x| *x *= self.sd / variance.sqrt());
    }
}

impl System for LinearAdvection {
    fn dim(&self) -> usize {
        self.dim
    }

    fn geometry(&self) -> Geometry {
        Geometry::Ring
    }

    /// Random sums of waves, each state with mean 0 and the sd asked for, over the ring.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        let key = key.purpose(Purpose::InitialState);
        let mut out = Array2::zeros((members, self.dim));
        for (member, mut row) in out.axis_iter_mut(Axis(0)).enumerate() {
            if let Some(row) = row.as_slice_mut() {
                self.draw(&mut key.stream(member as u64), row);
            }
        }
        out
    }

    /// A shift leaves the law of the sums as it is, because their phases are uniform.
    fn initial_is_stationary(&self) -> bool {
        self.damping == 1.0
    }

    /// The exact shift, whatever integrator and substeps.
    fn forecaster(self: Arc<Self>, stepping: &Stepping) -> Result<Box<dyn Forecaster>> {
        stepping.check()?;
        Ok(Box::new(MapForecaster::new(Shift::new(&self, stepping.dt), 0.0)))
    }
}

/// out_i = sum_j w_j x_{i - first - j}: a circulant matrix with few or many weights.
struct Shift {
    dim: usize,
    /// In 0..dim.
    first: usize,
    weights: Vec<f64>,
}

impl Shift {
    fn new(system: &LinearAdvection, dt: f64) -> Self {
        let (dim, factor) = (system.dim, system.damping.powf(dt));
        let by = (system.speed * dt).rem_euclid(dim as f64);
        let (first, rest) = (by.floor(), by - by.floor());
        let weights = if rest == 0.0 {
            vec![factor]
        } else {
            (0..dim).map(|j| factor * interpolation(dim, j as f64 - rest)).collect()
        };
        Self { dim, first: first as usize % dim, weights }
    }

    /// Adds sum_j w_j x_{i -+ (first + j)} to each out_i, backwards or onwards on the ring.
    fn convolve(&self, onwards: bool, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let n = self.dim;
        out.fill([0.0; LANES]);
        for (j, weight) in self.weights.iter().enumerate() {
            let by = (self.first + j) % n;
            let (head, tail) = x.split_at(if onwards { by } else { n - by });
            let cells = tail.as_flattened().iter().chain(head.as_flattened());
            for (out, x) in out.as_flattened_mut().iter_mut().zip(cells) {
                *out += weight * x;
            }
        }
    }
}

/// The trigonometric polynomial that is 1 at 0 and 0 at the other points of a ring of n, at distance s from 0.
fn interpolation(n: usize, s: f64) -> f64 {
    let (n, angle) = (n as f64, PI * s / n as f64);
    if n % 2.0 == 1.0 { (PI * s).sin() / (n * angle.sin()) } else { (PI * s).sin() / (n * angle.tan()) }
}

impl Map for Shift {
    fn dim(&self) -> usize {
        self.dim
    }

    fn map_block(&self, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.convolve(false, x, out);
    }

    fn tangent_block(&self, _x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.convolve(false, dx, out);
    }

    fn adjoint_block(&self, _x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.convolve(true, v, out);
    }

    fn matrix(&self) -> Option<Array2<f64>> {
        let (n, weights) = (self.dim, self.weights.as_slice());
        let weight = |i: usize, j: usize| weights.get((i + 2 * n - j - self.first) % n).copied().unwrap_or(0.0);
        Some(Array2::from_shape_fn((n, n), |(i, j)| weight(i, j)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Domain;

    /// A whole and a broken shift, on even and odd rings: the map and its adjoint are the matrix and its transpose.
    #[test]
    fn map_and_adjoint_are_the_matrix_and_its_transpose() {
        for (dim, speed) in [(8, 3.0), (9, -2.0), (8, 0.3), (9, -5.7)] {
            let system = LinearAdvection { dim, speed, damping: 0.9, wavenumbers: 2, sd: 1.0 };
            let shift = Shift::new(&system, 1.0);
            let matrix = shift.matrix().unwrap_or_default();
            let x = Key::new(3, Domain::Score).normals(LANES, dim);
            let block: Vec<_> = (0..dim).map(|i| std::array::from_fn(|lane| x[[lane, i]])).collect();
            let mut out = vec![[9.0; LANES]; dim];
            #[expect(clippy::type_complexity, reason = "a closure of a test")]
            let mut check = |expected: Array2<f64>, apply: &dyn Fn(&[[f64; LANES]], &mut [[f64; LANES]])| {
                apply(&block, &mut out);
                for ((lane, i), expected) in expected.indexed_iter() {
                    assert!((out[i][lane] - expected).abs() < 1e-14, "dim {dim}, speed {speed}");
                }
            };
            check(x.dot(&matrix.t()), &|x, out| shift.map_block(x, out));
            check(x.dot(&matrix), &|x, out| shift.adjoint_block(x, x, out));
        }
    }
}
