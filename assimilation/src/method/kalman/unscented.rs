//! The unscented Kalman filter with scaled sigma points (Julier and Uhlmann 1997; Wan and van der Merwe 2000).
//!
//! N(m, P) in n dimensions is stood for by m and m +- c^1/2 times each column of P^1/2 (the symmetric root),
//! c = alpha^2 (n + kappa), with the weights 1 - n/c of m and 1/(2c) of the others in means; in covariances m weighs
//! 1 - n/c + 1 - alpha^2 + beta. Means and covariances through a function are those of the weighted images. The mean is
//! exact for a quadratic function; the variance too for one of one component where beta = 2 - alpha^2 kappa.
//! Forecast, once a lead step: the images under E[x_{k+1} | x_k], plus Q, the noise's covariance averaged over the
//! points: the moments of a Gaussian kernel, otherwise the spread that the forecaster's own noise gives to the points
//! (see `step_law`). Analysis: new points of the forecast, S = Cov h + R, C = Cov(x, h), K = C S^-1, m <- m + K d,
//! P <- P - K S K^T. A covariance that is left indefinite counts as its positive part. `inflation` multiplies the
//! analysis covariance by its square. Exact where everything is linear and Gaussian.
//!
//! alpha = .001, which is often advised, would cost six digits of a mean in the difference of large weights; .1 costs two.

use ndarray::{Array1, Array2, Axis, s};
use scorecast_systems::{Entry, Forecaster, Key, Param, Purpose, Settings};

use crate::ensemble::all_finite;
use crate::error::{Error, Result};
use crate::gaussian::{Gaussian, positive_sqrt, symmetric};
use crate::linalg::Cholesky;
use crate::method::around::inflation::INFLATION;
use crate::method::around::quality_control::OUTLIER_THRESHOLD;
use crate::method::build::MethodBuild;
use crate::method::kalman::gaussian_cycle::{GaussianCycle, GaussianRule};
use crate::method::memory;
use crate::method::shared::MEMBERS;
use crate::observations::ObservationSet;
use crate::outcome::Diagnostics;
use crate::step_law;

const ALPHA: Param = Param::at_least(
    "alpha",
    0.1,
    1e-4,
    "distance of the sigma points from the mean, in units of (n + kappa)^1/2 standard deviations",
);
const BETA: Param = Param::real("beta", 2.0, "further weight of the mean's image in covariances; 2 suits a Gaussian");
const KAPPA: Param =
    Param::real("kappa", 0.0, "added to the number of components in the distance; above minus that number");

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "unscented",
    about: "unscented Kalman filter: moments carried by scaled sigma points",
    reference: "Julier and Uhlmann 1997; Wan and van der Merwe 2000",
    params: &[
        Param {
            about: "draws of the posterior to give beside its moments, and of noise without a closed form",
            ..MEMBERS
        },
        INFLATION,
        ALPHA,
        BETA,
        KAPPA,
        OUTLIER_THRESHOLD,
    ],
    build: MethodBuild::new(&[], |settings: &Settings| {
        let [inflation, alpha, beta, kappa] =
            [INFLATION, ALPHA, BETA, KAPPA].map(|setting| settings.number(setting.key));
        let members = settings.count(MEMBERS.key);
        let rule = Unscented { inflation, alpha, beta, kappa, draws: members };
        Ok(Box::new(
            GaussianCycle::new(rule, members).with_quality_control(settings.optional_number(OUTLIER_THRESHOLD.key)),
        ))
    })
    .holding(memory::of_covariance),
};

/// The rules of the unscented Kalman filter.
#[derive(Clone, Debug)]
pub struct Unscented {
    /// Factor of the standard deviations of the analysis.
    pub inflation: f64,
    /// Distance of the points, above 0.
    pub alpha: f64,
    /// Further weight of the centre in covariances.
    pub beta: f64,
    /// Added to the number of components, above minus that number.
    pub kappa: f64,
    /// Draws of a lead step whose moments have no closed form, at least 2.
    pub draws: usize,
}

/// Sigma points `[2 n + 1, component]`, the centre first.
struct Points {
    x: Array2<f64>,
    /// The weights in means; those of the centre differ in covariances by `extra`.
    weights: Array1<f64>,
    extra: f64,
}

