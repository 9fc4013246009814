//! Brownian paths addressed by interval, so that refining the step keeps the path.
//!
//! Over an interval of length h a path is known by W, its increment, and by its space-time Levy area
//! H = (1/h) int (W(s) - W(t)) ds - W/2, which is N(0, h/12) and independent of W; the time integral that higher-order
//! schemes need is Z = h (H + W/2). Given W and H of an interval, its two halves follow from two more normals,
//! z ~ N(0, h/16) and n ~ N(0, h/12) (Foster, Lyons and Oberhauser 2020, SIAM Journal on Numerical Analysis 58):
//!
//! W_left = W/2 + 3H/2 + z, W_right = W/2 - 3H/2 - z, H_left = H/4 - z/2 + n/2, H_right = H/4 - z/2 - n/2.
//!
//! A lead step is cut into `pieces` (the odd part of the number of substeps) and each piece is halved `levels` times.
//! The normals of each interval have an address of their own, so any interval can be asked for at any time, and a path
//! does not depend on how finely, or by which scheme, it is read: doubling the substeps keeps it.

mod normals;

use std::ops::Range;

use normals::Normals;

use crate::increment::Increment;
use crate::key::{Key, Stream};
use crate::lanes::LANES;

/// A dyadic part of a piece of a lead step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Which piece.
    pub piece: usize,
    /// How often the piece is halved.
    pub level: u32,
    /// Which of its 2^level parts.
    pub index: u64,
}

/// The increments of up to `L` members' Brownian motions over one lead step, in the order of the substeps.
#[derive(Clone, Debug)]
pub struct BrownianPath<const L: usize = LANES> {
    dt: f64,
    pieces: usize,
    levels: u32,
    /// Whether the finest intervals carry H.
    integrals: bool,
    /// For each level the interval that is being read, and its right sibling if it is a left half.
    now: Vec<Node<L>>,
    right: Vec<Node<L>>,
    normals: Normals<L>,
}

/// W and H of an interval, `[wiener][lane]`.
#[derive(Clone, Debug)]
struct Node<const L: usize> {
    w: Vec<[f64; L]>,
    h: Vec<[f64; L]>,
}

impl<const L: usize> Node<L> {
    fn new(wiener: usize) -> Self {
        Self { w: vec![[0.0; L]; wiener], h: vec![[0.0; L]; wiener] }
    }
}

/// Whose path it is: the members `first..` at one lead step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The address of the lead step.
    pub key: Key,
    /// The members, at most as many as the path has lanes; they are the lanes in their order.
    pub members: Range<usize>,
}

impl Owner {
    fn streams(&self, node: u64) -> impl Iterator<Item = (usize, Stream)> {
        self.members.clone().map(move |member| self.key.node_stream(member as u64, node)).enumerate()
    }
}

impl<const L: usize> BrownianPath<L> {
    /// Scratch for paths of `wiener` Brownian motions over lead steps of `dt`, read in `substeps` equal parts; with
    /// the time integrals or without.
    pub fn new(wiener: usize, dt: f64, substeps: usize, integrals: bool) -> Self {
        let levels = if substeps == 0 { 0 } else { substeps.trailing_zeros() };
        let pieces = (substeps >> levels).max(1);
        let nodes = || (0..=levels).map(|_| Node::new(wiener)).collect();
        let normals = Normals::new(wiener, pieces, levels, integrals);
        Self { dt, pieces, levels, integrals, now: nodes(), right: nodes(), normals }
    }

    /// The number of substeps.
    pub fn substeps(&self) -> usize {
        self.pieces << self.levels
    }

    /// Moves to a substep and writes its increments. Substeps are read in order, from 0.
    pub fn read(&mut self, substep: usize, owner: &Owner, increment: &mut Increment<L>) {
        if increment.dw.is_empty() {
            return;
        }
        let (piece, index) = (substep >> self.levels, substep as u64 & ((1 << self.levels) - 1));
        let from = if index == 0 {
            self.root(piece, owner);
            1
        } else {
            let level = (self.levels - index.trailing_zeros()) as usize;
            std::mem::swap(&mut self.now[level], &mut self.right[level]);
            level as u32 + 1
        };
        for level in from..=self.levels {
            let parent = Interval { piece, level: level - 1, index: index >> (self.levels - level + 1) };
            self.halve(parent, owner);
        }
        self.write(self.levels, increment);
    }

