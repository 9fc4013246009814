//! Single members of a block.

use crate::sde::LANES;

/// One lane into contiguous memory.
pub(crate) fn gather(block: &[[f64; LANES]], lane: usize, out: &mut [f64]) {
    assert_eq!(block.len(), out.len(), "a block of {} components for {}", block.len(), out.len());
    for (out, cell) in out.iter_mut().zip(block) {
        *out = cell[lane];
    }
}

/// Contiguous memory back into one lane.
pub(crate) fn scatter(x: &[f64], lane: usize, block: &mut [[f64; LANES]]) {
    assert_eq!(block.len(), x.len(), "{} components for a block of {}", x.len(), block.len());
    for (cell, x) in block.iter_mut().zip(x) {
        cell[lane] = *x;
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

/// Fills the lanes from `lanes` on with the one before them.
pub(crate) fn repeat(block: &mut [[f64; LANES]], lanes: usize) {
    if lanes < LANES {
        for cell in block {
            let last = cell[lanes - 1];
            cell[lanes..].fill(last);
        }
    }
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
            let mut copy = block.clone();
            copy.iter_mut().for_each(|cell| cell[lanes..].fill(-1.0));
            repeat(&mut copy, lanes);
            assert_eq!(copy[3], block[3]);
        }
    }
}
