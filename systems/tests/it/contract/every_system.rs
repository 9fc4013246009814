//! What every entry of the catalogue promises.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::sync::Arc;

use common::derived::{Given, assert_wrong_settings_are_refused, by_key, default_value, others};
use common::{assert_gaussian_moments, copies, stepping, system};
use ndarray::{Array2, Axis};
use rayon::ThreadPoolBuilder;
use scorecast_systems::catalogue::{DefaultStepping, SYSTEMS, build};
use scorecast_systems::{
    Covariance, Domain, Entry, Forecaster, Key, LANES, Noise, Param, ParamKind, Purpose, Sde, Stepping, System, Value,
};

/// A system of the catalogue with some settings, and its usual stepping.
struct Variant {
    name: String,
    system: Arc<dyn System>,
    stepping: Stepping,
}

impl Variant {
    fn new(entry: &'static Entry<DefaultStepping>, label: &str, settings: &[(&'static str, Value)]) -> Self {
        let settings = [&small(entry), settings].concat();
        let system = system(entry.name, &settings);
        Self { name: format!("{}{label}", entry.name), system, stepping: entry.build.stepping() }
    }

    fn perfect(&self) -> Box<dyn Forecaster> {
        Arc::clone(&self.system).forecaster(&self.stepping).unwrap()
    }

    fn sde(&self) -> Option<Arc<dyn Sde>> {
        Arc::clone(&self.system).as_sde()
    }
}

/// Large fields at a size that a loop can afford: the least size from 24 on that their scheme takes.
fn small(entry: &'static Entry<DefaultStepping>) -> Given {
    if system(entry.name, &[]).dim() <= 2000 {
        return vec![];
    }
    let sizes = entry.params.iter().filter(|param| matches!(param.kind, ParamKind::Int { .. }));
    let mut sizes = sizes.flat_map(|param| (24..=64).map(|size| vec![(param.key, Value::Int(size))]));
    let dim = |given: &Given| build(entry.name, &by_key(given)).map_or(0, |system| system.dim());
    sizes.find(|given| (400..=2000).contains(&dim(given))).unwrap_or_default()
}

/// Every system whose whole state is observed as it comes, with its defaults and with other settings; those with a plain
/// setting `noise` without noise and with some more, and those with multiplicative noise with some, stepped finely enough
/// for Euler-Maruyama.
fn variants() -> Vec<Variant> {
    let with_noise = |entry: &'static Entry<DefaultStepping>| {
        let plain =
            |param: &&Param| param.key == "noise" && matches!(param.kind, ParamKind::Float { .. } | ParamKind::Floats);
        let sds = entry.params.iter().find(plain).map_or(&[][..], |_| &[0.0, 0.7]);
        sds.iter().map(move |sd| Variant::new(entry, &format!(", noise {sd}"), &[("noise", Value::Float(*sd))]))
    };
    // each other word and truth value, and all real numbers a tenth away from their defaults
    let otherwise = |entry: &'static Entry<DefaultStepping>| {
        let is_word = |param: &&Param| matches!(param.kind, ParamKind::Choice(_) | ParamKind::Bool);
        let words = entry.params.iter().filter(is_word);
        let words = words.flat_map(|param| others(param).into_iter().map(|value| vec![(param.key, value)]));
        let nonzero = |param: &&Param| default_value(param).is_some_and(|value| value != Value::Float(0.0));
        let reals = entry.params.iter().filter(|param| matches!(param.kind, ParamKind::Float { .. })).filter(nonzero);
        let moved: Given = reals.filter_map(|param| Some((param.key, others(param).into_iter().next()?))).collect();
        words.chain([moved]).map(|given| Variant::new(entry, &format!(", {given:?}"), &given)).collect::<Vec<_>>()
    };
    let multiplicative = |entry: &'static Entry<DefaultStepping>| {
        let known = entry.params.iter().any(|param| param.key == "multiplicative");
        known.then(|| {
            let mut variant = Variant::new(entry, ", multiplicative", &[("multiplicative", Value::Float(0.2))]);
            variant.stepping = stepping("euler_maruyama", entry.build.dt, 20);
            variant
        })
    };
    let all = |entry| {
        std::iter::once(Variant::new(entry, "", &[]))
            .chain(with_noise(entry))
            .chain(otherwise(entry))
            .chain(multiplicative(entry))
    };
    SYSTEMS.iter().filter(|entry| system(entry.name, &[]).partial().is_none()).flat_map(all).collect()
}

