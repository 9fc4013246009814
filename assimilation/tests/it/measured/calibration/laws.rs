//! Static posteriors: one law, observed once.

use ndarray::{Array1, Array2, ArrayView2, Axis, array};
use scorecast_assimilation::observe::{Absolute, Pointwise, Stride};
use scorecast_assimilation::{ObservationOperator, ObservationSet, Prior};
use scorecast_systems::gaussian::{LinearForecaster, LowRankGaussian, LowRankMixture};
use scorecast_systems::{
    Affine, BoundDenoiser, ConditionalDenoiser, Covariance, Domain, Forecaster, GaussianMixture, Key, LinearGaussian,
    MixtureKernel, Purpose,
};

use super::exact::Exact;
use super::score::Score;
use super::table::{Asked, Bar, head, print_static};
use crate::common::errors;

pub const BAR: Bar = Bar { bias: 0.05, ratio: 0.05 };

/// A law with a set of values.
struct Problem {
    /// Draws x_1 from x_0.
    model: Box<dyn Forecaster>,
    prior: Prior,
    operator: Box<dyn ObservationOperator>,
    y: Array1<f64>,
    exact: Exact,
}

impl Problem {
    fn print(&self, asked: &Asked, repeats: usize) {
        if !asked.is_wanted() {
            return;
        }
        print_static(asked, BAR, repeats, |repeat| {
            let key = Key::new(40, Domain::Method).case(repeat);
            let mut method = asked.build();
            method.start(&self.prior, 0, key).unwrap();
            let observed = ObservationSet { step: 1, time: 0.0, values: self.y.view(), operator: &*self.operator };
            let outcome = method.step(&*self.model, &observed, key).unwrap();
            Score::of(&outcome, &self.exact, repeat)
        });
    }
}

/// N(0, P) at every time, of which values are observed with errors of variance r: x_1 is `memory` times x_0 and noise.
fn gaussian(dim: usize, r: f64, memory: f64) -> Problem {
    let distance = |i: usize, j: usize| i.abs_diff(j).min(dim - i.abs_diff(j)) as f64;
    let sd = [r.sqrt()];
    let errors = errors(&sd);
    // every second component is observed, the first of one or two; forty lie on a ring whose correlation falls as exp(-d / 2)
    let (p, y) = match dim {
        1 => (array![[1.0]], array![1.2]),
        2 => (array![[1.0, 0.8], [0.8, 1.0]], array![2.0]),
        _ => (
            Array2::from_shape_fn((dim, dim), |(i, j)| (-distance(i, j) / 2.0).exp()),
            Key::new(9, Domain::Truth).normals(1, dim / 2).row(0).to_owned(),
        ),
    };
    let operator = Stride::new(dim, 2, 0, &errors).unwrap();
    let (mut m, mut c) = (Array1::<f64>::zeros(dim), p.clone());
    for (value, y) in y.iter().enumerate() {
        let ph = c.column(2 * value).to_owned();
        let s = ph[2 * value] + r;
        let innovation = y - m[2 * value];
        m.scaled_add(innovation / s, &ph);
        c = Array2::from_shape_fn(c.raw_dim(), |(a, b)| c[(a, b)] - ph[a] * ph[b] / s);
    }
    let law = LinearGaussian {
        matrix: Array2::from_diag_elem(dim, memory),
        offset: Array1::zeros(dim),
        covariance: &p * (1.0 - memory * memory),
    };
    Problem {
        model: Box::new(LinearForecaster::new(law).unwrap()),
        prior: Prior::Gaussian { mean: Array1::zeros(dim), covariance: p },
        operator: Box::new(operator),
        y,
        exact: Exact::gaussian(m, &c),
    }
}

/// By which sampling guided rows are drawn: in few dimensions, and in forty.
const FINE: &str = "steps=200 sigma_min=.002 sigma_max=40.";
const COARSE: &str = "steps=64 sigma_min=.002 sigma_max=40.";

/// Rules, whose draws need no weights where x_1 does not depend on x_0.
const RULES: &[(&str, bool)] = &[
    ("guidance=moment_matched weights=none", false),
    ("guidance=moment_matched weights=none correctors=1 corrector_step=.05", true),
    ("guidance=tmpd weights=none", false),
    ("guidance=tmpd weights=none correctors=1 corrector_step=.05", false),
    ("guidance=quadrature weights=none steps=64", false),
    ("guidance=quadrature weights=none steps=64 correctors=1 corrector_step=.05", false),
    ("guidance=pseudo_inverse weights=none", false),
    ("guidance=pseudo_inverse weights=none correctors=1 corrector_step=.05", false),
    ("guidance=jacobian_free weights=none", false),
    ("guidance=jacobian_free weights=none correctors=1 corrector_step=.05", false),
    ("guidance=sda gamma=.01 weights=none sampler=heun", false),
    ("guidance=sda gamma=.01 weights=none sampler=heun correctors=1", false),
    ("guidance=sda gamma=.01 weights=none sampler=heun correctors=4", false),
    ("guidance=sda gamma=.03 weights=none", false),
    ("guidance=sda gamma=.03 weights=none correctors=1", false),
    ("guidance=sda gamma=1. weights=none", false),
    ("guidance=dps zeta=1. weights=none", false),
    ("guidance=dps zeta=1. weights=none correctors=1", false),
    ("guidance=dps zeta=10. weights=none", false),
];

