//! The schedule of score-based data assimilation (Rozet and Louppe 2023): for t in [0, 1] alpha = cos^2(w t) with
//! w = arccos(sqrt(eta)), sigma^2 = 1 - alpha^2 + eta^2. So alpha goes from 1 to eta, and sigma from eta to 1: a trace of
//! noise is on the data, and a trace of the data is in the noise.
//!
//! r = sigma / alpha has alpha^2 = (1 + eta^2) / (1 + r^2).

use super::{BuildSchedule, Schedule};
use crate::noising::Level;
use crate::registry::{Entry, Param};

const ETA: Param = Param::share("eta", 1e-3, "alpha at the end, and sigma at the beginning");

pub(super) const ENTRY: Entry<BuildSchedule> = Entry {
    name: "vp_squared_cosine",
    about: "variance-preserving, the data's share a squared cosine, with a trace of noise on the data",
    reference: "Rozet and Louppe (2023), arXiv:2306.10574",
    params: &[ETA],
    build: |settings| Box::new(VpSquaredCosine { eta: settings.number(ETA.key) }),
};

/// alpha = cos^2(w t).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VpSquaredCosine {
    /// eta, between 0 and 1.
    pub eta: f64,
}

impl VpSquaredCosine {
    /// As it was published.
    pub const PUBLISHED: Self = Self { eta: 1e-3 };

    /// w.
    fn rate(&self) -> f64 {
        self.eta.sqrt().acos()
    }
}

impl Schedule for VpSquaredCosine {
    fn level(&self, t: f64) -> Level {
        // 1 - alpha^2 = (1 - alpha) (1 + alpha), exact for small t
        let (sine, cosine) = (self.rate() * t).sin_cos();
        let (alpha, gone) = (cosine * cosine, sine * sine);
        Level { alpha, sigma: (gone * (1.0 + alpha) + self.eta * self.eta).sqrt() }
    }

    /// sin^2(w t) = 1 - alpha, with 1 - alpha^2 = (r^2 - eta^2) / (1 + r^2); 0 below the least level.
    fn time(&self, relative: f64) -> f64 {
        let (r, eta) = (relative.max(self.eta), self.eta);
        if !r.is_finite() {
            return 1.0;
        }
        let square = 1.0 + r * r;
        let alpha = ((1.0 + eta * eta) / square).sqrt();
        let gone = (r - eta) * (r + eta) / square / (1.0 + alpha);
        gone.max(0.0).sqrt().min(1.0).asin() / self.rate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_published_formula() {
        let schedule = VpSquaredCosine::PUBLISHED;
        for t in [1e-6, 1e-3, 0.1, 0.5, 0.9, 0.999f64] {
            let alpha = (1e-3f64.sqrt().acos() * t).cos().powi(2);
            let level = schedule.level(t);
            assert!((level.alpha - alpha).abs() < 1e-15, "{t}");
            assert!((level.sigma.powi(2) - (1.0 - alpha * alpha + 1e-6)).abs() < 1e-15, "{t}");
            // at large times the arc sine is steep
            assert!((schedule.time(level.relative()) - t).abs() < 1e-9 * t.max(1e-3), "{t}");
        }
        let [first, last] = [0.0, 1.0].map(|t| schedule.level(t));
        assert!((first.alpha - 1.0).abs() < 1e-15 && (first.sigma - 1e-3).abs() < 1e-15);
        assert!((last.alpha - 1e-3).abs() < 1e-15 && (last.sigma - 1.0).abs() < 1e-15);
        assert_eq!((schedule.time(0.0), schedule.time(f64::INFINITY)), (0.0, 1.0));
    }
}
