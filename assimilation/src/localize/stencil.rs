//! The weights around a point of a grid, as runs of neighbouring components.
//!
//! A grid looks the same from every point, so the weights are computed once, one row of them for each row offset. Around
//! a point a row of weights lies over a run of components, or over two where it passes the end of a periodic row: no
//! search, no distances, and no matrix of n x p.

use std::ops::Range;

use super::{Grid, Taper};

/// Weights by offset from any point of a grid.
#[derive(Clone, Debug)]
pub struct Stencil {
    grid: Grid,
    rows: Vec<RowWeights>,
}

/// The weights of one row offset.
#[derive(Clone, Debug)]
struct RowWeights {
    /// The row offset.
    rows: isize,
    /// The column offset of the first weight.
    first: isize,
    /// The weights of consecutive column offsets, no more than a row has columns.
    weights: Vec<f64>,
}

impl Stencil {
    /// The weights of a taper around each point of `grid`; `radius` in grid units.
    pub fn new(grid: Grid, taper: Taper, radius: f64) -> Self {
        let reach = taper.reach(radius);
        let rows = offsets(&grid, reach, grid.rows);
        let rows = rows.filter_map(|row| RowWeights::new(&grid, row, |distance| taper.weight(distance, radius), reach));
        Self { grid, rows: rows.collect() }
    }

    /// The grid.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Calls `visit` with each run of components near `point` and their weights; each component comes at most once.
    pub fn runs(&self, point: usize, mut visit: impl FnMut(Range<usize>, &[f64])) {
        let Grid { rows, columns, periodic } = self.grid;
        let (r, c) = (point / columns, point % columns);
        for row in &self.rows {
            let Some(start) = place(r, row.rows, rows, periodic).map(|r| r * columns) else { continue };
            let (first, width) = (c as isize + row.first, row.weights.len());
            if !periodic {
                let (from, to) = (first.max(0), (first + width as isize).min(columns as isize));
                let weights = &row.weights[(from - first) as usize..(to - first) as usize];
                visit(start + from as usize..start + to as usize, weights);
                continue;
            }
            let first = first.rem_euclid(columns as isize) as usize;
            let before = width.min(columns - first);
            visit(start + first..start + first + before, &row.weights[..before]);
            if before < width {
                visit(start..start + width - before, &row.weights[before..]);
            }
        }
    }
}

impl RowWeights {
    /// The weights of a row offset, none where all of them are 0.
    fn new(grid: &Grid, rows: isize, weight: impl Fn(f64) -> f64, reach: f64) -> Option<Self> {
        let across = grid.separation(rows.unsigned_abs() as f64, grid.rows);
        // round-off must not lose a point at the very end of the reach; the taper decides about it
        let along = (reach * reach - across * across).max(0.0).sqrt() + 1e-9;
        let columns = offsets(grid, along, grid.columns);
        let first = columns.start;
        let weights = columns.map(|c| weight(across.hypot(grid.separation(c.unsigned_abs() as f64, grid.columns))));
        let weights: Vec<f64> = weights.collect();
        weights.iter().any(|w| *w > 0.0).then_some(Self { rows, first, weights })
    }
}

/// The offsets within `reach` in a direction of `size` points, each point once.
fn offsets(grid: &Grid, reach: f64, size: usize) -> Range<isize> {
    let reach = reach.min(size as f64) as usize;
    if grid.periodic && 2 * reach + 1 > size {
        let first = -((size / 2) as isize);
        first..first + size as isize
    } else {
        let reach = reach.min(size - 1) as isize;
        -reach..reach + 1
    }
}

/// The index at an offset from another, where there is one.
fn place(index: usize, offset: isize, size: usize, periodic: bool) -> Option<usize> {
    let at = index as isize + offset;
    if periodic {
        return Some(at.rem_euclid(size as isize) as usize);
    }
    usize::try_from(at).ok().filter(|at| *at < size)
}
