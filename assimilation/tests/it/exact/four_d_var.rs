//! 4D-Var against dense solutions and against finite differences.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{LinearProblem, errors, method, part};
use ndarray::{Array1, Array2, ArrayView2, Axis, array};
use scorecast_assimilation::linalg::Cholesky;
use scorecast_assimilation::method::FourDVarState;
use scorecast_assimilation::observe::{Arctan, Pointwise, Stride};
use scorecast_assimilation::{Gaussian, ObservationOperator, ObservationSet, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::{
    Covariance, Differentiable, Domain, Forecaster, GaussianKernel, Key, LinearGaussian, Stepping, Value,
};

const KEY: Key = Key::new(31, Domain::Method);
const CYCLES: usize = 7;

/// The largest of some numbers; `max` would pass over NaN.
fn largest<'a>(numbers: impl IntoIterator<Item = &'a f64>) -> f64 {
    numbers.into_iter().fold(0.0, |most: f64, e| if e.is_finite() { most.max(e.abs()) } else { f64::INFINITY })
}

/// (K, (I - K H) B) of one analysis.
fn update(b: &Array2<f64>, h: &Array2<f64>, r: &Array2<f64>) -> (Array2<f64>, Array2<f64>) {
    let cross = h.dot(b);
    let mut gain = cross.clone();
    Cholesky::new((cross.dot(&h.t()) + r).view()).unwrap().solve_in_place(&mut gain);
    let gain = gain.reversed_axes();
    let posterior = b - &gain.dot(&cross);
    (gain, posterior)
}

#[test]
fn where_all_is_linear_it_is_the_dense_solution_of_each_window() {
    let law = LinearGaussian {
        matrix: array![[0.98, 0.2, 0.0], [-0.2, 0.97, 0.1], [0.1, 0.0, 1.01]],
        offset: array![0.1, 0.0, -0.1],
        covariance: Array2::zeros((3, 3)),
    };
    let h = array![[1.0, 0.0, 0.3], [0.0, 0.2, 1.0]];
    let prior = array![[1.0, 0.3, 0.0], [0.3, 0.8, 0.2], [0.0, 0.2, 1.2]];
    let problem = LinearProblem::new(law, prior, h.clone(), &[0.5, 0.9], 2, CYCLES);
    let b = &problem.covariance * 0.4;
    let law = &problem.law;
    // two lead steps, from one set to the next
    let m = law.matrix.dot(&law.matrix);
    let shift = law.matrix.dot(&law.offset) + &law.offset;
    for lag in [1usize, 2, 3, 10] {
        let given = [
            ("lag", Value::Int(lag as i64)),
            ("scale", Value::Float(0.4)),
            ("tolerance", Value::Float(1e-12)),
            ("iterations", Value::Int(100)),
            ("members", Value::Int(3)),
        ];
        let mut filter = method("four_d_var", &given);
        let outcomes = problem.run(&mut *filter, KEY);
        let (mut x, mut p) = (problem.mean.clone(), b.clone());
        let mut window = 0;
        let mut exact = Vec::new();
        let mut smoothed = Vec::new();
        for (cycle, outcome) in outcomes.into_iter().enumerate() {
            window += 1;
            let power = (0..window).fold(Array2::eye(3), |power: Array2<f64>, _| m.dot(&power));
            let carry = |x: &Array1<f64>| (0..window).fold(x.clone(), |x, _| m.dot(&x) + &shift);
            let present: Vec<usize> = (0..2).filter(|&i| !problem.observations[(cycle, i)].is_nan()).collect();
            let (mean, covariance) = outcome.forecast_gaussian.unwrap();
            assert!(largest(&(mean - carry(&x))) < 1e-9);
            // a set without values leaves what is known, whose covariance is not B
            let before = if present.is_empty() { &p } else { &b };
            assert!(largest(&(covariance - power.dot(before).dot(&power.t()))) < 1e-9);
            if !present.is_empty() {
                let g = h.select(Axis(0), &present).dot(&power);
                let r = Array2::from_diag(&problem.operator.error().variance().select(Axis(0), &present));
                let (gain, posterior) = update(&b, &g, &r);
                let y = problem.observations.row(cycle).select(Axis(0), &present);
                x = &x + &gain.dot(&(y - h.select(Axis(0), &present).dot(&carry(&x))));
                p = posterior;
            }
            let (mean, covariance) = outcome.gaussian.unwrap();
            let errors = [largest(&(mean - carry(&x))), largest(&(covariance - power.dot(&p).dot(&power.t())))];
            assert!(errors[0] < 1e-9 && errors[1] < 1e-9, "lag {lag}, set {}: {errors:?}", cycle + 1);
            if window == lag {
                if cycle + 1 > lag {
                    exact.push((x.clone(), p.clone()));
                }
                x = m.dot(&x) + &shift;
                p = m.dot(&p).dot(&m.t());
                window -= 1;
            }
            smoothed.extend(outcome.smoothed);
        }
        let leading = usize::from(lag <= CYCLES);
        if leading == 1 {
            exact.push((x.clone(), p.clone()));
        }
        for _ in 0..window {
            x = m.dot(&x) + &shift;
            p = m.dot(&p).dot(&m.t());
            exact.push((x.clone(), p.clone()));
        }
        smoothed.extend(filter.finish(&problem.model, None, KEY).unwrap());
        assert_eq!((smoothed.len(), exact.len()), (CYCLES, CYCLES), "lag {lag}");
        for (found, (mean, covariance)) in smoothed.iter().zip(&exact) {
            let (m, p) = found.gaussian.as_ref().unwrap();
            let errors = [largest(&(m - mean)), largest(&(p - covariance))];
            assert!(errors[0] < 1e-9 && errors[1] < 1e-9, "lag {lag}, step {}: {errors:?}", found.step);
        }
    }
}

