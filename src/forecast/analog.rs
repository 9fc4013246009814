//! Analogue resampling: the past followed the nearest past states, so may the future.
//!
//! For a member x find the k training states x_j nearest in normalised distance (each component over its standard
//! deviation), choose one of them at random, and take over what happened next: with `target = "increment"`
//! x + (next_j - x_j), Lguensat et al. (2017)'s locally incremental operator, or with `target = "successor"` next_j
//! itself, which never leaves the observed states (Lorenz 1969). Increments are better where analogues are poor
//! (many components, short lead steps), successors where the state must stay on its attractor.
//!
//! A copy of a pair (x_j, next_j) counts once: trajectories that are in the data twice would otherwise be each other's
//! neighbours, and take the spread. The search is exact: distances by matrix products over blocks of the library, k best kept; ‖x - x_j‖^2 is ordered
//! by ‖x_j‖^2/2 - x . x_j. Member i of lead step k chooses with `key.at(k).stream(i)`.

use std::collections::HashSet;

use ndarray::{Array1, Array2, ArrayView1, ArrayViewMut2, Axis, s};
use rayon::prelude::*;
use serde_json::json;

use super::fitted::{Fitted, Parts, Training};
use super::pairs::{Pairs, kept, standardisation};
use super::stored::{matrix, misfit, number, sizes, tensor};
use super::{Error, FitContext, FitSize, ForecasterBuild, Result};
use crate::model::Model;
use crate::systems::registry::DefaultValue;
use crate::systems::{Entry, Forecaster, Key, MemoryUse, Param, ParamKind, Purpose, Settings};

/// Members in a block of the search.
const MEMBERS: usize = 32;
/// Library states in a block of the search.
const STATES: usize = 1024;

const NEIGHBOURS: Param =
    Param::int("neighbours", 10, 1, "k, the nearest training states among which a member chooses").up_to(10_000);
pub(super) const TARGET: Param = Param::choice(
    "target",
    INCREMENT,
    &[INCREMENT, SUCCESSOR],
    "what is taken over: the change that followed, or the state that followed",
);
const LIBRARY: Param = Param::int(
    "library",
    10_000,
    0,
    "training pairs kept, evenly spaced; 0 keeps all (a forecast costs in proportion)",
);
const NOISE: Param = Param::new(
    "noise",
    ParamKind::real(0.0, 10.0),
    DefaultValue::Float(0.0),
    "sd of noise added each lead step, in standard deviations of each component",
);

pub(super) const INCREMENT: &str = "increment";
pub(super) const SUCCESSOR: &str = "successor";

/// The registry line.
pub(super) const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "analog",
    about: "resamples what followed the k nearest training states",
    reference: "Lorenz 1969; Lguensat et al. 2017",
    params: &[NEIGHBOURS, TARGET, LIBRARY, NOISE],
    build: ForecasterBuild { fit, load: Some(load), memory, cost: None },
};

struct Analog {
    /// x_j, `[pair, component]`.
    now: Array2<f64>,
    /// next_j, `[pair, component]`.
    next: Array2<f64>,
    /// Mean of each component.
    mean: Array1<f64>,
    /// Standard deviation of each component.
    sd: Array1<f64>,
    /// (x_j - mean) / sd, `[pair, component]`.
    scaled: Array2<f64>,
    /// Half the squared norm of each row of `scaled`, `[pair]`.
    half_squares: Array1<f64>,
    neighbours: usize,
    successor: bool,
    noise: f64,
}

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    let (pairs, n) = (kept(settings, LIBRARY, size.train), size.components);
    vec![MemoryUse::reals(format!("training pairs ({pairs} x {n})"), &[8, pairs, n])]
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    let neighbours = settings.count(NEIGHBOURS.key);
    let pairs = distinct(Pairs::training(context.train, settings.count(LIBRARY.key), neighbours, ENTRY.name)?);
    if pairs.len() < neighbours {
        return Err(Error::Unsupported(format!(
            "`{}` needs {neighbours} pairs to choose among, but only {} of the training pairs differ; set fewer `neighbours`, or \
             give it other trajectories",
            ENTRY.name,
            pairs.len()
        )));
    }
    let training = Training::closed_form(pairs.len());
    let successor = settings.text(TARGET.key) == SUCCESSOR;
    Ok(fitted(Analog::new(pairs, neighbours, successor, settings.number(NOISE.key)), training))
}

/// The first of each pair that is there more than once, in order.
fn distinct(pairs: Pairs) -> Pairs {
    let mut seen = HashSet::new();
    let bits = |x: &Array2<f64>, i: usize| x.row(i).iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let first: Vec<usize> =
        (0..pairs.len()).filter(|&i| seen.insert((bits(&pairs.now, i), bits(&pairs.next, i)))).collect();
    if first.len() == pairs.len() {
        return pairs;
    }
    Pairs { now: pairs.now.select(Axis(0), &first), next: pairs.next.select(Axis(0), &first) }
}

