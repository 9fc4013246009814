//! Where the forecaster and the operator are not linear, the bundle finds the minimum of the cost, and the transform form
//! comes near it as the spread goes to zero.

use ndarray::{Array1, Array2, ArrayView1, Axis, array};
use scorecast_assimilation::ensemble::anomalies;
use scorecast_assimilation::method::WindowMembers;
use scorecast_assimilation::observe::{Arctan, Pointwise, Stride};
use scorecast_assimilation::{ObservationOperator, ObservationSet, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Forecaster, Stepping, Value};

use super::{KEY, inverse, largest, off};
use crate::common::{errors, method, part, word};

/// Members at the start of a window of two sets of which one has come, so that the start has not moved: Lorenz-63 by
/// arctan, from a prior whose standard deviation is `scale`, with errors in proportion.
pub struct Nonlinear {
    pub model: Box<dyn Forecaster>,
    pub operator: Pointwise<Arctan>,
    pub draws: Array2<f64>,
    pub y: Array1<f64>,
    sd: f64,
}

impl Nonlinear {
    pub fn new(scale: f64) -> Self {
        let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
        let given = [("noise".to_owned(), Value::Float(0.0))].into_iter().collect();
        let model = build("lorenz63", &given).unwrap().forecaster(&stepping).unwrap();
        let sd = 0.05 * scale;
        let operator = Pointwise::new(Arctan, Stride::new(3, 1, 0, &errors(&[sd])).unwrap());
        let draws = KEY.normals(6, 3) * scale + &array![1.5, -1.5, 20.0];
        let mut x = draws.slice(ndarray::s![..1, ..]).to_owned();
        model.advance(0, 3, &mut x, KEY).unwrap();
        let y = operator.apply(0.0, x.view()).row(0).to_owned() + array![0.5, -1.0, 0.2] * sd;
        Self { model, operator, draws, y, sd }
    }

    /// R^-1/2 (y - h(M(x))).
    fn residual(&self, x: ArrayView1<f64>) -> Array1<f64> {
        let mut x = x.insert_axis(Axis(0)).to_owned();
        self.model.advance(0, 3, &mut x, KEY).unwrap();
        (&self.y - &self.operator.apply(0.0, x.view()).row(0)) / self.sd
    }

    /// Members at the start after `ienks`.
    fn run(&self, given: &[(&'static str, Value)]) -> Array2<f64> {
        let given = [&[("members", Value::Int(6)), ("lag", Value::Int(2))], given].concat();
        let mut filter = method("ienks", &given);
        filter.start(&Prior::Ensemble(self.draws.clone()), 0, KEY).unwrap();
        let observed = ObservationSet { step: 3, time: 0.0, values: self.y.view(), operator: &self.operator };
        filter.step(&*self.model, &observed, KEY).unwrap();
        part::<WindowMembers>(&*filter).start
    }

    /// The minimum of |residual|^2 / 2 + |w|^2 / 2 over x = mean + A^T w / sqrt(N - 1), by steepest descent in the metric
    /// of a Hessian by finite differences, and the covariance from the Jacobian there: x's mean and covariance.
    fn reference(&self) -> (Array1<f64>, Array2<f64>) {
        let (mean, a) = anomalies(self.draws.view(), None);
        let a = a / 5.0f64.sqrt();
        let x = |w: &Array1<f64>| &mean + &w.dot(&a);
        let jacobian = |w: &Array1<f64>| {
            let mut z = Array2::zeros((6, 3));
            for i in 0..6 {
                let mut step = Array1::zeros(6);
                step[i] = 1e-5;
                let column = (self.residual(x(&(w - &step)).view()) - self.residual(x(&(w + &step)).view())) / 2e-5;
                z.row_mut(i).assign(&column);
            }
            z
        };
        let cost = |w: &Array1<f64>| {
            let r = self.residual(x(w).view());
            0.5 * (r.dot(&r) + w.dot(w))
        };
        let mut w = Array1::zeros(6);
        for _ in 0..200 {
            let z = jacobian(&w);
            let downhill = z.dot(&self.residual(x(&w).view())) - &w;
            let step = inverse(&(Array2::<f64>::eye(6) + z.dot(&z.t()))).dot(&downhill);
            let mut length = 1.0;
            while length > 1e-3 && cost(&(&w + &(length * &step))) > cost(&w) {
                length *= 0.5;
            }
            w += &(length * &step);
        }
        let z = jacobian(&w);
        let slope = z.dot(&self.residual(x(&w).view())) - &w;
        assert!(slope.iter().all(|g| g.abs() < 1e-6), "{slope}");
        let p = inverse(&(Array2::<f64>::eye(6) + z.dot(&z.t())));
        (x(&w), a.t().dot(&p).dot(&a))
    }
}

#[test]
fn the_bundle_finds_the_minimum_of_the_cost_and_its_curvature() {
    for scale in [0.3, 1.0] {
        let problem = Nonlinear::new(scale);
        let exact = problem.reference();
        let given =
            [("linearization", word("bundle")), ("iterations", Value::Int(100)), ("tolerance", Value::Float(1e-9))];
        let found = problem.run(&given);
        let error = off(found.mean_axis(Axis(0)).unwrap(), &found, &exact);
        let one = problem.run(&[("iterations", Value::Int(1))]);
        let first = off(one.mean_axis(Axis(0)).unwrap(), &one, &exact);
        println!("scale {scale}: error {error:.1e}, after one step of the transform {first:.1e}");
        // the derivative is a one-sided difference over 1e-4 of the spread
        assert!(error < 1e-4 * scale && first > 100.0 * error, "scale {scale}: {error:.1e} {first:.1e}");
    }
}

#[test]
fn transform_and_bundle_agree_as_the_spread_goes_to_zero() {
    let mut before = f64::NAN;
    for scale in [0.4, 0.2, 0.1, 0.05] {
        let problem = Nonlinear::new(scale);
        let tight = [("iterations", Value::Int(100)), ("tolerance", Value::Float(1e-9))];
        let [transform, bundle] = ["transform", "bundle"].map(|linearization| {
            let found = problem.run(&[&tight[..], &[("linearization", word(linearization))]].concat());
            found.mean_axis(Axis(0)).unwrap()
        });
        // in standard deviations of the prior
        let difference = largest(&(transform - bundle)) / scale;
        println!("scale {scale}: means differ by {difference:.2e} standard deviations");
        assert!(difference < 0.1 && (before.is_nan() || difference < 0.75 * before), "{difference} after {before}");
        before = difference;
    }
    assert!(before < 0.02, "{before}");
}
