//! `memorizer`: the closed-form optimum over the N training pairs of what `diffusion` and the stochastic interpolant are
//! trained for, where a network could learn it exactly (arXiv:2606.08554). It is the exact bad limit: all that it can draw
//! are training increments.
//!
//! With x_t = alpha z + sigma eps, z_j the scaled training increments (or next states) and z drawn from them, the optimal
//! denoiser is
//!
//! D(x_t; x) = sum_j w_j z_j, log w_j = -‖x_t - alpha z_j‖^2 / (2 sigma^2) - ‖(x - x_j) / sd‖^2 / (2 h^2) + const,
//!
//! whose Jacobian, alpha / sigma^2 times the covariance of z under w, is symmetric. Every state occurs once, so that the law
//! given exactly x_k is one increment or none: the kernel of bandwidth h says which states count as x. Unset, h is the
//! median distance of a training state to the nearest other one, over 1,000 evenly spaced ones. The drift of an interpolant
//! from x_k to x_{k+1} is made of D at alpha = t^2 and sigma = (1 - t) sqrt(t).
//!
//! In the limit of all noise the first term is 0, and the reverse process draws z_j with the weight of the second: a lead
//! step does that at once, x + (next_j - x_j) or next_j itself. Member i of lead step k draws with `key.at(k).stream(i)`.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;
use serde_json::json;

use super::analog::{INCREMENT, SUCCESSOR, TARGET};
use super::fitted::{Fitted, Parts, Training};
use super::learned::{in_chunks, members, stacked};
use super::pairs::{Pairs, kept, standardisation};
use super::stored::{matrix, misfit, number, sizes, tensor};
use super::{Error, FitContext, FitSize, ForecasterBuild, Result};
use crate::model::Model;
use crate::nn::windows::evenly;
use crate::systems::{
    self, Affine, BoundDenoiser, ConditionalDenoiser, Denoiser, DifferentiableDenoiser, Entry, Forecaster, Key, Level,
    MemoryUse, Param, ParamKind, Pullback, Purpose, Settings,
};

/// Members whose weights are held at once, on each thread.
const MEMBERS: usize = 32;

/// States whose nearest others make the usual bandwidth.
const PROBES: usize = 1000;

const BANDWIDTH: Param = Param::unset(
    "bandwidth",
    ParamKind::POSITIVE,
    "h, in standard deviations of the states; unset: the median distance of a training state to the nearest other",
);
const LIBRARY: Param = Param::int(
    "library",
    10_000,
    0,
    "training pairs kept, evenly spaced; 0 keeps all (a forecast costs in proportion)",
);

/// The registry line.
pub(super) const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "memorizer",
    about: "the optimal denoiser of the training increments themselves, which it repeats",
    reference: "arXiv:2606.08554",
    params: &[BANDWIDTH, TARGET, LIBRARY],
    build: ForecasterBuild { fit, load: Some(load), memory, cost: None },
};

struct Memorizer {
    pairs: Pairs,
    successor: bool,
    bandwidth: f64,
    states: Scaled,
    targets: Scaled,
}

/// Rows over the standard deviation of each component, about their mean.
struct Scaled {
    mean: Array1<f64>,
    sd: Array1<f64>,
    /// `[pair, component]`.
    rows: Array2<f64>,
    /// ‖row‖^2 / 2, `[pair]`.
    half_squares: Array1<f64>,
}

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    let (pairs, n, threads) = (kept(settings, LIBRARY, size.train), size.components, rayon::current_num_threads());
    vec![
        MemoryUse::reals(format!("training pairs ({pairs} x {n})"), &[10, pairs, n]),
        MemoryUse::reals(
            format!("weights of {MEMBERS} members for {pairs} pairs on {threads} thread(s)"),
            &[4, MEMBERS, threads, pairs],
        ),
    ]
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    let pairs = Pairs::training(context.train, settings.count(LIBRARY.key), 2, ENTRY.name)?;
    let training = Training::closed_form(pairs.len());
    let successor = settings.text(TARGET.key) == SUCCESSOR;
    let mut memorizer = Memorizer::new(pairs, successor, f64::NAN);
    memorizer.bandwidth = match settings.optional_number(BANDWIDTH.key) {
        Some(bandwidth) => bandwidth,
        None => memorizer.states.usual_bandwidth().ok_or_else(|| {
            let problem =
                "has no usual value, since all training states are the same; set it, or give it other trajectories";
            Error::from(settings.mistake(BANDWIDTH.key, problem))
        })?,
    };
    Ok(fitted(memorizer, training))
}

