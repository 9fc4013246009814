//! Joint estimation of state and parameters, against the Kalman filter of the augmented linear system and over replicates
//! of chaotic systems whose parameter is known.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{errors, method, word};
use ndarray::{Array1, Array2, array, s};
use scorecast_assimilation::augment::{Augmented, OfState, Parameter, augmented_prior, split};
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::observe::{Linear, Stride};
use scorecast_assimilation::{ObservationOperator, ObservationSet, Prior};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Forecaster, Key, LinearGaussian, Purpose, Stepping, Value, catalogue};

const KEY: Key = Key::new(41, Domain::Method);

/// x_{k+1} = .8 x_k + theta + w, w ~ N(0, .2): linear in [x, theta].
fn offset(theta: f64) -> LinearForecaster {
    let law = LinearGaussian { matrix: array![[0.8]], offset: array![theta], covariance: array![[0.2]] };
    LinearForecaster::new(law).unwrap()
}

#[test]
fn an_unknown_offset_has_the_posterior_of_the_augmented_kalman_filter() {
    const MEMBERS: usize = 20_000;
    for walk in [0.0, 0.1] {
        let parameter = Parameter::linear("offset", 0.0, 1.0).walking(walk);
        let law = LinearGaussian {
            matrix: array![[0.8, 1.0], [0.0, 1.0]],
            offset: array![0.0, 0.0],
            covariance: array![[0.2, 0.0], [0.0, walk * walk]],
        };
        let exact_model = LinearForecaster::new(law).unwrap();
        let family = |theta: &[f64]| Ok(Box::new(offset(theta[0])) as Box<dyn Forecaster>);
        let model = Augmented::new(family, vec![parameter.clone()]).unwrap();
        let operator = Linear::new(array![[1.0]], &errors(&[0.5])).unwrap();
        let operator = OfState::new(&operator, 1);
        let state = Prior::Gaussian { mean: array![0.3], covariance: array![[1.0]] };
        let prior = augmented_prior(&state, &[parameter], KEY).unwrap();
        let members = [("members", Value::Int(MEMBERS as i64))];
        for name in ["etkf", "enkf"] {
            let (mut filter, mut kalman) = (method(name, &members), method("kalman", &[]));
            filter.start(&prior, 0, KEY).unwrap();
            kalman.start(&prior, 0, KEY).unwrap();
            let key = Key::new(42, Domain::Truth);
            let mut x = array![[0.5]];
            let mut largest = 0.0f64;
            for cycle in 1..=12 {
                // two lead steps between observations
                offset(0.7).advance(2 * cycle, 2, &mut x, key.purpose(Purpose::ProcessNoise)).unwrap();
                let y = array![
                    x[(0, 0)] + 0.5 * key.purpose(Purpose::ObservationNoise).at(cycle as u64).stream(0).normal()
                ];
                let observed = ObservationSet { step: 2 * cycle, time: 0.0, values: y.view(), operator: &operator };
                let found = filter.step(&model, &observed, KEY).unwrap();
                let (mean, p) = kalman.step(&exact_model, &observed, KEY).unwrap().gaussian.unwrap();
                let sd = p.diag().mapv(f64::sqrt);
                let c = covariance(found.ensemble.view(), None);
                for i in 0..2 {
                    largest = largest.max(((found.mean()[i] - mean[i]) / sd[i]).abs());
                    for j in 0..2 {
                        largest = largest.max(((c[(i, j)] - p[(i, j)]) / (sd[i] * sd[j])).abs());
                    }
                }
            }
            // N times the variance of a statistic is 1 for a mean and 2 for a variance of independent draws; the filter
            // carries errors on, so 3 is allowed for, and five standard errors
            let tolerance = 5.0 * (3.0 / MEMBERS as f64).sqrt();
            println!("walk {walk}, {name}: largest error {largest:.4} exact sd, {tolerance:.4} allowed");
            assert!(largest < tolerance, "walk {walk}, {name}: {largest}");
        }
    }
}

fn stepping(dt: f64) -> Stepping {
    Stepping { dt, substeps: 1, integrator: "rk4".to_owned() }
}

