//! The power spectrum in time by overlapped, tapered segments (Welch 1967): with the Hann taper w and segments of N
//! lead steps, half overlapping, S(f) = 2 dt |sum_t w_t (x_t - m) e^{-2 pi i f t dt}|^2 / sum_t w_t^2 for f above 0, so
//! that the integral of S over f from 0 to 1 / (2 dt) is the variance. Mean over segments and components.

use std::f64::consts::TAU;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use realfft::RealFftPlanner;

use super::climate::component_means;
use super::estimate::{Estimate, means};
use super::samples::some_components;

/// A power spectrum in time.
#[derive(Clone, Debug)]
pub struct PowerSpectrum {
    /// Frequencies in cycles per model time, from 0 to 1 / (2 dt).
    pub frequency: Vec<f64>,
    /// The one-sided spectral density, in the state's unit squared times model time.
    pub density: Vec<Estimate>,
}

/// The longest segment, in lead steps.
const LONGEST: usize = 1024;
/// The shortest segment that resolves anything.
const SHORTEST: usize = 16;

/// From samples `[time, component]`; of at most 64 components, evenly spread. None of samples shorter than 32 steps.
pub(super) fn power_spectrum(samples: &[ArrayView2<f64>], dt: f64) -> Option<PowerSpectrum> {
    let times = samples.first().map_or(0, ArrayView2::nrows);
    let length = (times / 2).checked_ilog2().map(|power| (1usize << power).min(LONGEST))?;
    if length < SHORTEST {
        return None;
    }
    let fft = RealFftPlanner::<f64>::new().plan_fft_forward(length);
    let taper: Vec<f64> = (0..length).map(|t| 0.5 - 0.5 * (TAU * (t as f64 + 0.5) / length as f64).cos()).collect();
    let weight: f64 = taper.iter().map(|w| w * w).sum();
    let (centre, dim) = (component_means(samples), samples.first().map_or(0, ArrayView2::ncols));
    let (chosen, starts) = (some_components(dim), 1 + (times - length) / (length / 2));
    let row = |sample: &ArrayView2<f64>| {
        let (mut segment, mut transform) = (fft.make_input_vec(), fft.make_output_vec());
        let mut scratch = fft.make_scratch_vec();
        let mut row = vec![0.0; transform.len()];
        for (&i, start) in chosen.iter().flat_map(|i| (0..starts).map(move |start| (i, start * length / 2))) {
            for ((cell, w), x) in segment.iter_mut().zip(&taper).zip(sample.column(i).iter().skip(start)) {
                *cell = w * (x - centre[i]);
            }
            // fails only for buffers of another length
            if fft.process_with_scratch(&mut segment, &mut transform, &mut scratch).is_ok() {
                row.iter_mut().zip(&transform).for_each(|(sum, z)| *sum += z.norm_sqr());
            }
        }
        row
    };
    let rows: Vec<Vec<f64>> = samples.par_iter().map(row).collect();
    let scale = 2.0 * dt / weight / (chosen.len() * starts) as f64;
    let last = length / 2;
    // the two ends have no mirror image
    let one_sided = |bin: usize| if bin == 0 || bin == last { 0.5 } else { 1.0 };
    let statistics = Array2::from_shape_fn((samples.len(), last + 1), |(s, bin)| scale * one_sided(bin) * rows[s][bin]);
    let frequency = (0..=last).map(|bin| bin as f64 / (length as f64 * dt)).collect();
    Some(PowerSpectrum { frequency, density: means(statistics.view()) })
}
