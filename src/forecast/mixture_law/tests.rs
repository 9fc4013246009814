//! The law against quadrature, finite differences and its own draws.

use std::f64::consts::TAU;

use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, array, s};

use super::*;
use crate::systems::{Domain, Level};

fn normals(seed: u64, rows: usize, columns: usize) -> Array2<f64> {
    Key::new(seed, Domain::Data).normals(rows, columns)
}

/// A mixture of random parts for each member; `rank` columns each, shared by all members where `shared`.
fn random(members: usize, dim: usize, count: usize, rank: usize, shared: bool) -> MixtureLaw {
    let rows = if shared { 1 } else { members };
    let of = |k: u64| {
        let factor = normals(10 + k, rows, dim * rank) * 0.7;
        let factor = Array3::from_shape_vec((rows, dim, rank), factor.into_raw_vec_and_offset().0).unwrap();
        let variance = normals(20 + k, rows, dim).mapv(|z| (0.5 * z).exp() * 0.3);
        GaussianPart { mean: normals(30 + k, members, dim), covariance: FactoredCovariance::new(variance, factor) }
    };
    MixtureLaw::new(normals(40, members, count), (0..count as u64).map(of).collect())
}

/// The mixture of one-dimensional Gaussians of these weights, means and variances.
fn one_dimensional(parts: &[(f64, f64, f64)]) -> MixtureLaw {
    let logs = Array2::from_shape_fn((1, parts.len()), |(_, k)| parts[k].0.ln());
    let of = |(_, mean, variance): &(f64, f64, f64)| GaussianPart {
        mean: array![[*mean]],
        covariance: FactoredCovariance::new(array![[*variance]], Array3::zeros((1, 1, 0))),
    };
    MixtureLaw::new(logs, parts.iter().map(of).collect())
}

/// The whole covariance of each part and member.
fn whole_covariance(law: &MixtureLaw, k: usize, member: usize) -> Array2<f64> {
    let covariance = &law.parts[k].covariance;
    covariance.of(row(covariance, member))
}

#[test]
fn a_law_in_one_and_in_two_dimensions_has_integral_one_at_any_level() {
    let law = one_dimensional(&[(0.2, -1.0, 0.01), (0.5, 0.3, 0.4), (0.3, 2.0, 0.09)]);
    let (step, reach) = (1e-3, 12.0);
    for level in [Level::exploding(0.0), Level { alpha: 0.8, sigma: 0.6 }] {
        let noised = law.noised(level);
        let count = (2.0 * reach / step) as usize;
        let density = |i: usize| noised.log_density(array![[-reach + i as f64 * step]].view())[0].exp();
        let total: f64 = (0..=count).map(density).sum::<f64>() * step;
        // the trapezoid rule of a smooth function that vanishes at both ends
        assert!((total - 1.0).abs() < 1e-12, "{total}");
    }
    let flat = random(1, 2, 3, 1, false);
    let noised = flat.noised(Level { alpha: 0.9, sigma: 0.3 });
    let (step, reach) = (0.05, 12.0);
    let count = (2.0 * reach / step) as usize;
    let at = |i: usize| -reach + i as f64 * step;
    let mut total = 0.0;
    for i in 0..count {
        for j in 0..count {
            total += noised.log_density(array![[at(i), at(j)]].view())[0].exp() * step * step;
        }
    }
    assert!((total - 1.0).abs() < 1e-9, "{total}");
}

#[test]
fn far_from_all_means_the_density_is_small_and_not_zero() {
    let law = one_dimensional(&[(0.5, -1.0, 0.0025), (0.5, 1.0, 0.0025)]);
    let log_density = law.log_density(array![[5.0]].view())[0];
    assert!((log_density + 3198.62).abs() < 0.005, "{log_density}");
    let beyond = law.log_density(array![[1e6]].view())[0];
    assert!((beyond + 0.5 * (1e6f64 - 1.0).powi(2) / 0.0025).abs() < 1e-6 * beyond.abs(), "{beyond}");
}

#[test]
fn one_direction_of_correlation_has_its_known_moments_and_determinant() {
    // W = 1s, D = .25, n = 6: variance 1.25, covariance 1.00, log det -5.0989
    let (n, members) = (6, 200_000);
    let covariance = FactoredCovariance::new(Array2::from_elem((1, n), 0.25), Array3::ones((1, n, 1)));
    let part = GaussianPart { mean: Array2::zeros((members, n)), covariance };
    let law = MixtureLaw::new(Array2::zeros((members, 1)), vec![part]);
    let at_mean = law.log_density(Array2::zeros((members, n)).view())[0];
    assert!((at_mean + 0.5 * (n as f64 * TAU.ln() - 5.0989)).abs() < 5e-5, "{at_mean}");
    let draws = law.draw(Key::new(1, Domain::Method));
    let covariance = draws.t().dot(&draws) / members as f64;
    for ((i, j), found) in covariance.indexed_iter() {
        let exact = if i == j { 1.25 } else { 1.0 };
        // Var(S_ij) = (C_ii C_jj + C_ij^2) / N
        let se = ((1.25 * 1.25 + exact * exact) / members as f64).sqrt();
        assert!((found - exact).abs() < 5.0 * se, "{found} for {exact}");
    }
}