/// A twin experiment whose truth has one number of its settings drawn from the prior of `parameter`: (mean - truth) and
/// sd of u at the end, and the root mean square of the prior's.
fn with_known_truth(
    system: &str,
    dt: f64,
    every: usize,
    cycles: usize,
    parameter: &Parameter,
    given: &[(&str, Value)],
    replicate: u64,
) -> (f64, f64) {
    let key = Key::new(43, Domain::Truth).case(replicate);
    let method_key = KEY.case(replicate);
    let u = parameter.mean + parameter.sd * key.purpose(Purpose::Parameter).stream(0).normal();
    let settings = [(parameter.name.clone(), Value::Float(parameter.value(u)))].into();
    let nature = catalogue::build(system, &settings).unwrap();
    let mut x = nature.initial(1, key);
    let nature = nature.forecaster(&stepping(dt)).unwrap();
    nature.advance(0, 1000, &mut x, key).unwrap();
    let dim = x.ncols();
    let model = Augmented::system(system, &[].into(), &stepping(dt), vec![parameter.clone()]).unwrap();
    let operator = Stride::new(dim, 1, 0, &errors(&[1.0])).unwrap();
    let whole = OfState::new(&operator, 1);
    let mean = x.row(0).to_owned() + key.at(1).normals(1, dim).row(0);
    let prior = augmented_prior(
        &Prior::Gaussian { mean, covariance: Array2::eye(dim) },
        std::slice::from_ref(parameter),
        method_key,
    );
    let mut filter = method(given_name(given), &given[1..]);
    filter.start(&prior.unwrap(), 0, method_key).unwrap();
    let mut last = (f64::NAN, f64::NAN);
    for cycle in 1..=cycles {
        nature.advance(cycle * every, every, &mut x, key).unwrap();
        let noise = operator.error().sample(1, key.purpose(Purpose::ObservationNoise).at(cycle as u64));
        let y: Array1<f64> = (&x + &noise).row(0).to_owned();
        let observed = ObservationSet { step: cycle * every, time: 0.0, values: y.view(), operator: &whole };
        let outcome = filter.step(&model, &observed, method_key).unwrap();
        let (mean, sd) = Parameter::estimate(&outcome.ensemble, None, dim);
        last = (mean - u, sd);
    }
    last
}

fn given_name<'a>(given: &'a [(&str, Value)]) -> &'a str {
    match &given[0].1 {
        Value::Text(name) => name,
        _ => "etkf",
    }
}

/// Mean of z^2 and share of |z| < 1.645 over replicates, and the root mean square error.
fn calibration(results: &[(f64, f64)]) -> (f64, f64, f64) {
    let n = results.len() as f64;
    let square = results.iter().map(|(e, sd)| (e / sd).powi(2)).sum::<f64>() / n;
    let inside = results.iter().filter(|(e, sd)| e.abs() < 1.645 * sd).count() as f64 / n;
    (square, inside, (results.iter().map(|(e, _)| e * e).sum::<f64>() / n).sqrt())
}

#[test]
fn rho_of_lorenz_63_and_the_forcing_of_lorenz_96_are_found_within_a_calibrated_spread() {
    let etkf = |members, inflation| {
        [("name", word("etkf")), ("members", Value::Int(members)), ("inflation", Value::Float(inflation))]
    };
    for (system, dt, every, cycles, parameter, given, replicates) in [
        ("lorenz63", 0.01, 10, 200, Parameter::linear("rho", 28.0, 2.0), etkf(40, 1.005), 40),
        ("lorenz96", 0.05, 1, 150, Parameter::log("forcing", 8.0, 0.15), etkf(60, 1.01), 20),
    ] {
        let results: Vec<(f64, f64)> = (0..replicates)
            .map(|replicate| with_known_truth(system, dt, every, cycles, &parameter, &given, replicate))
            .collect();
        let (square, inside, rmse) = calibration(&results);
        let n = replicates as f64;
        let sd = results.iter().map(|(_, sd)| sd).sum::<f64>() / n;
        println!(
            "{system}: rmse of u {rmse:.4} from a prior sd of {}, sd {sd:.4}, z^2 {square:.2}, 90 % interval {inside:.2}",
            parameter.sd
        );
        assert!(rmse < 0.1 * parameter.sd, "{system}: {rmse}");
        // four standard errors of the mean of a chi-square above 1; below it the inflation may double the variance
        assert!(square < 1.0 + 4.0 * (2.0 / n).sqrt() && square > 0.5 * (1.0 - 2.0 * (2.0 / n).sqrt()), "{square}");
        assert!(inside > 0.9 - 4.0 * (0.09 / n).sqrt(), "{inside}");
    }
}

