//! The cost of 4D-Var, its gradient by the adjoint, and its minimum.
//!
//! J(v) = |v|^2 / 2 + |y - h(M(x_b + L v))|^2_{R^-1} / 2 with L = B^1/2. With the residual d = y - h at v and
//! G = H M' L there, J' = v - G^T R^-1 d, and the step s of an outer loop solves (I + G^T R^-1 G) s = -J'. A half, a
//! quarter, ... of it is gone where J would rise.
//!
//! At the background the tangents of all components are known, because the covariance of the forecast takes them; so the
//! Hessian there is at hand whole, and its inverse gives the first step. The others are solved by conjugate gradients, a
//! tangent and an adjoint run each, which that inverse preconditions: on Lorenz-96 of 40 components observed at each lead
//! step, 2 of them a loop in place of 6.5.

use ndarray::{Array1, Array2, Axis};

use super::trajectory::{Dynamics, Trajectory};
use crate::linalg::Cholesky;
use crate::method::line_search::{Point, search};
use crate::observe::Present;
use crate::problem::{Result, Seen};

/// The relative residual at which conjugate gradients end; the outer loops repair what is left.
const INNER: f64 = 1e-2;

/// The minimisation of one analysis.
pub(super) struct Cost<'a, 's> {
    pub dynamics: &'a Dynamics<'a>,
    pub seen: &'a Seen<'s>,
    /// The lead steps of the start and of the observations.
    pub from: usize,
    pub to: usize,
    /// x_b, `[component]`.
    pub background: &'a Array1<f64>,
    /// L, symmetric.
    pub root: &'a Array2<f64>,
}

/// J and its linearization at one v.
pub(super) struct Linearized {
    pub value: f64,
    pub trajectory: Trajectory,
    /// y - h, `[present]`.
    residual: Array1<f64>,
    /// R.
    pub present: Present,
}

/// Where the outer loops ended.
pub(super) struct Minimum {
    pub v: Array1<f64>,
    pub here: Linearized,
    /// Outer loops.
    pub steps: usize,
    /// Products with the Hessian, in all.
    pub products: usize,
}

/// The inverse of a Gauss-Newton Hessian, (I + Z Z^T)^-1 = T^T T, T lower triangular.
pub(super) struct Inverse(Array2<f64>);

impl Inverse {
    /// Of Z = G^T R^-1/2, `[component, present]`.
    fn new(z: &Array2<f64>) -> Result<Self> {
        let mut s = z.dot(&z.t());
        s.diag_mut().iter_mut().for_each(|value| *value += 1.0);
        let mut t = Array2::eye(s.nrows());
        Cholesky::new(s.view())?.half_solve_in_place(&mut t);
        Ok(Self(t))
    }

    fn apply(&self, b: &Array1<f64>) -> Array1<f64> {
        self.0.dot(b).dot(&self.0)
    }

    /// T X: with X = L, or what the tangents make of it (`[component, component]`, one row a column of L), a root of the
    /// posterior covariance there, X^T T^T T X.
    pub fn root(&self, x: &Array2<f64>) -> Array2<f64> {
        self.0.dot(x)
    }
}

impl Point for Linearized {
    fn cost(&self) -> f64 {
        self.value
    }
}

impl Cost<'_, '_> {
    /// The state at the start.
    pub fn state(&self, v: &Array1<f64>) -> Array1<f64> {
        self.background + &self.root.dot(v)
    }