#[test]
fn the_density_is_that_of_the_whole_covariances() {
    for (rank, shared) in [(0, false), (2, false), (2, true), (7, false)] {
        let (members, dim) = (4, 5);
        let law = random(members, dim, 3, rank, shared);
        let z = normals(50, members, dim);
        let found = law.log_density(z.view());
        for member in 0..members {
            let mut density = 0.0;
            for (k, part) in law.parts.iter().enumerate() {
                let covariance = whole_covariance(&law, k, member);
                let eigen = crate::systems::gaussian::SymmetricEigen::new(covariance.view()).unwrap();
                let u = (&z.row(member) - &part.mean.row(member)).dot(&eigen.vectors);
                let terms = u.iter().zip(&eigen.values).map(|(u, l)| u * u / l + (TAU * l).ln());
                density += (law.log_weights[[member, k]] - 0.5 * terms.sum::<f64>()).exp();
            }
            assert!((found[member] - density.ln()).abs() < 1e-10, "{} {}", found[member], density.ln());
        }
    }
}

/// The gradient of the log-density at a level by central differences, `[member, component]`.
fn score_by_differences(law: &MixtureLaw, x_t: ArrayView2<f64>, level: Level) -> Array2<f64> {
    let (noised, h) = (law.noised(level), 1e-5);
    let mut score = Array2::zeros(x_t.dim());
    for c in 0..x_t.ncols() {
        let at = |h: f64| {
            let mut moved = x_t.to_owned();
            moved.column_mut(c).mapv_inplace(|x| x + h);
            noised.log_density(moved.view())
        };
        score.column_mut(c).assign(&((at(h) - at(-h)) / (2.0 * h)));
    }
    score
}

const LEVELS: [Level; 4] = [
    Level { alpha: 1.0, sigma: 0.05 },
    Level { alpha: 0.8, sigma: 0.6 },
    Level { alpha: 1.0, sigma: 3.0 },
    Level { alpha: 0.02, sigma: 1.0 },
];

#[test]
fn the_denoiser_is_the_gradient_of_the_log_density() {
    for (rank, shared) in [(0, false), (2, false), (2, true)] {
        let law = random(5, 4, 3, rank, shared);
        for level @ Level { alpha, sigma } in LEVELS {
            let x_t = normals(60, 5, 4) * (alpha * alpha + sigma * sigma).sqrt();
            let score = score_by_differences(&law, x_t.view(), level);
            let expected = (&x_t + score * (sigma * sigma)) / alpha;
            let denoised = law.denoise(x_t.view(), level).unwrap();
            let error = (&denoised - &expected).mapv(f64::abs);
            // differences of a sum of size 10 are good to 1e-9
            let bound = 1e-8 * sigma * sigma / alpha + 1e-9;
            assert!(error.iter().all(|error| *error < bound), "{level:?}: {error}");
        }
        let x = normals(60, 5, 4);
        let denoised = law.denoise(x.view(), Level { alpha: 0.5, sigma: 0.0 }).unwrap();
        assert!((denoised - &x * 2.0).iter().all(|error| error.abs() < 1e-12), "without noise it is the state itself");
    }
}

#[test]
fn the_pullback_agrees_with_finite_differences_and_is_symmetric() {
    for (rank, shared) in [(0, false), (2, false), (2, true)] {
        let (members, dim) = (3, 4);
        let law = random(members, dim, 3, rank, shared);
        for level in LEVELS {
            let x_t = normals(60, members, dim);
            let (denoised, pullback) = law.denoise_vjp(x_t.view(), level).unwrap();
            assert_eq!(denoised, law.denoise(x_t.view(), level).unwrap());
            let mut jacobian = Array3::zeros((members, dim, dim));
            for c in 0..dim {
                let mut unit = Array2::zeros((members, dim));
                unit.column_mut(c).fill(1.0);
                // row c of J is J^T e_c
                jacobian.slice_mut(s![.., c, ..]).assign(&pullback.pull(unit.view()).unwrap());
                let h = 1e-5;
                let at = |h: f64| law.denoise((&x_t + &(&unit * h)).view(), level).unwrap();
                let column = (at(h) - at(-h)) / (2.0 * h);
                let pulled = pullback.pull(unit.view()).unwrap();
                let error = (pulled - column).mapv(f64::abs);
                assert!(error.iter().all(|error| *error < 1e-6 / level.alpha), "{level:?}: {error}");
            }
            for jacobian in jacobian.outer_iter() {
                let gap = &jacobian - &jacobian.t();
                assert!(gap.iter().all(|gap| gap.abs() < 1e-10 / level.alpha), "{level:?}: {gap}");
            }
        }
    }
}

