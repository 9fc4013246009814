//! The pair of orders 5 and 4 of Tsitouras (2011) for equations without noise, with steps that adapt to a tolerance.
//!
//! Each lane takes its own steps h and reaches t + dt by itself, so that no member depends on its neighbours; the lanes
//! of a block only share the evaluations of the drift, and a block costs what its slowest lane costs. A step is accepted
//! when e = |y_5 - y_4| <= 1 in the root mean square over components with scale atol + rtol max(|x|, |y_5|); then
//! h <- h min(5, max(1/5, 0.9 e^{-1/5})). The first step is that of Hairer, Norsett and Wanner (1993, II.4). Since e is
//! about h^5, the error of the state is proportional to the tolerance, and the cost to its power -1/5.

use std::sync::Arc;

use super::cells::Cells;
use super::runge_kutta::Tableau;
use super::{BuildIntegrator, Integrator, Lanes, Workspace, refuse, unsupported};
use crate::increment::Increment;
use crate::lanes::LANES;
use crate::registry::Entry;
use crate::sde::{Noise, Sde};

pub(super) const ENTRY: Entry<BuildIntegrator> = Entry {
    name: "tsit5",
    about: "Tsitouras 5(4) with adaptive steps (relative and absolute tolerance 1e-8), for equations without noise; each \
            member has its own steps",
    reference: "Tsitouras (2011), doi:10.1016/j.camwa.2011.06.002",
    params: &[],
    build: |sde, dt| match (sde.noise(), sde.autonomous()) {
        (Noise::None, true) => Ok(Box::new(Tsit5::new(sde, dt, RTOL, ATOL))),
        (Noise::None, false) => Err(unsupported("tsit5", "coefficients that depend on time", "rk4")),
        _ => Err(refuse("tsit5", &*sde)),
    },
};

/// The relative tolerance of the registry's entry.
pub const RTOL: f64 = 1e-8;

/// The absolute tolerance of the registry's entry.
pub const ATOL: f64 = 1e-8;

/// Attempts after which a lane is given up as diverged: the equation is stiff, or the tolerance below rounding.
const ATTEMPTS: usize = 100_000;

/// The smallest step, as a fraction of dt.
const SMALLEST: f64 = 1e-14;

/// The coefficients of order 5. The last stage is the end of the step, and its slope the first of the next.
pub const TSITOURAS: Tableau = Tableau {
    a: &[
        &[],
        &[0.161],
        &[-0.008480655492356989, 0.335480655492357],
        &[2.8971530571054935, -6.359448489975075, 4.3622954328695815],
        &[5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525],
        &[5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383],
        &B,
    ],
    b: &[B[0], B[1], B[2], B[3], B[4], B[5], 0.0],
    c: &[0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0],
    stage_noise: &[],
    noise: &[],
};

const B: [f64; 6] =
    [0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774];

/// The weights of order 5 minus those of order 4.
pub const TSITOURAS_ERROR: [f64; 7] = [
    -0.001780011052225777,
    -0.0008164344596567469,
    0.007880878010261995,
    -0.1447110071732629,
    0.5823571654525552,
    -0.45808210592918697,
    1.0 / 66.0,
];

/// Tsitouras 5(4) with adaptive steps.
pub struct Tsit5 {
    sde: Arc<dyn Sde>,
    dt: f64,
    rtol: f64,
    atol: f64,
}

/// Where the lanes of a block are.
struct Clock {
    /// The time that is left, 0 for lanes that are done.
    left: Lanes,
    /// The steps that are tried next, 0 for lanes that are done.
    h: Lanes,
    /// The largest factor by which a step may grow: 1 after a rejection.
    growth: Lanes,
}

impl Tsit5 {
    /// Lead steps of `dt` of an equation that is autonomous and without noise, with a relative and an absolute tolerance.
    pub fn new(sde: Arc<dyn Sde>, dt: f64, rtol: f64, atol: f64) -> Self {
        Self { sde, dt, rtol, atol }
    }

    /// The root mean square over components of value / (atol + rtol max(|x|, |y|)), lane by lane.
    fn norm(&self, x: &[Lanes], y: &[Lanes], value: impl Fn(usize, usize) -> f64) -> Lanes {
        let (mut sum, n) = ([0.0; LANES], self.sde.controlled());
        for (i, (x, y)) in x.iter().zip(y).enumerate().take(n) {
            for lane in 0..LANES {
                let scale = self.atol + self.rtol * x[lane].abs().max(y[lane].abs());
                sum[lane] += (value(i, lane) / scale).powi(2);
            }
        }
        sum.map(|sum| (sum / n as f64).sqrt())
    }

