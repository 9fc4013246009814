//! What lies between a network F and the denoiser of a window at the levels of its frames, for one component.
//!
//! Of a frame at relative level r is seen y = x + r eps; of one at r = 0 all, of one at an infinite r nothing. Were the
//! frames Gaussian with covariance C, what is seen would go through the filter of Kalman, frame by frame: with P = C and m = 0 at the
//! start, u = (y - m) / sqrt(P + r^2) is what a frame has that those before it do not tell, of unit variance, and
//! D = m and P = R R^T at the end are the mean and the covariance of the window. So the network is given u and m, and
//!
//! D = m + R F(u, m; c_noise of each frame), F* = R^-1 (x - m).
//!
//! For one frame of unit variance this is the preconditioning of Karras et al. (2022): u = c_in x_t, m = c_skip x_t, R = c_out.
//! For a frame that follows one that is known it is that of the increment: however short a lead step, F is of order 1. For Gaussian
//! frames of independent components F = 0 is the law.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

/// The relative levels beyond which a network is told no difference, in standard deviations of states.
const DISTINGUISHED: [f64; 2] = [1e-4, 1e3];

/// A pivot that is this share of the variance, or less, is none.
const NONE: f64 = 1e-12;

/// The coefficients at the levels of the frames, `[frame, frame]` each.
#[derive(Clone, Debug)]
pub struct FramePreconditioning {
    /// From y to u.
    pub input: Array2<f64>,
    /// From y to m.
    pub mean: Array2<f64>,
    /// R, lower triangular; zeros in the columns of frames that the others leave nothing open of.
    pub root: Array2<f64>,
}

impl FramePreconditioning {
    /// Of frames with this covariance, at these relative levels.
    pub fn new(covariance: ArrayView2<f64>, levels: &[f64]) -> Self {
        let frames = levels.len();
        let zeros = || Array2::<f64>::zeros((frames, frames));
        let (mut input, mut mean) = (zeros(), zeros());
        let mut p = covariance.to_owned();
        for (frame, level) in levels.iter().enumerate() {
            let variance = p[[frame, frame]] + level * level;
            if !(variance.is_finite() && variance > 0.0) {
                continue;
            }
            let mut innovation = mean.row(frame).mapv(|value: f64| -value);
            innovation[frame] += 1.0;
            let gain = &p.column(frame) / variance;
            add_outer(&mut mean, gain.view(), innovation.view());
            input.row_mut(frame).assign(&(innovation / variance.sqrt()));
            update(&mut p, &gain, (frame, *level));
        }
        Self { input, mean, root: root(&p) }
    }

    /// c_noise = ln(r) / 4 of a relative level, as far as networks are told it.
    pub fn feature(level: f64) -> f64 {
        level.clamp(DISTINGUISHED[0], DISTINGUISHED[1]).ln() / 4.0
    }

    /// Whether anything is left open of each frame.
    pub fn open(&self) -> impl Iterator<Item = bool> {
        self.root.diag().into_iter().map(|pivot| *pivot > 0.0)
    }

    /// F* of x - m, `[frame]` each: 0 for frames of which nothing is left open.
    pub fn wanted(&self, residual: ArrayView1<f64>) -> Array1<f64> {
        let mut wanted = Array1::<f64>::zeros(residual.len());
        for (frame, row) in self.root.outer_iter().enumerate() {
            if row[frame] > 0.0 {
                wanted[frame] = (residual[frame] - row.dot(&wanted)) / row[frame];
            }
        }
        wanted
    }
}

/// matrix + a b^T, in place.
fn add_outer(matrix: &mut Array2<f64>, a: ArrayView1<f64>, b: ArrayView1<f64>) {
    for (mut row, a) in matrix.outer_iter_mut().zip(a) {
        row.scaled_add(*a, &b);
    }
}

/// P once a frame is seen at its level: (I - K e^T) P (I - K e^T)^T + r^2 K K^T, which stays a covariance whatever is rounded.
fn update(p: &mut Array2<f64>, gain: &Array1<f64>, (frame, level): (usize, f64)) {
    let row = p.row(frame).to_owned();
    add_outer(p, gain.mapv(|value: f64| -value).view(), row.view());
    let column = p.column(frame).to_owned();
    add_outer(p, (gain * (level * level) - column).view(), gain.view());
}

