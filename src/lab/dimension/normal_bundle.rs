//! Scores near a set point straight at it, along its normals: stacked over points x_t = z + sigma eps around one z, they span n - d
//! directions. d is n less the number of singular values before the largest gap.

use ndarray::{Array2, s};
use rayon::prelude::*;

use super::estimate::{Dimension, Estimator, Of};
use super::law::Law;
use super::sweep::swept;
use crate::systems::gaussian::SymmetricEigen;
use crate::systems::{Entry, Result};

/// Scores a component.
const SCORES: usize = 4;

pub(super) const ENTRY: Entry<Estimator> = Entry {
    name: "normal_bundle",
    about: "n less the directions of scores around a point, before the largest gap of their singular values",
    reference: "Stanczuk, Batzolis, Deveney and Schoenlieb (2024), arXiv:2212.12611",
    params: &[],
    build: Estimator {
        caveat: "needs noise below the curvature and above the law's own floor; elsewhere the gap is another",
        of: Of::Law(estimate),
    },
};

fn estimate(law: &Law) -> Result<Option<Dimension>> {
    let n = law.components();
    // one direction alone, the score of a law wider than the noise, is no bundle
    swept((0.0, n as f64 - 1.0, f64::INFINITY), |sigma| {
        let points = law.points().nrows();
        let mut scores = vec![Array2::zeros((SCORES * n, n)); points];
        for draw in 0..SCORES * n {
            let x_t = law.noised(sigma, draw);
            let score = (law.denoise(x_t.view(), sigma)? - &x_t) / sigma;
            for (own, score) in scores.iter_mut().zip(score.outer_iter()) {
                own.slice_mut(s![draw, ..]).assign(&score);
            }
        }
        scores.par_iter().map(|own| Ok((n - normals(own)?) as f64)).collect()
    })
}

/// Singular values before the largest gap, the end of them counted as 0.
fn normals(scores: &Array2<f64>) -> Result<usize> {
    let squares = SymmetricEigen::new(scores.t().dot(scores).view())?.descending().values;
    let mut values: Vec<f64> = squares.iter().map(|square| square.sqrt()).collect();
    values.push(0.0);
    let gap = |index: usize| values[index] - values[index + 1];
    Ok((0..values.len() - 1).max_by(|i, j| gap(*i).total_cmp(&gap(*j))).map_or(0, |index| index + 1))
}
