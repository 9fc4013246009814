//! The finite-size ensemble Kalman filter (Bocquet 2011; Bocquet, Raanes and Hannart 2015): the ensemble transform
//! Kalman filter that knows its mean and covariance are those of N draws, and so needs no inflation.
//!
//! Z = Y R^-1/2 (anomalies of h(x), one row a member), d = R^-1/2 (y - mean h(x)), e = 1 + 1/N. With the law of the
//! state given the members in place of the Gaussian of their moments, the weights w of the mean minimise
//! J(w) = |d - Z^T w|^2 / 2 + N log(e + |w|^2) / 2                                    (primal).
//! J has the stationary points of the scalar
//! D(zeta) = d^T (I + Z^T Z / zeta)^-1 d + e zeta - N log zeta,  0 < zeta <= N / e     (dual),
//! where zeta = N / (e + |w|^2) and w = (Z Z^T + zeta I)^-1 Z d. Up to a constant, with Z Z^T = V diag(l) V^T and
//! b = V^T Z d, D = - sum b^2 / (zeta + l) + e zeta - N log zeta. Then mean <- mean + A^T w and
//! A <- (N - 1)^1/2 (Z Z^T + zeta I)^-1/2 A: the transform filter whose forecast anomalies are multiplied by
//! ((N - 1) / zeta)^1/2, the diagnostic `inflation`. Earlier states that a smoother carries have been inflated when they
//! came: their anomalies are updated without that factor, A <- (I + Z Z^T / zeta)^-1/2 A.
//!
//! `certainty` X corrects and sharpens the prior of the inflation l = ((N - 1) / zeta)^1/2, so that an ensemble that the
//! observations barely move is barely inflated (Bocquet, Raanes and Hannart 2015, section 5.2; Raanes, Bocquet and Carrassi
//! 2019): with c in place of N before the logarithms, the mode of the prior is e (N - 1) / c, and the weight of the prior in
//! the analysis about k = mean of (N - 1) / (l_i + N - 1) over the members; with m = (mode)^(k/2), e <- X e / m and
//! c <- X m N. Unset, e = 1 + 1/N and c = N.
//!
//! The dual form finds the least of all minima; the primal form descends from w = 0 (Newton's steps where the Hessian is
//! positive definite, Gauss-Newton's elsewhere).

use ndarray::{Array1, Array2, s};
use scorecast_systems::{Entry, Key, Param, ParamKind, Settings, wide};

use crate::ensemble::{anomalies, is_wide};
use crate::error::Result;
use crate::guard::GaussianAnalysis;
use crate::linalg::lanes::{Lanes, ZEROS, combine, groups};
use crate::linalg::{Cholesky, Eigen};
use crate::method::around::ENSEMBLE;
use crate::method::around::inflation::Inflation;
use crate::method::build::MethodBuild;
use crate::method::ensemble::descent::{by_singular_values, corrected_prior};
use crate::method::ensemble::etkf::{ROTATE, scaled};
use crate::method::memory;
use crate::method::shared::join;
use crate::observations::{ObservationSet, Present};
use crate::outcome::Outcome;

const FORM: Param = Param::choice(
    "form",
    "dual",
    &["dual", "primal"],
    "minimise over one number (dual) or over the weights of the members (primal)",
);

const CERTAINTY: Param = Param::unset(
    "certainty",
    ParamKind::POSITIVE,
    "certainty of the inflation's prior, in that of N members, its mode corrected; unset: the law of the members alone",
);

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: EnKfN::NAME,
    about: "finite-size ensemble Kalman filter: no inflation to tune",
    reference: "Bocquet 2011; Bocquet, Raanes and Hannart 2015",
    params: &join::<{ ENSEMBLE.len() + 3 }>(&[ENSEMBLE, &[ROTATE, FORM, CERTAINTY]]),
    build: MethodBuild::new(&[], |settings: &Settings| {
        let form = if settings.text(FORM.key) == "primal" { Form::Primal } else { Form::Dual };
        let certainty = settings.optional_number(CERTAINTY.key);
        let analysis =
            EnKfN { inflation: Inflation::new(settings), rotate: settings.flag(ROTATE.key), form, certainty };
        crate::method::around::cycle(analysis, settings)
    })
    .holding(memory::of_transform),
};

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// D over zeta.
    Dual,
    /// J over w.
    Primal,
}

