//! Small equations of every noise kind, for measuring the orders of integrators; exact solutions where there are any.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use scorecast_systems::{Calculus, LANES, Noise, Sde};

type Block = Vec<[f64; LANES]>;

/// A solution from the start and W(1).
type Exact = fn(&[f64], &[f64]) -> [f64; 2];

/// An equation in plain functions of one state: f(t, x, out) and g(t, x) dw -> out.
#[derive(Clone, Copy)]
pub struct Equation {
    pub dim: usize,
    pub noise: Noise,
    pub calculus: Calculus,
    pub autonomous: bool,
    pub f: fn(f64, &[f64], &mut [f64]),
    pub g: fn(f64, &[f64], &[f64], &mut [f64]),
    /// The solution at time 1 from the start and W(1).
    pub exact: Option<Exact>,
}

/// Every equation starts here.
pub const START: [f64; 2] = [0.8, -0.4];

fn lane(block: &[[f64; LANES]], lane: usize) -> [f64; 3] {
    std::array::from_fn(|i| block.get(i).map_or(0.0, |cell| cell[lane]))
}

impl Sde for Equation {
    fn dim(&self) -> usize {
        self.dim
    }

    fn noise(&self) -> Noise {
        self.noise
    }

    fn calculus(&self) -> Calculus {
        self.calculus
    }

    fn autonomous(&self) -> bool {
        self.autonomous
    }

    fn drift_block(&self, t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for l in 0..LANES {
            let mut y = [0.0; 2];
            (self.f)(t, &lane(x, l)[..self.dim], &mut y);
            out.iter_mut().zip(y).for_each(|(out, y)| out[l] = y);
        }
    }

    fn diffuse_block(&self, t: f64, x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for l in 0..LANES {
            let mut y = [0.0; 2];
            (self.g)(t, &lane(x, l)[..self.dim], &lane(dw, l)[..dw.len()], &mut y);
            out.iter_mut().zip(y).for_each(|(out, y)| out[l] = y);
        }
    }
}

impl Equation {
    pub fn start(&self) -> Block {
        START[..self.dim].iter().map(|x| [*x; LANES]).collect()
    }

    /// The exact solution at time 1, lane by lane.
    pub fn solution(&self, w: &[[f64; LANES]]) -> Option<Block> {
        let exact = self.exact?;
        let mut out = self.start();
        for l in 0..LANES {
            let y = exact(&START[..self.dim], &lane(w, l)[..w.len()]);
            out.iter_mut().zip(y).for_each(|(out, y)| out[l] = y);
        }
        Some(out)
    }

    const fn new(noise: Noise, calculus: Calculus) -> Self {
        Self { dim: 2, noise, calculus, autonomous: true, f: bent, g: |_, _, _, _| {}, exact: None }
    }
}

/// A drift with curvature in both components.
fn bent(_: f64, x: &[f64], out: &mut [f64]) {
    out[0] = x[0] - x[0].powi(3) + x[1];
    out[1] = (2.0 * x[0]).sin() - x[1];
}

pub const PLAIN: Equation = Equation::new(Noise::None, Calculus::Ito);

/// A rotation, on which a scheme of order p has exactly its error of order p + 1 in a step from p + 1 nodes in a row.
pub const ROTATION: Equation = Equation { f: |_, x, out| (out[0], out[1]) = (2.0 * x[1], -2.0 * x[0]), ..PLAIN };

pub const DRIVEN: Equation = Equation {
    autonomous: false,
    f: |t, x, out| {
        bent(t, x, out);
        out[0] += (3.0 * t).sin();
        out[1] += t * x[0];
    },
    ..PLAIN
};

pub const ADDITIVE: Equation = Equation {
    g: |_, _, dw, out| (out[0], out[1]) = (1.2 * dw[0], 0.9 * dw[1]),
    ..Equation::new(Noise::Additive, Calculus::Ito)
};