fn load(model: &Model) -> Result<Fitted> {
    let pairs = Pairs { now: matrix(model, "now")?, next: matrix(model, "next")? };
    let neighbours = number(model, NEIGHBOURS.key)? as usize;
    if pairs.now.dim() != pairs.next.dim() || neighbours == 0 || neighbours > pairs.len() {
        let problem =
            format!("is {} beside {} and {neighbours} neighbours", sizes(pairs.next.shape()), sizes(pairs.now.shape()));
        return Err(misfit(model, "next", &problem));
    }
    let successor = model.config[TARGET.key] == SUCCESSOR;
    Ok(fitted(Analog::new(pairs, neighbours, successor, number(model, NOISE.key)?), Training::load(model)?))
}

fn fitted(analog: Analog, training: Training) -> Fitted {
    Fitted::new(ENTRY.name, analog, training, |model| {
        let config = json!({
            NEIGHBOURS.key: model.neighbours,
            TARGET.key: if model.successor { SUCCESSOR } else { INCREMENT },
            NOISE.key: model.noise,
        });
        Parts::new(config, [("now", tensor(&model.now)), ("next", tensor(&model.next))])
    })
}

impl Analog {
    fn new(pairs: Pairs, neighbours: usize, successor: bool, noise: f64) -> Self {
        // centred, so that the squares are small and the order of near states is not lost to rounding
        let (mean, sd) = standardisation(&pairs.now);
        let scaled = (&pairs.now - &mean) / &sd;
        let half_squares = scaled.map_axis(Axis(1), |row| 0.5 * row.dot(&row));
        Self { now: pairs.now, next: pairs.next, mean, sd, scaled, half_squares, neighbours, successor, noise }
    }

    /// The nearest library states of each row of `x` (`[member, component]`), nearest first.
    fn nearest(&self, x: &Array2<f64>) -> Vec<Vec<(f64, usize)>> {
        let query = (x - &self.mean) / &self.sd;
        let mut best = vec![Vec::with_capacity(self.neighbours + 1); x.nrows()];
        for from in (0..self.scaled.nrows()).step_by(STATES) {
            let to = (from + STATES).min(self.scaled.nrows());
            let products = query.dot(&self.scaled.slice(s![from..to, ..]).t());
            for (row, best) in products.outer_iter().zip(&mut best) {
                keep_best(row, self.half_squares.slice(s![from..to]), from, self.neighbours, best);
            }
        }
        best
    }

    /// One lead step of the members `first..` that `x` holds.
    fn follow(&self, first: usize, x: &mut ArrayViewMut2<f64>, key: Key) {
        let nearest = self.nearest(&x.to_owned());
        for ((member, mut row), candidates) in x.outer_iter_mut().enumerate().zip(nearest) {
            let mut stream = key.stream((first + member) as u64);
            // a state that diverged has no order among its distances, and stays what it is
            if candidates.len() < self.neighbours {
                continue;
            }
            let (_, j) = candidates[stream.below(self.neighbours)];
            if self.successor {
                row.assign(&self.next.row(j));
            } else {
                row += &self.next.row(j);
                row -= &self.now.row(j);
            }
            if self.noise > 0.0 {
                row.zip_mut_with(&self.sd, |value, sd| *value += self.noise * sd * stream.normal());
            }
        }
    }
}

/// Merges a block's distances (half_squares - products) into the sorted list of the `k` best.
fn keep_best(
    products: ArrayView1<f64>,
    half_squares: ArrayView1<f64>,
    from: usize,
    k: usize,
    best: &mut Vec<(f64, usize)>,
) {
    let mut worst = if best.len() < k { f64::INFINITY } else { best[k - 1].0 };
    for (j, (product, half_square)) in products.iter().zip(half_squares).enumerate() {
        let distance = half_square - product;
        if distance < worst {
            let place = best.partition_point(|(other, _)| *other <= distance);
            best.insert(place, (distance, from + j));
            best.truncate(k);
            worst = if best.len() < k { f64::INFINITY } else { best[k - 1].0 };
        }
    }
}

impl Forecaster for Analog {
    fn dim(&self) -> usize {
        self.now.ncols()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> crate::systems::Result<()> {
        self.advance(k, 1, x, key)
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> crate::systems::Result<()> {
        assert_eq!(x.ncols(), self.dim(), "states of {} components for analogues of {}", x.ncols(), self.dim());
        let key = key.purpose(Purpose::ForecastNoise);
        x.axis_chunks_iter_mut(Axis(0), MEMBERS).into_par_iter().enumerate().for_each(|(chunk, mut rows)| {
            (k..k + steps).for_each(|step| self.follow(chunk * MEMBERS, &mut rows, key.at(step as u64)));
        });
        Ok(())
    }
}
