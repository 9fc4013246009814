//! Between the positions of a grid and those of a coarser one, each of which is a cell of a x b positions: to the mean of
//! each cell, and back to the value of the cell at each of its positions (nearest). x is `[example, position, channel]`,
//! positions row by row.
//!
//! Each is the other's transpose up to a factor: with S the sum over cells, [`coarser`] is S / (a b) and [`finer`] is S^T.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Tensor};

use super::real::Real;
use super::{Output, elements, in_precision, precision, shaped, with};

/// A grid and its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cells {
    /// Cells in each direction.
    pub count: [usize; 2],
    /// Positions of a cell in each direction.
    pub size: [usize; 2],
}

/// The means of cells, `[example, cell, channel]`.
///
/// # Errors
/// When the shapes do not fit, or the tensor is neither f32 nor f64.
pub fn coarser(x: &Tensor, cells: Cells) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Resize { cells, finer: false })
}

/// At each position the value of its cell, `[example, position, channel]`.
///
/// # Errors
/// When the shapes do not fit, or the tensor is neither f32 nor f64.
pub fn finer(x: &Tensor, cells: Cells) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Resize { cells, finer: true })
}

impl Cells {
    /// Positions of a cell.
    const fn each(self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Cells of the grid.
    const fn coarse(self) -> usize {
        self.count[0] * self.count[1]
    }

    /// The cell of each position, row by row.
    fn of_positions(self) -> impl Iterator<Item = usize> {
        let ([rows, columns], [a, b]) = (self.count, self.size);
        (0..rows * a).flat_map(move |i| (0..columns * b).map(move |j| i / a * columns + j / b))
    }

    /// S x: the sums of cells of each example.
    fn sums<T: Real>(self, x: &[T], channels: usize) -> Vec<T> {
        let mut out = vec![T::zero(); x.len() / self.each()];
        let coarse = self.coarse() * channels;
        for (out, x) in out.chunks_exact_mut(coarse).zip(x.chunks_exact(coarse * self.each())) {
            for (cell, x) in self.of_positions().zip(x.chunks_exact(channels)) {
                out[cell * channels..][..channels].iter_mut().zip(x).for_each(|(sum, x)| *sum += *x);
            }
        }
        out
    }

    /// S^T x: the value of its cell at each position.
    fn nearest<T: Real>(self, x: &[T], channels: usize) -> Vec<T> {
        let mut out = Vec::with_capacity(x.len() * self.each());
        for x in x.chunks_exact(self.coarse() * channels) {
            self.of_positions().for_each(|cell| out.extend_from_slice(&x[cell * channels..][..channels]));
        }
        out
    }
}

/// One of the two.
struct Resize {
    cells: Cells,
    finer: bool,
}

impl Resize {
    /// Positions of an example before and after.
    const fn positions(&self) -> [usize; 2] {
        let [coarse, fine] = [self.cells.coarse(), self.cells.coarse() * self.cells.each()];
        if self.finer { [coarse, fine] } else { [fine, coarse] }
    }

    /// S x / (a b) or S^T x, and their transposes.
    fn run<T: Real>(&self, x: &[T], channels: usize, transposed: bool) -> Vec<T> {
        let sums = self.finer == transposed;
        let mut out = if sums { self.cells.sums(x, channels) } else { self.cells.nearest(x, channels) };
        if !self.finer {
            let share = T::from_f64(1.0 / self.cells.each() as f64);
            out.iter_mut().for_each(|value| *value *= share);
        }
        out
    }
}

fn forward<T: Real>(op: &Resize, storage: &CpuStorage, layout: &Layout) -> Output {
    let (examples, positions, channels) = layout.shape().dims3()?;
    let [before, after] = op.positions();
    if positions != before {
        candle_core::bail!("resize: {positions} positions where {:?} have {before}", op.cells);
    }
    let out = op.run(elements::<T>(storage, layout)?, channels, false);
    Ok((T::to_cpu_storage_owned(out), (examples, after, channels).into()))
}

fn backward<T: Real>(op: &Resize, x: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let channels = x.dims3()?.2;
    with(&gradient.contiguous()?, |g: &[T]| shaped(op.run(g, channels, true), x))
}

impl CustomOp1 for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Output {
        in_precision!(precision(storage), forward(self, storage, layout))
    }

    fn bwd(&self, x: &Tensor, _out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        in_precision!(x.dtype(), backward(self, x, gradient)).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::super::differences::{check, normals};
    use super::*;

    const CELLS: [Cells; 3] = [
        Cells { count: [1, 3], size: [1, 2] },
        Cells { count: [2, 3], size: [2, 2] },
        Cells { count: [2, 2], size: [3, 1] },
    ];

    #[test]
    fn gradients_agree_with_finite_differences() {
        for cells in CELLS {
            check(&[normals(1, &[2, cells.coarse() * cells.each(), 3])], |a| coarser(&a[0], cells));
            check(&[normals(1, &[2, cells.coarse(), 3])], |a| finer(&a[0], cells));
            // both ways to one sum, where a gradient that is overwritten would be wrong
            check(&[normals(1, &[2, cells.coarse(), 3])], |a| {
                let fine = finer(&a[0], cells)?;
                coarser(&(fine.sqr()? + fine)?, cells)? + &a[0]
            });
        }
    }

    #[test]
    fn a_cell_has_its_mean_and_gives_it_to_its_positions() {
        // 2 x 4 positions in cells of 2 x 2, then of 1 x 2
        let x = Tensor::arange(0.0, 8.0, &candle_core::Device::Cpu).unwrap().reshape((1, 8, 1)).unwrap();
        let flat = |x: Tensor| x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let cells = Cells { count: [1, 2], size: [2, 2] };
        let means = coarser(&x, cells).unwrap();
        assert_eq!(flat(means.clone()), [2.5, 4.5]);
        assert_eq!(flat(finer(&means, cells).unwrap()), [2.5, 2.5, 4.5, 4.5, 2.5, 2.5, 4.5, 4.5]);
        let cells = Cells { count: [2, 2], size: [1, 2] };
        assert_eq!(flat(coarser(&x, cells).unwrap()), [0.5, 2.5, 4.5, 6.5]);
        assert!(finer(&x, cells).is_err());
    }
}
