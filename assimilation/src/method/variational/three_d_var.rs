//! Three-dimensional variational assimilation (Lorenc 1986; Courtier et al. 1998).
//!
//! One state, whose background covariance B is `scale` times the covariance of the prior (of its draws, such as a
//! climatology, or of its Gaussian). The analysis minimises J(x) = |x - x_b|^2_{B^-1} / 2 + |y - h(x)|^2_{R^-1} / 2 over
//! x = x_b + L v with L = B^1/2 (so B may be singular), by Gauss-Newton: with G = H L at x,
//! v <- G^T (G G^T + R)^-1 (y - h(x) + G v), of which a half, a quarter, ... of the way is gone where J would rise. The
//! posterior is given as N(x, L (I - G^T (G G^T + R)^-1 G) L): J's Gauss-Newton Hessian, inverted. For linear h the
//! first step is optimal interpolation and the last.

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::{Entry, Forecaster, Key, Param, Settings};

use crate::ensemble::is_wider;
use crate::error::Result;
use crate::gaussian::{Gaussian, positive_sqrt, symmetric};
use crate::linalg::Cholesky;
use crate::method::around::quality_control::OUTLIER_THRESHOLD;
use crate::method::build::MethodBuild;
use crate::method::kalman::gaussian_cycle::{GaussianCycle, GaussianRule};
use crate::method::kalman::optimal_interpolation::advance_mean;
use crate::method::memory;
use crate::method::shared::DRAWS;
use crate::method::variational::line_search::{Point, search};
use crate::observations::ObservationSet;
use crate::observations::Present;
use crate::outcome::Diagnostics;

/// The setting `scale` of the methods with a static background.
pub(crate) const SCALE: Param =
    Param::positive("scale", 1.0, "factor of the prior's covariance that makes the background's");

/// The setting `iterations` of the methods that minimise over one state.
pub(crate) const STEPS: Param =
    Param::int("iterations", 50, 1, "Gauss-Newton steps at most; a linear operator needs one");

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "three_d_var",
    about: "3D-Var: one state, scaled background covariance of the prior, any smooth operator",
    reference: "Lorenc 1986; Courtier et al. 1998",
    params: &[DRAWS, SCALE, STEPS, OUTLIER_THRESHOLD],
    build: MethodBuild::new(&[], |settings: &Settings| {
        let rule = ThreeDVar { scale: settings.number(SCALE.key), iterations: settings.count(STEPS.key) };
        Ok(Box::new(
            GaussianCycle::new(rule, settings.count(DRAWS.key))
                .with_quality_control(settings.optional_number(OUTLIER_THRESHOLD.key)),
        ))
    })
    .holding(memory::of_covariance),
};

/// The rules of 3D-Var.
#[derive(Clone, Debug)]
pub struct ThreeDVar {
    /// Factor of the covariance of the prior.
    pub scale: f64,
    /// Gauss-Newton steps at most.
    pub iterations: usize,
}

/// Steps shorter than this, in background standard deviations, end the iteration.
const TOLERANCE: f64 = 1e-12;

/// The minimisation of one analysis.
struct Cost<'a, 's> {
    observed: &'a ObservationSet<'s>,
    background: &'a Array1<f64>,
    /// L, symmetric.
    root: Array2<f64>,
}

/// J and its linearization at one v.
struct Linearized {
    value: f64,
    /// y - h(x), `[present]`.
    residual: Array1<f64>,
    /// R.
    present: Present,
}

impl Point for Linearized {
    fn cost(&self) -> f64 {
        self.value
    }
}

impl Cost<'_, '_> {
    fn state(&self, v: &Array1<f64>) -> Array1<f64> {
        self.background + &self.root.dot(v)
    }

    fn at(&self, v: &Array1<f64>) -> Result<Linearized> {
        let present = self.observed.restrict(self.state(v).view().insert_axis(Axis(0)))?;
        let residual = &present.values - &present.predicted.row(0);
        Ok(Linearized { value: 0.5 * (v.dot(v) + present.misfit(&residual)), residual, present })
    }