/// Three Brownian motions on two components; in Stratonovich form, which means the same.
pub const MATRIX: Equation = Equation {
    g: |_, _, dw, out| (out[0], out[1]) = (0.9 * dw[0] + 0.8 * dw[1], 0.3 * dw[1] - 0.9 * dw[2]),
    ..Equation::new(Noise::Constant(3), Calculus::Stratonovich)
};

/// Bounded derivatives and less noise, so that few paths tell the means apart.
pub const GENTLE: Equation = Equation {
    f: |_, x, out| (out[0], out[1]) = (2.0 * (x[1].sin() - x[0]), 2.0 * (x[0].cos() - x[1])),
    g: |_, _, dw, out| (out[0], out[1]) = (0.25 * dw[0], 0.2 * dw[1]),
    ..ADDITIVE
};

pub const GENTLE_MATRIX: Equation = Equation {
    f: GENTLE.f,
    g: |_, _, dw, out| (out[0], out[1]) = (0.3 * dw[0] + 0.3 * dw[1], 0.1 * dw[1] - 0.3 * dw[2]),
    ..MATRIX
};

/// Drift and additive noise that depend on time.
pub const ADDITIVE_IN_TIME: Equation = Equation {
    autonomous: false,
    f: DRIVEN.f,
    g: |t, _, dw, out| (out[0], out[1]) = ((1.2 + 0.5 * (2.0 * t).sin()) * dw[0], (0.5 + t) * dw[1]),
    ..ADDITIVE
};

/// x = Q sinh(v) with dv = a dt + B dW (Stratonovich) and Q a rotation: dx = Q s(v) (a dt + B o dW) with
/// s = cosh(v) = sqrt(1 + (Q^T x)^2). The columns of Q s B commute, and v is known from W alone.
const A: f64 = 0.3;
const TURN: [[f64; 2]; 2] = [[0.8, -0.6], [0.6, 0.8]];
const STILL: [[f64; 2]; 2] = [[1.0, 0.0], [0.0, 1.0]];
const DIAGONAL: [[f64; 2]; 2] = [[0.7, 0.0], [0.0, 0.5]];
const MIXED: [[f64; 2]; 2] = [[0.6, 0.3], [-0.2, 0.5]];
/// One Brownian motion.
const SINGLE: [[f64; 2]; 2] = [[0.6, 0.0], [0.4, 0.0]];

fn times(m: [[f64; 2]; 2], x: &[f64]) -> [f64; 2] {
    m.map(|row| row.iter().zip(x).map(|(m, x)| m * x).sum())
}

fn transposed(m: [[f64; 2]; 2]) -> [[f64; 2]; 2] {
    [[m[0][0], m[1][0]], [m[0][1], m[1][1]]]
}

/// In Ito form the drift has half of (B B^T)_ii sinh(v_i) besides.
fn sinh_f(q: [[f64; 2]; 2], b: [[f64; 2]; 2], calculus: Calculus, x: &[f64], out: &mut [f64]) {
    let u = times(transposed(q), x);
    let ito = if calculus == Calculus::Ito { 0.5 } else { 0.0 };
    let along = |i: usize| A * (1.0 + u[i] * u[i]).sqrt() + ito * (b[i][0].powi(2) + b[i][1].powi(2)) * u[i];
    out.copy_from_slice(&times(q, &[along(0), along(1)]));
}

fn sinh_g(q: [[f64; 2]; 2], b: [[f64; 2]; 2], x: &[f64], dw: &[f64], out: &mut [f64]) {
    let (u, dv) = (times(transposed(q), x), times(b, dw));
    out.copy_from_slice(&times(q, &std::array::from_fn::<_, 2, _>(|i| (1.0 + u[i] * u[i]).sqrt() * dv[i])));
}

fn sinh_exact(q: [[f64; 2]; 2], b: [[f64; 2]; 2], x: &[f64], w: &[f64]) -> [f64; 2] {
    let (u, v) = (times(transposed(q), x), times(b, w));
    times(q, &std::array::from_fn::<_, 2, _>(|i| (u[i].asinh() + A + v[i]).sinh()))
}

