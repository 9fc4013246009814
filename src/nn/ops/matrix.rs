//! Matrix products on strided slices: `out = a b` or `out += a b`, on one thread.
//!
//! Rows of a [`Strided`] may overlap, which is how a convolution becomes one product (see `circular_conv`) or a sum of
//! products (see `conv2d`).

use super::real::Real;

/// A matrix whose element (i, j) is `data[i * row_stride + j * column_stride]`.
#[derive(Clone, Copy)]
pub struct Strided<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T: Real> Strided<'a, T> {
    /// A matrix of `rows` x `columns` whose rows are contiguous and start `row_stride` elements apart.
    pub fn rows(data: &'a [T], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(rows == 0 || (rows - 1) * row_stride + columns <= data.len(), "a matrix reaches beyond its data");
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// The transposed matrix, without a copy.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// `out = a b`, with `out` contiguous in row-major order.
pub fn product<T: Real>(out: &mut [T], a: Strided<T>, b: Strided<T>) {
    multiply(out, a, b, false);
}

/// `out += a b`, with `out` contiguous in row-major order.
pub fn add_product<T: Real>(out: &mut [T], a: Strided<T>, b: Strided<T>) {
    multiply(out, a, b, true);
}

fn multiply<T: Real>(out: &mut [T], a: Strided<T>, b: Strided<T>, add: bool) {
    assert_eq!(a.columns, b.rows, "inner dimensions of a product");
    assert_eq!(out.len(), a.rows * b.columns, "the shape of a product");
    if out.is_empty() {
        return;
    }
    let stride = |value: usize| value as isize;
    // SAFETY: `out` holds rows x columns elements; each `Strided` was checked against its data when it was made.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out.as_mut_ptr(),
            1,
            stride(b.columns),
            add,
            a.data.as_ptr(),
            stride(a.column_stride),
            stride(a.row_stride),
            b.data.as_ptr(),
            stride(b.column_stride),
            stride(b.row_stride),
            if add { T::one() } else { T::zero() },
            T::one(),
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// The sum of the rows of a row-major matrix of `columns` columns, in order.
pub fn row_sum<T: Real>(data: &[T], columns: usize) -> Vec<T> {
    let mut sum = vec![T::zero(); columns];
    for row in data.chunks_exact(columns) {
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += *value);
    }
    sum
}
