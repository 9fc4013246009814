//! Systems around other systems: what each keeps of the one inside, against it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{assert_gaussian_moments, copies, mean_and_se, stepping, system};
use ndarray::{Array2, Axis, s};
use scorecast_systems::catalogue::{Embed, Embedding, PerturbParameters, SYSTEMS, build, check, recipe};
use scorecast_systems::{Covariance, Domain, Error, Key, Purpose, Settings, Stepping, System, Value, simulate};

fn key() -> Key {
    Key::new(11, Domain::Data)
}

fn noise_key() -> Key {
    key().purpose(Purpose::ProcessNoise)
}

fn map(settings: &[(&str, Value)]) -> BTreeMap<String, Value> {
    settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

/// A system as the value of `of`.
fn of(name: &str, settings: &[(&str, Value)]) -> (&'static str, Value) {
    ("of", Value::System { name: name.to_owned(), settings: map(settings) })
}

fn float(key: &'static str, value: f64) -> (&'static str, Value) {
    (key, Value::Float(value))
}

fn int(key: &'static str, value: i64) -> (&'static str, Value) {
    (key, Value::Int(value))
}

fn settings(name: &str, given: &[(&str, Value)]) -> Settings {
    check(name, &map(given)).unwrap()
}

fn embed(given: &[(&str, Value)]) -> Arc<Embed> {
    Arc::new(Embed::new(&settings("embed", given)).unwrap())
}

fn perturb(given: &[(&str, Value)]) -> Arc<PerturbParameters> {
    Arc::new(PerturbParameters::new(&settings("perturb_parameters", given)).unwrap())
}

fn usual(name: &str, given: &[(&str, Value)]) -> Stepping {
    recipe(name, settings(name, given).values()).unwrap().stepping()
}

fn lorenz63() -> Stepping {
    stepping("rk4", 0.05, 5)
}

fn largest(x: &Array2<f64>) -> f64 {
    x.iter().fold(0.0, |most, value| most.max(value.abs()))
}

fn mistake(name: &str, given: &[(&str, Value)]) -> String {
    match build(name, &map(given)) {
        Ok(_) => panic!("{name} was built"),
        Err(mistakes) => mistakes[0].to_string(),
    }
}

// ---- the map

/// Some states and vectors, `[member, component]`.
fn normals(at: u64, members: usize, dim: usize) -> Array2<f64> {
    Key::new(5, Domain::Score).at(at).normals(members, dim)
}

fn curved() -> Embedding {
    Embedding::new(3, 17, 5, 1.5, 10.0, Key::new(3, Domain::Data))
}

#[test]
fn an_orthonormal_map_keeps_distances() {
    let map = Embedding::new(3, 50, 0, 0.0, 1.0, Key::new(3, Domain::Data));
    assert!(map.is_orthonormal() && !curved().is_orthonormal());
    let z = normals(0, 30, 3) * 10.0;
    let x = map.apply(z.view());
    for i in 0..30 {
        for j in 0..i {
            let distance = |a: &Array2<f64>| (&a.row(i) - &a.row(j)).mapv(|v| v * v).sum().sqrt();
            assert!((distance(&x) - distance(&z)).abs() < 1e-13 * distance(&z));
        }
    }
    let gram = map.frame().t().dot(&map.frame());
    assert!(largest(&(gram - Array2::<f64>::eye(3))) < 1e-15);
}

#[test]
fn the_left_inverse_is_exact_and_distances_never_shrink() {
    let (map, z) = (curved(), normals(0, 200, 3) * 25.0);
    let x = map.apply(z.view());
    assert!(largest(&(map.left_inverse(x.view()) - &z)) < 1e-12);
    let gap = |a: &Array2<f64>| (&a.slice(s![1.., ..]) - &a.slice(s![..-1, ..])).mapv(|v| v * v).sum_axis(Axis(1));
    let (before, after) = (gap(&z), gap(&x));
    assert!(before.iter().zip(&after).all(|(before, after)| after >= before), "the map is not expanding");
    // it bends: x does not lie in the span of U, and doubling z does not double x
    let flat = Embedding::new(3, 17, 5, 0.0, 10.0, Key::new(3, Domain::Data)).apply(z.view());
    let bend = &x - &flat;
    let size = (bend.mapv(|v| v * v).sum() / 200.0 / 5.0).sqrt();
    // each of the 5 waves has amplitude c l = 15 and so, over many turns, an rms of 15 / sqrt 2 = 10.6
    assert!((size - 15.0 / 2f64.sqrt()).abs() < 1.0, "{size}");
}

#[test]
fn the_jacobian_is_the_derivative_and_its_adjoint() {
    let (map, z, dz) = (curved(), normals(0, 20, 3) * 10.0, normals(1, 20, 3));
    let h = 1e-4;
    let difference = (map.apply((&z + &(&dz * h)).view()) - map.apply((&z - &(&dz * h)).view())) / (2.0 * h);
    let tangent = map.tangent(z.view(), dz.view());
    // centred differences: h^2/6 times a third derivative of c |w dz|^3 / l^2, and rounding of 1e-15 x 40 / h
    assert!(largest(&(&tangent - &difference)) < 1e-8, "{}", largest(&(tangent - difference)));
    let v = normals(2, 20, 17);
    let adjoint = map.adjoint(z.view(), v.view());
    for member in 0..20 {
        let (left, right) = (tangent.row(member).dot(&v.row(member)), dz.row(member).dot(&adjoint.row(member)));
        assert!((left - right).abs() < 1e-13 * (1.0 + left.abs()) * 10.0, "{left} {right}");
    }
}

/// Of a uniform frame each squared entry has mean 1/n and variance 2 (n - 1) / (n^2 (n + 2)); entries of a column sum to 1.
#[test]
fn frames_are_uniform_over_seeds() {
    let n = 6;
    let first = |seed| Embedding::new(2, n, 0, 0.0, 1.0, Key::new(seed, Domain::Data)).frame();
    let entries: Vec<f64> = (0..4000).map(|seed| first(seed)[[3, 1]]).collect();
    let (mean, se) = mean_and_se(&entries);
    assert!(mean.abs() < 4.0 * se, "{mean} {se}");
    let squares: Vec<f64> = entries.iter().map(|u| u * u).collect();
    let (mean, se) = mean_and_se(&squares);
    assert!((mean - 1.0 / n as f64).abs() < 4.0 * se, "{mean} {se}");
}

// ---- embed

#[test]
fn embed_remembers_the_system_inside() {
    let system = embed(&[of("lorenz96", &[int("dim", 12)]), int("dim", 40), float("curvature", 0.5), int("waves", 4)]);
    assert_eq!((system.intrinsic_dim(), system.map().ambient_dim(), System::dim(&*system)), (12, 40, 40));
    assert_eq!(system.inner().dim(), 12);
    assert_eq!(embed(&[]).dim(), 6);
    let (a, b) = (embed(&[int("map_seed", 1)]), embed(&[int("map_seed", 2)]));
    assert!(a.map().frame() != b.map().frame());
    assert_eq!(usual("embed", &[of("lorenz96", &[])]), stepping("rk4", 0.05, 1));
    assert_eq!(usual("embed", &[]), lorenz63());
}

/// U^T x follows the system inside under the same key, whatever the curvature and the noise.
#[test]
fn the_intrinsic_state_follows_the_system_inside() {
    for given in [&[][..], &[float("noise", 2.0)], &[float("curvature", 0.8), float("noise", 2.0), int("dim", 20)]] {
        let inside = [float("noise", 1.0)];
        let system = embed(&[&[of("lorenz63", &inside)], given].concat());
        let inner = common::system("lorenz63", &inside);
        let (mut x, mut z) = (system.initial(40, key()), inner.initial(40, key()));
        assert!(largest(&(system.map().left_inverse(x.view()) - &z)) < 1e-12);
        Arc::clone(&system).forecaster(&lorenz63()).unwrap().advance(4, 20, &mut x, noise_key()).unwrap();
        inner.forecaster(&lorenz63()).unwrap().advance(4, 20, &mut z, noise_key()).unwrap();
        // rounding of 1e-14 grows by e in 1.1 time units, here 1
        assert!(largest(&(system.map().left_inverse(x.view()) - &z)) < 1e-11);
    }
}

/// (I - U U^T) s e: over n - d directions, so that |x - F(z)|^2 / s^2 is chi-square with n - d degrees of freedom.
#[test]
fn ambient_noise_has_its_sd_and_is_fresh() {
    let system = embed(&[float("noise", 0.3), float("curvature", 0.8), int("dim", 20)]);
    let residual = |x: &Array2<f64>| x - &system.map().apply(system.map().left_inverse(x.view()).view());
    let forecaster = Arc::clone(&system).forecaster(&lorenz63()).unwrap();
    let members = 4000;
    let mut x = system.initial(members, key());
    let start = residual(&x);
    forecaster.advance(0, 1, &mut x, noise_key()).unwrap();
    let first = residual(&x);
    forecaster.advance(1, 1, &mut x, noise_key()).unwrap();
    let second = residual(&x);
    let (free, n) = (17.0, members as f64);
    for noise in [&start, &first, &second] {
        let mean_square = noise.mapv(|v| v * v).sum() / n;
        let se = (2.0 * free / n).sqrt() * 0.09;
        assert!((mean_square - 0.09 * free).abs() < 4.0 * se, "{mean_square} for {}", 0.09 * free);
    }
    for (a, b) in [(&start, &first), (&first, &second)] {
        // the inner product of two independent draws has variance s^4 (n - d)
        let overlap = (a * b).sum() / n;
        assert!(overlap.abs() < 4.0 * 0.09 * (free / n).sqrt(), "{overlap}");
    }
}

#[test]
fn a_linear_gaussian_law_passes_through_an_orthonormal_map() {
    let sd = 0.4;
    let system = embed(&[of("ou", &[]), int("dim", 7), float("noise", sd)]);
    let inner = common::system("ou", &[]);
    let step = stepping("rk4", 0.1, 1);
    let forecaster = Arc::clone(&system).forecaster(&step).unwrap();
    let law = inner.forecaster(&step).unwrap().linear_gaussian().unwrap();
    let found = forecaster.linear_gaussian().unwrap();
    let (u, eye) = (system.map().frame(), Array2::<f64>::eye(7));
    let complement = &eye - &u.dot(&u.t());
    assert!(largest(&(&found.matrix - &u.dot(&law.matrix).dot(&u.t()))) < 1e-14);
    assert!(largest(&(&found.covariance - &(u.dot(&law.covariance).dot(&u.t()) + complement * sd * sd))) < 1e-14);
    assert_eq!(found.offset, u.dot(&law.offset));
    let start = system.initial(1, key()).row(0).to_owned();
    let mut x = copies(&start, 20_000);
    forecaster.advance(0, 1, &mut x, noise_key()).unwrap();
    assert_gaussian_moments(&x, &(found.matrix.dot(&start) + &found.offset), &found.covariance, "embed of ou");
    // nothing of this for a curved map
    let bent = embed(&[of("ou", &[]), int("dim", 7), float("noise", sd), float("curvature", 0.5)]);
    let bent = bent.forecaster(&step).unwrap();
    assert!(bent.linear_gaussian().is_none() && bent.gaussian().is_none() && bent.denoiser().is_none());
    assert!(bent.density().is_some());
}

/// The stationary law of embed of ou: mean U mu and covariance U P U^T + s^2 (I - U U^T).
#[test]
fn starts_of_a_stationary_system_stay_stationary() {
    let system = embed(&[of("ou", &[]), int("dim", 5), float("noise", 0.5)]);
    assert!(system.initial_is_stationary());
    let law = Arc::clone(&system).forecaster(&stepping("rk4", 0.1, 1)).unwrap().linear_gaussian().unwrap();
    let x = system.initial(20_000, key());
    let exact = {
        let mut p = Array2::<f64>::eye(5);
        (0..2000).for_each(|_| p = law.matrix.dot(&p).dot(&law.matrix.t()) + &law.covariance);
        p
    };
    assert_gaussian_moments(&x, &ndarray::Array1::zeros(5), &exact, "starts");
}

/// A Gaussian kernel with a diagonal covariance inside (one step of Lorenz-96) has a full one outside.
#[test]
fn a_gaussian_kernel_passes_through_an_orthonormal_map() {
    let inside = [int("dim", 5), float("noise", 1.0)];
    let system = embed(&[of("lorenz96", &inside), int("dim", 8), float("noise", 0.2)]);
    let step = stepping("rk4", 0.05, 1);
    let forecaster = Arc::clone(&system).forecaster(&step).unwrap();
    assert!(forecaster.linear_gaussian().is_none() && forecaster.denoiser().is_some());
    let start = system.initial(1, key()).row(0).to_owned();
    let (mean, covariance) = forecaster.gaussian().unwrap().moments(0, copies(&start, 1).view()).unwrap();
    let Covariance::Shared(covariance) = covariance else { panic!("the covariance is diagonal") };
    let mut x = copies(&start, 20_000);
    forecaster.advance(0, 1, &mut x, noise_key()).unwrap();
    assert_gaussian_moments(&x, &mean.row(0).to_owned(), &covariance, "embed of lorenz96");
    // multiplied out, the density is that of the Gaussian
    let x = x.slice(s![..6, ..]).to_owned();
    let density = forecaster.density().unwrap().log_prob(0, copies(&start, 6).view(), x.view()).unwrap();
    let c = nalgebra::DMatrix::from_fn(8, 8, |i, j| covariance[[i, j]]);
    let (inverse, determinant) = (c.clone().try_inverse().unwrap(), c.determinant());
    for (row, found) in x.rows().into_iter().zip(&density) {
        let r = nalgebra::DVector::from_fn(8, |i, _| row[i] - mean[[0, i]]);
        let exact = -0.5 * (r.dot(&(&inverse * &r)) + determinant.ln() + 8.0 * std::f64::consts::TAU.ln());
        assert!((exact - found).abs() < 1e-9 * exact.abs().max(1.0), "{exact} {found}");
    }
}

/// In one intrinsic and two ambient dimensions the density of a curved map integrates to 1.
#[test]
fn the_density_of_a_curved_map_integrates_to_one() {
    let settings = [of("ou", &[int("dim", 1)]), float("noise", 0.3), float("curvature", 1.0), float("length", 0.5)];
    let forecaster = embed(&settings).forecaster(&stepping("rk4", 0.3, 1)).unwrap();
    let (points, h) = (240, 0.05);
    let at = |i: usize| -6.0 + h * i as f64;
    let next =
        Array2::from_shape_fn((points * points, 2), |(row, i)| at(if i == 0 { row / points } else { row % points }));
    let x = Array2::from_elem(next.dim(), 0.4);
    let p = forecaster.density().unwrap().log_prob(0, x.view(), next.view()).unwrap().mapv(f64::exp);
    // the sum is exact to far below this bound for a density as smooth as 6 points an sd
    assert!((p.sum() * h * h - 1.0).abs() < 1e-6, "{}", p.sum() * h * h);
}

#[test]
fn tangents_of_wrapped_systems_are_derivatives() {
    let bent = [float("curvature", 0.8), float("noise", 0.5), int("dim", 9)];
    let perturbed = [of("lorenz96", &[int("dim", 6), float("noise", 0.5)]), int("group", 3)];
    let nested = of("perturb_parameters", &perturbed);
    for (name, given) in [("embed", bent.to_vec()), ("embed", vec![nested]), ("perturb_parameters", perturbed.to_vec())]
    {
        let forecaster = system(name, &given).forecaster(&usual(name, &given)).unwrap();
        let Some(differentiable) = forecaster.differentiable() else { continue };
        let mut x = system(name, &given).initial(7, key());
        forecaster.advance(0, 20, &mut x, noise_key()).unwrap();
        let dx = normals(3, 7, x.ncols());
        let h = 1e-5 * largest(&x);
        let moved = |h: f64| {
            let mut moved = &x + &(&dx * h);
            forecaster.advance(20, 1, &mut moved, noise_key()).unwrap();
            moved
        };
        let (next, tangent) = differentiable.tangent(20, x.view(), dx.view(), noise_key()).unwrap();
        let gap = largest(&(&tangent - &((moved(h) - moved(-h)) / (2.0 * h))));
        assert!(gap < 1e-6 * largest(&tangent), "{name}: {gap}");
        assert!(largest(&(next - moved(0.0))) < 1e-11, "{name}");
    }
}

#[test]
fn embed_says_what_does_not_fit() {
    assert_eq!(
        mistake("embed", &[of("lorenz96", &[]), int("dim", 8)]),
        "system `embed`: `dim` is 8, but the system inside has 40 components; set at least 40"
    );
    assert!(mistake("embed", &[int("dim", 3), float("curvature", 1.0)]).contains("raise `dim`"));
    assert!(mistake("embed", &[int("dim", 5), float("curvature", 1.0), int("waves", 3)]).contains("set at most 2"));
    assert!(mistake("embed", &[of("lorenz96", &[int("dim", 100_000)])]).contains("dense frame"));
    let drift = Value::Rows(vec![vec![1.0, 2.0, 3.0], vec![1.0, 2.0, 3.0]]);
    assert!(mistake("embed", &[of("ou", &[("drift", drift)])]).contains("system `ou`: `of.drift` has 2 rows"));
    let hidden = of("observe_partially", &[]);
    for name in ["embed", "perturb_parameters", "observe_partially"] {
        assert!(mistake(name, std::slice::from_ref(&hidden)).contains("hides a part of its state"), "{name}");
    }
}

// ---- perturb_parameters

/// Three parameters of 1e4 members: mean, sd and correlations of the declared Gaussian within 4 standard errors.
#[test]
fn parameters_have_their_law() {
    let system = perturb(&[float("spread", 0.05)]);
    let centres = [("beta", 8.0 / 3.0), ("rho", 28.0), ("sigma", 10.0)];
    assert_eq!(system.names().collect::<Vec<_>>(), ["sigma", "rho", "beta"]);
    let n = 10_000;
    let draws = Array2::from_shape_vec(
        (n, 3),
        (0..n as u64).flat_map(|member| system.parameters(member, key()).unwrap()).collect(),
    );
    let draws = draws.unwrap();
    let centre = |name: &str| centres.iter().find(|(known, _)| *known == name).unwrap().1;
    let means: ndarray::Array1<f64> = system.names().map(centre).collect();
    let covariance = Array2::from_diag(&means.mapv(|mean| (0.05 * mean) * (0.05 * mean)));
    assert_gaussian_moments(&draws, &means, &covariance, "parameters");
}

#[test]
fn a_member_keeps_its_parameters() {
    let system = perturb(&[]);
    let draw = |member, key: Key| system.parameters(member, key).unwrap();
    let first = draw(3, key());
    assert_eq!(first, draw(3, noise_key().at(17)), "the same for starts and for every lead step");
    assert_eq!(first, draw(0, noise_key().members_from(3)), "the same for a part of the ensemble");
    for other in [draw(4, key()), draw(3, key().case(1)), draw(3, Key::new(11, Domain::Truth))] {
        assert_ne!(first, other);
    }
    let forecaster = || Arc::clone(&system).forecaster(&lorenz63()).unwrap();
    let many = {
        let mut x = system.initial(50, key());
        forecaster().advance(0, 8, &mut x, noise_key()).unwrap();
        x
    };
    let mut few = system.initial(5, key());
    let one = forecaster();
    (0..8).for_each(|k| one.advance(k, 1, &mut few, noise_key()).unwrap());
    assert_eq!(few, many.slice(s![..5, ..]));
}

/// Bit for bit what the system inside gives with those parameters, its noise included.
#[test]
fn each_trajectory_is_that_of_the_system_with_its_parameters() {
    for group in [1, 3] {
        let inside = [float("noise", 0.7)];
        let system = perturb(&[of("lorenz63", &inside), float("spread", 0.1), int("group", group)]);
        let made = simulate(Arc::clone(&system) as Arc<dyn System>, &lorenz63(), 8, 30, 10, key(), |_, _| {}).unwrap();
        let mut before = Vec::new();
        for member in 0..8 {
            let drawn = system.parameters(member as u64, key()).unwrap();
            assert_eq!(drawn == before, member as i64 % group != 0, "groups of {group}");
            let own: Vec<_> = system.names().zip(&drawn).map(|(name, value)| (name, Value::Float(*value))).collect();
            let plain = common::system("lorenz63", &[&own[..], &inside].concat());
            let plain = simulate(plain, &lorenz63(), 8, 30, 10, key(), |_, _| {}).unwrap();
            assert_eq!(made.states.index_axis(Axis(0), member), plain.states.index_axis(Axis(0), member));
            before = drawn;
        }
    }
}

/// Half of the draws of a spread of 500 % would be negative: they are drawn again, and the law is the truncated one.
#[test]
fn refused_draws_are_drawn_again() {
    let wide = perturb(&[float("spread", 5.0), ("parameters", Value::Words(vec!["beta".into()]))]);
    let draws: Vec<f64> = (0..2000).map(|member| wide.parameters(member, key()).unwrap()[0]).collect();
    assert!(draws.iter().all(|beta| *beta > 0.0));
    // N(m, s^2) above 0 has mean m + s phi(m / s) / Phi(m / s), with m / s = 0.2
    let sd = 5.0 * 8.0 / 3.0;
    let exact = 8.0 / 3.0 + sd * 0.391_042_693_975_455_8 / 0.579_259_709_439_103;
    let (mean, se) = mean_and_se(&draws);
    assert!((mean - exact).abs() < 4.0 * se, "{mean} {exact} {se}");
    assert_eq!(draws[7], wide.parameters(7, key()).unwrap()[0]);
}

/// No draw around 1e308 with a spread of 1e300 is finite.
#[test]
fn draws_that_are_all_refused_are_an_error() {
    let system = perturb(&[of("lorenz96", &[float("forcing", 1e308)]), float("spread", 1e300)]);
    let refused = |error: Error| assert!(error.to_string().contains("refused 1000 draws of forcing"), "{error}");
    refused(system.parameters(0, key()).unwrap_err());
    let mut x = system.initial(2, key());
    assert!(x.iter().all(|value| value.is_nan()));
    refused(system.forecaster(&stepping("rk4", 0.05, 1)).unwrap().advance(0, 1, &mut x, key()).unwrap_err());
}

#[test]
fn perturb_parameters_says_what_it_cannot_draw() {
    let named = |name: &str| mistake("perturb_parameters", &[("parameters", Value::Text(name.into()))]);
    assert_eq!(
        named("rh"),
        "system `perturb_parameters`: `parameters` names `rh`, which is no number of system `lorenz63`; did you mean `rho`?"
    );
    assert!(named("dim").contains("it has sigma, rho, beta, noise"), "{}", named("dim"));
    assert!(named("noise").contains("which is 0"));
    let twice = Value::Words(vec!["rho".into(), "rho".into()]);
    assert!(mistake("perturb_parameters", &[("parameters", twice)]).contains("twice"));
}

/// A system around a system around a system.
#[test]
fn wrappers_nest() {
    let perturbed = of("perturb_parameters", &[float("spread", 0.1)]);
    let system = embed(&[perturbed.clone(), int("dim", 10), float("noise", 0.1)]);
    let inner = perturb(&[float("spread", 0.1)]);
    let (mut x, mut z) = (system.initial(6, key()), inner.initial(6, key()));
    Arc::clone(&system).forecaster(&lorenz63()).unwrap().advance(0, 10, &mut x, noise_key()).unwrap();
    inner.forecaster(&lorenz63()).unwrap().advance(0, 10, &mut z, noise_key()).unwrap();
    assert!(largest(&(system.map().left_inverse(x.view()) - z)) < 1e-11);
    // the two noises of embed in embed are independent, and the parameters of perturbed in perturbed too
    let twice = embed(&[of("embed", &[float("noise", 1.0)]), float("noise", 1.0)]);
    let x = twice.initial(4000, key());
    let middle = twice.map().left_inverse(x.view());
    let outer = &x - &twice.map().apply(middle.view());
    let inner = Embed::new(&settings("embed", &[float("noise", 1.0)])).unwrap();
    let inner = &middle - &inner.map().apply(inner.map().left_inverse(middle.view()).view());
    let overlap = outer.t().dot(&inner) / 4000.0;
    assert!(largest(&overlap) < 5.0 / 4000f64.sqrt(), "{overlap}");
    let plain = perturb(&[]);
    let outer = perturb(&[of("perturb_parameters", &[]), float("spread", 0.05)]);
    let (a, b): (Vec<_>, Vec<_>) = (0..2000)
        .map(|i| {
            (plain.parameters(i, key()).unwrap()[0] / 10.0 - 1.0, outer.parameters(i, key()).unwrap()[0] / 0.05 - 1.0)
        })
        .unzip();
    let correlation = a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>() / 2000.0 / 0.0025;
    assert!(correlation.abs() < 4.0 / 2000f64.sqrt(), "{correlation}");
}

// ---- observe_partially

#[test]
fn what_is_seen_is_columns_of_the_whole() {
    let inside = [int("dim", 9), float("noise", 0.5)];
    let whole = system("lorenz96", &inside);
    let step = stepping("rk4", 0.05, 1);
    let all = simulate(Arc::clone(&whole), &step, 4, 20, 10, key(), |_, _| {}).unwrap();
    let components = ("components", Value::Indices(vec![1, 2, 7]));
    for (given, seen) in [
        (vec![int("stride", 3), int("offset", 1)], vec![1, 4, 7]),
        (vec![int("stride", 4)], vec![0, 4, 8]),
        (vec![components], vec![1, 2, 7]),
    ] {
        let partial = system("observe_partially", &[&[of("lorenz96", &inside)], &given[..]].concat());
        assert_eq!((partial.dim(), partial.partial().unwrap().seen), (3, &seen[..]));
        let made = simulate(Arc::clone(&partial), &step, 4, 20, 10, key(), |_, _| {}).unwrap();
        assert_eq!(made.states, all.states.select(Axis(2), &seen));
        assert_eq!(partial.initial(4, key()), whole.initial(4, key()).select(Axis(1), &seen));
        let Err(refused) = partial.forecaster(&step) else { panic!("there is a law of what is seen") };
        assert!(refused.to_string().contains("only 3 of 9 components are seen"), "{refused}");
    }
}

#[test]
fn a_ring_seen_evenly_is_a_ring() {
    let geometry = |dim, stride| {
        system("observe_partially", &[of("lorenz96", &[int("dim", dim)]), int("stride", stride)]).geometry()
    };
    assert_eq!(geometry(12, 3), scorecast_systems::Geometry::Ring);
    assert_eq!(geometry(13, 3), scorecast_systems::Geometry::Unstructured);
}

#[test]
fn observe_partially_says_what_does_not_fit() {
    let components = |list: &[usize]| mistake("observe_partially", &[("components", Value::Indices(list.to_vec()))]);
    assert!(components(&[]).contains("empty list"));
    assert!(components(&[0, 3]).contains("has 3, but the system inside has 3 components"));
    assert!(components(&[1, 1]).contains("in increasing order"));
    assert!(mistake("observe_partially", &[int("offset", 3)]).contains("take one below 3"));
}

/// A part of an embedded system with parameters of its own.
#[test]
fn a_part_of_a_nested_system_is_simulated() {
    let nested = of("embed", &[of("perturb_parameters", &[]), float("noise", 0.1)]);
    let partial = system("observe_partially", &[nested, int("stride", 2)]);
    let made = simulate(partial, &usual("observe_partially", &[]), 5, 10, 10, key(), |_, _| {}).unwrap();
    assert_eq!(made.states.dim(), (5, 11, 3));
    assert!(made.states.iter().all(|value| value.is_finite()));
}

// ---- the usual stepping

#[test]
fn other_lead_steps_keep_the_usual_step_and_spin_up() {
    let of = |name: &str| SYSTEMS.iter().find(|entry| entry.name == name).unwrap().build;
    let recipe = of("lorenz63");
    for (dt, substeps, spin_up) in
        [(0.05, 5, 1000), (0.1, 10, 500), (0.01, 1, 5000), (0.03, 3, 1667), (1e9, 1_000_000, 1)]
    {
        assert_eq!((recipe.substeps_for(dt), recipe.spin_up_for(dt)), (substeps, spin_up), "{dt}");
    }
    for entry in SYSTEMS {
        let recipe = entry.build;
        assert_eq!((recipe.substeps_for(recipe.dt), recipe.spin_up_for(recipe.dt)), (recipe.substeps, recipe.spin_up));
    }
}
