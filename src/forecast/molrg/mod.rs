//! `molrg`: a mixture of low-rank Gaussians of pairs z = [x_k; x_{k+1}], z ~ sum_k pi_k N(m_k, U_k diag(l_k) U_k^T + f_k I)
//! with U_k orthonormal of d columns, in closed form from data (Wang et al. 2024; K = 1: Tipping and Bishop 1999).
//!
//! [`clustering`] finds which pairs belong to which part, [`parts`] the part of each cluster, and [`conditional`] the law of
//! x_{k+1} given x_k, a mixture of Gaussians of rank d over their floors. All components of a state are in their own units:
//! subspaces are told by angles, and the floor is one variance for all of them.
//!
//! The dimension, where it is unset, is the one of a grid under which validation pairs are likeliest given x_k; where there are
//! none, every fifth training pair is held out for that choice.

mod clustering;
mod conditional;
mod parts;
mod record;
mod starts;
#[cfg(test)]
mod tests;

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};

use super::learned::{in_chunks, members, stacked};
use super::pairs::Pairs;
use super::{Error, FitContext, FitSize, Fitted, ForecasterBuild, Result, Training};
use crate::systems::{
    self, BoundDenoiser, ConditionalDenoiser, Density, Entry, Forecaster, GaussianMixture, Key, MemoryUse,
    MixtureKernel, Param, ParamKind, Settings,
};
pub use clustering::subspaces;
use clustering::{IMPROVED, clustered};
use conditional::Conditional;
use parts::{Principal, SubspacePart};
use record::{fitted, load};
use starts::{AFFINITIES, evenly};

const COMPONENTS: Param = Param::int("components", 1, 1, "K, the number of Gaussians").up_to(64);
const DIMENSION: Param = Param::unset(
    "dimension",
    ParamKind::COUNT,
    "d, the dimension of each subspace of pairs [x_k; x_{k+1}]; chosen on the validation trajectories when unset",
);
const ZERO_MEANS: Param = Param::flag("zero_means", "each Gaussian has mean 0, as in the theory of subspaces");

/// The registry line.
pub(super) const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "molrg",
    about: "mixture of low-rank Gaussians of pairs of states, conditioned on the first in closed form",
    reference: "Wang, Zhang, Zhang, Chen, Ma and Qu (2024), arXiv:2409.02426; Tipping and Bishop (1999)",
    params: &[COMPONENTS, DIMENSION, ZERO_MEANS],
    build: ForecasterBuild { fit, load: Some(load), memory, cost: None },
};

/// The dimensions tried where none is set; beside them that of a state, and the largest there is.
const GRID: [usize; 13] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96];

/// Validation pairs that decide the dimension.
const VALIDATED: usize = 1024;

/// Members in a chunk of the parallel loop.
const CHUNK: usize = 256;

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    let (pairs, n) = (size.train.saturating_add(size.valid.min(VALIDATED)), size.components.saturating_mul(2));
    let count = settings.count(COMPONENTS.key);
    let mut held = vec![
        MemoryUse::reals(format!("pairs of states and what their parts leave of them ({pairs} x {n})"), &[6, pairs, n]),
        MemoryUse::reals(format!("covariances of pairs of states ({n} x {n})"), &[8, n, n]),
        MemoryUse::reals(format!("subspaces of {count} parts ({n} x {n} at most)"), &[4, count, n, n]),
    ];
    if count > 1 {
        let points = pairs.min(AFFINITIES);
        held.push(MemoryUse::reals(format!("affinities of {points} pairs"), &[6, points, points]));
    }
    held
}

/// The forecaster.
struct Molrg {
    parts: Vec<SubspacePart>,
    conditional: Conditional,
}

/// What is fitted, whatever to.
#[derive(Clone, Copy)]
struct Shape {
    components: usize,
    zero_means: bool,
}

impl Shape {
    /// The parts of pairs `[pair, component]` in so many dimensions.
    fn parts(self, pairs: ArrayView2<f64>, dimension: usize) -> Result<Vec<SubspacePart>> {
        clustered(pairs, self.components, dimension, self.zero_means)
    }

    /// The likeliest dimension for `valid` given what is fitted to `train`, `[pair, component]` each.
    fn choose(self, train: ArrayView2<f64>, valid: ArrayView2<f64>) -> Result<usize> {
        let n = train.ncols() / 2;
        let mut grid: Vec<usize> = GRID.into_iter().chain([n, 2 * n - 1]).collect();
        grid.sort_unstable();
        grid.dedup();
        grid.retain(|d| *d < 2 * n && (*d == 1 || enough(self.components, *d) <= train.nrows()));
        // one decomposition serves all dimensions of one part
        let only = if self.components == 1 { Some([Principal::new(train, self.zero_means)?]) } else { None };
        let mut best = (f64::NEG_INFINITY, 1);
        for dimension in grid {
            let parts = match &only {
                Some(cluster) => parts::parts(cluster, dimension),
                None => self.parts(train, dimension)?,
            };
            let likelihood = log_likelihood(&Conditional::new(&parts)?, valid);
            if likelihood > best.0 {
                best = (likelihood, dimension);
            }
        }
        Ok(best.1)
    }
}

/// The pairs that K parts of dimension d need, so that each has a floor of its own.
fn enough(components: usize, dimension: usize) -> usize {
    components.saturating_mul(dimension.saturating_add(2))
}