impl Points {
    /// The mean of images `[point, k]`: the centre plus weighted differences, which lose fewer digits than the weighted
    /// sum.
    fn mean(&self, images: &Array2<f64>) -> Array1<f64> {
        let centre = images.row(0);
        self.weights.dot(&(images - &centre)) + centre
    }

    /// sum w (a - mean a)(b - mean b)^T of images `[point, i]` and `[point, j]`, minus their means already.
    fn covariance(&self, a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
        let mut weighted = a * &self.weights.view().insert_axis(Axis(1));
        weighted.row_mut(0).scaled_add(self.extra, &a.row(0));
        weighted.t().dot(b)
    }
}

impl Unscented {
    fn points(&self, state: &Gaussian) -> Result<Points> {
        let n = state.mean.len();
        let c = self.alpha * self.alpha * (n as f64 + self.kappa);
        if c <= 0.0 {
            return Err(Error::Unsupported(format!(
                "method `unscented` has kappa = {} but the state {n} components; set kappa above -{n}",
                self.kappa
            )));
        }
        let root = positive_sqrt(&state.covariance)? * c.sqrt();
        let mut x = Array2::zeros((2 * n + 1, n));
        x.assign(&state.mean);
        let mut upper = x.slice_mut(s![1..=n, ..]);
        upper += &root;
        let mut lower = x.slice_mut(s![n + 1.., ..]);
        lower -= &root;
        let mut weights = Array1::from_elem(2 * n + 1, 0.5 / c);
        weights[0] = 1.0 - n as f64 / c;
        Ok(Points { x, weights, extra: 1.0 - self.alpha * self.alpha + self.beta })
    }

    /// Mean and covariance of a function of N(m, P), given by the images of points: `f` maps `[point, component]` to
    /// `[point, k]`.
    ///
    /// # Errors
    /// When kappa does not suit the number of components, or the covariance is not finite.
    pub fn through(&self, state: &Gaussian, f: impl FnOnce(&Array2<f64>) -> Array2<f64>) -> Result<Gaussian> {
        let points = self.points(state)?;
        let images = f(&points.x);
        let mean = points.mean(&images);
        let centred = images - &mean;
        Ok(Gaussian { mean, covariance: symmetric(points.covariance(&centred, &centred)) })
    }

    fn advance(&self, model: &dyn Forecaster, state: &mut Gaussian, k: usize, key: Key) -> Result<()> {
        let points = self.points(state)?;
        let (images, q) = step_law::moments(model, k, points.x.view(), points.weights.view(), self.draws, key)?;
        state.mean = points.mean(&images);
        let centred = images - &state.mean;
        state.covariance = symmetric(points.covariance(&centred, &centred) + &q);
        Ok(())
    }
}

