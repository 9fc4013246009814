//! The log density of a one-step law that is known by its denoiser alone, by the probability flow (Song et al. 2021, equation
//! 39; Karras et al. 2022, equation 3).
//!
//! With alpha = 1 and u = ln sigma, dx/du = x - D(x) carries the law at one level to that at another. In
//! y = x / sqrt(1 + sigma^2), which is nearly constant for data of unit variance,
//! dy/du = (x / (1 + sigma^2) - D) / sqrt(1 + sigma^2), and ln |dy/dy_0| grows by n / (1 + sigma^2) - tr dD/dx. From
//! sigma = .001 to 80, where y is standard normal up to 1e-4, this is integrated by the classical Runge-Kutta rule. What is
//! found is thus the density of the law blurred by .001 of its unit. A learned denoiser is the score of no law exactly: what
//! is found is then the density of what its own flow draws.
//!
//! The trace is exact, by as many vector-Jacobian products as there are components, or the mean of v^T J v over random signs v
//! (Hutchinson 1990), which are held along the way.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::{BoundDenoiser, ConditionalDenoiser};
use crate::error::Result;
use crate::key::Key;
use crate::noising::{DifferentiableDenoiser, Level};

/// ln sigma at either end.
const ENDS: [f64; 2] = [-6.907_755_278_982_137, 4.382_026_634_673_881];

/// Steps between.
const STEPS: usize = 48;

/// How the trace of the denoiser's Jacobian is found.
#[derive(Clone, Copy, Debug)]
pub enum Trace {
    /// By a vector-Jacobian product for each component.
    Exact,
    /// By this many vectors of random signs for each member, which come from the key.
    Probes(usize, Key),
}

/// The share of the components, or part of one, that may be narrower than the blur.
const LOST: f64 = 0.5;

/// The mean square of a component behind the flow, where it is standard normal, beyond which the steps have lost the way: a
/// hundred standard deviations.
const FAR: f64 = 1e4;

/// log p(next_i | x_i) for each member i, in nats. `x` and `next` are `[member, component]`; the result is `[member]`, NaN
/// where the law is narrower than the blur in some direction, or the flow ends a hundred standard deviations off, so that there
/// is no density to be found.
///
/// # Errors
/// When the forecaster itself cannot run.
pub fn flow_log_prob(
    denoiser: &dyn ConditionalDenoiser,
    k: usize,
    x: ArrayView2<f64>,
    next: ArrayView2<f64>,
    trace: Trace,
) -> Result<Array1<f64>> {
    let BoundDenoiser { denoiser, to_state } = denoiser.bind(k, x)?;
    let z = (&next - &to_state.offset) / &to_state.scale;
    let flow =
        Flow { vectors: vectors(trace, z.dim()), averaged: matches!(trace, Trace::Probes(..)), denoiser: &*denoiser };
    let jacobian = to_state.scale.mapv(f64::ln).sum_axis(Axis(1));
    Ok(flow.log_density(z)? - jacobian)
}

/// The vectors of the trace, each `[member, component]`.
fn vectors(trace: Trace, (members, components): (usize, usize)) -> Vec<Array2<f64>> {
    match trace {
        Trace::Exact => (0..components)
            .map(|one| Array2::from_shape_fn((members, components), |(_, c)| f64::from(u8::from(c == one))))
            .collect(),
        Trace::Probes(count, key) => {
            (0..count.max(1) as u64).map(|probe| key.at(probe).normals(members, components).mapv(f64::signum)).collect()
        }
    }
}

struct Flow<'a> {
    denoiser: &'a dyn DifferentiableDenoiser,
    vectors: Vec<Array2<f64>>,
    averaged: bool,
}

/// dy/du `[member, component]`, and how ln |dy/dy_0| grows, `[member]`.
struct Slope {
    velocity: Array2<f64>,
    growth: Array1<f64>,
}

