//! Independent errors of Student's law with nu degrees of freedom and scale s (Student 1908; Lange, Little and Taylor
//! 1989 for robust estimates): p(e) = Gamma((nu + 1)/2) / (Gamma(nu/2) sqrt(pi nu) s) (1 + e^2 / (nu s^2))^(-(nu + 1)/2).
//!
//! The variance is s^2 nu / (nu - 2), infinite for nu <= 2. Far away the density falls as a power, so that a gross error
//! takes the weight of no member away.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use scorecast_systems::{Entry, Key, Param, Settings};
use statrs::function::gamma::ln_gamma;

use super::each::{draws, log_likelihood, per_value};
use super::{BuildLaw, NoiseLaw};
use crate::error::{Error, Result};

const DOF: Param = Param::positive("dof", 4.0, "degrees of freedom; the variance is infinite up to 2");
const SCALE: Param = Param::floats("scale", &[1.0], "scale of the errors, one for all values or one for each");

pub(super) const ENTRY: Entry<BuildLaw> = Entry {
    name: "student_t",
    about: "independent errors of Student's law: gross errors are expected",
    reference: "Student 1908; Lange, Little and Taylor 1989",
    params: &[SCALE, DOF],
    build: |settings: &Settings, dim| {
        Ok(Box::new(StudentT::new(settings.floats(SCALE.key), settings.number(DOF.key), dim)?))
    },
};

/// Student's law with scales.
#[derive(Clone, Debug)]
pub struct StudentT {
    scale: Array1<f64>,
    dof: f64,
    variance: Array1<f64>,
}

impl StudentT {
    /// Scales s for `dim` values, in the unit of the values (one for all, or one for each), and the degrees of freedom
    /// nu, the same for all.
    ///
    /// # Errors
    /// When the list has another length, or a scale or `dof` is not a finite number above zero.
    pub fn new(scale: &[f64], dof: f64, dim: usize) -> Result<Self> {
        if !(dof > 0.0 && dof.is_finite()) {
            return Err(Error::Shape(format!("Student's law has {dof} degrees of freedom; give it a number above 0")));
        }
        let scale = per_value(scale, dim, "scale")?;
        let ratio = if dof > 2.0 { dof / (dof - 2.0) } else { f64::INFINITY };
        let variance = scale.mapv(|s| s * s * ratio);
        Ok(Self { scale, dof, variance })
    }
}

impl NoiseLaw for StudentT {
    fn variance(&self) -> ArrayView1<'_, f64> {
        self.variance.view()
    }

    fn observe(&self, predicted: ArrayView2<f64>, key: Key) -> Array2<f64> {
        let half = 0.5 * self.dof;
        // a normal over the root of an independent chi^2 / nu
        draws(predicted, key, |stream, i, h| {
            let normal = stream.normal();
            h + self.scale[i] * normal * (half / stream.gamma(half)).sqrt()
        })
    }

    fn log_likelihood(&self, values: ArrayView1<f64>, predicted: ArrayView2<f64>, present: &[usize]) -> Array1<f64> {
        let nu = self.dof;
        let shape = ln_gamma(0.5 * (nu + 1.0)) - ln_gamma(0.5 * nu) - 0.5 * (std::f64::consts::PI * nu).ln();
        let constants = self.scale.mapv(|s| shape - s.ln());
        log_likelihood(values, predicted, present, |i, y, h| {
            let z = (y - h) / self.scale[i];
            constants[i] - 0.5 * (nu + 1.0) * (z * z / nu).ln_1p()
        })
    }

    fn log_likelihood_of(&self, value: usize, y: f64, predicted: f64) -> f64 {
        let (nu, scale) = (self.dof, self.scale[value]);
        let shape = ln_gamma(0.5 * (nu + 1.0)) - ln_gamma(0.5 * nu) - 0.5 * (std::f64::consts::PI * nu).ln();
        let z = (y - predicted) / scale;
        shape - scale.ln() - 0.5 * (nu + 1.0) * (z * z / nu).ln_1p()
    }
}
