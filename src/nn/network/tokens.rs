//! Patches of neighbouring components, which are the tokens of a transformer: runs of p components in the order of the
//! state, or squares of p x p positions of a grid of rows and columns, token by token in the order of their first positions.

use candle_core::Tensor;

use super::{Grid, NetworkConfig};
use crate::nn::Result;

/// The most tokens that components are cut into where nobody says how, if they can be; and otherwise.
const MOST: [usize; 2] = [64, 256];

/// The fewest tokens of patches of several components, where nobody says how large they are.
const FEWEST: usize = 8;

/// How a state is cut into patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tokens {
    /// Tokens in each direction.
    pub along: [usize; 2],
    /// Positions of a patch in each direction.
    pub patch: [usize; 2],
    /// Whether they close to a ring or a torus.
    pub periodic: bool,
}

impl Tokens {
    /// The tokens of a network, or the key of a setting and what is wrong with it.
    pub fn of(config: &NetworkConfig) -> Result<Self, (&'static str, String)> {
        // without a grid, a line that has ends
        let grid = config.grid.unwrap_or(Grid { rows: 1, columns: config.components, periodic: false });
        let shape = if grid.rows == 1 {
            format!("{} components", grid.columns)
        } else {
            format!("sides of {} and {} components", grid.rows, grid.columns)
        };
        match config.patch {
            Some(patch) => Self::cut_by(grid, patch)
                .ok_or_else(|| ("patch", format!("is {patch}, which does not divide the {shape}; set it to a divisor"))),
            None => Self::usual(grid).ok_or_else(|| {
                let most = MOST[1];
                let problem = format!(
                    "must be set: none divides the {shape} into {FEWEST} to {most} tokens; set it to 1 or to another divisor"
                );
                ("patch", problem)
            }),
        }
    }

    /// Patches of this size, if they divide a grid.
    fn cut_by(grid: Grid, patch: usize) -> Option<Self> {
        let patch = if grid.rows == 1 { [1, patch] } else { [patch; 2] };
        let divides = |length: usize, patch: usize| patch > 0 && length.is_multiple_of(patch);
        let fits = divides(grid.rows, patch[0]) && divides(grid.columns, patch[1]);
        let along = || [grid.rows / patch[0], grid.columns / patch[1]];
        fits.then(|| Self { along: along(), patch, periodic: grid.periodic })
    }

    /// The smallest patches that make few tokens.
    fn usual(grid: Grid) -> Option<Self> {
        let longest = if grid.rows == 1 { grid.columns } else { grid.rows.min(grid.columns) };
        let few = |most: usize, tokens: &Self| {
            let count = tokens.along[0].saturating_mul(tokens.along[1]);
            count <= most && (count >= FEWEST || tokens.patch[1] == 1)
        };
        let all = || (1..=longest).filter_map(|patch| Self::cut_by(grid, patch));
        MOST.into_iter().find_map(|most| all().find(|tokens| few(most, tokens)))
    }

    /// How many.
    pub const fn count(self) -> usize {
        self.along[0].saturating_mul(self.along[1])
    }

    /// Components of each.
    pub const fn each(self) -> usize {
        self.patch[0].saturating_mul(self.patch[1])
    }

    /// The shift from the first to the second of each pair of tokens, around the ring or torus, as a place among all shifts.
    pub fn shifts(self) -> Vec<u32> {
        let [rows, columns] = self.along;
        let shift = |i: usize, j: usize| {
            let along = |from: usize, to: usize, length: usize| (to + length - from) % length;
            along(i / columns, j / columns, rows) * columns + along(i % columns, j % columns, columns)
        };
        let count = self.count();
        (0..count).flat_map(|i| (0..count).map(move |j| shift(i, j) as u32)).collect()
    }

    /// From `[row, component, field]` to `[row, token, components of a patch x field]`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn cut(self, x: &Tensor) -> Result<Tensor> {
        let (batch, _, fields) = x.dims3()?;
        let ([rows, columns], [a, b]) = (self.along, self.patch);
        let x = if a == 1 { x.clone() } else { x.reshape((batch, rows, a, columns, b * fields))?.transpose(2, 3)? };
        Ok(x.contiguous()?.reshape((batch, self.count(), self.each() * fields))?)
    }

    /// From `[row, token, components of a patch x field]` to `[row, component, field]`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn joined(self, x: &Tensor) -> Result<Tensor> {
        let (batch, count, channels) = x.dims3()?;
        let ([rows, columns], [a, b]) = (self.along, self.patch);
        let fields = channels / self.each();
        let x = if a == 1 { x.clone() } else { x.reshape((batch, rows, columns, a, b * fields))?.transpose(2, 3)? };
        Ok(x.contiguous()?.reshape((batch, count * self.each(), fields))?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    fn of(rows: usize, columns: usize, patch: Option<usize>) -> Result<Tokens, (&'static str, String)> {
        let grid = Some(Grid { rows, columns, periodic: true });
        Tokens::of(&NetworkConfig { components: rows * columns, grid, patch, ..config("transformer", false) })
    }

    #[test]
    fn patches_are_the_smallest_that_make_few_tokens_or_what_is_said() {
        for ((rows, columns), patch, along) in [
            ((1, 3), None, [1, 3]),
            ((1, 40), None, [1, 40]),
            ((1, 40), Some(4), [1, 10]),
            ((1, 100), None, [1, 50]),
            // a prime number has no patches, but is not too large
            ((1, 101), None, [1, 101]),
            ((1, 960), None, [1, 64]),
            ((4, 5), None, [4, 5]),
            ((32, 32), None, [8, 8]),
            ((6, 10), Some(2), [3, 5]),
        ] {
            let found = of(rows, columns, patch).unwrap();
            assert_eq!(found.along, along, "{rows} x {columns}");
            assert_eq!(found.count() * found.each(), rows * columns);
        }
    }

    #[test]
    fn components_that_no_patch_cuts_are_refused_in_a_sentence() {
        for ((rows, columns), patch, says) in [
            ((1, 40), Some(3), "is 3, which does not divide the 40 components; set it to a divisor"),
            ((4, 6), Some(4), "is 4, which does not divide the sides of 4 and 6 components"),
            ((1, 997), None, "must be set: none divides the 997 components into 8 to 256 tokens; set it to 1"),
        ] {
            let (key, problem) = of(rows, columns, patch).unwrap_err();
            assert!(key == "patch" && problem.contains(says), "{problem}");
        }
    }

    #[test]
    fn squares_are_cut_and_joined_again() {
        let tokens = of(4, 6, Some(2)).unwrap();
        let x = Tensor::arange(0u32, 48, &candle_core::Device::Cpu).unwrap().reshape((1, 24, 2)).unwrap();
        let cut = tokens.cut(&x).unwrap();
        // the second square of the first row has columns 2 and 3 of rows 0 and 1, two fields each
        let second = cut.get(0).unwrap().get(1).unwrap().to_vec1::<u32>().unwrap();
        assert_eq!(second, [4, 5, 6, 7, 16, 17, 18, 19]);
        assert_eq!(tokens.joined(&cut).unwrap().to_vec3::<u32>().unwrap(), x.to_vec3::<u32>().unwrap());
        // from token (0, 1) to (1, 0): one row on, and two columns on around the torus of 2 x 3
        assert_eq!(tokens.shifts()[6 + 3], 3 + 2);
    }
}
