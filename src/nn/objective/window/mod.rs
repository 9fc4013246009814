//! The denoiser of a window of L states whose frames have noise levels of their own ([`FrameLevels`]): the squared error
//! of F against F* ([`FramePreconditioning`]), a mean over the frames that are at a level: those that are given are what they
//! are, and those that are unknown are no matter of this training.
//!
//! No line of the registry: it is made from the covariance of the frames of the data, not from settings alone.

mod covariance;
mod levels;
mod one_level;
mod preconditioning;

pub use covariance::{FrameCovariance, windows_of};
pub use levels::{FrameLevels, WINDOW_LEVEL_SETTINGS};
pub use one_level::{WindowNoise, one_level_fields};
pub use preconditioning::FramePreconditioning;

use candle_core::Tensor;
use ndarray::{Array1, Array2, ArrayView1, ArrayViewMut1, s};

use super::{Draws, Fields, Objective};
use crate::nn::data::{Batch, Scales};
use crate::nn::{NeuralNetwork, Result};

/// What the network of a window takes and gives for each component: u and m of each frame, at a level of each, and F.
pub const fn window_fields(frames: usize) -> Fields {
    Fields { time_features: true, levels: frames, ..Fields::new(frames.saturating_mul(2), frames) }
}

/// The loss of a window.
pub struct WindowObjective<'a> {
    /// C.
    pub covariance: &'a FrameCovariance,
    /// The law of the levels.
    pub levels: FrameLevels,
    /// The scales of the data.
    pub scales: &'a Scales,
}

/// What a batch becomes, `[row, frame x component]` each.
struct Noised {
    input: [Array2<f64>; 2],
    wanted: Array2<f64>,
    weights: Array2<f64>,
    /// c_noise, row by row.
    features: Vec<f64>,
}

/// The frames of one component in a row.
fn frames(row: ArrayView1<'_, f64>, component: usize, components: usize) -> ArrayView1<'_, f64> {
    row.slice_move(s![component..; components])
}

/// The frames of one component in a row that is written to.
fn set(row: &mut ArrayViewMut1<f64>, (component, components): (usize, usize), values: &Array1<f64>) {
    row.slice_mut(s![component..; components]).assign(values);
}

impl WindowObjective<'_> {
    fn noised(&self, batch: &Batch, draws: Draws) -> Noised {
        let windows = windows_of(batch, self.scales);
        let zeros = || Array2::zeros(windows.dim());
        let mut all = Noised { input: [zeros(), zeros()], wanted: zeros(), weights: zeros(), features: Vec::new() };
        for i in 0..windows.nrows() {
            self.row(&mut all, i, windows.row(i), draws);
        }
        all
    }

    fn row(&self, all: &mut Noised, i: usize, window: ArrayView1<f64>, draws: Draws) {
        let mut row = draws.row(i);
        let levels = self.levels.draw(&mut row);
        let components = window.len() / levels.len();
        let noisy =
            window.indexed_iter().map(|(at, x)| noisy(*x, levels[at / components], &mut || row.stream.normal()));
        let noisy: Array1<f64> = noisy.collect();
        let each = self.covariance.preconditionings(&levels);
        for c in 0..components {
            let p = if each.len() == 1 { &each[0] } else { &each[c] };
            let y = frames(noisy.view(), c, components);
            let (place, mean) = ((c, components), p.mean.dot(&y));
            let residual = &frames(window, c, components) - &mean;
            set(&mut all.input[0].row_mut(i), place, &p.input.dot(&y));
            set(&mut all.input[1].row_mut(i), place, &mean);
            set(&mut all.wanted.row_mut(i), place, &p.wanted(residual.view()));
            set(&mut all.weights.row_mut(i), place, &weights(p, &levels));
        }
        all.features.extend(levels.iter().map(|level| FramePreconditioning::feature(*level)));
    }
}