fn key() -> Key {
    Key::new(42, Domain::Method).purpose(Purpose::ProcessNoise)
}

#[test]
fn entries_are_complete() {
    for entry in SYSTEMS {
        system(entry.name, &[]);
        let variant = Variant::new(entry, "", &[]);
        assert!(!entry.about.is_empty() && !entry.reference.is_empty(), "{}", entry.name);
        assert!(entry.params.iter().all(|param| !param.about.is_empty()), "{}", entry.name);
        let initial = variant.system.initial(5, key());
        assert_eq!(initial.dim(), (5, variant.system.dim()));
        match variant.system.partial() {
            None => assert_eq!(variant.perfect().dim(), variant.system.dim()),
            Some(partial) => assert_eq!(partial.visible.len(), variant.system.dim(), "{}", entry.name),
        }
        assert!(initial.row(0) != initial.row(1), "{}: members start apart", entry.name);
    }
}

#[test]
fn wrong_settings_are_refused_by_name() {
    assert_wrong_settings_are_refused(SYSTEMS);
}

/// Enough members for several blocks, fewer of the large systems.
fn members(system: &dyn System, most: usize) -> usize {
    (20_000 / system.dim()).clamp(LANES + 3, most)
}

#[test]
fn same_bytes_for_any_number_of_threads() {
    for variant @ Variant { name, system, .. } in &variants() {
        let start = system.initial(members(&**system, 600), key());
        let steps = (2_000_000 / (start.len() * variant.stepping.substeps)).clamp(2, 100);
        let run = |threads: usize| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut x = start.clone();
            pool.install(|| variant.perfect().advance(3, steps, &mut x, key())).unwrap();
            x
        };
        let one = run(1);
        assert!(one.iter().all(|value| value.is_finite()), "{name}");
        assert_eq!(one, run(2), "{name}");
        assert_eq!(one, run(4), "{name}");
    }
}

#[test]
fn two_steps_are_one_step_twice() {
    for variant @ Variant { name, system, .. } in &variants() {
        let forecaster = variant.perfect();
        let mut together = system.initial(members(&**system, 37), key());
        let mut apart = together.clone();
        forecaster.advance(5, 2, &mut together, key()).unwrap();
        forecaster.advance(5, 1, &mut apart, key()).unwrap();
        forecaster.advance(6, 1, &mut apart, key()).unwrap();
        assert_eq!(together, apart, "{name}");
    }
}

#[test]
fn members_do_not_depend_on_their_neighbours() {
    for variant @ Variant { name, system, .. } in &variants() {
        let forecaster = variant.perfect();
        let mut many = system.initial(LANES + 3, key());
        let mut few = many.slice(ndarray::s![..5, ..]).to_owned();
        many.row_mut(10).fill(f64::NAN);
        forecaster.advance(0, 3, &mut many, key()).unwrap();
        forecaster.advance(0, 3, &mut few, key()).unwrap();
        assert_eq!(few, many.slice(ndarray::s![..5, ..]), "{name}");
    }
}

#[test]
fn equations_without_noise_draw_nothing() {
    for variant @ Variant { name, system, .. } in &variants() {
        let Some(sde) = variant.sde() else { continue };
        let run = |key| {
            let mut x = system.initial(3, self::key());
            variant.perfect().advance(0, 1, &mut x, key).unwrap();
            x
        };
        let same = run(key()) == run(Key::new(43, Domain::Method));
        assert_eq!(same, sde.noise() == Noise::None, "{name}");
    }
}

type Block = Vec<[f64; LANES]>;

/// g(x) dw.
fn product(sde: &dyn Sde, x: &Block, dw: &Block) -> Block {
    let mut out = vec![[9.0; LANES]; sde.dim()];
    sde.diffuse_block(0.3, x, dw, &mut out);
    out
}

/// A state of the system's start, in every lane.
fn start_block(system: &dyn System) -> Block {
    system.initial(1, key()).row(0).iter().map(|value| [*value; LANES]).collect()
}