#[test]
fn each_member_is_advanced_as_the_system_of_its_parameters_whatever_the_threads() {
    let parameters = vec![Parameter::linear("rho", 28.0, 2.0), Parameter::log("sigma", 10.0, 0.1)];
    let noisy = [("noise".to_owned(), Value::Float(0.5))].into();
    let euler = Stepping { integrator: "euler_maruyama".to_owned(), ..stepping(0.01) };
    let model = Augmented::system("lorenz63", &noisy, &euler, parameters).unwrap();
    let key = KEY.purpose(Purpose::ProcessNoise);
    let mut start = Array2::zeros((9, 5));
    start.slice_mut(s![.., ..3]).assign(&(KEY.normals(9, 3) + 5.0));
    start.slice_mut(s![.., 3]).assign(&Array1::linspace(25.0, 31.0, 9));
    start.slice_mut(s![.., 4]).assign(&Array1::linspace(2.0, 2.6, 9));
    let run = |threads| {
        let mut x = start.clone();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| model.advance(3, 4, &mut x, key)).unwrap();
        x
    };
    let whole = run(1);
    assert_eq!(whole, run(3));
    assert_eq!(whole.slice(s![.., 3..]), start.slice(s![.., 3..]));
    for member in [0, 5, 8] {
        let mut settings = noisy.clone();
        settings.insert("rho".to_owned(), Value::Float(start[(member, 3)]));
        settings.insert("sigma".to_owned(), Value::Float(start[(member, 4)].exp()));
        let own = catalogue::build("lorenz63", &settings).unwrap().forecaster(&euler).unwrap();
        let mut x = start.slice(s![.., ..3]).to_owned();
        own.advance(3, 4, &mut x, key).unwrap();
        assert_eq!(x.row(member), whole.slice(s![member, ..3]), "member {member}");
    }
    // and by 2 is by 1 twice, where parameters walk too
    let walking = vec![Parameter::linear("rho", 28.0, 2.0).walking(0.3), Parameter::log("sigma", 10.0, 0.1)];
    let model = Augmented::system("lorenz63", &noisy, &euler, walking).unwrap();
    let (mut once, mut twice) = (start.clone(), start.clone());
    model.advance(3, 2, &mut once, key).unwrap();
    model.advance(3, 1, &mut twice, key).unwrap();
    model.advance(4, 1, &mut twice, key).unwrap();
    assert_eq!(once, twice);
    assert!(once.column(3) != start.column(3) && once.column(4) == start.column(4));
}

#[test]
fn misuse_names_the_remedy() {
    let refused = |parameter: Parameter, u: f64| {
        let model = Augmented::system("lorenz63", &[].into(), &stepping(0.01), vec![parameter]).unwrap();
        let mut x = array![[1.0, 1.0, 1.0, 10.0], [1.0, 1.0, 1.0, u]];
        model.advance(0, 1, &mut x, KEY).map(|()| x)
    };
    let message = refused(Parameter::linear("sigma", 10.0, 1.0), -1.0).unwrap_err().to_string();
    assert!(message.contains("member 1 has sigma = -1") && message.contains("the scale `Log`"), "{message}");
    // the parameters of a state that has parameters
    let inner = Stride::new(4, 1, 0, &errors(&[1.0])).unwrap();
    assert_eq!(OfState::new(&OfState::new(&inner, 2), 1).unplaced(), 3);
    // a parameter that has diverged is a state that has diverged
    let x = refused(Parameter::linear("sigma", 10.0, 1.0), f64::NAN).unwrap();
    assert!(x.row(1).iter().all(|value| value.is_nan()) && x.row(0).iter().all(|value| value.is_finite()));
    let unknown = Augmented::system("lorenz63", &[].into(), &stepping(0.01), vec![Parameter::linear("rh", 1.0, 1.0)]);
    assert!(unknown.err().unwrap().to_string().contains("did you mean `rho`?"));
}