fn forecaster(integrator: &str) -> Box<dyn Forecaster> {
    let given = [("noise".to_owned(), Value::Float(0.0))].into_iter().collect();
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: integrator.to_owned() };
    build("lorenz63", &given).unwrap().forecaster(&stepping).unwrap()
}

#[test]
fn on_lorenz_63_by_arctan_the_gradient_is_zero_and_the_covariance_the_inverse_hessian() {
    let model = forecaster("rk4");
    let operator = Pointwise::new(Arctan, Stride::new(3, 1, 0, &errors(&[0.05])).unwrap());
    let b = array![[0.5, 0.1, 0.0], [0.1, 0.4, -0.1], [0.0, -0.1, 0.6]];
    let background = array![1.5, -1.5, 20.0];
    let advance = |x: &Array1<f64>, steps: usize| {
        let mut x = x.clone().insert_axis(Axis(0));
        model.advance(0, steps, &mut x, KEY).unwrap();
        x.row(0).to_owned()
    };
    let predict = |x: &Array1<f64>| operator.apply(0.0, advance(x, 4).view().insert_axis(Axis(0))).row(0).to_owned();
    let y = predict(&(&background + &array![0.4, 0.5, -0.6])) + array![0.03, -0.05, 0.02];
    let inverse_b = update(&b, &Array2::eye(3), &Array2::eye(3)).1;
    // (B^-1 + I)^-1 came back; B^-1 from it
    let inverse = |a: &Array2<f64>| {
        let mut out = Array2::eye(a.nrows());
        Cholesky::new(a.view()).unwrap().solve_in_place(&mut out);
        out
    };
    let inverse_b = inverse(&inverse_b) - Array2::<f64>::eye(3);

    // a window of two sets of which one has come: the start is where the prior was
    let given = [
        ("lag", Value::Int(2)),
        ("tolerance", Value::Float(1e-10)),
        ("iterations", Value::Int(200)),
        ("members", Value::Int(3)),
    ];
    let mut filter = method("four_d_var", &given);
    filter.start(&Prior::Gaussian { mean: background.clone(), covariance: b.clone() }, 0, KEY).unwrap();
    let observed = ObservationSet { step: 4, time: 0.0, values: y.view(), operator: &operator };
    let outcome = filter.step(&*model, &observed, KEY).unwrap();
    let Gaussian { mean: x, covariance: p } = part::<FourDVarState>(&*filter).start;
    assert!(largest(&(outcome.mean() - advance(&x, 4))) < 1e-12);

    let jacobian = |f: &dyn Fn(&Array1<f64>) -> Array1<f64>, width: f64| {
        let mut out = Array2::zeros((3, 3));
        for j in 0..3 {
            let mut step = Array1::zeros(3);
            step[j] = width;
            out.column_mut(j).assign(&((f(&(&x + &step)) - f(&(&x - &step))) / (2.0 * width)));
        }
        out
    };
    let g = jacobian(&predict, 1e-5);
    let gradient = inverse_b.dot(&(&x - &background)) - g.t().dot(&(&y - &predict(&x))) / 0.0025;
    assert!(largest(&gradient) < 1e-5, "{gradient}");
    let exact = inverse(&(&inverse_b + &(g.t().dot(&g) / 0.0025)));
    assert!(largest(&(&p - &exact)) < 1e-7, "{p} and {exact}");
    let f = jacobian(&|x| advance(x, 4), 1e-5);
    let (_, present) = outcome.gaussian.unwrap();
    assert!(largest(&(present - f.dot(&exact).dot(&f.t()))) < 1e-5);
}

