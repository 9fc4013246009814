//! `pca_linear`: principal components of the states (Pearson 1901), and a linear regression among their scores. What it
//! learns grows with the number d of components that are kept, not with the number n of the states': with independent pairs
//! its excess error is about d / (N - d - 1) where that of `linear` is n / (N - n - 1).
//!
//! With z = (x - mean) / sd = V u, V the eigenvectors of mean z z^T by falling variance, the first d scores follow the
//! regression of [`super::linear`], u' ~ N(A u + b, Q). What is orthogonal to them, w, follows w' ~ N(f w, s^2 I) with the
//! one f and s^2 of greatest likelihood: f = 1 is persistence, f = 0 a draw from the climate, and the isotropic noise is that
//! of probabilistic principal components (Tipping & Bishop 1999). Together they are a density in all n components. s^2 is at
//! least 1e-10 of the largest variance of Q, so that the covariance keeps its inverse where all states lie in the subspace.
//!
//! d is set, or the least with this share of the variance, or, with neither, that of the greatest likelihood of the
//! validation pairs among all up to 16 and from there on every fourth part more; without validation pairs, the least with a
//! share of .99.

use ndarray::{Array1, Array2, ArrayView2, s};
use serde_json::json;

use super::fitted::{Fitted, Training};
use super::linear::{self, RIDGE, Regression, require_residuals, stored_law};
use super::pairs::{Pairs, standardisation};
use super::stored::{misfit, number};
use super::{FitContext, FitSize, ForecasterBuild, Result};
use crate::model::Model;
use crate::systems::gaussian::{LinearForecaster, SymmetricEigen};
use crate::systems::{Entry, Forecaster, LinearGaussian, MemoryUse, Param, ParamKind, Settings};

const RANK: Param =
    Param::unset("rank", ParamKind::COUNT, "principal components kept; unset: by `variance`, or by validation");
const VARIANCE: Param = Param::unset(
    "variance",
    ParamKind::SHARE,
    "least share of the variance that is kept, where `rank` is unset; unset: by the likelihood of validation pairs",
);
const SCALE: Param = Param::choice(
    "scale",
    "component",
    &["component", "one"],
    "what makes components comparable: the sd of each, or one for all where they have one unit",
);

/// The registry line.
pub(super) const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "pca_linear",
    about: "linear regression of principal components, isotropic noise around them",
    reference: "Pearson 1901; Tipping & Bishop 1999",
    params: &[RANK, VARIANCE, SCALE, RIDGE],
    build: ForecasterBuild { fit, load: Some(load), memory, cost: None },
};

/// The share of the variance that is kept where nothing else says how much.
const USUAL_SHARE: f64 = 0.99;

/// Directions of this share of the largest variance are rounding.
const NEGLIGIBLE: f64 = 1e-12;

/// The least variance around the subspace, as a share of the largest within it.
const FLOOR: f64 = 1e-10;

fn memory(_settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    let (pairs, n) = (size.train.saturating_add(size.valid), size.components);
    vec![
        MemoryUse::reals(format!("pairs and their scores ({pairs} x {n})"), &[12, pairs, n]),
        MemoryUse::reals(format!("matrices of a regression of scores ({n} x {n})"), &[24, n, n]),
    ]
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    let pairs = Pairs::training(context.train, 0, 3, ENTRY.name)?;
    let principal = Principal::of(&pairs, settings.text(SCALE.key) == "one")?;
    let (train, valid) = (principal.scores(&pairs), principal.scores(&Pairs::new(context.valid, 0)));
    let ridge = settings.optional_number(RIDGE.key);
    let (kept, loss) = match principal.rank(settings)? {
        Some(rank) => {
            require_residuals(ENTRY.name, ridge, train.len(), rank)?;
            (Truncated::fit(&train, &valid, rank, ridge)?, f64::NAN)
        }
        None if valid.len() == 0 => {
            let rank = principal.rank_of(USUAL_SHARE);
            require_residuals(ENTRY.name, ridge, train.len(), rank)?;
            (Truncated::fit(&train, &valid, rank, ridge)?, f64::NAN)
        }
        None => likeliest(&train, &valid, principal.spanned(), ridge)?,
    };
    let (n, d) = (principal.mean.len(), kept.rank);
    let training = Training {
        parameters: n * d + d * (d + 1) + d * (d + 1) / 2 + 2,
        best_valid: loss,
        ..Training::closed_form(pairs.len())
    };
    let config = json!({ RANK.key: d, RIDGE.key: kept.ridge });
    linear::fitted(ENTRY.name, kept.law(&principal), config, training)
}