/// Weights of ancestors and of paths.
const WEIGHTED: &[(&str, bool)] = &[
    ("weights=none", false),
    ("weights=exact", true),
    ("weights=adapted", true),
    ("weights=path", true),
    ("weights=twisted", true),
    ("weights=girsanov", true),
    ("guidance=tmpd weights=twisted", true),
    ("guidance=quadrature weights=twisted steps=64", true),
    ("guidance=pseudo_inverse weights=path", true),
    ("guidance=pseudo_inverse weights=twisted", true),
    ("guidance=jacobian_free weights=twisted", true),
    ("guidance=sda gamma=1. weights=twisted", true),
    ("guidance=sda gamma=.03 weights=path", true),
    ("guidance=dps zeta=1. weights=path", true),
    ("guidance=dps zeta=1. weights=girsanov", true),
];

/// Other methods, and how many members they have where not all.
const OTHERS: &[(&str, &str, Option<usize>, bool)] = &[
    ("ensf", "score=gaussian", None, true),
    ("ensf", "score=gaussian latents=fresh", None, true),
    ("ensf", "score=gaussian solver=heun levels=20", None, true),
    ("ensf", "score=single", None, false),
    ("ensf", "score=mixture steps=200", Some(400), false),
    ("ensf", "score=local_mixture", Some(400), false),
    ("ensf", "score=local_mixture sampler=langevin", Some(400), false),
    ("optimal_proposal", "", None, true),
    ("enkf", "", None, false),
    ("letkf", "radius=100.", Some(400), false),
    ("qceff", "", None, false),
    ("bootstrap", "", None, false),
];

/// What is left out: in one component rules that are `moment_matched` there, in forty what takes long and says no more.
const fn left_out(dim: usize) -> &'static [&'static str] {
    match dim {
        1 => &["tmpd", "quadrature", "pseudo_inverse", "jacobian_free"],
        2 => &["heun correctors"],
        _ => &["tmpd", "quadrature", "heun", "zeta=10"],
    }
}

/// The linear-Gaussian posteriors of so many components.
pub fn linear(dim: usize) {
    let (members, sampling) = if dim < 40 { (4000, FINE) } else { (2000, COARSE) };
    let kept = |(given, _): &&(&str, bool)| !left_out(dim).iter().any(|word| given.contains(word));
    for r in [0.05, 0.3, 1.0] {
        head(&format!("N(0, P) of {dim} components, error variance {r}: one law"), "mean off, in sd");
        let problem = gaussian(dim, r, 0.0);
        for (given, claims) in RULES.iter().filter(kept) {
            problem.print(&Asked { claims: *claims, ..Asked::new("guided", members, given).with(sampling) }, 5);
        }
        head(&format!("The same behind a lead step: x_1 = .71 x_0 + noise, error variance {r}"), "mean off, in sd");
        let problem = gaussian(dim, r, f64::sqrt(0.5));
        for (given, claims) in WEIGHTED.iter().filter(kept) {
            // global weights of many values degenerate, which is shown and claimed by none
            let claims = *claims && dim < 40;
            problem.print(&Asked { claims, ..Asked::new("guided", members, given).with(sampling) }, 5);
        }
        if dim < 40 {
            // whose own error is several times that of the others
            problem.print(&Asked::new("guided", 20_000, "weights=girsanov").with(sampling).claiming(), 5);
        }
        for (method, given, fewer, claims) in OTHERS {
            // the covariance of forty components takes as many members to be known as the bar asks for
            let usual = if *claims && given.contains("gaussian") && !given.contains("heun") { 20_000 } else { members };
            problem.print(&Asked { claims: *claims, ..Asked::new(method, fewer.unwrap_or(usual), given) }, 5);
        }
    }
}

/// A mixture of normals of one component as the law of a lead step, whatever the state.
struct Mixed(LowRankMixture);

impl ConditionalDenoiser for Mixed {
    fn bind<'a>(&'a self, _: usize, x: ArrayView2<'a, f64>) -> scorecast_systems::Result<BoundDenoiser<'a>> {
        let to_state = Affine { offset: Array2::zeros(x.raw_dim()), scale: Array2::ones(x.raw_dim()) };
        Ok(BoundDenoiser { denoiser: Box::new(self.0.clone()), to_state })
    }
}

impl MixtureKernel for Mixed {
    fn mixture(&self, _: usize, x: ArrayView2<f64>) -> scorecast_systems::Result<GaussianMixture> {
        let parts = self.0.parts();
        let covariance = |part: &LowRankGaussian| Covariance::Shared(array![[part.variances[0]]]);
        Ok(GaussianMixture {
            log_weights: Array2::from_shape_fn((x.nrows(), parts.len()), |(_, part)| parts[part].weight.ln()),
            parts: parts.iter().map(|part| (Array2::from_elem(x.raw_dim(), part.mean[0]), covariance(part))).collect(),
        })
    }
}

