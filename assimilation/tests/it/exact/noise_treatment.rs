//! How the forecast gets the model's noise: moments of one step, and whole filters against the exact one.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{LinearProblem, errors, method, word};
use ndarray::{Array1, Array2, Axis};
use scorecast_assimilation::NoiseTreatment;
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::linalg::{Cholesky, symmetric_sqrt};
use scorecast_assimilation::observe::Stride;
use scorecast_assimilation::{ObservationOperator, ObservationSet, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Forecaster, Key, LinearGaussian, Purpose, Stepping, Value};

const KEY: Key = Key::new(71, Domain::Method);

fn law(dim: usize) -> LinearGaussian {
    let root = KEY.at(2).normals(dim, dim);
    LinearGaussian {
        matrix: KEY.at(1).normals(dim, dim) * 0.4,
        offset: Array1::linspace(-1.0, 1.0, dim),
        covariance: root.dot(&root.t()) * 0.1,
    }
}

fn largest(difference: &Array2<f64>) -> f64 {
    difference.iter().fold(0.0, |a, b| a.max(b.abs()))
}

#[test]
fn the_square_root_has_the_exact_moments_within_the_span_of_the_members() {
    for (members, dim, steps) in [(20, 6, 1), (20, 6, 3), (4, 6, 1), (7, 6, 1), (5, 12, 1)] {
        let law = law(dim);
        let model = LinearForecaster::new(law.clone()).unwrap();
        let mut x = KEY.normals(members, dim) + 0.5;
        let (mut mean, mut p) = (x.mean_axis(Axis(0)).unwrap(), covariance(x.view(), None));
        for k in 0..steps {
            // the span of the propagated anomalies, from their own Gram matrix
            let before = &x - &x.mean_axis(Axis(0)).unwrap();
            let a = before.dot(&law.matrix.t());
            let rank = dim.min(members - 1);
            let rows = a.slice(ndarray::s![..rank, ..]);
            let projector = if rank == dim {
                Array2::eye(dim)
            } else {
                let mut solved = rows.to_owned();
                Cholesky::new(rows.dot(&rows.t()).view()).unwrap().solve_in_place(&mut solved);
                rows.t().dot(&solved)
            };
            mean = law.matrix.dot(&mean) + &law.offset;
            p = law.matrix.dot(&p).dot(&law.matrix.t()) + projector.dot(&law.covariance).dot(&projector);
            NoiseTreatment::SquareRoot.advance(&model, k, 1, &mut x, KEY).unwrap();
        }
        let error = largest(&(covariance(x.view(), None) - &p));
        println!("{members} members of {dim} components, {steps} steps: {error:.1e}");
        assert!(error < 1e-10, "{members} {dim}: {error}");
        assert!((x.mean_axis(Axis(0)).unwrap() - mean).iter().all(|e| e.abs() < 1e-12));
    }
}

#[test]
fn inflation_has_the_exact_variances_and_the_old_correlations() {
    let law = law(6);
    let model = LinearForecaster::new(law.clone()).unwrap();
    let mut x = KEY.normals(5, 6);
    let forecast = law.matrix.dot(&covariance(x.view(), None)).dot(&law.matrix.t());
    NoiseTreatment::Deterministic.advance(&model, 0, 1, &mut x, KEY).unwrap();
    let found = covariance(x.view(), None);
    assert!((&found.diag() - &(&forecast.diag() + &law.covariance.diag())).iter().all(|e| e.abs() < 1e-12));
    let correlation = |p: &Array2<f64>| {
        let sd = p.diag().mapv(f64::sqrt);
        p / &sd.view().insert_axis(Axis(1)) / &sd
    };
    assert!(largest(&(correlation(&found) - correlation(&forecast))) < 1e-12);
}

/// Members whose mean and covariance are exactly these.
fn exactly(mean: &Array1<f64>, p: &Array2<f64>, members: usize) -> Array2<f64> {
    let draws = KEY.normals(members, mean.len());
    let centred = &draws - &draws.mean_axis(Axis(0)).unwrap();
    let mut white = centred.t().to_owned();
    Cholesky::new(covariance(draws.view(), None).view()).unwrap().half_solve_in_place(&mut white);
    white.t().dot(&symmetric_sqrt(p.view()).unwrap()) + mean
}