/// g is linear in dw, constant where it says so (probed with NaN states), and diagonal, depending on x_i alone, where
/// it says so; additive noise has the declared sd.
#[test]
fn noise_is_of_the_declared_kind() {
    for variant @ Variant { name, system, .. } in &variants() {
        let Some(sde) = variant.sde() else { continue };
        let (n, wiener, x) = (sde.dim(), sde.wiener_dim(), start_block(&**system));
        assert_eq!(wiener == 0, sde.noise() == Noise::None, "{name}");
        if wiener == 0 {
            continue;
        }
        let nowhere = vec![[f64::NAN; LANES]; n];
        let diagonal = matches!(sde.noise(), Noise::Additive | Noise::Diagonal);
        if diagonal {
            assert_eq!(n, wiener, "{name}");
        }
        let still = product(&*sde, &x, &vec![[0.0; LANES]; wiener]);
        assert!(still.iter().flatten().all(|value| *value == 0.0), "{name}: g times 0");
        for j in (0..wiener).step_by(1 + wiener / 64) {
            let mut unit = vec![[0.0; LANES]; wiener];
            unit[j] = [1.0; LANES];
            let column = product(&*sde, &x, &unit);
            unit[j] = [-3.0; LANES];
            let minus = product(&*sde, &x, &unit);
            // of the largest entry: a column that a transform makes is as exact as that
            let size = column.iter().flatten().fold(0.0f64, |most, a| most.max(a.abs()));
            let close = |a: f64, b: f64| (3.0 * a + b).abs() <= 1e-12 * size;
            assert!(column.iter().flatten().zip(minus.iter().flatten()).all(|(a, b)| close(*a, *b)), "{name}: linear");
            unit[j] = [1.0; LANES];
            if sde.noise().is_constant() {
                assert_eq!(column, product(&*sde, &nowhere, &unit), "{name}: g depends on x");
            }
            if diagonal {
                assert!((0..n).all(|i| i == j || column[i] == [0.0; LANES]), "{name}: g is diagonal");
                let mut here = nowhere.clone();
                here[j] = x[j];
                assert_eq!(column[j], product(&*sde, &here, &unit)[j], "{name}: g_{j} depends on more than x_{j}");
            }
            if sde.noise() == Noise::Additive {
                assert_eq!(column[j], [sde.additive_sd().unwrap()[j]; LANES], "{name}");
            }
        }
    }
}

/// The drift's tangent against centred differences, and its adjoint by the dot-product test.
#[test]
fn tangents_and_adjoints_are_derivatives_of_the_drift() {
    for variant @ Variant { name, system, .. } in &variants() {
        let Some(sde) = variant.sde() else { continue };
        let Some(linearized) = sde.linearized() else { continue };
        let n = sde.dim();
        // off the start, where much may vanish
        let mut states = system.initial(1, key());
        variant.perfect().advance(0, 20, &mut states, key()).unwrap();
        let x: Block = states.row(0).iter().map(|value| [*value; LANES]).collect();
        let normals = |at: u64| -> Block {
            let z = key().at(at).normals(LANES, n);
            (0..n).map(|i| std::array::from_fn(|lane| z[[lane, i]])).collect()
        };
        let (dx, v) = (normals(100), normals(101));
        let drift = |h: f64| {
            let moved: Block = x.iter().zip(&dx).map(|(x, d)| std::array::from_fn(|l| x[l] + h * d[l])).collect();
            let mut out = vec![[0.0; LANES]; n];
            sde.drift_block(0.3, &moved, &mut out);
            out
        };
        let scale = x.iter().flatten().fold(1e-3f64, |most, x| most.max(x.abs()));
        let h = 1e-5 * scale;
        let (ahead, behind) = (drift(h), drift(-h));
        let (mut tangent, mut adjoint) = (vec![[9.0; LANES]; n], vec![[9.0; LANES]; n]);
        linearized.tangent_block(0.3, &x, &dx, &mut tangent);
        linearized.adjoint_block(0.3, &x, &v, &mut adjoint);
        let size = tangent.iter().flatten().fold(0.0f64, |most, t| most.max(t.abs()));
        for i in 0..n {
            for lane in 0..LANES {
                let difference = (ahead[i][lane] - behind[i][lane]) / (2.0 * h);
                assert!((tangent[i][lane] - difference).abs() < 1e-6 * size, "{name}: {i} {difference}");
            }
        }
        for lane in 0..LANES {
            let dot = |a: &Block, b: &Block| a.iter().zip(b).map(|(a, b)| a[lane] * b[lane]).sum::<f64>();
            let (left, right) = (dot(&tangent, &v), dot(&dx, &adjoint));
            let bound = tangent.iter().zip(&v).map(|(a, b)| (a[lane] * b[lane]).abs()).sum::<f64>();
            assert!((left - right).abs() < 1e-12 * bound, "{name}: {left} {right}");
        }
    }
}

