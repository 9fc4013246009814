//! Every method with correlated errors: single analyses against the formulas with the inverse of the full R, and what is
//! refused; whole runs are in `exact`.

#![allow(clippy::unwrap_used)]

use crate::common;
mod exact;

use common::{inverse, method};
use nalgebra::DMatrix;
use ndarray::{Array1, Array2, Axis, array};
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::method::{EnKf, EtKf, Inflation};
use scorecast_assimilation::observe::{CorrelatedError, Laplace, Linear, NoiseLaw};
use scorecast_assimilation::{Analysis, ObservationOperator, ObservationSet, Prior, innovation};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Key, LinearGaussian, Purpose, Value};

const DIM: usize = 6;

fn operator(count: usize) -> Linear {
    let h = Key::new(2, Domain::Score).normals(count, DIM);
    let sd: Vec<f64> = (0..count).map(|i| 0.4 + 0.1 * i as f64).collect();
    let error = move |dim| Ok(Box::new(CorrelatedError::exponential(&sd, 2.0, false, dim)?) as Box<dyn NoiseLaw>);
    Linear::new(h, &error).unwrap()
}

/// One set of observations, complete or with three values missing.
fn values(count: usize, missing: bool) -> Array1<f64> {
    let mut y = Key::new(3, Domain::Score).normals(1, count).remove_axis(Axis(0));
    if missing {
        [0, 2, 3].iter().for_each(|&i| y[i] = f64::NAN);
    }
    y
}

/// H, R and y of the present values.
fn present(observed: &ObservationSet) -> (Array2<f64>, Array2<f64>, Array1<f64>) {
    let index = observed.present();
    let r = observed.operator.error().correlated().unwrap().0;
    (
        observed.operator.matrix().unwrap().select(Axis(0), &index),
        r.select(Axis(0), &index).select(Axis(1), &index),
        observed.values.select(Axis(0), &index),
    )
}

/// K = P H^T (H P H^T + R)^-1.
fn gain(p: &Array2<f64>, h: &Array2<f64>, r: &Array2<f64>) -> Array2<f64> {
    p.dot(&h.t()).dot(&inverse(&(h.dot(p).dot(&h.t()) + r)))
}

fn close(a: &Array2<f64>, b: &Array2<f64>) -> bool {
    (a - b).iter().all(|e| e.abs() < 1e-10)
}

const CASES: [(usize, usize, bool); 6] =
    [(30, 5, false), (30, 5, true), (5, 30, false), (5, 30, true), (8, 8, false), (120, 100, true)];

#[test]
fn etkf_has_the_mean_and_the_covariance_of_the_kalman_update() {
    for (members, count, missing) in CASES {
        let (x, operator, y) =
            (Key::new(1, Domain::Score).normals(members, DIM), operator(count), values(count, missing));
        let observed = ObservationSet { step: 2, time: 0.0, values: y.view(), operator: &operator };
        let (h, r, y) = present(&observed);
        let p = covariance(x.view(), None);
        let k = gain(&p, &h, &r);
        let mean = x.mean_axis(Axis(0)).unwrap();
        let exact = &mean + &k.dot(&(y - h.dot(&mean)));
        let outcome = EtKf { inflation: Inflation::factor(1.0), rotate: false }
            .update(x, &observed, Key::new(4, Domain::Method))
            .unwrap();
        assert!((outcome.mean() - exact).iter().all(|e| e.abs() < 1e-10), "{members} {count} {missing}");
        let posterior = &p - &k.dot(&h).dot(&p);
        assert!(close(&covariance(outcome.ensemble.view(), None), &posterior), "{members} {count} {missing}");
    }
}