#[test]
fn etkf_with_the_square_root_is_the_kalman_filter_with_twenty_members() {
    for problem in [LinearProblem::one(10), LinearProblem::two(10), LinearProblem::three(10)] {
        let prior = Prior::Ensemble(exactly(&problem.mean, &problem.covariance, 20));
        for name in ["etkf", "ensrf", "eakf"] {
            let mut filter = method(name, &[("members", Value::Int(20)), ("noise_treatment", word("square_root"))]);
            filter.start(&prior, 0, KEY).unwrap();
            let mut worst = 0.0f64;
            for (cycle, (mean, p, _)) in problem.exact().iter().enumerate() {
                let outcome = problem.step(&mut *filter, cycle, KEY);
                worst = worst.max((outcome.mean() - mean).iter().fold(0.0, |a, b| a.max(b.abs())));
                worst = worst.max(largest(&(covariance(outcome.ensemble.view(), None) - p)));
            }
            println!("{name}: {worst:.1e} from the exact filter");
            assert!(worst < 1e-10, "{name}: {worst}");
        }
    }
}

#[test]
fn on_noisy_lorenz_96_it_beats_drawing_the_noise() {
    let settings = [("noise".to_owned(), Value::Float(0.05f64.sqrt()))].into();
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
    let model = build("lorenz96", &settings).unwrap().forecaster(&stepping).unwrap();
    let operator = Stride::new(40, 1, 0, &errors(&[1.0])).unwrap();
    let run = |treatment: &str| {
        let key = Key::new(72, Domain::Truth);
        let mut truth = key.normals(1, 40) + 2.0;
        model.advance(0, 400, &mut truth, key).unwrap();
        let given =
            [("members", Value::Int(30)), ("noise_treatment", word(treatment)), ("inflation", Value::Float(1.02))];
        let mut filter = method("etkf", &given);
        filter.start(&Prior::Gaussian { mean: truth.row(0).to_owned(), covariance: Array2::eye(40) }, 0, KEY).unwrap();
        let mut sum = 0.0;
        for cycle in 1..=1500 {
            model.advance(cycle, 1, &mut truth, key.purpose(Purpose::ProcessNoise)).unwrap();
            let noise = operator.error().sample(1, key.purpose(Purpose::ObservationNoise).at(cycle as u64));
            let y = (&truth + &noise).row(0).to_owned();
            let observed = ObservationSet { step: cycle, time: 0.0, values: y.view(), operator: &operator };
            let e = filter.step(&*model, &observed, KEY).unwrap().mean() - truth.row(0);
            sum += if cycle > 100 { (e.dot(&e) / 40.0).sqrt() } else { 0.0 };
        }
        sum / 1400.0
    };
    let [drawn, root, inflated] = ["stochastic", "square_root", "deterministic"].map(run);
    println!("rmse: stochastic {drawn:.4}, square_root {root:.4}, deterministic {inflated:.4}");
    assert!(root < drawn && root < 0.31, "{root} and {drawn}");
}

/// x + w, which offers its draws alone.
struct Walk;

impl Forecaster for Walk {
    fn dim(&self) -> usize {
        3
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        self.advance(k, 1, x, key)
    }

    fn advance(&self, _k: usize, _steps: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        *x += &key.normals(x.nrows(), 3);
        Ok(())
    }
}

#[test]
fn misuse_names_the_remedy_and_members_without_spread_stay_together() {
    let mut x = Array2::ones((5, 3));
    let message = NoiseTreatment::SquareRoot.advance(&Walk, 0, 1, &mut x, KEY).unwrap_err().to_string();
    assert!(message.contains("one-step law is Gaussian") && message.contains("set it to `stochastic`"), "{message}");
    let still = LinearProblem::three(1);
    for treatment in [NoiseTreatment::SquareRoot, NoiseTreatment::Deterministic] {
        let mut x = Array2::ones((5, 3));
        treatment.advance(&still.model, 0, 2, &mut x, KEY).unwrap();
        assert!(largest(&covariance(x.view(), None)) < 1e-28);
        x[(2, 1)] = f64::NAN;
        treatment.advance(&still.model, 0, 1, &mut x, KEY).unwrap();
        assert!(x.iter().any(|value| value.is_nan()));
    }
    let entry = scorecast_assimilation::METHODS.iter().find(|entry| entry.name == "etkf").unwrap();
    let given = [("lag", Value::Int(2)), ("noise_treatment", word("square_root"))];
    let given = given.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let settings = scorecast_systems::Settings::check("method `etkf`", entry.params, &given).unwrap();
    let message = (entry.build.make)(&settings).err().unwrap().to_string();
    assert!(message.contains("must be `stochastic` where `lag` is above 0"), "{message}");
}