/// The finite-size filter.
#[derive(Clone, Debug)]
pub struct EnKfN {
    /// What is done to the analysis ensemble, beyond what the method does by itself.
    pub inflation: Inflation,
    /// Whether to rotate the anomalies at random after each analysis; costs 2 N^2 n operations.
    pub rotate: bool,
    /// What is minimised.
    pub form: Form,
    /// The certainty of the prior of the inflation, its mode corrected; none is the law of the members alone.
    pub certainty: Option<f64>,
}

impl GaussianAnalysis for EnKfN {
    const NAME: &'static str = "enkf_n";

    fn analyse(
        &mut self,
        forecast: Array2<f64>,
        present: Present,
        observed: &ObservationSet,
        key: Key,
    ) -> Result<Outcome> {
        let (mean, a) = anomalies(forecast.view(), None);
        let degrees = a.nrows() as f64 - 1.0;
        let (mut z, d) = scaled(present.whiten());
        z *= degrees.sqrt();
        let problem = FiniteSize::new(&z, &d)?.certain(self.certainty);
        let zeta = match self.form {
            Form::Dual => problem.dual(),
            Form::Primal => problem.primal(&z, &d)?,
        };
        let mut analysis = problem.eigen.apply(|l| (degrees / (l.max(0.0) + zeta)).sqrt()).dot(&a);
        analysis
            .slice_mut(s![.., observed.operator.current_dim()..])
            .mapv_inplace(|value| value * (zeta / degrees).sqrt());
        let mean = mean + problem.weights(zeta).dot(&a);
        let mut outcome = self.inflation.finish_anomalies(self.rotate, forecast, (mean, analysis), observed, key);
        outcome.diagnostics.insert("inflation", (degrees / zeta).sqrt());
        Ok(outcome)
    }
}

/// Points of the grid on which the least minimum of D is looked for.
const GRID: usize = 128;

/// Steps inside the bracket around it: as many halvings lead to the last bit, and some six steps of Newton's.
const HALVINGS: usize = 64;

/// Newton steps of the primal form before it is given up; some ten are usual.
const STEPS: usize = 100;

/// Eigenvalues below this share of the largest count as 0: rounding, not spread.
const NEGLIGIBLE: f64 = 1e-13;

/// The minimisation of one analysis.
struct FiniteSize {
    /// c: N unless `certainty` says otherwise.
    weight: f64,
    /// e: 1 + 1/N unless `certainty` says otherwise.
    epsilon: f64,
    /// Of Z Z^T.
    eigen: Eigen,
    /// b = V^T Z d, `[member]`, 0 where l is.
    b: Array1<f64>,
}

impl FiniteSize {
    fn new(z: &Array2<f64>, d: &Array1<f64>) -> Result<Self> {
        let members = z.nrows() as f64;
        if is_wide(&(z / (members - 1.0).sqrt())) {
            let (eigen, b) = by_singular_values(z, d)?;
            return Ok(Self { weight: members, epsilon: 1.0 + 1.0 / members, eigen, b });
        }
        let eigen = Eigen::new(z.dot(&z.t()).view())?;
        let least = NEGLIGIBLE * eigen.values.iter().fold(0.0, |a: f64, l| a.max(*l));
        let mut b = eigen.vectors.dot(&z.dot(d));
        b.zip_mut_with(&eigen.values, |b, l| *b = if *l > least { *b } else { 0.0 });
        Ok(Self { weight: members, epsilon: 1.0 + 1.0 / members, eigen, b })
    }

    /// With the prior of the inflation corrected and sharpened.
    fn certain(mut self, certainty: Option<f64>) -> Self {
        if let Some(certainty) = certainty {
            let degrees = self.weight - 1.0;
            let prior_weight = self.eigen.values.mapv(|l| degrees / (l.max(0.0) + degrees)).mean().unwrap_or(1.0);
            (self.epsilon, self.weight) = corrected_prior(self.weight, prior_weight, certainty);
        }
        self
    }

    /// w = (Z Z^T + zeta I)^-1 Z d, `[member]`.
    fn weights(&self, zeta: f64) -> Array1<f64> {
        let mut w = self.b.clone();
        w.zip_mut_with(&self.eigen.values, |w, l| *w /= l.max(0.0) + zeta);
        w.dot(&self.eigen.vectors)
    }