#[test]
fn enkf_moves_each_member_by_the_gain_with_correlated_perturbations() {
    for (members, count, missing) in CASES {
        let (x, operator, y) =
            (Key::new(1, Domain::Score).normals(members, DIM), operator(count), values(count, missing));
        let observed = ObservationSet { step: 2, time: 0.0, values: y.view(), operator: &operator };
        let (h, r, y) = present(&observed);
        let k = gain(&covariance(x.view(), None), &h, &r);
        let key = Key::new(4, Domain::Method);
        let errors = operator.error().sample(members, key.purpose(Purpose::Perturbation).at(2));
        let errors = errors.select(Axis(1), &observed.present());
        let errors = &errors - &errors.mean_axis(Axis(0)).unwrap();
        let exact = &x + &(errors + y - x.dot(&h.t())).dot(&k.t());
        let outcome = EnKf { inflation: Inflation::factor(1.0) }.update(x, &observed, key).unwrap();
        assert!(close(&outcome.ensemble, &exact), "{members} {count} {missing}");
    }
}

/// The methods whose mean, or whose members, are those of `etkf` where no time passes.
#[test]
fn the_relatives_of_etkf_use_the_full_covariance_too() {
    let model = LinearForecaster::new(LinearGaussian {
        matrix: Array2::eye(DIM),
        offset: Array1::zeros(DIM),
        covariance: Array2::zeros((DIM, DIM)),
    })
    .unwrap();
    for (members, count, missing) in CASES {
        let (x, operator, y) =
            (Key::new(1, Domain::Score).normals(members, DIM), operator(count), values(count, missing));
        let observed = ObservationSet { step: 2, time: 0.0, values: y.view(), operator: &operator };
        let key = Key::new(4, Domain::Method);
        let run = |name: &str, given: &[(&str, Value)]| {
            let mut filter = method(name, &[&[("members", Value::Int(members as i64))], given].concat());
            filter.start(&Prior::Ensemble(x.clone()), 2, key).unwrap();
            filter.step(&model, &observed, key).unwrap()
        };
        let etkf = run("etkf", &[]);
        for (name, given) in [
            ("estkf", vec![]),
            ("lestkf", vec![]),
            ("ienks", vec![]),
            ("ienks", vec![("lag", Value::Int(3)), ("mda", Value::Bool(true))]),
        ] {
            // with mda the newest set counts as a whole in what is given
            assert!(close(&run(name, &given).ensemble, &etkf.ensemble), "{name} {members} {count} {missing}");
        }
        for (name, given) in [("hybrid", vec![("static_weight", Value::Float(0.0))]), ("four_d_envar", vec![])] {
            let difference = run(name, &given).mean() - etkf.mean();
            assert!(difference.iter().all(|e| e.abs() < 1e-10), "{name} {members} {count} {missing}");
        }
    }
}

#[test]
fn kalman_and_its_innovations_use_the_full_covariance() {
    for missing in [false, true] {
        let (operator, y) = (operator(5), values(5, missing));
        let observed = ObservationSet { step: 0, time: 0.0, values: y.view(), operator: &operator };
        let root = Key::new(7, Domain::Score).normals(DIM, DIM);
        let (mean, p) = (Array1::from_elem(DIM, 0.3), root.dot(&root.t()) + Array2::<f64>::eye(DIM));
        let law = LinearGaussian { matrix: Array2::eye(DIM), offset: Array1::zeros(DIM), covariance: Array2::eye(DIM) };
        let mut filter = method("kalman", &[]);
        let key = Key::new(4, Domain::Method);
        filter.start(&Prior::Gaussian { mean: mean.clone(), covariance: p.clone() }, 0, key).unwrap();
        let outcome = filter.step(&LinearForecaster::new(law).unwrap(), &observed, key).unwrap();
        let (h, r, y) = present(&observed);
        let (k, d) = (gain(&p, &h, &r), y - h.dot(&mean));
        let (found, spread) = outcome.gaussian.clone().unwrap();
        assert!((found - (mean + k.dot(&d))).iter().all(|e| e.abs() < 1e-10));
        assert!(close(&spread, &(&p - &k.dot(&h).dot(&p))));
        let s = h.dot(&p).dot(&h.t()) + &r;
        let square = d.dot(&inverse(&s).dot(&d));
        let determinant = DMatrix::from_fn(s.nrows(), s.nrows(), |i, j| s[(i, j)]).determinant();
        let exact = -0.5 * (square + determinant.ln() + d.len() as f64 * (2.0 * std::f64::consts::PI).ln());
        assert!((outcome.diagnostics["log_evidence"] - exact).abs() < 1e-10);
        let scores = innovation(&outcome, &observed).unwrap().unwrap();
        assert!((scores.log_score - exact).abs() < 1e-10);
        assert!((scores.chi_square - square / d.len() as f64).abs() < 1e-10);
    }
}

