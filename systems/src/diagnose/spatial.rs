//! The spectrum in space of a field on a periodic grid: the variance E_k of the deviation from the time mean at
//! wavenumber k (cycles around the domain; on a torus the shell of |(k_1, k_2)| that rounds to k). The sum over k is the
//! mean over components of the variance in time (Parseval).

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;
use rustfft::num_complex::Complex64;
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

use super::climate::component_means;
use super::estimate::{Estimate, means};
use crate::geometry::Geometry;

/// A spectrum in space.
#[derive(Clone, Debug)]
pub struct SpatialSpectrum {
    /// Wavenumbers 0, 1, ..., in cycles around the domain.
    pub wavenumber: Vec<f64>,
    /// The variance at each, in the state's unit squared.
    pub variance: Vec<Estimate>,
}

/// States looked at in each sample: neighbours in time add little.
const SNAPSHOTS: usize = 64;

/// From samples `[time, component]` of a field; none where the geometry is not periodic.
pub(super) fn spatial_spectrum(samples: &[ArrayView2<f64>], geometry: Geometry) -> Option<SpatialSpectrum> {
    let dim = samples.first().map_or(0, ArrayView2::ncols);
    let (rows, columns) = match geometry {
        Geometry::Ring => (1, dim),
        Geometry::Torus { rows, columns } => (rows, columns),
        _ => return None,
    };
    let (centre, transform) = (component_means(samples), Transform::new(rows, columns));
    let row = |sample: &ArrayView2<f64>| {
        let stride = sample.nrows().div_ceil(SNAPSHOTS).max(1);
        let states = sample.outer_iter().step_by(stride);
        let count = states.len() as f64;
        let mut shells = vec![0.0; transform.shells];
        states.for_each(|state| transform.add(state, &centre, &mut shells));
        shells.iter_mut().for_each(|shell| *shell /= count);
        shells
    };
    let rows: Vec<Vec<f64>> = samples.par_iter().map(row).collect();
    let statistics = Array2::from_shape_fn((samples.len(), transform.shells), |(sample, k)| rows[sample][k]);
    let wavenumber = (0..transform.shells).map(|k| k as f64).collect();
    Some(SpatialSpectrum { wavenumber, variance: means(statistics.view()) })
}

/// The Fourier transform of a grid, and the shell of each of its modes.
struct Transform {
    rows: usize,
    columns: usize,
    along: Arc<dyn Fft<f64>>,
    across: Arc<dyn Fft<f64>>,
    shells: usize,
}

impl Transform {
    fn new(rows: usize, columns: usize) -> Self {
        let mut planner = FftPlanner::new();
        let (along, across) = (planner.plan_fft_forward(columns), planner.plan_fft_forward(rows));
        let shells = 1 + shell(rows / 2, columns / 2);
        Self { rows, columns, along, across, shells }
    }

    /// Adds the variance of one state in each shell.
    fn add(&self, state: ArrayView1<f64>, centre: &Array1<f64>, shells: &mut [f64]) {
        let Self { rows, columns, .. } = *self;
        let mut field: Vec<Complex64> = state.iter().zip(centre).map(|(x, m)| Complex64::new(x - m, 0.0)).collect();
        self.along.process(&mut field);
        if rows > 1 {
            field = (0..columns)
                .flat_map(|c| (0..rows).map(move |r| (r, c)))
                .map(|(r, c)| field[r * columns + c])
                .collect();
            self.across.process(&mut field);
        }
        let scale = 1.0 / (state.len() as f64).powi(2);
        // transformed both ways the field is stored column by column
        for (at, z) in field.iter().enumerate() {
            let (row, column) = (at % rows, at / rows);
            shells[shell(row.min(rows - row), column.min(columns - column))] += scale * z.norm_sqr();
        }
    }
}

/// The whole number nearest to the length of a wave vector.
fn shell(k: usize, l: usize) -> usize {
    ((k * k + l * l) as f64).sqrt().round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    fn waves(rows: usize, columns: usize, geometry: Geometry, at: usize, amplitude: f64, k: (f64, f64)) {
        // a travelling wave of one wavenumber: its variance is amplitude^2 / 2, its time mean 0
        let times = 40;
        let field = Array2::from_shape_fn((times, rows * columns), |(t, i)| {
            let (row, column) = ((i / columns) as f64 / rows as f64, (i % columns) as f64 / columns as f64);
            amplitude * (TAU * (k.0 * row + k.1 * column - t as f64 / times as f64)).cos()
        });
        let found = spatial_spectrum(&[field.view()], geometry).unwrap();
        for (k, variance) in found.variance.iter().enumerate() {
            let expected = if k == at { amplitude * amplitude / 2.0 } else { 0.0 };
            assert!((variance.value - expected).abs() < 1e-12, "{k}: {variance:?}");
        }
    }

    #[test]
    fn a_wave_has_its_variance_at_its_wavenumber() {
        waves(1, 40, Geometry::Ring, 8, 2.0, (0.0, 8.0));
        waves(1, 7, Geometry::Ring, 3, 1.0, (0.0, 3.0));
        waves(16, 12, Geometry::Torus { rows: 16, columns: 12 }, 5, 3.0, (4.0, 3.0));
    }
}
