//! h(x)_i = x_{k_i}: a subset of the components, drawn once without repetition and sorted, k_1 < k_2 < ...
//!
//! The draw comes from a seed of the operator's own, so that the network stays where it is when the experiment's seed
//! changes.

use ndarray::{Array2, ArrayView2, Axis};
use scorecast_systems::{Domain, Entry, Key, Param, ParamKind, Purpose, Settings};

use super::{BuildOperator, ErrorLaw, LinearizedOperator, NoiseLaw, ObservationOperator, OneComponent, Place};
use crate::error::{Error, Result};

const COUNT: Param = Param::unset("count", ParamKind::COUNT, "how many components, in place of `share`");
const SEED: Param = Param::int("seed", 0, 0, "which subset");
const SHARE: Param = Param::unset(
    "share",
    ParamKind::real(f64::MIN_POSITIVE, 1.0),
    "share of the components, rounded to the nearest count of at least 1",
);

pub(super) const ENTRY: Entry<BuildOperator> = Entry {
    name: "random_subset",
    about: "a share or a count of the components, drawn once from a seed of its own",
    reference: "",
    params: &[SHARE, COUNT, SEED],
    build: |settings: &Settings, dim, error: &ErrorLaw| {
        let count = match (settings.optional_number(SHARE.key), settings.has(COUNT.key)) {
            (Some(share), false) => ((share * dim as f64).round() as usize).max(1),
            (None, true) => settings.count(COUNT.key),
            (Some(_), true) => {
                return Err(settings.mistake(COUNT.key, "is set beside `share`; keep one of the two").into());
            }
            (None, false) => return Err(settings.mistake(SHARE.key, "must be set, unless `count` is").into()),
        };
        if count > dim {
            let problem = format!("is {count}, but the state has {dim} components; take at most {dim}");
            return Err(settings.mistake(COUNT.key, problem).into());
        }
        Ok(Box::new(RandomSubset::new(dim, count, settings.count(SEED.key) as u64, error)?))
    },
};

/// h(x)_i = x_{k_i}.
pub struct RandomSubset {
    dim: usize,
    index: Vec<usize>,
    error: Box<dyn NoiseLaw>,
}

impl RandomSubset {
    /// `count` of the `dim` components of a state, each subset as likely as any other; the same for the same seed.
    ///
    /// # Errors
    /// When `count` is 0 or above `dim`, or the error law does not fit.
    pub fn new(dim: usize, count: usize, seed: u64, error: &ErrorLaw) -> Result<Self> {
        if count == 0 || count > dim {
            return Err(Error::Shape(format!(
                "a subset of {count} of {dim} components cannot be drawn; take from 1 to {dim}"
            )));
        }
        Ok(Self { dim, index: draw(dim, count, seed), error: error(count)? })
    }
}

/// The first `count` places of a shuffle (Fisher and Yates 1938), sorted.
fn draw(dim: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut stream = Key::new(seed, Domain::Data).purpose(Purpose::Structure).stream(0);
    let mut places: Vec<usize> = (0..dim).collect();
    for i in 0..count {
        places.swap(i, i + stream.below(dim - i));
    }
    places.truncate(count);
    places.sort_unstable();
    places
}

impl ObservationOperator for RandomSubset {
    fn name(&self) -> String {
        format!("random subset of {}", self.index.len())
    }

    fn dim(&self) -> usize {
        self.index.len()
    }

    fn state_dim(&self) -> usize {
        self.dim
    }

    fn apply(&self, _t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        x.select(Axis(1), &self.index)
    }

    fn linearized(&self) -> Option<&dyn LinearizedOperator> {
        Some(self)
    }

    fn one_component(&self) -> Option<&dyn OneComponent> {
        Some(self)
    }

    fn error(&self) -> &dyn NoiseLaw {
        &*self.error
    }

    fn location(&self) -> Option<Vec<Place>> {
        Some(self.index.iter().copied().map(Place::from).collect())
    }

    fn matrix(&self) -> Option<Array2<f64>> {
        let mut matrix = Array2::zeros((self.index.len(), self.dim));
        self.index.iter().enumerate().for_each(|(row, &place)| matrix[(row, place)] = 1.0);
        Some(matrix)
    }

    fn is_linear(&self) -> bool {
        true
    }
}

impl OneComponent for RandomSubset {
    fn component(&self, value: usize) -> Option<usize> {
        self.index.get(value).copied()
    }

    fn value_at(&self, _t: f64, _value: usize, x: f64) -> f64 {
        x
    }

    fn linearize(&self, _t: f64, _first: usize, _x: &mut [f64], slope: &mut [f64]) -> bool {
        slope.fill(1.0);
        true
    }
}

impl LinearizedOperator for RandomSubset {
    fn jvp(&self, t: f64, _x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        self.apply(t, u)
    }

    fn vjp(&self, _t: f64, _x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        let mut out = Array2::zeros((v.nrows(), self.dim));
        for (&place, column) in self.index.iter().zip(v.columns()) {
            out.column_mut(place).assign(&column);
        }
        out
    }
}
