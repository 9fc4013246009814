//! The stochastic equation of an interpolant ([`Interpolant`](crate::noising::schedule::Interpolant)) with a noise level that
//! is chosen when it is run (Chen et al. 2024): in its time s, with the drift b of the interpolant and the score of its law,
//! dx = (b + (g^2 - f^2) / 2 score) ds + g dW, f = 1 - s and g = `noise` (1 - s), has the marginal laws of the interpolant for
//! any g; with g = f it has the drift b alone, and with g = 0 it is the probability-flow equation.
//!
//! Given D* the equation is linear. Its step, from s to s' > s, of x without its shift, is
//! x' = alpha' D* + (sigma' / sigma) k (x - alpha D*) + sigma' (1 - k^2)^(1/2) xi with k = (s / s')^(g^2 / (2 f^2)), where
//! s = alpha^(1/2): for a constant D*, without an error. D* is extrapolated from the last two evaluations. One evaluation
//! a step.
//!
//! Neither data nor noise is there at s = 0, so that a run starts a step later, from sigma xi + alpha D at that point.

use ndarray::{Array2, ArrayView2};

use super::{Kernel, Past, Sampler, Step, multistep};
use crate::error::Result;
use crate::noising::{Denoiser, Level};

/// The stochastic equation of an interpolant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Foellmer {
    /// g / (1 - s), at least 0.
    pub noise: f64,
}

impl Foellmer {
    /// The factor of x - alpha D* in a step, and the sd of its noise.
    fn kept(self, from: Level, to: Level) -> (f64, f64) {
        let k = (from.alpha / to.alpha).powf(0.25 * self.noise * self.noise);
        (to.sigma / from.sigma * k, to.sigma * (1.0 - k * k).max(0.0).sqrt())
    }
}

impl Sampler for Foellmer {
    fn draws(&self) -> bool {
        self.noise > 0.0
    }

    fn enters(&self) -> bool {
        true
    }

    fn start_sd(&self, level: Level) -> f64 {
        level.sigma
    }

    fn memory(&self) -> usize {
        1
    }

    fn target(&self, step: &Step, denoised: ArrayView2<f64>, past: &[Past]) -> Option<Array2<f64>> {
        multistep::extrapolate(step, denoised, past)
    }

    fn kernel(&self, from: Level, to: Level) -> Option<Kernel> {
        let (keep, sd) = self.kept(from, to);
        self.draws().then_some(Kernel { keep, gain: to.alpha - from.alpha * keep, sd })
    }