fn load(model: &Model) -> Result<Fitted> {
    let law = stored_law(model)?;
    let rank = model.config[RANK.key].as_u64().filter(|rank| (1..=law.offset.len() as u64).contains(rank));
    let rank = rank.ok_or_else(|| misfit(model, RANK.key, "is no number of principal components"))?;
    let config = json!({ RANK.key: rank, RIDGE.key: number(model, RIDGE.key)? });
    linear::fitted(ENTRY.name, law, config, Training::load(model)?)
}

/// Checks a number of principal components that is set, for states of `n` components.
///
/// # Errors
/// When they have not as many.
pub(super) fn check(settings: &Settings, n: usize) -> Result<()> {
    let rank = settings.count(RANK.key);
    if rank <= n {
        return Ok(());
    }
    let problem = format!("is {rank}, but a state has {n} components; set it to at most {n}");
    Err(settings.mistake(RANK.key, problem).into())
}

/// The principal components of states.
struct Principal {
    mean: Array1<f64>,
    sd: Array1<f64>,
    /// V, `[component, direction]`, by falling variance.
    basis: Array2<f64>,
    /// The variances along the directions.
    variances: Array1<f64>,
}

impl Principal {
    fn of(pairs: &Pairs, one_scale: bool) -> Result<Self> {
        let (mean, mut sd) = standardisation(&pairs.now);
        if one_scale {
            let mean_square = (&pairs.now - &mean).mapv(|d| d * d).mean().filter(|mean| *mean > 0.0);
            sd.fill(mean_square.map_or(1.0, f64::sqrt));
        }
        let z = (&pairs.now - &mean) / &sd;
        let eigen = SymmetricEigen::new((z.t().dot(&z) / pairs.len() as f64).view())?.descending();
        Ok(Self { mean, sd, basis: eigen.vectors, variances: eigen.values })
    }

    /// u and u' of pairs, on all directions.
    fn scores(&self, pairs: &Pairs) -> Pairs {
        let of = |x: &Array2<f64>| ((x - &self.mean) / &self.sd).dot(&self.basis);
        Pairs { now: of(&pairs.now), next: of(&pairs.next) }
    }

    /// How many directions vary.
    fn spanned(&self) -> usize {
        let least = NEGLIGIBLE * self.variances[0];
        self.variances.iter().filter(|variance| **variance > least).count().max(1)
    }

    /// The least number of directions with this share of the variance.
    fn rank_of(&self, share: f64) -> usize {
        let wanted = share * self.variances.sum();
        let mut sum = 0.0;
        let before = self.variances.iter().take_while(|variance| {
            sum += **variance;
            sum < wanted
        });
        (before.count() + 1).min(self.spanned())
    }

    /// The number of directions that the settings name, if they do.
    fn rank(&self, settings: &Settings) -> Result<Option<usize>> {
        if !settings.has(RANK.key) {
            return Ok(settings.optional_number(VARIANCE.key).map(|share| self.rank_of(share)));
        }
        let (rank, spanned) = (settings.count(RANK.key), self.spanned());
        if rank > spanned {
            let problem =
                format!("is {rank}, but the training states vary in {spanned} directions; set it to at most {spanned}");
            return Err(settings.mistake(RANK.key, problem).into());
        }
        Ok(Some(rank))
    }
}

/// The law of the scores, of which the first `rank` follow a regression.
struct Truncated {
    rank: usize,
    ridge: f64,
    /// A, b, Q.
    scores: LinearGaussian,
    /// f.
    persistence: f64,
    /// s^2.
    variance: f64,
}

/// The first `rank` scores.
fn leading(scores: &Pairs, rank: usize) -> Pairs {
    let of = |u: &Array2<f64>| u.slice(s![.., ..rank]).to_owned();
    Pairs { now: of(&scores.now), next: of(&scores.next) }
}

/// sum a b over the scores that are left out.
fn beyond(a: &Array2<f64>, b: &Array2<f64>, rank: usize) -> f64 {
    (&a.slice(s![.., rank..]) * &b.slice(s![.., rank..])).sum()
}

