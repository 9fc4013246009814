//! Long rings and few members: one member after the other, each in windows that stay in a core's own cache.
//!
//! Where f_i reads x_{i-b}, ..., x_{i+a} only ([`Reach`](crate::Reach)), what is wrong at the ends of a window, one row, spreads
//! inwards by b and by a values with each further evaluation of f inside another. A window with that many values more on
//! either side is advanced without the rest of the ring. Every value goes through the same
//! arithmetic as in a block of members, so that it gets the same bytes.

use std::sync::Arc;

use rayon::prelude::*;

use super::cells::Cells;
use super::stretch::Stretch;
use super::{Integrator, Workspace, integrator};
use crate::increment::Increment;
use crate::lanes::LANES;
use crate::sde::{Noise, Sde};
use crate::stepping::Stepping;

/// Rows of [`LANES`] values in a window, at most: the arrays of a scheme then stay in a core's own cache.
const WINDOW: usize = 56;

/// Values of a ring from which its whole arrays would leave that cache.
const LONG: usize = 1 << 11;

/// Values from which the windows of one ring go to several threads.
const PARALLEL: usize = 1 << 15;

/// How a ring is cut, and the integrator of its windows.
pub(super) struct Stretches {
    integrator: Box<dyn Integrator>,
    dim: usize,
    behind: usize,
    ahead: usize,
    /// Rows of a window.
    rows: usize,
    noisy: bool,
}

impl Stretches {
    /// None where the equation is not the same everywhere on a ring, or the scheme has no fixed depth.
    pub(super) fn new(sde: &Arc<dyn Sde>, stepping: &Stepping, depth: Option<usize>) -> Option<Self> {
        let (reach, depth, dim) = (sde.fast()?.ring()?.reach(), depth?, sde.dim());
        if !matches!(sde.noise(), Noise::None | Noise::Additive | Noise::Diagonal) {
            return None;
        }
        let margin = |reach: usize| LANES.max(reach) + reach * depth.saturating_sub(1);
        let (behind, ahead) = (margin(reach.behind), margin(reach.ahead));
        let margins = behind + ahead;
        let windows = dim.div_ceil((LANES * WINDOW).saturating_sub(margins).max(1));
        let rows = (dim.div_ceil(windows) + margins).div_ceil(LANES).max(4);
        let stretch = Arc::new(Stretch::new(Arc::clone(sde), rows));
        let integrator = integrator(&stepping.integrator, stretch, stepping.dt / stepping.substeps as f64).ok()?;
        Some(Self { integrator, dim, behind, ahead, rows, noisy: sde.noise() != Noise::None })
    }

    /// Whether it is less work, for that many members, than whole rings side by side.
    pub(super) fn pay(&self, members: usize) -> bool {
        let windows = self.dim.div_ceil(self.own());
        self.dim >= LONG || members * windows * self.rows < members.div_ceil(LANES) * self.dim
    }

    fn margins(&self) -> usize {
        self.behind + self.ahead
    }

    /// Values of a window without its margins.
    fn own(&self) -> usize {
        LANES * self.rows - self.margins()
    }

    /// Advances one ring in place from `t`.
    pub(super) fn step(&self, t: f64, x: &mut [f64], increment: &Increment<1>, scratch: &mut StretchWorkspace) {
        let StretchWorkspace { edges, window } = scratch;
        self.keep_edges(x, edges);
        let step = |window: &mut Window, (index, (x, edges)): (usize, (&mut [f64], &[f64]))| {
            window.load(self, x, edges);
            window.load_increment(self, index * self.own(), increment);
            self.integrator.step_block(t, &mut window.x, &window.increment, &mut window.work);
            x.copy_from_slice(&window.x.as_flattened()[self.behind..self.behind + x.len()]);
        };
        let margins = self.margins().max(1);
        if self.dim < PARALLEL {
            let windows = x.chunks_mut(self.own()).zip(edges.chunks(margins));
            windows.enumerate().for_each(|item| step(window, item));
        } else {
            let windows = x.par_chunks_mut(self.own()).zip(edges.par_chunks(margins));
            windows.enumerate().for_each_init(|| Window::new(self), step);
        }
    }

    /// Copies the values behind and ahead of each window's own, before they are overwritten.
    fn keep_edges(&self, x: &[f64], edges: &mut [f64]) {
        for (window, edges) in edges.chunks_mut(self.margins().max(1)).enumerate() {
            let (first, (behind, rest)) = (window * self.own(), edges.split_at_mut(self.behind));
            around(x, first, self.behind, behind);
            around(x, (first + self.own()).min(self.dim), 0, &mut rest[..self.ahead]);
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
pub(super) struct StretchWorkspace {
    edges: Vec<f64>,
    window: Window,
}

impl StretchWorkspace {
    pub(super) fn new(stretches: &Stretches) -> Self {
        let windows = stretches.dim.div_ceil(stretches.own());
        Self { edges: vec![0.0; windows * stretches.margins().max(1)], window: Window::new(stretches) }
    }
}

/// What one thread needs to advance a window.
struct Window {
    x: Cells,
    increment: Increment,
    work: Workspace,
}

impl Window {
    fn new(stretches: &Stretches) -> Self {
        let (rows, integrator) = (stretches.rows, &*stretches.integrator);
        let increment = Increment::new(if stretches.noisy { rows } else { 0 }, integrator.reads_integrals());
        Self { x: Cells::new(rows), increment, work: Workspace::new(integrator, rows) }
    }

    /// The window's own values between its margins; what is left of the last row is 0.
    fn load(&mut self, stretches: &Stretches, x: &[f64], edges: &[f64]) {
        let (behind, rest) = self.x.as_flattened_mut().split_at_mut(stretches.behind);
        let (own, rest) = rest.split_at_mut(x.len());
        let (ahead, unused) = rest.split_at_mut(stretches.ahead);
        behind.copy_from_slice(&edges[..stretches.behind]);
        own.copy_from_slice(x);
        ahead.copy_from_slice(&edges[stretches.behind..stretches.margins()]);
        unused.fill(0.0);
    }

    /// The increments of the window that begins `behind` places before `first`.
    fn load_increment(&mut self, stretches: &Stretches, first: usize, increment: &Increment<1>) {
        let rows = [(&increment.dw, &mut self.increment.dw), (&increment.dz, &mut self.increment.dz)];
        for (ring, rows) in rows.into_iter().filter(|(ring, _)| !ring.is_empty()) {
            around(ring.as_flattened(), first, stretches.behind, rows.as_flattened_mut());
        }
    }
}