/// The tangent of a whole lead step, derived from the drift's, against centred differences along the same path.
#[test]
fn tangents_of_lead_steps_are_derivatives() {
    for variant @ Variant { name, system, .. } in &variants() {
        let forecaster = variant.perfect();
        let Some(differentiable) = forecaster.differentiable() else { continue };
        let mut x = system.initial(5, key());
        forecaster.advance(0, 20, &mut x, key()).unwrap();
        let dx = key().at(100).normals(5, system.dim());
        let h = 1e-5 * x.iter().fold(1e-3f64, |most, x| most.max(x.abs()));
        let moved = |h: f64| {
            let mut moved = &x + &(&dx * h);
            forecaster.advance(20, 1, &mut moved, key()).unwrap();
            moved
        };
        // extrapolated, because one h must serve components of very different size and speed
        let centred = |h: f64| (moved(h) - moved(-h)) / (2.0 * h);
        let difference = (centred(0.5 * h) * 4.0 - centred(h)) / 3.0;
        let (next, tangent) = differentiable.tangent(20, x.view(), dx.view(), key()).unwrap();
        let size = tangent.iter().fold(0.0f64, |most, t| most.max(t.abs()));
        let gap = (&tangent - &difference).iter().fold(0.0f64, |most, t| most.max(t.abs()));
        assert!(gap < 1e-6 * size, "{name}: {gap} of {size}");
        assert!((next - moved(0.0)).iter().all(|gap| gap.abs() < 1e-12 * (1.0 + size)), "{name}");
    }
}

/// The adjoint of a whole lead step by the dot-product test, wherever the system's usual integrator has one.
#[test]
fn adjoints_of_lead_steps_are_transposes() {
    let variants = variants();
    let mut tested = Vec::new();
    for variant @ Variant { name, system, .. } in &variants {
        let forecaster = variant.perfect();
        let Some(differentiable) = forecaster.differentiable() else { continue };
        let mut x = system.initial(5, key());
        forecaster.advance(0, 20, &mut x, key()).unwrap();
        let (dx, v) = (key().at(100).normals(5, system.dim()), key().at(101).normals(5, system.dim()));
        let Ok(adjoint) = differentiable.adjoint(20, x.view(), v.view(), key()) else { continue };
        let (_, tangent) = differentiable.tangent(20, x.view(), dx.view(), key()).unwrap();
        for member in 0..5 {
            let (left, right) = (tangent.row(member).dot(&v.row(member)), dx.row(member).dot(&adjoint.row(member)));
            let size = (&tangent.row(member) * &v.row(member)).mapv(f64::abs).sum();
            assert!((left - right).abs() < 1e-12 * size, "{name}: {left} {right}");
        }
        tested.push(name.as_str());
    }
    for name in ["lorenz63", "lorenz96"] {
        assert!(tested.contains(&name), "{name} is not among {tested:?}");
    }
}

#[test]
fn gaussian_kernel_has_the_moments_of_the_draws() {
    for variant @ Variant { name, system, .. } in &variants() {
        let forecaster = variant.perfect();
        let Some(kernel) = forecaster.gaussian().filter(|_| system.dim() <= 50) else { continue };
        let state = system.initial(1, key()).row(0).to_owned();
        let (mean, covariance) = kernel.moments(0, copies(&state, 1).view()).unwrap();
        let covariance = match covariance {
            Covariance::Diagonal(variance) => Array2::from_diag(&variance.row(0)),
            Covariance::Shared(covariance) => covariance,
            Covariance::Factored(covariance) => covariance.of(0),
        };
        let mut x = copies(&state, 20_000);
        forecaster.advance(0, 1, &mut x, key()).unwrap();
        assert_gaussian_moments(&x, &mean.row(0).to_owned(), &covariance, name);
    }
}

