//! Of how many low-rank pieces the data are, and of which ranks: a mixture of Gaussians around flats, x ~ sum_k pi_k N(m_k,
//! U_k diag(l_k) U_k^T + f_k I).
//!
//! Labels come from the spectral start and K-subspaces of the forecaster `molrg`, for each K in turn and, for each, with the rank
//! that its clusters turn out to have. Each cluster's rank, and then K, is the one of least Bayesian information criterion,
//! -2 ln p + (free parameters) ln N (Schwarz 1978): the likelihood of a Gaussian with r eigenvalues of its own and their mean for
//! the others is maximal at the sample's (Tipping and Bishop 1999), and the criterion finds the true rank and K as N grows,
//! where each piece is a Gaussian. Where it is not, several Gaussians may share one flat to follow its density: pieces whose
//! points together need no more directions than the larger one has are one piece.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::cloud::Cloud;
use super::spectrum::{GRAM, Spectrum, centred, some};
use crate::forecast::{self, subspaces};
use crate::systems::gaussian::{LowRankGaussian, LowRankMixture, SymmetricEigen};
use crate::systems::{self, Level};

/// Points that are clustered: affinities are between all pairs of them.
pub const CLUSTERED: usize = 400;

/// The most components of a point that is clustered.
const COMPONENTS: usize = 300;

/// The most pieces that are tried.
pub const MOST: usize = 5;

/// Times that a rank is tried anew for one K.
const ROUNDS: usize = 3;

/// The least variance outside a flat, as a share of the mean variance: a set without noise has no density.
const LEAST: f64 = 1e-10;

/// A direction of points together counts where its variance is so many times the noise of either.
const OVER_NOISE: f64 = 4.0;

/// A low-rank piece.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Its share of the points.
    pub share: f64,
    /// Its rank.
    pub rank: usize,
    /// The sd of the noise in a direction outside it.
    pub noise: f64,
}

/// The pieces, largest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Pieces {
    /// The pieces.
    pub pieces: Vec<Piece>,
    /// Gaussians that were preferred, before those of one flat were joined.
    pub gaussians: usize,
    /// The information criterion a point of each number of Gaussians that was tried, from 1 on.
    pub criteria: Vec<f64>,
    /// The points that were clustered.
    pub points: usize,
}

impl Pieces {
    /// Whether no fewer Gaussians than the most that were tried are enough: a sign of a curved set.
    pub fn is_at_the_most(&self) -> bool {
        self.gaussians == MOST
    }
}

/// The pieces of a cloud; none where it has too few points or too many components.
///
/// # Errors
/// When a covariance is not finite.
pub fn pieces(cloud: &Cloud) -> forecast::Result<Option<Pieces>> {
    let points = cloud.points().select(Axis(0), &some(cloud.len(), CLUSTERED));
    let points = centred(points.view());
    if points.ncols() < 2 || points.ncols() > COMPONENTS || points.nrows() < 4 {
        return Ok(None);
    }
    let mut best: Option<(f64, Vec<Gaussian>)> = None;
    let mut criteria = Vec::new();
    for count in 1..=MOST {
        let Some(found) = of_count(points.view(), count)? else { break };
        let value = criterion(points.view(), &found)?;
        criteria.push(value / points.nrows() as f64);
        if best.as_ref().is_none_or(|(other, _)| value < *other) {
            best = Some((value, found));
        }
    }
    let Some((_, found)) = best else { return Ok(None) };
    let gaussians = found.len();
    let pieces = joined(points.view(), found);
    Ok(Some(Pieces { pieces, gaussians, criteria, points: points.nrows() }))
}

/// A Gaussian around a flat, and the points that it was made of.
struct Gaussian {
    rows: Vec<usize>,
    mean: Array1<f64>,
    rank: usize,
    floor: f64,
    /// The flat's directions, `[component, direction]`, and the variances along them.
    basis: Array2<f64>,
    variances: Array1<f64>,
}

impl Gaussian {
    /// Of some of the points; none of fewer than 3.
    fn of(points: ArrayView2<f64>, rows: Vec<usize>) -> Option<Self> {
        if rows.len() < 3 {
            return None;
        }
        let own = points.select(Axis(0), &rows);
        let mean = own.mean_axis(Axis(0))?;
        let centred = &own - &mean;
        let covariance = centred.t().dot(&centred) / (rows.len() - 1) as f64;
        let eigen = SymmetricEigen::new(covariance.view()).ok()?.descending();
        let count = rows.len();
        let values = eigen.values.iter().copied().take(count - 1).collect();
        let spectrum = Spectrum { values, count, components: points.ncols() };
        let rank = likeliest_rank(&spectrum);
        let floor = floor_below(&spectrum, rank);
        let directions: Vec<usize> = (0..rank).collect();
        Some(Self {
            mean,
            rank,
            floor,
            basis: eigen.vectors.select(Axis(1), &directions),
            variances: eigen.values.iter().take(rank).map(|value| (value - floor).max(0.0)).collect(),
            rows,
        })
    }

    /// log (pi N) of each point.
    fn log_density(&self, points: ArrayView2<f64>) -> systems::Result<Array1<f64>> {
        let part = LowRankGaussian {
            weight: 1.0,
            mean: self.mean.clone(),
            basis: self.basis.clone(),
            variances: self.variances.clone(),
        };
        let law = LowRankMixture::new(vec![part], self.floor.sqrt())?;
        let weight = self.rows.len() as f64 / points.nrows() as f64;
        Ok(law.log_density(points, Level::exploding(0.0)) + weight.ln())
    }

    /// Mean, directions with their variances, and the floor.
    fn parameters(&self) -> usize {
        let (n, r) = self.basis.dim();
        n + n * r - r * r.saturating_sub(1) / 2 + 1
    }
}

