//! Every guidance rule of the registry, at one point and in `guided` with every weighting: with values that are missing,
//! several values, an h that is not linear, and a map to states whose scales differ.

#![allow(clippy::unwrap_used)]

use crate::common;

use std::sync::Arc;

use common::derived::{Given, assert_wrong_settings_are_refused, by_key, variants};
use common::{LinearProblem, Root, errors, method, word};
use ndarray::{Array1, Array2, Axis, array, s};
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::method::{GUIDANCE, Guidance, Jacobian, Terms, Unguided, WEIGHTINGS};
use scorecast_assimilation::observe::{Arctan, CorrelatedError, Laplace, Linear, NoiseLaw, Pointwise, Stride};
use scorecast_assimilation::{METHODS, ObservationOperator, ObservationSet, Result};
use scorecast_systems::gaussian::GaussianDenoiser;
use scorecast_systems::noising::Denoised;
use scorecast_systems::{Affine, Domain, Key, Level, ParamKind, Settings, Value};

const MEMBERS: usize = 4;

/// A rule with its settings.
struct Case {
    name: &'static str,
    given: Given,
    rule: Arc<dyn Guidance>,
}

/// Each rule, with its defaults and with each of its settings at another value.
fn every_rule() -> Vec<Case> {
    let mut out = Vec::new();
    for entry in GUIDANCE {
        let check = |given: &Given| Settings::check(entry.name, entry.params, &by_key(given)).unwrap();
        let others = variants(entry.params, &[], |_| Ok(())).accepted;
        out.extend([Given::new()].into_iter().chain(others).map(|given| {
            let rule = (entry.build)(&check(&given));
            Case { name: entry.name, given, rule }
        }));
    }
    out
}

fn levels() -> [Level; 3] {
    [Level::exploding(0.3), Level::exploding(4.0), Level { alpha: 0.6, sigma: 0.8 }]
}

/// D and terms at `z` of a Gaussian of three components, whose states have other scales.
fn at(
    rule: &dyn Guidance,
    z: &Array2<f64>,
    level: Level,
    h: &dyn ObservationOperator,
    y: &Array1<f64>,
) -> (Denoised, Terms) {
    let c = match rule.jacobian() {
        Jacobian::OfDenoiser => array![[1.0, 0.6, 0.1], [0.6, 0.9, -0.3], [0.1, -0.3, 1.2]],
        // whose Jacobian is what the rule takes it for
        Jacobian::OfUnitNormals => Array2::eye(3),
    };
    let denoiser = GaussianDenoiser::new(array![0.2, -0.1, 0.0], c.view()).unwrap();
    let key = Key::new(2, Domain::Score);
    let to_state = Affine {
        offset: key.normals(MEMBERS, 3).slice_move(s![..z.nrows(), ..]),
        scale: key.at(1).normals(MEMBERS, 3).mapv(|x| (0.5 * x).exp()).slice_move(s![..z.nrows(), ..]),
    };
    let observed = ObservationSet { step: 1, time: 0.0, values: y.view(), operator: h };
    let guided = rule.guide(Unguided { denoiser: &denoiser, to_state: &to_state, observed });
    assert_eq!(guided.places(), h.location());
    let (denoised, terms) = guided.evaluate_terms(z.view(), &[level]).unwrap();
    assert_eq!(guided.denoise(z.view(), level).unwrap(), denoised.guided);
    (denoised, terms)
}

fn linear(error: &dyn Fn(usize) -> Result<Box<dyn NoiseLaw>>) -> Linear {
    Linear::new(array![[1.0, 0.0, 0.5], [0.3, -1.0, 0.0], [0.0, 0.4, 0.8]], error).unwrap()
}

/// Whether a rule takes these observations; it says why not, and what to do.
fn accepts(rule: &dyn Guidance, h: &dyn ObservationOperator) -> bool {
    let y = Array1::zeros(h.dim());
    let refused = rule.require(&ObservationSet { step: 1, time: 0.0, values: y.view(), operator: h }).err();
    refused.is_none_or(|why| {
        assert!(why.to_string().contains("set guidance to"), "{why}");
        false
    })
}