/// y of a frame at a level; 0 where nothing is seen of it.
fn noisy(x: f64, level: f64, normal: &mut dyn FnMut() -> f64) -> f64 {
    if level.is_finite() { x + level * normal() } else { 0.0 }
}

/// The weight of each frame: alike for those at a level that leaves them open, and 1 on average.
fn weights(p: &FramePreconditioning, levels: &[f64]) -> Array1<f64> {
    let learned = || p.open().zip(levels).map(|(open, level)| open && level.is_finite());
    let weight = levels.len() as f64 / learned().filter(|learned| *learned).count().max(1) as f64;
    learned().map(|learned| if learned { weight } else { 0.0 }).collect()
}

impl Objective for WindowObjective<'_> {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, draws: Draws) -> Result<Tensor> {
        let Noised { input: [u, m], wanted, weights, features } = self.noised(batch, draws);
        let output = network.forward(&network.input(&[u.view(), m.view()])?, Some(&features))?;
        let error = (output - network.input(&[wanted.view()])?)?;
        Ok((error.sqr()? * network.input(&[weights.view()])?)?.mean_all()?)
    }

    fn draws(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ndarray::Array3;
    use scorecast_systems::{Domain, Key, Settings};

    use super::*;
    use crate::nn::data::{Data, Subset};
    use crate::nn::objective::tests::check_gradient;
    use crate::nn::{NetworkConfig, network};

    pub fn states() -> Array3<f64> {
        let values = Key::new(1, Domain::Data).normals(2 * 9, 6).into_raw_vec_and_offset().0;
        Array3::from_shape_vec((2, 9, 6), values).unwrap()
    }

    fn levels(covariance: &FrameCovariance) -> FrameLevels {
        let settings = Settings::check("window", &WINDOW_LEVEL_SETTINGS, &BTreeMap::new()).unwrap();
        FrameLevels::new(&settings, covariance.widths(), 1)
    }

    #[test]
    fn the_gradient_of_the_loss_agrees_with_finite_differences() {
        let states = states();
        let data = Data::new(states.view(), states.view(), true, 2).unwrap();
        for (kind, one_field) in [("mlp", false), ("conv", true), ("transformer", true)] {
            let covariance = FrameCovariance::of(&data, one_field);
            let objective =
                WindowObjective { covariance: &covariance, levels: levels(&covariance), scales: data.scales() };
            let config: NetworkConfig = window_fields(3).given(&network::tests::config(kind, true));
            check_gradient(&objective, &config, 0.2, &data.batch(Subset::Train, &[0, 4, 7, 9, 11]));
        }
    }

    #[test]
    fn what_the_loss_wants_is_the_window_itself() {
        let states = states();
        let data = Data::new(states.view(), states.view(), false, 2).unwrap();
        let covariance = FrameCovariance::of(&data, false);
        let objective = WindowObjective { covariance: &covariance, levels: levels(&covariance), scales: data.scales() };
        let batch = data.batch(Subset::Train, &[0, 3, 5, 6, 8, 9, 10, 12]);
        let draws = Draws::new(Key::new(4, Domain::Training), 0);
        let all = objective.noised(&batch, draws);
        let windows = windows_of(&batch, data.scales());
        for i in 0..windows.nrows() {
            let levels = objective.levels.draw(&mut draws.row(i));
            for (c, p) in covariance.preconditionings(&levels).iter().enumerate() {
                let of = |rows: &Array2<f64>| frames(rows.row(i), c, 6).to_owned();
                let back = of(&all.input[1]) + p.root.dot(&of(&all.wanted));
                let gap = (back - of(&windows)).mapv(f64::abs).sum();
                assert!(gap < 1e-9, "row {i}, component {c}, levels {levels:?}: {gap}");
                let weights = of(&all.weights);
                assert!((weights.sum() - 3.0).abs() < 1e-12, "{weights}");
                assert!(
                    weights
                        .iter()
                        .zip(&levels)
                        .all(|(weight, level)| (*weight == 0.0) == (*level == 0.0 || level.is_infinite()))
                );
            }
        }
    }
}
