//! Affine maps of channels in place: `z[j, o] = b[o] + sum_t w[o, t] x[j, t]`, where x`[j, .]` is what position j sees: a
//! window of the [`Field`] where the map mixes positions, and its own channels otherwise.
//!
//! With g the gradient of z: the gradient of x is the map of g with the kernel reversed in both directions and
//! transposed, without bias; that of w is `dw[o, t] = sum_j g[j, o] x[j, t]`, that of b the sum of g over positions.
//!
//! Weights are packed once for all passes, in strips of [`LANES`] outputs: `[strip, t, lane]`.

use super::super::real::Real;
use super::super::tile::{Extent, Finish, LANES, Left, Right, Start, strip};
use super::field::Field;

/// Positions of a block of the gradient of a weight, about: what they hold stays in the nearest cache.
const BLOCK: usize = 128;

/// Positions that are copied next to each other, at most.
const TOGETHER: usize = 256;
/// Rows of a weight whose gradient is computed at a time, at most.
pub(super) const ROWS: usize = 96;

/// The sizes of a map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Affine {
    /// Where the channels stand.
    pub field: Field,
    /// Whether an output sees more than its own position.
    pub mixes: bool,
    /// Channels of x.
    pub inputs: usize,
    /// Channels of z.
    pub outputs: usize,
}

/// The weights of a map as its passes read them.
#[derive(Clone, Debug, Default)]
pub(super) struct Packed<T> {
    /// `[strip of outputs, t, lane]`.
    forward: Vec<T>,
    /// The kernel reversed and transposed, `[strip of inputs, t, lane]`.
    backward: Vec<T>,
    /// Filled with zeros to whole strips.
    bias: Vec<T>,
}

/// What the gradient of a weight is made of, in one pass: x, g and the number of examples.
pub(super) type Factors<'a, T> = (&'a [T], &'a [T], usize);

impl Affine {
    /// Positions that an output sees, direction by direction.
    const fn kernel(&self) -> [usize; 2] {
        if self.mixes { self.field.kernel } else { [1, 1] }
    }

    /// Terms of the sum of one output.
    pub const fn terms(&self) -> usize {
        let [rows, columns] = self.kernel();
        rows * columns * self.inputs
    }

    /// Elements of the weight.
    pub const fn weights(&self) -> usize {
        self.outputs * self.terms()
    }

    /// From a position to the first that its output sees, backwards.
    const fn before(&self) -> usize {
        if self.mixes { self.field.centre() } else { 0 }
    }

    /// Packs `weight`, `[output, t]`, and `bias`; the room of `packed` is used again.
    pub fn pack<T: Real>(&self, weight: &[T], bias: &[T], packed: &mut Packed<T>) {
        let (inputs, terms, window) = (self.inputs, self.terms(), self.terms() / self.inputs.max(1));
        resize(&mut packed.forward, self.outputs.div_ceil(LANES) * terms * LANES);
        resize(&mut packed.bias, self.outputs.div_ceil(LANES) * LANES);
        packed.bias[..bias.len()].copy_from_slice(bias);
        for (o, row) in weight.chunks_exact(terms.max(1)).enumerate() {
            let strip = &mut packed.forward[o / LANES * terms * LANES..];
            row.iter().enumerate().for_each(|(t, w)| strip[t * LANES + o % LANES] = *w);
        }
        let length = window * self.outputs * LANES;
        resize(&mut packed.backward, inputs.div_ceil(LANES) * length);
        for (o, row) in weight.chunks_exact(terms.max(1)).enumerate() {
            for (place, row) in row.chunks_exact(inputs).enumerate() {
                let at = ((window - 1 - place) * self.outputs + o) * LANES;
                for (strip, row) in row.chunks(LANES).enumerate() {
                    packed.backward[strip * length + at..][..row.len()].copy_from_slice(row);
                }
            }
        }
    }

    /// z of examples `from..to`, into `out`.
    pub fn apply<T: Real>(
        &self,
        packed: &Packed<T>,
        x: &[T],
        (out, finish): (&mut [T], Finish<T>),
        (from, to): (usize, usize),
    ) {
        self.product((&packed.forward, Some(&packed.bias)), [self.inputs, self.outputs], x, (out, finish), (from, to));
    }

    /// The gradient of x of examples `from..to`, from that of z, into `out`. Where the map mixes positions, g has its halo.
    pub fn input_gradient<T: Real>(
        &self,
        packed: &Packed<T>,
        g: &[T],
        (out, finish): (&mut [T], Finish<T>),
        (from, to): (usize, usize),
    ) {
        self.product((&packed.backward, None), [self.outputs, self.inputs], g, (out, finish), (from, to));
    }

    fn product<T: Real>(
        &self,
        (weight, bias): (&[T], Option<&[T]>),
        [inputs, outputs]: [usize; 2],
        x: &[T],
        (out, finish): (&mut [T], Finish<T>),
        (first, last): (usize, usize),
    ) {
        let ([taps, reach], runs) = (self.kernel(), self.field.runs(first, last));
        let terms = taps * reach * inputs;
        for run in 0..runs.count {
            let position = runs.start(run);
            for (index, weight) in weight.chunks_exact((terms * LANES).max(1)).enumerate() {
                let (column, at) = (index * LANES, position * outputs + index * LANES);
                let columns = (outputs - column).min(LANES);
                let extent = Extent { rows: runs.length, columns, segments: 1, length: reach * inputs };
                let begin = at.min(out.len());
                let place = &mut out[begin..];
                // a sum for each row of the kernel, added in turn: shorter sums round less
                for tap in 0..taps {
                    let window = position - self.before() + tap * self.field.padded_columns();
                    let left = Left { data: &x[(window * inputs).min(x.len())..], row: inputs, segment: 0, step: 1 };
                    let right = Right { data: &weight[tap * reach * inputs * LANES..], segment: 0, step: LANES };
                    let start = match (tap, bias) {
                        (0, Some(bias)) => Start::Bias(&bias[column..]),
                        (0, None) => Start::Zero,
                        _ => Start::Out,
                    };
                    let finish = if tap + 1 < taps { Finish::Store } else { from(finish, at) };
                    strip(left, right, extent, start, finish, (&mut *place, outputs));
                }
            }
        }
    }