impl Truncated {
    fn fit(train: &Pairs, valid: &Pairs, rank: usize, ridge: Option<f64>) -> Result<Self> {
        let kept = leading(train, rank);
        let regression = Regression::new(&kept)?;
        let ridge = ridge.unwrap_or_else(|| regression.choose(&leading(valid, rank)).0);
        let scores = regression.law(ridge, &kept);
        let square = beyond(&train.now, &train.now, rank);
        let product = beyond(&train.now, &train.next, rank);
        let total = square + beyond(&train.next, &train.next, rank);
        let persistence = if square > NEGLIGIBLE * total { product / square } else { 0.0 };
        let count = (train.len() * (train.now.ncols() - rank)) as f64;
        let found = (total - square - persistence * product) / (count - 1.0).max(1.0);
        let largest = scores.covariance.diag().fold(0.0f64, |largest, variance| largest.max(*variance));
        Ok(Self { rank, ridge, scores, persistence, variance: found.max(FLOOR * largest) })
    }

    /// The mean log-likelihood of pairs, in the units of the scores; without a density, minus infinity.
    fn log_likelihood(&self, scores: &Pairs) -> Result<f64> {
        let kept = leading(scores, self.rank);
        let law = LinearForecaster::new(self.scores.clone())?;
        let Some(density) = law.density() else { return Ok(f64::NEG_INFINITY) };
        let along = density.log_prob(0, kept.now.view(), kept.next.view())?.sum() / scores.len() as f64;
        let left_out = scores.now.ncols() - self.rank;
        if left_out == 0 {
            return Ok(along);
        }
        let residual = &scores.next - &(&scores.now * self.persistence);
        let square = beyond(&residual, &residual, self.rank) / scores.len() as f64;
        let log_det = left_out as f64 * (std::f64::consts::TAU * self.variance).ln();
        Ok(along - 0.5 * (square / self.variance + log_det))
    }

    /// A, b and Q in the units of the state.
    fn law(&self, principal: &Principal) -> LinearGaussian {
        let Principal { mean, sd, basis, .. } = principal;
        let turned = |block: ArrayView2<f64>, beyond: f64| {
            let mut all = Array2::from_diag(&Array1::from_elem(mean.len(), beyond));
            all.slice_mut(s![..self.rank, ..self.rank]).assign(&block);
            basis.dot(&all).dot(&basis.t())
        };
        let (step, noise) =
            (turned(self.scores.matrix.view(), self.persistence), turned(self.scores.covariance.view(), self.variance));
        let matrix = Array2::from_shape_fn(step.dim(), |(i, j)| sd[i] * step[[i, j]] / sd[j]);
        let covariance =
            Array2::from_shape_fn(noise.dim(), |(i, j)| 0.5 * (noise[[i, j]] + noise[[j, i]]) * sd[i] * sd[j]);
        let shift = basis.slice(s![.., ..self.rank]).dot(&self.scores.offset) * sd;
        LinearGaussian { offset: mean + &shift - matrix.dot(mean), matrix, covariance }
    }
}

/// The numbers of components among which the validation chooses.
fn candidates(most: usize) -> Vec<usize> {
    std::iter::successors(Some(1), |rank| Some(if *rank < 16 { rank + 1 } else { rank + rank / 4 }))
        .take_while(|rank| *rank < most)
        .chain([most])
        .collect()
}

/// The law of the greatest likelihood of validation pairs, and its negative logarithm for each component.
fn likeliest(train: &Pairs, valid: &Pairs, spanned: usize, ridge: Option<f64>) -> Result<(Truncated, f64)> {
    require_residuals(ENTRY.name, ridge, train.len(), 1)?;
    let n = train.now.ncols() as f64;
    let mut best: Option<(Truncated, f64)> = None;
    for rank in candidates(spanned).into_iter().filter(|rank| *rank == 1 || train.len() > rank + 1) {
        let tried = Truncated::fit(train, valid, rank, ridge)?;
        let loss = -tried.log_likelihood(valid)? / n;
        if best.as_ref().is_none_or(|(_, least)| loss < *least) {
            best = Some((tried, loss));
        }
    }
    match best {
        Some(best) => Ok(best),
        None => Ok((Truncated::fit(train, valid, 1, ridge)?, f64::NAN)),
    }
}

#[cfg(test)]
mod tests;
