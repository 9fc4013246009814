//! A window of L states whose frames are all at one noise level, and the noise of each: the training of score-based data
//! assimilation (Rozet and Louppe 2023). x_t = alpha z + sigma eps on the schedule [`VpSquaredCosine`] at t uniform, and the loss is the
//! mean of (F(x_t, t) - eps)^2. So D(x_t) = (x_t - sigma F) / alpha.
//!
//! It is a prior of windows, and no forecaster: of a frame given another exactly it says nothing. Were the given frame put in at
//! the level of the others, what is drawn beside it would be too wide by (change of a lead step)^(-1/2) in sd of states, and by
//! the Jacobian of D a network that gives the noise knows nothing of large levels. A window with levels of its own for each frame
//! ([`super::WindowObjective`]) is what forecasts.

use candle_core::Tensor;
use ndarray::{Array2, ArrayView2, Axis, s};
use scorecast_systems::Level;
use scorecast_systems::noising::Schedule;
use scorecast_systems::noising::schedule::VpSquaredCosine;

use super::windows_of;
use crate::nn::data::{Batch, Scales};
use crate::nn::objective::trained_levels::TimeLaw;
use crate::nn::objective::{Draws, Fields, Objective};
use crate::nn::{NeuralNetwork, Result, array};

/// What the network takes and gives for each component: all frames, at one level.
pub const fn one_level_fields(frames: usize) -> Fields {
    Fields { time_features: true, ..Fields::new(frames, frames) }
}

/// The loss of a window at one level.
#[derive(Clone, Copy, Debug)]
pub struct WindowNoise<'a> {
    /// The scales of the data.
    pub scales: &'a Scales,
}

/// c_noise of a level.
fn feature(level: Level) -> f64 {
    level.relative().ln() / 4.0
}

/// Frames side by side as fields.
fn fields<'a>(windows: &'a ArrayView2<'_, f64>, components: usize) -> Vec<ArrayView2<'a, f64>> {
    (0..windows.ncols() / components)
        .map(|frame| windows.slice(s![.., frame * components..(frame + 1) * components]))
        .collect()
}

impl WindowNoise<'_> {
    /// F of windows x_t `[row, frame x component]`, at a level for each row or one for all, as published: x_t goes in as it
    /// is.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn noise(network: &dyn NeuralNetwork, x_t: ArrayView2<f64>, levels: &[Level]) -> Result<Tensor> {
        let features: Vec<f64> = levels.iter().map(|level| feature(*level)).collect();
        network.forward(&network.input(&fields(&x_t, network.config().components))?, Some(&features))
    }

    /// D of windows at a level of any schedule.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn denoised(network: &dyn NeuralNetwork, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
        let schedule = VpSquaredCosine::PUBLISHED;
        let own = schedule.level(schedule.time(level.relative()));
        let input = &x_t * (own.alpha / level.alpha);
        let noise = array::all_fields(&Self::noise(network, input.view(), &[own])?)?;
        let components = network.config().components;
        let mut out = x_t.to_owned();
        for (frame, noise) in noise.axis_iter(Axis(2)).enumerate() {
            let mut own = out.slice_mut(s![.., frame * components..(frame + 1) * components]);
            own.zip_mut_with(&noise, |x, eps| *x = (*x - level.sigma * eps) / level.alpha);
        }
        Ok(out)
    }
}

impl Objective for WindowNoise<'_> {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, draws: Draws) -> Result<Tensor> {
        let (mut x_t, mut levels) = (windows_of(batch, self.scales), Vec::new());
        let mut noise = Array2::zeros(x_t.dim());
        for (i, (mut x, mut noise)) in x_t.outer_iter_mut().zip(noise.outer_iter_mut()).enumerate() {
            let mut row = draws.row(i);
            let level = VpSquaredCosine::PUBLISHED.level(TimeLaw::Uniform.draw(&mut row));
            noise.mapv_inplace(|_| row.stream.normal());
            x.zip_mut_with(&noise, |x, eps| *x = level.alpha * *x + level.sigma * eps);
            levels.push(level);
        }
        let view = noise.view();
        let target = network.input(&fields(&view, network.config().components))?;
        Ok(candle_nn::loss::mse(&Self::noise(network, x_t.view(), &levels)?, &target)?)
    }

    fn draws(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use scorecast_systems::{Domain, Key};

    use super::super::tests::states;
    use super::*;
    use crate::nn::data::{Data, Subset};
    use crate::nn::network::{Operations, tests::config};
    use crate::nn::objective::tests::check_gradient;
    use crate::nn::{NetworkConfig, network};

    #[test]
    fn the_gradient_of_the_loss_agrees_with_finite_differences() {
        let states = states();
        let data = Data::new(states.view(), states.view(), false, 2).unwrap();
        for kind in ["mlp", "normed_mlp"] {
            let config: NetworkConfig = one_level_fields(3).given(&network::tests::config(kind, true));
            check_gradient(
                &WindowNoise { scales: data.scales() },
                &config,
                0.2,
                &data.batch(Subset::Train, &[0, 4, 7]),
            );
        }
    }

    /// Gives what is to be expected of the noise of normals of sd 2.
    #[derive(Debug)]
    struct Exact(NetworkConfig);

    impl NeuralNetwork for Exact {
        fn config(&self) -> &NetworkConfig {
            &self.0
        }

        fn forward(&self, x: &Tensor, levels: Option<&[f64]>) -> Result<Tensor> {
            let schedule = VpSquaredCosine::PUBLISHED;
            let level = schedule.level(schedule.time((4.0 * levels.unwrap_or_default()[0]).exp()));
            let share = level.sigma / (4.0 * level.alpha * level.alpha + level.sigma * level.sigma);
            Ok((x * share)?)
        }

        fn tensors(&self) -> Vec<&Tensor> {
            Vec::new()
        }

        fn operations(&self) -> Operations {
            Operations { evaluation: 0.0, level: 0.0, training: 0.0 }
        }

        fn chunk(&self) -> usize {
            64
        }

        fn dtype(&self) -> candle_core::DType {
            candle_core::DType::F64
        }
    }

    #[test]
    fn the_denoiser_of_a_gaussian_law_is_its_closed_form_on_any_schedule() {
        let network = Exact(NetworkConfig { components: 2, ..one_level_fields(3).given(&config("normed_mlp", true)) });
        let x_t = Key::new(2, Domain::Data).normals(4, 6);
        for level in [Level { alpha: 0.6, sigma: 0.8 }, Level::exploding(0.05), Level::exploding(7.0)] {
            let found = WindowNoise::denoised(&network, x_t.view(), level).unwrap();
            let share = 4.0 * level.alpha / (4.0 * level.alpha * level.alpha + level.sigma * level.sigma);
            assert!((found - &x_t * share).iter().all(|gap| gap.abs() < 1e-9));
        }
    }
}