fn load(model: &Model) -> Result<Fitted> {
    let pairs = Pairs { now: matrix(model, "now")?, next: matrix(model, "next")? };
    if pairs.now.dim() != pairs.next.dim() || pairs.len() == 0 {
        let problem = format!("is {} beside {}", sizes(pairs.next.shape()), sizes(pairs.now.shape()));
        return Err(misfit(model, "next", &problem));
    }
    let bandwidth = number(model, BANDWIDTH.key)?;
    if !(bandwidth > 0.0 && bandwidth.is_finite()) {
        return Err(misfit(model, BANDWIDTH.key, &format!("is {bandwidth}, but must be above 0")));
    }
    let successor = model.config[TARGET.key] == SUCCESSOR;
    Ok(fitted(Memorizer::new(pairs, successor, bandwidth), Training::load(model)?))
}

fn fitted(memorizer: Memorizer, training: Training) -> Fitted {
    Fitted::new(ENTRY.name, memorizer, training, |model| {
        let config = json!({
            BANDWIDTH.key: model.bandwidth,
            TARGET.key: if model.successor { SUCCESSOR } else { INCREMENT },
        });
        Parts::new(config, [("now", tensor(&model.pairs.now)), ("next", tensor(&model.pairs.next))])
    })
}

impl Scaled {
    fn new(rows: &Array2<f64>) -> Self {
        let (mean, sd) = standardisation(rows);
        let rows = (rows - &mean) / &sd;
        let half_squares = rows.map_axis(Axis(1), |row| 0.5 * row.dot(&row));
        Self { mean, sd, rows, half_squares }
    }

    /// (x - mean) / sd, `[member, component]`.
    fn scaled(&self, x: ArrayView2<f64>) -> Array2<f64> {
        (&x - &self.mean) / &self.sd
    }

    /// -‖q - row_j‖^2 / 2 but for a term that all pairs of a member share, `[member, pair]`.
    fn nearness(&self, query: ArrayView2<f64>) -> Array2<f64> {
        query.dot(&self.rows.t()) - &self.half_squares
    }

    /// The median distance of some rows to the nearest other row; none where all are the same.
    fn usual_bandwidth(&self) -> Option<f64> {
        let count = self.rows.nrows().min(PROBES);
        let probes: Vec<usize> = evenly(self.rows.nrows(), count).collect();
        let nearest = |chunk: &[usize]| {
            let query = self.rows.select(Axis(0), chunk);
            let nearness = self.nearness(query.view());
            let of = |(own, row): (&usize, ArrayView1<f64>)| {
                let square = |nearness: &f64| 2.0 * (self.half_squares[*own] - nearness);
                // a copy of the state itself is no other; rounding is of the size of the squares
                let copy = 1e-12 * (1.0 + self.half_squares[*own]);
                row.iter().map(square).filter(|square| *square > copy).fold(f64::INFINITY, f64::min)
            };
            chunk.iter().zip(nearness.outer_iter()).map(of).collect::<Vec<_>>()
        };
        let chunks: Vec<Vec<f64>> = probes.par_chunks(MEMBERS).map(nearest).collect();
        let mut squares: Vec<f64> = chunks.concat().into_iter().filter(|square| square.is_finite()).collect();
        squares.sort_by(f64::total_cmp);
        squares.get(squares.len() / 2).map(|square| square.sqrt())
    }
}

impl Memorizer {
    fn new(pairs: Pairs, successor: bool, bandwidth: f64) -> Self {
        let states = Scaled::new(&pairs.now);
        let targets = if successor { Scaled::new(&pairs.next) } else { Scaled::new(&(&pairs.next - &pairs.now)) };
        Self { pairs, successor, bandwidth, states, targets }
    }

    /// log of the kernel's weights but for a term of each member, `[member, pair]`, for scaled states.
    fn log_kernel(&self, condition: ArrayView2<f64>) -> Array2<f64> {
        self.states.nearness(condition) / (self.bandwidth * self.bandwidth)
    }

    /// One lead step of the members `first..` that `x` holds.
    fn follow(&self, first: usize, x: &mut ArrayViewMut2<f64>, key: Key) {
        let mut weights = self.log_kernel(self.states.scaled(x.view()).view());
        normalize(&mut weights);
        for ((member, mut row), weights) in x.outer_iter_mut().enumerate().zip(weights.outer_iter()) {
            // a state that diverged has no weights, and stays what it is
            let Some(j) = chosen(weights, key.stream((first + member) as u64).uniform()) else { continue };
            if self.successor {
                row.assign(&self.pairs.next.row(j));
            } else {
                row += &(&self.pairs.next.row(j) - &self.pairs.now.row(j));
            }
        }
    }
}

/// Weights out of their logarithms, row by row.
fn normalize(logarithms: &mut Array2<f64>) {
    for mut row in logarithms.outer_iter_mut() {
        let most = row.fold(f64::NEG_INFINITY, |most, log| most.max(*log));
        row.mapv_inplace(|log| (log - most).exp());
        let sum = row.sum();
        row /= sum;
    }
}