    /// Adds the gradient of the weights and biases of outputs from `first` on: as many as `bias` has.
    pub fn weight_gradient<'a, T: Real>(
        &self,
        passes: impl Iterator<Item = Factors<'a, T>> + Clone,
        first: usize,
        weight: &mut [T],
        bias: &mut [T],
    ) {
        if self.field.window() == 1 && bias.len() <= ROWS {
            return self.gradient_by_rows(passes, first, weight, bias);
        }
        for (x, g, examples) in passes {
            let runs = self.field.runs(0, examples);
            let mut run = 0;
            while run < runs.count {
                let (segments, spacing) = runs.even(run, (BLOCK / runs.length.max(1)).max(1));
                let (position, length) = (runs.start(run), runs.length);
                self.add_block((x, g), [position, spacing, segments, length], first, weight, bias.len());
                for segment in 0..segments {
                    let from = (position + segment * spacing) * self.outputs;
                    for g in g[from..from + length * self.outputs].chunks_exact(self.outputs) {
                        bias.iter_mut().zip(&g[first..]).for_each(|(sum, g)| *sum += *g);
                    }
                }
                run += segments;
            }
        }
    }

    /// Where nothing mixes positions: copies the rows of many short passes next to each other, so that one product is long
    /// and reads successive elements.
    fn gradient_by_rows<'a, T: Real>(
        &self,
        passes: impl Iterator<Item = Factors<'a, T>> + Clone,
        first: usize,
        weight: &mut [T],
        bias: &mut [T],
    ) {
        let (inputs, outputs, rows) = (self.inputs, self.outputs, bias.len());
        let parts = passes.flat_map(|(x, g, examples)| {
            let positions = examples * self.field.padded();
            (0..positions).step_by(TOGETHER).map(move |from| (x, g, from..positions.min(from + TOGETHER)))
        });
        let mut copied = [T::zero(); TOGETHER * ROWS];
        let mut window = [T::zero(); TOGETHER * LANES];
        let mut done = 0;
        loop {
            let (mut length, mut count) = (0, 0);
            for (_, g, range) in parts.clone().skip(done) {
                if length + range.len() > TOGETHER {
                    break;
                }
                for position in range {
                    let g = &g[position * outputs + first..][..rows];
                    copied[length * rows..][..rows].copy_from_slice(g);
                    bias.iter_mut().zip(g).for_each(|(sum, g)| *sum += *g);
                    length += 1;
                }
                count += 1;
            }
            if count == 0 {
                return;
            }
            for column in (0..inputs).step_by(LANES) {
                let positions =
                    parts.clone().skip(done).take(count).flat_map(|(x, _, range)| range.map(move |at| (x, at)));
                for (place, (x, position)) in window.chunks_exact_mut(LANES).zip(positions) {
                    place.copy_from_slice(&x[position * inputs + column..][..LANES]);
                }
                let left = Left { data: &copied, row: 1, segment: 0, step: rows };
                let right = Right { data: &window, segment: 0, step: LANES };
                let extent = Extent { rows, columns: (inputs - column).min(LANES), segments: 1, length };
                strip(left, right, extent, Start::Out, Finish::Store, (&mut weight[column..], inputs));
            }
            done += count;
        }
    }

    /// Adds the part of some evenly spaced runs to the gradient of the weights of some outputs.
    fn add_block<T: Real>(
        &self,
        (x, g): (&[T], &[T]),
        [position, spacing, segments, length]: [usize; 4],
        first: usize,
        weight: &mut [T],
        rows: usize,
    ) {
        let ([taps, reach], terms) = (self.kernel(), self.terms());
        if length == 0 {
            return;
        }
        let left = Left {
            data: &g[position * self.outputs + first..],
            row: 1,
            segment: spacing * self.outputs,
            step: self.outputs,
        };
        for tap in 0..taps {
            let window = position - self.before() + tap * self.field.padded_columns();
            for column in (0..reach * self.inputs).step_by(LANES) {
                let right = Right {
                    data: &x[window * self.inputs + column..],
                    segment: spacing * self.inputs,
                    step: self.inputs,
                };
                let columns = (reach * self.inputs - column).min(LANES);
                let place = &mut weight[tap * reach * self.inputs + column..];
                let extent = Extent { rows, columns, segments, length };
                strip(left, right, extent, Start::Out, Finish::Store, (place, terms));
            }
        }
    }
}

/// An operand from an element on.
fn from<'a, T: Real>(finish: Finish<'a, T>, at: usize) -> Finish<'a, T> {
    let rest = |operand: &'a [T]| &operand[at.min(operand.len())..];
    match finish {
        Finish::Store => Finish::Store,
        Finish::Add(operand) => Finish::Add(rest(operand)),
        Finish::Multiply(operand) => Finish::Multiply(rest(operand)),
    }
}

/// So many elements, in the room that is there.
fn resize<T: Real>(buffer: &mut Vec<T>, length: usize) {
    buffer.resize(length, T::zero());
}