    /// J at `v`.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    pub fn at(&self, v: &Array1<f64>) -> Result<Linearized> {
        self.along(v, self.dynamics.trajectory(self.from, self.to, self.state(v))?)
    }

    /// The same along the trajectory from there.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn along(&self, v: &Array1<f64>, trajectory: Trajectory) -> Result<Linearized> {
        let present = self.seen.restrict(trajectory.last().insert_axis(Axis(0)))?;
        let residual = &present.values - &present.predicted.row(0);
        Ok(Linearized { value: 0.5 * (v.dot(v) + present.misfit(&residual)), trajectory, residual, present })
    }

    /// G^T R^-1 d for a residual `d` (`[present]`).
    fn pull(&self, here: &Linearized, d: &Array1<f64>) -> Result<Array1<f64>> {
        let covector = self.seen.vjp(here.trajectory.last(), &here.present.precision_times(d));
        Ok(self.root.dot(&self.dynamics.backward(&here.trajectory, covector)?))
    }

    /// -J'.
    ///
    /// # Errors
    /// When the forecaster has no adjoint or cannot run.
    pub fn downhill(&self, here: &Linearized, v: &Array1<f64>) -> Result<Array1<f64>> {
        Ok(self.pull(here, &here.residual)? - v)
    }

    /// The inverse of the Hessian at `here`, from what its tangents make of L at the end (`[component, component]`, one row
    /// a column of L).
    ///
    /// # Errors
    /// When a number is not finite.
    pub fn inverse(&self, here: &Linearized, images: &Array2<f64>) -> Result<Inverse> {
        let mut z = self.seen.jvp(here.trajectory.last(), images.view());
        here.present.standardise_rows(&mut z);
        Inverse::new(&z)
    }

    /// (I + G^T R^-1 G) u.
    fn product(&self, here: &Linearized, u: &Array1<f64>) -> Result<Array1<f64>> {
        let start = self.root.dot(u).insert_axis(Axis(0));
        let end = self.dynamics.forward(&here.trajectory, self.from, self.to, start)?;
        let image = self.seen.jvp(here.trajectory.last(), end.view()).remove_axis(Axis(0));
        Ok(self.pull(here, &image)? + u)
    }

    /// The solution of (I + G^T R^-1 G) s = b by preconditioned conjugate gradients (Hestenes and Stiefel 1952; Concus, Golub
    /// and O'Leary 1976), and the products.
    fn solve(&self, here: &Linearized, b: &Array1<f64>, near: &Inverse) -> Result<(Array1<f64>, usize)> {
        let mut s = Array1::zeros(b.len());
        let mut residual = b.clone();
        let mut direction = near.apply(b);
        let mut square = b.dot(&direction);
        let goal = INNER * INNER * square;
        let mut products = 0;
        while square > goal && products < 2 * b.len() {
            let image = self.product(here, &direction)?;
            products += 1;
            let length = square / direction.dot(&image);
            s.scaled_add(length, &direction);
            residual.scaled_add(-length, &image);
            let next = near.apply(&residual);
            let before = std::mem::replace(&mut square, residual.dot(&next));
            direction *= square / before;
            direction += &next;
        }
        Ok((s, products))
    }

    /// The minimum that outer loops from `here`, at v = 0 where the Hessian has the inverse `first`, come to: until a step
    /// is shorter than `tolerance` times 1 + |v|.
    ///
    /// # Errors
    /// When the forecaster has no adjoint or cannot run.
    pub fn minimise(&self, here: Linearized, first: &Inverse, iterations: usize, tolerance: f64) -> Result<Minimum> {
        let v = Array1::zeros(self.background.len());
        let mut at = Minimum { v, here, steps: 0, products: 0 };
        while at.steps < iterations {
            let downhill = self.downhill(&at.here, &at.v)?;
            let (mut step, products) = match at.steps {
                0 => (first.apply(&downhill), 0),
                _ => self.solve(&at.here, &downhill, first)?,
            };
            at.products += products;
            let fall = downhill.dot(&step);
            let (next, share) = search(at.here.value, fall, |share| self.at(&(&at.v + &(share * &step))))?;
            step *= share;
            at.v += &step;
            at.here = next;
            at.steps += 1;
            if step.dot(&step).sqrt() <= tolerance * (1.0 + at.v.dot(&at.v).sqrt()) {
                break;
            }
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ndarray::array;
    use scorecast_systems::catalogue::build;
    use scorecast_systems::{Domain, Key, Stepping, Value};

    use super::*;
    use crate::observe::{Arctan, GaussianError, NoiseLaw, Pointwise, Stride};

    #[test]
    fn the_gradient_is_that_of_central_differences_and_is_zero_at_the_minimum() {
        let given = BTreeMap::from([("noise".to_owned(), Value::Float(0.0)), ("dim".to_owned(), Value::Int(8))]);
        let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
        let model = build("lorenz96", &given).unwrap().forecaster(&stepping).unwrap();
        let key = Key::new(3, Domain::Method);
        let error = |dim| Ok(Box::new(GaussianError::new(&[0.05, 0.08, 0.1, 0.05], dim)?) as Box<dyn NoiseLaw>);
        let operator = Pointwise::new(Arctan, Stride::new(8, 2, 0, &error).unwrap());
        let values = array![0.8, f64::NAN, -0.4, 1.1];
        let seen = Seen { step: 6, time: 0.0, values: values.view(), operator: &operator };
        let background = key.normals(1, 8).remove_axis(Axis(0)) + 1.0;
        let dynamics = Dynamics::new(&*model, 2, background.view(), key).unwrap();
        let x = key.at(1).normals(20, 8);
        let root = crate::linalg::symmetric_sqrt((x.t().dot(&x) / 20.0).view()).unwrap();
        let cost = Cost { dynamics: &dynamics, seen: &seen, from: 2, to: 6, background: &background, root: &root };
        let gradient = |v: &Array1<f64>| cost.downhill(&cost.at(v).unwrap(), v).unwrap();
        for seed in 0..3 {
            let v = key.at(seed).normals(1, 8).remove_axis(Axis(0));
            let found = gradient(&v);
            for i in 0..8 {
                let mut step = Array1::zeros(8);
                step[i] = 1e-5;
                let slope = (cost.at(&(&v - &step)).unwrap().value - cost.at(&(&v + &step)).unwrap().value) / 2e-5;
                assert!((found[i] - slope).abs() < 1e-6 * (1.0 + slope.abs()), "{} and {slope}", found[i]);
            }
        }
        let start = cost.at(&Array1::zeros(8)).unwrap();
        let first = start.value;
        let images = dynamics.forward(&start.trajectory, 2, 6, root.clone()).unwrap();
        let inverse = cost.inverse(&start, &images).unwrap();
        // the tangents of all components give the products that one tangent and one adjoint give
        let u = key.at(4).normals(1, 8).remove_axis(Axis(0));
        let back = inverse.apply(&cost.product(&start, &u).unwrap());
        assert!((back - &u).iter().all(|e| e.abs() < 1e-10));
        let found = cost.minimise(start, &inverse, 200, 1e-10).unwrap();
        assert!(gradient(&found.v).iter().all(|g| g.abs() < 1e-6) && found.here.value < first);
        // and a minimum, not a saddle
        for seed in 0..50 {
            let around = &found.v + &(key.at(9).case(seed).normals(1, 8).remove_axis(Axis(0)) * 0.02);
            assert!(cost.at(&around).unwrap().value > found.here.value);
        }
    }
}