/// The pair at this share of the weights; none where they are not finite.
fn chosen(weights: ArrayView1<f64>, share: f64) -> Option<usize> {
    let mut left = share;
    let found = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    // by rounding the weights may sum to less than the share: then it is the last that has one
    found.or_else(|| weights.iter().rposition(|weight| *weight > 0.0))
}

/// The optimal denoiser with its condition bound.
struct Remembered<'a> {
    memorizer: &'a Memorizer,
    /// (x_k - mean) / sd, `[member, component]`.
    condition: Array2<f64>,
}

impl Remembered<'_> {
    /// w, `[member, pair]`.
    fn weights(&self, x_t: ArrayView2<f64>, condition: ArrayView2<f64>, level: Level) -> Array2<f64> {
        let Level { alpha, sigma } = level;
        let near = self.memorizer.targets.nearness((&x_t / alpha).view()) * (alpha * alpha / (sigma * sigma));
        let mut weights = near + self.memorizer.log_kernel(condition);
        normalize(&mut weights);
        weights
    }

    /// `f` of the weights of chunks of members, given as ranges, one below the other.
    fn by_chunks(
        &self,
        x_t: ArrayView2<f64>,
        level: Level,
        f: impl Fn(std::ops::Range<usize>, Array2<f64>) -> Array2<f64> + Sync,
    ) -> Result<Array2<f64>> {
        assert_eq!(x_t.dim(), self.condition.dim(), "one noised increment for each member");
        let condition = self.condition.view();
        let chunks = in_chunks(x_t.nrows(), MEMBERS, |rows| {
            let weights = self.weights(members(&x_t, rows.clone()), members(&condition, rows.clone()), level);
            Ok::<_, Error>(f(rows, weights))
        })?;
        Ok(stacked(&chunks, x_t.ncols()))
    }
}

impl Denoiser for Remembered<'_> {
    fn dim(&self) -> usize {
        self.condition.ncols()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> systems::Result<Array2<f64>> {
        if level.sigma == 0.0 {
            return Ok(&x_t / level.alpha);
        }
        Ok(self.by_chunks(x_t, level, |_, weights| weights.dot(&self.memorizer.targets.rows))?)
    }

    fn select<'a>(&'a self, rows: &[usize]) -> systems::Result<Box<dyn Denoiser + 'a>> {
        let condition = self.condition.select(Axis(0), rows);
        Ok(Box::new(Remembered { memorizer: self.memorizer, condition }))
    }
}

impl DifferentiableDenoiser for Remembered<'_> {
    fn denoise_vjp<'a>(
        &'a self,
        x_t: ArrayView2<'a, f64>,
        level: Level,
    ) -> systems::Result<(Array2<f64>, Pullback<'a>)> {
        let denoised = self.denoise(x_t, level)?;
        if level.sigma == 0.0 {
            return Ok((denoised, Pullback::new(move |v| Ok(&v / level.alpha))));
        }
        let z = &self.memorizer.targets.rows;
        let factor = level.alpha / (level.sigma * level.sigma);
        // the weights are made again: members x pairs of them are not held
        let pull = move |v: ArrayView2<f64>| {
            let pulled = self.by_chunks(x_t, level, |rows, mut weights| {
                let along = v.slice(s![rows, ..]).dot(&z.t());
                let mean = (&weights * &along).sum_axis(Axis(1)).insert_axis(Axis(1));
                weights *= &(along - mean);
                weights.dot(z) * factor
            })?;
            Ok(pulled)
        };
        Ok((denoised, Pullback::new(pull)))
    }
}

impl ConditionalDenoiser for Memorizer {
    fn bind<'a>(&'a self, _k: usize, x: ArrayView2<'a, f64>) -> systems::Result<BoundDenoiser<'a>> {
        let condition = self.states.scaled(x);
        let mut scale = Array2::zeros(x.dim());
        scale.assign(&self.targets.sd);
        let mut offset = if self.successor { Array2::zeros(x.dim()) } else { x.to_owned() };
        offset += &self.targets.mean;
        let denoiser = Box::new(Remembered { memorizer: self, condition });
        Ok(BoundDenoiser { denoiser, to_state: Affine { offset, scale } })
    }
}

impl Forecaster for Memorizer {
    fn dim(&self) -> usize {
        self.pairs.now.ncols()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> systems::Result<()> {
        self.advance(k, 1, x, key)
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> systems::Result<()> {
        assert_eq!(x.ncols(), self.dim(), "states of {} components for pairs of {}", x.ncols(), self.dim());
        let key = key.purpose(Purpose::ForecastNoise);
        x.axis_chunks_iter_mut(Axis(0), MEMBERS).into_par_iter().enumerate().for_each(|(chunk, mut rows)| {
            (k..k + steps).for_each(|step| self.follow(chunk * MEMBERS, &mut rows, key.at(step as u64)));
        });
        Ok(())
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        Some(self)
    }
}

#[cfg(test)]
mod tests;