/// Methods that localize the covariance in state space see no place of a value, but one of each component.
#[test]
fn localization_in_state_space_refuses_parameters_too() {
    let model =
        Augmented::system("lorenz96", &[].into(), &stepping(0.05), vec![Parameter::linear("forcing", 8.0, 1.0)])
            .unwrap();
    let operator = Stride::new(40, 1, 0, &errors(&[1.0])).unwrap();
    let operator = OfState::new(&operator, 1);
    let values = Array1::zeros(40);
    let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
    for name in ["hybrid", "four_d_envar"] {
        let run = |given: &[(&str, Value)]| {
            let mut filter = method(name, given);
            filter.start(&Prior::Gaussian { mean: Array1::ones(41), covariance: Array2::eye(41) }, 0, KEY).unwrap();
            filter.step(&model, &observed, KEY)
        };
        let message =
            run(&[("radius", Value::Float(3.0))]).err().map(|problem| problem.to_string()).unwrap_or_default();
        assert!(message.contains("unknown parameters") && message.contains("leave `radius` out"), "{name}: {message}");
        assert!(run(&[]).is_ok(), "{name}");
    }
}

/// The steps of parameters are not the draws that a forecaster of the family makes of its own law.
#[test]
fn parameters_walk_by_noise_of_their_own() {
    /// x' = x + e with e from the purpose of a forecaster's own law.
    struct Drawn;
    impl Forecaster for Drawn {
        fn dim(&self) -> usize {
            1
        }
        fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
            self.advance(k, 1, x, key)
        }

        fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
            for step in k..k + steps {
                *x += &key.purpose(Purpose::ForecastNoise).at(step as u64).normals(x.nrows(), 1);
            }
            Ok(())
        }
    }
    let family = |_: &[f64]| Ok(Box::new(Drawn) as Box<dyn Forecaster>);
    let model = Augmented::new(family, vec![Parameter::linear("p", 0.0, 1.0).walking(1.0)]).unwrap();
    let members = 2000;
    let mut x = Array2::zeros((members, 2));
    model.advance(0, 1, &mut x, KEY).unwrap();
    // uncorrelated within five standard errors
    let correlation = x.column(0).dot(&x.column(1)) / members as f64;
    assert!(correlation.abs() < 5.0 / (members as f64).sqrt(), "{correlation}");
}

/// The mistake that is told is that of the first member, whichever thread finds another before.
#[test]
fn the_error_is_that_of_the_first_member() {
    let model = Augmented::system("lorenz63", &[].into(), &stepping(0.01), vec![Parameter::linear("sigma", 10.0, 1.0)]);
    let model = model.unwrap();
    for _ in 0..20 {
        let mut x = Array2::from_elem((400, 4), 1.0);
        x.slice_mut(s![5.., 3]).fill(-1.0);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        let message = pool.install(|| model.advance(0, 3, &mut x, KEY)).unwrap_err().to_string();
        assert!(message.starts_with("member 5 has"), "{message}");
    }
}

#[test]
fn the_operator_of_the_state_passes_its_derivatives_through() {
    let inner = Linear::new(array![[1.0, 2.0], [0.0, 3.0]], &errors(&[1.0])).unwrap();
    let operator = OfState::new(&inner, 2);
    let (x, u, v) = (KEY.normals(3, 4), KEY.at(1).normals(3, 4), KEY.at(2).normals(3, 2));
    let h = operator.matrix().unwrap();
    assert_eq!(h, array![[1.0, 2.0, 0.0, 0.0], [0.0, 3.0, 0.0, 0.0]]);
    assert!((operator.apply(0.0, x.view()) - x.dot(&h.t())).iter().all(|e| e.abs() < 1e-14));
    assert!(
        (operator.linearized().unwrap().jvp(0.0, x.view(), u.view()) - u.dot(&h.t())).iter().all(|e| e.abs() < 1e-14)
    );
    assert!((operator.linearized().unwrap().vjp(0.0, x.view(), v.view()) - v.dot(&h)).iter().all(|e| e.abs() < 1e-14));
}

