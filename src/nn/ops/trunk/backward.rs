//! The backward pass, which may be run many times after one forward pass that was kept.

use super::super::real::Real;
use super::super::tile::Finish;
use super::affine::Factors;
use super::layers::{EMBEDDING, Layers, Shape, Weights};
use super::workspace::{Workspace, turn};

/// What a backward pass is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// The gradients of weights, or what they are made of.
    pub weights: bool,
    /// The gradient of x.
    pub input: bool,
}

impl Layers {
    /// From the dense gradient of out, `[example, position, channel]`, to those of all layers.
    pub(super) fn backward<T: Real>(&self, weights: &Weights<T>, g: &[T], w: &mut Workspace<T>, wanted: Wanted) {
        let examples = w.examples;
        w.backward(self, wanted.weights);
        self.shape.field.spread(g, &mut w.d_output, self.shape.outputs, examples);
        // of a level for each example, `modulate_back` clears the rows
        if w.levels == 1 {
            w.d_film.iter_mut().for_each(|film| film.fill(T::zero()));
        }
        for from in (0..examples).step_by(self.together(examples)) {
            let range = (from, examples.min(from + self.together(examples)));
            self.examples_back(weights, w, wanted, range);
        }
        if wanted.weights && w.levels > 0 {
            self.levels_back(weights, w);
        }
    }

    /// Some examples from head to stem.
    fn examples_back<T: Real>(
        &self,
        weights: &Weights<T>,
        w: &mut Workspace<T>,
        wanted: Wanted,
        range @ (from, to): (usize, usize),
    ) {
        let Shape { field, inputs: _, width, blocks, .. } = self.shape;
        let own = |block| turn(block, wanted.weights);
        let head = &mut w.d_hidden[own(blocks)];
        self.map_back(weights, self.head(), &w.d_output, (head, Finish::Store), range);
        for block in (0..blocks).rev() {
            let at = if wanted.weights { block } else { 0 };
            let Ok([below, above]) = w.d_hidden.get_disjoint_mut([own(block), own(block + 1)]) else { return };
            field.halo(above, width, from, to);
            let slope = Finish::Multiply(&w.slope[block]);
            self.map_back(weights, self.second(block), above, (&mut w.d_first[at], slope), range);
            if w.levels > 0 {
                let film = wanted.weights.then(|| w.d_film[block].as_mut_slice());
                self.modulate_back((&w.z[block], &w.film[block], w.levels), &mut w.d_first[at], film, range);
            }
            field.halo(&mut w.d_first[at], width, from, to);
            self.map_back(weights, self.first(block), &w.d_first[at], (below, Finish::Add(above)), range);
        }
        if wanted.input {
            field.halo(&mut w.d_hidden[0], width, from, to);
            self.map_back(weights, self.stem(), &w.d_hidden[0], (&mut w.d_input, Finish::Store), range);
        }
    }

    fn map_back<T: Real>(
        &self,
        weights: &Weights<T>,
        index: usize,
        g: &[T],
        out: (&mut [T], Finish<T>),
        range: (usize, usize),
    ) {
        self.maps[index].input_gradient(&weights[index], g, out, range);
    }

    /// From u to dz = (1 + g) u, in place; adds u z and u to the gradient of the film if it is wanted.
    fn modulate_back<T: Real>(
        &self,
        (z, film, levels): (&[T], &[T], usize),
        u: &mut [T],
        mut d_film: Option<&mut [T]>,
        (from, to): (usize, usize),
    ) {
        let width = self.shape.width;
        for example in from..to {
            let row = if levels == 1 { 0 } else { example } * 2 * width;
            let runs = self.shape.field.runs(example, example + 1);
            if let (Some(film), true) = (&mut d_film, levels > 1) {
                film[row..row + 2 * width].fill(T::zero());
            }
            for run in 0..runs.count {
                let start = runs.start(run) * width;
                let range = start..start + runs.length * width;
                let d_film = d_film.as_deref_mut().map(|film| &mut film[row..row + 2 * width]);
                T::modulate_back(&z[range.clone()], &film[row..row + 2 * width], &mut u[range], d_film);
            }
        }
    }

    /// From the gradients of the films to those of the embedding.
    fn levels_back<T: Real>(&self, weights: &Weights<T>, w: &mut Workspace<T>) {
        let (range, length) = ((0, w.levels), w.levels * self.shape.width);
        let [even, odd] = &mut w.sum;
        even.fill(T::zero());
        odd.fill(T::zero());
        for block in 0..self.shape.blocks {
            let (out, so_far) = if block % 2 == 0 { (&mut *odd, &*even) } else { (&mut *even, &*odd) };
            self.map_back(weights, self.film(block), &w.d_film[block], (out, Finish::Add(so_far)), range);
        }
        let sum = if self.shape.blocks.is_multiple_of(2) { even } else { odd };
        let [first, second] = &mut w.d_embedding;
        for ((g, sum), slope) in second[..length].iter_mut().zip(&*sum).zip(&w.embedding_slope[1]) {
            *g = *sum * *slope;
        }
        let slope = Finish::Multiply(&w.embedding_slope[0]);
        self.map_back(weights, EMBEDDING - 1, second, (first, slope), range);
    }

    /// x and g of a map, of a pass that has been pulled back with the gradients of weights wanted.
    pub(super) fn factors<'a, T: Real>(&self, w: &'a Workspace<T>, index: usize) -> Factors<'a, T> {
        let stem = self.stem();
        if index < stem {
            let x = if index == 0 { &w.features } else { &w.embedding[index - 1] };
            return (x, &w.d_embedding[index], w.levels);
        }
        if index == stem {
            return (&w.input, &w.d_hidden[0], w.examples);
        }
        let blocks = self.shape.blocks;
        if index == self.head() {
            return (&w.hidden[blocks], &w.d_output, w.examples);
        }
        let block = (index - stem - 1) / (self.first(1) - self.first(0));
        match index {
            _ if index == self.first(block) => (&w.hidden[block], &w.d_first[block], w.examples),
            _ if index == self.second(block) => (&w.inner[block], &w.d_hidden[block + 1], w.examples),
            _ => (&w.embedding[1], &w.d_film[block], w.levels),
        }
    }
}