/// The mean of log p(x_{k+1} | x_k) a component over pairs.
fn log_likelihood(conditional: &Conditional, pairs: ArrayView2<f64>) -> f64 {
    let (now, next) = pairs.split_at(Axis(1), conditional.dim());
    conditional.law(now).log_density(next).sum() / (pairs.nrows() * conditional.dim()) as f64
}

/// [x_k; x_{k+1}], `[pair, component]`.
fn side_by_side(pairs: &Pairs) -> Result<Array2<f64>> {
    concatenate(Axis(1), &[pairs.now.view(), pairs.next.view()])
        .map_err(|_| Error::Data("pairs of no shape".to_owned()))
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    let shape = Shape { components: settings.count(COMPONENTS.key), zero_means: settings.flag(ZERO_MEANS.key) };
    let train = side_by_side(&Pairs::training(context.train, 0, 3, ENTRY.name)?)?;
    let valid = side_by_side(&Pairs::new(context.valid, VALIDATED))?;
    let dimension = match settings.has(DIMENSION.key) {
        true => checked_dimension(settings, train.ncols() / 2)?,
        false if valid.nrows() > 0 => shape.choose(evenly(train.view(), IMPROVED).view(), valid.view())?,
        false => {
            let fifth = |held: bool| (0..train.nrows()).filter(|i| (i % 5 == 4) == held).collect::<Vec<_>>();
            let [learned, held] =
                [false, true].map(|held| evenly(train.select(Axis(0), &fifth(held)).view(), IMPROVED));
            shape.choose(learned.view(), if held.nrows() > 0 { held.view() } else { learned.view() })?
        }
    };
    if train.nrows() < enough(shape.components, dimension) {
        return Err(Error::Data(format!(
            "`molrg` with `components` {} and `dimension` {dimension} needs at least {} pairs of successive states, but the \
             training trajectories have {}; give it more or longer trajectories, or lower either",
            shape.components,
            enough(shape.components, dimension),
            train.nrows()
        )));
    }
    let parts = shape.parts(train.view(), dimension)?;
    let conditional = Conditional::new(&parts)?;
    let best_valid = if valid.nrows() > 0 { -log_likelihood(&conditional, valid.view()) } else { f64::NAN };
    let training =
        Training { parameters: parameters(&parts, shape), best_valid, ..Training::closed_form(train.nrows()) };
    Ok(fitted(Molrg { parts, conditional }, training))
}

/// Checks a dimension that is set, for states of `n` components.
///
/// # Errors
/// When pairs of such states have no subspace of that dimension.
pub(super) fn check(settings: &Settings, n: usize) -> Result<()> {
    if settings.has(DIMENSION.key) { checked_dimension(settings, n).map(|_| ()) } else { Ok(()) }
}

/// The dimension that is set, below that of a pair.
fn checked_dimension(settings: &Settings, n: usize) -> Result<usize> {
    match settings.count(DIMENSION.key) {
        dimension if dimension < 2 * n => Ok(dimension),
        dimension => {
            let most = 2 * n - 1;
            let problem = format!(
                "is {dimension}, but pairs of states of {n} components have {} and need one for the floor; set it to at most \
                 {most}",
                2 * n
            );
            Err(settings.mistake(DIMENSION.key, problem).into())
        }
    }
}

/// Free parameters: weights, means, subspaces with their variances, and floors.
fn parameters(parts: &[SubspacePart], shape: Shape) -> usize {
    let (n, d) = parts[0].gaussian.basis.dim();
    let mean = if shape.zero_means { 0 } else { n };
    parts.len() * (mean + n * d - d * (d - 1) / 2 + 1) + parts.len() - 1
}

impl Forecaster for Molrg {
    fn dim(&self) -> usize {
        self.conditional.dim()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> systems::Result<()> {
        let (view, key) = (x.view(), key.at(k as u64));
        let draws = in_chunks(x.nrows(), CHUNK, |rows| {
            let first = rows.start as u64;
            Ok(self.conditional.law(members(&view, rows)).draw(key.members_from(first)))
        })?;
        *x = stacked(&draws, x.ncols());
        Ok(())
    }

    fn density(&self) -> Option<&dyn Density> {
        Some(self)
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        Some(self)
    }

    fn mixture(&self) -> Option<&dyn MixtureKernel> {
        Some(self)
    }
}

impl MixtureKernel for Molrg {
    fn mixture(&self, _k: usize, x: ArrayView2<f64>) -> systems::Result<GaussianMixture> {
        Ok(self.conditional.law(x).into_mixture())
    }
}

impl Density for Molrg {
    fn log_prob(&self, _k: usize, x: ArrayView2<f64>, next: ArrayView2<f64>) -> systems::Result<Array1<f64>> {
        assert_eq!(x.dim(), next.dim(), "one next state for each state");
        Ok(self.conditional.law(x).log_density(next))
    }
}

impl ConditionalDenoiser for Molrg {
    fn bind<'a>(&'a self, _k: usize, x: ArrayView2<'a, f64>) -> systems::Result<BoundDenoiser<'a>> {
        let law = self.conditional.law(x);
        let [mean, _] = law.moments();
        Ok(law.bound(mean, self.conditional.sd()))
    }
}