    fn sum(&self, term: impl Fn(f64, f64) -> f64) -> f64 {
        self.b.iter().zip(&self.eigen.values).filter(|(b, _)| **b != 0.0).map(|(b, l)| term(*b, l.max(0.0))).sum()
    }

    /// D(zeta) up to a constant.
    #[cfg(test)]
    fn cost(&self, zeta: f64) -> f64 {
        self.epsilon * zeta - self.weight * zeta.ln() - self.sum(|b, l| b * b / (zeta + l))
    }

    /// h = zeta D'(zeta), and the derivative of h by log zeta.
    fn slope_and_rise(&self, zeta: f64) -> (f64, f64) {
        let (mut square, mut cube) = (0.0, 0.0);
        for (b, l) in self.b.iter().zip(&self.eigen.values).filter(|(b, _)| **b != 0.0) {
            let per = 1.0 / (zeta + l.max(0.0));
            square += (b * per) * (b * per);
            cube += (b * per) * (b * per) * per;
        }
        let slope = self.epsilon * zeta - self.weight + zeta * square;
        (slope, self.epsilon * zeta + zeta * square - 2.0 * zeta * zeta * cube)
    }

    /// The zeta of the least D: the best point of a logarithmic grid, then halving between its neighbours.
    ///
    /// D' < 0 below N / (e + sum b^2 / l^2) and D' >= 0 from N / e on, so that the minimum lies between.
    fn dual(&self) -> f64 {
        let upper = self.weight / self.epsilon;
        let lower = self.weight / (self.epsilon + self.sum(|b, l| (b / l).powi(2)));
        let step = (upper / lower).ln() / GRID as f64;
        let mut grid: Vec<Lanes> = vec![ZEROS; groups(GRID + 1)];
        let ratio = step.exp();
        grid.as_flattened_mut().iter_mut().fold(lower, |next, zeta| {
            *zeta = next;
            next * ratio
        });
        let mut shares = vec![ZEROS; grid.len()];
        for (b, l) in self.b.iter().zip(&self.eigen.values).filter(|(b, _)| **b != 0.0) {
            add_shares(b * b, l.max(0.0), &grid, &mut shares);
        }
        let cost = |i: usize| {
            let (zeta, share) = (grid.as_flattened()[i], shares.as_flattened()[i]);
            self.epsilon * zeta - self.weight * (lower.ln() + step * i as f64) - share
        };
        let costs: Vec<f64> = (0..=GRID).map(cost).collect();
        let best = (0..=GRID).fold(0, |best, i| if costs[i] < costs[best] { i } else { best });
        let point = |i: usize| grid.as_flattened()[i];
        self.stationary(point(best.saturating_sub(1)), point((best + 1).min(GRID)))
    }

    /// Where D' changes its sign between two zeta: Newton's steps on the slope as a function of log zeta, or halving where
    /// those leave the bracket, to the last bits.
    fn stationary(&self, mut from: f64, mut to: f64) -> f64 {
        let mut zeta = (from * to).sqrt();
        for _ in 0..HALVINGS {
            let (slope, rise) = self.slope_and_rise(zeta);
            if slope < 0.0 {
                from = zeta
            } else {
                to = zeta
            }
            let next = zeta * (-slope / rise).exp();
            // written so that NaN halves too
            let next = if next > from && next < to { next } else { (from * to).sqrt() };
            let moved = (next - zeta).abs();
            zeta = next;
            if moved <= 4.0 * f64::EPSILON * zeta {
                break;
            }
        }
        zeta
    }

    fn zeta(&self, w: &Array1<f64>) -> f64 {
        self.weight / (self.epsilon + w.dot(w))
    }