impl Flow<'_> {
    fn slope(&self, y: &Array2<f64>, u: f64) -> Result<Slope> {
        let sigma = u.exp();
        let variance = 1.0 + sigma * sigma;
        let x = y * variance.sqrt();
        let (denoised, pullback) = self.denoiser.denoise_vjp(x.view(), Level::exploding(sigma))?;
        let mut trace = Array1::zeros(y.nrows());
        for v in &self.vectors {
            trace += &(pullback.pull(v.view())? * v).sum_axis(Axis(1));
        }
        if self.averaged {
            trace /= self.vectors.len() as f64;
        }
        let growth = trace.mapv(|trace: f64| y.ncols() as f64 / variance - trace);
        Ok(Slope { velocity: (&x / variance - denoised) / variance.sqrt(), growth })
    }

    /// log p(z) of each row.
    fn log_density(&self, z: Array2<f64>) -> Result<Array1<f64>> {
        let n = z.ncols() as f64;
        let contracted = (1.0 + (2.0 * ENDS[0]).exp()).sqrt();
        let (mut y, h) = (z / contracted, (ENDS[1] - ENDS[0]) / STEPS as f64);
        let mut grown = Array1::from_elem(y.nrows(), -n * contracted.ln());
        for step in 0..STEPS {
            let u = ENDS[0] + step as f64 * h;
            let first = self.slope(&y, u)?;
            if step == 0 {
                // 1 - dD/dx is 0 along what is wider than sigma, and 1 along what is not
                grown.zip_mut_with(&first.growth, |grown, lost| *grown = if *lost > LOST { f64::NAN } else { *grown });
            }
            let second = self.slope(&(&y + &(&first.velocity * (0.5 * h))), u + 0.5 * h)?;
            let third = self.slope(&(&y + &(&second.velocity * (0.5 * h))), u + 0.5 * h)?;
            let fourth = self.slope(&(&y + &(&third.velocity * h)), u + h)?;
            y += &((first.velocity + (second.velocity + third.velocity) * 2.0 + fourth.velocity) * (h / 6.0));
            grown += &((first.growth + (second.growth + third.growth) * 2.0 + fourth.growth) * (h / 6.0));
        }
        let normal = y.map_axis(Axis(1), |row| match row.dot(&row) {
            square if square > FAR * n => f64::NAN,
            square => -0.5 * (square + n * std::f64::consts::TAU.ln()),
        });
        Ok(normal + grown)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::gaussian::{IndependentDenoiser, LowRankGaussian, LowRankMixture};
    use crate::key::Domain;
    use crate::law::Affine;

    /// A law whatever x, in units of its own.
    struct Law<D>(D, f64);

    impl<D: DifferentiableDenoiser + Clone> ConditionalDenoiser for Law<D> {
        fn bind<'a>(&'a self, _k: usize, x: ArrayView2<'a, f64>) -> Result<BoundDenoiser<'a>> {
            let to_state = Affine { offset: Array2::zeros(x.dim()), scale: Array2::from_elem(x.dim(), self.1) };
            Ok(BoundDenoiser { denoiser: Box::new(self.0.clone()), to_state })
        }
    }

    fn probes(count: usize) -> Trace {
        Trace::Probes(count, Key::new(4, Domain::Method))
    }

    #[test]
    fn probes_are_averaged_and_the_unit_is_that_of_the_state() {
        // 8 ln N(0; 0, 1), whatever the number of probes: the Jacobian is a multiple of the identity
        let law = |scale| Law(IndependentDenoiser::new(Array2::ones((1, 8))), scale);
        let at = Array2::zeros((1, 8));
        for trace in [Trace::Exact, probes(1), probes(4), probes(16)] {
            let found = flow_log_prob(&law(1.0), 0, at.view(), at.view(), trace).unwrap()[0];
            assert!((found - -7.3515).abs() < 5e-4, "{trace:?}: {found}");
            // 1,024 times the unit: ln 1024 = 6.931472 less a component
            let scaled = flow_log_prob(&law(1024.0), 0, at.view(), at.view(), trace).unwrap()[0];
            assert!((found - scaled - 8.0 * 6.931_472).abs() < 1e-5, "{trace:?}: {scaled}");
        }
    }

    #[test]
    fn a_state_that_the_flow_carries_away_has_no_density() {
        let law = Law(IndependentDenoiser::new(Array2::ones((1, 2))), 1.0);
        let log_prob = |far: f64| {
            let next = Array2::from_elem((1, 2), far);
            flow_log_prob(&law, 0, next.view(), next.view(), Trace::Exact).unwrap()[0]
        };
        // N(0, 1) at 90 standard deviations is a number, and one that is right; at 110 there is none
        assert!((log_prob(90.0) / -(8100.0 + std::f64::consts::TAU.ln()) - 1.0).abs() < 1e-3, "{}", log_prob(90.0));
        assert!(log_prob(110.0).is_nan() && log_prob(1e150).is_nan());
    }

    fn two_sides() -> LowRankMixture {
        let part = |weight, mean: Array1<f64>| LowRankGaussian {
            weight,
            mean,
            basis: array![[0.6], [0.8]],
            variances: array![0.3],
        };
        LowRankMixture::new(vec![part(0.3, array![-1.0, 0.4]), part(0.7, array![0.7, -0.2])], 0.2).unwrap()
    }

    #[test]
    fn the_density_of_a_mixture_is_the_exact_one() {
        // narrow as a short lead step (the floor is .2 and less), with two modes, in the middle and in the tails
        let next = Key::new(3, Domain::Method).normals(64, 2);
        for shrunk in [1.0, 4.0] {
            let law = Law(two_sides().standardized(&Array1::zeros(2), shrunk), 1.0);
            let next = &next / shrunk;
            let exact = law.0.log_density(next.view(), Level::exploding(0.0));
            let found = flow_log_prob(&law, 0, next.view(), next.view(), Trace::Exact).unwrap();
            for (found, exact) in found.iter().zip(&exact) {
                // blurred by .001 beside .05: 4e-4 of the variance, times squared deviations up to 30; y at sigma 80
                assert!((found - exact).abs() < 2e-3 * (1.0 + exact.abs()), "{shrunk}: {found} {exact}");
            }
        }
    }

    #[test]
    fn a_law_without_variance_in_a_component_has_no_density() {
        let law = Law(IndependentDenoiser::new(array![[1.0, 0.0, 1.0]]), 1.0);
        let next = array![[0.3, 0.0, -0.4]];
        for trace in [Trace::Exact, probes(4)] {
            assert!(flow_log_prob(&law, 0, next.view(), next.view(), trace).unwrap()[0].is_nan());
        }
    }

    #[test]
    fn the_mean_over_probes_is_the_exact_one() {
        let law = Law(two_sides(), 1.0);
        let next = array![[0.3, -0.4]];
        let exact = flow_log_prob(&law, 0, next.view(), next.view(), Trace::Exact).unwrap()[0];
        let many = next.broadcast((4000, 2)).unwrap();
        let found = flow_log_prob(&law, 0, many, many, probes(1)).unwrap();
        let (mean, se) = (found.mean().unwrap(), found.std(1.0) / 4000f64.sqrt());
        assert!(se > 1e-3 && (mean - exact).abs() < 4.0 * se, "{mean} +- {se}, {exact}");
    }
}