#[test]
fn the_innovations_of_an_ensemble_use_the_full_covariance() {
    let (x, operator, y) = (Key::new(1, Domain::Score).normals(20, DIM), operator(5), values(5, true));
    let observed = ObservationSet { step: 2, time: 0.0, values: y.view(), operator: &operator };
    let outcome = EtKf { inflation: Inflation::factor(1.0), rotate: false }
        .update(x.clone(), &observed, Key::new(4, Domain::Method))
        .unwrap();
    let (h, r, y) = present(&observed);
    let s = h.dot(&covariance(x.view(), None)).dot(&h.t()) + r;
    let d = y - h.dot(&x.mean_axis(Axis(0)).unwrap());
    let found = innovation(&outcome, &observed).unwrap().unwrap();
    assert!((found.chi_square - d.dot(&inverse(&s).dot(&d)) / d.len() as f64).abs() < 1e-10);
}

#[test]
fn methods_that_need_other_errors_say_what_serves() {
    let correlated = operator(5);
    let heavy =
        Linear::new(array![[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]], &|dim| Ok(Box::new(Laplace::new(&[1.0], dim)?))).unwrap();
    let model = LinearForecaster::new(LinearGaussian {
        matrix: Array2::eye(DIM),
        offset: Array1::zeros(DIM),
        covariance: Array2::eye(DIM),
    })
    .unwrap();
    let refusal = |name: &str, given: &[(&str, Value)], operator: &dyn ObservationOperator| {
        let y = values(operator.dim(), false);
        let observed = ObservationSet { step: 1, time: 0.0, values: y.view(), operator };
        let key = Key::new(4, Domain::Method);
        let mut filter = method(name, given);
        filter.start(&Prior::Gaussian { mean: Array1::zeros(DIM), covariance: Array2::eye(DIM) }, 0, key).unwrap();
        filter.step(&model, &observed, key).err().map(|error| error.to_string())
    };
    for name in WITH_GAUSSIAN_ERRORS.into_iter().chain(["bootstrap"]) {
        assert_eq!(refusal(name, &[], &correlated), None);
    }
    let radius = [("radius", Value::Float(2.0))];
    for name in ["hybrid", "four_d_envar"] {
        assert_eq!(refusal(name, &radius, &correlated), None);
    }
    for name in WITH_GAUSSIAN_ERRORS {
        let message = refusal(name, &[], &heavy).unwrap();
        assert!(message.contains("supposes Gaussian") && message.contains("use `bootstrap`"), "{message}");
    }
    assert_eq!(refusal("bootstrap", &[], &heavy), None);
}

/// The methods that suppose Gaussian errors, correlated or not.
const WITH_GAUSSIAN_ERRORS: [&str; 20] = [
    "kalman",
    "extended",
    "unscented",
    "optimal_interpolation",
    "three_d_var",
    "four_d_var",
    "enkf",
    "denkf",
    "etkf",
    "enkf_n",
    "estkf",
    "letkf",
    "lestkf",
    "eakf",
    "ensrf",
    "hybrid",
    "ienks",
    "four_d_envar",
    "ensf",
    "guided",
];