/// A posterior taken apart is that of x in every part, and the parameters on their own scale.
#[test]
fn a_posterior_is_taken_apart_into_the_state_and_the_parameters() {
    let parameters = vec![Parameter::linear("rho", 28.0, 2.0), Parameter::log("sigma", 10.0, 0.1)];
    let model = Augmented::system("lorenz63", &[].into(), &stepping(0.01), parameters.clone()).unwrap();
    let inner = Stride::new(3, 1, 0, &errors(&[1.0])).unwrap();
    let operator = OfState::new(&inner, 2);
    let state = Prior::Gaussian { mean: array![1.0, 2.0, 20.0], covariance: Array2::eye(3) };
    let prior = augmented_prior(&state, &parameters, KEY).unwrap();
    let values = array![1.0, 2.0, 21.0];
    let run = |name: &str, given: &[(&str, Value)]| {
        let mut filter = method(name, given);
        filter.start(&prior, 0, KEY).unwrap();
        let at = |step| ObservationSet { step, time: 0.0, values: values.view(), operator: &operator };
        filter.step(&model, &at(5), KEY).unwrap();
        filter.step(&model, &at(10), KEY).unwrap()
    };
    // members, and a smoother's earlier time
    let whole = run("etkf", &[("members", Value::Int(30)), ("lag", Value::Int(1))]);
    let (of_state, estimate) = split(whole.clone(), &parameters);
    let estimate = estimate.unwrap();
    assert_eq!(
        (of_state.ensemble.ncols(), of_state.forecast.ncols(), of_state.smoothed[0].ensemble.ncols()),
        (3, 3, 3)
    );
    assert_eq!(of_state.ensemble, whole.ensemble.slice(s![.., ..3]));
    assert_eq!(of_state.smoothed[0].mean(), whole.smoothed[0].mean().slice(s![..3]));
    assert_eq!(estimate.members.column(1), whole.ensemble.column(4).mapv(f64::exp));
    let (u, sd) = Parameter::estimate(&whole.ensemble, None, 3);
    assert!((estimate.mean[0] - u).abs() < 1e-12 && (estimate.sd[0] - sd).abs() < 1e-12);
    // exact moments: those of the lognormal law on the scale log, by a sum over its quantiles
    let whole = run("unscented", &[]);
    let (of_state, estimate) = split(whole.clone(), &parameters);
    let estimate = estimate.unwrap();
    let (mean, covariance) = whole.gaussian.unwrap();
    assert_eq!(of_state.gaussian.unwrap().1, covariance.slice(s![..3, ..3]));
    assert_eq!((estimate.mean[0], estimate.sd[0]), (mean[3], covariance[(3, 3)].sqrt()));
    let density = |z: f64| (-0.5 * z * z).exp();
    let grid: Vec<f64> = (-4000..=4000).map(|k| 2e-3 * f64::from(k)).collect();
    let theta = |z: &f64| (mean[4] + covariance[(4, 4)].sqrt() * z).exp();
    let total: f64 = grid.iter().map(|z| density(*z)).sum();
    let first: f64 = grid.iter().map(|z| density(*z) * theta(z)).sum::<f64>() / total;
    let second: f64 = grid.iter().map(|z| density(*z) * (theta(z) - first).powi(2)).sum::<f64>() / total;
    assert!((estimate.mean[1] - first).abs() < 1e-9 && (estimate.sd[1] - second.sqrt()).abs() < 1e-9);
    // and without parameters nothing changes
    let whole = run("etkf", &[]);
    let (same, none) = split(whole.clone(), &[]);
    assert!(none.is_none() && same.ensemble == whole.ensemble);
}

#[test]
fn a_parameter_of_the_system_inside_has_a_path() {
    let inside =
        |rho: f64| Value::System { name: "lorenz63".into(), settings: [("rho".into(), Value::Float(rho))].into() };
    let settings = [("of".to_owned(), inside(28.0)), ("dim".to_owned(), Value::Int(5))].into();
    let model = Augmented::system("embed", &settings, &stepping(0.01), vec![Parameter::linear("of.rho", 28.0, 1.0)]);
    let mut x = KEY.normals(1, 6);
    x[(0, 5)] = 31.0;
    let own = [("of".to_owned(), inside(31.0)), ("dim".to_owned(), Value::Int(5))].into();
    let mut expected = x.slice(s![.., ..5]).to_owned();
    catalogue::build("embed", &own)
        .unwrap()
        .forecaster(&stepping(0.01))
        .unwrap()
        .advance(0, 3, &mut expected, KEY)
        .unwrap();
    model.unwrap().advance(0, 3, &mut x, KEY).unwrap();
    assert_eq!(x.slice(s![.., ..5]), expected);
}
