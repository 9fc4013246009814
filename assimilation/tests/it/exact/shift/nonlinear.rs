//! The cost of several sets where neither the forecaster nor the operator is linear.

use ndarray::{Array1, Array2, Axis, array};
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::method::{FourDVarState, Window, WindowMembers};
use scorecast_assimilation::observe::{Arctan, Pointwise, Stride};
use scorecast_assimilation::{ObservationOperator, ObservationSet, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Forecaster, Stepping, Value};

use super::{KEY, inverse, largest, window};
use crate::common::{errors, method, part, word};

/// A nonlinear problem whose model has no noise: Lorenz-63 by arctan.
pub fn nonlinear() -> (Box<dyn Forecaster>, Pointwise<Arctan>, Array2<f64>) {
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
    let given = [("noise".to_owned(), Value::Float(0.0))].into_iter().collect();
    let model = build("lorenz63", &given).unwrap().forecaster(&stepping).unwrap();
    let operator = Pointwise::new(Arctan, Stride::new(3, 1, 0, &errors(&[0.1])).unwrap());
    (model, operator, KEY.normals(8, 3) * 0.5 + &array![1.5, -1.5, 20.0])
}

/// Where nothing is linear: after the first two sets of a window of four, which are used together, the start has not moved,
/// and is where the cost of both sets has slope 0 by central differences, with the inverse of its Gauss-Newton Hessian as
/// covariance. 4D-Var to the error of the differences, the members of a bundle to that of their one-sided ones (1e-4).
#[test]
fn where_nothing_is_linear_the_slope_of_the_cost_of_both_sets_is_zero() {
    let (model, operator, draws) = nonlinear();
    let (mean, p) = (draws.mean_axis(Axis(0)).unwrap(), covariance(draws.view(), None));
    let predict = |x: &Array1<f64>| {
        let mut x = x.clone().insert_axis(Axis(0));
        let mut out = Vec::new();
        for _ in 0..2 {
            model.advance(0, 2, &mut x, KEY).unwrap();
            out.extend(operator.apply(0.0, x.view()).iter().copied());
        }
        Array1::from_vec(out)
    };
    let y = predict(&(&mean + &array![0.3, 0.4, -0.5])) + array![0.05, -0.08, 0.02, 0.06, 0.01, -0.07];
    let precision = inverse(&p);
    let check = |x: &Array1<f64>, found: &Array2<f64>, bound: f64, what: &str| {
        let mut g = Array2::zeros((6, 3));
        for i in 0..3 {
            let mut step = Array1::zeros(3);
            step[i] = 1e-5;
            g.column_mut(i).assign(&((predict(&(x + &step)) - predict(&(x - &step))) / 2e-5));
        }
        let hessian = &precision + &(g.t().dot(&g) / 0.01);
        let slope = precision.dot(&(x - &mean)) - g.t().dot(&(&y - &predict(x))) / 0.01;
        // what is left of the way to the minimum, in the unit of the state
        let left = inverse(&hessian).dot(&slope);
        println!(
            "{what}: {:.1e} from the minimum, covariance off by {:.1e}",
            largest(&left),
            largest(&(found - &inverse(&hessian)))
        );
        assert!(largest(&left) < bound && largest(&(found - &inverse(&hessian))) < bound, "{what}: {left}");
    };
    let tight = [("members", Value::Int(8)), ("iterations", Value::Int(200)), ("tolerance", Value::Float(1e-10))];
    for name in ["four_d_var", "ienks"] {
        let mut given = window(4, 2, &tight);
        given.extend((name == "ienks").then(|| ("linearization", word("bundle"))));
        let mut filter = method(name, &given);
        filter.start(&Prior::Ensemble(draws.clone()), 0, KEY).unwrap();
        for set in 0..2 {
            let values = y.slice(ndarray::s![3 * set..3 * set + 3]);
            let observed = ObservationSet { step: 2 * set + 2, time: 0.0, values, operator: &operator };
            filter.step(&*model, &observed, KEY).unwrap();
        }
        assert_eq!(part::<Window>(&*filter).start, 0);
        if name == "four_d_var" {
            let start = part::<FourDVarState>(&*filter).start;
            check(&start.mean, &start.covariance, 1e-7, name);
        } else {
            let start = part::<WindowMembers>(&*filter).start;
            check(&start.mean_axis(Axis(0)).unwrap(), &covariance(start.view(), None), 1e-4, name);
        }
    }
}
