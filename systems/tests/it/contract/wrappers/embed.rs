//! A system in a space of more dimensions, against the one inside.

use super::*;

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
        let differentiable = forecaster.differentiable().unwrap();
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
