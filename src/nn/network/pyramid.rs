//! The U-Net that the networks of this folder share (Ronneberger, Fischer and Brox 2015): residual trunks at several
//! resolutions, on the way down and on the way up again.
//!
//! With x_0 = x and D_r, U_r the trunks of resolution r of R, each of `blocks` residual blocks of one width: on the way
//! down s_r = D_r(x_r) and x_(r+1) = the means of s_r over cells of two positions in each direction; at the coarsest
//! y = D_(R-1)(x_(R-1)); on the way up y <- U_r([s_r, y at the positions of r]), from the nearest cell, and out = y of U_0.
//! The stem of a trunk is the convolution that follows a change of resolution. The noise level is given to each of them,
//! which embeds it for itself. As in a trunk there is no activation on the way from x to out.
//!
//! A direction is halved as often as its length can be divided by 2, at most R - 1 times: nothing is cut off or made up,
//! and where 2^(R-1) divides a periodic direction, the network commutes with shifts by it.

use candle_core::{DType, Tensor};

use super::composite::Prefixed;
use super::residual::{Mixing, Residual};
use super::{Grid, NetworkConfig, NeuralNetwork, Operations};
use crate::nn::Result;
use crate::nn::level::FEATURES;
use crate::nn::ops::{Cells, Processor};
use crate::nn::weights::Source;

/// How a convolution stands on the grid of a resolution, of a kernel.
pub(super) type MixingOf = fn(Grid, usize) -> Mixing;

/// A U-Net.
#[derive(Debug)]
pub(super) struct Pyramid {
    config: NetworkConfig,
    /// Trunks on the way down, the finest first.
    down: Vec<Residual>,
    /// Trunks on the way up, the finest first.
    up: Vec<Residual>,
    /// Between a resolution and the next.
    cells: Vec<Cells>,
    processor: Processor,
    chunk: usize,
}

/// The grids of a U-Net on a grid, the finest first.
fn resolutions(config: &NetworkConfig, grid: Grid) -> Vec<Grid> {
    let half = |length: usize| if length.is_multiple_of(2) { length / 2 } else { length };
    let coarser = |grid: &Grid| {
        let next = Grid { rows: half(grid.rows), columns: half(grid.columns), ..*grid };
        (next != *grid).then_some(next)
    };
    std::iter::successors(Some(grid), coarser).take(config.resolutions.max(1)).collect()
}

/// Why there is no U-Net of this description: all lengths are odd. `flat` is the network for them.
pub(super) fn refusal(config: &NetworkConfig, flat: &str) -> Option<(&'static str, String)> {
    let grid = config.grid.filter(|grid| resolutions(config, *grid).len() < 2)?;
    let lengths = if grid.rows == 1 { grid.columns.to_string() } else { format!("{} x {}", grid.rows, grid.columns) };
    let problem = format!(
        "is \"{}\", which halves an even number of positions, but there are {lengths}; set it to \"{flat}\"",
        config.kind
    );
    Some(("network", problem))
}

/// Positions of all trunks of an example, with their halos.
pub(super) fn positions(config: &NetworkConfig, mixing: MixingOf) -> usize {
    let grids = config.grid.map(|grid| resolutions(config, grid)).unwrap_or_default();
    let padded = |grid: &Grid| {
        let along = |length: usize, kernel: usize| length.saturating_add(kernel - 1);
        let [rows, columns] = mixing(*grid, config.kernel).field.kernel;
        along(grid.rows, rows).saturating_mul(along(grid.columns, columns))
    };
    // all but the coarsest are gone through twice
    let (down, up) = (grids.iter().map(padded), grids.iter().rev().skip(1).map(padded));
    down.chain(up).fold(0, usize::saturating_add)
}

impl Pyramid {
    /// Takes its tensors from a source.
    ///
    /// # Errors
    /// When the description has no grid, or the source does not have the tensors.
    pub fn new(config: &NetworkConfig, mixing: MixingOf, source: &mut dyn Source) -> Result<Self> {
        let grids = resolutions(config, config.own_grid()?);
        let width = config.width;
        let mut trunk = |path: String, grid: &Grid, [inputs, outputs]: [usize; 2], head: f64| {
            let components = grid.rows * grid.columns;
            let own = NetworkConfig { components, inputs, outputs, ..config.clone() };
            let mut source = Prefixed { source: &mut *source, prefix: path };
            Residual::with_head(&own, mixing(*grid, config.kernel), head, &mut source)
        };
        let mut down = Vec::new();
        for (index, grid) in grids.iter().enumerate() {
            let inputs = if index == 0 { config.inputs } else { width };
            down.push(trunk(format!("down.{index:02}."), grid, [inputs, width], 1.0)?);
        }
        let mut up = Vec::new();
        for (index, grid) in grids.iter().enumerate().take(grids.len() - 1) {
            let (outputs, head) = if index == 0 { (config.outputs, 0.0) } else { (width, 1.0) };
            up.push(trunk(format!("up.{index:02}."), grid, [width.saturating_mul(2), outputs], head)?);
        }
        let cells = grids.windows(2).map(|pair| {
            let [fine, coarse] = [pair[0], pair[1]];
            Cells {
                count: [coarse.rows, coarse.columns],
                size: [fine.rows / coarse.rows, fine.columns / coarse.columns],
            }
        });
        let (cells, chunk, processor) = (cells.collect(), down[0].chunk(), source.processor());
        Ok(Self { config: config.clone(), cells, processor, chunk, down, up })
    }

    /// The trunks in the order in which a pass goes through them.
    fn trunks(&self) -> impl Iterator<Item = &Residual> {
        self.down.iter().chain(self.up.iter().rev())
    }
}

impl NeuralNetwork for Pyramid {
    fn config(&self) -> &NetworkConfig {
        &self.config
    }

    fn forward(&self, x: &Tensor, levels: Option<&[f64]>) -> Result<Tensor> {
        self.config.check(x, levels)?;
        let on = &self.processor;
        // once for all trunks
        let mut y = self.down[0].forward(&x.to_device(on.device())?, levels)?;
        let mut skipped = Vec::new();
        for (cells, trunk) in self.cells.iter().zip(&self.down[1..]) {
            let next = trunk.forward(&on.coarser(&y, *cells)?, levels)?;
            skipped.push(std::mem::replace(&mut y, next));
        }
        for ((cells, trunk), skipped) in self.cells.iter().zip(&self.up).zip(&skipped).rev() {
            y = trunk.forward(&Tensor::cat(&[skipped, &on.finer(&y, *cells)?], 2)?, levels)?;
        }
        Ok(y.to_device(x.device())?)
    }

    fn tensors(&self) -> Vec<&Tensor> {
        self.trunks().flat_map(NeuralNetwork::tensors).collect()
    }

    /// Of all trunks. Those behind the first are given what hangs on the ones before, so that the gradient of that is wanted.
    fn operations(&self) -> Operations {
        let features = (2 * self.config.levels_of_row() * FEATURES * self.config.width) as f64;
        let mut all = Operations { evaluation: 0.0, level: 0.0, training: 0.0 };
        for (index, trunk) in self.trunks().enumerate() {
            let one = trunk.operations();
            all.evaluation += one.evaluation;
            all.level += one.level;
            all.training += if index == 0 { one.training } else { one.whole_training() - features };
        }
        all
    }

    fn chunk(&self) -> usize {
        self.chunk
    }

    fn dtype(&self) -> DType {
        self.down[0].dtype()
    }
}
