//! The error-subspace transform Kalman filter (Nerger, Janjic, Schroter and Hiller 2012), and its local form.
//!
//! The N anomalies sum to zero, so they span at most N - 1 directions: with W, `[member, direction]`, whose N - 1 columns are
//! orthonormal and sum to zero, L = W^T A and Z_L = W^T Z carry all of A and Z = Y R^-1/2 / sqrt(N - 1):
//! mean <- mean + L^T (I + Z_L Z_L^T)^-1 Z_L d / sqrt(N - 1), A <- W (I + Z_L Z_L^T)^-1/2 L.
//! W is the identity less c in all of its first N - 1 rows, c = (1 / N) / (1 + 1 / sqrt(N)), and -1 / sqrt(N) in the last.
//!
//! In exact arithmetic this is the filter `etkf` member by member: W f(W^T S W) W^T = f(S) on what sums to zero, for any
//! function f of a symmetric S and any such W. (The source's square root is this symmetric one; its random W on the way back
//! is `rotate`.) The local form is `letkf` for the same reason, and computed as that: its solves never leave what sums to
//! zero. Both are here under the names by which they are looked for.

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::{Entry, Key, Settings};

use crate::ensemble::is_wide;
use crate::error::Result;
use crate::guard::GaussianAnalysis;
use crate::method::around::ENSEMBLE;
use crate::method::around::inflation::Inflation;
use crate::method::build::MethodBuild;
use crate::method::ensemble::etkf::{EtKf, ROTATE, by_members, by_singular_values};
use crate::method::ensemble::letkf;
use crate::method::memory;
use crate::method::shared::join;
use crate::observations::{ObservationSet, Present};
use crate::outcome::Outcome;

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: EsTkf::NAME,
    about: "error-subspace transform Kalman filter: the members of etkf from N - 1 directions",
    reference: "Nerger et al. 2012",
    params: &join::<{ ENSEMBLE.len() + 1 }>(&[ENSEMBLE, &[ROTATE]]),
    build: MethodBuild::new(&[], |settings: &Settings| {
        let (inflation, rotate) = (Inflation::new(settings), settings.flag(ROTATE.key));
        crate::method::around::cycle(EsTkf(EtKf { inflation, rotate }), settings)
    })
    .holding(memory::of_transform),
};

/// The local form.
pub(crate) const LOCAL: Entry<MethodBuild> = Entry {
    name: "lestkf",
    about: "local error-subspace transform Kalman filter: the members of letkf",
    reference: "Nerger et al. 2012",
    ..letkf::ENTRY
};

/// The deterministic filter in the error subspace, with the settings of [`EtKf`].
#[derive(Clone, Debug)]
pub struct EsTkf(pub EtKf);

impl GaussianAnalysis for EsTkf {
    const NAME: &'static str = "estkf";

    fn analyse(
        &mut self,
        forecast: Array2<f64>,
        present: Present,
        observed: &ObservationSet,
        key: Key,
    ) -> Result<Outcome> {
        self.0.transformed(transform, forecast, present, (observed, key))
    }
}

/// c of W.
fn shift(members: usize) -> f64 {
    let n = members as f64;
    1.0 / (n + n.sqrt())
}

/// W^T x for `x` `[member, column]`: `[direction, column]`.
fn project(x: &Array2<f64>) -> Array2<f64> {
    let directions = x.nrows() - 1;
    let (first, last) = x.view().split_at(Axis(0), directions);
    let common = first.sum_axis(Axis(0)) * shift(x.nrows()) + &(&last.row(0) / (x.nrows() as f64).sqrt());
    &first - &common
}

/// W x for `x` `[direction, column]`: `[member, column]`.
fn expand(x: &Array2<f64>) -> Array2<f64> {
    let members = x.nrows() + 1;
    let sum = x.sum_axis(Axis(0));
    let mut out = Array2::zeros((members, x.ncols()));
    let (mut first, mut last) = out.view_mut().split_at(Axis(0), members - 1);
    first.assign(&(x - &(&sum * shift(members))));
    last.row_mut(0).assign(&(sum / -(members as f64).sqrt()));
    out
}

fn transform(a: &Array2<f64>, z: &Array2<f64>, d: &Array1<f64>) -> Result<(Array1<f64>, Array2<f64>)> {
    let (l, z) = (project(a), project(z));
    let (shift, l) = if is_wide(&z) { by_singular_values(&l, &z, d)? } else { by_members(&l, &z, d)? };
    Ok((shift, expand(&l)))
}

#[cfg(test)]
mod tests {
    use scorecast_systems::Domain;

    use super::*;
    use crate::ensemble::anomalies;
    use crate::observe::{GaussianError, NoiseLaw, Stride};
    use crate::problem::Analysis;

    #[test]
    fn w_is_orthonormal_and_sums_to_zero() {
        for members in [2, 3, 9, 40] {
            let w = expand(&Array2::eye(members - 1));
            assert!((w.t().dot(&w) - Array2::<f64>::eye(members - 1)).iter().all(|e| e.abs() < 1e-14));
            assert!(w.sum_axis(Axis(0)).iter().all(|e| e.abs() < 1e-14));
            let (_, x) = anomalies(Key::new(1, Domain::Score).normals(members, 4).view(), None);
            assert!((project(&x) - w.t().dot(&x)).iter().all(|e| e.abs() < 1e-13));
            assert!((expand(&project(&x)) - &x).iter().all(|e| e.abs() < 1e-13));
        }
    }

    #[test]
    fn the_members_are_those_of_etkf() {
        for (members, stride) in [(2, 1), (5, 1), (30, 3)] {
            let x = Key::new(2, Domain::Score).normals(members, 12) * 1.5;
            let error = |dim| Ok(Box::new(GaussianError::new(&[0.6], dim)?) as Box<dyn NoiseLaw>);
            let operator = Stride::new(12, stride, 0, &error).unwrap();
            let mut y: Array1<f64> = Key::new(3, Domain::Score).normals(1, 12 / stride).remove_axis(Axis(0));
            y[1] = f64::NAN;
            let observed = ObservationSet { step: 2, time: 0.0, values: y.view(), operator: &operator };
            for rotate in [false, true] {
                let mut etkf = EtKf { inflation: Inflation { rtps: 0.2, ..Inflation::factor(1.1) }, rotate };
                let mut estkf = EsTkf(etkf.clone());
                let key = Key::new(4, Domain::Method);
                let a = etkf.update(x.clone(), &observed, key).unwrap().ensemble;
                let b = estkf.update(x.clone(), &observed, key).unwrap().ensemble;
                assert!((a - b).iter().all(|e| e.abs() < 1e-10), "{members} {rotate}");
            }
        }
    }
}