    fn step(&self, step: &Step, target: ArrayView2<f64>, _denoiser: &dyn Denoiser) -> Result<Array2<f64>> {
        let mean = step.each(step.x, target, |from, to| {
            let (keep, _) = self.kept(from, to);
            move |x, d| to.alpha * d + (x - from.alpha * d) * keep
        });
        let Some(noise) = step.noise else { return Ok(mean) };
        Ok(step.each(mean.view(), noise, |from, to| {
            let (_, sd) = self.kept(from, to);
            move |mean, noise| mean + sd * noise
        }))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{arr2, array, s};

    use super::*;
    use crate::gaussian::GaussianDenoiser;
    use crate::key::{Domain, Key};
    use crate::noising::schedule::Interpolant;
    use crate::noising::{Levels, Schedule, Stretched, TimeGrid, sample};

    /// The levels after the first of `steps`.
    fn levels(factor: f64, steps: usize) -> Levels {
        let times = Stretched { factor, steps }.times(&Interpolant).unwrap();
        Levels::from_rows(times.slice(s![1.., ..]).mapv(|t| Interpolant.level(t)))
    }

    /// Mean, sd and kurtosis.
    fn moments(x: &Array2<f64>) -> [f64; 3] {
        let mean = x.mean().unwrap();
        let power = |p: i32| x.mapv(|value| (value - mean).powi(p)).mean().unwrap();
        [mean, power(2).sqrt(), power(4) / power(2).powi(2)]
    }

    #[test]
    fn the_noise_level_changes_no_law() {
        let members = 40_000;
        for v in [0.04, 0.3, 1.0f64] {
            let data = GaussianDenoiser::new(array![0.7], arr2(&[[v * v]]).view()).unwrap();
            let sd = [0.0, 1.0, 2.0].map(|noise| {
                let key = Key::new(3, Domain::Method);
                let x = sample(&Foellmer { noise }, &data, &levels(v.powf(0.75), 20), members, key).unwrap();
                let [mean, sd, kurtosis] = moments(&x);
                // five standard errors, and what the start costs: alpha D at the first level is that of no noise there
                assert!(
                    (mean - 0.7).abs() < (5.0 / (members as f64).sqrt() + 0.01) * v,
                    "sd {v}, noise {noise}: {mean}"
                );
                assert!((kurtosis - 3.0).abs() < 5.0 * (24.0 / members as f64).sqrt(), "noise {noise}: {kurtosis}");
                sd / v
            });
            // 2 %, and four standard errors of the sd
            let bound = 0.02 + 4.0 * (0.5 / members as f64).sqrt();
            assert!(sd.iter().all(|ratio| (ratio - 1.0).abs() < bound), "sd {v}: {sd:?}");
        }
    }

    #[test]
    fn the_noise_of_one_step_is_normal_and_of_the_variance_of_the_equation() {
        // over a short step the variance is g^2 ds, whatever x is
        let members = 100_000;
        let noise_level = 1.5;
        let (from, to) = (Interpolant.level(0.6), Interpolant.level(0.599));
        let x = Array2::from_elem((members, 1), 0.3);
        let noise = Key::new(8, Domain::Method).normals(members, 1);
        let step = Step { index: 0, from: &[from], to: &[to], x: x.view(), noise: Some(noise.view()) };
        let data = GaussianDenoiser::new(array![0.0], arr2(&[[1.0]]).view()).unwrap();
        let sampler = Foellmer { noise: noise_level };
        let next = sampler.step(&step, x.view(), &data).unwrap();
        let [_, sd, kurtosis] = moments(&next);
        let exact = noise_level * 0.6 * 0.001f64.sqrt();
        // five standard errors, and a step that is not infinitely short
        assert!((sd / exact - 1.0).abs() < 5.0 * (0.5 / members as f64).sqrt() + 5e-3, "{sd} {exact}");
        assert!((kurtosis - 3.0).abs() < 5.0 * (24.0 / members as f64).sqrt(), "{kurtosis}");
        let kernel = sampler.kernel(from, to).unwrap();
        let expected = 0.3 * (kernel.keep + kernel.gain) + kernel.sd * noise[[7, 0]];
        assert!((next[[7, 0]] - expected).abs() < 1e-14);
    }

    #[test]
    fn it_is_the_equation_of_the_drift_and_converges_to_it_with_order_two_without_noise() {
        // the flow of data N(m, v^2) takes sigma e + alpha m to m + v e times (1 + sigma^2 / (alpha v)^2)^(-1/2)
        let (m, v) = (0.7, 0.5f64);
        let data = GaussianDenoiser::new(array![m], arr2(&[[v * v]]).view()).unwrap();
        let error = |steps| {
            let all = levels(0.5, steps);
            let start = all.start()[0];
            let e = Key::new(1, Domain::Method).purpose(crate::key::Purpose::Sampler).stream(0).normal();
            let x = sample(&Foellmer { noise: 0.0 }, &data, &all, 1, Key::new(1, Domain::Method)).unwrap()[[0, 0]];
            // where the first evaluation has moved the start to
            let y = start.sigma * e;
            let gain = start.alpha * v * v / (start.alpha.powi(2) * v * v + start.sigma.powi(2));
            let moved = y + start.alpha * (m + gain * (y - start.alpha * m));
            let exact = m + v * (moved - start.alpha * m) / (start.alpha * v).hypot(start.sigma);
            (x - exact).abs()
        };
        let order = (error(200) / error(400)).log2();
        assert!((order - 2.0).abs() < 0.3 && error(400) < 1e-3, "{order} {}", error(400));
    }
}