/// log N(x; m, C) by the textbook formula with an explicit inverse and determinant.
fn textbook(residual: ndarray::ArrayView1<f64>, covariance: &Array2<f64>) -> f64 {
    let n = residual.len();
    let c = nalgebra::DMatrix::from_fn(n, n, |i, j| covariance[[i, j]]);
    let r = nalgebra::DVector::from_fn(n, |i, _| residual[i]);
    let log_det = c.clone().cholesky().unwrap().l().diagonal().iter().map(|l| 2.0 * l.ln()).sum::<f64>();
    let quadratic = r.dot(&(c.try_inverse().unwrap() * &r));
    -0.5 * (quadratic + log_det + n as f64 * std::f64::consts::TAU.ln())
}

#[test]
fn density_of_a_gaussian_kernel_is_the_formula() {
    for variant @ Variant { name, system, .. } in &variants() {
        let forecaster = variant.perfect();
        let (Some(density), Some(kernel)) = (forecaster.density(), forecaster.gaussian()) else { continue };
        let x = system.initial(6, key());
        let mut next = x.clone();
        forecaster.advance(2, 1, &mut next, key()).unwrap();
        let (mean, covariance) = kernel.moments(2, x.view()).unwrap();
        if let Covariance::Shared(covariance) = &covariance
            && covariance.diag().iter().any(|variance| *variance == 0.0)
        {
            continue;
        }
        let found = density.log_prob(2, x.view(), next.view()).unwrap();
        for member in 0..6 {
            let covariance = match &covariance {
                Covariance::Diagonal(variance) => Array2::from_diag(&variance.row(member)),
                Covariance::Shared(covariance) => covariance.clone(),
                Covariance::Factored(covariance) => covariance.of(member),
            };
            let expected = textbook((&next.row(member) - &mean.row(member)).view(), &covariance);
            assert!((found[member] - expected).abs() < 1e-8 * expected.abs().max(1.0), "{name}: {found} {expected}");
        }
    }
}

#[test]
fn density_of_one_component_integrates_to_one() {
    for name in ["ou", "double_well"] {
        let forecaster = system(name, &[("dim", Value::Int(1))]).forecaster(&stepping("rk4", 0.05, 1)).unwrap();
        let h = 1e-3;
        let next = Array2::from_shape_fn((8001, 1), |(i, _)| -4.0 + h * i as f64);
        let x = Array2::from_elem(next.dim(), 0.4);
        let p = forecaster.density().unwrap().log_prob(0, x.view(), next.view()).unwrap().mapv(f64::exp);
        // the trapezoidal rule is exact to rounding for a Gaussian resolved by 100 points an sd
        assert!((p.sum() * h - 1.0).abs() < 1e-10, "{name}: {}", p.sum() * h);
    }
}

#[test]
fn denoiser_space_has_unit_variance_and_the_kernels_mean() {
    for variant @ Variant { name, system, .. } in &variants() {
        let forecaster = variant.perfect();
        let Some(denoiser) = forecaster.denoiser() else { continue };
        let x = system.initial(4, key());
        let Some(kernel) = forecaster.gaussian() else { continue };
        let bound = denoiser.bind(0, x.view()).unwrap();
        let (mean, _) = kernel.moments(0, x.view()).unwrap();
        assert_eq!(bound.to_state.offset, mean, "{name}");
        assert!(bound.to_state.scale.iter().all(|scale| *scale > 0.0), "{name}");
        let zero = Array2::zeros(x.dim());
        let level = scorecast_systems::Level::exploding(1.5);
        let denoised = bound.denoiser.denoise(zero.view(), level).unwrap();
        assert_eq!(denoised, zero, "{name}: z has mean 0");
        let (_, pullback) = bound.denoiser.denoise_vjp(zero.view(), level).unwrap();
        for i in 0..system.dim() {
            let mut unit = zero.clone();
            unit.index_axis_mut(Axis(1), i).fill(1.0);
            let gain = pullback.pull(unit.view()).unwrap()[[0, i]];
            // between no data variance and the marginal unit variance, 1 / (1 + sigma^2)
            assert!((0.0..=1.0 / 3.25 + 1e-12).contains(&gain), "{name}: {gain}");
        }
    }
}