fn correlated(index: &[usize]) -> impl Fn(usize) -> Result<Box<dyn NoiseLaw>> {
    let r = array![[0.25, 0.1, 0.0], [0.1, 0.49, -0.1], [0.0, -0.1, 0.36]];
    let r = r.select(Axis(0), index).select(Axis(1), index);
    move |_| Ok(Box::new(CorrelatedError::new(r.clone())?))
}

#[test]
fn wrong_settings_are_refused_by_name() {
    assert_wrong_settings_are_refused(GUIDANCE);
    assert_wrong_settings_are_refused(WEIGHTINGS);
}

/// Where the law is Gaussian and h linear, so that the Jacobians are the same everywhere.
#[test]
fn what_guides_is_the_gradient_of_the_sum_of_the_terms() {
    let z = Key::new(1, Domain::Score).normals(MEMBERS, 3) * 1.5;
    let y = array![2.0, f64::NAN, -0.7];
    let independent = errors(&[0.5, 0.7, 0.6]);
    for h in [linear(&independent), linear(&correlated(&[0, 1, 2]))] {
        for Case { name, given, rule } in every_rule().into_iter().filter(|case| accepts(&*case.rule, &h)) {
            for level in levels() {
                let (denoised, terms) = at(&*rule, &z, level, &h, &y);
                assert!(terms.log_likelihood.column(1).iter().chain(terms.pull.column(1)).all(|term| *term == 0.0));
                let added = (&denoised.guided - &denoised.without_guidance()) * (level.alpha / level.sigma.powi(2));
                let sum = |z: &Array2<f64>| at(&*rule, z, level, &h, &y).1.log_likelihood.sum_axis(Axis(1));
                for component in 0..3 {
                    let moved = |by: f64| {
                        let mut z = z.clone();
                        z.column_mut(component).mapv_inplace(|z| z + by);
                        sum(&z)
                    };
                    let gradient = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                    for (gradient, added) in gradient.iter().zip(added.column(component)) {
                        // the solver of a rule stops at a relative residual of 1e-4
                        assert!((gradient - added).abs() < 1e-3 * (1.0 + added.abs()), "{name} {given:?} {level:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_missing_value_is_as_one_that_was_never_observed() {
    let z = Key::new(3, Domain::Score).normals(MEMBERS, 3);
    let (all, some) = (array![1.1, f64::NAN, 0.4], array![1.1, 0.4]);
    let h = |error: &dyn Fn(usize) -> Result<Box<dyn NoiseLaw>>, index: &[usize]| {
        let matrix = linear(&errors(&[1.0])).matrix().unwrap();
        Linear::new(matrix.select(Axis(0), index), error).unwrap()
    };
    let pairs = [
        (h(&errors(&[0.5, 0.7, 0.6]), &[0, 1, 2]), h(&errors(&[0.5, 0.6]), &[0, 2])),
        (h(&correlated(&[0, 1, 2]), &[0, 1, 2]), h(&correlated(&[0, 2]), &[0, 2])),
    ];
    for Case { name, given, rule } in every_rule() {
        for (with, without) in pairs.iter().filter(|(with, _)| accepts(&*rule, with)) {
            let (masked, terms) = at(&*rule, &z, levels()[1], with, &all);
            let (fewer, expected) = at(&*rule, &z, levels()[1], without, &some);
            assert!((masked.guided - fewer.guided).iter().all(|e| e.abs() < 1e-12), "{name} {given:?}");
            let terms = terms.log_likelihood.select(Axis(1), &[0, 2]);
            assert!((terms - expected.log_likelihood).iter().all(|e| e.abs() < 1e-12), "{name} {given:?}");
        }
        let (denoised, _) = at(&*rule, &z, levels()[0], &pairs[0].0, &Array1::from_elem(3, f64::NAN));
        assert_eq!(denoised.guided, denoised.without_guidance(), "{name} {given:?}");
    }
}

/// sqrt x is no number below 0: it does not matter where a value is missing, and leaves a member alone where one is present.
#[test]
fn a_prediction_that_is_not_finite_guides_nothing() {
    let h = Pointwise::new(Root, Stride::new(3, 1, 0, &errors(&[0.5])).unwrap());
    let z = array![[9.0, 9.0, -90.0], [9.0, -90.0, 9.0], [8.0, 7.0, -90.0], [9.0, 9.0, 9.0]];
    for Case { name, given, rule } in every_rule() {
        let (denoised, _) = at(&*rule, &z, Level::exploding(0.01), &h, &array![1.0, 1.5, f64::NAN]);
        let rows = denoised.guided.outer_iter().zip(denoised.without_guidance().into_outer_iter());
        for (member, (guided, free)) in rows.enumerate() {
            assert!(guided.iter().all(|value| value.is_finite()), "{name} {given:?}: {guided}");
            assert_eq!(guided == free, member == 1, "{name} {given:?}: {guided} {free}");
        }
    }
}

#[test]
fn each_member_is_guided_by_itself() {
    let h = Pointwise::new(Arctan, Stride::new(3, 1, 0, &errors(&[0.2])).unwrap());
    let (z, y) = (Key::new(4, Domain::Score).normals(MEMBERS, 3), array![0.5, -0.3, 0.9]);
    for Case { name, given, rule } in every_rule() {
        let together = at(&*rule, &z, levels()[2], &h, &y).0.guided;
        let first = at(&*rule, &z.slice(s![..1, ..]).to_owned(), levels()[2], &h, &y).0.guided;
        assert!((&first - &together.slice(s![..1, ..])).iter().all(|e| e.abs() < 1e-12), "{name} {given:?}");
    }
}

/// `guided` by a rule and a weighting.
fn guided(rule: &str, weights: &str, members: usize) -> Box<dyn scorecast_assimilation::Cycle> {
    let given = [("guidance", word(rule)), ("weights", word(weights)), ("members", Value::Int(members as i64))];
    method("guided", &given)
}

#[test]
fn every_rule_runs_with_every_weighting() {
    for (entry, weights) in GUIDANCE.iter().flat_map(|rule| WEIGHTINGS.iter().map(move |weights| (rule, weights.name)))
    {
        let rule = entry.name;
        let usual = Settings::check(rule, entry.params, &by_key(&[])).unwrap();
        let pulls = (entry.build)(&usual).jacobian() == Jacobian::OfDenoiser;
        // several values, some of them missing, each second lead step
        let problem = LinearProblem::two(6);
        for outcome in problem.run(&mut *guided(rule, weights, 60), Key::new(5, Domain::Method)) {
            assert!(outcome.ensemble.iter().all(|value| value.is_finite()), "{rule} {weights}");
            if outcome.ensemble != outcome.forecast {
                // 64 steps, one evaluation each
                let of = |name: &str| outcome.diagnostics[name];
                assert_eq!(of("evaluations"), 64.0, "{rule} {weights}");
                assert_eq!(of("vector_jacobian_products") > 0.0, pulls, "{rule} {weights}");
            }
            assert_eq!(
                outcome.diagnostics.contains_key("ess"),
                weights != "none" && outcome.ensemble != outcome.forecast
            );
        }
        let arctan = Pointwise::new(Arctan, Stride::new(2, 1, 0, &errors(&[0.3])).unwrap());
        let mut filter = guided(rule, weights, 60);
        filter.start(&problem.prior(), 0, Key::new(6, Domain::Method)).unwrap();
        let values = array![0.4, f64::NAN];
        let observed = ObservationSet { step: 2, time: 2.0, values: values.view(), operator: &arctan };
        match filter.step(&problem.model, &observed, Key::new(6, Domain::Method)) {
            Ok(outcome) => assert!(outcome.ensemble.iter().all(|value| value.is_finite()), "{rule} {weights}"),
            Err(error) => assert!(weights == "exact" && error.to_string().contains("set weights to \"path\"")),
        }
    }
}

/// Weights along the path are without bias however good or bad the guidance is, looked at once or on the way.
#[test]
fn weights_along_the_path_make_the_kalman_filter_of_any_rule() {
    let problem = LinearProblem::one(4);
    let kinds = ["path", "twisted", "girsanov"];
    for (entry, weights) in GUIDANCE.iter().flat_map(|entry| kinds.map(|weights| (entry, weights))) {
        let members = if weights == "path" { 8000 } else { 4000 };
        let found = problem.run(&mut *guided(entry.name, weights, members), Key::new(7, Domain::Method));
        for (outcome, (mean, exact, _)) in found.iter().zip(problem.exact()) {
            let variance = covariance(outcome.ensemble.view(), outcome.weights.as_ref())[(0, 0)];
            let ess = outcome.diagnostics.get("ess").copied().unwrap_or(f64::INFINITY).min(0.5 * members as f64);
            let off = (outcome.mean()[0] - mean[0]) / exact[(0, 0)].sqrt();
            let ratio = variance / exact[(0, 0)];
            println!("{} {weights}: mean off {off:.3} sd, variance {ratio:.3}, ess {ess:.0}", entry.name);
            // five standard errors; resampling at each set doubles the variance at worst, on the way once more
            let copies = if weights == "path" { 2.0 } else { 4.0 };
            assert!(off.abs() < 5.0 * (copies / ess).sqrt(), "{} {weights}: {off}", entry.name);
            assert!((ratio - 1.0).abs() < 5.0 * (2.0 * copies / ess).sqrt(), "{} {weights}: {ratio}", entry.name);
        }
    }
}

#[test]
fn a_setting_of_another_rule_is_refused_and_so_is_weighting_a_path_without_noise() {
    let refused = |given: &[(&str, Value)]| {
        let entry = METHODS.iter().find(|entry| entry.name == "guided").unwrap();
        let settings = Settings::check("method `guided`", entry.params, &by_key(given)).unwrap();
        (entry.build.make)(&settings).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let zeta = [("zeta", Value::Float(0.5))];
    assert!(refused(&zeta).contains("`zeta` belongs to guidance \"dps\"; set `guidance` to it"), "{}", refused(&zeta));
    let iterations = [("guidance", word("dps")), ("iterations", Value::Int(3))];
    assert!(refused(&iterations).contains("`iterations` belongs to guidance \"moment_matched\""));
    let heun = [("weights", word("path")), ("sampler", word("heun"))];
    assert!(refused(&heun).contains("`weights` needs path weights here"), "{}", refused(&heun));
    let corrected = [("weights", word("twisted")), ("correctors", Value::Int(1))];
    assert!(refused(&corrected).contains("set correctors to 0"), "{}", refused(&corrected));
    let slices = [("weights", word("path")), ("slices", Value::Int(2))];
    assert!(refused(&slices).contains("`slices` belongs to weights \"girsanov\""), "{}", refused(&slices));
    assert!(refused(&[("guidance", word("dps")), ("zeta", Value::Float(0.5))]).is_empty());
}

/// Local weights know what values say of x_k alone.
#[test]
fn every_weighting_is_local_or_says_why_not() {
    let problem = LinearProblem::forty(2);
    let key = Key::new(8, Domain::Method);
    let entry = METHODS.iter().find(|entry| entry.name == "guided").unwrap();
    for (weights, update) in
        WEIGHTINGS.iter().flat_map(|entry| ["transport", "resample"].map(|update| (entry.name, update)))
    {
        let given = [
            ("weights", word(weights)),
            ("local_update", word(update)),
            ("radius", Value::Float(2.0)),
            ("members", Value::Int(20)),
        ];
        let settings = Settings::check("method `guided`", entry.params, &by_key(&given)).unwrap();
        let local = ["exact", "adapted"].contains(&weights);
        let mut filter = match (entry.build.make)(&settings) {
            Ok(filter) => filter,
            Err(error) => {
                assert!(!local && error.to_string().contains("set it to \"exact\" or \"adapted\""), "{error}");
                continue;
            }
        };
        assert!(local, "{weights}");
        filter.start(&problem.prior(), 0, key).unwrap();
        let values = problem.observations.row(0);
        let observed =
            ObservationSet { step: 1, time: 1.0, values, operator: &Stride::new(40, 2, 0, &errors(&[0.7])).unwrap() };
        let outcome = filter.step(&problem.model, &observed, key).unwrap();
        assert!(outcome.weights.is_none() && outcome.diagnostics["ess"] > 1.0);
        assert!(outcome.ensemble.iter().all(|value| value.is_finite()));
    }
}

/// Without a word for the weights those are taken that know what values say before a draw, whatever h and the rule are; where none
/// does, what is said is of the observations.
#[test]
fn every_rule_has_local_weights_without_being_told_which() {
    let problem = LinearProblem::forty(2);
    let key = Key::new(8, Domain::Method);
    let stride = || Stride::new(40, 2, 0, &errors(&[0.7])).unwrap();
    let laplace = Stride::new(40, 2, 0, &|dim| Ok(Box::new(Laplace::new(&[0.5], dim)?))).unwrap();
    let operators: [(Box<dyn ObservationOperator>, bool); 3] =
        [(Box::new(stride()), true), (Box::new(Pointwise::new(Arctan, stride())), true), (Box::new(laplace), false)];
    for (entry, (operator, usable)) in GUIDANCE.iter().flat_map(|entry| operators.iter().map(move |of| (entry, of))) {
        let given = [
            ("guidance", word(entry.name)),
            ("radius", Value::Float(2.0)),
            ("members", Value::Int(20)),
            ("steps", Value::Int(16)),
        ];
        let mut filter = method("guided", &given);
        filter.start(&problem.prior(), 0, key).unwrap();
        let values = problem.observations.row(0);
        let observed = ObservationSet { step: 1, time: 1.0, values, operator: &**operator };
        match filter.step(&problem.model, &observed, key) {
            Ok(outcome) => assert!(*usable && outcome.ensemble.iter().all(|x| x.is_finite()), "{}", entry.name),
            Err(error) => {
                let said = error.to_string();
                assert!(!usable && said.contains("Gaussian observation errors") && said.contains("`qceff`"), "{said}");
            }
        }
    }
}

/// A rule that draws itself has no use for a sampler, nor for correctors.
#[test]
fn what_a_rule_that_draws_cannot_use_is_refused() {
    let entry = METHODS.iter().find(|entry| entry.name == "guided").unwrap();
    for (key, value) in [("sampler", word("heun")), ("correctors", Value::Int(2))] {
        let given = [("guidance", word("daps")), ("weights", word("none")), (key, value)];
        let settings = Settings::check("method `guided`", entry.params, &by_key(&given)).unwrap();
        let said = (entry.build.make)(&settings).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said.contains(key) && said.contains("does nothing with guidance \"daps\""), "{said}");
    }
}

/// Whatever is counted has a largest number, so that a slip of the keyboard is told and does not run for days. Members are
/// bounded by memory, and a grid by its states.
#[test]
fn every_count_of_a_diffusion_method_has_a_bound() {
    for entry in METHODS.iter().filter(|entry| ["guided", "ensf"].contains(&entry.name)) {
        for param in entry.params.iter().filter(|param| !["members", "columns"].contains(&param.key)) {
            if let ParamKind::Int { max, .. } = param.kind {
                assert!(max <= 100_000, "{} {}: {max}", entry.name, param.key);
            }
        }
    }
}