impl Forecaster for Mixed {
    fn dim(&self) -> usize {
        1
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        let key = key.purpose(Purpose::ForecastNoise).at(k as u64);
        for (member, mut row) in x.outer_iter_mut().enumerate() {
            let mut out = [0.0];
            self.0.draw(&mut out, &mut key.stream(member as u64));
            row[0] = out[0];
        }
        Ok(())
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        Some(self)
    }

    fn mixture(&self) -> Option<&dyn MixtureKernel> {
        Some(self)
    }
}

fn mixed(parts: impl Iterator<Item = (f64, f64, f64)>) -> LowRankMixture {
    let part = |(weight, mean, sd): (f64, f64, f64)| LowRankGaussian {
        weight,
        mean: array![mean],
        basis: array![[1.0]],
        variances: array![sd * sd],
    };
    LowRankMixture::new(parts.map(part).collect(), 0.0).unwrap()
}

/// Its posterior on a grid.
fn on_a_grid(law: LowRankMixture, operator: Box<dyn ObservationOperator>, y: f64) -> Problem {
    let points = Array1::linspace(-5.0, 5.0, 20_001);
    let x = points.clone().insert_axis(Axis(1));
    let y = array![y];
    let likelihood = operator.error().log_likelihood(y.view(), operator.apply(0.0, x.view()).view(), &[0]);
    // all of its variance is along the one direction, so that no level without noise has a density across it
    let normal = |x: f64, part: &LowRankGaussian| {
        let variance = part.variances[0];
        part.weight * (-0.5 * (x - part.mean[0]).powi(2) / variance).exp() / variance.sqrt()
    };
    let prior = points.mapv(|x| law.parts().iter().map(|part| normal(x, part)).sum::<f64>().ln());
    let log = prior + likelihood;
    let most = log.fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    let exact = Exact::grid(&points, &log.mapv(|log| (log - most).exp()));
    let prior = Prior::Gaussian { mean: array![0.0], covariance: array![[1.0]] };
    Problem { model: Box::new(Mixed(law)), prior, operator, y, exact }
}

/// Rows where the law has two modes.
fn modes(problem: &Problem, title: &str, is_linear: bool) {
    head(title, "mean off, in sd");
    let more: &[(&str, bool)] = &[
        ("guidance=moment_matched weights=none correctors=4", false),
        ("guidance=quadrature weights=none steps=64 correctors=4", false),
        ("guidance=pseudo_inverse weights=none", false),
        ("guidance=jacobian_free weights=none", false),
    ];
    let rules = RULES
        .iter()
        .filter(|(given, _)| !left_out(1)[2..].iter().chain(&["tmpd", "heun"]).any(|word| given.contains(word)));
    for (given, _) in rules.chain(more) {
        problem.print(&Asked::new("guided", 2000, given).with(FINE), 5);
    }
    for (given, claims) in
        WEIGHTED.iter().filter(|(given, _)| !given.contains("exact") && !given.starts_with("weights=none"))
    {
        // moments before the draw say nothing of it
        let claims = *claims && !given.contains("adapted");
        problem.print(&Asked { claims, ..Asked::new("guided", 2000, given).with(FINE) }, 5);
    }
    for (method, given, fewer, claims) in
        OTHERS.iter().filter(|(method, ..)| is_linear || *method != "optimal_proposal")
    {
        // a Gaussian of the forecast is not its law
        let claims = *claims && *method != "ensf";
        problem.print(&Asked { claims, ..Asked::new(method, fewer.unwrap_or(4000), given) }, 5);
    }
}

/// A double well, of density exp(-2 (x^2 - 1)^2) in kernels of sd .25, seen as it is.
pub fn double_well() {
    for r in [0.05, 1.0] {
        let point = |i: usize| -2.0 + 0.25 * i as f64;
        let law = mixed((0..=16).map(point).map(|x| ((-2.0 * (x * x - 1.0).powi(2)).exp(), x, 0.25)));
        let operator = Box::new(Stride::new(1, 1, 0, &errors(&[f64::sqrt(r)])).unwrap());
        modes(
            &on_a_grid(law, operator, 0.3),
            &format!("A double well, observed as .3 with an error variance of {r}"),
            true,
        );
    }
}

/// Two modes at -1 and 1, of sd .35, of weights .3 and .7, of which the absolute value is seen.
pub fn absolute() {
    for r in [0.05, 0.3] {
        let law = mixed([(0.3, -1.0, 0.35), (0.7, 1.0, 0.35)].into_iter());
        let operator = Box::new(Pointwise::new(Absolute, Stride::new(1, 1, 0, &errors(&[f64::sqrt(r)])).unwrap()));
        modes(
            &on_a_grid(law, operator, 1.3),
            &format!("Two modes, |x| observed as 1.3 with an error variance of {r}"),
            false,
        );
    }
}
