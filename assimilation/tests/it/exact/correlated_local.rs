//! Correlated errors where observations are localized: with weights of 1 against the global update, with a taper against
//! the formulas component by component, and against the exact posterior of a field.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{errors, inverse, method, word};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use scorecast_assimilation::ensemble::{anomalies, covariance};
use scorecast_assimilation::linalg::symmetric_sqrt;
use scorecast_assimilation::localize::Taper;
use scorecast_assimilation::observe::{CorrelatedError, NoiseLaw, Place, Stride};
use scorecast_assimilation::{LinearizedOperator, ObservationOperator, ObservationSet, Outcome, Prior};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Key, LinearGaussian, Value};

const KEY: Key = Key::new(4, Domain::Method);
const DIM: usize = 12;

/// Every `every`-th component of a ring of `dim`, with errors of varying sd that are correlated along the ring.
fn ring(dim: usize, every: usize, length: f64) -> Stride {
    let sd: Vec<f64> = (0..dim / every).map(|i| 0.5 + 0.2 * (i % 3) as f64).collect();
    let law = move |dim| Ok(Box::new(CorrelatedError::exponential(&sd, length, true, dim)?) as Box<dyn NoiseLaw>);
    Stride::new(dim, every, 0, &law).unwrap()
}

fn values(count: usize) -> Array1<f64> {
    let mut y = Key::new(3, Domain::Score).normals(1, count).remove_axis(Axis(0));
    y[1] = f64::NAN;
    y
}

/// Members, and one set of observations of each `every`-th component.
fn case(members: usize, every: usize) -> (Array2<f64>, Stride, Array1<f64>) {
    let operator = ring(DIM, every, 2.0);
    let y = values(operator.dim());
    (Key::new(1, Domain::Score).normals(members, DIM) * 1.3, operator, y)
}

/// One analysis of these members, without a lead step.
fn analysis(name: &str, given: &[(&str, Value)], x: &Array2<f64>, observed: &ObservationSet) -> Outcome {
    let dim = x.ncols();
    let law = LinearGaussian { matrix: Array2::eye(dim), offset: Array1::zeros(dim), covariance: Array2::eye(dim) };
    let mut filter = method(name, &[&[("members", Value::Int(x.nrows() as i64))], given].concat());
    filter.start(&Prior::Ensemble(x.clone()), observed.step, KEY).unwrap();
    filter.step(&LinearForecaster::new(law).unwrap(), observed, KEY).unwrap()
}

