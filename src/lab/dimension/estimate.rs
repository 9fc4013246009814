//! What an estimator is, and what it gives.

use super::cloud::Cloud;
use super::law::Law;
use crate::systems;

/// How an estimator is asked, and what to know of its answer.
#[derive(Clone, Copy, Debug)]
pub struct Estimator {
    /// When it misleads, as a phrase.
    pub caveat: &'static str,
    /// What it is asked of.
    pub of: Of,
}

/// What an estimator is asked of.
#[derive(Clone, Copy, Debug)]
pub enum Of {
    /// The set around each point of the data.
    Set(fn(&Cloud) -> Option<Dimension>),
    /// The flat that holds all points.
    Flat(fn(&Cloud) -> Option<Dimension>),
    /// The law that a denoiser knows.
    Law(fn(&Law) -> systems::Result<Option<Dimension>>),
}

/// An estimated dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension {
    /// The dimension.
    pub value: f64,
    /// Its standard error: over groups of trajectories that are left out in turn, or over the points where a denoiser is asked.
    pub se: Option<f64>,
    /// The points that it comes from.
    pub n: usize,
    /// The estimate at other scales.
    pub curve: Curve,
}

/// An estimate against the scale at which it is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What the scale is.
    pub scale: &'static str,
    /// Scale and estimate.
    pub points: Vec<(f64, f64)>,
}

/// Groups of points that are left out in turn.
pub const GROUPS: usize = 10;

/// The jackknife's standard error of a number over [`GROUPS`] groups: `without(g)` is the number without group g. None where one
/// of them has none.
pub fn jackknife(without: impl Fn(usize) -> Option<f64>) -> Option<f64> {
    let left: Vec<f64> = (0..GROUPS).map(without).collect::<Option<_>>()?;
    let groups = GROUPS as f64;
    let mean = left.iter().sum::<f64>() / groups;
    let squares: f64 = left.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares * (groups - 1.0) / groups).sqrt()).filter(|se| se.is_finite())
}

/// The middle of some numbers; NaN of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let count = values.len();
    if count == 0 { f64::NAN } else { 0.5 * (values[(count - 1) / 2] + values[count / 2]) }
}