pub const DIAGONAL_ITO: Equation = Equation {
    f: |_, x, out| sinh_f(STILL, DIAGONAL, Calculus::Ito, x, out),
    g: |_, x, dw, out| sinh_g(STILL, DIAGONAL, x, dw, out),
    exact: Some(|x, w| sinh_exact(STILL, DIAGONAL, x, w)),
    ..Equation::new(Noise::Diagonal, Calculus::Ito)
};

pub const DIAGONAL_STRATONOVICH: Equation = Equation {
    calculus: Calculus::Stratonovich,
    f: |_, x, out| sinh_f(STILL, DIAGONAL, Calculus::Stratonovich, x, out),
    ..DIAGONAL_ITO
};

pub const COMMUTATIVE_ITO: Equation = Equation {
    f: |_, x, out| sinh_f(TURN, MIXED, Calculus::Ito, x, out),
    g: |_, x, dw, out| sinh_g(TURN, MIXED, x, dw, out),
    exact: Some(|x, w| sinh_exact(TURN, MIXED, x, w)),
    ..Equation::new(Noise::Commutative(2), Calculus::Ito)
};

pub const COMMUTATIVE_STRATONOVICH: Equation = Equation {
    calculus: Calculus::Stratonovich,
    f: |_, x, out| sinh_f(TURN, MIXED, Calculus::Stratonovich, x, out),
    ..COMMUTATIVE_ITO
};

pub const SINGLE_ITO: Equation = Equation {
    f: |_, x, out| sinh_f(TURN, SINGLE, Calculus::Ito, x, out),
    g: |_, x, dw, out| sinh_g(TURN, SINGLE, x, dw, out),
    exact: Some(|x, w| sinh_exact(TURN, SINGLE, x, w)),
    ..Equation::new(Noise::Commutative(1), Calculus::Ito)
};

/// Geometric Brownian motion, dx = a x dt + b x dW: x exp((a - b^2 / 2) t + b W), without the b^2 / 2 in Stratonovich
/// form.
pub const GEOMETRIC_ITO: Equation = Equation {
    dim: 1,
    f: |_, x, out| out[0] = 0.5 * x[0],
    g: |_, x, dw, out| out[0] = 0.6 * x[0] * dw[0],
    exact: Some(|x, w| [x[0] * (0.5 - 0.18 + 0.6 * w[0]).exp(), 0.0]),
    ..Equation::new(Noise::Diagonal, Calculus::Ito)
};

pub const GEOMETRIC_STRATONOVICH: Equation = Equation {
    calculus: Calculus::Stratonovich,
    exact: Some(|x, w| [x[0] * (0.5 + 0.6 * w[0]).exp(), 0.0]),
    ..GEOMETRIC_ITO
};

/// dx = -x dt + B_1 x dW_1 + B_2 x dW_2 with B_1 B_2 != B_2 B_1.
pub const GENERAL_ITO: Equation = Equation {
    f: |_, x, out| (out[0], out[1]) = (-x[0], -x[1]),
    g: |_, x, dw, out| {
        (out[0], out[1]) = (0.8 * x[1] * dw[0] + 0.5 * x[0] * dw[1], -0.3 * x[0] * dw[0] - 0.7 * x[1] * dw[1]);
    },
    ..Equation::new(Noise::General(2), Calculus::Ito)
};

pub const GENERAL_STRATONOVICH: Equation = Equation { calculus: Calculus::Stratonovich, ..GENERAL_ITO };

/// Every equation with its noise, for tables that ask all of them.
pub const EQUATIONS: &[(&str, Equation)] = &[
    ("no", PLAIN),
    ("no, time-dependent", DRIVEN),
    ("additive", ADDITIVE),
    ("constant matrix", MATRIX),
    ("diagonal Ito", DIAGONAL_ITO),
    ("diagonal Stratonovich", DIAGONAL_STRATONOVICH),
    ("commutative Ito", COMMUTATIVE_ITO),
    ("commutative Stratonovich", COMMUTATIVE_STRATONOVICH),
    ("single Ito", SINGLE_ITO),
    ("general Ito", GENERAL_ITO),
    ("general Stratonovich", GENERAL_STRATONOVICH),
];
