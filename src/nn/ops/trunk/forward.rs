//! The forward pass.

use super::super::real::Real;
use super::super::tile::Finish;
use super::layers::{EMBEDDING, Layers, Shape, Weights};
use super::workspace::{Workspace, turn};
use crate::nn::level::{FEATURES, features};

impl Layers {
    /// out of dense x, `[example, position, channel]`, in `workspace.output`; with what the pullback needs if it is `kept`.
    /// The film must be there.
    pub(super) fn forward<T: Real>(&self, weights: &Weights<T>, x: &[T], workspace: &mut Workspace<T>, kept: bool) {
        let (field, examples) = (self.shape.field, workspace.examples);
        field.spread(x, &mut workspace.input, self.shape.inputs, examples);
        field.halo(&mut workspace.input, self.shape.inputs, 0, examples);
        for from in (0..examples).step_by(self.together(examples)) {
            self.examples(weights, workspace, kept, (from, examples.min(from + self.together(examples))));
        }
    }

    /// Some examples from stem to head.
    fn examples<T: Real>(&self, weights: &Weights<T>, w: &mut Workspace<T>, kept: bool, range: (usize, usize)) {
        let Shape { field, width, blocks, .. } = self.shape;
        self.map(weights, self.stem(), &w.input, (&mut w.hidden[0], Finish::Store), range);
        for block in 0..blocks {
            let (own, h) = (turn(block, kept), turn(block, kept));
            let own = if kept { own } else { 0 };
            field.halo(&mut w.hidden[h], width, range.0, range.1);
            let z = if w.levels > 0 { &mut w.z[own] } else { &mut w.inner[own] };
            self.map(weights, self.first(block), &w.hidden[h], (z, Finish::Store), range);
            self.activate(w, block, own, kept, range);
            field.halo(&mut w.inner[own], width, range.0, range.1);
            let next = turn(block + 1, kept);
            if let Ok([hidden, out]) = w.hidden.get_disjoint_mut([h, next]) {
                self.map(weights, self.second(block), &w.inner[own], (out, Finish::Add(hidden)), range);
            }
        }
        let last = turn(blocks, kept);
        self.map(weights, self.head(), &w.hidden[last], (&mut w.output, Finish::Store), range);
    }

    fn map<T: Real>(
        &self,
        weights: &Weights<T>,
        index: usize,
        x: &[T],
        out: (&mut [T], Finish<T>),
        range: (usize, usize),
    ) {
        self.maps[index].apply(&weights[index], x, out, range);
    }

    /// silu((1 + g) z + s), or silu(z) where there are no levels.
    fn activate<T: Real>(
        &self,
        w: &mut Workspace<T>,
        block: usize,
        own: usize,
        kept: bool,
        (from, to): (usize, usize),
    ) {
        let (width, levels) = (self.shape.width, w.levels);
        for example in from..to {
            let runs = self.shape.field.runs(example, example + 1);
            for run in 0..runs.count {
                let start = runs.start(run) * width;
                let range = start..start + runs.length * width;
                let slope = kept.then(|| &mut w.slope[own][range.clone()]);
                let inner = &mut w.inner[own][range.clone()];
                if levels > 0 {
                    let row = if levels == 1 { 0 } else { example };
                    let film = &w.film[block][row * 2 * width..][..2 * width];
                    T::modulate(&w.z[own][range], film, inner, slope);
                } else {
                    T::silu(inner, slope);
                }
            }
        }
    }

    /// The film of each row of levels, in `workspace.film`.
    pub(super) fn film_of<T: Real>(&self, weights: &Weights<T>, levels: &[f64], w: &mut Workspace<T>) {
        let (rows, width) = (levels.len() / self.shape.levels, self.shape.width);
        for (place, value) in w.features[..levels.len() * FEATURES].iter_mut().zip(features(levels)) {
            *place = T::from_f64(f64::from(value));
        }
        for layer in 0..EMBEDDING {
            let (before, after) = w.embedding.split_at_mut(layer);
            let (x, out) = (before.last().unwrap_or(&w.features), &mut after[0]);
            self.map(weights, layer, x, (out, Finish::Store), (0, rows));
            T::silu(&mut out[..rows * width], Some(&mut w.embedding_slope[layer][..rows * width]));
        }
        for block in 0..self.shape.blocks {
            self.map(weights, self.film(block), &w.embedding[1], (&mut w.film[block], Finish::Store), (0, rows));
        }
    }
}