#[test]
fn draws_have_the_moments_of_the_law() {
    let (one, members) = (random(1, 3, 3, 2, false), 200_000);
    let law = MixtureLaw::new(
        one.log_weights.select(Axis(0), &vec![0; members]),
        one.parts
            .iter()
            .map(|part| GaussianPart {
                mean: part.mean.select(Axis(0), &vec![0; members]),
                covariance: part.covariance.clone(),
            })
            .collect(),
    );
    let draws = law.draw(Key::new(2, Domain::Method));
    let [mean, variance] = one.moments();
    let exact: Array2<f64> = one.parts.iter().enumerate().fold(Array2::zeros((3, 3)), |sum, (k, part)| {
        let shift = (&part.mean - &mean).row(0).to_owned().insert_axis(Axis(1));
        sum + (whole_covariance(&one, k, 0) + shift.dot(&shift.t())) * one.log_weights[[0, k]].exp()
    });
    assert!((&exact.diag() - &variance.row(0)).iter().all(|gap| gap.abs() < 1e-13));
    let centred = &draws - &mean;
    let n = members as f64;
    for i in 0..3 {
        let found = centred.column(i).sum() / n;
        assert!(found.abs() < 5.0 * (exact[[i, i]] / n).sqrt(), "mean {i}: {found}");
        for j in 0..3 {
            let products: Array1<f64> = &centred.column(i) * &centred.column(j);
            let found = products.sum() / n;
            let se = (products.mapv(|p| (p - found) * (p - found)).sum() / n / n).sqrt();
            assert!((found - exact[[i, j]]).abs() < 5.0 * se, "{found} for {}", exact[[i, j]]);
        }
    }
}

#[test]
fn a_bound_denoiser_sees_data_of_unit_variance_and_maps_them_to_states() {
    for shared in [false, true] {
        let law = random(4, 3, 2, 2, shared);
        let [mean, variance] = law.moments();
        let sd = variance.mapv(f64::sqrt);
        let bound = law.bound(mean.clone(), &sd);
        let inner = law.standardized(&mean, &sd);
        let [zero, one] = inner.moments();
        assert!(zero.iter().all(|m| m.abs() < 1e-13) && one.iter().all(|v| (v - 1.0).abs() < 1e-12));
        // the density of z in the units of the state: log p(x) = log p(z) - sum log sd
        let x = normals(70, 4, 3);
        let z = (&x - &mean) / &sd;
        let jacobian = sd.mapv(f64::ln).sum_axis(Axis(1));
        let gap = law.log_density(x.view()) - (inner.log_density(z.view()) - jacobian);
        assert!(gap.iter().all(|gap| gap.abs() < 1e-12), "{gap}");
        assert!((bound.to_state.apply(&z) - &x).iter().all(|gap| gap.abs() < 1e-13));
        // at a small level the denoised state is the state
        let denoised = bound.denoiser.denoise(z.view(), Level::exploding(1e-9)).unwrap();
        assert!((denoised - &z).iter().all(|gap| gap.abs() < 1e-12));
    }
}

#[test]
fn members_are_followed_when_they_are_resampled_and_draw_as_within_the_whole() {
    let law = random(6, 3, 2, 2, false);
    let x_t = normals(80, 6, 3);
    let rows = [4, 4, 0];
    let selected = law.select(&rows).unwrap();
    let level = Level::exploding(0.4);
    let some = selected.denoise(x_t.select(Axis(0), &rows).view(), level).unwrap();
    assert_eq!(some, law.denoise(x_t.view(), level).unwrap().select(Axis(0), &rows));
    let key = Key::new(3, Domain::Method).at(2);
    let last = MixtureLaw::new(
        law.log_weights.slice(s![4.., ..]).to_owned(),
        law.parts
            .iter()
            .map(|part| GaussianPart {
                mean: part.mean.slice(s![4.., ..]).to_owned(),
                covariance: part.covariance.select(&[4, 5]),
            })
            .collect(),
    );
    assert_eq!(last.draw(key.members_from(4)), law.draw(key).slice(s![4.., ..]));
}
