//! Matrices turned over, in tiles of 8 columns: a cache line of each of 4 rows at a time, whatever the rows' distance.

/// b`[j][i]` = a`[i][j]` for a of `columns` columns, row after row.
pub(crate) fn transpose(a: &[f64], columns: usize, b: &mut [f64]) {
    assert!(a.len() == b.len() && columns > 0 && a.len().is_multiple_of(columns), "{} by {columns}", a.len());
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(wide::Transpose { simd, a, columns, b });
    }
    plain(a, columns, 0..a.len() / columns, 0..columns, b);
}

/// A part of the matrix, one by one.
#[inline(always)]
fn plain(a: &[f64], columns: usize, rows: std::ops::Range<usize>, of_columns: std::ops::Range<usize>, b: &mut [f64]) {
    let height = a.len() / columns;
    for i in rows {
        for j in of_columns.clone() {
            b[j * height + i] = a[i * columns + j];
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::__m256d;

    use pulp::x86::V3;
    use pulp::{NullaryFnOnce, bytemuck, cast, f64x4};

    pub(super) struct Transpose<'a> {
        pub(super) simd: V3,
        pub(super) a: &'a [f64],
        pub(super) columns: usize,
        pub(super) b: &'a mut [f64],
    }

    impl NullaryFnOnce for Transpose<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let Self { simd, a, columns, b } = self;
            let rows = a.len() / columns;
            let (rows_4, columns_8) = (rows - rows % 4, columns - columns % 8);
            for j in (0..columns_8).step_by(8) {
                for i in (0..rows_4).step_by(4) {
                    for j in [j, j + 4] {
                        let row = |k: usize| four(&a[(i + k) * columns + j..][..4]);
                        let turned = tile(simd, [row(0), row(1), row(2), row(3)]);
                        for (k, column) in turned.into_iter().enumerate() {
                            let column: [f64; 4] = bytemuck::cast(column);
                            b[(j + k) * rows + i..][..4].copy_from_slice(&column);
                        }
                    }
                }
            }
            super::plain(a, columns, 0..rows, columns_8..columns, b);
            super::plain(a, columns, rows_4..rows, 0..columns_8, b);
        }
    }

    #[inline(always)]
    fn four(values: &[f64]) -> f64x4 {
        f64x4(values[0], values[1], values[2], values[3])
    }

    /// 4 rows of 4 as 4 columns of 4.
    #[inline(always)]
    fn tile(simd: V3, rows: [f64x4; 4]) -> [f64x4; 4] {
        let [a, b, c, d]: [__m256d; 4] = rows.map(cast);
        let avx = simd.avx;
        let (even_ab, odd_ab) = (avx._mm256_unpacklo_pd(a, b), avx._mm256_unpackhi_pd(a, b));
        let (even_cd, odd_cd) = (avx._mm256_unpacklo_pd(c, d), avx._mm256_unpackhi_pd(c, d));
        let turned = [
            avx._mm256_permute2f128_pd::<0x20>(even_ab, even_cd),
            avx._mm256_permute2f128_pd::<0x20>(odd_ab, odd_cd),
            avx._mm256_permute2f128_pd::<0x31>(even_ab, even_cd),
            avx._mm256_permute2f128_pd::<0x31>(odd_ab, odd_cd),
        ];
        turned.map(cast)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_turned_over() {
        for rows in [1, 3, 4, 16, 21] {
            for columns in [1, 5, 8, 16, 23, 40] {
                let a: Vec<f64> = (0..rows * columns).map(|value| value as f64).collect();
                let (mut b, mut again) = (vec![f64::NAN; a.len()], vec![f64::NAN; a.len()]);
                transpose(&a, columns, &mut b);
                assert!((0..rows).all(|i| (0..columns).all(|j| b[j * rows + i] == a[i * columns + j])));
                transpose(&b, rows, &mut again);
                assert_eq!(a, again);
            }
        }
    }
}
