//! Gaussian laws told by diag(d) + W W^T against those of the whole covariance, and against known numbers.
#![allow(clippy::unwrap_used, clippy::panic)]

use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, array, s};
use scorecast_systems::noising::sampler::ReverseSde;
use scorecast_systems::noising::{Karras, sample};
use scorecast_systems::{
    ConditionalDenoiser, Covariance, Density, Domain, FactoredCovariance, GaussianKernel, GaussianLaw, Key, Level,
    Result,
};

use crate::common::{assert_gaussian_moments, copies};

/// The mean is x; the covariance of each member is given, as it is told or one member's as a whole matrix.
struct Given {
    covariances: FactoredCovariance,
    dense: bool,
}

impl GaussianKernel for Given {
    fn moments(&self, _k: usize, x: ArrayView2<f64>) -> Result<(Array2<f64>, Covariance)> {
        let covariance = match self.dense {
            true => Covariance::Shared(self.covariances.of(0)),
            false => Covariance::Factored(self.covariances.clone()),
        };
        Ok((x.to_owned(), covariance))
    }
}

fn normals(seed: u64, rows: usize, columns: usize) -> Array2<f64> {
    Key::new(seed, Domain::Score).normals(rows, columns)
}

/// Three members in four components: two directions and noise everywhere; a lower-triangular factor and no noise; one
/// direction and a component without any noise.
fn laws() -> Vec<FactoredCovariance> {
    let factor = |seed: u64, r: usize| {
        Array3::from_shape_vec((3, 4, r), normals(seed, 12, r).into_raw_vec_and_offset().0).unwrap()
    };
    let noise = normals(1, 3, 4).mapv(|x| 0.1 + x * x);
    let mut triangular = factor(3, 4);
    for ((_, i, j), value) in triangular.indexed_iter_mut() {
        *value = if j > i { 0.0 } else { *value + if i == j { 2.0 * value.signum() } else { 0.0 } };
    }
    let mut partly = noise.clone();
    partly.column_mut(2).fill(0.0);
    let mut direction = factor(4, 1);
    direction.slice_mut(s![.., 2, ..]).fill(0.0);
    vec![
        FactoredCovariance::new(noise, factor(2, 2)),
        FactoredCovariance::new(Array2::zeros((3, 4)), triangular),
        FactoredCovariance::new(partly, direction),
    ]
}

#[test]
fn density_and_denoiser_are_those_of_the_whole_covariance() {
    for (which, covariances) in laws().into_iter().enumerate() {
        let law = GaussianLaw::new(Given { covariances: covariances.clone(), dense: false });
        let (x, mut next) = (normals(5, 3, 4), normals(6, 3, 4));
        if which == 2 {
            // on the support in one member, off it in the others
            next[[0, 2]] = x[[0, 2]];
        }
        let found = law.log_prob(0, x.view(), next.view()).unwrap();
        let bound = law.bind(0, x.view()).unwrap();
        for member in 0..3 {
            let alone = GaussianLaw::new(Given { covariances: covariances.select(&[member]), dense: true });
            let row = |all: &Array2<f64>| all.slice(s![member..=member, ..]).to_owned();
            let expected = alone.log_prob(0, row(&x).view(), row(&next).view()).unwrap()[0];
            let near = (found[member] - expected).abs() < 1e-9 * (1.0 + expected.abs());
            assert!(near || found[member] == expected, "law {which}, member {member}: {} {expected}", found[member]);
            let x_one = row(&x);
            let whole = alone.bind(0, x_one.view()).unwrap();
            let scales = (&bound.to_state.scale.row(member) - &whole.to_state.scale.row(0)).mapv(f64::abs);
            assert!(scales.iter().all(|error| *error < 1e-14), "law {which}: {scales}");
            for level in [Level::exploding(0.03), Level { alpha: 0.6, sigma: 0.8 }, Level::exploding(7.0)] {
                let (z, v) = (normals(7, 3, 4), normals(8, 3, 4));
                let (all, pull) = bound.denoiser.denoise_vjp(z.view(), level).unwrap();
                let z_one = row(&z);
                let (one, pull_one) = whole.denoiser.denoise_vjp(z_one.view(), level).unwrap();
                let pulled = (pull.pull(v.view()).unwrap(), pull_one.pull(row(&v).view()).unwrap());
                for (all, one) in [(all, one), pulled] {
                    let error = (&all.row(member) - &one.row(0)).mapv(f64::abs);
                    assert!(error.iter().all(|error| *error < 1e-11), "law {which} at {level:?}: {error}");
                }
                let subset = bound.denoiser.select(&[member]).unwrap();
                let again = subset.denoise(row(&z).view(), level).unwrap();
                assert!((&again - &one_of(&*whole.denoiser, &row(&z), level)).iter().all(|e| e.abs() < 1e-11));
            }
        }
    }
}

