//! Members with parameters of their own, against systems with those parameters.

use super::*;

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

/// What members are said to have is what they have: their trajectories are those of the systems with these parameters, also
/// where the system inside draws parameters too, and where only a part is seen.
#[test]
fn a_system_with_the_parameters_of_a_member_makes_its_trajectory() {
    let inside = of("lorenz63", &[float("noise", 0.7)]);
    let words = |names: &[&str]| Value::Words(names.iter().map(|name| (*name).to_owned()).collect());
    let nested = of("perturb_parameters", &[inside.clone(), ("parameters", words(&["rho"])), float("spread", 0.1)]);
    for (name, given, names) in [
        ("perturb_parameters", vec![inside.clone(), int("group", 2)], &["of.sigma", "of.rho", "of.beta"][..]),
        (
            "perturb_parameters",
            vec![nested.clone(), ("parameters", words(&["spread"]))],
            &["of.spread", "of.of.rho"][..],
        ),
        ("observe_partially", vec![nested], &["of.of.rho"][..]),
    ] {
        let system = common::system(name, &given);
        let drawn = system.drawn_parameters().unwrap();
        assert_eq!(drawn.names(), names);
        let parameters = drawn.drawn(6, key()).unwrap();
        assert_eq!(parameters.slice(s![4.., ..]), drawn.drawn(2, noise_key().at(3).members_from(4)).unwrap());
        let made = simulate(Arc::clone(&system), &lorenz63(), 6, 20, 5, key(), |_, _| {}).unwrap();
        for (member, own) in parameters.outer_iter().enumerate() {
            let plain = drawn.with(&own.to_vec()).unwrap();
            let plain = simulate(plain, &lorenz63(), 6, 20, 5, key(), |_, _| {}).unwrap();
            assert_eq!(made.states.index_axis(Axis(0), member), plain.states.index_axis(Axis(0), member), "{name}");
        }
    }
    assert!(common::system("lorenz63", &[]).drawn_parameters().is_none());
}
