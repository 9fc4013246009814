//! `unet2d`: the U-Net with convolutions over a grid in two directions, circular on a torus, where it commutes with
//! translations by 2^(R-1) positions, and with zeros beyond the walls of a plane.

use scorecast_systems::Entry;

use super::pyramid::{Pyramid, positions, refusal};
use super::residual::Mixing;
use super::{Grid, NetworkBuild, NetworkConfig, NeuralNetwork};
use crate::nn::Result;
use crate::nn::ops::trunk::Field;
use crate::nn::weights::Source;

/// The registry's line.
pub(super) const ENTRY: Entry<NetworkBuild> = Entry {
    name: "unet2d",
    about: "residual convolutions over a grid in two directions, circular on a torus, at several resolutions",
    reference: "Ronneberger et al. (2015)",
    params: &[],
    build: NetworkBuild {
        width: 16,
        suits: |geometry| Grid::of(geometry).is_some(),
        layout: "a grid of rows and columns",
        on_grid: true,
        refuses: |config| refusal(config, "conv2d"),
        positions: |config| positions(config, mixing),
        make,
    },
};

fn mixing(grid: Grid, kernel: usize) -> Mixing {
    let field = Field { rows: grid.rows, columns: grid.columns, kernel: [kernel; 2], boundary: grid.boundary() };
    Mixing { field, kernel: vec![kernel; 2], chunk: grid.chunk() }
}

fn make(config: &NetworkConfig, source: &mut dyn Source) -> Result<Box<dyn NeuralNetwork>> {
    Ok(Box::new(Pyramid::new(config, mixing, source)?))
}
