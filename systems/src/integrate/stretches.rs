//! Long rings and few members: the lanes of a block are filled with stretches of one member.
//!
//! Where f_i reads x_{i-b}, ..., x_{i+a} only ([`Reach`](crate::sde::Reach)), a scheme that evaluates f d times, one
//! inside the other, reads d b values behind and d a ahead. A stretch with that many values more on either side is
//! advanced without the rest of the ring: as a ring of its own, whose ends are wrong, but no further inwards than these
//! margins. Every value goes through the same arithmetic as in a block of members, so that it gets the same bytes.

use rayon::prelude::*;

use super::{Cells, Integrator, Workspace};
use crate::sde::{Increment, LANES, Noise, Sde, load_windows, store_block};

/// Values of a stretch without its margins, at most: the arrays of a scheme then stay in a core's own cache.
const STRETCH: usize = 96;

/// Values of a ring from which its whole arrays would leave that cache.
const LONG: usize = 1 << 11;

/// Values from which the chunks of one ring go to several threads.
const PARALLEL: usize = 1 << 15;

/// How a ring is cut: into chunks of [`LANES`] stretches each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretches {
    dim: usize,
    behind: usize,
    ahead: usize,
    /// Values of a stretch.
    length: usize,
    integrals: bool,
}

impl Stretches {
    /// None where the equation is not the same everywhere on a ring, or the scheme has no fixed depth.
    pub(super) fn new(sde: &dyn Sde, integrator: &dyn Integrator) -> Option<Self> {
        let (reach, depth, dim) = (sde.reach()?, integrator.depth()?, sde.dim());
        if !matches!(sde.noise(), Noise::None | Noise::Additive | Noise::Diagonal) {
            return None;
        }
        let chunks = dim.div_ceil(LANES * STRETCH);
        let length = dim.div_ceil(LANES * chunks);
        let (behind, ahead) = (reach.behind * depth, reach.ahead * depth);
        Some(Self { dim, behind, ahead, length, integrals: integrator.reads_integrals() })
    }

    /// Whether it is less work, for that many members, than whole rings side by side.
    pub(super) fn pay(&self, members: usize) -> bool {
        let chunks = self.dim.div_ceil(self.chunk());
        self.dim >= LONG || members * chunks * self.window() < members.div_ceil(LANES) * self.dim
    }

    fn chunk(&self) -> usize {
        LANES * self.length
    }

    fn margins(&self) -> usize {
        self.behind + self.ahead
    }

    /// Values of a stretch with its margins.
    fn window(&self) -> usize {
        self.length + self.margins()
    }

    /// Advances one ring in place by the step of `integrator` from `t`.
    pub(super) fn step(
        &self,
        integrator: &dyn Integrator,
        t: f64,
        x: &mut [f64],
        increment: &Increment<1>,
        scratch: &mut Scratch,
    ) {
        let Scratch { edges, chunk } = scratch;
        self.keep_edges(x, edges);
        let step = |chunk: &mut Chunk, (index, (x, edges)): (usize, (&mut [f64], &[f64]))| {
            chunk.load(self, x, edges);
            chunk.load_increment(self, index * self.chunk(), x.len(), increment);
            integrator.step_block(t, &mut chunk.x, &chunk.increment, &mut chunk.work);
            let own = self.behind..self.behind + self.length;
            store_block(&chunk.x[own], x);
        };
        let margins = self.margins().max(1);
        if self.dim < PARALLEL {
            let chunks = x.chunks_mut(self.chunk()).zip(edges.chunks(margins));
            chunks.enumerate().for_each(|item| step(chunk, item));
        } else {
            let chunks = x.par_chunks_mut(self.chunk()).zip(edges.par_chunks(margins));
            chunks.enumerate().for_each_init(|| chunk.clone(), step);
        }
    }

    /// Copies the values behind and ahead of each chunk, before chunks are overwritten.
    fn keep_edges(&self, x: &[f64], edges: &mut [f64]) {
        for (chunk, edges) in edges.chunks_mut(self.margins().max(1)).enumerate() {
            let (first, (behind, rest)) = (chunk * self.chunk(), edges.split_at_mut(self.behind));
            around(x, first, self.behind, behind);
            around(x, (first + self.chunk()).min(self.dim), 0, &mut rest[..self.ahead]);
        }
    }
}

/// Copies the values of a ring from `behind` places before `first` on.
fn around(ring: &[f64], first: usize, behind: usize, out: &mut [f64]) {
    let mut from = (first + behind * (ring.len() - 1)) % ring.len();
    let mut out = out;
    while !out.is_empty() {
        let count = out.len().min(ring.len() - from);
        let (now, later) = out.split_at_mut(count);
        now.copy_from_slice(&ring[from..from + count]);
        (from, out) = (0, later);
    }
}

/// What one thread needs to advance a ring.
pub(super) struct Scratch {
    edges: Vec<f64>,
    chunk: Chunk,
}

impl Scratch {
    pub(super) fn new(stretches: &Stretches, integrator: &dyn Integrator, noisy: bool) -> Self {
        let (chunks, window) = (stretches.dim.div_ceil(stretches.chunk()), stretches.window());
        let chunk = Chunk {
            flat: vec![0.0; stretches.chunk() + stretches.margins()],
            x: Cells::new(window),
            increment: Increment::new(if noisy { window } else { 0 }, stretches.integrals),
            work: Workspace::new(integrator, window),
        };
        Self { edges: vec![0.0; chunks * stretches.margins().max(1)], chunk }
    }
}

/// What one thread needs to advance a chunk.
#[derive(Clone)]
struct Chunk {
    /// The chunk between its margins, in the ring's order.
    flat: Vec<f64>,
    x: Cells,
    increment: Increment,
    work: Workspace,
}

impl Chunk {
    fn load(&mut self, stretches: &Stretches, x: &[f64], edges: &[f64]) {
        let (behind, rest) = self.flat.split_at_mut(stretches.behind);
        let (own, ahead) = rest.split_at_mut(x.len());
        behind.copy_from_slice(&edges[..stretches.behind]);
        own.copy_from_slice(x);
        ahead[..stretches.ahead].copy_from_slice(&edges[stretches.behind..stretches.margins()]);
        load_windows(&self.flat, stretches.length, &mut self.x);
    }

    fn load_increment(&mut self, stretches: &Stretches, first: usize, count: usize, increment: &Increment<1>) {
        let blocks = [(&increment.dw, &mut self.increment.dw), (&increment.dz, &mut self.increment.dz)];
        for (ring, block) in blocks.into_iter().filter(|(ring, _)| !ring.is_empty()) {
            let flat = &mut self.flat[..count + stretches.margins()];
            around(ring.as_flattened(), first, stretches.behind, flat);
            load_windows(&self.flat, stretches.length, block);
        }
    }
}
