//! Affine maps of channels in place: `z[j, o] = b[o] + sum_t w[o, t] x[j, t]`, where x`[j, .]` is what position j sees: a
//! window of the [`Field`] where the map mixes positions, and its own channels otherwise.
//!
//! With g the gradient of z: the gradient of x is the map of g with the kernel reversed in both directions and
//! transposed, without bias; that of w is `dw[o, t] = sum_j g[j, o] x[j, t]`, that of b the sum of g over positions.
//!
//! Weights are packed once for all passes, in strips of [`LANES`] outputs: `[strip, t, lane]`.

use std::iter::Peekable;

use super::super::real::Real;
use super::super::tile::{Extent, Finish, LANES, Left, Right, Start, strip, tiled};
use super::field::Field;

/// Positions of a block of the gradient of a weight, about: what they hold stays in the nearest cache.
const BLOCK: usize = 128;

/// Positions that are copied next to each other, at most.
const TOGETHER: usize = 256;
/// Rows of a weight whose gradient is computed at a time, at most.
pub(super) const ROWS: usize = 128;
/// What is copied for the gradient of a weight, at most.
pub(super) const COPIES: usize = TOGETHER * (LANES + ROWS);

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
                    let to = &mut packed.backward[strip * length + at..][..LANES];
                    match row.first_chunk::<LANES>() {
                        // so many that no one has to count
                        Some(row) => to.copy_from_slice(row),
                        None => to[..row.len()].copy_from_slice(row),
                    }
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
            let panel = (terms * LANES).max(1);
            for index in 0..weight.len() / panel {
                let (weight, next) = weight[index * panel..].split_at(panel);
                // few rows need the next weights soon, and from afar
                let next = if self.field.window() == 1 { &next[..panel.min(next.len())] } else { &[] };
                let (column, at) = (index * LANES, position * outputs + index * LANES);
                let columns = (outputs - column).min(LANES);
                let length = reach * inputs;
                let extent = Extent { rows: runs.length, columns, segments: 1, length, in_turn: false };
                let begin = at.min(out.len());
                let place = &mut out[begin..];
                // a sum for each row of the kernel, added in turn: shorter sums round less
                for tap in 0..taps {
                    let window = position - self.before() + tap * self.field.padded_columns();
                    let data = &x[(window * inputs).min(x.len())..];
                    let left = Left::Strided { data, row: inputs, segment: 0, step: 1 };
                    let right = Right { data: &weight[tap * reach * inputs * LANES..], segment: 0, step: LANES, next };
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

    /// The gradient of the weights and biases of outputs from `first` on: as many as `bias` has, at most [`ROWS`]. Each pass
    /// comes with the index of its shard; `copies` is room for [`COPIES`] elements.
    pub fn weight_gradient<'a, T: Real>(
        &self,
        passes: impl Iterator<Item = (usize, Factors<'a, T>)>,
        first: usize,
        (weight, bias): (&mut [T], &mut [T]),
        copies: &mut [T],
    ) {
        bias.fill(T::zero());
        if self.field.window() == 1 {
            return self.gradient_of_places(passes, first, (weight, bias), copies);
        }
        let mut start = Start::Zero;
        for (_, (x, g, examples)) in passes {
            let runs = self.field.runs(0, examples);
            let mut run = 0;
            while run < runs.count {
                let (segments, spacing) = runs.even(run, (BLOCK / runs.length.max(1)).max(1));
                let (position, length) = (runs.start(run), runs.length);
                self.add_block((x, g), [position, spacing, segments, length], first, (weight, start), bias.len());
                start = Start::Out;
                for segment in 0..segments {
                    let from = (position + segment * spacing) * self.outputs;
                    for g in g[from..from + length * self.outputs].chunks_exact(self.outputs) {
                        bias.iter_mut().zip(&g[first..]).for_each(|(sum, g)| *sum += *g);
                    }
                }
                run += segments;
            }
        }
        if matches!(start, Start::Zero) {
            weight.fill(T::zero());
        }
    }

    /// Where nothing mixes positions: a sum for each shard, over the rows of all its passes up to [`TOGETHER`]. They are
    /// copied next to each other, shards as well, for a long product that reads successive elements.
    fn gradient_of_places<'a, T: Real>(
        &self,
        passes: impl Iterator<Item = (usize, Factors<'a, T>)>,
        first: usize,
        (weight, bias): (&mut [T], &mut [T]),
        copies: &mut [T],
    ) {
        let pieces = passes.flat_map(|(shard, (x, g, examples))| {
            let positions = examples * self.field.padded();
            let piece = move |from| Piece { shard, x, g, from, to: positions.min(from + TOGETHER) };
            (0..positions).step_by(TOGETHER).map(piece)
        });
        let mut pieces = pieces.peekable();
        let (mut block, mut start) = (Vec::new(), Start::Zero);
        let mut next = one_sum(&mut pieces, &mut block);
        while !block.is_empty() {
            // as many sums of the same length as there is room for
            let (length, mut segments, mut count) = (next, 0, block.len());
            while next == length && (segments + 1) * length <= TOGETHER {
                (segments, count) = (segments + 1, block.len());
                next = one_sum(&mut pieces, &mut block);
            }
            self.add_copied(&block[..count], [segments, length], first, (weight, start), bias, copies);
            block.drain(..count);
            start = Start::Out;
        }
        if matches!(start, Start::Zero) {
            weight.fill(T::zero());
        }
    }

    /// Adds the part of some pieces to the gradient of some outputs.
    fn add_copied<T: Real>(
        &self,
        pieces: &[Piece<T>],
        [segments, length]: [usize; 2],
        first: usize,
        (weight, start): (&mut [T], Start<T>),
        bias: &mut [T],
        copies: &mut [T],
    ) {
        let (inputs, outputs, rows) = (self.inputs, self.outputs, bias.len());
        let (data, left) = copies.split_at_mut(TOGETHER * LANES);
        let mut term = 0;
        for Piece { g, from, to, .. } in pieces {
            for g in g[from * outputs..to * outputs].chunks_exact(outputs) {
                let g = &g[first..first + rows];
                bias.iter_mut().zip(g).for_each(|(sum, g)| *sum += *g);
                tiled(g, term, segments * length, left);
                term += 1;
            }
        }
        for column in (0..inputs).step_by(LANES) {
            let mut places = data.as_chunks_mut::<LANES>().0.iter_mut();
            for Piece { x, from, to, .. } in pieces {
                for (position, place) in (*from..*to).zip(&mut places) {
                    place.copy_from_slice(&x[position * inputs + column..][..LANES]);
                }
            }
            let right = Right { data, segment: length * LANES, step: LANES, next: &[] };
            let columns = (inputs - column).min(LANES);
            let extent = Extent { rows, columns, segments, length, in_turn: true };
            strip(Left::Tiled(left), right, extent, start, Finish::Store, (&mut weight[column..], inputs));
        }
    }

    /// Adds the part of some evenly spaced runs to the gradient of the weights of some outputs.
    fn add_block<T: Real>(
        &self,
        (x, g): (&[T], &[T]),
        [position, spacing, segments, length]: [usize; 4],
        first: usize,
        (weight, start): (&mut [T], Start<T>),
        rows: usize,
    ) {
        let ([taps, reach], terms) = (self.kernel(), self.terms());
        if length == 0 {
            return;
        }
        let data = &g[position * self.outputs + first..];
        let left = Left::Strided { data, row: 1, segment: spacing * self.outputs, step: self.outputs };
        for tap in 0..taps {
            let window = position - self.before() + tap * self.field.padded_columns();
            for column in (0..reach * self.inputs).step_by(LANES) {
                let data = &x[window * self.inputs + column..];
                let right = Right { data, segment: spacing * self.inputs, step: self.inputs, next: &[] };
                let columns = (reach * self.inputs - column).min(LANES);
                let place = &mut weight[tap * reach * self.inputs + column..];
                let extent = Extent { rows, columns, segments, length, in_turn: false };
                strip(left, right, extent, start, Finish::Store, (place, terms));
            }
        }
    }
}

/// Successive positions of a pass of a shard, with its x and g.
struct Piece<'a, T> {
    shard: usize,
    x: &'a [T],
    g: &'a [T],
    from: usize,
    to: usize,
}

/// Appends the pieces of the next sum to a block: its positions, 0 where there are none.
fn one_sum<'a, T>(pieces: &mut Peekable<impl Iterator<Item = Piece<'a, T>>>, block: &mut Vec<Piece<'a, T>>) -> usize {
    let (mut length, mut shard) = (0, None);
    let joins = |piece: &Piece<T>, length, shard: Option<usize>| {
        shard.is_none_or(|shard| shard == piece.shard && length + piece.to - piece.from <= TOGETHER)
    };
    while let Some(piece) = pieces.next_if(|piece| joins(piece, length, shard)) {
        (length, shard) = (length + piece.to - piece.from, Some(piece.shard));
        block.push(piece);
    }
    length
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
