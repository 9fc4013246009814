//! Where a clustering by subspaces starts. No number is drawn.
//!
//! By angle: the affinity cos^2 between points, which is larger within a subspace than across, its normalized Laplacian, and
//! k-means of the rows of its first K eigenvectors (Ng, Jordan and Weiss 2001); then K-subspaces through the origin (Bradley
//! and Mangasarian 2000). By distance: k-means of the points, for parts whose means lie far from each other, which cos^2
//! cannot tell from their mirror images.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, s};

use super::super::Result;
use super::parts::Principal;
use crate::nn::windows;
use crate::systems::gaussian::SymmetricEigen;

/// Points between which affinities are reckoned.
pub const AFFINITIES: usize = 1000;

/// The most rounds of k-means and of K-subspaces.
const ROUNDS: usize = 100;

/// Labels by the angles between points around their mean, or around 0 with `zero_means`.
///
/// # Errors
/// When a covariance is not finite.
pub fn by_angle(points: ArrayView2<f64>, count: usize, dimension: usize, zero_means: bool) -> Result<Vec<usize>> {
    let centre =
        if zero_means { Array1::zeros(points.ncols()) } else { points.sum_axis(Axis(0)) / points.nrows() as f64 };
    let centred = &points - &centre;
    let some = evenly(centred.view(), AFFINITIES);
    let mut labels = spectral(some.view(), count)?;
    for _ in 0..ROUNDS {
        let next = nearest_subspace(some.view(), &of_labels(some.view(), &labels, true)?, dimension);
        if next == labels {
            break;
        }
        labels = next;
    }
    Ok(nearest_subspace(centred.view(), &of_labels(some.view(), &labels, true)?, dimension))
}

/// The subspace that each point is nearest to.
fn nearest_subspace(points: ArrayView2<f64>, clusters: &[Principal], dimension: usize) -> Vec<usize> {
    let mut best = (vec![0; points.nrows()], Array1::from_elem(points.nrows(), f64::NEG_INFINITY));
    for (k, cluster) in clusters.iter().enumerate() {
        let basis = cluster.basis(dimension);
        let rest = &points - &points.dot(&basis).dot(&basis.t());
        keep_larger(&mut best, k, (-&squares(rest.view())).view());
    }
    best.0
}

/// Spectral clustering of points by cos^2 of the angles between them.
fn spectral(points: ArrayView2<f64>, count: usize) -> Result<Vec<usize>> {
    let lengths = squares(points).mapv(|square| if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 });
    let units = &points * &lengths.insert_axis(Axis(1));
    let mut affinity = units.dot(&units.t()).mapv(|cos| cos * cos);
    affinity.diag_mut().fill(0.0);
    let degrees = affinity.sum_axis(Axis(1)).mapv(|degree| if degree > 0.0 { 1.0 / degree.sqrt() } else { 0.0 });
    // I + D^-1/2 A D^-1/2 is 2 I less the normalized Laplacian, and has no eigenvalue below 0
    affinity = affinity * &degrees * degrees.view().insert_axis(Axis(1));
    affinity.diag_mut().fill(1.0);
    let eigen = SymmetricEigen::new(affinity.view())?.descending();
    let embedded = eigen.vectors.slice_move(s![.., ..count.min(points.nrows())]);
    let lengths = squares(embedded.view()).mapv(|square| if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 });
    let embedded = embedded * &lengths.insert_axis(Axis(1));
    // each next centre is the row farthest from those before it
    let mut centres = embedded.select(Axis(0), &[0]);
    while centres.nrows() < count.min(embedded.nrows()) {
        let (_, near) = nearest_centre(embedded.view(), &centres);
        let farthest = (0..near.len()).max_by(|i, j| (-near[*i]).total_cmp(&-near[*j])).unwrap_or(0);
        centres = concatenate![Axis(0), centres, embedded.select(Axis(0), &[farthest])];
    }
    Ok(k_means(embedded.view(), centres))
}

/// Labels by k-means, started from equal parts of the points in the order of their first principal coordinate.
///
/// # Errors
/// When their covariance is not finite.
pub fn by_distance(points: ArrayView2<f64>, count: usize) -> Result<Vec<usize>> {
    let along = points.dot(&Principal::new(points, false)?.basis(1)).index_axis_move(Axis(1), 0);
    let mut order: Vec<usize> = (0..along.len()).collect();
    order.sort_by(|i, j| along[*i].total_cmp(&along[*j]));
    let middle = |k: usize| order[(2 * k + 1) * order.len() / (2 * count)];
    Ok(k_means(points, points.select(Axis(0), &(0..count).map(middle).collect::<Vec<_>>())))
}

/// Lloyd's algorithm from these centres.
fn k_means(points: ArrayView2<f64>, mut centres: Array2<f64>) -> Vec<usize> {
    let mut labels = nearest_centre(points, &centres).0;
    for _ in 0..ROUNDS {
        for (k, mut centre) in centres.outer_iter_mut().enumerate() {
            let own: Vec<usize> = (0..labels.len()).filter(|i| labels[*i] == k).collect();
            if !own.is_empty() {
                centre.assign(&(points.select(Axis(0), &own).sum_axis(Axis(0)) / own.len() as f64));
            }
        }
        let next = nearest_centre(points, &centres).0;
        if next == labels {
            break;
        }
        labels = next;
    }
    labels
}

/// The nearest centre of each point, and minus its squared distance.
fn nearest_centre(points: ArrayView2<f64>, centres: &Array2<f64>) -> (Vec<usize>, Array1<f64>) {
    let mut best = (vec![0; points.nrows()], Array1::from_elem(points.nrows(), f64::NEG_INFINITY));
    for (k, centre) in centres.outer_iter().enumerate() {
        keep_larger(&mut best, k, (-&squares((&points - &centre).view())).view());
    }
    best
}

/// The sum of squares of each row.
fn squares(rows: ArrayView2<f64>) -> Array1<f64> {
    rows.outer_iter().map(|row| row.dot(&row)).collect()
}

/// At most so many rows, evenly spaced.
pub fn evenly(points: ArrayView2<f64>, most: usize) -> Array2<f64> {
    let all = points.nrows();
    points.select(Axis(0), &windows::evenly(all, all.min(most)).collect::<Vec<_>>())
}

/// Gives label k to each point whose value is larger than its best so far.
pub fn keep_larger(best: &mut (Vec<usize>, Array1<f64>), k: usize, values: ArrayView1<f64>) {
    for (i, value) in values.iter().enumerate() {
        if *value > best.1[i] {
            (best.0[i], best.1[i]) = (k, *value);
        }
    }
}

/// The clusters of labels, without those that have no point.
pub fn of_labels(points: ArrayView2<f64>, labels: &[usize], zero_mean: bool) -> Result<Vec<Principal>> {
    let count = labels.iter().max().map_or(0, |most| most + 1);
    let rows = |k: usize| (0..labels.len()).filter(|i| labels[*i] == k).collect::<Vec<_>>();
    let clusters = (0..count).map(rows).filter(|rows| !rows.is_empty());
    clusters.map(|rows| Principal::new(points.select(Axis(0), &rows).view(), zero_mean)).collect()
}