fn one_of(denoiser: &dyn scorecast_systems::DifferentiableDenoiser, z: &Array2<f64>, level: Level) -> Array2<f64> {
    denoiser.denoise(z.view(), level).unwrap()
}

/// W = 1 in one direction and d = .25 in six components.
fn known(members: usize) -> FactoredCovariance {
    FactoredCovariance::new(Array2::from_elem((members, 6), 0.25), Array3::ones((members, 6, 1)))
}

#[test]
fn draws_have_two_noises_and_known_moments() {
    let covariances = known(1);
    assert_eq!(covariances.of(0), Array2::<f64>::ones((6, 6)) + Array2::<f64>::eye(6) * 0.25);
    assert_eq!(covariances.variances(), Array2::<f64>::from_elem((1, 6), 1.25));
    // log p at the mean is -(log det + 6 ln 2 pi) / 2
    let law = GaussianLaw::new(Given { covariances: covariances.clone(), dense: false });
    let x = Array2::zeros((1, 6));
    let log_det = -2.0 * law.log_prob(0, x.view(), x.view()).unwrap()[0] - 6.0 * std::f64::consts::TAU.ln();
    assert!((log_det - -5.0989).abs() < 5e-5, "{log_det}");
    let members = 200_000;
    let covariances = known(members);
    assert_eq!(covariances.normals(), 7);
    let drawn = covariances.draw(normals(9, members, 7).view());
    assert_gaussian_moments(&drawn, &Array1::zeros(6), &known(1).of(0), "drawn");
    // the noise of a component is independent of that of the direction: E[z_i - z_j]^2 = 2 d, and W alone moves their mean
    let difference = &drawn.column(0) - &drawn.column(1);
    let variance = difference.dot(&difference) / members as f64;
    assert!((variance / 0.5 - 1.0).abs() < 5.0 * (2.0 / members as f64).sqrt(), "{variance}");
}

#[test]
fn averages_products_and_scales_are_those_of_the_matrices() {
    for covariances in laws() {
        let weights = array![0.5, 0.2, 0.3];
        let h = normals(3, 2, 4);
        let scale = array![[2.0, 0.5, 1.0, 3.0]];
        let mut sum = Array2::<f64>::zeros((4, 4));
        for member in 0..3 {
            let c = covariances.of(member);
            sum.scaled_add(weights[member], &c);
            assert!((covariances.times(h.view(), member) - h.dot(&c)).iter().all(|e| e.abs() < 1e-13));
            let scaled = &c * &scale * scale.t();
            assert!((covariances.clone().scaled(scale.view()).of(member) - scaled).iter().all(|e| e.abs() < 1e-12));
        }
        assert!((covariances.average(weights.view()) - sum).iter().all(|e| e.abs() < 1e-13));
    }
}

#[test]
fn a_sampler_draws_from_such_a_law() {
    let (state, members) = (array![1.0, -2.0, 0.5, 0.0], 40_000);
    let one = laws()[0].select(&[1]);
    let law = GaussianLaw::new(Given { covariances: one.select(&vec![0; members]), dense: false });
    let x = copies(&state, members);
    let bound = law.bind(0, x.view()).unwrap();
    // 200 steps to 0.002 leave .3 % of the sd
    let grid = Karras { sigma_min: 0.002, sigma_max: 40.0, rho: 7.0, steps: 200 };
    let z = sample(&ReverseSde, &*bound.denoiser, &grid.exploding().unwrap(), members, Key::new(2, Domain::Method))
        .unwrap();
    assert_gaussian_moments(&bound.to_state.apply(&z), &state, &one.of(0), "sampled");
}

#[test]
fn a_member_that_is_not_finite_harms_no_other() {
    let mut diagonal = Array2::from_elem((2, 4), 0.5);
    diagonal[[0, 1]] = f64::NAN;
    let covariances = FactoredCovariance::new(diagonal, Array3::ones((2, 4, 1)));
    let law = GaussianLaw::new(Given { covariances, dense: false });
    let x = Array2::zeros((2, 4));
    let log_prob = law.log_prob(0, x.view(), x.view()).unwrap();
    assert!(log_prob[0].is_nan() && log_prob[1].is_finite());
    let denoised = law.bind(0, x.view()).unwrap().denoiser.denoise(x.view(), Level::exploding(1.0)).unwrap();
    assert!(denoised.index_axis(Axis(0), 1).iter().all(|value| value.is_finite()));
}