    /// The zeta of the minimum of J that descent from w = 0 reaches.
    fn primal(&self, z: &Array2<f64>, d: &Array1<f64>) -> Result<f64> {
        let square = z.dot(&z.t());
        let forcing = z.dot(d);
        let cost = |w: &Array1<f64>| {
            let residual = d - &w.dot(z);
            0.5 * (residual.dot(&residual) + self.weight * (self.epsilon + w.dot(w)).ln())
        };
        let goal = 1e-13 * forcing.dot(&forcing).sqrt();
        let mut w = Array1::zeros(forcing.len());
        for _ in 0..STEPS {
            let zeta = self.zeta(&w);
            let downhill = &forcing - &square.dot(&w) - zeta * &w;
            if downhill.dot(&downhill).sqrt() <= goal {
                break;
            }
            let step = self.newton(&square, &w, zeta)?.solve(&downhill);
            let (before, fall) = (cost(&w), downhill.dot(&step));
            let mut length = 1.0;
            // near the minimum the fall drowns in rounding: then the full step is as good as any
            while length > 1e-6
                && fall > 1e-12 * before.abs()
                && cost(&(&w + &(length * &step))) > before - 1e-4 * length * fall
            {
                length *= 0.5;
            }
            w.scaled_add(length, &step);
        }
        Ok(self.zeta(&w))
    }

    /// The Hessian of J, Z Z^T + zeta I - 2 zeta^2 w w^T / N; without its last term where it is not positive definite.
    fn newton(&self, square: &Array2<f64>, w: &Array1<f64>, zeta: f64) -> Result<Cholesky> {
        let mut gauss = square.clone();
        gauss.diag_mut().mapv_inplace(|value| value + zeta);
        let column = w.view().insert_axis(ndarray::Axis(1));
        let hessian = &gauss - &(column.dot(&column.t()) * (2.0 * zeta * zeta / self.weight));
        Cholesky::new(hessian.view()).or_else(|_| Cholesky::new(gauss.view()))
    }
}

