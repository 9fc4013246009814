//! The cost of 4D-Var, its gradient by the adjoint, and its minimum.
//!
//! J(v) = |v|^2 / 2 + sum_i |y_i - h(M_i(x_b + L v))|^2_{R^-1} / 2 with L = B^1/2, over the sets i that are used together,
//! M_i to the time of each. With the residuals d_i = y_i - h at v and G_i = H M_i' L there, J' = v - sum_i G_i^T R^-1 d_i (one
//! adjoint run, which takes in each set on its way back), and the step s of an outer loop solves
//! (I + sum_i G_i^T R^-1 G_i) s = -J'. A half, a quarter, ... of it is gone where J would rise.
//!
//! At the background the tangents of all components are known, because the covariance of the forecast takes them; so the
//! Hessian there is at hand whole, and its inverse gives the first step. The others are solved by conjugate gradients, a
//! tangent and an adjoint run each, which that inverse preconditions: on Lorenz-96 of 40 components observed at each lead
//! step, 2 of them a loop in place of 6.5.

use ndarray::{Array1, Array2, Axis};

use super::trajectory::{Dynamics, Trajectory};
use crate::error::Result;
use crate::linalg::Cholesky;
use crate::method::variational::line_search::{Point, search};
use crate::observations::ObservationSet;
use crate::observations::Present;

/// The relative residual at which conjugate gradients end; the outer loops repair what is left.
const INNER: f64 = 1e-2;

/// One set of observations, the leg of the window that ends at it, and the lead step there.
pub(super) struct Term<'s> {
    pub leg: usize,
    pub at: usize,
    pub observed: ObservationSet<'s>,
}

/// The minimisation of one analysis.
pub(super) struct Cost<'a, 's> {
    pub dynamics: &'a Dynamics<'a>,
    /// The sets that are used, in order, at least one.
    pub terms: &'a [Term<'s>],
    /// The lead steps of the start and of the end of the window.
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
    /// y - h (`[present]`) and R of each term.
    residuals: Vec<(Array1<f64>, Present)>,
}

impl Linearized {
    /// Whether the trajectory and what it predicts of each term are finite.
    pub fn is_finite(&self) -> bool {
        self.trajectory.is_finite() && self.residuals.iter().all(|(d, _)| d.iter().all(|value| value.is_finite()))
    }
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
    /// Of Z Z^T (`[component, component]`), Z = G^T R^-1/2 of all terms side by side.
    fn new(mut s: Array2<f64>) -> Result<Self> {
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

    /// The cost along the trajectory from there.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn along(&self, v: &Array1<f64>, trajectory: Trajectory) -> Result<Linearized> {
        let mut value = v.dot(v);
        let mut residuals = Vec::with_capacity(self.terms.len());
        for term in self.terms {
            let present = term.observed.restrict(trajectory.at(term.at).insert_axis(Axis(0)))?;
            let residual = &present.values - &present.predicted.row(0);
            value += present.misfit(&residual);
            residuals.push((residual, present));
        }
        Ok(Linearized { value: 0.5 * value, trajectory, residuals })
    }

