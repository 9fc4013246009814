//! `conv`: the residual trunk with stem, first and second as circular convolutions over a ring and the head as a matrix
//! at each position. It commutes with rotations of the ring.

use scorecast_systems::{Entry, Geometry};

use super::residual::{Mixing, Residual};
use super::{NetworkBuild, NetworkConfig, NeuralNetwork};
use crate::nn::Result;
use crate::nn::ops::trunk::Field;
use crate::nn::weights::Source;

/// The registry's line.
pub(super) const ENTRY: Entry<NetworkBuild> = Entry {
    name: "conv",
    about: "residual circular convolutions over a periodic grid in one direction",
    reference: "He et al. (2016)",
    params: &[],
    build: NetworkBuild {
        width: 32,
        suits: |geometry| geometry == Geometry::Ring,
        layout: "a periodic grid",
        on_grid: false,
        refuses: |_| None,
        positions: |config| config.components.saturating_add(config.kernel),
        make,
    },
};

fn make(config: &NetworkConfig, source: &mut dyn Source) -> Result<Box<dyn NeuralNetwork>> {
    let field = Field::ring(config.components, config.kernel);
    let mixing = Mixing { field, kernel: vec![config.kernel], chunk: 16 };
    Ok(Box::new(Residual::new(config, mixing, source)?))
}
