//! `conv2d`: the residual trunk with stem, first and second as convolutions over a grid in two directions and the head as
//! a matrix at each position.
//!
//! On a torus the convolutions are circular, and the network commutes with translations. On a plane with walls what lies
//! beyond them is 0, the mean of a scaled field: so a layer sees where the wall is, and a field that ends at the wall is
//! not continued through it.

use scorecast_systems::Entry;

use super::residual::{Mixing, Residual};
use super::{Grid, NetworkBuild, NetworkConfig, NeuralNetwork};
use crate::nn::Result;
use crate::nn::ops::trunk::Field;
use crate::nn::weights::Source;

/// The registry's line.
pub(super) const ENTRY: Entry<NetworkBuild> = Entry {
    name: "conv2d",
    about: "residual convolutions over a grid in two directions, circular on a torus",
    reference: "He et al. (2016)",
    params: &[],
    build: NetworkBuild {
        width: 32,
        suits: |geometry| Grid::of(geometry).is_some(),
        layout: "a grid of rows and columns",
        on_grid: true,
        refuses: |_| None,
        positions: |config| {
            let along = |side: usize| side.saturating_add(config.kernel);
            config.grid.map_or(0, |grid| along(grid.rows).saturating_mul(along(grid.columns)))
        },
        make,
    },
};

fn make(config: &NetworkConfig, source: &mut dyn Source) -> Result<Box<dyn NeuralNetwork>> {
    let grid = config.own_grid()?;
    let kernel = [config.kernel; 2];
    let field = Field { rows: grid.rows, columns: grid.columns, kernel, boundary: grid.boundary() };
    let mixing = Mixing { field, kernel: kernel.to_vec(), chunk: grid.chunk() };
    Ok(Box::new(Residual::new(config, mixing, source)?))
}
