//! `unet`: the U-Net with circular convolutions over a ring. It commutes with rotations by 2^(R-1) positions, where R
//! resolutions fit.

use scorecast_systems::{Entry, Geometry};

use super::pyramid::{Pyramid, positions, refusal};
use super::residual::Mixing;
use super::{Grid, NetworkBuild, NetworkConfig, NeuralNetwork};
use crate::nn::Result;
use crate::nn::ops::trunk::Field;
use crate::nn::weights::Source;

/// The registry's line.
pub(super) const ENTRY: Entry<NetworkBuild> = Entry {
    name: "unet",
    about: "residual circular convolutions over a periodic grid in one direction, at several resolutions",
    reference: "Ronneberger et al. (2015)",
    params: &[],
    build: NetworkBuild {
        width: 16,
        suits: |geometry| geometry == Geometry::Ring,
        layout: "a periodic grid",
        on_grid: true,
        refuses: |config| refusal(config, "conv"),
        positions: |config| positions(config, mixing),
        make,
    },
};

fn mixing(grid: Grid, kernel: usize) -> Mixing {
    Mixing { field: Field::ring(grid.columns, kernel), kernel: vec![kernel], chunk: 16 }
}

fn make(config: &NetworkConfig, source: &mut dyn Source) -> Result<Box<dyn NeuralNetwork>> {
    Ok(Box::new(Pyramid::new(config, mixing, source)?))
}