    /// The increments of any interval, at the cost of its level; the next substep that is read must then be 0.
    pub fn interval(&mut self, interval: Interval, owner: &Owner, increment: &mut Increment<L>) {
        let Interval { piece, level, index } = interval;
        assert!(level <= self.levels, "level {level} of a path that is halved {} times", self.levels);
        self.root(piece, owner);
        for below in 1..=level {
            self.halve(Interval { piece, level: below - 1, index: index >> (level - below + 1) }, owner);
            if (index >> (level - below)) & 1 == 1 {
                std::mem::swap(&mut self.now[below as usize], &mut self.right[below as usize]);
            }
        }
        self.write(level, increment);
    }

    fn length(&self, level: u32) -> f64 {
        self.dt / (self.pieces as f64 * 2f64.powi(level as i32))
    }

    /// Whether the intervals of `level` carry H.
    fn with_area(&self, level: u32) -> bool {
        self.integrals || level < self.levels
    }

    fn root(&mut self, piece: usize, owner: &Owner) {
        let (h, with_area) = (self.length(0), self.with_area(0));
        let whole = &mut self.now[0];
        self.normals.of_piece(piece, with_area, owner, whole);
        whole.w.as_flattened_mut().iter_mut().for_each(|w| *w *= h.sqrt());
        if with_area {
            whole.h.as_flattened_mut().iter_mut().for_each(|area| *area *= (h / 12.0).sqrt());
        }
    }

    fn halve(&mut self, parent: Interval, owner: &Owner) {
        let (h, with_area, level) =
            (self.length(parent.level), self.with_area(parent.level + 1), parent.level as usize);
        let (above, below) = self.now.split_at_mut(level + 1);
        let (whole, left, right) = (&above[level], &mut below[0], &mut self.right[level + 1]);
        // the normals of z and n stand where the right half comes
        self.normals.of_halves(parent, with_area, owner, right);
        let (sd_z, sd_n) = ((h / 16.0).sqrt(), (h / 12.0).sqrt());
        for i in 0..whole.w.len() {
            for lane in 0..L {
                let (w, area, z) = (whole.w[i][lane], whole.h[i][lane], sd_z * right.w[i][lane]);
                left.w[i][lane] = 0.5 * w + 1.5 * area + z;
                right.w[i][lane] = 0.5 * w - 1.5 * area - z;
                if with_area {
                    let (half, n) = (0.25 * area - 0.5 * z, sd_n * right.h[i][lane]);
                    (left.h[i][lane], right.h[i][lane]) = (half + 0.5 * n, half - 0.5 * n);
                }
            }
        }
    }

