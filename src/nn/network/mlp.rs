//! `mlp`: the residual trunk with stem, first, second and head as matrices over all components (residual network, He et
//! al. 2016). It knows of no layout: each component sees each other from the first layer on.

use scorecast_systems::Entry;

use super::residual::{Mixing, Residual};
use super::{NetworkBuild, NetworkConfig, NeuralNetwork};
use crate::nn::Result;
use crate::nn::ops::trunk::Field;
use crate::nn::weights::Source;

/// The registry's line.
pub(super) const ENTRY: Entry<NetworkBuild> = Entry {
    name: "mlp",
    about: "residual multilayer perceptron over all components",
    reference: "He et al. (2016)",
    params: &[],
    build: NetworkBuild {
        width: 128,
        suits: |_| true,
        layout: "any layout",
        on_grid: false,
        refuses: |_| None,
        positions: |_| 1,
        make,
    },
};

fn make(config: &NetworkConfig, source: &mut dyn Source) -> Result<Box<dyn NeuralNetwork>> {
    let mixing = Mixing { field: Field::PLACE, kernel: Vec::new(), chunk: 64 };
    Ok(Box::new(Residual::new(config, mixing, source)?))
}