fn local(radius: f64, taper: &str) -> [(&'static str, Value); 2] {
    [("radius", Value::Float(radius)), ("taper", word(taper))]
}

fn chosen(a: ArrayView2<f64>, index: &[usize]) -> Array2<f64> {
    a.select(Axis(0), index).select(Axis(1), index)
}

fn close(a: &Array2<f64>, b: &Array2<f64>) -> bool {
    (a - b).iter().all(|e| e.abs() < 1e-10)
}

const CASES: [(usize, usize); 4] = [(30, 1), (5, 1), (30, 3), (8, 2)];

#[test]
fn with_weights_of_one_nothing_is_localized() {
    for (members, every) in CASES {
        let (x, operator, y) = case(members, every);
        let observed = ObservationSet { step: 2, time: 0.0, values: y.view(), operator: &operator };
        let everywhere = local(1e9, "step");
        let etkf = analysis("etkf", &[], &x, &observed);
        for name in ["letkf", "lestkf"] {
            assert!(
                close(&analysis(name, &everywhere, &x, &observed).ensemble, &etkf.ensemble),
                "{name} {members} {every}"
            );
        }
        for name in ["eakf", "ensrf"] {
            let found = analysis(name, &everywhere, &x, &observed);
            assert!((found.mean() - etkf.mean()).iter().all(|e| e.abs() < 1e-10), "{name} {members} {every}");
            let [found, exact] = [&found, &etkf].map(|outcome| covariance(outcome.ensemble.view(), None));
            assert!(close(&found, &exact), "{name} {members} {every}");
        }
        // the same weights, so that the same members are taken, each component in an order of its own
        let weigh = |name: &str, given: &[(&str, Value)]| {
            let mut outcome = analysis(name, given, &x, &observed);
            for mut column in outcome.ensemble.columns_mut() {
                let mut sorted = column.to_vec();
                sorted.sort_by(f64::total_cmp);
                column.assign(&Array1::from(sorted));
            }
            (outcome.diagnostics["ess"], outcome.ensemble)
        };
        let (ess, taken) = weigh("local_particle_filter", &everywhere);
        let (exact, by) = weigh("bootstrap", &[("ess_threshold", Value::Float(1.0))]);
        assert!((ess - exact).abs() < 1e-9 && taken == by, "{members} {every}: {ess} {exact}");
    }
}

/// The transform of one component by the definition: what is near has its rows and columns of R, the variances divided by
/// the weights.
fn by_definition(x: &Array2<f64>, observed: &ObservationSet, point: usize, radius: f64) -> Array1<f64> {
    let members = x.nrows();
    let dim = x.ncols();
    let places: Vec<usize> = observed.operator.location().unwrap().iter().map(|place| place.component).collect();
    let weight = |i: usize| {
        let apart = point.abs_diff(places[i]);
        Taper::GaspariCohn.weight(apart.min(dim - apart) as f64, radius)
    };
    let near: Vec<usize> = observed.present().into_iter().filter(|&i| weight(i) > 0.0).collect();
    let mut r = chosen(observed.operator.error().correlated().unwrap().0, &near);
    r.diag_mut().iter_mut().zip(&near).for_each(|(r, &i)| *r /= weight(i));
    let precision = inverse(&r);
    let predicted = observed.operator.apply(0.0, x.view()).select(Axis(1), &near);
    let (mean, y) = anomalies(predicted.view(), None);
    let d = observed.values.select(Axis(0), &near) - mean;
    let per = 1.0 / (members as f64 - 1.0);
    let inner = inverse(&(Array2::<f64>::eye(members) + per * y.dot(&precision).dot(&y.t())));
    let (mean, a) = anomalies(x.view(), None);
    let w = inner.dot(&y.dot(&precision).dot(&d)) * per;
    symmetric_sqrt(inner.view()).unwrap().dot(&a.column(point)) + (mean[point] + w.dot(&a.column(point)))
}

#[test]
fn letkf_is_its_definition_at_each_component() {
    for (members, every) in CASES {
        let (x, operator, y) = case(members, every);
        let observed = ObservationSet { step: 2, time: 0.0, values: y.view(), operator: &operator };
        let found = analysis("letkf", &local(1.2, "gaspari_cohn"), &x, &observed);
        for point in 0..DIM {
            let difference = by_definition(&x, &observed, point, 1.2) - found.ensemble.column(point);
            assert!(difference.iter().all(|e| e.abs() < 1e-10), "{members} {every} at {point}: {difference}");
        }
    }
}

/// Independent values at the places of others.
struct Mixed {
    h: Array2<f64>,
    law: Box<dyn NoiseLaw>,
    places: Vec<usize>,
}

impl ObservationOperator for Mixed {
    fn dim(&self) -> usize {
        self.h.nrows()
    }

    fn state_dim(&self) -> usize {
        self.h.ncols()
    }

    fn apply(&self, _t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        x.dot(&self.h.t())
    }

    fn linearized(&self) -> Option<&dyn LinearizedOperator> {
        Some(self)
    }

    fn error(&self) -> &dyn NoiseLaw {
        &*self.law
    }

    fn location(&self) -> Option<Vec<Place>> {
        Some(self.places.iter().copied().map(Place::from).collect())
    }
}

impl LinearizedOperator for Mixed {
    fn jvp(&self, _t: f64, _x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        u.dot(&self.h.t())
    }

    fn vjp(&self, _t: f64, _x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        v.dot(&self.h)
    }
}

#[test]
fn serial_filters_use_the_values_of_the_symmetric_root_at_their_places() {
    for (members, every) in CASES {
        let (x, operator, y) = case(members, every);
        let observed = ObservationSet { step: 2, time: 0.0, values: y.view(), operator: &operator };
        let index = observed.present();
        let r = chosen(operator.error().correlated().unwrap().0, &index);
        let per_sd = r.diag().mapv(|r| 1.0 / r.sqrt());
        let c = &r * &per_sd * per_sd.view().insert_axis(Axis(1));
        let root = inverse(&symmetric_sqrt(c.view()).unwrap()) * &per_sd;
        let mixed = Mixed {
            h: root.dot(&operator.matrix().unwrap().select(Axis(0), &index)),
            law: errors(&[1.0])(index.len()).unwrap(),
            places: operator
                .location()
                .unwrap()
                .into_iter()
                .enumerate()
                .filter(|(i, _)| index.contains(i))
                .map(|(_, place)| place.component)
                .collect(),
        };
        let y = root.dot(&y.select(Axis(0), &index));
        let independent = ObservationSet { values: y.view(), operator: &mixed, ..observed };
        for name in ["eakf", "ensrf"] {
            let local = local(1.2, "gaspari_cohn");
            let found = analysis(name, &local, &x, &observed).ensemble;
            assert!(close(&found, &analysis(name, &local, &x, &independent).ensemble), "{name} {members} {every}");
        }
    }
}

#[test]
fn a_diagonal_covariance_is_independent_errors() {
    let sd: Vec<f64> = (0..DIM).map(|i| 0.5 + 0.2 * (i % 3) as f64).collect();
    let (x, y) = (Key::new(1, Domain::Score).normals(20, DIM) * 1.3, values(DIM));
    let diagonal = Array2::from_diag(&sd.iter().map(|sd| sd * sd).collect::<Array1<f64>>());
    let law = |_| Ok(Box::new(CorrelatedError::new(diagonal.clone())?) as Box<dyn NoiseLaw>);
    let [diagonal, independent] =
        [Stride::new(DIM, 1, 0, &law).unwrap(), Stride::new(DIM, 1, 0, &errors(&sd)).unwrap()];
    for name in ["letkf", "lestkf", "eakf", "ensrf", "local_particle_filter"] {
        let [found, exact] = [&diagonal, &independent].map(|operator| {
            let observed = ObservationSet { step: 2, time: 0.0, values: y.view(), operator };
            analysis(name, &local(1.2, "gaspari_cohn"), &x, &observed).ensemble
        });
        assert!(close(&found, &exact), "{name}");
    }
}

/// A field of 40 components with errors correlated over 4 of them: mean squared distance of the analysis mean from the exact
/// posterior mean, for a filter that knows of the correlations and one that takes the errors as independent. The variance
/// that the first claims is not below the exact one by more than the bias of 30 members, some 10 %.
#[test]
fn the_analysis_is_nearer_to_the_exact_posterior_than_without_the_correlations() {
    const FIELD: usize = 40;
    let apart = |i: usize, j: usize| i.abs_diff(j).min(FIELD - i.abs_diff(j)) as f64;
    let p = Array2::from_shape_fn((FIELD, FIELD), |(i, j)| (-(apart(i, j) / 3.0).powi(2) / 2.0).exp() * 2.0)
        + Array2::<f64>::eye(FIELD) * 0.2;
    let operator = ring(FIELD, 1, 4.0);
    let r = operator.error().correlated().unwrap().0.to_owned();
    let sd = r.diag().mapv(f64::sqrt).to_vec();
    let independent = Stride::new(FIELD, 1, 0, &errors(&sd)).unwrap();
    let root = symmetric_sqrt(p.view()).unwrap();
    let gain = p.dot(&inverse(&(&p + &r)));
    let variance = (&p - &gain.dot(&p)).diag().mean().unwrap();
    for (name, least) in [("letkf", 1.3), ("eakf", 1.3), ("ensrf", 1.3)] {
        let trials = 40;
        let trials_of: Vec<[(f64, f64); 2]> = (0..trials)
            .map(|trial| {
                let key = Key::new(trial, Domain::Score);
                let truth = key.at(1).normals(1, FIELD).dot(&root);
                let y = (&truth + &operator.error().sample(1, key.at(2))).remove_axis(Axis(0));
                let x = key.at(3).normals(30, FIELD).dot(&root);
                let exact = gain.dot(&y);
                [&operator, &independent].map(|operator| {
                    let observed = ObservationSet { step: 2, time: 0.0, values: y.view(), operator };
                    let outcome = analysis(name, &local(5.0, "gaspari_cohn"), &x, &observed);
                    let found = outcome.mean() - &exact;
                    (found.dot(&found) / FIELD as f64, outcome.variance().mean().unwrap())
                })
            })
            .collect();
        let mean = |which: usize| trials_of.iter().map(|both| both[which].0).sum::<f64>() / trials as f64;
        let claimed = trials_of.iter().map(|both| both[0].1).sum::<f64>() / trials as f64 / variance;
        println!("{name}: {:.4} with, {:.4} without, {claimed:.3} of the exact variance", mean(0), mean(1));
        assert!((0.85..1.5).contains(&claimed), "{name}: {claimed}");
        assert!(mean(1) > least * mean(0), "{name}: {} {}", mean(0), mean(1));
    }
}