/// So many Gaussians around flats; none where the points do not make so many of 3 points or more.
fn of_count(points: ArrayView2<f64>, count: usize) -> forecast::Result<Option<Vec<Gaussian>>> {
    if count == 1 {
        return Ok(Gaussian::of(points, (0..points.nrows()).collect()).map(|one| vec![one]));
    }
    let mut best: Option<(f64, Vec<Gaussian>)> = None;
    for zero_means in [true, false] {
        let mut tried = Vec::new();
        let mut rank = local_rank(points);
        for _ in 0..ROUNDS {
            if tried.contains(&rank) || rank + 2 > points.nrows() / count || rank >= points.ncols() {
                break;
            }
            tried.push(rank);
            let labels = subspaces(points, count, rank, zero_means)?;
            let rows = |k: usize| (0..labels.len()).filter(|i| labels[*i] == k).collect::<Vec<_>>();
            let found: Option<Vec<Gaussian>> = (0..count).map(|k| Gaussian::of(points, rows(k))).collect();
            let Some(found) = found else { break };
            let value = criterion(points, &found)?;
            rank = found.iter().map(|one| one.rank).max().unwrap_or(1);
            if best.as_ref().is_none_or(|(other, _)| value < *other) {
                best = Some((value, found));
            }
        }
    }
    Ok(best.map(|(_, found)| found))
}

/// A first guess of the rank of a piece: the median directions of neighbourhoods.
fn local_rank(points: ArrayView2<f64>) -> usize {
    let cloud = Cloud::independent(points.to_owned());
    let found = super::local_pca::local(&cloud, points.nrows().saturating_sub(1).min(32));
    (super::estimate::median(found.iter().map(|one| one.1 as f64).collect()).round() as usize).max(1)
}

/// -2 ln p + (free parameters) ln N.
fn criterion(points: ArrayView2<f64>, found: &[Gaussian]) -> systems::Result<f64> {
    let mut sum: Array1<f64> = Array1::from_elem(points.nrows(), f64::NEG_INFINITY);
    for one in found {
        sum = log_sum(sum.view(), one.log_density(points)?.view());
    }
    let free = found.iter().map(Gaussian::parameters).sum::<usize>() + found.len() - 1;
    Ok(-2.0 * sum.sum() + free as f64 * (points.nrows() as f64).ln())
}

/// ln(exp a + exp b).
fn log_sum(a: ArrayView1<f64>, b: ArrayView1<f64>) -> Array1<f64> {
    let of = |(a, b): (&f64, &f64)| {
        let (low, high) = if a < b { (*a, *b) } else { (*b, *a) };
        if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
    };
    a.iter().zip(b).map(of).collect()
}

/// Pieces, those on one flat together.
fn joined(points: ArrayView2<f64>, mut found: Vec<Gaussian>) -> Vec<Piece> {
    'again: loop {
        for i in 0..found.len() {
            for j in i + 1..found.len() {
                let rows: Vec<usize> = found[i].rows.iter().chain(&found[j].rows).copied().collect();
                let noise = found[i].floor.max(found[j].floor);
                let needed = directions(points, &rows, OVER_NOISE * noise);
                let larger = found[i].rank.max(found[j].rank);
                if needed.is_some_and(|needed| needed <= larger)
                    && let Some(mut one) = Gaussian::of(points, rows)
                {
                    one.rank = one.rank.min(larger);
                    found[i] = one;
                    found.remove(j);
                    continue 'again;
                }
            }
        }
        break;
    }
    found.sort_by_key(|one| std::cmp::Reverse(one.rows.len()));
    let piece = |one: &Gaussian| Piece {
        share: one.rows.len() as f64 / points.nrows() as f64,
        rank: one.rank,
        noise: one.floor.sqrt(),
    };
    found.iter().map(piece).collect()
}

/// Directions of some points with a variance above `noise`.
fn directions(points: ArrayView2<f64>, rows: &[usize], noise: f64) -> Option<usize> {
    let spectrum = Spectrum::of(points.select(Axis(0), rows).view())?;
    Some(spectrum.values.iter().filter(|value| **value > noise).count())
}

/// The rank of least information criterion for points of a spectrum; at most one for every two points. The number of components
/// where no flat is likelier than all of them.
pub fn likeliest_rank(spectrum: &Spectrum) -> usize {
    let (n, count) = (spectrum.components, spectrum.count as f64);
    let most = n.min((spectrum.count - 1) / 2).min(GRAM);
    let mean = spectrum.total() / n as f64;
    if mean <= 0.0 {
        return 0;
    }
    let value = |rank: usize| {
        let along: f64 = spectrum.values.iter().take(rank).map(|value| value.max(LEAST * mean).ln()).sum();
        let outside = if rank < n { (n - rank) as f64 * floor_below(spectrum, rank).ln() } else { 0.0 };
        let free = n * rank - rank * rank.saturating_sub(1) / 2;
        count * (along + outside) + free as f64 * count.ln()
    };
    (0..=most).min_by(|a, b| value(*a).total_cmp(&value(*b))).unwrap_or(0)
}

/// The variance in a direction outside the first `rank`: their squares over the degrees of freedom that are left.
pub fn floor_below(spectrum: &Spectrum, rank: usize) -> f64 {
    let (n, freedom) = (spectrum.components, (spectrum.count - 1) as f64);
    let rest: f64 = spectrum.values.iter().skip(rank).sum::<f64>() * freedom;
    let degrees = (freedom - rank as f64) * (n - rank.min(n)) as f64;
    let least = LEAST * spectrum.total() / n as f64;
    if degrees > 0.0 { (rest / degrees).max(least) } else { least }
}