    /// G^T, `[component, present]`, and the factor of G G^T + R.
    fn derivative(&self, v: &Array1<f64>, present: &Present) -> Result<(Array2<f64>, Cholesky)> {
        // L is symmetric: its rows are its columns
        let g = self.observed.jvp(self.state(v).view(), self.root.view());
        let mut s = g.t().dot(&g);
        present.add_covariance(&mut s);
        Ok((g, Cholesky::new(s.view())?))
    }

    /// L ((I - W) (I - W)^T + K R K^T) L with K = G^T (G G^T + R)^-1 and W = K G: nothing cancels where R is tiny.
    fn covariance_in_josephs_form(&self, g: &Array2<f64>, s: &Cholesky, present: &Present) -> Array2<f64> {
        let mut gain = g.t().to_owned();
        s.solve_in_place(&mut gain);
        let left = Array2::eye(g.nrows()) - gain.t().dot(&g.t());
        let errors = gain.t().dot(&present.covariance()).dot(&gain);
        symmetric(self.root.dot(&(left.dot(&left.t()) + errors)).dot(&self.root))
    }

    /// The minimum, and the steps that it took.
    fn minimise(&self, iterations: usize) -> Result<(Array1<f64>, usize)> {
        let mut v = Array1::zeros(self.background.len());
        let mut here = self.at(&v)?;
        for taken in 1..=iterations {
            let (g, s) = self.derivative(&v, &here.present)?;
            let mut step = g.dot(&s.solve(&(&here.residual + &v.dot(&g)))) - &v;
            // -J'(v) . step, above 0: the step solves a positive definite system
            let fall = (g.dot(&here.present.precision_times(&here.residual)) - &v).dot(&step);
            let (next, share) = search(here.value, fall, |share| self.at(&(&v + &(share * &step))))?;
            step *= share;
            v += &step;
            here = next;
            if step.dot(&step).sqrt() <= TOLERANCE * (1.0 + v.dot(&v).sqrt()) {
                return Ok((v, taken));
            }
        }
        Ok((v, iterations))
    }
}

/// Whether the variances of h(x) take most digits of R in G G^T + R; G^T is `[component, present]`.
fn is_wide(g: &Array2<f64>, present: &Present) -> bool {
    let squares = g.map_axis(Axis(0), |column| column.dot(&column));
    squares.iter().zip(&present.variance).any(|(square, r)| is_wider(*square, *r))
}

impl GaussianRule for ThreeDVar {
    fn name(&self) -> &'static str {
        "three_d_var"
    }

    fn require(&self, observed: &ObservationSet) -> Result<()> {
        observed.require_gaussian(self.name())?;
        observed.require_derivative(self.name())
    }

    fn start(&self, prior: &mut Gaussian) {
        prior.covariance *= self.scale;
    }

    fn nothing(&self) -> Diagnostics {
        Diagnostics::from([("cost", 0.0), ("steps", 0.0)])
    }

    fn forecast(&self, model: &dyn Forecaster, state: &mut Gaussian, from: usize, to: usize, key: Key) -> Result<()> {
        advance_mean(model, state, from, to, key)
    }

    fn analyse(&mut self, forecast: &Gaussian, observed: &ObservationSet) -> Result<(Gaussian, Diagnostics)> {
        let root = positive_sqrt(&forecast.covariance)?;
        let cost = Cost { observed, background: &forecast.mean, root };
        let (v, steps) = cost.minimise(self.iterations)?;
        let here = cost.at(&v)?;
        let (g, s) = cost.derivative(&v, &here.present)?;
        let covariance = if is_wide(&g, &here.present) {
            cost.covariance_in_josephs_form(&g, &s, &here.present)
        } else {
            let cross = g.t().dot(&cost.root);
            let mut solved = cross.clone();
            s.solve_in_place(&mut solved);
            symmetric(cost.root.dot(&cost.root) - solved.t().dot(&cross))
        };
        let diagnostics = Diagnostics::from([("cost", here.value), ("steps", steps as f64)]);
        Ok((Gaussian { mean: cost.state(&v), covariance }, diagnostics))
    }

    fn covariance_is_fixed(&self) -> bool {
        true
    }
}