/// Forecast, analysis and smoothed members are draws of the laws given beside them: means and covariances are off by no more
/// than 4.5 standard errors of independent draws, among them those after a set without a value.
#[test]
fn members_are_draws_of_the_laws_beside_them() {
    let problem = LinearProblem::three(CYCLES);
    let members = 20_000;
    let mut filter = method("four_d_var", &[("lag", Value::Int(2)), ("members", Value::Int(members))]);
    let outcomes = problem.run(&mut *filter, KEY);
    let n = members as f64;
    let check = |x: &Array2<f64>, (mean, p): &(Array1<f64>, Array2<f64>), what: &str| {
        let sd = p.diag().mapv(f64::sqrt);
        let found = x.mean_axis(Axis(0)).unwrap();
        assert!(largest(&((&found - mean) / &sd)) < 4.5 / n.sqrt(), "{what}");
        let spread = scorecast_assimilation::ensemble::covariance(x.view(), None);
        for ((i, j), value) in spread.indexed_iter() {
            let error = ((p[(i, i)] * p[(j, j)] + p[(i, j)].powi(2)) / n).sqrt();
            assert!((value - p[(i, j)]).abs() < 4.5 * error, "{what} {i} {j}");
        }
    };
    for outcome in &outcomes {
        check(&outcome.forecast, outcome.forecast_gaussian.as_ref().unwrap(), "forecast");
        check(&outcome.ensemble, outcome.gaussian.as_ref().unwrap(), "analysis");
    }
    let at_the_end = filter.finish(&problem.model, None, KEY).unwrap();
    let smoothed: Vec<_> = outcomes.iter().flat_map(|outcome| &outcome.smoothed).chain(&at_the_end).collect();
    assert_eq!(smoothed.len(), CYCLES);
    smoothed.iter().for_each(|found| check(&found.ensemble, found.gaussian.as_ref().unwrap(), "smoothed"));
}

/// A forecaster that only draws.
struct Still;

impl Forecaster for Still {
    fn dim(&self) -> usize {
        3
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        self.advance(k, 1, x, key)
    }

    fn advance(&self, _: usize, _: usize, _: &mut Array2<f64>, _: Key) -> scorecast_systems::Result<()> {
        Ok(())
    }
}

/// x' = x + sin(x) / 5 + c + (1 + x^2 / 2) e / 3, component by component: noise that grows with the state, so that the
/// derivative of a draw is not that of the mean.
struct Gusty;

impl Gusty {
    fn mean(x: f64) -> f64 {
        x + 0.2 * x.sin() + 0.1
    }

    fn sd(x: f64) -> f64 {
        (1.0 + 0.5 * x * x) / 3.0
    }

    fn draws(k: usize, members: usize, key: Key) -> Array2<f64> {
        key.at(k as u64).normals(members, 2)
    }
}

impl Forecaster for Gusty {
    fn dim(&self) -> usize {
        2
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        self.advance(k, 1, x, key)
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        for step in k..k + steps {
            let e = Self::draws(step, x.nrows(), key);
            x.zip_mut_with(&e, |x, e| *x = Self::mean(*x) + Self::sd(*x) * e);
        }
        Ok(())
    }

    fn gaussian(&self) -> Option<&dyn GaussianKernel> {
        Some(self)
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }
}

impl GaussianKernel for Gusty {
    fn moments(&self, _: usize, x: ArrayView2<f64>) -> scorecast_systems::Result<(Array2<f64>, Covariance)> {
        Ok((x.mapv(Self::mean), Covariance::Diagonal(x.mapv(|x| Self::sd(x).powi(2)))))
    }
}

type Pair = (Array2<f64>, Array2<f64>);

impl Differentiable for Gusty {
    fn tangent(&self, k: usize, x: ArrayView2<f64>, dx: ArrayView2<f64>, key: Key) -> scorecast_systems::Result<Pair> {
        let e = Self::draws(k, x.nrows(), key);
        let mut next = x.to_owned();
        self.advance(k, 1, &mut next, key)?;
        Ok((next, (x.mapv(|x| 1.0 + 0.2 * x.cos()) + x.mapv(|x| x / 3.0) * e) * dx))
    }

    fn adjoint(
        &self,
        k: usize,
        x: ArrayView2<f64>,
        v: ArrayView2<f64>,
        key: Key,
    ) -> scorecast_systems::Result<Array2<f64>> {
        Ok(self.tangent(k, x, v, key)?.1)
    }

    fn mean_tangent(&self, _: usize, x: ArrayView2<f64>, dx: ArrayView2<f64>) -> scorecast_systems::Result<Pair> {
        Ok((x.mapv(Self::mean), x.mapv(|x| 1.0 + 0.2 * x.cos()) * dx))
    }