/// The lower root of a covariance, with zeros in the column of a pivot that there is none of.
fn root(p: &Array2<f64>) -> Array2<f64> {
    let frames = p.nrows();
    let mut root = Array2::<f64>::zeros((frames, frames));
    for j in 0..frames {
        let pivot = p[[j, j]] - root.row(j).dot(&root.row(j));
        if pivot > NONE * p[[j, j]] {
            root[[j, j]] = pivot.sqrt();
            for i in j + 1..frames {
                root[[i, j]] = (p[[i, j]] - root.row(i).dot(&root.row(j))) / root[[j, j]];
            }
        }
    }
    root
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// Frames of a sequence with x_{k+1} = a x_k + e, of unit variance.
    fn sequence(a: f64, frames: usize) -> Array2<f64> {
        Array2::from_shape_fn((frames, frames), |(i, j)| a.powi(i.abs_diff(j) as i32))
    }

    #[test]
    fn of_one_frame_it_is_the_preconditioning_of_karras() {
        for r in [0.01, 0.7, 30.0f64] {
            let p = FramePreconditioning::new(array![[1.0]].view(), &[r]);
            let v = r * r + 1.0;
            for (found, expected) in [(&p.input, 1.0 / v.sqrt()), (&p.mean, 1.0 / v), (&p.root, r / v.sqrt())] {
                assert!((found[[0, 0]] - expected).abs() < 1e-15, "{found} {expected}");
            }
        }
    }

    #[test]
    fn of_a_frame_after_one_that_is_known_it_is_that_of_the_increment() {
        // x' = a x + z, z of sd q: the level of z in units of its own is r / q
        let (a, r) = (0.999f64, 0.03);
        let q = (1.0 - a * a).sqrt();
        let p = FramePreconditioning::new(sequence(a, 2).view(), &[0.0, r]);
        let v = (r / q).powi(2) + 1.0;
        let gain = 1.0 / v;
        assert!(
            (&p.input - &array![[1.0, 0.0], [-a / (q * v.sqrt()), 1.0 / (q * v.sqrt())]]).mapv(f64::abs).sum() < 1e-10
        );
        assert!((&p.mean - &array![[1.0, 0.0], [a * (1.0 - gain), gain]]).mapv(f64::abs).sum() < 1e-12);
        assert!((p.root[[1, 1]] - r / v.sqrt()).abs() < 1e-12 && p.root[[0, 0]] == 0.0 && p.root[[1, 0]] == 0.0);
        assert_eq!(p.open().collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn mean_and_root_are_those_of_the_gaussian_law_given_what_is_seen() {
        let c = sequence(0.7, 4);
        for levels in [[0.3, 2.0, 0.05, 7.0], [0.0, 0.0, 0.5, f64::INFINITY], [f64::INFINITY, 0.0, f64::INFINITY, 1.0]]
        {
            let p = FramePreconditioning::new(c.view(), &levels);
            let covariance = p.root.dot(&p.root.t());
            let visible: Vec<usize> = (0..4).filter(|frame| levels[*frame].is_finite()).collect();
            // M (C + S) = C and P = C - M C on the frames that are seen
            for i in 0..4 {
                for &j in &visible {
                    let own = |k: usize| c[[k, j]] + if k == j { levels[j] * levels[j] } else { 0.0 };
                    let sum: f64 = visible.iter().map(|&k| p.mean[[i, k]] * own(k)).sum();
                    assert!((sum - c[[i, j]]).abs() < 1e-12, "{levels:?}: mean {i} {j}");
                }
                for j in 0..4 {
                    let expected = c[[i, j]] - (0..4).map(|k| p.mean[[i, k]] * c[[k, j]]).sum::<f64>();
                    assert!((covariance[[i, j]] - expected).abs() < 1e-12, "{levels:?}: covariance {i} {j}");
                }
            }
            // u has unit variance
            for &i in &visible {
                for &j in &visible {
                    let of = |k: usize, l: usize| c[[k, l]] + if k == l { levels[k] * levels[k] } else { 0.0 };
                    let pairs = visible.iter().flat_map(|&k| visible.iter().map(move |&l| (k, l)));
                    let sum: f64 = pairs.map(|(k, l)| p.input[[i, k]] * of(k, l) * p.input[[j, l]]).sum();
                    let expected = f64::from(u8::from(i == j));
                    assert!((sum - expected).abs() < 1e-12, "{levels:?}: input {i} {j}");
                }
            }
            // what is wanted leads back to the residual, of frames that are open
            let residual = p.root.dot(&array![0.3, -1.0, 0.7, 2.0]);
            let back = p.root.dot(&p.wanted(residual.view()));
            assert!((back - residual).mapv(f64::abs).sum() < 1e-12, "{levels:?}");
        }
    }
}