    /// sum_i G_i^T R^-1 d_i for one d_i (`[present]`) a term, by one adjoint run.
    fn pull<'d>(&self, here: &Linearized, d: impl DoubleEndedIterator<Item = &'d Array1<f64>>) -> Result<Array1<f64>> {
        let mut carried: Option<(usize, Array1<f64>)> = None;
        for ((term, (_, present)), d) in self.terms.iter().zip(&here.residuals).rev().zip(d.rev()) {
            let mut covector = term.observed.vjp(here.trajectory.at(term.at), &present.precision_times(d));
            if let Some((at, later)) = carried {
                covector += &self.dynamics.backward(&here.trajectory, term.at, at, later)?;
            }
            carried = Some((term.at, covector));
        }
        match carried {
            Some((at, covector)) => {
                Ok(self.root.dot(&self.dynamics.backward(&here.trajectory, self.from, at, covector)?))
            }
            None => Ok(Array1::zeros(self.background.len())),
        }
    }

    /// -J'.
    ///
    /// # Errors
    /// When the forecaster has no adjoint or cannot run.
    pub fn downhill(&self, here: &Linearized, v: &Array1<f64>) -> Result<Array1<f64>> {
        Ok(self.pull(here, here.residuals.iter().map(|(d, _)| d))? - v)
    }

    /// The inverse of the Hessian at `here`, from what its tangents make of L at each term (`[component, component]`, one row
    /// a column of L).
    ///
    /// # Errors
    /// When a number is not finite.
    pub fn inverse<'i>(&self, here: &Linearized, images: impl IntoIterator<Item = &'i Array2<f64>>) -> Result<Inverse> {
        let mut squares: Option<Array2<f64>> = None;
        for ((term, (_, present)), images) in self.terms.iter().zip(&here.residuals).zip(images) {
            let mut z = term.observed.jvp(here.trajectory.at(term.at), images.view());
            present.standardise_rows(&mut z);
            let square = z.dot(&z.t());
            squares = Some(match squares {
                Some(sum) => sum + square,
                None => square,
            });
        }
        let dim = self.background.len();
        Inverse::new(squares.unwrap_or_else(|| Array2::zeros((dim, dim))))
    }

    /// (I + sum_i G_i^T R^-1 G_i) u.
    fn product(&self, here: &Linearized, u: &Array1<f64>) -> Result<Array1<f64>> {
        let mut x = self.root.dot(u).insert_axis(Axis(0));
        let mut at = self.from;
        let mut images = Vec::with_capacity(self.terms.len());
        for term in self.terms {
            x = self.dynamics.forward(&here.trajectory, at, term.at, x)?;
            at = term.at;
            images.push(term.observed.jvp(here.trajectory.at(at), x.view()).remove_axis(Axis(0)));
        }
        Ok(self.pull(here, images.iter())? + u)
    }

    /// The solution s of (I + sum_i G_i^T R^-1 G_i) s = b by preconditioned conjugate gradients (Hestenes and Stiefel 1952;
    /// Concus, Golub and O'Leary 1976), and the products.
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
    use crate::observe::{Arctan, GaussianError, NoiseLaw, ObservationOperator, Pointwise, Stride};

    #[test]
    fn the_gradient_is_that_of_central_differences_and_is_zero_at_the_minimum() {
        let given = BTreeMap::from([("noise".to_owned(), Value::Float(0.0)), ("dim".to_owned(), Value::Int(8))]);
        let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
        let model = build("lorenz96", &given).unwrap().forecaster(&stepping).unwrap();
        let key = Key::new(3, Domain::Method);
        let error = |dim| Ok(Box::new(GaussianError::new(&[0.05, 0.08, 0.1, 0.05], dim)?) as Box<dyn NoiseLaw>);
        let operator = Pointwise::new(Arctan, Stride::new(8, 2, 0, &error).unwrap());
        let values = array![0.8, f64::NAN, -0.4, 1.1];
        let observed = ObservationSet { step: 6, time: 0.0, values: values.view(), operator: &operator };
        let background = key.normals(1, 8).remove_axis(Axis(0)) + 1.0;
        let dynamics = Dynamics::new(&*model, 2, background.view(), key).unwrap();
        let x = key.at(1).normals(20, 8);
        let root = crate::linalg::symmetric_sqrt((x.t().dot(&x) / 20.0).view()).unwrap();
        // sets that are used together, near what one state gives, the last of them before the end of the window
        let hidden =
            dynamics.trajectory(2, 6, &background + &root.dot(&(key.at(7).normals(1, 8).row(0).to_owned() * 0.3)));
        let hidden = hidden.unwrap();
        let near = |at: usize| operator.apply(0.0, hidden.at(at).insert_axis(Axis(0))).row(0).to_owned() + 0.02;
        let mut ys = [near(3), near(4), near(5)];
        ys[1][2] = f64::NAN;
        let set = |at: usize| Term {
            leg: at - 3,
            at,
            observed: ObservationSet { step: at, values: ys[at - 3].view(), ..observed },
        };
        let one = [Term { leg: 0, at: 6, observed }];
        let three = [set(3), set(4), set(5)];
        check(&one, &dynamics, &background, &root, key);
        check(&three, &dynamics, &background, &root, key);
    }

    /// Of a window from lead step 2 to 6.
    fn check(terms: &[Term], dynamics: &Dynamics, background: &Array1<f64>, root: &Array2<f64>, key: Key) {
        let cost = Cost { dynamics, terms, from: 2, to: 6, background, root };
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
        let carried = |term: &Term| dynamics.forward(&start.trajectory, 2, term.at, root.clone()).unwrap();
        let images: Vec<_> = terms.iter().map(carried).collect();
        let inverse = cost.inverse(&start, &images).unwrap();
        // the tangents of all components give the products that one tangent and one adjoint give
        let u = key.at(4).normals(1, 8).remove_axis(Axis(0));
        let back = inverse.apply(&cost.product(&start, &u).unwrap());
        assert!((back - &u).iter().all(|e| e.abs() < 1e-10));
        let found = cost.minimise(start, &inverse, 200, 1e-10).unwrap();
        let slope = gradient(&found.v);
        assert!(slope.iter().all(|g| g.abs() < 1e-6) && found.here.value < first, "{slope}");
        // and a minimum, not a saddle
        for seed in 0..50 {
            let around = &found.v + &(key.at(9).case(seed).normals(1, 8).remove_axis(Axis(0)) * 0.02);
            assert!(cost.at(&around).unwrap().value > found.here.value);
        }
    }
}
