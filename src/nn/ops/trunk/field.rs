//! Where channels stand: at the positions of a grid, each example with a halo around it.
//!
//! A buffer is `[example, rows + 2 p, columns + 2 q, channel]` for a kernel of (2 p + 1) x (2 q + 1), so that a
//! convolution reads its windows in place: what one output needs is 2 p + 1 runs of (2 q + 1) channels. The halo is
//! copied from the other side of a torus, and stays zero beyond walls. A ring is a grid of one row, and channels without
//! positions are a grid of one place without halo.

/// What lies beyond the edge of a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// The other side: a torus.
    Periodic,
    /// Zeros, which are the mean of a scaled field; they tell a network where the wall is.
    Zero,
}

/// The positions of an example, and those that one output sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Positions in the first direction.
    pub rows: usize,
    /// Positions in the second direction.
    pub columns: usize,
    /// Positions that an output sees, direction by direction; odd.
    pub kernel: [usize; 2],
    /// What it sees beyond the edge.
    pub boundary: Boundary,
}

/// Successive positions of some examples, none of them of a halo, as runs of equal length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Runs {
    /// How many.
    pub count: usize,
    /// Positions of each.
    pub length: usize,
    /// Runs of an example.
    per_example: usize,
    /// Positions between the starts of two runs of an example, and of two examples.
    strides: [usize; 2],
    /// The first position of the first.
    first: usize,
}

impl Runs {
    /// The first position of a run.
    pub fn start(&self, run: usize) -> usize {
        let [row, example] = self.strides;
        self.first + run / self.per_example * example + run % self.per_example * row
    }

    /// How many runs from `run` on are evenly spaced, at most `most`; and by how many positions.
    pub fn even(&self, run: usize, most: usize) -> (usize, usize) {
        match self.per_example {
            1 => ((self.count - run).min(most), self.strides[1]),
            rows => ((rows - run % rows).min(most), self.strides[0]),
        }
    }
}

impl Field {
    /// One place, which sees itself.
    pub const PLACE: Self = Self { rows: 1, columns: 1, kernel: [1, 1], boundary: Boundary::Zero };

    /// A ring.
    pub const fn ring(length: usize, kernel: usize) -> Self {
        Self { rows: 1, columns: length, kernel: [1, kernel], boundary: Boundary::Periodic }
    }

    /// Positions of an example.
    pub const fn positions(self) -> usize {
        self.rows * self.columns
    }

    /// Positions that one output sees.
    pub const fn window(self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Columns of an example with its halo.
    pub(super) const fn padded_columns(self) -> usize {
        self.columns + self.kernel[1] - 1
    }

    /// Positions of an example with its halo.
    pub(super) const fn padded(self) -> usize {
        (self.rows + self.kernel[0] - 1) * self.padded_columns()
    }

    /// Positions from the first that an output sees to its own.
    pub(super) const fn centre(self) -> usize {
        self.kernel[0] / 2 * self.padded_columns() + self.kernel[1] / 2
    }

    /// The positions of examples `from..to`; without halo they are one run.
    pub(super) const fn runs(self, from: usize, to: usize) -> Runs {
        let (padded, columns) = (self.padded(), self.padded_columns());
        let first = from * padded + self.centre();
        if self.window() == 1 {
            return Runs { count: 1, length: (to - from) * padded, per_example: 1, strides: [0, 0], first };
        }
        let count = (to - from) * self.rows;
        Runs { count, length: self.columns, per_example: self.rows, strides: [columns, padded], first }
    }

    /// Copies dense `values`, `[example, position, channel]`, to the places of all examples.
    pub(super) fn spread<T: Copy>(self, values: &[T], buffer: &mut [T], channels: usize, examples: usize) {
        let runs = self.runs(0, examples);
        for (run, values) in values.chunks_exact((runs.length * channels).max(1)).enumerate() {
            buffer[runs.start(run) * channels..][..values.len()].copy_from_slice(values);
        }
    }

    /// Copies the places of all examples to dense `values`, `[example, position, channel]`.
    pub(super) fn gather<T: Copy>(self, buffer: &[T], values: &mut [T], channels: usize, examples: usize) {
        let runs = self.runs(0, examples);
        for (run, values) in values.chunks_exact_mut((runs.length * channels).max(1)).enumerate() {
            let from = runs.start(run) * channels;
            values.copy_from_slice(&buffer[from..from + values.len()]);
        }
    }

    /// Copies what lies on the other side into the halo of examples `from..to`; walls have zeros there already.
    pub(super) fn halo<T: Copy>(self, buffer: &mut [T], channels: usize, from: usize, to: usize) {
        if self.boundary == Boundary::Zero || self.window() == 1 {
            return;
        }
        let (p, q) = (self.kernel[0] / 2, self.kernel[1] / 2);
        let width = self.padded_columns() * channels;
        for example in buffer[from * self.padded() * channels..to * self.padded() * channels]
            .chunks_exact_mut(self.padded() * channels)
        {
            for row in example[p * width..(p + self.rows) * width].chunks_exact_mut(width) {
                for at in (0..q).chain(q + self.columns..self.padded_columns()) {
                    let from = q + (at + self.columns * q - q) % self.columns;
                    row.copy_within(from * channels..(from + 1) * channels, at * channels);
                }
            }
            for at in (0..p).chain(p + self.rows..self.rows + 2 * p) {
                let from = p + (at + self.rows * p - p) % self.rows;
                example.copy_within(from * width..(from + 1) * width, at * width);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spread_is_gathered_and_the_halo_is_the_other_side() {
        // grids that are smaller than their halo wrap more than once
        for (rows, columns, kernel) in [(3, 4, [3, 3]), (1, 5, [1, 5]), (1, 2, [1, 7]), (2, 1, [5, 5]), (1, 1, [1, 1])]
        {
            for boundary in [Boundary::Periodic, Boundary::Zero] {
                let field = Field { rows, columns, kernel, boundary };
                let (examples, channels) = (2, 3);
                let values: Vec<usize> = (1..=examples * field.positions() * channels).collect();
                let mut buffer = vec![0; examples * field.padded() * channels];
                field.spread(&values, &mut buffer, channels, examples);
                field.halo(&mut buffer, channels, 0, examples);
                let mut back = vec![0; values.len()];
                field.gather(&buffer, &mut back, channels, examples);
                assert_eq!(back, values);
                let (p, q) = (kernel[0] / 2, kernel[1] / 2);
                for (at, value) in buffer.iter().enumerate() {
                    let (place, c) = (at / channels, at % channels);
                    let (example, place) = (place / field.padded(), place % field.padded());
                    let (i, j) = (place / field.padded_columns(), place % field.padded_columns());
                    let (i, j) = (i as isize - p as isize, j as isize - q as isize);
                    let wrapped = [i.rem_euclid(rows as isize) as usize, j.rem_euclid(columns as isize) as usize];
                    let inside = wrapped == [i as usize, j as usize];
                    let source = ((example * rows + wrapped[0]) * columns + wrapped[1]) * channels + c;
                    let expected = if inside || boundary == Boundary::Periodic { values[source] } else { 0 };
                    assert_eq!(*value, expected, "{field:?} at ({i}, {j})");
                }
            }
        }
    }
}