    /// The steps to try first: a hundredth of |x| / |f|, and at most what the change of f over it allows; 0 where there is
    /// none because the state or its slope is not finite. `slopes[0]` is f(x).
    fn first_steps(&self, t: f64, x: &[Lanes], stage: &mut [Lanes], slopes: &mut [Cells]) -> Lanes {
        let (slope, ahead) = slopes.split_at_mut(1);
        let size = self.norm(x, x, |i, lane| x[i][lane]);
        let speed = self.norm(x, x, |i, lane| slope[0][i][lane]);
        let short: Lanes = std::array::from_fn(|lane| {
            let short = if size[lane] < 1e-5 || speed[lane] < 1e-5 { 1e-6 } else { 0.01 * size[lane] / speed[lane] };
            short.min(self.dt)
        });
        advance(stage, x, &short, &[1.0], slope);
        self.sde.drift_block(t, stage, &mut ahead[0]);
        let turn = self.norm(x, x, |i, lane| (ahead[0][i][lane] - slope[0][i][lane]) / short[lane]);
        std::array::from_fn(|lane| {
            let most = speed[lane].max(turn[lane]);
            let long = if most <= 1e-15 { (1e-3 * short[lane]).max(1e-6) } else { (0.01 / most).powf(0.2) };
            let finite = size[lane].is_finite() && speed[lane].is_finite();
            if finite { long.min(100.0 * short[lane]).min(self.dt) } else { 0.0 }
        })
    }

    /// Judges an attempt: which lanes accept it, and what they try next.
    fn judge(&self, clock: &mut Clock, error: &Lanes) -> [bool; LANES] {
        std::array::from_fn(|lane| {
            let (left, h, growth) = (&mut clock.left[lane], &mut clock.h[lane], &mut clock.growth[lane]);
            let accepted = *h > 0.0 && error[lane] <= 1.0;
            if accepted {
                *left = if *h >= *left { 0.0 } else { *left - *h };
            }
            let factor = if error[lane].is_finite() { 0.9 * error[lane].powf(-0.2) } else { 0.0 };
            *h = (*h * factor.clamp(0.2, *growth)).min(*left);
            *growth = if accepted { 5.0 } else { 1.0 };
            accepted
        })
    }
}

impl Clock {
    fn running(&self) -> bool {
        self.left.iter().any(|left| *left > 0.0)
    }

    /// Gives up the lanes for which `lost` holds: their states become NaN.
    fn give_up(&mut self, x: &mut [Lanes], lost: impl Fn(&Self, usize) -> bool) {
        for lane in 0..LANES {
            if self.left[lane] > 0.0 && lost(self, lane) {
                x.iter_mut().for_each(|cell| cell[lane] = f64::NAN);
                (self.left[lane], self.h[lane]) = (0.0, 0.0);
            }
        }
    }
}

impl Integrator for Tsit5 {
    fn arrays(&self) -> usize {
        8
    }

    fn step_block(&self, t: f64, x: &mut [Lanes], _: &Increment, work: &mut Workspace) {
        let Some((next, slopes)) = work.all().split_first_mut() else { return };
        self.sde.drift_block(t, x, &mut slopes[0]);
        let h = self.first_steps(t, x, next, slopes);
        let mut clock = Clock { left: [self.dt; LANES], h, growth: [5.0; LANES] };
        clock.give_up(x, |clock, lane| clock.h[lane] == 0.0);
        for _ in 0..ATTEMPTS {
            if !clock.running() {
                return;
            }
            for stage in 1..TSITOURAS.b.len() {
                advance(next, x, &clock.h, TSITOURAS.a[stage], slopes);
                self.sde.drift_block(t, next, &mut slopes[stage]);
            }
            let h = clock.h;
            let estimate = |i: usize, lane: usize| {
                h[lane] * TSITOURAS_ERROR.iter().zip(&*slopes).map(|(weight, k)| weight * k[i][lane]).sum::<f64>()
            };
            let error = self.norm(x, next, estimate);
            let accepted = self.judge(&mut clock, &error);
            let (first, last) = slopes.split_at_mut(TSITOURAS.b.len() - 1);
            accept(&accepted, x, next);
            accept(&accepted, &mut first[0], &last[0]);
            clock.give_up(x, |clock, lane| clock.h[lane] < SMALLEST * self.dt && clock.h[lane] < clock.left[lane]);
        }
        clock.give_up(x, |_, _| true);
    }
}

/// out = x + h sum_j a_j k_j, with a step for each lane.
#[inline]
fn advance(out: &mut [Lanes], x: &[Lanes], h: &Lanes, a: &[f64], k: &[Cells]) {
    for (i, (out, x)) in out.iter_mut().zip(x).enumerate() {
        let mut sum = [0.0; LANES];
        for (a, k) in a.iter().zip(k) {
            (0..LANES).for_each(|lane| sum[lane] += a * k[i][lane]);
        }
        (0..LANES).for_each(|lane| out[lane] = x[lane] + h[lane] * sum[lane]);
    }
}

/// x = y in the lanes that accept.
#[inline]
fn accept(accepted: &[bool; LANES], x: &mut [Lanes], y: &[Lanes]) {
    for (x, y) in x.iter_mut().zip(y) {
        (0..LANES).for_each(|lane| x[lane] = if accepted[lane] { y[lane] } else { x[lane] });
    }
}