wide! {
    /// shares += square / (zeta + l) for each zeta.
    fn add_shares(square: f64, l: f64, zetas: &[Lanes], shares: &mut [Lanes]) {
        for (share, zeta) in shares.iter_mut().zip(zetas) {
            *share = combine(*share, *zeta, |share, zeta| share + square / (zeta + l));
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Axis;
    use scorecast_systems::Domain;

    use super::*;
    use crate::observe::{GaussianError, NoiseLaw, Stride};
    use crate::problem::Analysis;

    /// Z and d of a case whose innovations are `far` times what the spread would make of them.
    fn case(case: u64, members: usize, count: usize, far: f64) -> (Array2<f64>, Array1<f64>) {
        let z = Key::new(1, Domain::Score).case(case).normals(members, count) * 1.5;
        let d = Key::new(2, Domain::Score).case(case).normals(1, count).remove_axis(Axis(0)) * far;
        (anomalies(z.view(), None).1, d)
    }

    fn cases() -> impl Iterator<Item = (Array2<f64>, Array1<f64>)> {
        let sizes = [(5, 12), (12, 5), (24, 40), (9, 9)];
        let far = [0.0, 0.3, 1.5, 6.0];
        sizes.into_iter().flat_map(move |(n, p)| far.map(|far| case((n * p) as u64, n, p, far)))
    }

    #[test]
    fn the_dual_minimum_is_the_least_of_a_fine_grid() {
        for (z, d) in cases() {
            let problem = FiniteSize::new(&z, &d).unwrap();
            let zeta = problem.dual();
            let least = problem.cost(zeta);
            let upper = problem.weight / problem.epsilon;
            for i in 1..=100_000 {
                let other = problem.cost(upper * f64::from(i) / 100_000.0);
                assert!(least <= other + 1e-11 * other.abs(), "{zeta}: {least} and {other}");
            }
            assert!(problem.slope_and_rise(zeta).0.abs() < 1e-9, "{}", problem.slope_and_rise(zeta).0);
        }
    }

    #[test]
    fn slope_and_rise_are_the_derivatives_of_the_cost() {
        for (z, d) in cases() {
            let problem = FiniteSize::new(&z, &d).unwrap().certain(Some(2.0));
            for zeta in [0.3, 2.0, 9.0] {
                let (slope, rise) = problem.slope_and_rise(zeta);
                let (up, down) = (zeta * 1e-4f64.exp(), zeta * (-1e-4f64).exp());
                let difference = (problem.cost(up) - problem.cost(down)) / 2e-4;
                assert!((slope - difference).abs() < 1e-6 * (1.0 + slope.abs()), "{slope} and {difference}");
                let difference = (problem.slope_and_rise(up).0 - problem.slope_and_rise(down).0) / 2e-4;
                assert!((rise - difference).abs() < 1e-6 * (1.0 + rise.abs()), "{rise} and {difference}");
            }
        }
    }

    #[test]
    fn the_dual_cost_is_its_definition_in_observation_space() {
        let (z, d) = case(60, 5, 12, 1.5);
        let problem = FiniteSize::new(&z, &d).unwrap();
        let definition = |zeta: f64| {
            let s = z.t().dot(&z) / zeta + Array2::<f64>::eye(12);
            d.dot(&Cholesky::new(s.view()).unwrap().solve(&d)) + problem.epsilon * zeta - 5.0 * zeta.ln()
        };
        let difference = (definition(0.7) - definition(3.1)) - (problem.cost(0.7) - problem.cost(3.1));
        assert!(difference.abs() < 1e-11, "{difference}");
    }

    #[test]
    fn the_primal_form_agrees_and_its_gradient_is_zero() {
        for ((z, d), certainty) in cases().flat_map(|case| [None, Some(1.0), Some(2.0)].map(|x| (case.clone(), x))) {
            let problem = FiniteSize::new(&z, &d).unwrap().certain(certainty);
            let (dual, primal) = (problem.dual(), problem.primal(&z, &d).unwrap());
            assert!((dual - primal).abs() < 1e-8 * dual, "{dual} and {primal}");
            let w = problem.weights(dual);
            assert!((problem.zeta(&w) - dual).abs() < 1e-9 * dual);
            // central differences of J
            let cost = |w: &Array1<f64>| {
                let residual = &d - &w.dot(&z);
                0.5 * (residual.dot(&residual) + problem.weight * (problem.epsilon + w.dot(w)).ln())
            };
            for i in 0..w.len() {
                let mut step = Array1::zeros(w.len());
                step[i] = 1e-5;
                let slope = (cost(&(&w + &step)) - cost(&(&w - &step))) / 2e-5;
                assert!(slope.abs() < 1e-6 * (1.0 + cost(&w)), "{slope}");
            }
        }
    }

    /// Where observations say nothing, the corrected prior leaves the ensemble as it is; a certain one does so against
    /// innovations that would have it inflated.
    #[test]
    fn certainty_pulls_the_inflation_to_one() {
        let inflation = |z: &Array2<f64>, d: &Array1<f64>, certainty| {
            let problem = FiniteSize::new(z, d).unwrap().certain(certainty);
            ((z.nrows() as f64 - 1.0) / problem.dual()).sqrt()
        };
        let (z, d) = case(7, 12, 5, 4.0);
        let nothing = (&z * 1e-4, &d * 1e-4);
        assert!((inflation(&nothing.0, &nothing.1, Some(1.0)) - 1.0).abs() < 1e-6);
        assert!((inflation(&nothing.0, &nothing.1, None) - 1.0).abs() > 1e-3);
        let by_certainty = [1.0, 4.0, 1e4].map(|certainty| inflation(&z, &d, Some(certainty)));
        assert!(by_certainty[0] > by_certainty[1] && by_certainty[1] > by_certainty[2], "{by_certainty:?}");
        let mode = ((1.0f64 + 1.0 / 12.0) * 11.0 / 12.0).sqrt();
        assert!((by_certainty[2] - 1.0).abs() < 1.0 - mode + 1e-3, "{by_certainty:?}");
    }

    #[test]
    fn both_forms_give_the_same_ensemble() {
        let x = Key::new(3, Domain::Score).normals(20, 30) * 2.0;
        let error = |dim| Ok(Box::new(GaussianError::new(&[0.7], dim)?) as Box<dyn NoiseLaw>);
        let operator = Stride::new(30, 2, 0, &error).unwrap();
        let mut y: Array1<f64> = Key::new(4, Domain::Score).normals(1, 15).remove_axis(Axis(0));
        y[3] = f64::NAN;
        let observed = ObservationSet { step: 2, time: 0.0, values: y.view(), operator: &operator };
        let update = |form| {
            let mut filter = EnKfN { inflation: Inflation::default(), rotate: true, form, certainty: Some(2.0) };
            filter.update(x.clone(), &observed, Key::new(5, Domain::Method)).unwrap().ensemble
        };
        assert!((update(Form::Dual) - update(Form::Primal)).iter().all(|e| e.abs() < 1e-8));
    }
}
