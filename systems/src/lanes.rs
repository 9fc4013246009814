//! Members into a block, side by side, and out of it, one after the other.

use crate::transpose::transpose;

/// Members in a block. Sixteen lanes of f64 measured fastest with the instructions every x86-64 has.
pub const LANES: usize = 16;

/// Components copied together: their cells stay in the first-level cache while every lane is read from them.
const CHUNK: usize = 64;

/// The first `lanes` members of a block, one after the other (`[member][component]`).
pub(crate) fn gather(block: &[[f64; LANES]], lanes: usize, rows: &mut [f64]) {
    let dim = block.len();
    assert!(rows.len() >= lanes * dim, "{lanes} members of {dim} components for {}", rows.len());
    if lanes == LANES {
        return transpose(block.as_flattened(), LANES, &mut rows[..LANES * dim]);
    }
    for (chunk, cells) in block.chunks(CHUNK).enumerate() {
        for (lane, row) in rows.chunks_exact_mut(dim).enumerate().take(lanes) {
            let row = &mut row[chunk * CHUNK..][..cells.len()];
            row.iter_mut().zip(cells).for_each(|(x, cell)| *x = cell[lane]);
        }
    }
}

/// Members back into a block, whose lanes from `lanes` on repeat the last.
pub(crate) fn scatter(rows: &[f64], lanes: usize, block: &mut [[f64; LANES]]) {
    let dim = block.len();
    assert!(rows.len() >= lanes * dim, "{} values for {lanes} members of {dim} components", rows.len());
    if lanes == LANES {
        return transpose(&rows[..LANES * dim], dim, block.as_flattened_mut());
    }
    for (chunk, cells) in block.chunks_mut(CHUNK).enumerate() {
        for (lane, row) in rows.chunks_exact(dim).enumerate().take(lanes) {
            let row = &row[chunk * CHUNK..][..cells.len()];
            cells.iter_mut().zip(row).for_each(|(cell, x)| cell[lane] = *x);
        }
        for cell in cells {
            let last = cell[lanes - 1];
            cell[lanes..].fill(last);
        }
    }
}

/// The number of lanes after which every lane repeats the last of them: the last block of an ensemble is filled so, and
/// a member that costs transforms is computed once.
pub(crate) fn distinct(block: &[[f64; LANES]]) -> usize {
    let mut lanes = 1;
    for cell in block {
        let differs = |lane: &usize| cell[*lane].to_bits() != cell[*lane - 1].to_bits();
        if let Some(last) = (lanes..LANES).rev().find(differs) {
            lanes = last + 1;
        }
        if lanes == LANES {
            break;
        }
    }
    lanes
}

/// Copies up to [`LANES`] members, `rows` = `[member][component]` one after the other, into a block; lanes past the end
/// repeat the last member, so that they stay as finite as it is.
pub fn load_block(rows: &[f64], block: &mut [[f64; LANES]]) {
    scatter(rows, (rows.len() / block.len()).clamp(1, LANES), block);
}

/// Copies a block back to the members that [`load_block`] took.
pub fn store_block(block: &[[f64; LANES]], rows: &mut [f64]) {
    gather(block, (rows.len() / block.len()).min(LANES), rows);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_lanes_are_counted_once() {
        for lanes in [1, 2, 7, 16] {
            let value = |i: usize, lane: usize| if i == 3 { lane.min(lanes - 1) as f64 } else { f64::NAN };
            let block: Vec<[f64; LANES]> = (0..5).map(|i| std::array::from_fn(|lane| value(i, lane))).collect();
            assert_eq!(distinct(&block), lanes);
            let (mut rows, mut copy) = (vec![0.0; 5 * LANES], vec![[-1.0; LANES]; 5]);
            gather(&block, lanes, &mut rows);
            scatter(&rows, lanes, &mut copy);
            assert_eq!(copy[3], block[3]);
            let members: Vec<f64> = (0..lanes * 5).map(|value| value as f64).collect();
            scatter(&members, lanes, &mut copy);
            assert!((0..LANES).all(|lane| copy[2][lane] == members[lane.min(lanes - 1) * 5 + 2]));
            gather(&copy, lanes, &mut rows);
            assert_eq!(rows[..lanes * 5], members);
        }
    }
}