    fn mean_adjoint(&self, k: usize, x: ArrayView2<f64>, v: ArrayView2<f64>) -> scorecast_systems::Result<Array2<f64>> {
        Ok(self.mean_tangent(k, x, v)?.1)
    }
}

/// The trajectory of a forecaster with a Gaussian kernel is that of its means, and so are the derivatives: the cost along
/// the means has slope 0 where the method ends, and the covariances are those of the means' Jacobian.
#[test]
fn of_a_gaussian_kernel_the_derivatives_are_those_of_the_mean() {
    let operator = Stride::new(2, 1, 0, &errors(&[0.4])).unwrap();
    let (background, b) = (array![0.8, -1.3], array![[0.5, 0.2], [0.2, 0.6]]);
    let steps = 3;
    let advance = |x: &Array1<f64>| (0..steps).fold(x.clone(), |x, _| x.mapv(Gusty::mean));
    let y = advance(&background) + array![0.9, -1.1];
    let given = [
        ("lag", Value::Int(2)),
        ("tolerance", Value::Float(1e-12)),
        ("iterations", Value::Int(100)),
        ("members", Value::Int(3)),
    ];
    let mut filter = method("four_d_var", &given);
    filter.start(&Prior::Gaussian { mean: background.clone(), covariance: b.clone() }, 0, KEY).unwrap();
    let observed = ObservationSet { step: steps, time: 0.0, values: y.view(), operator: &operator };
    let outcome = filter.step(&Gusty, &observed, KEY).unwrap();
    let Gaussian { mean: x, covariance: p } = part::<FourDVarState>(&*filter).start;
    let inverse = |a: &Array2<f64>| {
        let mut out = Array2::eye(a.nrows());
        Cholesky::new(a.view()).unwrap().solve_in_place(&mut out);
        out
    };
    let inverse_b = inverse(&b);
    let cost = |x: &Array1<f64>| {
        let (from, d) = (x - &background, &y - &advance(x));
        0.5 * (from.dot(&inverse_b.dot(&from)) + d.dot(&d) / 0.16)
    };
    let (mut slope, mut jacobian) = (Array1::zeros(2), Array2::zeros((2, 2)));
    for i in 0..2 {
        let mut step = Array1::zeros(2);
        step[i] = 1e-5;
        let (ahead, behind) = (&x + &step, &x - &step);
        slope[i] = (cost(&ahead) - cost(&behind)) / 2e-5;
        jacobian.column_mut(i).assign(&((advance(&ahead) - advance(&behind)) / 2e-5));
    }
    assert!(largest(&slope) < 1e-6, "{slope}");
    let exact = inverse(&(&inverse_b + &(jacobian.t().dot(&jacobian) / 0.16)));
    assert!(largest(&(&p - &exact)) < 1e-8, "{p} and {exact}");
    let (mean, present) = outcome.gaussian.unwrap();
    assert!(largest(&(mean - advance(&x))) < 1e-12);
    assert!(largest(&(present - jacobian.dot(&exact).dot(&jacobian.t()))) < 1e-8);
}

/// Noise without a kernel would make the trajectory one draw and each tangent another.
#[test]
fn noise_without_a_closed_form_is_refused_with_a_remedy() {
    let stepping = Stepping { dt: 0.05, substeps: 2, integrator: "rk4".to_owned() };
    let given = [("noise".to_owned(), Value::Float(0.5))].into_iter().collect();
    let model = build("lorenz63", &given).unwrap().forecaster(&stepping).unwrap();
    let operator = Stride::new(3, 1, 0, &errors(&[0.5])).unwrap();
    let values = array![0.1, 0.2, 0.3];
    let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
    let mut filter = method("four_d_var", &[]);
    filter.start(&Prior::Gaussian { mean: Array1::zeros(3), covariance: Array2::eye(3) }, 0, KEY).unwrap();
    let message = filter.step(&*model, &observed, KEY).unwrap_err().to_string();
    assert!(message.contains("one substep") && message.contains("`ienks`"), "{message}");
}

#[test]
fn a_forecaster_without_derivative_or_adjoint_is_refused_with_a_remedy() {
    let operator = Stride::new(3, 1, 0, &errors(&[0.5])).unwrap();
    let values = array![0.1, 0.2, 0.3];
    let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
    let refused = |model: &dyn Forecaster| {
        let mut filter = method("four_d_var", &[]);
        filter.start(&Prior::Gaussian { mean: Array1::zeros(3), covariance: Array2::eye(3) }, 0, KEY).unwrap();
        filter.step(model, &observed, KEY).unwrap_err().to_string()
    };
    let message = refused(&Still);
    assert!(message.contains("no derivative") && message.contains("use `ienks`"), "{message}");
    let message = refused(&*forecaster("tsit5"));
    assert!(message.contains("`rk4`") && message.contains("use `ienks`"), "{message}");
}
