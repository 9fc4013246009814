//! The Ikeda map: light in a ring cavity after each turn. With t = 0.4 - 6 / (1 + x^2 + y^2),
//! x' = 1 + u (x cos t - y sin t), y' = u (x sin t + y cos t), each with noise s xi. State: x, y.
//!
//! A discrete map: a lead step is one iteration and takes one unit of time. Areas shrink by u^2 everywhere. At u = 0.9 a
//! stable fixed point near (2.97, 4.15) lies beside the chaotic attractor; starts near 0 reach the attractor.

use std::sync::Arc;

use ndarray::Array2;

use super::DefaultStepping;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::lanes::LANES;
use crate::law::Forecaster;
use crate::map::{Map, MapForecaster};
use crate::registry::{Entry, Param, Settings};
use crate::stepping::Stepping;
use crate::system::System;

const U: Param = Param::share("u", 0.9, "what a turn leaves of the amplitude; chaotic from about 0.6 on");
const NOISE: Param = Param::at_least("noise", 0.0, 0.0, "sd of the additive noise an iteration");

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "ikeda",
    about: "a chaotic map of the plane, with additive noise",
    reference: "Ikeda (1979), doi:10.1016/0030-4018(79)90090-7; Hammel, Jones and Moloney (1985)",
    params: &[U, NOISE],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(Ikeda::new(settings))),
        dt: 1.0,
        substeps: 1,
        integrator: "rk4",
        spin_up: 200,
    },
};

/// The map of Ikeda (1979).
#[derive(Clone, Debug)]
pub struct Ikeda {
    u: f64,
    noise: f64,
}

/// What the map and its derivative share, in one lane: the turned point u R(t) (x, y), and dt/dx, dt/dy.
struct Turn {
    cosine: f64,
    sine: f64,
    x: f64,
    y: f64,
    slope: [f64; 2],
}

impl Ikeda {
    /// From checked settings, as in the catalogue.
    pub fn new(settings: &Settings) -> Self {
        Self { u: settings.number(U.key), noise: settings.number(NOISE.key) }
    }

    #[inline(always)]
    fn turn(&self, x: f64, y: f64) -> Turn {
        let size = 1.0 + x * x + y * y;
        let (sine, cosine) = (0.4 - 6.0 / size).sin_cos();
        let (cosine, sine) = (self.u * cosine, self.u * sine);
        let slope = 12.0 / (size * size);
        Turn { cosine, sine, x: x * cosine - y * sine, y: x * sine + y * cosine, slope: [slope * x, slope * y] }
    }
}

impl Map for Ikeda {
    fn dim(&self) -> usize {
        2
    }

    fn map_block(&self, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for lane in 0..LANES {
            let turn = self.turn(x[0][lane], x[1][lane]);
            (out[0][lane], out[1][lane]) = (1.0 + turn.x, turn.y);
        }
    }

    fn tangent_block(&self, x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for lane in 0..LANES {
            let (turn, dx, dy) = (self.turn(x[0][lane], x[1][lane]), dx[0][lane], dx[1][lane]);
            let angle = turn.slope[0] * dx + turn.slope[1] * dy;
            out[0][lane] = turn.cosine * dx - turn.sine * dy - turn.y * angle;
            out[1][lane] = turn.sine * dx + turn.cosine * dy + turn.x * angle;
        }
    }

    fn adjoint_block(&self, x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for lane in 0..LANES {
            let (turn, vx, vy) = (self.turn(x[0][lane], x[1][lane]), v[0][lane], v[1][lane]);
            let angle = turn.x * vy - turn.y * vx;
            out[0][lane] = turn.cosine * vx + turn.sine * vy + turn.slope[0] * angle;
            out[1][lane] = -turn.sine * vx + turn.cosine * vy + turn.slope[1] * angle;
        }
    }
}

impl System for Ikeda {
    fn dim(&self) -> usize {
        2
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// The origin with a perturbation of sd 0.1.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        key.purpose(Purpose::InitialState).normals(members, 2) * 0.1
    }

    /// The map itself; the integrator is not used.
    fn forecaster(self: Arc<Self>, stepping: &Stepping) -> Result<Box<dyn Forecaster>> {
        stepping.check()?;
        let Stepping { dt, substeps, .. } = *stepping;
        if dt != 1.0 || substeps != 1 {
            let problem = format!("`ikeda` is a map: a lead step is one iteration, not {dt} in {substeps} substeps");
            return Err(Error::Unsupported(problem + "; set dt = 1 and substeps = 1"));
        }
        let noise = self.noise;
        Ok(Box::new(MapForecaster::new(Self::clone(&self), noise)))
    }
}