impl GaussianRule for Unscented {
    fn name(&self) -> &'static str {
        "unscented"
    }

    fn forecast(&self, model: &dyn Forecaster, state: &mut Gaussian, from: usize, to: usize, key: Key) -> Result<()> {
        for k in from..to {
            if state.is_finite() {
                self.advance(model, state, k, key.purpose(Purpose::ProcessNoise))?;
            }
        }
        Ok(())
    }

    fn analyse(&mut self, forecast: &Gaussian, observed: &ObservationSet) -> Result<(Gaussian, Diagnostics)> {
        let points = self.points(forecast)?;
        let present = observed.restrict(points.x.view())?;
        if !all_finite(present.predicted.view()) {
            // a point whose h has diverged leaves nothing to condition on
            return Ok((forecast.clone(), Diagnostics::from([("log_evidence", f64::NAN)])));
        }
        let mean = points.mean(&present.predicted);
        let innovation = &present.values - &mean;
        let y = &present.predicted - &mean;
        let mut s = symmetric(points.covariance(&y, &y));
        s += &present.covariance();
        let mut gain = points.covariance(&y, &(&points.x - &forecast.mean));
        let cross = gain.clone();
        let s = Cholesky::new(s.view())?;
        s.solve_in_place(&mut gain);
        let covariance = symmetric(&forecast.covariance - &gain.t().dot(&cross)) * (self.inflation * self.inflation);
        let posterior = Gaussian { mean: &forecast.mean + &innovation.dot(&gain), covariance };
        Ok((posterior, Diagnostics::from([("log_evidence", s.log_normal(&innovation).0)])))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn rule(alpha: f64, beta: f64, kappa: f64) -> Unscented {
        Unscented { inflation: 1.0, alpha, beta, kappa, draws: 2 }
    }

    #[test]
    fn a_quadratic_function_of_one_component_has_its_exact_moments() {
        // f = a x^2 + b x + c of N(m, P): mean a (m^2 + P) + b m + c, variance 2 a^2 P^2 + (2 a m + b)^2 P
        let (a, b, c, m, p) = (0.7, -0.4, 2.0, 1.5, 0.8);
        let state = Gaussian { mean: array![m], covariance: array![[p]] };
        for (alpha, kappa) in [(1.0, 0.0), (0.1, 0.0), (0.5, 2.0), (1.0, 2.0)] {
            let rule = rule(alpha, 2.0 - alpha * alpha * kappa, kappa);
            let found = rule.through(&state, |x| x.mapv(|x| a * x * x + b * x + c)).unwrap();
            assert!((found.mean[0] - (a * (m * m + p) + b * m + c)).abs() < 1e-10);
            let exact = 2.0 * a * a * p * p + (2.0 * a * m + b).powi(2) * p;
            assert!((found.covariance[(0, 0)] - exact).abs() < 1e-10, "{alpha} {kappa}: {}", found.covariance);
        }
    }

    #[test]
    fn the_mean_of_any_quadratic_function_is_exact_and_the_variance_where_theory_says_so() {
        let covariance = array![[1.0, 0.3, 0.1], [0.3, 0.5, -0.2], [0.1, -0.2, 0.7]];
        let state = Gaussian { mean: array![0.3, -1.0, 2.0], covariance: covariance.clone() };
        let a = array![[0.5, 0.2, 0.0], [0.2, -0.3, 0.4], [0.0, 0.4, 1.0]];
        let quadratic = |x: &Array2<f64>| (x.dot(&a) * x).sum_axis(Axis(1)).insert_axis(Axis(1));
        let found = rule(0.1, 2.0, 0.0).through(&state, quadratic).unwrap();
        let exact = state.mean.dot(&a).dot(&state.mean) + a.dot(&covariance).diag().sum();
        assert!((found.mean[0] - exact).abs() < 1e-10);
        // f = sum a_i x_i^2 of N(0, I): variance s^2 (beta - alpha^2) + c q with s = sum a_i and q = sum a_i^2, exact (2 q)
        // where beta = alpha^2 and c = 2
        let weights = array![0.5, -1.0, 2.0];
        let squares = |x: &Array2<f64>| (x * x).dot(&weights).insert_axis(Axis(1));
        let standard = Gaussian { mean: Array1::zeros(3), covariance: Array2::eye(3) };
        let variance = |rule: Unscented| rule.through(&standard, squares).unwrap().covariance[(0, 0)];
        let (s, q) = (1.5 * 1.5, 5.25);
        assert!((variance(rule(1.0, 1.0, -1.0)) - 2.0 * q).abs() < 1e-12);
        assert!((variance(rule(0.5, 2.0, 0.0)) - (s * 1.75 + 0.75 * q)).abs() < 1e-12);
    }

    #[test]
    fn a_linear_function_is_exact_for_any_setting() {
        let covariance = array![[1.0, 0.3], [0.3, 0.5]];
        let state = Gaussian { mean: array![0.3, -1.0], covariance: covariance.clone() };
        let f = array![[1.0, 2.0], [-0.5, 0.3], [0.0, 1.0]];
        for (alpha, beta, kappa) in [(1.0, 2.0, 0.0), (0.1, 2.0, 1.0), (0.01, 0.0, -1.0)] {
            let found = rule(alpha, beta, kappa).through(&state, |x| x.dot(&f.t())).unwrap();
            assert!((found.mean - f.dot(&state.mean)).iter().all(|e| e.abs() < 1e-10));
            let exact = f.dot(&covariance).dot(&f.t());
            assert!((found.covariance - exact).iter().all(|e| e.abs() < 1e-10), "{alpha}");
        }
        let message = rule(1.0, 2.0, -2.0).through(&state, Clone::clone).unwrap_err().to_string();
        assert!(message.contains("kappa = -2") && message.contains("above -2"), "{message}");
    }
}