    /// Writes the interval of `level` that is being read.
    fn write(&self, level: u32, increment: &mut Increment<L>) {
        let (h, node) = (self.length(level), &self.now[level as usize]);
        increment.dw.copy_from_slice(&node.w);
        if self.integrals {
            for ((z, w), area) in increment.dz.iter_mut().zip(&node.w).zip(&node.h) {
                (0..L).for_each(|lane| z[lane] = h * (area[lane] + 0.5 * w[lane]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Domain;

    const DT: f64 = 0.3;

    fn increment(wiener: usize) -> Increment {
        Increment { dw: vec![[0.0; LANES]; wiener], dz: vec![[0.0; LANES]; wiener] }
    }

    fn owner(step: u64) -> Owner {
        Owner { key: Key::new(3, Domain::Score).at(step), members: 32..32 + LANES }
    }

    /// The increments of every substep.
    fn path(substeps: usize, integrals: bool, step: u64) -> Vec<Increment> {
        let mut path = BrownianPath::new(2, DT, substeps, integrals);
        let read = |substep| {
            let mut out = increment(2);
            path.read(substep, &owner(step), &mut out);
            out
        };
        (0..substeps).map(read).collect()
    }

    /// Joins neighbours: W adds, and Z = Z_1 + h W_1 + Z_2.
    fn coarser(fine: &[Increment], h: f64) -> Vec<Increment> {
        let join = |pair: &[Increment]| {
            let mut out = increment(2);
            for i in 0..2 {
                for lane in 0..LANES {
                    out.dw[i][lane] = pair[0].dw[i][lane] + pair[1].dw[i][lane];
                    out.dz[i][lane] = pair[0].dz[i][lane] + h * pair[0].dw[i][lane] + pair[1].dz[i][lane];
                }
            }
            out
        };
        fine.chunks(2).map(join).collect()
    }

    fn assert_close(a: &[Increment], b: &[Increment]) {
        assert_eq!(a.len(), b.len());
        let flat = |path: &[Increment]| -> Vec<f64> {
            path.iter().flat_map(|inc| inc.dw.iter().chain(&inc.dz).flatten().copied().collect::<Vec<_>>()).collect()
        };
        for (a, b) in flat(a).iter().zip(flat(b)) {
            assert!((a - b).abs() < 1e-14, "{a} {b}");
        }
    }

    #[test]
    fn doubling_the_substeps_keeps_the_path_and_its_integral() {
        for substeps in [1, 2, 4, 8, 16, 32, 64, 3, 6, 24, 65] {
            let fine = path(2 * substeps, true, 5);
            assert_close(&coarser(&fine, DT / (2 * substeps) as f64), &path(substeps, true, 5));
        }
    }

    #[test]
    fn a_path_without_integrals_has_the_same_increments() {
        for substeps in [1, 3, 4, 12, 32, 64, 128, 65, 130] {
            let (with, without) = (path(substeps, true, 2), path(substeps, false, 2));
            assert!(with.iter().zip(&without).all(|(a, b)| a.dw == b.dw));
        }
    }

    #[test]
    fn an_interval_is_what_reading_in_order_gives() {
        for (substeps, pieces) in [(24, 3), (512, 1)] {
            let mut path_of = BrownianPath::new(2, DT, substeps, true);
            for (level, parts) in [(0, 1), (1, 2), (3, 8), ((substeps / pieces).trailing_zeros(), substeps / pieces)] {
                for (substep, expected) in path(pieces * parts, true, 7).iter().enumerate() {
                    let interval = Interval { piece: substep >> level, level, index: substep as u64 % (1 << level) };
                    let mut found = increment(2);
                    path_of.interval(interval, &owner(7), &mut found);
                    assert_close(&[found], std::slice::from_ref(expected));
                }
            }
        }
    }

    /// Members share nothing, and neither do lead steps, whatever the path's scratch was used for before.
    #[test]
    fn a_path_belongs_to_its_owner() {
        let mut shared: BrownianPath = BrownianPath::new(1, DT, 4, false);
        let mut first = |owner: &Owner| {
            let mut out = Increment::new(1, false);
            shared.read(0, owner, &mut out);
            out.dw[0]
        };
        let member = |from: usize| Owner { key: Key::new(3, Domain::Score).at(1), members: from..from + 2 };
        let (a, b, again) = (first(&member(0)), first(&member(1)), first(&member(0)));
        assert_eq!(a[..2], again[..2]);
        assert_eq!(a[1], b[0], "a member's path does not depend on its lane");
        assert_ne!(a[0], first(&Owner { key: Key::new(3, Domain::Score).at(2), members: 0..2 })[0]);
    }

    /// Var W = h, Cov(W, Z) = h^2 / 2, Var Z = h^3 / 3, and neighbours are independent; five standard errors. Pieces,
    /// halves in the crown, and halves below it.
    #[test]
    fn increments_have_the_joint_law_of_a_path_and_its_integral() {
        for (substeps, steps) in [(3, 3000), (4, 3000), (512, 20)] {
            let h = DT / substeps as f64;
            let (mut sums, mut n) = ([0.0; 4], 0.0);
            for step in 0..steps {
                for pair in path(substeps, true, step).windows(2) {
                    for lane in 0..LANES {
                        let (w, z) = (pair[0].dw[1][lane] / h.sqrt(), pair[0].dz[1][lane] / (h.powi(3) / 3.0).sqrt());
                        let next = pair[1].dw[1][lane] / h.sqrt();
                        let terms = [w * w - 1.0, z * z - 1.0, w * z - 0.75f64.sqrt(), w * next];
                        sums.iter_mut().zip(terms).for_each(|(sum, value)| *sum += value);
                        n += 1.0;
                    }
                }
            }
            let bound = 5.0 * (2.0f64 / n).sqrt();
            assert!(sums.iter().all(|sum| (sum / n).abs() < bound), "{substeps} substeps: {sums:?} of {n}");
        }
    }
}
